//! What is known of a connection.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use pingora::proxy::Session;
use rustls::ServerConnection;
use rustls_pki_types::CertificateDer;

use super::Kind;

/// One client connection; every request on it, HTTP/1 or HTTP/2, can reach it.
#[derive(Debug)]
pub struct Connection {
    peer: SocketAddr,
    local: SocketAddr,
    listener: Kind,
    tls: OnceLock<TlsFacts>,
    bytes_read: AtomicU64,
    requests: AtomicU64,
}

/// What the TLS handshake settled.
#[derive(Clone, Debug)]
pub struct TlsFacts {
    /// `TLSv1.3` or `TLSv1.2`.
    pub version: &'static str,
    /// The cipher suite's IANA name.
    pub cipher: &'static str,
    /// The host name the client asked for.
    pub server_name: Option<String>,
    /// Whether ALPN chose HTTP/2.
    pub h2: bool,
    /// The client's certificates, leaf first, in DER; empty unless they were asked for.
    pub peer_certificates: Vec<CertificateDer<'static>>,
}

impl TlsFacts {
    pub(super) fn of(tls: &ServerConnection) -> Self {
        Self {
            version: match tls.protocol_version() {
                Some(rustls::ProtocolVersion::TLSv1_3) => "TLSv1.3",
                Some(rustls::ProtocolVersion::TLSv1_2) => "TLSv1.2",
                _ => "unknown",
            },
            cipher: tls
                .negotiated_cipher_suite()
                .and_then(|suite| suite.suite().as_str())
                .unwrap_or("unknown"),
            server_name: tls.server_name().map(str::to_owned),
            h2: tls.alpn_protocol() == Some(b"h2"),
            peer_certificates: tls.peer_certificates().map(<[_]>::to_vec).unwrap_or_default(),
        }
    }
}

impl Connection {
    pub(super) fn new(peer: SocketAddr, local: SocketAddr, listener: Kind) -> Self {
        Self {
            peer: canonical(peer),
            local: canonical(local),
            listener,
            tls: OnceLock::new(),
            bytes_read: AtomicU64::new(0),
            requests: AtomicU64::new(0),
        }
    }

    /// The connection that a request came by; `None` for a session that no edge made.
    pub fn of(session: &Session) -> Option<Arc<Connection>> {
        let carried = session.digest()?.proxy_digest.as_ref()?.user_data.as_ref()?;
        carried.downcast_ref::<Arc<Connection>>().cloned()
    }

    /// The socket's other end. IPv4-mapped IPv6 addresses are given as IPv4.
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// The socket's own end.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// The listener.
    pub fn listener(&self) -> Kind {
        self.listener
    }

    /// TLS facts, once the handshake is done; `None` on plain HTTP.
    pub fn tls(&self) -> Option<&TlsFacts> {
        self.tls.get()
    }

    /// Bytes read so far, after decryption.
    pub fn bytes_read(&self) -> u64 {
        self.bytes_read.load(Ordering::Relaxed)
    }

    /// Requests handed on so far; refused heads are not among them.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    pub(super) fn secured(&self, facts: TlsFacts) {
        // Set once, by the only handshake there is.
        let _ = self.tls.set(facts);
    }

    pub(super) fn count_bytes(&self, bytes: usize) {
        self.bytes_read.fetch_add(u64::try_from(bytes).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Counts a request; returns its number, from 1.
    pub(super) fn count_request(&self) -> u64 {
        self.requests.fetch_add(1, Ordering::Relaxed) + 1
    }
}

fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mapped_address_is_given_as_ipv4() {
        let [peer, local] =
            ["[::ffff:192.0.2.1]:50000", "[2001:db8::1]:443"].map(|text| text.parse().unwrap());
        let connection = Connection::new(peer, local, Kind::Http);
        assert_eq!(connection.peer(), "192.0.2.1:50000".parse().unwrap());
        assert_eq!(connection.local(), local);
    }
}
