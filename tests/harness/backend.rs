//! The chatbot behind the gateway: it answers like one, and writes down everything that it received.

mod answers;

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use bytes::Bytes;
use http::{Response, StatusCode};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio_rustls::TlsAcceptor;

use crate::certificates::Pair;
use crate::{Certificates, within};

/// How much of each body is kept.
const KEPT: usize = 64 * 1024;

/// One request as it arrived.
#[derive(Clone, Debug, Default)]
pub struct Received {
    /// The method.
    pub method: String,
    /// Path and query, byte for byte.
    pub target: String,
    /// `HTTP/1.1` or `HTTP/2.0`.
    pub version: String,
    /// Header lines in order; names in lower case.
    pub headers: Vec<(String, String)>,
    /// The `Host` or `:authority`.
    pub authority: String,
    /// SHA-256 of the whole body, hex.
    pub sha256: String,
    /// Bytes of body received.
    pub length: usize,
    /// The first 64 KiB of the body.
    pub body: Vec<u8>,
    /// Whether the body came to its end.
    pub complete: bool,
    /// Which of the backend's connections it came on, from 1.
    pub connection: usize,
}

impl Received {
    /// The only value of a header; fails when it came more than once.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let first = values.next();
        assert!(values.next().is_none(), "{name} arrived twice: {:?}", self.headers);
        first
    }

    /// The kept part of the body as JSON; `null` when it is not.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// A canned answer for one path.
#[derive(Clone, Debug)]
pub struct Canned {
    /// The status.
    pub status: u16,
    /// Header lines.
    pub headers: Vec<(&'static str, &'static str)>,
    /// The body.
    pub body: &'static str,
}

#[derive(Default)]
struct Record {
    requests: Mutex<Vec<Received>>,
    connections: AtomicUsize,
    canned: Mutex<HashMap<String, Canned>>,
    streams: Mutex<HashMap<String, VecDeque<mpsc::Receiver<Bytes>>>>,
    held: Mutex<HashMap<String, Arc<Semaphore>>>,
}

/// The backend. Stops when dropped, with its runtime.
pub struct Backend {
    record: Arc<Record>,
    arrived: watch::Receiver<usize>,
    url: String,
    address: Option<SocketAddr>,
    _folder: Option<tempfile::TempDir>,
    task: tokio::task::JoinHandle<()>,
}

/// The writing end of a stream that the test drives.
pub struct Events(mpsc::Sender<Bytes>);

impl Events {
    /// Writes one server-sent event; returns when it was handed to the connection.
    pub async fn send(&self, data: &str) -> Instant {
        let at = Instant::now();
        self.0.send(Bytes::from(format!("data: {data}\n\n"))).await.expect("the stream is still read");
        at
    }

    /// Waits until the other end is gone.
    pub async fn closed(&self) {
        within("the end of the stream to reach the backend", self.0.closed()).await;
    }
}

/// Keeps answers back until it is dropped.
pub struct Held(Arc<Semaphore>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Backend {
    /// Plain HTTP/1.1, and HTTP/2 with prior knowledge, on 127.0.0.1.
    pub async fn http() -> Self {
        Self::on_tcp("http", None).await
    }

    /// TLS for `name`, HTTP/2 or HTTP/1.1 by ALPN.
    pub async fn https(certificates: &Certificates, name: &str) -> Self {
        Self::https_as(&certificates.issue(&[name])).await
    }

    /// The same, showing this certificate.
    pub async fn https_as(pair: &Pair) -> Self {
        Self::on_tcp("https", Some(pair.server_config(&["h2", "http/1.1"]))).await
    }

    async fn on_tcp(scheme: &str, tls: Option<Arc<rustls::ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (record, count, arrived) = ledger();
        let kept = Arc::clone(&record);
        let acceptor = tls.map(TlsAcceptor::from);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let _ = stream.set_nodelay(true);
                let (record, count, acceptor) = (Arc::clone(&kept), count.clone(), acceptor.clone());
                let number = record.connections.fetch_add(1, Ordering::SeqCst) + 1;
                tokio::spawn(async move {
                    match acceptor {
                        None => converse(stream, record, count, number).await,
                        Some(acceptor) => {
                            if let Ok(stream) = acceptor.accept(stream).await {
                                converse(stream, record, count, number).await;
                            }
                        }
                    }
                });
            }
        });
        let url = format!("{scheme}://{address}");
        Self { record, arrived, url, address: Some(address), _folder: None, task }
    }

    /// On a unix socket in a folder of its own.
    pub fn unix() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path: PathBuf = folder.path().join("chatbot.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let (record, count, arrived) = ledger();
        let kept = Arc::clone(&record);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let number = kept.connections.fetch_add(1, Ordering::SeqCst) + 1;
                tokio::spawn(converse(stream, Arc::clone(&kept), count.clone(), number));
            }
        });
        let url = format!("unix:{}", path.display());
        Self { record, arrived, url, address: None, _folder: Some(folder), task }
    }

    /// What goes under `servers:`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The socket, unless it is a unix one.
    pub fn address(&self) -> SocketAddr {
        self.address.expect("a TCP backend")
    }

    /// Everything received so far.
    pub fn requests(&self) -> Vec<Received> {
        self.record.requests.lock().unwrap().clone()
    }

    /// The last request received.
    pub fn last(&self) -> Received {
        self.requests().pop().expect("the backend received a request")
    }

    /// Connections accepted so far.
    pub fn connections(&self) -> usize {
        self.record.connections.load(Ordering::SeqCst)
    }

    /// Waits for the first request for which `pick` has an answer. Bodies count as they come in.
    pub async fn received<T>(&self, pick: impl Fn(&Received) -> Option<T>) -> T {
        let mut arrived = self.arrived.clone();
        let search = async {
            loop {
                arrived.mark_unchanged();
                if let Some(found) = self.requests().iter().find_map(&pick) {
                    return found;
                }
                arrived.changed().await.expect("the backend runs");
            }
        };
        within("a request to reach the backend", search).await
    }

    /// Fails when anything but the fences of [`crate::Stage::assert_untouched`] arrived.
    pub fn assert_untouched(&self) {
        let touched: Vec<_> =
            self.requests().into_iter().filter(|seen| !seen.target.contains("fence=")).collect();
        assert!(touched.is_empty(), "the backend was reached: {touched:#?}");
    }

    /// From now on `path` gets this answer.
    pub fn answer(&self, path: &str, canned: Canned) {
        self.record.canned.lock().unwrap().insert(path.to_owned(), canned);
    }

    /// From now on, requests for `path` are answered only when the guard is dropped.
    pub fn hold(&self, path: &str) -> Held {
        let gate = Arc::new(Semaphore::new(0));
        self.record.held.lock().unwrap().insert(path.to_owned(), Arc::clone(&gate));
        Held(gate)
    }

    /// The next request for `path` is answered with an event stream that the test writes.
    pub fn events(&self, path: &str) -> Events {
        let (sender, receiver) = mpsc::channel(1);
        self.record.streams.lock().unwrap().entry(path.to_owned()).or_default().push_back(receiver);
        Events(sender)
    }
}

fn ledger() -> (Arc<Record>, watch::Sender<usize>, watch::Receiver<usize>) {
    let (count, arrived) = watch::channel(0);
    (Arc::new(Record::default()), count, arrived)
}

async fn converse(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    record: Arc<Record>,
    count: watch::Sender<usize>,
    number: usize,
) {
    let service = service_fn(move |request| {
        let (record, count) = (Arc::clone(&record), count.clone());
        async move { answers::answer(request, &record, &count, number).await }
    });
    let _ = auto::Builder::new(TokioExecutor::new())
        .serve_connection_with_upgrades(TokioIo::new(stream), service)
        .await;
}

type Body = http_body_util::combinators::UnsyncBoxBody<Bytes, Infallible>;

fn full(text: impl Into<Bytes>) -> Body {
    use http_body_util::BodyExt as _;
    http_body_util::Full::new(text.into()).boxed_unsync()
}

fn respond(status: StatusCode, kind: &str, text: impl Into<Bytes>) -> Response<Body> {
    Response::builder().status(status).header("content-type", kind).body(full(text)).unwrap()
}

fn json_answer(value: &Value) -> Response<Body> {
    respond(StatusCode::OK, "application/json", value.to_string())
}
