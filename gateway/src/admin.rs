//! The admin listener: `/healthz`, `/readyz`, `/metrics`, `/config`, and a status page at `/`.
//!
//! It only reads, and it knows nothing of the gateway but its [`Facts`].

mod page;

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, Method, StatusCode};
use hyper::service::service_fn;
use hyper::{Request, Response};
use rules::host::Host;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::side_door::{self, Body, Bounds, whole};

pub use page::{Listener, Server, Status};

/// Few callers: a monitor, a scraper, a person. A lifetime, so that none can hold its place for ever.
const BOUNDS: Bounds = Bounds { connections: 64, lifetime: Duration::from_mins(2) };

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";
const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";

const HEADERS: [(HeaderName, &str); 6] = [
    (header::CACHE_CONTROL, "no-store"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// What the listener tells. Called off the request tasks, so an answer may take a while.
pub trait Facts: Send + Sync + 'static {
    /// Why no traffic should come yet, a sentence each; none when ready.
    fn not_ready(&self) -> Vec<String>;
    /// The metrics in Prometheus' text format 0.0.4.
    fn metrics(&self) -> String;
    /// The effective configuration. It is shown as it is: there must be no secret in it.
    fn config(&self) -> Value;
    /// What the status page shows.
    fn status(&self) -> Status;
}

/// The admin listener's server.
pub struct Admin {
    facts: Arc<dyn Facts>,
}

impl Admin {
    /// A server of these facts.
    pub fn new(facts: Arc<dyn Facts>) -> Self {
        Self { facts }
    }

    /// Serves until `shutdown`; answers in progress finish, five seconds at most.
    pub async fn serve(self, listener: TcpListener, shutdown: impl Future<Output = ()>) {
        let facts = self.facts;
        let local = listener.local_addr().is_ok_and(|address| address.ip().is_loopback());
        let service = service_fn(move |request| {
            let facts = Arc::clone(&facts);
            async move { Ok::<_, Infallible>(answer(&request, facts, local).await) }
        });
        side_door::serve(listener, service, BOUNDS, shutdown).await;
    }
}

/// What there is to see.
#[derive(Clone, Copy)]
enum View {
    Health,
    Ready,
    Metrics,
    Config,
    Page,
}

impl View {
    fn at(path: &str) -> Option<Self> {
        Some(match path {
            "/healthz" => View::Health,
            "/readyz" => View::Ready,
            "/metrics" => View::Metrics,
            "/config" => View::Config,
            "/" => View::Page,
            _ => return None,
        })
    }
}

struct Answer {
    status: StatusCode,
    content_type: &'static str,
    body: Bytes,
}

impl Answer {
    fn new(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        Self { status, content_type, body: body.into() }
    }
}

async fn answer<B: hyper::body::Body>(
    request: &Request<B>,
    facts: Arc<dyn Facts>,
    local: bool,
) -> Response<Body> {
    let answer = match View::at(request.uri().path()) {
        _ if local && !names_this_machine(request.headers()) => {
            Answer::new(StatusCode::MISDIRECTED_REQUEST, TEXT, "ask by address, or as localhost\n")
        }
        None => Answer::new(StatusCode::NOT_FOUND, TEXT, "not found\n"),
        Some(_) if !matches!(*request.method(), Method::GET | Method::HEAD) => {
            Answer::new(StatusCode::METHOD_NOT_ALLOWED, TEXT, "only GET and HEAD\n")
        }
        Some(_) if !request.body().is_end_stream() => {
            Answer::new(StatusCode::PAYLOAD_TOO_LARGE, TEXT, "a request here has no body\n")
        }
        // A thread of its own: many series take tens of milliseconds to render, and a panic ends only the answer.
        Some(view) => tokio::task::spawn_blocking(move || show(view, &*facts)).await.unwrap_or_else(|_| {
            Answer::new(StatusCode::INTERNAL_SERVER_ERROR, TEXT, "this could not be shown; see the log\n")
        }),
    };
    respond(answer, request.method() == Method::HEAD)
}

/// A page on the web can have its own name point here, and would then read what we answer (DNS rebinding). Such a
/// request carries that name.
fn names_this_machine(headers: &HeaderMap) -> bool {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    host.is_none_or(|host| {
        let name = Host::parse(host).map(|host| host.name().trim_matches(['[', ']']).to_owned());
        name.is_some_and(|name| name == "localhost" || name.parse::<IpAddr>().is_ok())
    })
}

fn show(view: View, facts: &dyn Facts) -> Answer {
    match view {
        View::Health => Answer::new(StatusCode::OK, TEXT, "ok\n"),
        View::Ready => {
            let reasons = facts.not_ready();
            let ready = reasons.is_empty();
            let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
            Answer::new(status, JSON, format!("{}\n", json!({ "ready": ready, "reasons": reasons })))
        }
        View::Metrics => Answer::new(StatusCode::OK, METRICS, facts.metrics()),
        View::Config => Answer::new(StatusCode::OK, JSON, format!("{:#}\n", facts.config())),
        View::Page => Answer::new(
            StatusCode::OK,
            "text/html; charset=utf-8",
            page::render(&facts.status(), &facts.not_ready()),
        ),
    }
}

fn respond(answer: Answer, head: bool) -> Response<Body> {
    let length = answer.body.len();
    let mut response = Response::new(whole(if head { Bytes::new() } else { answer.body }));
    *response.status_mut() = answer.status;
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(answer.content_type));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    headers.insert(header::CONTENT_SECURITY_POLICY, page::content_security_policy());
    if answer.status == StatusCode::METHOD_NOT_ALLOWED {
        headers.insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
    }
    if answer.status == StatusCode::PAYLOAD_TOO_LARGE {
        // The body stays unread, so the connection is of no further use.
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

#[cfg(test)]
mod tests;
