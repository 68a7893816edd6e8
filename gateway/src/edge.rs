//! The edge: accepts connections, bounds what they may cost, and lets only sound request heads in.
//!
//! An accept loop of our own over Pingora's proxy, for four things that Pingora 0.9.1 does not do: limits on
//! the whole of a handshake, head or preface and not on each read; a strict check of the raw head before its
//! lenient parser; caps a peer; a drain that ends when the last connection does. HTTP/1 heads are read and
//! judged in `http1` before a Pingora session exists, so that no parser, filter or upstream sees a bad one.
//!
//! HTTP/1 pipelining must stay off in Pingora (`set_pipelining_enabled`, off by default): it would carry bytes
//! from one session into the next past the check.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use pingora::apps::HttpServerApp;
use rules::framing::HeadLimits;
use rules::verdict::Refusal;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

mod connection;
mod http1;
mod http2;
mod peers;
mod stream;
pub mod tls;

pub use connection::{Connection, TlsFacts, name};

use peers::{Peers, Place};
use stream::{Io, Wire};

/// Pause after an accept failed for want of descriptors or memory: time for some to be given back.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Longest request target, whatever the head may hold; what the common servers accept.
const TARGET_BYTES: usize = 8 * 1024;

/// What kind of listener a connection came in by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Plain HTTP/1.1.
    Http,
    /// TLS with HTTP/1.1 or HTTP/2 by ALPN.
    Https,
}

impl Kind {
    /// The configuration key, also the metric label.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Http => "http",
            Kind::Https => "https",
        }
    }
}

/// `listen.limits`, as far as the edge enforces them. A change holds from the next connection or HTTP/1
/// request on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EdgeLimits {
    /// Bytes of a request head (431); of the decoded header list in HTTP/2.
    pub header_bytes: usize,
    /// Header fields of an HTTP/1 request (431).
    pub headers: usize,
    /// Time for a whole request head, or for the HTTP/2 preface and the first request.
    pub header_timeout: Duration,
    /// Time a connection may stay without a request.
    pub idle: Duration,
    /// Open connections of one IPv4 address or IPv6 /64.
    pub connections_per_ip: usize,
    /// Requests after which a connection is closed, at least 1.
    pub requests_per_connection: u64,
    /// Concurrent HTTP/2 streams of a connection.
    pub h2_streams: u32,
    /// Time for a whole TLS handshake.
    pub handshake_timeout: Duration,
}

impl Default for EdgeLimits {
    fn default() -> Self {
        Self {
            header_bytes: 32 * 1024,
            headers: 100,
            header_timeout: Duration::from_secs(10),
            idle: Duration::from_secs(75),
            connections_per_ip: 256,
            requests_per_connection: 1000,
            h2_streams: 100,
            handshake_timeout: Duration::from_secs(10),
        }
    }
}

impl EdgeLimits {
    /// Bytes of a request target (414).
    pub fn target_bytes(&self) -> usize {
        self.header_bytes.min(TARGET_BYTES)
    }

    fn head(&self) -> HeadLimits {
        HeadLimits { bytes: self.header_bytes, fields: self.headers, target_bytes: self.target_bytes() }
    }
}

/// What the edge runs by; swapped whole.
#[derive(Clone, Debug, Default)]
pub struct EdgeSettings {
    /// The limits.
    pub limits: EdgeLimits,
    /// TLS for https listeners (see [`tls::terms`]). Without it they close every connection.
    pub tls: Option<tls::Terms>,
}

/// Why a TLS handshake came to nothing.
#[derive(Debug)]
pub enum HandshakeError {
    /// It took longer than `handshake_timeout`.
    TimedOut,
    /// The peer went away, is not speaking TLS, or named a host without a certificate.
    Failed(io::Error),
}

impl fmt::Display for HandshakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HandshakeError::TimedOut => f.write_str("the handshake took longer than `header_timeout`"),
            HandshakeError::Failed(error) => write!(f, "{error}"),
        }
    }
}

/// Who hears of what happens before a request exists, and words the edge's answers.
pub trait Witness: Send + Sync + 'static {
    /// The answer to a refused HTTP/1 head: a whole response with `Connection: close`. `head` is what had
    /// come of it, with any bytes behind it; hostile, and it may hold credentials.
    fn head_refused(&self, connection: &Connection, head: &[u8], refusal: &Refusal) -> Bytes;
    /// A connection was accepted.
    fn connection_opened(&self, listener: &'static str);
    /// That connection has ended.
    fn connection_closed(&self, listener: &'static str);
    /// A connection was closed at once, since its peer already has `connections_per_ip`.
    fn connection_refused(&self, listener: &'static str, peer: IpAddr);
    /// A TLS handshake came to nothing.
    fn handshake_failed(&self, connection: &Connection, error: &HandshakeError);
}

/// The accept loops and the connections behind them. `A` is a Pingora `HttpProxy`.
pub struct Edge<A> {
    app: Arc<A>,
    settings: Arc<ArcSwap<EdgeSettings>>,
    witness: Arc<dyn Witness>,
    peers: Arc<Peers>,
    open: watch::Sender<usize>,
    /// No more connections, and no more requests on those there are.
    draining: watch::Sender<bool>,
    /// The drain's deadline is over.
    cut: watch::Sender<bool>,
}

impl<A: HttpServerApp + Send + Sync + 'static> Edge<A> {
    /// An edge without listeners yet.
    pub fn new(app: Arc<A>, settings: Arc<ArcSwap<EdgeSettings>>, witness: Arc<dyn Witness>) -> Self {
        Self {
            app,
            settings,
            witness,
            peers: Arc::default(),
            open: watch::Sender::new(0),
            draining: watch::Sender::new(false),
            cut: watch::Sender::new(false),
        }
    }

    /// Connections open now.
    pub fn connections(&self) -> usize {
        *self.open.borrow()
    }

    /// Accepts connections from `listener` until [`Edge::drain`]; the task ends when the socket is closed.
    pub fn serve(self: &Arc<Self>, listener: TcpListener, kind: Kind) -> JoinHandle<()> {
        let edge = Arc::clone(self);
        tokio::spawn(async move {
            let mut draining = edge.draining.subscribe();
            tokio::select! {
                () = becomes_true(&mut draining) => {}
                () = edge.accept(&listener, kind) => {}
            }
        })
    }

    /// Stops accepting, ends idle connections, lets running requests finish, and returns when the last
    /// connection is closed or `deadline` is over. Returns how many connections were cut.
    pub async fn drain(&self, deadline: Duration) -> usize {
        self.draining.send_replace(true);
        self.app.http_cleanup().await;
        let mut open = self.open.subscribe();
        let all_closed = timeout(deadline, open.wait_for(|open| *open == 0)).await.is_ok();
        if all_closed {
            return 0;
        }
        let left = self.connections();
        self.cut.send_replace(true);
        left
    }

    async fn accept(self: &Arc<Self>, listener: &TcpListener, kind: Kind) {
        loop {
            match listener.accept().await {
                Ok((tcp, peer)) => self.admit(tcp, peer, kind),
                // The peer was gone before we came: no reason to slow down.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    tracing::warn!(listener = kind.name(), %error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn admit(self: &Arc<Self>, tcp: TcpStream, peer: SocketAddr, kind: Kind) {
        let Ok(local) = tcp.local_addr() else { return };
        let connection = Arc::new(Connection::new(peer, local, kind));
        let ip = connection.peer().ip();
        let Some(place) = self.peers.take(ip, self.settings.load().limits.connections_per_ip) else {
            self.witness.connection_refused(kind.name(), ip);
            return;
        };
        // Without it, an answer waits for the client's delayed acknowledgement. Its failure costs only time.
        let _ = tcp.set_nodelay(true);
        let open = Open::new(self, kind, place);
        let edge = Arc::clone(self);
        tokio::spawn(async move {
            let mut cut = edge.cut.subscribe();
            tokio::select! {
                () = becomes_true(&mut cut) => {}
                () = edge.host(tcp, connection) => {}
            }
            drop(open);
        });
    }

    async fn host(&self, tcp: TcpStream, connection: Arc<Connection>) {
        let settings = self.settings.load_full();
        match connection.listener() {
            Kind::Http => {
                let io = Io::new(Wire::Plain(tcp), connection);
                http1::serve(self, io).await;
            }
            Kind::Https => {
                let Some(terms) = &settings.tls else {
                    return;
                };
                let handshake = TlsAcceptor::from(Arc::clone(&terms.config)).accept(tcp);
                let error = match timeout(settings.limits.handshake_timeout, handshake).await {
                    Ok(Ok(stream)) => {
                        connection.secured(stream.get_ref().1, terms.client_ca.as_deref());
                        let io = Io::new(Wire::Tls(Box::new(stream)), connection);
                        return if io.is_h2() {
                            http2::serve(self, io, settings.limits).await;
                        } else {
                            http1::serve(self, io).await;
                        };
                    }
                    Ok(Err(error)) => HandshakeError::Failed(error),
                    Err(_) => HandshakeError::TimedOut,
                };
                self.witness.handshake_failed(&connection, &error);
            }
        }
    }
}

/// Counts a connection for as long as it lives, panics included.
struct Open<A: HttpServerApp + Send + Sync + 'static> {
    edge: Arc<Edge<A>>,
    kind: Kind,
    _place: Place,
}

impl<A: HttpServerApp + Send + Sync + 'static> Open<A> {
    fn new(edge: &Arc<Edge<A>>, kind: Kind, place: Place) -> Self {
        edge.open.send_modify(|open| *open += 1);
        edge.witness.connection_opened(kind.name());
        Self { edge: Arc::clone(edge), kind, _place: place }
    }
}

impl<A: HttpServerApp + Send + Sync + 'static> Drop for Open<A> {
    fn drop(&mut self) {
        self.edge.witness.connection_closed(self.kind.name());
        self.edge.open.send_modify(|open| *open -= 1);
    }
}

/// Resolves once the value is true; never, if the sender is gone without it.
async fn becomes_true(value: &mut watch::Receiver<bool>) {
    if value.wait_for(|value| *value).await.is_err() {
        std::future::pending::<()>().await;
    }
}

#[cfg(test)]
mod tests;
