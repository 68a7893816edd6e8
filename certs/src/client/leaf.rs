//! What a client's certificate says.

use std::fmt;
use std::net::IpAddr;

use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::dn::printable;
use super::{Dn, hex};

/// What a client's certificate says of its holder. Whether that is true, its chain shows and not this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// Whom it is about.
    pub subject: Dn,
    /// Who signed it.
    pub issuer: Dn,
    /// Host names among the subject's alternative names, as written.
    pub dns: Vec<String>,
    /// E-mail addresses there.
    pub email: Vec<String>,
    /// Addresses of resources there, such as SPIFFE IDs.
    pub uri: Vec<String>,
    /// IP addresses there.
    pub ip: Vec<IpAddr>,
    /// The issuer's number for it, in hexadecimal digits.
    pub serial: String,
    /// The first second of validity (Unix time).
    pub not_before: i64,
    /// The last second of validity (Unix time).
    pub not_after: i64,
}

/// Why a certificate that verified is not believed all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeafError {
    /// It is not a certificate.
    Damaged,
    /// A name in it cannot be read as text, or has control characters.
    Unreadable,
}

impl fmt::Display for LeafError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Damaged => "the client's certificate is damaged",
            Self::Unreadable => "a name in the client's certificate is not plain text",
        })
    }
}

impl std::error::Error for LeafError {}

impl Leaf {
    /// Reads a certificate in DER.
    ///
    /// # Errors
    /// When anything of it cannot be read in one way only: half of a certificate is none.
    pub fn from_der(der: &[u8]) -> Result<Self, LeafError> {
        let Ok(([], certificate)) = X509Certificate::from_der(der) else { return Err(LeafError::Damaged) };
        let validity = certificate.validity();
        let mut leaf = Self {
            subject: Dn::of(certificate.subject())?,
            issuer: Dn::of(certificate.issuer())?,
            dns: Vec::new(),
            email: Vec::new(),
            uri: Vec::new(),
            ip: Vec::new(),
            serial: serial(certificate.raw_serial()),
            not_before: validity.not_before.timestamp(),
            not_after: validity.not_after.timestamp(),
        };
        let alternatives = certificate.subject_alternative_name().map_err(|_| LeafError::Damaged)?;
        for name in alternatives.iter().flat_map(|extension| &extension.value.general_names) {
            leaf.add(name)?;
        }
        Ok(leaf)
    }

    fn add(&mut self, name: &GeneralName<'_>) -> Result<(), LeafError> {
        let (list, text) = match name {
            GeneralName::DNSName(text) => (&mut self.dns, text),
            GeneralName::RFC822Name(text) => (&mut self.email, text),
            GeneralName::URI(text) => (&mut self.uri, text),
            GeneralName::IPAddress(octets) => {
                self.ip.push(crate::names::address(octets).ok_or(LeafError::Unreadable)?);
                return Ok(());
            }
            GeneralName::Invalid(..) => return Err(LeafError::Unreadable),
            // Nothing that a claim could name.
            _ => return Ok(()),
        };
        // They are IA5Strings (RFC 5280, section 4.2.1.6).
        if !text.is_ascii() || !printable(text) {
            return Err(LeafError::Unreadable);
        }
        list.push((*text).to_owned());
        Ok(())
    }
}

/// The number's octets, without the one that only says that it is positive.
pub(super) fn serial(raw: &[u8]) -> String {
    let octets = match raw {
        [0, rest @ ..] if !rest.is_empty() => rest,
        whole => whole,
    };
    hex(octets)
}
