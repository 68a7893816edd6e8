//! `OpenAI`'s chat completions: the request as far as it matters here, the answer whole and as events.

use std::time::{SystemTime, UNIX_EPOCH};

use http::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Fault, MODEL};

/// Which address is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// `/v1/chat/completions`: `model` and `messages`.
    OpenAi,
    /// `…/messages`: `content`, or `messages` as above.
    Message,
}

/// What a request asks.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) model: String,
    /// Words of the last message.
    pub(super) words: usize,
    /// Words of all messages.
    pub(super) all_words: usize,
    pub(super) stream: bool,
    pub(super) include_usage: bool,
}

impl Question {
    pub(super) fn parse(body: &[u8], dialect: Dialect) -> Result<Self, Fault> {
        let body: Value = serde_json::from_slice(body)
            .map_err(|_| Fault::new(StatusCode::BAD_REQUEST, "The request's body is not JSON."))?;
        let model = match (body.get("model"), dialect) {
            (Some(Value::String(model)), _) => model.clone(),
            (None, Dialect::Message) => MODEL.to_owned(),
            _ => {
                return Err(Fault::param("model", "Name a model, for example `portcullis-demo`."));
            }
        };
        let words: Vec<usize> = match (body.get("messages"), body.get("content"), dialect) {
            (Some(Value::Array(messages)), _, _) => {
                messages.iter().map(|message| words(message.get("content"))).collect()
            }
            (None, content @ Some(Value::String(_) | Value::Array(_)), Dialect::Message) => {
                vec![words(content)]
            }
            (_, _, Dialect::OpenAi) => return Err(Fault::param("messages", "Send `messages`, a list.")),
            (_, _, Dialect::Message) => return Err(Fault::param("content", "Send `content`, a text.")),
        };
        let Some(&last) = words.last() else {
            return Err(Fault::param("messages", "Send one message at least."));
        };
        let flag = |pointer| match body.pointer(pointer) {
            None | Some(Value::Null) => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(_) => Err(Fault::param("stream", "`stream` and `include_usage` are true or false.")),
        };
        Ok(Self {
            model,
            words: last,
            all_words: words.iter().sum(),
            stream: flag("/stream")?,
            include_usage: flag("/stream_options/include_usage")?,
        })
    }
}

/// The words of a message's `content`: a text, or parts of which some are texts.
fn words(content: Option<&Value>) -> usize {
    match content {
        Some(Value::String(text)) => text.split_whitespace().count(),
        Some(Value::Array(parts)) => parts.iter().map(|part| words(part.get("text"))).sum(),
        _ => 0,
    }
}

/// The answer to a question.
#[derive(Debug)]
pub(super) struct Reply {
    id: String,
    created: u64,
    model: String,
    text: String,
    usage: Value,
}

impl Reply {
    pub(super) fn new(question: &Question) -> Self {
        let words = match question.words {
            1 => "1 word".to_owned(),
            count => format!("{count} words"),
        };
        let text = format!(
            "Hello from the demo chatbot! Your message of {words} came through the gate safe and sound."
        );
        // A word counts as a token: nobody is billed.
        let (prompt, completion) = (question.all_words, text.split_whitespace().count());
        Self {
            id: format!("chatcmpl-{}", Uuid::now_v7().simple()),
            created: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
            model: question.model.clone(),
            text,
            usage: json!({
                "prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion,
            }),
        }
    }

    /// The `chat.completion` object.
    pub(super) fn whole(&self) -> Value {
        let message = json!({ "role": "assistant", "content": self.text, "refusal": null });
        let choice = json!({ "index": 0, "message": message, "logprobs": null, "finish_reason": "stop" });
        json!({
            "id": self.id, "object": "chat.completion", "created": self.created, "model": self.model,
            "choices": [choice], "usage": self.usage,
        })
    }

    /// The `chat.completion.chunk` events and `[DONE]`, each ready for the wire.
    pub(super) fn events(&self, include_usage: bool) -> Vec<String> {
        let choice = |delta: Value, reason: Value| {
            json!([{
                "index": 0, "delta": delta, "logprobs": null, "finish_reason": reason,
            }])
        };
        let chunk = |choices: Value, usage: Value| {
            let mut chunk = json!({
                "id": self.id, "object": "chat.completion.chunk", "created": self.created, "model": self.model,
                "choices": choices,
            });
            // With `include_usage` every chunk has the key, and only the last one a value.
            if let (true, Some(object)) = (include_usage, chunk.as_object_mut()) {
                object.insert("usage".to_owned(), usage);
            }
            format!("data: {chunk}\n\n")
        };
        let word = |word: &str| chunk(choice(json!({ "content": word }), Value::Null), Value::Null);
        let mut events =
            vec![chunk(choice(json!({ "role": "assistant", "content": "" }), Value::Null), Value::Null)];
        events.extend(self.text.split_inclusive(' ').map(word));
        events.push(chunk(choice(json!({}), json!("stop")), Value::Null));
        if include_usage {
            events.push(chunk(json!([]), self.usage.clone()));
        }
        events.push("data: [DONE]\n\n".to_owned());
        events
    }
}
