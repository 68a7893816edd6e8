//! What is in force: immutable, swapped whole, pinned by every request for as long as it lasts.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use ipnet::IpNet;
use rules::forwarding::Withheld;
use rules::geo::Atlas;
use rules::host::Hosts;
use rules::plan::Plan;
use rules::policies::tenant::Tenant;
use rules::policy::IdentityDef;
use rules::route::Table;
use rules::ruleset::Ruleset;
use rules::secret::Secret;

use crate::client_ca::ClientCa;
use crate::config::raw::{Environment, Mode, OnFailure, TlsVersion};
use crate::edge::EdgeLimits;
use crate::identity::Identity;
use crate::redact::Redactor;
use crate::state::Shared;
use crate::upstream::Upstream;
use crate::webhook::Webhook;

/// A compiled configuration.
pub struct Snapshot {
    /// How strict loading was.
    pub environment: Environment,
    /// The release of what runs behind the gateway.
    pub release: String,
    /// The first 12 hexadecimal digits of the effective configuration's SHA-256.
    pub hash: String,
    /// The effective configuration, without secrets.
    pub effective: serde_json::Value,
    /// Where counters and replay ids are kept.
    pub state: Kept,
    /// Listeners, hosts and whom to believe.
    pub site: Site,
    /// Whether gates refuse where there is no route yet.
    pub mode: Mode,
    /// The rules.
    pub ruleset: Ruleset,
    /// Where addresses are.
    pub atlas: Option<Atlas>,
    /// Method and path → route.
    pub table: Table<Route>,
    /// What `defaults` says of answers to requests without a route.
    pub unrouted: Plan,
    /// The backends, by name.
    pub upstreams: Vec<Arc<Upstream>>,
    /// The identities, each at its `index`.
    pub identities: Vec<Identity>,
    /// Header fields that only the gateway sets, or that are for it alone: a client's own are removed on every route.
    pub withheld: Withheld,
    /// Query parameters that carry credentials: nothing of them is logged.
    pub hidden: Vec<String>,
    /// What is logged.
    pub log: LogRules,
    /// How many routes are written as such: those of webhooks come behind them.
    pub written_routes: usize,
    /// A secret from which `cf.random_seed` follows, made when it was loaded.
    pub random: [u8; 16],
    /// What an operator should know of its rules and lists.
    pub notices: Vec<String>,
    /// The configuration's own tests.
    pub tests: Vec<Test>,
}

/// Where counters and replay ids are kept.
#[derive(Clone)]
pub struct Kept {
    /// The folder for what outlasts a restart, relative to the configuration file.
    pub path: String,
    /// How many counters are kept in memory at most.
    pub keys: u32,
    /// What happens while counting is not possible.
    pub on_failure: OnFailure,
    /// The server that all replicas share, if they do.
    pub remote: Option<Remote>,
}

/// A server that all replicas share.
#[derive(Clone)]
pub struct Remote {
    /// How it is reached.
    pub shared: Shared,
    /// Its address, which may hold a password.
    pub url: Secret,
    /// The authorities to trust, in PEM, instead of the system's.
    pub ca: Option<Vec<u8>>,
    /// How long a request waits for it at most.
    pub timeout: Duration,
}

/// Listeners, hosts and whom to believe.
pub struct Site {
    /// The plain listener.
    pub http: Option<HttpListener>,
    /// The TLS listener.
    pub https: Option<HttpsListener>,
    /// The hosts that are served; without any, every valid host is.
    pub hosts: Option<Hosts>,
    /// The served hosts as written; offline requests are taken to go to the first.
    pub served: Vec<String>,
    /// Strict-Transport-Security, for answers over https.
    pub hsts: Option<HeaderValue>,
    /// Proxies whose forwarding header fields are believed.
    pub trust: Vec<IpNet>,
    /// Bounds on connections and heads.
    pub limits: EdgeLimits,
    /// Bytes of request bodies that may be held in memory at once, for gates that need the whole of one.
    pub buffered_bytes: usize,
    /// The longest pause within a request's body.
    pub body_timeout: Duration,
    /// The operators' listener.
    pub admin: Option<String>,
}

impl Site {
    /// Whose word on clients is taken.
    pub fn client_ca(&self) -> Option<&ClientCa> {
        self.https.as_ref()?.client_ca.as_deref()
    }

    /// Whether `peer`'s forwarding header fields are believed.
    pub fn trusts(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.trust.iter().any(|network| network.contains(&peer))
    }
}

/// The plain listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpListener {
    /// Address and port.
    pub bind: String,
    /// Whether requests are redirected to https; otherwise they are served, for a written reason.
    pub redirect: bool,
}

/// The TLS listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpsListener {
    /// Address and port.
    pub bind: String,
    /// The oldest version that is spoken.
    pub min_version: TlsVersion,
    /// Whose word on clients is taken; without, nobody is asked for a certificate.
    pub client_ca: Option<Arc<ClientCa>>,
    /// Where the certificates come from.
    pub certificates: Vec<CertificateSource>,
}

/// Where a certificate comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateSource {
    /// Two PEM files, as written.
    Files {
        /// The chain.
        cert: String,
        /// The key.
        key: String,
    },
    /// Made at start, for development.
    SelfSigned(Vec<String>),
}

/// A route.
pub struct Route {
    /// Its name.
    pub name: Arc<str>,
    /// Its place in the file, which is also its metrics' place.
    pub index: usize,
    /// Its gates.
    pub plan: Plan,
    /// Where its requests go.
    pub upstream: Arc<Upstream>,
    /// How long the upstream may take.
    pub timeouts: Timeouts,
    /// Whether it may become a WebSocket.
    pub websocket: bool,
    /// Whether its gates refuse.
    pub mode: Mode,
    /// Where its requests name a tenant; none on a public route.
    pub tenant: Option<Tenant>,
    /// The identities that its callers have; none on a public route.
    pub identities: Vec<Arc<IdentityDef>>,
    /// Query parameters that carry its identities' credentials: they are not forwarded.
    pub hides: Vec<String>,
    /// The webhook that it is, whose callers prove themselves by a signature.
    pub webhook: Option<Arc<Webhook>>,
}

/// How long an upstream may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Until a connection stands.
    pub connect: Duration,
    /// Until the answer begins.
    pub first_byte: Duration,
    /// The longest pause within an answer or a WebSocket.
    pub stream_idle: Duration,
}

/// What is logged.
pub struct LogRules {
    /// `stdout`, `stderr` or a file.
    pub to: String,
    /// Request header fields that are logged.
    pub headers: Vec<HeaderName>,
    /// Query parameters that are logged.
    pub query: Vec<String>,
    /// Blots personal data out of logged text.
    pub redactor: Redactor,
}

/// A request with the expected verdict.
pub struct Test {
    /// Its place in the file.
    pub index: usize,
    /// The facts of who sends it.
    pub caller: Option<serde_json::Map<String, serde_json::Value>>,
    /// The method.
    pub method: http::Method,
    /// Path and query.
    pub target: String,
    /// Header fields.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// What is expected.
    pub expect: Expectation,
    /// The line as written.
    pub written: (String, String),
}

/// What a test expects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expectation {
    /// The request is forwarded.
    Allow,
    /// The gateway answers with this status, and this code if one is named.
    Answer(u16, Option<String>),
}
