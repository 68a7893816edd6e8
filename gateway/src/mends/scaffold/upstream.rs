//! Upstreams: one that records bytes, one that reports what it got.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_lc_rs::digest;
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinHandle;

use super::listen;

/// Takes one connection, reads until this text, answers with these bytes, reads to the end; yields all it read.
pub(in super::super) async fn recording(
    until: &'static str,
    answer: Vec<u8>,
) -> (SocketAddr, JoinHandle<String>) {
    let listener = listen().await;
    let addr = listener.local_addr().unwrap();
    let record = tokio::spawn(async move {
        let (mut tcp, _) = listener.accept().await.unwrap();
        let mut read = Vec::new();
        while !String::from_utf8_lossy(&read).contains(until) && tcp.read_buf(&mut read).await.unwrap() > 0 {}
        tcp.write_all(&answer).await.unwrap();
        let _ = tcp.read_to_end(&mut read).await;
        String::from_utf8_lossy(&read).into_owned()
    });
    (addr, record)
}

/// Gives each connection these answers, one per request, then closes it; passes on the requests it read.
pub(in super::super) async fn scripted(
    script: Vec<Vec<&'static str>>,
) -> (SocketAddr, UnboundedReceiver<String>) {
    let listener = listen().await;
    let addr = listener.local_addr().unwrap();
    let (requests, heard) = unbounded_channel();
    tokio::spawn(async move {
        for answers in script {
            let (mut tcp, _) = listener.accept().await.unwrap();
            let requests = requests.clone();
            tokio::spawn(async move {
                for answer in answers {
                    let Some(request) = read_request(&mut tcp).await else {
                        return;
                    };
                    requests.send(request).unwrap();
                    tcp.write_all(answer.as_bytes()).await.unwrap();
                }
            });
        }
    });
    (addr, heard)
}

/// One request, with a body of the declared length; nothing when the connection ends first.
pub(in super::super) async fn read_request(tcp: &mut TcpStream) -> Option<String> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        request.push(tcp.read_u8().await.ok()?);
    }
    let head = String::from_utf8(request).unwrap();
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().unwrap())
    });
    let mut body = vec![0; length.unwrap_or(0)];
    tcp.read_exact(&mut body).await.ok()?;
    Some(head + &String::from_utf8(body).unwrap())
}

/// An upstream of both protocols that answers every body with its SHA-256, and counts.
pub(in super::super) struct Hashing {
    pub(in super::super) addr: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl Hashing {
    pub(in super::super) async fn start() -> Self {
        let listener = listen().await;
        let upstream = Self { addr: listener.local_addr().unwrap(), connections: Arc::default() };
        let connections = Arc::clone(&upstream.connections);
        tokio::spawn(async move {
            loop {
                let (tcp, _) = listener.accept().await.unwrap();
                connections.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(async move {
                    let either = auto::Builder::new(TokioExecutor::new());
                    let _ = either.serve_connection(TokioIo::new(tcp), service_fn(hash)).await;
                });
            }
        });
        upstream
    }

    /// How many connections Pingora has opened.
    pub(in super::super) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

async fn hash(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let told = |name: &str| said(&head.headers, name);
    let response = Response::builder()
        .header("x-length", told("content-length"))
        .header("x-coding", told("transfer-encoding"))
        .header("x-expect", told("expect"))
        .header("x-sha256", sha256(&body));
    Ok(response.body(Full::new(Bytes::from("ok"))).unwrap())
}

fn said(headers: &HeaderMap, name: &str) -> String {
    let values = headers.get_all(name).iter().map(|value| value.to_str().unwrap());
    values.collect::<Vec<_>>().join("|")
}

pub(in super::super) fn sha256(body: &[u8]) -> String {
    use std::fmt::Write;
    digest::digest(&digest::SHA256, body).as_ref().iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// An upstream whose answers the test writes itself.
pub(in super::super) async fn serving<S, B>(service: S) -> SocketAddr
where
    S: hyper::service::Service<Request<Incoming>, Response = Response<B>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
    B: hyper::body::Body<Data = Bytes, Error = Infallible> + Send + 'static,
{
    let listener = listen().await;
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(tcp), service.clone()));
        }
    });
    addr
}
