//! A client that says exactly what a test wants to say, over HTTP/1.1 or HTTP/2.

use std::convert::Infallible;
use std::future::Future;
use std::io::Result;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::attentive::Attentive;
use crate::certificates::Pair;
use crate::{Certificates, within};

/// Where the good requests go.
pub const HOST: &str = "app.example.test";

/// The pieces of a body that is sent without a length.
const PIECE: usize = 16 * 1024;

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// One request to be sent.
#[derive(Clone, Debug)]
pub struct Ask {
    /// The method.
    pub method: Method,
    /// Path and query.
    pub target: String,
    /// `Host` or `:authority`.
    pub host: String,
    /// Header lines in order.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
    /// Sent in pieces without a length.
    pub chunked: bool,
    /// Sent in pieces of which the last never comes.
    pub stalls: bool,
}

impl Ask {
    /// A request without a body.
    pub fn new(method: &str, target: &str) -> Self {
        Self {
            method: method.parse().unwrap(),
            target: target.to_owned(),
            host: HOST.to_owned(),
            headers: Vec::new(),
            body: Bytes::new(),
            chunked: false,
            stalls: false,
        }
    }

    /// `GET target`.
    pub fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    /// `POST target` with a JSON body.
    pub fn post(target: &str, body: impl Into<Bytes>) -> Self {
        Self::new("POST", target).header("content-type", "application/json").body(body)
    }

    /// One more header line.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// `Authorization: Bearer token`.
    #[must_use]
    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    /// Another host.
    #[must_use]
    pub fn host(mut self, host: &str) -> Self {
        host.clone_into(&mut self.host);
        self
    }

    /// Another body, with its length.
    #[must_use]
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// The body in pieces, without a length.
    #[must_use]
    pub fn chunked(mut self) -> Self {
        self.chunked = true;
        self
    }

    /// The body in pieces, and no end to it.
    #[must_use]
    pub fn stalled(mut self) -> Self {
        self.stalls = true;
        self
    }

    fn request(&self, version: Version) -> Request<Body> {
        let uri = if version == Version::HTTP_2 {
            format!("https://{}{}", self.host, self.target)
        } else {
            self.target.clone()
        };
        let mut request = Request::builder().method(self.method.clone()).uri(uri).version(version);
        if version != Version::HTTP_2 {
            request = request.header("host", &self.host);
        }
        for (name, value) in &self.headers {
            let name: HeaderName = name.parse().unwrap();
            request = request.header(name, HeaderValue::from_str(value).unwrap());
        }
        let whole = self.body.clone();
        let pieces = (0..whole.len()).step_by(PIECE).map(move |at| {
            let piece = whole.slice(at..whole.len().min(at + PIECE));
            Ok(Frame::data(piece))
        });
        let body = if self.stalls {
            StreamBody::new(stream::iter(pieces).chain(stream::pending())).boxed_unsync()
        } else if self.chunked {
            StreamBody::new(stream::iter(pieces)).boxed_unsync()
        } else {
            Full::new(self.body.clone()).boxed_unsync()
        };
        request.body(body).unwrap()
    }
}

/// A whole answer.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// The header.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// The protocol.
    pub version: Version,
}

impl Reply {
    /// A header's value, empty when there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap_or("(not text)"))
    }

    /// The body as JSON; `null` when it is not.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// `status code`, as the contract's table names refusals; `200` alone when there is no code.
    pub fn verdict(&self) -> String {
        match self.json()["code"].as_str() {
            Some(code) => format!("{} {code}", self.status.as_u16()),
            None => self.status.as_u16().to_string(),
        }
    }
}

/// How to reach a server.
#[derive(Clone)]
pub struct Client {
    address: SocketAddr,
    tls: Option<(Arc<ClientConfig>, String)>,
    http2: bool,
}

impl Client {
    /// HTTP/1.1 without TLS.
    pub fn plain(address: SocketAddr) -> Self {
        Self { address, tls: None, http2: false }
    }

    /// HTTP/1.1 over TLS, SNI [`HOST`].
    pub fn http1(address: SocketAddr, certificates: &Certificates) -> Self {
        let config = certificates.client_config(&["http/1.1"]);
        Self { address, tls: Some((config, HOST.to_owned())), http2: false }
    }

    /// HTTP/2 over TLS, SNI [`HOST`].
    pub fn http2(address: SocketAddr, certificates: &Certificates) -> Self {
        let config = certificates.client_config(&["h2"]);
        Self { address, tls: Some((config, HOST.to_owned())), http2: true }
    }

    /// A certificate in the handshake.
    #[must_use]
    pub fn showing(mut self, certificates: &Certificates, pair: &Pair) -> Self {
        if let Some((config, _)) = &mut self.tls {
            let alpn = if self.http2 { "h2" } else { "http/1.1" };
            *config = certificates.client_config_showing(&[alpn], Some(pair));
        }
        self
    }

    /// Another name in the handshake.
    #[must_use]
    pub fn sni(mut self, name: &str) -> Self {
        if let Some((_, sni)) = &mut self.tls {
            name.clone_into(sni);
        }
        self
    }

    /// A new connection, ready for requests.
    pub async fn connect(&self) -> Result<Connection> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let stream = Attentive(stream);
        match &self.tls {
            None => Connection::over(stream, self.http2).await,
            Some((config, sni)) => {
                let name = ServerName::try_from(sni.clone()).unwrap();
                let stream = TlsConnector::from(Arc::clone(config)).connect(name, stream).await?;
                Connection::over(stream, self.http2).await
            }
        }
    }

    /// Sends on a connection of its own and reads the whole answer.
    pub async fn send(&self, ask: Ask) -> Reply {
        self.try_send(ask).await.expect("an answer")
    }

    /// Like [`Client::send`], where the connection may break.
    pub async fn try_send(
        &self,
        ask: Ask,
    ) -> std::result::Result<Reply, Box<dyn std::error::Error + Send + Sync>> {
        let exchange = async {
            let mut connection = self.connect().await?;
            Ok(connection.try_send(ask).await?)
        };
        // Boxed: a handshake and a connection are too large to be copied around by value.
        within("an answer", Box::pin(exchange)).await
    }
}

enum Sender {
    One(hyper::client::conn::http1::SendRequest<Body>),
    Two(hyper::client::conn::http2::SendRequest<Body>),
}

/// One open connection; closed when dropped.
pub struct Connection {
    sender: Sender,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Connection {
    async fn over(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static, http2: bool) -> Result<Self> {
        let io = TokioIo::new(stream);
        if http2 {
            let (sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io)
                .await
                .map_err(std::io::Error::other)?;
            let task = tokio::spawn(async move {
                let _ = connection.await;
            });
            return Ok(Self { sender: Sender::Two(sender), task });
        }
        let (sender, connection) =
            hyper::client::conn::http1::handshake(io).await.map_err(std::io::Error::other)?;
        let task = tokio::spawn(async move {
            let _ = connection.with_upgrades().await;
        });
        Ok(Self { sender: Sender::One(sender), task })
    }

    /// Sends and returns as soon as the header of the answer is there.
    pub async fn open(&mut self, ask: &Ask) -> hyper::Result<Response<Incoming>> {
        match &mut self.sender {
            Sender::One(sender) => {
                sender.ready().await?;
                sender.send_request(ask.request(Version::HTTP_11)).await
            }
            Sender::Two(sender) => {
                sender.ready().await?;
                sender.send_request(ask.request(Version::HTTP_2)).await
            }
        }
    }

    /// Sends, and reads the whole answer: several at a time over HTTP/2.
    pub fn start(
        &mut self,
        ask: &Ask,
    ) -> impl Future<Output = hyper::Result<Reply>> + Send + 'static + use<> {
        let Sender::Two(sender) = &self.sender else { panic!("HTTP/1 has one request at a time") };
        let (mut sender, request) = (sender.clone(), ask.request(Version::HTTP_2));
        async move {
            sender.ready().await?;
            whole(sender.send_request(request).await?).await
        }
    }

    /// Sends and reads the whole answer.
    pub async fn try_send(&mut self, ask: Ask) -> hyper::Result<Reply> {
        whole(self.open(&ask).await?).await
    }

    /// Like [`Connection::try_send`], failing the test when there is no answer.
    pub async fn send(&mut self, ask: Ask) -> Reply {
        within("an answer", self.try_send(ask)).await.expect("an answer")
    }

    /// Whether the other end has closed.
    pub async fn closed(&mut self) {
        let gone = async {
            let _ = (&mut self.task).await;
        };
        within("the connection to be closed", gone).await;
    }
}

async fn whole(answer: Response<Incoming>) -> hyper::Result<Reply> {
    let (head, body) = answer.into_parts();
    let body = body.collect().await?.to_bytes();
    Ok(Reply { status: head.status, headers: head.headers, body, version: head.version })
}

/// The next piece of a body, `None` at its end.
pub async fn next_piece(body: &mut Incoming) -> Option<Bytes> {
    let piece = async {
        loop {
            match body.frame().await? {
                Ok(frame) => {
                    // HTTP/2 may end a stream with an empty piece.
                    if let Some(data) = frame.into_data().ok().filter(|data| !data.is_empty()) {
                        return Some(data);
                    }
                }
                Err(error) => panic!("the stream broke: {error}"),
            }
        }
    };
    within("the next piece of a stream", piece).await
}
