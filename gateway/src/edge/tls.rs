//! TLS as the edge offers it.

use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::server::{NoServerSessionStorage, ResolvesServerCert};
use rustls::{ServerConfig, SupportedProtocolVersion, version};

/// The lowest TLS version that is accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MinVersion {
    /// TLS 1.2.
    #[default]
    V1_2,
    /// TLS 1.3.
    V1_3,
}

impl MinVersion {
    fn versions(self) -> &'static [&'static SupportedProtocolVersion] {
        static FROM_1_2: [&SupportedProtocolVersion; 2] = [&version::TLS13, &version::TLS12];
        static FROM_1_3: [&SupportedProtocolVersion; 1] = [&version::TLS13];
        match self {
            MinVersion::V1_2 => &FROM_1_2,
            MinVersion::V1_3 => &FROM_1_3,
        }
    }
}

/// A server configuration over `certificates`: HTTP/2 and HTTP/1.1 by ALPN, resumption by tickets, no client
/// certificates. A name for which `certificates` has none fails the handshake.
///
/// # Errors
/// If the system gives no randomness for the ticket keys.
pub fn server_config(
    certificates: Arc<dyn ResolvesServerCert>,
    min_version: MinVersion,
) -> Result<Arc<ServerConfig>, rustls::Error> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(min_version.versions())?
        .with_no_client_auth()
        .with_cert_resolver(certificates);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    // Tickets and nothing else: the default session store forgets after 256 clients.
    config.ticketer = aws_lc_rs::Ticketer::new()?;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(Arc::new(config))
}
