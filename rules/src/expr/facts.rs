//! One request's facts, borrowed. What has to be worked out is worked out when an expression first asks for it, and kept.

use std::cell::OnceCell;
use std::net::IpAddr;

use http::{HeaderMap, Method, Version};

use super::geo_facts::{Atlas, Whereabouts};
use crate::view::{Caller, ClientCertificate};

mod body;
mod certificate;
mod head;
mod many;
mod one;

use self::body::Part;
use self::head::Pair;
pub(super) use self::many::Visit;

/// What is known of a request once its head was read.
#[derive(Clone, Copy)]
pub struct Head<'a> {
    /// The method.
    pub method: &'a Method,
    /// Whether the client speaks https.
    pub secure: bool,
    /// The host, lower case, without a port.
    pub host: &'a str,
    /// The port that the client came to.
    pub port: u16,
    /// The path, normalised and still escaped.
    pub path: &'a str,
    /// The query without its `?`.
    pub query: Option<&'a str>,
    /// The path as the client sent it.
    pub raw_path: &'a [u8],
    /// The query as the client sent it, without its `?`.
    pub raw_query: Option<&'a [u8]>,
    /// The version of HTTP.
    pub version: Version,
    /// The header fields.
    pub headers: &'a HeaderMap,
    /// The client's address.
    pub client: IpAddr,
    /// The address that the client came to.
    pub server: Option<IpAddr>,
    /// The request's id.
    pub request_id: &'a str,
    /// Now, in milliseconds since the Unix epoch.
    pub now_ms: i64,
    /// `TLSv1.3` or `TLSv1.2`, if it came by TLS.
    pub tls_version: Option<&'a str>,
    /// The cipher suite's name.
    pub tls_cipher: Option<&'a str>,
    /// The client's certificate, if an authority of ours vouches for it.
    pub certificate: Option<&'a ClientCertificate>,
    /// A secret of the process, from which `cf.random_seed` follows together with the request's id.
    pub seed: &'a [u8],
}

impl<'a> Head<'a> {
    /// A plain request for `/` over https, from which others differ.
    pub fn plain(method: &'a Method, host: &'a str, headers: &'a HeaderMap, client: IpAddr) -> Self {
        Self {
            method,
            secure: true,
            host,
            port: 443,
            path: "/",
            query: None,
            raw_path: b"/",
            raw_query: None,
            version: Version::HTTP_11,
            headers,
            client,
            server: None,
            request_id: "",
            now_ms: 0,
            tls_version: None,
            tls_cipher: None,
            certificate: None,
            seed: &[],
        }
    }
}

/// A request's body, as far as it was read.
#[derive(Clone, Copy, Debug)]
pub struct Body<'a> {
    /// Its bytes, unpacked.
    pub bytes: &'a [u8],
    /// How many it has as a whole, where that is known to be more.
    pub size: u64,
    /// Whether `bytes` is only its beginning.
    pub truncated: bool,
}

/// What the upstream answered.
#[derive(Clone, Copy, Debug)]
pub struct Reply<'a> {
    /// The status.
    pub status: u16,
    /// The header fields.
    pub headers: &'a HeaderMap,
}

/// One request's facts. What is not told counts as missing.
pub struct Facts<'a> {
    head: Head<'a>,
    atlas: Option<&'a dyn Atlas>,
    route: Option<&'a str>,
    caller: Option<&'a Caller>,
    body: Option<Body<'a>>,
    reply: Option<Reply<'a>>,
    kept: Kept<'a>,
}

/// What was worked out.
#[derive(Default)]
struct Kept<'a> {
    uri: OnceCell<Box<[u8]>>,
    raw_uri: OnceCell<Box<[u8]>>,
    full_uri: OnceCell<Box<[u8]>>,
    raw_full_uri: OnceCell<Box<[u8]>>,
    cookie: OnceCell<Box<[u8]>>,
    forwarded_for: OnceCell<Box<[u8]>>,
    args: OnceCell<Box<[Pair<'a>]>>,
    raw_args: OnceCell<Box<[Pair<'a>]>>,
    cookies: OnceCell<Box<[Pair<'a>]>>,
    languages: OnceCell<Box<[&'a [u8]]>>,
    form: OnceCell<Box<[Pair<'a>]>>,
    parts: OnceCell<Box<[Part<'a>]>>,
    claims: OnceCell<String>,
    whereabouts: OnceCell<Whereabouts<'a>>,
    seed: OnceCell<[u8; 32]>,
}

impl<'a> Facts<'a> {
    /// The facts of a request's head.
    pub fn new(head: Head<'a>) -> Self {
        let (atlas, route, caller, body, reply) = (None, None, None, None, None);
        Self { head, atlas, route, caller, body, reply, kept: Kept::default() }
    }

    /// The query without its `?`, as expressions see it.
    pub fn query(&self) -> Option<&'a str> {
        self.head.query
    }

    /// With what knows where the client is.
    #[must_use]
    pub fn with_atlas(mut self, atlas: Option<&'a dyn Atlas>) -> Self {
        self.atlas = atlas;
        self
    }

    /// With the name of the route.
    #[must_use]
    pub fn with_route(mut self, route: Option<&'a str>) -> Self {
        self.route = route;
        self
    }

    /// With who calls.
    #[must_use]
    pub fn with_caller(mut self, caller: Option<&'a Caller>) -> Self {
        self.caller = caller;
        self
    }

    /// With the body.
    #[must_use]
    pub fn with_body(mut self, body: Option<Body<'a>>) -> Self {
        self.body = body;
        self
    }

    /// With what the upstream answered.
    #[must_use]
    pub fn with_reply(mut self, reply: Option<Reply<'a>>) -> Self {
        self.reply = reply;
        self
    }
}
