//! Compiled verification keys. Each key pins what it verifies: a token picks a key at most, never an algorithm.

use std::borrow::Cow;
use std::fmt;

use aws_lc_rs::{hmac, signature::ParsedPublicKey};

use super::public::Public;
use super::{Algorithm, jwk, pem};

/// Keys to verify tokens with: at least one. Prints no secret.
#[derive(Debug)]
pub struct KeySet {
    keys: Vec<Key>,
    skipped: Vec<String>,
}

impl KeySet {
    /// A shared secret for `algorithms`, HS only. The caller's copy stays the caller's to erase.
    ///
    /// # Errors
    /// When the secret is shorter than the hash of one of them (RFC 7518, 3.2), there is none of them, or one
    /// of them takes a public key.
    pub fn from_secret(secret: &[u8], algorithms: &[Algorithm]) -> Result<Self, KeyError> {
        if let Some(other) = algorithms.iter().find(|algorithm| !algorithm.is_symmetric()) {
            return Err(KeyError::new(format!("a secret cannot verify {other}; list HS algorithms only")));
        }
        Self::of(vec![Key::secret(None, secret, algorithms)?], Vec::new())
    }

    /// One public key as PEM: `PUBLIC KEY` or `CERTIFICATE` (whose dates and issuer are not looked at).
    ///
    /// # Errors
    /// When there is not exactly one such block, it is a private key, the key is weak, of an unsupported kind,
    /// or can verify none of `algorithms`; and when those name an HS algorithm, since with a public key as the
    /// secret everybody could sign.
    pub fn from_pem(pem: &[u8], algorithms: &[Algorithm]) -> Result<Self, KeyError> {
        if let Some(other) = algorithms.iter().find(|algorithm| algorithm.is_symmetric()) {
            return Err(KeyError::new(format!(
                "a public key cannot verify {other}; take it off the algorithms"
            )));
        }
        Self::of(vec![Key::public(None, &pem::read(pem)?, algorithms)?], Vec::new())
    }

    /// A JWK set (RFC 7517). Keys that are not for us are left out, with a sentence in [`KeySet::skipped`]:
    /// another `use`, `key_ops` or `alg`, weak or unsupported keys, private keys, and secrets unless
    /// `allow_oct` (never for a set that was fetched).
    ///
    /// # Errors
    /// When it is not a JWK set, two keys share a `kid`, or no key is left.
    pub fn from_jwks(json: &[u8], algorithms: &[Algorithm], allow_oct: bool) -> Result<Self, KeyError> {
        let (keys, skipped) = jwk::read_set(json, algorithms, allow_oct)?;
        Self::of(keys, skipped)
    }

    fn of(keys: Vec<Key>, skipped: Vec<String>) -> Result<Self, KeyError> {
        if keys.is_empty() {
            let reasons = if skipped.is_empty() { "it is empty".to_owned() } else { skipped.join("; ") };
            return Err(KeyError::new(format!("the key set has no usable key: {reasons}")));
        }
        for (nth, key) in keys.iter().enumerate() {
            if key.kid.is_some() && keys.iter().skip(nth + 1).any(|other| other.kid == key.kid) {
                return Err(KeyError::new("two keys of the key set have the same `kid`"));
            }
        }
        Ok(Self { keys, skipped })
    }

    /// Why keys of a JWK set were left out; a sentence a key.
    pub fn skipped(&self) -> &[String] {
        &self.skipped
    }

    /// How many keys there are.
    #[expect(clippy::len_without_is_empty, reason = "a key set is never empty")]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// The algorithms that some key verifies, each once.
    pub fn algorithms(&self) -> Vec<Algorithm> {
        let able = |algorithm: &&Algorithm| self.keys.iter().any(|key| key.check(**algorithm).is_some());
        Algorithm::ALL.iter().filter(able).copied().collect()
    }

    /// The key called `kid`.
    pub(super) fn named(&self, kid: &str) -> Option<&Key> {
        self.keys.iter().find(|key| key.kid.as_deref() == Some(kid))
    }

    /// The keys that verify `algorithm`.
    pub(super) fn fitting(&self, algorithm: Algorithm) -> impl Iterator<Item = &Key> {
        self.keys.iter().filter(move |key| key.check(algorithm).is_some())
    }
}

/// One key with a check for each algorithm that it is meant for.
pub(super) struct Key {
    kid: Option<String>,
    checks: Vec<(Algorithm, Check)>,
}

impl Key {
    pub(super) fn public(
        kid: Option<String>,
        key: &Public,
        algorithms: &[Algorithm],
    ) -> Result<Self, KeyError> {
        let checks = key.checks(algorithms).map_err(KeyError::new)?;
        let checks =
            checks.into_iter().map(|(algorithm, parsed)| (algorithm, Check::Public(parsed))).collect();
        Self::of(kid, checks)
    }

    pub(super) fn secret(
        kid: Option<String>,
        secret: &[u8],
        algorithms: &[Algorithm],
    ) -> Result<Self, KeyError> {
        let mut checks = Vec::new();
        for &algorithm in algorithms {
            let hash = match algorithm {
                Algorithm::Hs256 => hmac::HMAC_SHA256,
                Algorithm::Hs384 => hmac::HMAC_SHA384,
                Algorithm::Hs512 => hmac::HMAC_SHA512,
                _ => continue,
            };
            let needed = hash.tag_len();
            if secret.len() < needed {
                return Err(KeyError::new(format!(
                    "the secret has {} bytes and {algorithm} needs {needed}; make one with `openssl rand -base64 {needed}`",
                    secret.len()
                )));
            }
            checks.push((algorithm, Check::Secret(Box::new(hmac::Key::new(hash, secret)))));
        }
        Self::of(kid, checks)
    }

    fn of(kid: Option<String>, checks: Vec<(Algorithm, Check)>) -> Result<Self, KeyError> {
        if checks.is_empty() {
            return Err(KeyError::new("the key can verify none of the algorithms that are allowed for it"));
        }
        Ok(Self { kid, checks })
    }

    pub(super) fn is_named(&self) -> bool {
        self.kid.is_some()
    }

    pub(super) fn check(&self, algorithm: Algorithm) -> Option<&Check> {
        self.checks.iter().find(|(pinned, _)| *pinned == algorithm).map(|(_, check)| check)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let algorithms: Vec<_> = self.checks.iter().map(|(algorithm, _)| algorithm.name()).collect();
        f.debug_struct("Key").field("kid", &self.kid).field("algorithms", &algorithms).finish_non_exhaustive()
    }
}

/// A key made ready for one algorithm. The library erases a secret when it is dropped.
pub(super) enum Check {
    Secret(Box<hmac::Key>),
    Public(ParsedPublicKey),
}

impl Check {
    /// Whether `signature` is this key's over `signed`; secrets are compared in constant time.
    pub(super) fn verify(&self, signed: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Secret(key) => hmac::verify(key, signed, signature).is_ok(),
            Self::Public(key) => key.verify_sig(signed, signature).is_ok(),
        }
    }
}

/// Why keys or expectations cannot be used: a sentence, without key material.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyError(Cow<'static, str>);

impl KeyError {
    pub(super) fn new(why: impl Into<Cow<'static, str>>) -> Self {
        Self(why.into())
    }
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for KeyError {}
