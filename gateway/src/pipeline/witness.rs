//! Speaks and logs for the edge, where a request is refused before there is one.

use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::Method;
use metrics::Gauge;
use rules::verdict::Refusal;
use uuid::Uuid;

use super::{Live, now_ms, refuse};
use crate::access_log::{AccessLog, Line};
use crate::edge::{Connection, HandshakeError, Kind, Witness};
use crate::metrics::{Decision, Registry};

/// The edge's witness.
pub struct Doorkeeper {
    live: Arc<ArcSwap<Live>>,
    log: Arc<AccessLog>,
    http: Gauge,
    https: Gauge,
}

impl Doorkeeper {
    /// Resolves its metrics.
    pub fn new(live: Arc<ArcSwap<Live>>, log: Arc<AccessLog>, registry: &Registry) -> Self {
        let gauge = |kind: Kind| registry.connections(kind.name());
        Self { live, log, http: gauge(Kind::Http), https: gauge(Kind::Https) }
    }

    fn gauge(&self, listener: &str) -> &Gauge {
        if listener == Kind::Http.name() { &self.http } else { &self.https }
    }
}

impl Witness for Doorkeeper {
    fn head_refused(&self, connection: &Connection, head: &[u8], refusal: &Refusal) -> Bytes {
        let live = self.live.load();
        let snapshot = &live.snapshot;
        let request_id = Uuid::now_v7().to_string();
        let mut answer = refuse::words(&request_id, refusal, None);
        answer.fields.insert(http::header::CONNECTION, http::HeaderValue::from_static("close"));
        if let (Kind::Https, Some(hsts)) = (connection.listener(), &snapshot.site.hsts) {
            answer.fields.insert(http::header::STRICT_TRANSPORT_SECURITY, hsts.clone());
        }
        let bytes = answer.to_http1();
        let (method, path) = first_line(head);
        let path = path.map(|path| snapshot.log.redactor.redact(path).into_owned());
        let client = connection.peer().ip().to_string();
        let mut line = Vec::with_capacity(512);
        Line {
            time_unix_ms: u64::try_from(now_ms()).unwrap_or_default(),
            request_id: &request_id,
            release: &snapshot.release,
            config: &snapshot.hash,
            client_ip: Some(&client),
            method: method.map(str::as_bytes),
            path: path.as_deref().map(str::as_bytes),
            protocol: Some("HTTP/1.1"),
            tls: connection.tls().map(|facts| facts.version),
            status: Some(refusal.code.status().as_u16()),
            bytes_out: u64::try_from(answer.body.len()).unwrap_or_default(),
            decision: Decision::Refuse.name(),
            code: Some(refusal.code.name()),
            gate: Some(refusal.gate),
            ..Line::default()
        }
        .encode(&mut line);
        self.log.write(line);
        let metrics = live.metrics(None);
        let method = method.and_then(|text| Method::from_bytes(text.as_bytes()).ok()).unwrap_or_default();
        let zero = std::time::Duration::ZERO;
        metrics.record(&method, refusal.code.status().as_u16(), Decision::Refuse, zero, zero);
        metrics.refuse(refusal.code);
        bytes
    }

    fn connection_opened(&self, listener: &'static str) {
        self.gauge(listener).increment(1);
    }

    fn connection_closed(&self, listener: &'static str) {
        self.gauge(listener).decrement(1);
    }

    fn connection_refused(&self, listener: &'static str, peer: IpAddr) {
        tracing::debug!(listener, %peer, "refused a connection: the peer has `connections_per_ip` already");
    }

    fn handshake_failed(&self, connection: &Connection, error: &HandshakeError) {
        tracing::debug!(peer = %connection.peer(), %error, "a TLS handshake failed");
    }
}

/// Method and path of a head, as far as they can be made out. The query is left away: it may hold a token.
fn first_line(head: &[u8]) -> (Option<&str>, Option<&str>) {
    let line = head.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
    let Ok(line) = std::str::from_utf8(line) else { return (None, None) };
    let mut words = line.splitn(3, ' ');
    let method = words.next().filter(|word| !word.is_empty() && word.len() <= 32);
    let path = words.next().and_then(|target| target.split(['?', '#']).next());
    (method, path.filter(|path| path.len() <= 2048))
}
