//! A certificate chain with its private key.

use std::fmt;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::{Error as PemError, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::prelude::{FromDer, X509Certificate};
use zeroize::Zeroizing;

use crate::{CertError, Names};

#[cfg(test)]
mod tests;

/// A certificate chain and the private key of its first certificate. Cheap to clone; prints no key.
#[derive(Clone)]
pub struct KeyPair {
    certified: Arc<CertifiedKey>,
    names: Names,
    not_before: i64,
    not_after: i64,
    self_signed: bool,
}

impl KeyPair {
    /// Reads a PEM chain, the server's own certificate first, and its PEM private key (PKCS #8, PKCS #1 or SEC 1).
    ///
    /// # Errors
    /// When either cannot be read, the key is another certificate's, or the certificate names no host.
    /// One that is expired or not yet valid is no error: see [`KeyPair::valid_at`].
    pub fn from_pem(cert_pem: &[u8], key_pem: &[u8]) -> Result<Self, CertError> {
        let chain = chain(cert_pem)?;
        let key = private_key(key_pem)?;
        Self::from_der(chain, &key)
    }

    /// The same from DER; `key` stays the caller's to erase.
    pub(crate) fn from_der(
        chain: Vec<CertificateDer<'static>>,
        key: &PrivateKeyDer<'static>,
    ) -> Result<Self, CertError> {
        let mut own = None;
        for (nth, der) in chain.iter().enumerate() {
            let bad = CertError::BadCertificate(nth + 1);
            match X509Certificate::from_der(der) {
                Ok(([], certificate)) => own = own.or_else(|| Some(Facts::of(&certificate))),
                _ => return Err(bad),
            }
        }
        let Facts { names, not_before, not_after, self_signed } = own.ok_or(CertError::NoCertificate)?;

        let certified = CertifiedKey::new(chain, any_supported_type(key).map_err(|_| CertError::BadKey)?);
        match certified.keys_match() {
            Ok(()) => {}
            Err(rustls::Error::InconsistentKeys(_)) => return Err(CertError::KeyMismatch),
            Err(_) => return Err(CertError::BadCertificate(1)),
        }
        if names.is_empty() {
            return Err(CertError::NoNames);
        }
        Ok(Self { certified: Arc::new(certified), names, not_before, not_after, self_signed })
    }

    /// What rustls serves.
    pub fn certified(&self) -> &Arc<CertifiedKey> {
        &self.certified
    }

    /// Whom the certificate vouches for.
    pub fn names(&self) -> &Names {
        &self.names
    }

    /// The last moment of validity, in Unix seconds.
    pub fn not_after(&self) -> i64 {
        self.not_after
    }

    /// Whether clients accept the dates at `now`, in Unix seconds.
    pub fn valid_at(&self, now: i64) -> bool {
        (self.not_before..=self.not_after).contains(&now)
    }

    /// Whether the certificate is its own issuer: production refuses those.
    pub fn is_self_signed(&self) -> bool {
        self.self_signed
    }
}

impl fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyPair")
            .field("names", &self.names)
            .field("not_before", &self.not_before)
            .field("not_after", &self.not_after)
            .finish_non_exhaustive()
    }
}

/// What is kept of the first certificate.
struct Facts {
    names: Names,
    not_before: i64,
    not_after: i64,
    self_signed: bool,
}

impl Facts {
    fn of(certificate: &X509Certificate<'_>) -> Self {
        let validity = certificate.validity();
        Self {
            names: Names::of(certificate),
            not_before: validity.not_before.timestamp(),
            not_after: validity.not_after.timestamp(),
            self_signed: certificate.issuer().as_raw() == certificate.subject().as_raw(),
        }
    }
}

pub(crate) fn chain(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, CertError> {
    let mut chain = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        // The parser's own error quotes the line, which may be a key in the wrong file.
        chain.push(certificate.map_err(|_| CertError::BadCertificate(chain.len() + 1))?);
    }
    if chain.is_empty() { Err(CertError::NoCertificate) } else { Ok(chain) }
}

fn private_key(pem: &[u8]) -> Result<Zeroizing<PrivateKeyDer<'static>>, CertError> {
    match PrivateKeyDer::from_pem_slice(pem) {
        Ok(key) => Ok(Zeroizing::new(key)),
        Err(_) if mentions(pem, b"ENCRYPTED") => Err(CertError::EncryptedKey),
        Err(PemError::NoItemsFound) => Err(CertError::NoKey),
        Err(_) => Err(CertError::BadKey),
    }
}

fn mentions(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|window| window == word)
}
