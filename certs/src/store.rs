//! The certificates in force, and the one that a handshake gets.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use rustls::SignatureScheme;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::KeyPair;
use crate::names::{fold, parent};

#[cfg(test)]
mod tests;

/// Certificates by name, swapped whole: a handshake sees either the old set or the new one.
///
/// A name is looked up exactly, then as a wildcard for its first label. **A name that no certificate covers
/// gets no certificate**, and the handshake fails. A client that sends no name connects by address (RFC 6066
/// forbids addresses there) and gets the certificate with an address in it, if there is one; with several,
/// the one valid longest, since the address that the client meant is not known here.
///
/// Of several certificates for one name the one valid longest is served, passing over those that are not
/// valid now or whose key the client cannot verify while there is a better one.
#[derive(Default)]
pub struct Store(ArcSwap<Index>);

impl Store {
    /// A store with `pairs` in force.
    pub fn new(pairs: Vec<KeyPair>) -> Self {
        Self(ArcSwap::from_pointee(Index::new(pairs)))
    }

    /// Puts `pairs` in force for every handshake from now on, and nothing else.
    pub fn replace(&self, pairs: Vec<KeyPair>) {
        self.0.store(Arc::new(Index::new(pairs)));
    }

    /// Each name with the last second of the certificate valid longest for it (Unix seconds), sorted by name.
    pub fn expiries(&self) -> Vec<(String, i64)> {
        self.0.load().expiries()
    }

    /// Whether a certificate covers `host`.
    pub fn covers(&self, host: &str) -> bool {
        self.0.load().named(host).is_some()
    }
}

impl ResolvesServerCert for Store {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let index = self.0.load();
        let candidates = match hello.server_name() {
            Some(host) => index.named(host)?,
            None => &index.by_address,
        };
        choose(candidates, hello.signature_schemes())
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.expiries()).finish()
    }
}

/// Every list: valid longest first.
#[derive(Default)]
struct Index {
    exact: HashMap<String, Vec<KeyPair>>,
    /// By what follows the `*.`
    wildcards: HashMap<String, Vec<KeyPair>>,
    by_address: Vec<KeyPair>,
}

impl Index {
    fn new(mut pairs: Vec<KeyPair>) -> Self {
        pairs.sort_by_key(|pair| std::cmp::Reverse(pair.not_after()));
        let mut index = Self::default();
        for pair in pairs {
            for host in &pair.names().exact {
                index.exact.entry(host.clone()).or_default().push(pair.clone());
            }
            for parent in &pair.names().wildcards {
                index.wildcards.entry(parent.clone()).or_default().push(pair.clone());
            }
            if !pair.names().addresses.is_empty() {
                index.by_address.push(pair);
            }
        }
        index
    }

    fn named(&self, host: &str) -> Option<&Vec<KeyPair>> {
        let host = fold(host);
        self.exact.get(&host).or_else(|| self.wildcards.get(parent(&host)?))
    }

    fn expiries(&self) -> Vec<(String, i64)> {
        let mut rows: HashMap<String, i64> = HashMap::new();
        for pair in self.exact.values().chain(self.wildcards.values()).flatten().chain(&self.by_address) {
            for name in pair.names().iter() {
                let latest = rows.entry(name).or_insert(i64::MIN);
                *latest = pair.not_after().max(*latest);
            }
        }
        let mut rows: Vec<_> = rows.into_iter().collect();
        rows.sort();
        rows
    }
}

fn choose(candidates: &[KeyPair], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
    let served = match candidates {
        [only] => only,
        several => {
            let now = now();
            let verifiable = |pair: &&KeyPair| pair.certified().key.choose_scheme(schemes).is_some();
            let mut usable = several.iter().filter(verifiable);
            let first = usable.clone().next();
            usable.find(|pair| pair.valid_at(now)).or(first).or(several.first())?
        }
    };
    Some(Arc::clone(served.certified()))
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
