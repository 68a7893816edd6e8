//! What a policy may see: facts of one request, borrowed. Never a socket, a session or a clock.

use std::net::IpAddr;
use std::sync::Arc;

use http::header::{HOST, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::{Map, Value};

use crate::route::Captures;

/// The facts of one request, as every gate sees them.
#[derive(Clone, Copy)]
pub struct View<'a> {
    /// The method.
    pub method: &'a Method,
    /// The path, decoded once and normalised: the same text that chose the route.
    pub path: &'a str,
    /// The path as the upstream gets it: the same one, still escaped.
    pub target: &'a str,
    /// The query as it came, without its `?`.
    pub query: Option<&'a str>,
    /// The host, lower case, without a port.
    pub host: &'a str,
    /// The `:authority` of HTTP/2: the host as the client wrote it, with its port. HTTP/1 says it in `Host`.
    pub authority: Option<&'a str>,
    /// Whether a body comes with it, be it declared or not.
    pub has_body: bool,
    /// The header fields as the client sent them.
    pub headers: &'a HeaderMap,
    /// Whether the client speaks https.
    pub secure: bool,
    /// The client's address, after trusted proxies were peeled off.
    pub client: IpAddr,
    /// The certificate that the client showed and an authority of ours vouches for.
    pub certificate: Option<&'a ClientCertificate>,
    /// The route's name; empty until it was found.
    pub route: &'a str,
    /// What the route's pattern captured, by name.
    pub captures: Option<Captures<'a>>,
    /// The webhook whose signature was verified, and the event's id if it has one.
    pub webhook: Option<(&'a str, Option<&'a str>)>,
    /// Who calls, once an identity gate has said so.
    pub caller: Option<&'a Caller>,
    /// How the caller's credential came.
    pub via: Option<Via>,
    /// Now, in milliseconds since the Unix epoch.
    pub now_ms: i64,
}

impl View<'_> {
    /// The value that the route's pattern captured under `name`.
    pub fn capture(&self, name: &str) -> Option<&str> {
        self.captures.and_then(|captures| captures.get(name))
    }

    /// The host as the client wrote it, with its port: what the origin of the gateway's own pages has.
    pub fn authority(&self) -> &str {
        let field = || self.headers.get(HOST)?.to_str().ok();
        self.authority.or_else(field).unwrap_or(self.host)
    }

    /// Whether it does something by itself: its method is not a safe one (RFC 9110, section 9.2.1), or it opens a
    /// connection over which everything may follow.
    pub fn acts(&self) -> bool {
        !self.method.is_safe() || self.headers.contains_key(UPGRADE)
    }

    /// Now, in whole seconds since the Unix epoch.
    pub fn now(&self) -> i64 {
        self.now_ms.div_euclid(1000)
    }
}

/// How a credential came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// In a header field that a client sets on purpose.
    Header,
    /// In a cookie.
    Cookie,
    /// In the query.
    Query,
    /// In the TLS handshake.
    Certificate,
}

/// A client's certificate, after its chain was verified.
#[derive(Clone, Debug)]
pub struct ClientCertificate {
    /// What it says, as claims: `subject`, `issuer`, `san`, `serial`.
    pub claims: Map<String, Value>,
    /// The SHA-256 of its DER form.
    pub fingerprint: [u8; 32],
    /// The first second (Unix time) in which it is valid.
    pub from: i64,
    /// The first second in which it no longer is.
    pub until: i64,
}

/// A claim as it was found: absence and nonsense are different faults, and neither is a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading<T> {
    /// The credential does not have it.
    Absent,
    /// It is there with a type that cannot be read.
    Unreadable,
    /// Its value.
    Value(T),
}

impl<T> Reading<T> {
    /// The value, if there is one.
    pub fn value(&self) -> Option<&T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Absent | Self::Unreadable => None,
        }
    }
}

/// Who calls, as an identity gate verified it. Computed once a credential; requests share it.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The identity's name in the configuration.
    pub identity: Arc<str>,
    /// The user.
    pub user: Reading<String>,
    /// The tenants the caller may act in.
    pub tenants: Reading<Vec<String>>,
    /// The caller's roles.
    pub roles: Reading<Vec<String>>,
    /// The credential's scopes (RFC 6749, section 3.3).
    pub scopes: Reading<Vec<String>>,
    /// All claims of the credential.
    pub claims: Map<String, Value>,
    /// The SHA-256 of the API key, where the credential is one.
    pub key: Option<[u8; 32]>,
    /// Header fields for the upstream, ready to be set.
    pub forward: Vec<(HeaderName, HeaderValue)>,
    /// A field whose claim cannot be written into a header: the request is refused once every gate passed.
    pub unforwardable: Option<HeaderName>,
}
