//! Who the others are: the authorities that vouch for clients, and what a client's certificate says.

use std::fmt::{self, Write as _};
use std::sync::Arc;
use std::time::Duration;

use rustls::RootCertStore;
use rustls::crypto::aws_lc_rs;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, UnixTime};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::CertError;

mod dn;
mod leaf;
#[cfg(test)]
mod tests;

pub use dn::Dn;
pub use leaf::{Leaf, LeafError};

/// The authorities whose word on a client is taken.
#[derive(Clone, Debug)]
pub struct Authorities(Arc<dyn ClientCertVerifier>);

impl Authorities {
    /// Reads the certificates of authorities from PEM.
    ///
    /// # Errors
    /// When there is none, or one that is damaged or not an authority's.
    pub fn from_pem(pem: &[u8]) -> Result<Self, AuthorityError> {
        let mut roots = RootCertStore::empty();
        for (index, certificate) in CertificateDer::pem_slice_iter(pem).enumerate() {
            let nth = index + 1;
            let der = certificate.map_err(|_| AuthorityError::Damaged(nth))?;
            // The verifier would take whatever it is told to trust for an authority: with a client's own
            // certificate here, that client could make others.
            if !signs_others(&der).ok_or(AuthorityError::Damaged(nth))? {
                return Err(AuthorityError::NotAnAuthority(nth));
            }
            roots.add(der).map_err(|_| AuthorityError::Damaged(nth))?;
        }
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
            .allow_unauthenticated()
            .build();
        // There is nothing else that it could refuse.
        verifier.map(Self).map_err(|_| AuthorityError::Nobody)
    }

    /// What asks a client for a certificate in a handshake, and lets one without through.
    pub fn verifier(&self) -> Arc<dyn ClientCertVerifier> {
        Arc::clone(&self.0)
    }

    /// Verifies a chain, the client's own certificate first, as a handshake at `at` (Unix seconds) would.
    ///
    /// # Errors
    /// When no authority vouches for it at that time, or not for a client.
    pub fn verify(&self, chain: &[CertificateDer<'_>], at: i64) -> Result<(), rustls::Error> {
        let [own, rest @ ..] = chain else { return Err(rustls::Error::NoCertificatesPresented) };
        // Before 1970 nothing is valid.
        let since = Duration::from_secs(u64::try_from(at).unwrap_or_default());
        self.0.verify_client_cert(own, rest, UnixTime::since_unix_epoch(since)).map(|_| ())
    }
}

/// Reads a chain, the client's own certificate first, from PEM.
///
/// # Errors
/// When there is none, or one that is not PEM.
pub fn chain(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, CertError> {
    crate::key_pair::chain(pem)
}

/// Whether a certificate may sign others (RFC 5280, sections 4.2.1.3 and 4.2.1.9); none if it cannot be read.
fn signs_others(der: &[u8]) -> Option<bool> {
    let Ok(([], certificate)) = X509Certificate::from_der(der) else { return None };
    let constraints = certificate.basic_constraints().ok()?;
    let usage = certificate.key_usage().ok()?;
    Some(
        constraints.is_some_and(|constraints| constraints.value.ca)
            && usage.is_none_or(|usage| usage.value.key_cert_sign()),
    )
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A file of authorities that cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthorityError {
    /// No `CERTIFICATE` block.
    Nobody,
    /// The certificate with this number, from 1, is none.
    Damaged(usize),
    /// The certificate with this number, from 1, may not sign others.
    NotAnAuthority(usize),
}

impl AuthorityError {
    /// What to do about it.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Nobody => {
                "it must be PEM, with a `BEGIN CERTIFICATE` block for each authority that signs clients' certificates"
            }
            Self::Damaged(_) => "export it again",
            Self::NotAnAuthority(_) => {
                "name the authority that signed your clients' certificates, not one of those: its own says `CA:TRUE`"
            }
        }
    }
}

impl fmt::Display for AuthorityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nobody => f.write_str("there is no certificate in it"),
            Self::Damaged(nth) => write!(f, "certificate {nth} in it is damaged"),
            Self::NotAnAuthority(nth) => write!(f, "certificate {nth} in it is not an authority's"),
        }
    }
}

impl std::error::Error for AuthorityError {}
