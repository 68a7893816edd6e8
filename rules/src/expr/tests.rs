//! The language as a whole: the vectors, and what each operator and function says.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, Method, Version};
use serde_json::Value as Json;

use super::*;
use crate::lists::{AddressSet, List};
use crate::view::{Caller, Reading};

mod faults;
mod fields;
mod functions;
mod hostile;
mod operators;
mod vectors;

/// A request, owned, from which facts are borrowed.
pub(super) struct Request {
    pub method: Method,
    pub secure: bool,
    pub host: String,
    pub path: String,
    pub query: Option<String>,
    pub raw_path: Vec<u8>,
    pub raw_query: Option<Vec<u8>>,
    pub headers: HeaderMap,
    pub client: IpAddr,
    pub port: u16,
    pub now_ms: i64,
}

impl Request {
    /// `GET https://www.example.com/…`, normalised as Cloudflare does it.
    pub(super) fn to(target: &str) -> Self {
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (target, None),
        };
        Self {
            method: Method::GET,
            secure: true,
            host: "www.example.com".to_owned(),
            path: normalise(Normalisation::Cloudflare, path.as_bytes()),
            query: query.map(str::to_owned),
            raw_path: path.into(),
            raw_query: query.map(Into::into),
            headers: HeaderMap::new(),
            client: "198.51.100.10".parse().unwrap(),
            port: 443,
            now_ms: 1_700_000_000_123,
        }
    }

    pub(super) fn header(mut self, name: &str, value: &str) -> Self {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        self.headers.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        self
    }

    pub(super) fn head(&self) -> Head<'_> {
        Head {
            secure: self.secure,
            port: self.port,
            path: &self.path,
            query: self.query.as_deref(),
            raw_path: &self.raw_path,
            raw_query: self.raw_query.as_deref(),
            version: Version::HTTP_11,
            server: Some("192.0.2.1".parse().unwrap()),
            request_id: "0190b4c8-0000-7000-8000-000000000000",
            now_ms: self.now_ms,
            tls_version: Some("TLSv1.3"),
            tls_cipher: Some("TLS13_AES_128_GCM_SHA256"),
            ..Head::plain(&self.method, &self.host, &self.headers, self.client)
        }
    }

    pub(super) fn facts(&self) -> Facts<'_> {
        Facts::new(self.head())
    }
}

/// Some lists, and everything may be named.
pub(super) struct Words {
    pub lists: Lists,
    pub identities: Vec<String>,
}

impl Words {
    pub(super) fn new() -> Self {
        let networks = ["203.0.113.9/32", "198.18.0.0/15", "2001:db8:6a0b:1a01::/64"];
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let lists = [
            ("office_network", List::Addresses(AddressSet::new(networks.map(|text| text.parse().unwrap())))),
            ("agents", List::Words(words(&["curl", "wget"]))),
            ("hosts", List::Hosts(words(&["example.org", "*.example.com"]))),
            ("networks", List::Numbers([64_512, 13_335].into())),
        ];
        let lists = lists.into_iter().map(|(name, list)| (name.to_owned(), Arc::new(list))).collect();
        Self { lists, identities: vec!["tc1".to_owned()] }
    }

    pub(super) fn all(&self) -> Vocabulary<'_> {
        Vocabulary {
            lists: &self.lists,
            geo: true,
            identities: &self.identities,
            responses: true,
            bodies: true,
        }
    }
}

fn condition(text: &str) -> Condition {
    Condition::compile(text, &Words::new().all())
        .unwrap_or_else(|fault| panic!("{text}\n{fault} at {:?}", fault.span))
}

fn holds(text: &str, request: &Request) -> bool {
    condition(text).holds(&request.facts())
}

/// A caller with these claims.
fn caller(identity: &str, claims: &str) -> Caller {
    Caller {
        identity: identity.into(),
        user: Reading::Value("ann".to_owned()),
        tenants: Reading::Value(vec!["acme".to_owned()]),
        roles: Reading::Value(vec!["admin".to_owned(), "user".to_owned()]),
        scopes: Reading::Absent,
        claims: serde_json::from_str(claims).unwrap(),
        forward: Vec::new(),
        unforwardable: None,
        key: None,
    }
}
