//! A client of one HTTP/2 connection that sends the same request again and again, one at a time.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio_rustls::TlsConnector;

use crate::Fallible;
use crate::ask::Request;
use crate::stage::Door;
use crate::wire::{HOST, Wire};

/// One connection.
pub(crate) struct H2 {
    runtime: Runtime,
    sender: SendRequest<Full<Bytes>>,
    request: hyper::Request<Full<Bytes>>,
    wanted: u16,
}

impl H2 {
    fn connect(address: SocketAddr, config: &ClientConfig, ask: &Request, wanted: u16) -> Fallible<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let mut config = config.clone();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let sender = runtime.block_on(async {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            let stream = TlsConnector::from(Arc::new(config)).connect(HOST.try_into()?, stream).await?;
            let (sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
            // It ends with the runtime.
            drop(tokio::spawn(connection));
            Ok::<_, Box<dyn std::error::Error>>(sender)
        })?;
        let mut request = hyper::Request::builder().method(ask.method);
        request = request.uri(format!("https://{HOST}{}", ask.path));
        for (name, value) in &ask.fields {
            request = request.header(*name, value);
        }
        let request = request.body(Full::new(Bytes::from(ask.body.clone())))?;
        Ok(Self { runtime, sender, request, wanted })
    }

    fn exchange(&mut self) -> Fallible<()> {
        let (sender, request) = (&mut self.sender, self.request.clone());
        let status = self.runtime.block_on(async {
            sender.ready().await?;
            let answer = sender.send_request(request).await?;
            let status = answer.status().as_u16();
            answer.into_body().collect().await?;
            Ok::<_, hyper::Error>(status)
        })?;
        if status == self.wanted { Ok(()) } else { Err(format!("not a {}: {status}", self.wanted).into()) }
    }
}

/// One connection of either protocol.
pub(crate) enum Talk<'a> {
    /// HTTP/1.1, with the request's bytes.
    One(Wire, &'a [u8]),
    /// HTTP/2.
    Two(Box<H2>),
}

impl<'a> Talk<'a> {
    /// Connects as the door's scenario says.
    pub(crate) fn begin(door: &'a Door) -> Fallible<Self> {
        match (&door.tls, door.h2) {
            (Some(tls), true) => {
                Ok(Self::Two(Box::new(H2::connect(door.address, tls, &door.ask, door.wanted)?)))
            }
            _ => Ok(Self::One(door.connect()?, &door.request)),
        }
    }

    /// Sends the request and reads its answer to the end.
    pub(crate) fn exchange(&mut self) -> Fallible<()> {
        match self {
            Self::One(wire, request) => wire.exchange(request),
            Self::Two(connection) => connection.exchange(),
        }
    }
}
