//! Clients: hyper for well-behaved requests of both protocols, plain bytes for the rest.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::Listening;

/// A test that waits longer than this has failed.
const PATIENCE: Duration = Duration::from_secs(20);

pub(in super::super) type Outgoing = UnsyncBoxBody<Bytes, Infallible>;

/// A body of known length.
pub(in super::super) fn whole(body: impl Into<Bytes>) -> Outgoing {
    Full::new(body.into()).boxed_unsync()
}

/// A body without a length: chunked, or DATA frames with an empty last one.
pub(in super::super) fn in_pieces(pieces: Vec<Bytes>) -> Outgoing {
    StreamBody::new(stream::iter(pieces).map(|piece| Ok(Frame::data(piece)))).boxed_unsync()
}

/// A body that starts and never ends.
pub(in super::super) fn stalled(start: &'static [u8]) -> Outgoing {
    let start = stream::iter([Bytes::from_static(start)]).chain(stream::pending());
    StreamBody::new(start.map(|piece| Ok(Frame::data(piece)))).boxed_unsync()
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(in super::super) enum Protocol {
    H1,
    H2,
}

async fn dial(to: SocketAddr) -> TcpStream {
    let tcp = TcpStream::connect(to).await.unwrap();
    tcp.set_nodelay(true).unwrap();
    tcp
}

/// One connection.
pub(in super::super) enum Client {
    H1(http1::SendRequest<Outgoing>),
    H2(http2::SendRequest<Outgoing>),
}

impl Client {
    pub(in super::super) async fn connect(to: &Listening, protocol: Protocol) -> Self {
        match protocol {
            Protocol::H1 => {
                let tcp = dial(to.h1).await;
                let (sender, connection) = http1::handshake(TokioIo::new(tcp)).await.unwrap();
                tokio::spawn(connection);
                Self::H1(sender)
            }
            Protocol::H2 => {
                let tcp = dial(to.h2).await;
                let (sender, connection) =
                    http2::handshake(TokioExecutor::new(), TokioIo::new(tcp)).await.unwrap();
                tokio::spawn(connection);
                Self::H2(sender)
            }
        }
    }

    /// Sends on this connection; an error when it was closed.
    pub(in super::super) async fn send(
        &mut self,
        mut request: Request<Outgoing>,
    ) -> hyper::Result<Response<Bytes>> {
        let exchange = async {
            let response = match self {
                Self::H1(sender) => {
                    request.headers_mut().insert("host", "gateway.test".parse().unwrap());
                    sender.ready().await?;
                    sender.send_request(request).await?
                }
                Self::H2(sender) => {
                    *request.uri_mut() = format!("http://gateway.test{}", request.uri()).parse().unwrap();
                    sender.ready().await?;
                    sender.send_request(request).await?
                }
            };
            let (head, body) = response.into_parts();
            Ok(Response::from_parts(head, body.collect().await?.to_bytes()))
        };
        timeout(PATIENCE, exchange).await.expect("an answer in time")
    }
}

/// A connection on which the test writes the bytes itself.
pub(in super::super) struct RawClient(pub(in super::super) TcpStream);

impl RawClient {
    pub(in super::super) async fn connect(to: SocketAddr) -> Self {
        Self(dial(to).await)
    }

    pub(in super::super) async fn write(&mut self, bytes: &str) {
        self.0.write_all(bytes.as_bytes()).await.unwrap();
    }

    /// Reads until this text is there; what was read, or all there was when the connection ends first.
    pub(in super::super) async fn read_until(&mut self, text: &str) -> Result<String, String> {
        let mut read = Vec::new();
        loop {
            let so_far = String::from_utf8_lossy(&read).into_owned();
            if so_far.contains(text) {
                return Ok(so_far);
            }
            match timeout(PATIENCE, self.0.read_buf(&mut read)).await.expect("bytes in time") {
                Ok(0) | Err(_) => return Err(so_far),
                Ok(_) => {}
            }
        }
    }

    /// Reads to the end of the connection.
    pub(in super::super) async fn read_to_end(&mut self) -> String {
        let mut read = Vec::new();
        let _ = timeout(PATIENCE, self.0.read_to_end(&mut read)).await.expect("an end in time");
        String::from_utf8_lossy(&read).into_owned()
    }
}
