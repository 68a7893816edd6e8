//! A login service that says what the test wants, and writes down what it was asked.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use crate::{Certificates, Received, within};

/// What it says to a question.
#[derive(Clone, Debug)]
pub struct Says {
    status: u16,
    fields: Vec<(&'static str, Vec<u8>)>,
    bytes: usize,
    how: How,
}

#[derive(Clone, Debug)]
enum How {
    AtOnce,
    OnceReleased,
    HangingUp,
}

impl Says {
    /// A status without more.
    pub fn status(status: u16) -> Self {
        Self { status, fields: Vec::new(), bytes: 0, how: How::AtOnce }
    }

    /// One more header field.
    #[must_use]
    pub fn field(mut self, name: &'static str, value: impl Into<Vec<u8>>) -> Self {
        self.fields.push((name, value.into()));
        self
    }

    /// A body of this size.
    #[must_use]
    pub fn bytes(self, bytes: usize) -> Self {
        Self { bytes, ..self }
    }

    /// The same, after [`Login::release`].
    #[must_use]
    pub fn once_released(self) -> Self {
        Self { how: How::OnceReleased, ..self }
    }

    /// Nothing, and the connection is closed.
    pub fn goodbye() -> Self {
        Self { how: How::HangingUp, ..Self::status(200) }
    }
}

type Script = dyn Fn(&Received) -> Says + Send + Sync;

/// The service. Stops when dropped, its connections with it.
pub struct Login {
    address: SocketAddr,
    scheme: &'static str,
    record: Arc<Record>,
    task: tokio::task::JoinHandle<()>,
}

struct Record {
    questions: Mutex<Vec<Received>>,
    count: watch::Sender<usize>,
    released: watch::Sender<bool>,
}

impl Drop for Login {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Login {
    /// Plain HTTP/1.1 on 127.0.0.1.
    pub async fn http(script: impl Fn(&Received) -> Says + Send + Sync + 'static) -> Self {
        Self::start("http", None, Arc::new(script)).await
    }

    /// The same over TLS, as `localhost`.
    pub async fn https(
        certificates: &Certificates,
        script: impl Fn(&Received) -> Says + Send + Sync + 'static,
    ) -> Self {
        let tls = certificates.server_config(&["localhost"], &["http/1.1"]);
        Self::start("https", Some(TlsAcceptor::from(tls)), Arc::new(script)).await
    }

    async fn start(scheme: &'static str, tls: Option<TlsAcceptor>, script: Arc<Script>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let record = Arc::new(Record {
            questions: Mutex::default(),
            count: watch::channel(0).0,
            released: watch::channel(false).0,
        });
        let kept = Arc::clone(&record);
        let task = tokio::spawn(async move {
            // They end with the service.
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (record, script, tls) = (Arc::clone(&kept), Arc::clone(&script), tls.clone());
                connections.spawn(async move {
                    let service = service_fn(move |request| {
                        let (record, script) = (Arc::clone(&record), Arc::clone(&script));
                        async move { answer(&request, &record, &script).await }
                    });
                    let server = hyper::server::conn::http1::Builder::new();
                    match tls {
                        None => drop(server.serve_connection(TokioIo::new(stream), service).await),
                        Some(tls) => {
                            let Ok(stream) = tls.accept(stream).await else { return };
                            drop(server.serve_connection(TokioIo::new(stream), service).await);
                        }
                    }
                });
            }
        });
        Self { address, scheme, record, task }
    }

    /// Its address with this path.
    pub fn url(&self, path: &str) -> String {
        let host =
            if self.scheme == "https" { "localhost".to_owned() } else { self.address.ip().to_string() };
        format!("{}://{host}:{}{path}", self.scheme, self.address.port())
    }

    /// What it was asked so far.
    pub fn questions(&self) -> Vec<Received> {
        self.record.questions.lock().unwrap().clone()
    }

    /// Waits until it was asked so often.
    pub async fn asked(&self, times: usize) {
        let mut count = self.record.count.subscribe();
        let asked = count.wait_for(|count| *count >= times);
        within("a question to reach the login service", asked).await.expect("the service runs");
    }

    /// Lets the answers go that wait for it, now and from now on.
    pub fn release(&self) {
        self.record.released.send_replace(true);
    }
}

async fn answer(
    request: &Request<Incoming>,
    record: &Record,
    script: &Arc<Script>,
) -> Result<Response<Full<Bytes>>, std::io::Error> {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let question = Received {
        method: request.method().to_string(),
        target: request.uri().to_string(),
        version: format!("{:?}", request.version()),
        headers: request.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
        ..Received::default()
    };
    let says = script(&question);
    record.questions.lock().unwrap().push(question);
    record.count.send_modify(|count| *count += 1);
    match says.how {
        How::AtOnce => {}
        How::OnceReleased => {
            let mut released = record.released.subscribe();
            let _ = released.wait_for(|released| *released).await;
        }
        How::HangingUp => return Err(std::io::Error::other("closed on purpose")),
    }
    let mut response = Response::new(Full::from(vec![b'x'; says.bytes]));
    *response.status_mut() = says.status.try_into().unwrap();
    for (name, value) in says.fields {
        response.headers_mut().append(name, HeaderValue::from_bytes(&value).unwrap());
    }
    Ok(response)
}
