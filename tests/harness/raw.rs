//! Bytes as they are: for requests that no correct client would send.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::client::HOST;
use crate::{Certificates, Value, within};

/// A byte stream in both directions.
pub trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

/// What came back.
#[derive(Clone, Debug)]
pub struct RawReply {
    /// `None` when the connection was closed without an answer.
    pub status: Option<u16>,
    /// Everything up to the empty line.
    pub head: String,
    /// The body, as far as its length says or until the connection closed.
    pub body: Vec<u8>,
}

impl RawReply {
    /// The refusal's code, empty when there is none.
    pub fn code(&self) -> String {
        let value: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        value["code"].as_str().unwrap_or_default().to_owned()
    }
}

/// One raw connection.
pub struct Raw(Box<dyn Wire>);

impl Raw {
    /// Over TCP.
    pub async fn plain(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("the listener accepts");
        let _ = stream.set_nodelay(true);
        Self(Box::new(stream))
    }

    /// Over TLS with these protocols offered.
    pub async fn tls(address: SocketAddr, certificates: &Certificates, alpn: &[&str]) -> Self {
        let stream = TcpStream::connect(address).await.expect("the listener accepts");
        let _ = stream.set_nodelay(true);
        let name = ServerName::try_from(HOST).unwrap();
        let connector = TlsConnector::from(Arc::clone(&certificates.client_config(alpn)));
        Self(Box::new(connector.connect(name, stream).await.expect("a handshake")))
    }

    /// Writes; whether the other end still took it is for the answer to show.
    pub async fn write(&mut self, bytes: &[u8]) -> bool {
        self.0.write_all(bytes).await.is_ok() && self.0.flush().await.is_ok()
    }

    /// Writes and reads one answer.
    pub async fn exchange(&mut self, bytes: &[u8]) -> RawReply {
        self.write(bytes).await;
        self.reply().await
    }

    /// Reads one answer, or nothing when the connection closes first.
    pub async fn reply(&mut self) -> RawReply {
        within("an answer or the end of the connection", self.read_reply()).await
    }

    async fn read_reply(&mut self) -> RawReply {
        let mut bytes = Vec::new();
        let end = loop {
            if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            if !self.more(&mut bytes).await {
                break bytes.len();
            }
        };
        let mut body = bytes.split_off(end);
        let head = String::from_utf8_lossy(&bytes).into_owned();
        let status = head.split(' ').nth(1).and_then(|word| word.parse().ok());
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
        });
        while length.is_none_or(|length| body.len() < length) && !(status == Some(101) || head.is_empty()) {
            if !self.more(&mut body).await {
                break;
            }
        }
        RawReply { status, head, body }
    }

    /// Reads what there is; false at the end.
    pub async fn more(&mut self, into: &mut Vec<u8>) -> bool {
        matches!(self.0.read_buf(into).await, Ok(read) if read > 0)
    }

    /// Waits until the other end closes and returns what it still said.
    pub async fn rest(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        within("the end of the connection", async { while self.more(&mut bytes).await {} }).await;
        bytes
    }

    /// The stream itself.
    pub fn into_inner(self) -> Box<dyn Wire> {
        self.0
    }
}
