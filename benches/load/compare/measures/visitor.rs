//! The client of the measures that are about connections.

use std::io::{ErrorKind, Read as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs::{default_provider, kx_group};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, HandshakeKind, SignatureScheme, StreamOwned,
};

use crate::Fallible;
use crate::wire::HOST;

/// Valgrind needs a while for a handshake.
const PATIENCE: Duration = Duration::from_mins(1);
/// What a client keeps of tickets: more than all of its connections can hold at once.
const KEPT: usize = 256;

/// Who comes: with or without the tickets of earlier visits.
///
/// All agree on X25519, the one group that everyone here knows: a hybrid with ML-KEM would be more work for those
/// who offer it. Certificates are taken as they come: the client's work is not measured.
pub(crate) fn visitor(tickets: bool) -> Fallible<Arc<ClientConfig>> {
    let mut provider = default_provider();
    provider.kx_groups = vec![kx_group::X25519];
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anyone))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.resumption = if tickets { Resumption::in_memory_sessions(KEPT) } else { Resumption::disabled() };
    Ok(Arc::new(config))
}

/// A connection whose handshake is yet to come.
pub(crate) fn connect(
    address: SocketAddr,
    config: &Arc<ClientConfig>,
) -> Fallible<StreamOwned<ClientConnection, TcpStream>> {
    let socket = TcpStream::connect(address)?;
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    Ok(StreamOwned::new(ClientConnection::new(Arc::clone(config), HOST.try_into()?)?, socket))
}

/// Shakes hands, asks nothing, and leaves. Whether a ticket was taken.
pub(crate) fn shake(address: SocketAddr, config: &Arc<ClientConfig>) -> Fallible<bool> {
    let mut stream = connect(address, config)?;
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock)?;
    }
    let resumed = stream.conn.handshake_kind() == Some(HandshakeKind::Resumed);
    stream.conn.send_close_notify();
    while stream.conn.wants_write() {
        stream.conn.write_tls(&mut stream.sock)?;
    }
    stream.sock.shutdown(Shutdown::Write)?;
    // To the end: the server has then verified the client's part, and its tickets have come.
    let mut rest = [0; 64];
    loop {
        match stream.read(&mut rest) {
            Ok(0) => return Ok(resumed),
            Ok(_) => {}
            Err(end) if matches!(end.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset) => {
                return Ok(resumed);
            }
            Err(other) => return Err(other.into()),
        }
    }
}

/// Takes every certificate for good.
#[derive(Debug)]
struct Anyone;

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        default_provider().signature_verification_algorithms.supported_schemes()
    }
}
