//! A chatbot that says one thing: the backend behind the gateway in `portcullis demo`.
//!
//! It speaks as much of the `OpenAI` API as its official clients need, with tenant-scoped twins, a WebSocket that
//! echoes, and `/whoami`, which shows what the gateway passes on, also below a tenant and `/admin`. It checks
//! nobody: that is the gateway's part.

mod completion;
mod echo;

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, StatusCode};
use http_body_util::{BodyExt, Limited, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tokio::time::sleep;

use crate::side_door::{self, Body, Bounds, whole};

use completion::{Dialect, Question, Reply};

/// The gateway is the one client, and keeps its connections.
const BOUNDS: Bounds = Bounds { connections: 1024, lifetime: Duration::from_hours(1) };
/// Between two words of a streamed answer.
const WORD_GAP: Duration = Duration::from_millis(30);
const BODY_BYTES: usize = 1024 * 1024;
/// The one model.
const MODEL: &str = "portcullis-demo";

/// Serves until `shutdown`; answers in progress finish, five seconds at most.
pub async fn serve(listener: TcpListener, shutdown: impl Future<Output = ()>) {
    serve_with(listener, WORD_GAP, shutdown).await;
}

async fn serve_with(listener: TcpListener, gap: Duration, shutdown: impl Future<Output = ()>) {
    let service = service_fn(move |request| async move {
        let answer = answer(request, gap).await;
        Ok::<_, Infallible>(answer.unwrap_or_else(|fault| fault.response()))
    });
    side_door::serve(listener, service, BOUNDS, shutdown).await;
}

/// A request that cannot be answered, told in `OpenAI`'s shape.
#[derive(Debug, PartialEq, Eq)]
struct Fault {
    status: StatusCode,
    message: &'static str,
    /// The request's part that is wrong.
    param: Option<&'static str>,
}

impl Fault {
    fn new(status: StatusCode, message: &'static str) -> Self {
        Self { status, message, param: None }
    }

    fn param(param: &'static str, message: &'static str) -> Self {
        Self { status: StatusCode::BAD_REQUEST, message, param: Some(param) }
    }

    fn response(&self) -> Response<Body> {
        let error = json!({
            "message": self.message, "type": "invalid_request_error", "param": self.param, "code": null,
        });
        json_response(self.status, &json!({ "error": error }))
    }
}

async fn answer(request: Request<Incoming>, gap: Duration) -> Result<Response<Body>, Fault> {
    let path = request.uri().path().to_owned();
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    match segments.as_slice() {
        ["healthz"] => only(&request, &Method::GET).map(|()| text("ok\n")),
        ["whoami"] | ["admin", "whoami"] | ["v1", _, "whoami"] => Ok(ok(&whoami(&request))),
        ["ws"] => echo::upgrade(request),
        ["v1", "models"] => only(&request, &Method::GET).map(|()| ok(&models())),
        ["v1", "chat", "completions"] => chat(request, Dialect::OpenAi, gap).await,
        ["v1", tenant, "conversations"] => only(&request, &Method::GET).map(|()| ok(&conversations(tenant))),
        ["v1", _, "conversations", _, "messages"] => chat(request, Dialect::Message, gap).await,
        _ => Err(Fault::new(StatusCode::NOT_FOUND, "The demo chatbot has nothing at this address.")),
    }
}

fn only(request: &Request<Incoming>, method: &Method) -> Result<(), Fault> {
    if request.method() == method || (*method == Method::GET && request.method() == Method::HEAD) {
        return Ok(());
    }
    Err(Fault::new(StatusCode::METHOD_NOT_ALLOWED, "This address does not take the request's method."))
}

async fn chat(request: Request<Incoming>, dialect: Dialect, gap: Duration) -> Result<Response<Body>, Fault> {
    only(&request, &Method::POST)?;
    let body = Limited::new(request.into_body(), BODY_BYTES).collect().await.map_err(|error| {
        if error.is::<http_body_util::LengthLimitError>() {
            Fault::new(StatusCode::PAYLOAD_TOO_LARGE, "The demo chatbot reads a megabyte at most.")
        } else {
            Fault::new(StatusCode::BAD_REQUEST, "The request's body broke off.")
        }
    })?;
    let question = Question::parse(&body.to_bytes(), dialect)?;
    let reply = Reply::new(&question);
    if question.stream {
        Ok(event_stream(reply.events(question.include_usage), gap))
    } else {
        Ok(ok(&reply.whole()))
    }
}

/// The first event at once, then one each `gap`.
fn event_stream(events: Vec<String>, gap: Duration) -> Response<Body> {
    let frames = stream::iter(events).enumerate().then(move |(index, event)| async move {
        if index > 0 {
            sleep(gap).await;
        }
        Ok(Frame::data(Bytes::from(event)))
    });
    let mut response = Response::new(StreamBody::new(frames).boxed_unsync());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

fn whoami(request: &Request<Incoming>) -> Value {
    json!({
        "method": request.method().as_str(),
        "path": request.uri().path_and_query().map_or("/", |path| path.as_str()),
        "headers": headers(request.headers()),
    })
}

/// Names and values; a name that came more than once has a list.
fn headers(headers: &HeaderMap) -> Map<String, Value> {
    let values = |name| {
        let mut values: Vec<_> = headers
            .get_all(name)
            .iter()
            .map(|value| Value::from(String::from_utf8_lossy(value.as_bytes())))
            .collect();
        if values.len() == 1 { values.remove(0) } else { Value::from(values) }
    };
    headers.keys().map(|name| (name.to_string(), values(name))).collect()
}

fn models() -> Value {
    let model = json!({ "id": MODEL, "object": "model", "created": 0, "owned_by": "portcullis" });
    json!({ "object": "list", "data": [model] })
}

fn conversations(tenant: &str) -> Value {
    let conversation = |id: &str, title: &str| json!({ "id": id, "object": "conversation", "tenant": tenant, "title": title });
    json!({ "object": "list", "data": [conversation("c1", "Welcome"), conversation("c2", "Where is my order?")] })
}

fn ok(value: &Value) -> Response<Body> {
    json_response(StatusCode::OK, value)
}

fn json_response(status: StatusCode, value: &Value) -> Response<Body> {
    let mut response = Response::new(whole(format!("{value}\n")));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn text(text: &'static str) -> Response<Body> {
    let mut response = Response::new(whole(text));
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

#[cfg(test)]
mod tests;
