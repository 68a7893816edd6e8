//! Why a certificate cannot be used, and what to do about it.

use std::fmt;
use std::path::PathBuf;

/// A certificate or key that cannot be used. Reads as a sentence and never carries bytes of either:
/// a mistaken path may put the key where the certificate should be.
#[derive(Debug)]
pub enum CertError {
    /// No `CERTIFICATE` block.
    NoCertificate,
    /// A `CERTIFICATE` block, counted from 1, that is not a certificate.
    BadCertificate(usize),
    /// No private key block.
    NoKey,
    /// The private key needs a password.
    EncryptedKey,
    /// A private key block that is not PEM, or a key that is not RSA, ECDSA (P-256, P-384, P-521) or Ed25519.
    BadKey,
    /// The private key belongs to another certificate.
    KeyMismatch,
    /// No DNS name and no address in the certificate.
    NoNames,
    /// A development certificate was asked for with this name.
    BadName(String),
    /// A development certificate could not be made.
    NotMade(&'static str),
    /// A file cannot be read; says why.
    Unreadable(PathBuf, std::io::Error),
    /// A file is too large to be a certificate or key; the limit in bytes.
    TooLarge(PathBuf, u64),
    /// What is wrong with this file.
    In(PathBuf, Box<CertError>),
}

impl CertError {
    /// Whether the fault lies with the key rather than with the certificate.
    pub(crate) fn blames_key(&self) -> bool {
        matches!(self, Self::NoKey | Self::EncryptedKey | Self::BadKey | Self::KeyMismatch)
    }
}

impl fmt::Display for CertError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCertificate => f.write_str(
                "there is no certificate; it must be PEM, with a `BEGIN CERTIFICATE` block for each certificate of the chain",
            ),
            Self::BadCertificate(nth) => {
                write!(f, "certificate {nth} of the chain is damaged; export the chain again")
            }
            Self::NoKey => f.write_str("there is no private key; it must be PEM, with a `BEGIN PRIVATE KEY` block"),
            Self::EncryptedKey => f.write_str(
                "the private key is encrypted and nobody can type its password here; decrypt it with `openssl pkey` and protect the file instead",
            ),
            Self::BadKey => f.write_str(
                "the private key is damaged or of an unsupported kind; use ECDSA P-256 or P-384, RSA of 2048 bits or more, or Ed25519",
            ),
            Self::KeyMismatch => f.write_str(
                "the private key does not belong to the first certificate; put the server's own certificate first in the chain and give the key that it was issued for",
            ),
            Self::NoNames => f.write_str(
                "the certificate names no host; it needs a subject alternative name (clients ignore the common name)",
            ),
            Self::BadName(name) => {
                write!(f, "`{name}` cannot be put into a certificate; give a host name or an IP address")
            }
            Self::NotMade(why) => write!(f, "no development certificate could be made: {why}"),
            Self::Unreadable(path, why) => write!(f, "{} cannot be read: {why}", path.display()),
            Self::TooLarge(path, limit) => write!(
                f,
                "{} is larger than {limit} bytes and so neither a certificate chain nor a key",
                path.display()
            ),
            Self::In(path, why) => write!(f, "{}: {why}", path.display()),
        }
    }
}

impl std::error::Error for CertError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unreadable(_, why) => Some(why),
            Self::In(_, why) => Some(why),
            _ => None,
        }
    }
}
