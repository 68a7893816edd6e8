//! Fourth: what the upstream gets to see.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::net::IpAddr;

use http::header::{AUTHORIZATION, FORWARDED, HeaderName, HeaderValue};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, Uri};

use pingora::http::RequestHeader;
use rules::forwarding::{FAMILIES, FORWARDING};
use rules::query::without;
use rules::ruleset::Edited;

use crate::visit::Visit;

/// Something that has header fields.
pub trait Fields {
    /// Removes every field called `name`.
    fn remove(&mut self, name: &HeaderName);
    /// Makes `value` the only field called `name`.
    fn set(&mut self, name: HeaderName, value: HeaderValue);
}

impl Fields for HeaderMap {
    fn remove(&mut self, name: &HeaderName) {
        HeaderMap::remove(self, name);
    }

    fn set(&mut self, name: HeaderName, value: HeaderValue) {
        self.insert(name, value);
    }
}

impl Fields for RequestHeader {
    fn remove(&mut self, name: &HeaderName) {
        self.remove_header(name);
    }

    fn set(&mut self, name: HeaderName, value: HeaderValue) {
        // Fails for what is no header field, which a `HeaderName` and a `HeaderValue` always are.
        let _ = self.insert_header(name, value);
    }
}

/// Removes what only the gateway may say and says it: on every route, public ones included. Called on the
/// upstream's copy of the head, after hop-by-hop fields were dropped, so that a client's `Connection` cannot
/// name ours away.
pub fn fields(visit: &Visit, head: &Parts, upstream: &mut impl Fields) {
    for name in visit.snapshot.owned.iter().chain(&FORWARDING) {
        upstream.remove(name);
    }
    let ours = |name: &&HeaderName| {
        FAMILIES.iter().any(|family| name.as_str().starts_with(family)) || is_twin(name, visit)
    };
    for name in head.headers.keys().filter(ours) {
        upstream.remove(name);
    }
    if has_unverified_bearer(visit) {
        upstream.remove(&AUTHORIZATION);
    }
    let webhook = visit.route().and_then(|route| route.webhook.as_ref());
    for name in webhook.iter().flat_map(|webhook| &webhook.carriers) {
        upstream.remove(name);
    }
    for edited in &visit.walk.request {
        match edited {
            Edited::Set(name, value) | Edited::Add(name, value) => upstream.set(name.clone(), value.clone()),
            Edited::Remove(name) => upstream.remove(name),
        }
    }
    let proto = if visit.secure { "https" } else { "http" };
    set(upstream, HeaderName::from_static("x-forwarded-for"), &forwarded_for(visit, head));
    upstream.set(HeaderName::from_static("x-forwarded-proto"), HeaderValue::from_static(proto));
    set(upstream, HeaderName::from_static("x-forwarded-host"), visit.authority(head));
    set(upstream, FORWARDED, &forwarded(visit, proto));
    set(upstream, HeaderName::from_static("x-request-id"), &visit.request_id);
    set(upstream, HeaderName::from_static("traceparent"), &visit.traceparent);
    for (name, value) in visit.caller.iter().flat_map(|caller| &caller.forward) {
        upstream.set(name.clone(), value.clone());
    }
    for (name, value) in visit.proven.iter().flat_map(|proven| super::prove::fields(proven, visit.now_ms)) {
        upstream.set(name, value);
    }
    for (name, value) in visit.route().iter().flat_map(|route| &route.upstream.inject) {
        upstream.set(name.clone(), value.clone());
    }
}

/// Whether the route takes bearer tokens, and another of its identities decided who calls: a backend that believes
/// the token would believe what nobody verified.
fn has_unverified_bearer(visit: &Visit) -> bool {
    let (Some(route), Some(caller)) = (visit.route(), &visit.caller) else { return false };
    let mut identities = route.identities.iter();
    route.identities.len() > 1
        && identities.any(|identity| identity.bearer)
        && !route.identities.iter().any(|identity| identity.bearer && identity.name == caller.identity)
}

/// Whether a backend that writes `_` for whatever is no letter and no digit, as CGI and its heirs do, could take a
/// field for one that only the gateway sets.
fn is_twin(name: &HeaderName, visit: &Visit) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if name.as_str().bytes().all(plain) {
        return false;
    }
    let folded: String =
        name.as_str().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let injected = visit.route().into_iter().flat_map(|route| &route.upstream.inject).map(|(name, _)| name);
    FAMILIES.iter().any(|family| folded.starts_with(family))
        || visit
            .snapshot
            .owned
            .iter()
            .chain(&FORWARDING)
            .chain(injected)
            .any(|known| known.as_str() == folded)
}

/// The target: the very path that was matched, and the query as it came but for credentials.
pub fn target(visit: &Visit, head: &Parts) -> Option<PathAndQuery> {
    let path = visit.path.as_ref()?.forward();
    let Some(query) = visit.query(head) else { return path.parse().ok() };
    match without(query, visit.route().map_or(&[], |route| &route.hides)) {
        Cow::Owned(rest) if rest.is_empty() => path.parse().ok(),
        query => format!("{path}?{query}").parse().ok(),
    }
}

/// `uri` with another target. HTTP/2 upstreams need the authority that it may have.
pub fn aim(uri: &Uri, target: PathAndQuery) -> Option<Uri> {
    if uri.path_and_query() == Some(&target) {
        return None;
    }
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(target);
    Uri::from_parts(parts).ok()
}

fn set(upstream: &mut impl Fields, name: HeaderName, value: &str) {
    match HeaderValue::from_str(value) {
        Ok(value) => upstream.set(name, value),
        // Better without than with a client's.
        Err(_) => upstream.remove(&name),
    }
}

/// A trusted peer's chain with the peer added, or the client alone.
fn forwarded_for(visit: &Visit, head: &Parts) -> String {
    let mut chain = String::new();
    if visit.snapshot.site.trusts(visit.peer) {
        for field in head.headers.get_all("x-forwarded-for") {
            let Ok(text) = field.to_str() else { continue };
            let _ = write!(chain, "{}, ", text.trim());
        }
    }
    let _ = write!(chain, "{}", visit.peer);
    chain
}

/// RFC 7239: one element, since a chain of strangers' elements helps nobody.
fn forwarded(visit: &Visit, proto: &str) -> String {
    let client = match visit.client {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("\"[{address}]\""),
    };
    format!("for={client};host={};proto={proto}", visit.host)
}
