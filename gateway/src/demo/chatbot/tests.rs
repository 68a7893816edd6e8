use std::net::SocketAddr;

use futures_util::SinkExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio_tungstenite::tungstenite::Message;

use super::*;

struct Bot {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    done: tokio::task::JoinHandle<()>,
}

async fn start() -> Bot {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let done = tokio::spawn(serve_with(listener, Duration::from_micros(1), async {
        drop(stopped.await);
    }));
    Bot { address, stop, done }
}

struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// The text of each `data:` line.
    fn events(&self) -> Vec<&str> {
        self.body.lines().filter_map(|line| line.strip_prefix("data: ")).collect()
    }
}

impl Bot {
    /// HTTP/1.0, so that a stream comes without chunk framing.
    async fn ask(&self, request: &str, body: &str) -> Answer {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let length = body.len();
        let text = format!(
            "{request} HTTP/1.0\r\nHost: x\r\nx-user-id: anna\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head: head.to_lowercase(), body: body.to_owned() }
    }

    async fn chat(&self, body: &Value) -> Answer {
        self.ask("POST /v1/chat/completions", &body.to_string()).await
    }
}

const SENTENCE: &str =
    "Hello from the demo chatbot! Your message of 3 words came through the gate safe and sound.";

fn three_words() -> Value {
    json!({
        "model": "gpt-x",
        "messages": [{ "role": "system", "content": "Be kind." }, { "role": "user", "content": " where is\nit " }],
    })
}

#[tokio::test]
async fn a_whole_answer_has_the_shape() {
    let bot = start().await;
    let answer = bot.chat(&three_words()).await;
    assert_eq!(answer.status, 200);
    assert!(answer.head.contains("content-type: application/json"));
    let mut value = answer.json();
    assert!(value["id"].as_str().unwrap().starts_with("chatcmpl-"));
    assert!(value["created"].as_u64().unwrap() > 1_700_000_000);
    value["id"] = json!(0);
    value["created"] = json!(0);
    let message = json!({ "role": "assistant", "content": SENTENCE, "refusal": null });
    let expected = json!({
        "id": 0, "object": "chat.completion", "created": 0, "model": "gpt-x",
        "choices": [{ "index": 0, "message": message, "logprobs": null, "finish_reason": "stop" }],
        "usage": { "prompt_tokens": 5, "completion_tokens": 17, "total_tokens": 22 },
    });
    assert_eq!(value, expected);
}

#[tokio::test]
async fn a_stream_has_the_words_then_stop_then_done() {
    let bot = start().await;
    let mut ask = three_words();
    ask["stream"] = json!(true);
    let answer = bot.chat(&ask).await;
    assert!(answer.head.contains("content-type: text/event-stream"));
    let events = answer.events();
    let (done, chunks) = events.split_last().unwrap();
    assert_eq!(*done, "[DONE]");
    let chunks: Vec<Value> = chunks.iter().map(|chunk| serde_json::from_str(chunk).unwrap()).collect();
    assert_eq!(chunks.len(), 1 + 17 + 1);
    assert_eq!(chunks[0]["choices"][0]["delta"], json!({ "role": "assistant", "content": "" }));
    let said: String =
        chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str()).collect();
    assert_eq!(said, SENTENCE);
    assert_eq!(chunks[18]["choices"][0]["finish_reason"], "stop");
    for chunk in &chunks {
        assert_eq!(chunk["object"], "chat.completion.chunk");
        assert_eq!(chunk["id"], chunks[0]["id"]);
        assert!(chunk.get("usage").is_none());
    }
}

#[tokio::test]
async fn usage_comes_last_when_asked_for() {
    let bot = start().await;
    let mut ask = three_words();
    ask["stream"] = json!(true);
    ask["stream_options"] = json!({ "include_usage": true });
    let answer = bot.chat(&ask).await;
    let events = answer.events();
    let chunks: Vec<Value> =
        events[..events.len() - 1].iter().map(|chunk| serde_json::from_str(chunk).unwrap()).collect();
    let (last, before) = chunks.split_last().unwrap();
    assert_eq!(last["choices"], json!([]));
    assert_eq!(last["usage"]["total_tokens"], 22);
    assert!(before.iter().all(|chunk| chunk["usage"].is_null() && chunk.get("usage").is_some()));
}

#[tokio::test]
async fn a_streams_first_event_comes_before_its_last_is_due() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    // With an hour between two words, only a stream that is not gathered first can be read at all.
    tokio::spawn(serve_with(listener, Duration::from_hours(1), std::future::pending()));
    let mut stream = TcpStream::connect(address).await.unwrap();
    let body = "{\"content\":\"hi\",\"stream\":true}";
    let length = body.len();
    let head =
        format!("POST /v1/acme/conversations/7/messages HTTP/1.0\r\nContent-Length: {length}\r\n\r\n{body}");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut seen = String::new();
    while !seen.contains("\"role\":\"assistant\"") {
        let mut some = [0; 512];
        let count = stream.read(&mut some).await.unwrap();
        assert!(count > 0, "{seen}");
        seen.push_str(std::str::from_utf8(&some[..count]).unwrap());
    }
}

#[tokio::test]
async fn the_twins_are_the_tenants() {
    let bot = start().await;
    let list = bot.ask("GET /v1/acme/conversations", "").await.json();
    assert_eq!(list["object"], "list");
    assert!(list["data"].as_array().unwrap().iter().all(|one| one["tenant"] == "acme"));
    let messages = "POST /v1/acme/conversations/c1/messages";
    let answer = bot.ask(messages, r#"{"content":"one two three"}"#).await.json();
    assert_eq!(answer["choices"][0]["message"]["content"], SENTENCE);
    assert_eq!(answer["model"], MODEL);
    let streamed = bot.ask(messages, r#"{"content":"one two three","stream":true}"#).await;
    assert_eq!(streamed.events().last(), Some(&"[DONE]"));
}

#[tokio::test]
async fn faults_have_openais_shape() {
    let bot = start().await;
    let big = format!("{{\"content\":\"{}\"}}", "a".repeat(BODY_BYTES));
    for (request, body, status, param) in [
        ("POST /v1/chat/completions", "{", 400, Value::Null),
        ("POST /v1/chat/completions", "[]", 400, json!("model")),
        ("POST /v1/chat/completions", r#"{"model":7}"#, 400, json!("model")),
        ("POST /v1/chat/completions", r#"{"model":"m"}"#, 400, json!("messages")),
        ("POST /v1/chat/completions", r#"{"model":"m","messages":[]}"#, 400, json!("messages")),
        ("POST /v1/chat/completions", r#"{"model":"m","messages":[{}],"stream":1}"#, 400, json!("stream")),
        ("POST /v1/acme/conversations/c1/messages", "{}", 400, json!("content")),
        ("POST /v1/acme/conversations/c1/messages", &big, 413, Value::Null),
        ("GET /v1/chat/completions", "", 405, Value::Null),
        ("POST /v1/models", "", 405, Value::Null),
        ("GET /ws", "", 426, Value::Null),
        ("GET /nowhere", "", 404, Value::Null),
    ] {
        let answer = bot.ask(request, body).await;
        assert_eq!(answer.status, status, "{request}");
        let error = answer.json()["error"].clone();
        assert!(error["message"].is_string() && error["type"] == "invalid_request_error", "{error}");
        assert_eq!(error["param"], param, "{request}");
    }
}

#[tokio::test]
async fn the_small_addresses_answer() {
    let bot = start().await;
    assert_eq!(bot.ask("GET /healthz", "").await.body, "ok\n");
    assert_eq!(bot.ask("GET /v1/models", "").await.json()["data"][0]["id"], MODEL);
    let me = bot.ask("PUT /whoami?a=b", "").await.json();
    assert_eq!((&me["method"], &me["path"]), (&json!("PUT"), &json!("/whoami?a=b")));
    assert_eq!(me["headers"]["x-user-id"], "anna");
}

#[test]
fn repeated_headers_are_a_list() {
    let mut map = HeaderMap::new();
    map.append("a", HeaderValue::from_static("1"));
    map.append("a", HeaderValue::from_bytes(b"\xff").unwrap());
    assert_eq!(Value::from(headers(&map)), json!({ "a": ["1", "\u{fffd}"] }));
}

#[tokio::test]
async fn the_socket_echoes() {
    let bot = start().await;
    let stream = TcpStream::connect(bot.address).await.unwrap();
    let (mut socket, _) = tokio_tungstenite::client_async("ws://x/ws", stream).await.unwrap();
    for message in [Message::text("hello"), Message::binary(vec![0, 255])] {
        socket.send(message.clone()).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), message);
    }
    socket.send(Message::Ping(Bytes::from_static(b"p"))).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::Pong(Bytes::from_static(b"p")));
    socket.close(None).await.unwrap();
    while let Some(message) = socket.next().await {
        assert!(message.unwrap().is_close());
    }
}

#[tokio::test]
async fn shutdown_lets_the_server_end() {
    let bot = start().await;
    let answer = bot.chat(&three_words()).await;
    assert_eq!(answer.status, 200);
    bot.stop.send(()).unwrap();
    bot.done.await.unwrap();
    assert!(TcpStream::connect(bot.address).await.is_err());
}
