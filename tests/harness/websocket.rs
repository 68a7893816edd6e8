//! A WebSocket client over TLS.

use futures_util::{SinkExt as _, StreamExt as _};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::client::HOST;
use crate::raw::{Raw, Wire};
use crate::{Stage, within};

/// An open WebSocket.
pub struct Socket(WebSocketStream<Box<dyn Wire>>);

impl Socket {
    /// Opens `path` through the gateway, or returns the status of the refusal.
    pub async fn open(stage: &Stage, path: &str, headers: &[(&'static str, String)]) -> Result<Self, u16> {
        let wire = Raw::tls(stage.gateway.https(), &stage.certificates, &["http/1.1"]).await.into_inner();
        let mut request = format!("wss://{HOST}{path}").into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        match within("the WebSocket handshake", client_async(request, wire)).await {
            Ok((socket, _)) => Ok(Self(socket)),
            Err(Error::Http(response)) => Err(response.status().as_u16()),
            Err(error) => panic!("the WebSocket handshake broke: {error}"),
        }
    }

    /// Sends a text and returns what comes back.
    pub async fn echo(&mut self, text: &str) -> String {
        self.0.send(Message::text(text)).await.expect("the socket is open");
        let message =
            within("a WebSocket message", self.0.next()).await.expect("a message").expect("a message");
        message.into_text().unwrap().to_string()
    }

    /// Waits until the other end closes or breaks it.
    pub async fn ended(mut self) {
        within("the end of a WebSocket", async { while let Some(Ok(_)) = self.0.next().await {} }).await;
    }

    /// Says goodbye.
    pub async fn close(mut self) {
        let _ = self.0.close(None).await;
    }
}
