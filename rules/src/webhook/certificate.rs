//! Keys by address: which address is wanted, whether it may be, and what it gave.

use regex::Regex;
use rustls_pki_types::pem::{PemObject as _, SectionKind};
use serde_json::Value;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::key::{Material, jwt_of, of_certificate};
use super::scheme::{Proof, Scheme};
use crate::problem::{Place, Problem};
use crate::strict_json;
use crate::token::jwk;

/// More keys than any provider publishes.
const MAX_KEYS: usize = 128;

/// Where certificates may come from.
#[derive(Debug)]
pub(super) struct Allowed {
    host: Regex,
    path: Option<Regex>,
}

impl Allowed {
    pub(super) fn compile(host: &str, path: Option<&str>, at: &Place) -> Result<Self, Problem> {
        let whole = |text: &str, key: &str| {
            Regex::new(&format!(r"\A(?:{text})\z")).map_err(|_| {
                at.key(key)
                    .problem(format!("`{key}` is not a regular expression"))
                    .remedy(r"write one for all of it, such as `api\.example\.com`")
            })
        };
        Ok(Self {
            host: whole(host, "cert_host")?,
            path: path.map(|path| whole(path, "cert_path")).transpose()?,
        })
    }

    /// Whether a certificate may be fetched from an address that a stranger wrote.
    pub(super) fn permits(&self, url: &str) -> bool {
        let Some(rest) = url.strip_prefix("https://") else { return false };
        let Some((host, path)) = rest.find('/').and_then(|slash| rest.split_at_checked(slash)) else {
            return false;
        };
        // No port, no user, no query, no escapes, no way up.
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte);
        let simple = host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte));
        simple
            && path.bytes().all(plain)
            && !path.contains("..")
            && self.host.is_match(host)
            && self
                .path
                .as_ref()
                .map_or_else(|| path.strip_suffix(".pem").is_some(), |allowed| allowed.is_match(path))
    }
}

/// What has to be fetched before a delivery can be verified. The address was checked; whoever fetches follows no
/// redirect, takes a few KiB at most, remembers what came, and asks a second time only after a while.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Want {
    /// An X.509 certificate, PEM or DER.
    Certificate(String),
    /// A JWK set (RFC 7517).
    KeySet(String),
}

impl Want {
    /// The address.
    pub fn url(&self) -> &str {
        match self {
            Self::Certificate(url) | Self::KeySet(url) => url,
        }
    }
}

/// What was fetched, made ready for one scheme.
pub struct Fetched {
    want: Want,
    keys: Vec<FetchedKey>,
}

/// A key that was fetched.
pub(super) struct FetchedKey {
    pub(super) kid: Option<String>,
    pub(super) material: Material,
    /// From when until when it counts, in Unix seconds.
    valid: Option<(i64, i64)>,
}

impl FetchedKey {
    pub(super) fn counts(&self, now_ms: i64) -> bool {
        let now = now_ms.div_euclid(1000);
        self.valid.is_none_or(|(from, until)| (from..=until).contains(&now))
    }
}

impl Fetched {
    /// Reads what came from the address that was wanted.
    ///
    /// # Errors
    /// A sentence for the log: it is no certificate or key set, or none of its keys fits the scheme.
    pub fn read(scheme: &Scheme, want: Want, bytes: &[u8]) -> Result<Self, String> {
        let keys = match &want {
            Want::Certificate(_) => vec![certificate(scheme, bytes)?],
            Want::KeySet(_) => key_set(scheme, bytes)?,
        };
        Ok(Self { want, keys })
    }

    /// What was wanted.
    pub fn want(&self) -> &Want {
        &self.want
    }

    pub(super) fn keys(&self) -> &[FetchedKey] {
        &self.keys
    }
}

fn certificate(scheme: &Scheme, bytes: &[u8]) -> Result<FetchedKey, String> {
    let broken = || "what came is not a certificate".to_owned();
    // Of a chain, the first certificate is the signer's own.
    let der = if bytes.trim_ascii_start().starts_with(b"-----") {
        match <(SectionKind, Vec<u8>)>::pem_slice_iter(bytes).next() {
            Some(Ok((SectionKind::Certificate, der))) => der,
            _ => return Err(broken()),
        }
    } else {
        bytes.to_vec()
    };
    let (_, parsed) = X509Certificate::from_der(&der).map_err(|_| broken())?;
    let validity = parsed.validity();
    let valid = Some((validity.not_before.timestamp(), validity.not_after.timestamp()));
    Ok(FetchedKey { kid: None, material: of_certificate(scheme.kind(), &der)?, valid })
}

fn key_set(scheme: &Scheme, bytes: &[u8]) -> Result<Vec<FetchedKey>, String> {
    let Proof::Jwt(_) = &scheme.proof else { return Err("the scheme takes no key set".to_owned()) };
    let set = strict_json::object(bytes).ok_or("what came is not a JSON object")?;
    let Some(Value::Array(entries)) = set.get("keys") else {
        return Err("what came has no list `keys`".to_owned());
    };
    let key = |entry: &Value| {
        let (kid, key, algorithms) = jwk::read_public(entry.as_object()?, scheme.algorithms()).ok()?;
        Some(FetchedKey { kid, material: jwt_of(&key, &algorithms).ok()?, valid: None })
    };
    let keys: Vec<_> = entries.iter().take(MAX_KEYS).filter_map(key).collect();
    if keys.is_empty() {
        return Err("no key of the set fits the scheme".to_owned());
    }
    Ok(keys)
}
