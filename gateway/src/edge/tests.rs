//! The edge over real sockets, in front of a small app that answers by itself.

use std::sync::Mutex;
use std::time::Instant;

use async_trait::async_trait;
use pingora::http::ResponseHeader;
use pingora::proxy::{HttpProxy, ProxyHttp, Session, http_proxy};
use pingora::upstreams::peer::HttpPeer;
use rules::verdict::Code;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::Notify;

use super::*;
use crate::client_ca::ClientCa;

mod http1;
mod mutual;
mod pingora_gaps;
mod secure;

/// Longer than anything here takes, on a busy machine too.
const LONG: Duration = Duration::from_secs(20);

/// A deadline short enough to wait for.
const SHORT: Duration = Duration::from_millis(250);

/// Answers `METHOD path body-length`; `/slow` waits to be released.
#[derive(Default)]
pub(super) struct App {
    seen: Mutex<Vec<String>>,
    keepalive: Mutex<Option<u64>>,
    /// Where `/tunnel` leads.
    upstream: Mutex<Option<SocketAddr>>,
    /// Whose word on clients counts.
    client_ca: Mutex<Option<Arc<ClientCa>>>,
    started: Notify,
    release: Notify,
}

impl App {
    fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

struct Proxy(Arc<App>);

#[async_trait]
impl ProxyHttp for Proxy {
    type CTX = ();
    fn new_ctx(&self) {}

    async fn upstream_peer(&self, _: &mut Session, (): &mut ()) -> pingora::Result<Box<HttpPeer>> {
        let upstream = self.0.upstream.lock().unwrap().expect("the app answers by itself");
        Ok(Box::new(HttpPeer::new(upstream, false, String::new())))
    }

    async fn request_filter(&self, session: &mut Session, (): &mut ()) -> pingora::Result<bool> {
        let head = session.req_header();
        let mut line = format!("{} {}", head.method, head.uri.path());
        self.0.seen.lock().unwrap().push(line.clone());
        *self.0.keepalive.lock().unwrap() = session.get_keepalive();
        if line.ends_with("/slow") {
            self.0.started.notify_one();
            self.0.release.notified().await;
        }
        if line.ends_with("/tunnel") {
            return Ok(false);
        }
        let mut length = 0;
        while let Some(bytes) = session.read_request_body().await? {
            length += bytes.len();
        }
        line = format!("{line} {length}");
        if let Some(tls) = Connection::of(session).and_then(|connection| connection.tls().cloned()) {
            let shown = tls.certificate(self.0.client_ca.lock().unwrap().as_deref()).cloned();
            line = format!("{line} {} {}", tls.version, tls.server_name.unwrap_or_default());
            if let Some(shown) = shown {
                line = format!("{line} {}", shown.claims["subject"]["cn"].as_str().unwrap());
            }
        }
        let mut answer = ResponseHeader::build(200, Some(2))?;
        answer.insert_header("content-length", line.len())?;
        session.write_response_header(Box::new(answer), false).await?;
        session.write_response_body(Some(line.into()), true).await?;
        Ok(true)
    }
}

/// Remembers what it was told, and answers with the refusal's code.
#[derive(Default)]
struct Notes {
    refused: Mutex<Vec<Code>>,
    over_cap: Mutex<usize>,
    opened: Mutex<usize>,
    closed: Mutex<usize>,
    handshakes: Mutex<Vec<String>>,
    told: Notify,
}

impl Witness for Notes {
    fn head_refused(&self, connection: &Connection, head: &[u8], refusal: &Refusal) -> Bytes {
        assert!(!head.is_empty() && connection.bytes_read() >= head.len() as u64);
        self.refused.lock().unwrap().push(refusal.code);
        let (status, code) = (refusal.code.status().as_u16(), refusal.code.name());
        Bytes::from(format!(
            "HTTP/1.1 {status} no\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{code}",
            code.len()
        ))
    }

    fn connection_opened(&self, _: &'static str) {
        *self.opened.lock().unwrap() += 1;
    }

    fn connection_closed(&self, _: &'static str) {
        *self.closed.lock().unwrap() += 1;
        self.told.notify_one();
    }

    fn connection_refused(&self, _: &'static str, _: IpAddr) {
        *self.over_cap.lock().unwrap() += 1;
    }

    fn handshake_failed(&self, _: &Connection, error: &HandshakeError) {
        self.handshakes.lock().unwrap().push(format!("{error:?}"));
        self.told.notify_one();
    }
}

struct Bench {
    app: Arc<App>,
    notes: Arc<Notes>,
    edge: Arc<Edge<HttpProxy<Proxy>>>,
    address: SocketAddr,
}

fn proxy(app: &Arc<App>) -> HttpProxy<Proxy> {
    http_proxy(&Arc::default(), Proxy(Arc::clone(app)))
}

impl Bench {
    async fn over(kind: Kind, settings: EdgeSettings) -> Self {
        let (app, notes) = (Arc::<App>::default(), Arc::<Notes>::default());
        let settings = Arc::new(ArcSwap::from_pointee(settings));
        let edge = Arc::new(Edge::new(Arc::new(proxy(&app)), settings, notes.clone()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        edge.serve(listener, kind);
        Self { app, notes, edge, address }
    }

    async fn plain(limits: EdgeLimits) -> Self {
        Self::over(Kind::Http, EdgeSettings { limits, tls: None }).await
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    fn refused(&self) -> Vec<Code> {
        self.notes.refused.lock().unwrap().clone()
    }
}

/// Everything up to the end of the stream, a reset included.
async fn to_end(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut all = Vec::new();
    let _ = timeout(LONG, stream.read_to_end(&mut all)).await.expect("the connection was not closed");
    String::from_utf8_lossy(&all).into_owned()
}

/// One answer with a `Content-Length`: status line and body.
async fn answer(stream: &mut (impl AsyncRead + Unpin)) -> (String, String) {
    let reading = async {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.expect("the answer's head is cut short"));
        }
        let head = String::from_utf8(head).unwrap();
        let length = head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
            .map(|(_, value)| value.parse().unwrap());
        let mut body = vec![0; length.expect("a length")];
        stream.read_exact(&mut body).await.unwrap();
        (head.lines().next().unwrap().to_owned(), String::from_utf8(body).unwrap())
    };
    timeout(LONG, reading).await.expect("no answer")
}

/// Sends `bytes` one at a time, with pauses shorter than any deadline, until the server closes.
async fn dribble(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), bytes: &[u8]) -> String {
    let (mut reading, mut writing) = tokio::io::split(stream);
    let drip = async {
        let mut pace = tokio::time::interval(SHORT / 10);
        for byte in bytes.iter().cycle() {
            pace.tick().await;
            if writing.write_all(&[*byte]).await.and(writing.flush().await).is_err() {
                break;
            }
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        all = to_end(&mut reading) => all,
        () = drip => unreachable!(),
    }
}

/// Lets time pass, where time is what the test is about.
async fn pass(time: Duration) {
    timeout(time, std::future::pending::<()>()).await.unwrap_err();
}
