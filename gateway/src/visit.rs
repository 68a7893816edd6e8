//! One request's journey: what a later phase needs from an earlier one, and nothing else.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use http::header::HOST;
use http::request::Parts;
use rules::credential::Via;
use rules::path::Path;
use rules::plan::Plan;
use rules::route::Spans;
use rules::verdict::Refusal;
use rules::view::{Caller, ClientCertificate, View};

use crate::snapshot::{Route, Snapshot};

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
    /// The client, after trusted proxies were peeled off.
    pub client: IpAddr,
    /// Whether the client speaks https.
    pub secure: bool,
    /// Whether plain http is redirected on the listener.
    pub redirected: bool,
    /// The host, lower case, without a port; empty until it was read.
    pub host: String,
    /// The normalised path, once it was read.
    pub path: Option<Path<'static>>,
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

    /// The host as the client wrote it, with its port.
    pub fn authority<'a>(&'a self, head: &'a Parts) -> &'a str {
        let field = || head.headers.get(HOST).and_then(|field| field.to_str().ok());
        head.uri.authority().map(http::uri::Authority::as_str).or_else(field).unwrap_or(&self.host)
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
            query: head.uri.query(),
            host: &self.host,
            authority: self.authority(head),
            has_body: self.has_body,
            headers: &head.headers,
            secure: self.secure,
            client: self.client,
            certificate: self.certificate.as_deref(),
            captures,
            caller: self.caller.as_deref(),
            via: self.via,
            now_ms: self.now_ms,
        }
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
