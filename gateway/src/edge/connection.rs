//! What is known of a connection.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use http::HeaderValue;
use pingora::proxy::Session;
use rules::view::ClientCertificate;
use rustls::{HandshakeKind, ServerConnection};
use rustls_pki_types::{CertificateDer, UnixTime};

use super::tls::Terms;
use super::{EdgeSettings, Kind};
use crate::client_ca::{self, ClientCa, Digest};

/// One client connection; every request on it, HTTP/1 or HTTP/2, can reach it.
#[derive(Debug)]
pub struct Connection {
    peer: SocketAddr,
    peer_name: HeaderValue,
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
    /// Whose word on the client was taken.
    client_ca: Option<Digest>,
    /// The certificate that the client showed.
    certificate: Option<Arc<ClientCertificate>>,
}

impl TlsFacts {
    fn of(
        tls: &ServerConnection,
        client_ca: Option<&ClientCa>,
        certificate: Option<ClientCertificate>,
    ) -> Self {
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
            client_ca: client_ca.map(ClientCa::digest),
            certificate: certificate.map(Arc::new),
        }
    }

    /// The client's certificate, if it was verified by the authorities in force: what others vouched for is as
    /// good as not shown.
    pub fn certificate(&self, in_force: Option<&ClientCa>) -> Option<&Arc<ClientCertificate>> {
        self.certificate.as_ref().filter(|_| self.client_ca == in_force.map(ClientCa::digest))
    }
}

/// What the client's certificate says, if it showed one.
fn shown(tls: &ServerConnection, ca: &ClientCa) -> Option<Result<ClientCertificate, String>> {
    let chain: &[CertificateDer<'_>] = tls.peer_certificates()?;
    // A ticket carries the chain as it was verified when the ticket was made, which may be half a day ago.
    let verified = tls.handshake_kind() != Some(HandshakeKind::Resumed);
    Some(if verified { client_ca::read(chain) } else { ca.vouch(chain, now()) })
}

fn now() -> i64 {
    i64::try_from(UnixTime::now().as_secs()).unwrap_or(i64::MAX)
}

impl Connection {
    pub(super) fn new(peer: SocketAddr, local: SocketAddr, listener: Kind) -> Self {
        Self {
            peer: canonical(peer),
            peer_name: name(canonical(peer).ip()),
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

    /// The address of the socket's other end as text.
    pub fn peer_name(&self) -> &HeaderValue {
        &self.peer_name
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

    /// Whether the handshake was made under other authorities than those in force: a certificate that was
    /// shown no longer counts, and one that would count now was not asked for.
    pub(super) fn is_outdated(&self, settings: &EdgeSettings) -> bool {
        let in_force = settings.tls.as_ref().and_then(Terms::client_ca);
        self.tls().is_some_and(|facts| facts.client_ca != in_force)
    }

    pub(super) fn secured(&self, tls: &ServerConnection, client_ca: Option<&ClientCa>) {
        // Read once, and not with every request.
        let certificate = client_ca.and_then(|ca| shown(tls, ca)).and_then(|shown| {
            let told = |why: &String| tracing::warn!(peer = %self.peer, "not believed: {why}");
            shown.inspect_err(told).ok()
        });
        // Set once, by the only handshake there is.
        let _ = self.tls.set(TlsFacts::of(tls, client_ca, certificate));
    }

    pub(super) fn count_bytes(&self, bytes: usize) {
        self.bytes_read.fetch_add(u64::try_from(bytes).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Counts a request; returns its number, from 1.
    pub(super) fn count_request(&self) -> u64 {
        self.requests.fetch_add(1, Ordering::Relaxed) + 1
    }
}

/// An address as a header field says it.
pub fn name(address: IpAddr) -> HeaderValue {
    // No address has a character that a field may not have.
    HeaderValue::try_from(address.to_string()).unwrap_or(HeaderValue::from_static("unknown"))
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
