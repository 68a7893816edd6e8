//! What the backend says, by path.

use std::future::pending;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _, stream};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::{Body, KEPT, Received, Record, json_answer, respond};
use crate::sha256;

/// Writes the request down, then answers it. An error closes the connection without an answer.
pub(super) async fn answer(
    mut request: Request<Incoming>,
    record: &Arc<Record>,
    count: &watch::Sender<usize>,
    number: usize,
) -> io::Result<Response<Body>> {
    let index = note_head(&request, record, count, number);
    let path = request.uri().path().to_owned();
    if request.headers().contains_key("sec-websocket-key") {
        return Ok(echo_socket(&mut request));
    }
    if path.ends_with("/hasty") {
        return Ok(respond(StatusCode::CONFLICT, "text/plain", "answered before the body was read"));
    }
    let body = note_body(request, record, count, index).await?;
    let held = record.held.lock().unwrap().get(&path).cloned();
    if let Some(held) = held {
        // Closed is open: there are no permits.
        let _ = held.acquire().await;
    }
    if let Some(canned) = record.canned.lock().unwrap().get(&path) {
        let mut response = respond(StatusCode::from_u16(canned.status).unwrap(), "text/plain", canned.body);
        for (name, value) in &canned.headers {
            let value = http::HeaderValue::from_static(value);
            if *name == "content-type" {
                response.headers_mut().insert(*name, value);
            } else {
                response.headers_mut().append(*name, value);
            }
        }
        return Ok(response);
    }
    let driven =
        record.streams.lock().unwrap().get_mut(&path).and_then(std::collections::VecDeque::pop_front);
    if let Some(events) = driven {
        return Ok(event_stream(events));
    }
    let received = record.requests.lock().unwrap()[index].clone();
    match path.rsplit('/').next().unwrap_or_default() {
        "never" => pending().await,
        "closes" => Err(io::Error::other("closed on purpose")),
        "completions" => Ok(chat(&body)),
        last => match (path.contains("/status/"), last.parse()) {
            (true, Ok(status)) => {
                Ok(respond(StatusCode::from_u16(status).unwrap(), "text/plain", "as asked"))
            }
            _ => Ok(json_answer(&echo(&received))),
        },
    }
}

fn note_head(
    request: &Request<Incoming>,
    record: &Record,
    count: &watch::Sender<usize>,
    number: usize,
) -> usize {
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let authority = match request.uri().authority() {
        Some(authority) => authority.to_string(),
        None => request.headers().get("host").map(text).unwrap_or_default(),
    };
    let received = Received {
        method: request.method().to_string(),
        target: request.uri().path_and_query().map(ToString::to_string).unwrap_or_default(),
        version: format!("{:?}", request.version()),
        headers: request.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
        authority,
        connection: number,
        ..Received::default()
    };
    let mut requests = record.requests.lock().unwrap();
    requests.push(received);
    count.send_modify(|count| *count += 1);
    requests.len() - 1
}

async fn note_body(
    request: Request<Incoming>,
    record: &Record,
    count: &watch::Sender<usize>,
    index: usize,
) -> io::Result<Vec<u8>> {
    let mut incoming = request.into_body();
    let mut body = Vec::new();
    while let Some(frame) = incoming.frame().await {
        let Ok(data) = frame.map_err(io::Error::other)?.into_data() else {
            continue;
        };
        body.extend_from_slice(&data);
        let mut requests = record.requests.lock().unwrap();
        requests[index].length = body.len();
        count.send_modify(|count| *count += 1);
    }
    let mut requests = record.requests.lock().unwrap();
    requests[index].sha256 = sha256(&body);
    requests[index].body = body.iter().take(KEPT).copied().collect();
    requests[index].complete = true;
    count.send_modify(|count| *count += 1);
    Ok(body)
}

fn echo(received: &Received) -> Value {
    json!({
        "method": received.method, "target": received.target, "headers": received.headers,
        "sha256": received.sha256, "length": received.length,
    })
}

fn event_stream(events: mpsc::Receiver<Bytes>) -> Response<Body> {
    let frames = stream::unfold(events, |mut events| async move {
        events.recv().await.map(|data| (Ok(Frame::data(data)), events))
    });
    Response::builder()
        .header("content-type", "text/event-stream")
        .header("cache-control", "no-cache")
        .body(StreamBody::new(frames).boxed_unsync())
        .unwrap()
}

fn echo_socket(request: &mut Request<Incoming>) -> Response<Body> {
    let key = derive_accept_key(request.headers()["sec-websocket-key"].as_bytes());
    let upgrade = hyper::upgrade::on(request);
    tokio::spawn(async move {
        let Ok(upgraded) = upgrade.await else { return };
        let mut socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, None).await;
        while let Some(Ok(message)) = socket.next().await {
            if (message.is_text() || message.is_binary()) && socket.send(message).await.is_err() {
                return;
            }
        }
    });
    Response::builder()
        .status(StatusCode::SWITCHING_PROTOCOLS)
        .header("connection", "Upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-accept", key)
        .body(super::full(""))
        .unwrap()
}

/// The shape of `POST /v1/chat/completions`, whole or as a stream of deltas.
fn chat(body: &[u8]) -> Response<Body> {
    let asked: Value = serde_json::from_slice(body).unwrap_or_default();
    let model = asked["model"].as_str().unwrap_or("test-model");
    let said = asked["messages"][0]["content"].as_str().unwrap_or_default();
    if asked["stream"] != true {
        return json_answer(&json!({
            "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": model,
            "choices": [{ "index": 0, "finish_reason": "stop",
                "message": { "role": "assistant", "content": format!("You said: {said}") } }],
            "usage": { "prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2 },
        }));
    }
    let words = format!("You said: {said}");
    let mut events: Vec<Bytes> = words
        .split_inclusive(' ')
        .map(|word| {
            let delta = json!({
                "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": model,
                "choices": [{ "index": 0, "delta": { "role": "assistant", "content": word } }],
            });
            Bytes::from(format!("data: {delta}\n\n"))
        })
        .collect();
    events.push(Bytes::from_static(b"data: [DONE]\n\n"));
    let frames = stream::iter(events.into_iter().map(|data| Ok(Frame::data(data))));
    Response::builder()
        .header("content-type", "text/event-stream")
        .body(StreamBody::new(frames).boxed_unsync())
        .unwrap()
}
