//! TLS as the edge offers it.

use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::server::{NoServerSessionStorage, ResolvesServerCert};
use rustls::{ServerConfig, SupportedProtocolVersion, version};

use crate::client_ca::{ClientCa, Digest};

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

/// What handshakes go by.
#[derive(Clone, Debug)]
pub struct Terms {
    pub(super) config: Arc<ServerConfig>,
    pub(super) client_ca: Option<Arc<ClientCa>>,
}

impl Terms {
    /// Whose word on clients is taken.
    pub(super) fn client_ca(&self) -> Option<Digest> {
        self.client_ca.as_ref().map(|ca| ca.digest())
    }
}

/// Terms over `certificates`: HTTP/2 and HTTP/1.1 by ALPN, resumption by tickets. A name for which `certificates`
/// has none fails the handshake. With `client_ca`, clients are asked for a certificate: one without goes on, one
/// that does not verify fails the handshake.
///
/// # Errors
/// If the system gives no randomness for the ticket keys.
pub fn terms(
    certificates: Arc<dyn ResolvesServerCert>,
    min_version: MinVersion,
    client_ca: Option<Arc<ClientCa>>,
) -> Result<Terms, rustls::Error> {
    let builder = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(min_version.versions())?;
    let builder = match &client_ca {
        Some(ca) => builder.with_client_cert_verifier(ca.verifier()),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_cert_resolver(certificates);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    // Tickets and nothing else: the default session store forgets after 256 clients.
    config.ticketer = aws_lc_rs::Ticketer::new()?;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(Terms { config: Arc::new(config), client_ca })
}
