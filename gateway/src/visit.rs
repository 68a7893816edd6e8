//! One request's journey: what a later phase needs from an earlier one, and nothing else.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use http::HeaderValue;
use http::header::HOST;
use http::request::Parts;
use rules::credential::Via;
use rules::path::Path;
use rules::plan::Plan;
use rules::route::Spans;
use rules::ruleset::Walk;
use rules::verdict::{Code, Refusal};
use rules::view::{Caller, ClientCertificate, View};

use crate::config::raw::Mode;
use crate::snapshot::{Route, Snapshot};
use crate::webhook::Webhook;

/// A delivery whose signature was verified.
pub struct Proven {
    /// The webhook.
    pub webhook: Arc<Webhook>,
    /// The id of the event, as the sender knows it.
    pub event: Option<String>,
    /// What logs call the key that matched.
    pub key: Option<String>,
}

mod tally;

pub use tally::{Source, Tally};

/// A request on its way through the gateway. It pins the snapshot that it began with.
#[expect(clippy::struct_excessive_bools, reason = "four facts that have nothing to do with each other")]
pub struct Visit {
    /// The configuration in force for this request.
    pub snapshot: Arc<Snapshot>,
    /// When it began.
    pub began: Instant,
    /// The same on the wall clock, in milliseconds since the Unix epoch.
    pub now_ms: i64,
    /// Our name for it, or a trusted peer's.
    pub request_id: String,
    /// The `traceparent` that the upstream gets (W3C Trace Context).
    pub traceparent: String,
    /// The other end of the connection.
    pub peer: IpAddr,
    /// The same as text: written once for all requests of a connection.
    pub peer_name: HeaderValue,
    /// The client, after trusted proxies were peeled off.
    pub client: IpAddr,
    /// Whether the client speaks https.
    pub secure: bool,
    /// Whether plain http is redirected on the listener.
    pub redirected: bool,
    /// The host, lower case, without a port; empty until it was read.
    pub host: String,
    /// The port of the client's address for us: what it wrote behind the host, or the scheme's own.
    pub port: u16,
    /// Our own address on the connection.
    pub server: Option<IpAddr>,
    /// TLS version and cipher of the connection, by their names.
    pub tls: Option<(&'static str, &'static str)>,
    /// The normalised path, once it was read; what rules rewrote of it included.
    pub path: Option<Path<'static>>,
    /// The query that rules have put in the place of the client's; empty for none.
    pub query: Option<String>,
    /// How far it has come through the rules.
    pub walk: Walk,
    /// What is counted of it.
    pub tally: Tally,
    /// The route, and where in the path its captures are.
    pub found: Option<(usize, Spans)>,
    /// Whether the request may become a WebSocket.
    pub upgrade: bool,
    /// Whether a body comes with it.
    pub has_body: bool,
    /// The certificate that the client showed on its connection.
    pub certificate: Option<Arc<ClientCertificate>>,
    /// Who calls.
    pub caller: Option<Arc<Caller>>,
    /// How the caller's credential came.
    pub via: Option<Via>,
    /// The webhook whose signature was verified.
    pub proven: Option<Proven>,
    /// What became of a delivery, in a word for the metric.
    pub outcome: Option<&'static str>,
    /// The code of an answer of the gateway's own that is no refusal.
    pub code: Option<Code>,
    /// The refusal that decided, or the first one that was only observed.
    pub refusal: Option<Refusal>,
    /// Whether the refusal was only observed.
    pub observed: bool,
}

impl Visit {
    /// The route, once it was found.
    pub fn route(&self) -> Option<&Route> {
        let (index, _) = self.found?;
        self.snapshot.table.routes().get(index)
    }

    /// The query without its `?`: the client's, or what rules have made of it.
    pub fn query<'a>(&'a self, head: &'a Parts) -> Option<&'a str> {
        match &self.query {
            None => head.uri.query(),
            Some(query) => Some(query.as_str()).filter(|query| !query.is_empty()),
        }
    }

    /// Whether nothing is refused, but only told.
    pub fn observes(&self) -> bool {
        self.route().map_or(self.snapshot.mode, |route| route.mode) == Mode::Observe
    }

    /// The host as the client wrote it, with its port.
    pub fn authority<'a>(&'a self, head: &'a Parts) -> &'a str {
        let field = || head.headers.get(HOST).and_then(|field| field.to_str().ok());
        head.uri.authority().map(http::uri::Authority::as_str).or_else(field).unwrap_or(&self.host)
    }

    /// The client's address as text.
    pub fn client_name(&self) -> Cow<'_, str> {
        match self.peer_name.to_str() {
            Ok(name) if self.client == self.peer => Cow::Borrowed(name),
            _ => Cow::Owned(self.client.to_string()),
        }
    }

    /// The plan that its answer goes by: the route's, or what `defaults` says where there is none.
    pub fn plan(&self) -> &Plan {
        self.route().map_or(&self.snapshot.unrouted, |route| &route.plan)
    }

    /// What the gates see.
    pub fn view<'a>(&'a self, head: &'a Parts) -> View<'a> {
        let captures = match (&self.path, &self.found) {
            (Some(path), Some((_, spans))) => self.snapshot.table.captures(*spans, path),
            _ => None,
        };
        View {
            method: &head.method,
            path: self.path.as_ref().map_or("", Path::as_str),
            target: self.path.as_ref().map_or("", Path::forward),
            query: self.query(head),
            host: &self.host,
            authority: head.uri.authority().map(http::uri::Authority::as_str),
            has_body: self.has_body,
            headers: &head.headers,
            secure: self.secure,
            client: self.client,
            certificate: self.certificate.as_deref(),
            route: self.route().map_or("", |route| &route.name),
            captures,
            webhook: self.proven.as_ref().map(|proven| (&*proven.webhook.name, proven.event.as_deref())),
            caller: self.caller.as_deref(),
            via: self.via,
            now_ms: self.now_ms,
        }
    }

    /// The names of the rules that have matched, in order.
    pub fn matched(&self) -> Vec<&str> {
        let rule = |index: &u16| self.snapshot.ruleset.get(usize::from(*index));
        self.walk.matched.iter().filter_map(rule).map(|rule| &*rule.name).collect()
    }

    /// The rule that decided; where none did, all that have matched.
    pub fn rule(&self) -> Option<Cow<'_, str>> {
        if let Some(rule) = self.refusal.as_ref().and_then(Refusal::rule) {
            return Some(Cow::Borrowed(rule));
        }
        let matched = self.matched();
        (!matched.is_empty()).then(|| Cow::Owned(matched.join(",")))
    }

    /// The trace id of `traceparent`.
    pub fn trace_id(&self) -> Option<&str> {
        self.traceparent.get(3..35)
    }

    /// The caller's tenant as the log shows it.
    pub fn tenant(&self) -> Option<Cow<'_, str>> {
        match self.caller.as_ref()?.tenants.value()?.as_slice() {
            [] => None,
            [only] => Some(Cow::Borrowed(only)),
            several => Some(Cow::Owned(several.join(","))),
        }
    }

    /// The caller's user as the log shows it.
    pub fn user(&self) -> Option<&str> {
        self.caller.as_ref()?.user.value().map(String::as_str)
    }
}
