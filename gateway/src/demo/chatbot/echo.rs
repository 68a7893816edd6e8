//! A WebSocket that sends back what it gets (RFC 6455).

use futures_util::{SinkExt, StreamExt};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use hyper::body::Incoming;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use crate::side_door::{Body, whole};

use super::{BODY_BYTES, Fault};

/// Answers the handshake and leaves the connection to a task of its own.
pub(super) fn upgrade(mut request: Request<Incoming>) -> Result<Response<Body>, Fault> {
    let Some(key) = handshake_key(&request) else {
        return Err(Fault::new(StatusCode::UPGRADE_REQUIRED, "This address speaks WebSocket."));
    };
    let accept = HeaderValue::try_from(derive_accept_key(key.as_bytes()))
        .map_err(|_| Fault::new(StatusCode::BAD_REQUEST, "The handshake's key is malformed."))?;
    tokio::spawn(async move {
        match hyper::upgrade::on(&mut request).await {
            Ok(upgraded) => echo(TokioIo::new(upgraded)).await,
            Err(error) => log::debug!("a WebSocket handshake broke off: {error}"),
        }
    });
    let mut response = Response::new(whole(""));
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    Ok(response)
}

/// The key of a complete handshake.
fn handshake_key(request: &Request<Incoming>) -> Option<HeaderValue> {
    let headers = request.headers();
    let complete = *request.method() == Method::GET
        && lists(headers, &header::CONNECTION, "upgrade")
        && lists(headers, &header::UPGRADE, "websocket")
        && lists(headers, &header::SEC_WEBSOCKET_VERSION, "13");
    complete.then(|| headers.get(header::SEC_WEBSOCKET_KEY).cloned()).flatten()
}

fn lists(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|found| found.trim().eq_ignore_ascii_case(token))
}

async fn echo<S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin>(stream: S) {
    let config =
        WebSocketConfig::default().max_message_size(Some(BODY_BYTES)).max_frame_size(Some(BODY_BYTES));
    let mut socket = WebSocketStream::from_raw_socket(stream, Role::Server, Some(config)).await;
    // Pings and the closing handshake are answered while reading.
    while let Some(Ok(message)) = socket.next().await {
        if (message.is_text() || message.is_binary()) && socket.send(message).await.is_err() {
            return;
        }
    }
}
