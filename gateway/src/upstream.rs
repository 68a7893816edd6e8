//! The backends: servers, names that are resolved in the background, and who is asked next.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwap;
use http::{HeaderName, HeaderValue};
use pingora::protocols::tls::CaType;

use crate::config::raw::Balance;
use crate::metrics::{Outcome, Registry, UpstreamMetrics};

pub mod clock;
pub mod dial;
pub mod proxy;
pub mod resolve;

/// A backend.
pub struct Upstream {
    /// Its name.
    pub name: Arc<str>,
    /// Its servers; never none.
    pub servers: Vec<Arc<Server>>,
    /// Which server is asked next.
    pub balance: Balance,
    /// Header fields that are set on every request, in place of the client's own.
    pub inject: Vec<(HeaderName, HeaderValue)>,
    /// Authorities to trust for https servers; the system's without.
    pub ca: Option<Arc<CaType>>,
    /// Tells connections that were made under other TLS terms apart in the shared pool.
    pub group: u64,
    /// How many times a failed connection is tried again.
    pub retries: usize,
    /// How many idle connections are kept.
    pub keepalive: usize,
    /// How long an idle connection is kept: less than backends keep theirs, since a request that meets a
    /// connection just closed is lost.
    pub idle: Duration,
    turn: AtomicUsize,
}

/// A server of a backend.
pub struct Server {
    /// Its address as written: its name in logs and metrics.
    pub label: String,
    /// Where it is.
    pub address: Address,
    /// How it is spoken to.
    pub scheme: Scheme,
    /// Requests in progress.
    pub in_flight: AtomicUsize,
    metrics: OnceLock<UpstreamMetrics>,
}

impl Server {
    /// A server that nothing is known of yet.
    pub fn new(label: String, address: Address, scheme: Scheme) -> Self {
        Self { label, address, scheme, in_flight: AtomicUsize::new(0), metrics: OnceLock::new() }
    }

    /// Resolves its metrics; until then nothing is counted.
    pub fn measure(&self, registry: &Registry, upstream: &str) {
        self.metrics.get_or_init(|| UpstreamMetrics::new(registry, upstream, &self.label));
    }

    /// Counts what became of a request.
    pub fn count(&self, outcome: Outcome) {
        if let Some(metrics) = self.metrics.get() {
            metrics.record(outcome);
        }
    }
}

/// Where a server is.
pub enum Address {
    /// A socket address.
    Fixed(SocketAddr),
    /// A name, with the addresses last found for it.
    Named {
        /// Host name.
        host: String,
        /// Port.
        port: u16,
        /// Empty until it was resolved for the first time.
        found: ArcSwap<Vec<SocketAddr>>,
    },
    /// A socket in the file system.
    Unix(PathBuf),
}

/// How a server is spoken to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// HTTP/1.1 in the clear.
    Http,
    /// TLS; the certificate must have this name.
    Https(String),
    /// HTTP/2 in the clear, with prior knowledge.
    H2c,
}

/// How an upstream is made up.
pub struct Parts {
    /// Its name.
    pub name: Arc<str>,
    /// Its servers.
    pub servers: Vec<Arc<Server>>,
    /// Which server is asked next.
    pub balance: Balance,
    /// Header fields to set.
    pub inject: Vec<(HeaderName, HeaderValue)>,
    /// Authorities to trust.
    pub ca: Option<Arc<CaType>>,
    /// Tells pools apart.
    pub group: u64,
    /// Retries.
    pub retries: usize,
    /// Idle connections.
    pub keepalive: usize,
}

impl Upstream {
    /// From its parts.
    pub fn new(parts: Parts) -> Self {
        let Parts { name, servers, balance, inject, ca, group, retries, keepalive } = parts;
        let (idle, turn) = (Duration::from_secs(4), AtomicUsize::new(0));
        Self { name, servers, balance, inject, ca, group, retries, keepalive, idle, turn }
    }

    /// The server whose turn it is, with the address to connect to; `last`, which this request tried in vain,
    /// is passed over while there is another. None when no server has an address.
    pub fn choose(&self, last: Option<&Arc<Server>>) -> Option<(Arc<Server>, Target)> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let known = || self.servers.iter().filter(|server| server.address.is_known());
        let last = last.filter(|_| known().count() > 1);
        let usable = || known().filter(|server| last.is_none_or(|last| !Arc::ptr_eq(last, server)));
        let count = usable().count();
        let server = match self.balance {
            Balance::RoundRobin => usable().nth(turn.checked_rem(count)?),
            // Starting from the turn, so that equals are not always asked in file order.
            Balance::LeastRequests => {
                let start = turn.checked_rem(count)?;
                let rotated = usable().cycle().skip(start).take(count);
                rotated.min_by_key(|server| server.in_flight.load(Ordering::Relaxed))
            }
        }?;
        let target = server.address.target(turn)?;
        Some((Arc::clone(server), target))
    }
}

/// What to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// TCP.
    Tcp(SocketAddr),
    /// A socket in the file system.
    Unix(PathBuf),
}

impl Address {
    fn is_known(&self) -> bool {
        match self {
            Self::Fixed(_) | Self::Unix(_) => true,
            Self::Named { found, .. } => !found.load().is_empty(),
        }
    }

    fn target(&self, turn: usize) -> Option<Target> {
        match self {
            Self::Fixed(address) => Some(Target::Tcp(*address)),
            Self::Unix(path) => Some(Target::Unix(path.clone())),
            Self::Named { found, .. } => {
                let found = found.load();
                found.get(turn.checked_rem(found.len())?).copied().map(Target::Tcp)
            }
        }
    }
}

/// Counts a request in progress at a server for as long as it lives.
pub struct InFlight(Arc<Server>);

impl InFlight {
    /// Counts one more.
    pub fn at(server: &Arc<Server>) -> Self {
        server.in_flight.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(server))
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upstream(balance: Balance, ports: &[u16]) -> Upstream {
        let server = |port: &u16| {
            let address = Address::Fixed(SocketAddr::from(([127, 0, 0, 1], *port)));
            Arc::new(Server::new(format!("http://127.0.0.1:{port}"), address, Scheme::Http))
        };
        Upstream::new(Parts {
            name: "bot".into(),
            servers: ports.iter().map(server).collect(),
            balance,
            inject: Vec::new(),
            ca: None,
            group: 0,
            retries: 1,
            keepalive: 1,
        })
    }

    #[test]
    fn takes_turns() {
        let upstream = upstream(Balance::RoundRobin, &[1, 2, 3]);
        let labels: Vec<_> =
            (0..6).filter_map(|_| upstream.choose(None)).map(|(server, _)| server.label.clone()).collect();
        assert_eq!(labels[..3], labels[3..]);
        assert_eq!(labels[..3].iter().collect::<std::collections::HashSet<_>>().len(), 3);
    }

    #[test]
    fn asks_the_least_busy() {
        let upstream = upstream(Balance::LeastRequests, &[1, 2]);
        let busy = InFlight::at(&upstream.servers[0]);
        for _ in 0..4 {
            assert_eq!(upstream.choose(None).unwrap().0.label, "http://127.0.0.1:2");
        }
        let (_a, _b) = (InFlight::at(&upstream.servers[1]), InFlight::at(&upstream.servers[1]));
        assert_eq!(upstream.choose(None).unwrap().0.label, "http://127.0.0.1:1");
        drop(busy);
    }

    #[test]
    fn a_name_that_is_not_resolved_is_no_server() {
        let mut upstream = upstream(Balance::RoundRobin, &[1]);
        let found = ArcSwap::from_pointee(Vec::new());
        let address = Address::Named { host: "bot".into(), port: 80, found };
        let named = Server::new("http://bot".into(), address, Scheme::Http);
        upstream.servers = vec![Arc::new(named)];
        assert!(upstream.choose(None).is_none());
    }
}
