"""Talks to a chat model through the gateway with the official SDK: nothing but its base_url is changed.

    openai_chat.py plain|stream BASE_URL

The token comes from OPENAI_API_KEY and the authority to trust from SSL_CERT_FILE, as for any program.
Prints one JSON object; exits 3 when the SDK raised an API error.
"""

import json
import sys

import openai


def main() -> int:
    mode, base_url = sys.argv[1:3]
    client = openai.OpenAI(base_url=base_url, max_retries=0, timeout=20.0)
    question = [{"role": "user", "content": "hello through the gate"}]
    try:
        if mode == "plain":
            answer = client.chat.completions.create(model="test-model", messages=question)
            result = {"content": answer.choices[0].message.content}
        else:
            deltas = []
            for chunk in client.chat.completions.create(model="test-model", messages=question, stream=True):
                deltas.append(chunk.choices[0].delta.content or "")
            result = {"content": "".join(deltas), "pieces": len(deltas)}
    except openai.APIStatusError as error:
        body = error.response.json()
        print(json.dumps({"error": type(error).__name__, "status": error.status_code, "code": body.get("code")}))
        return 3
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
