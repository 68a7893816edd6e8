//! Fourth: what the upstream gets to see.

use std::borrow::Cow;

use http::header::{AUTHORIZATION, FORWARDED, HOST, HeaderName, HeaderValue};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, Uri};

use rules::forwarding::is_of_family;
use rules::path::Path;
use rules::query::without;
use rules::ruleset::Edited;

use crate::visit::Visit;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Room for what is added to a request: made once, and not again and again by every field.
const ROOM: usize = 16;

/// Removes what only the gateway may say and says it: on every route, public ones included. Called on the
/// upstream's copy of the head, after hop-by-hop fields were dropped, so that a client's `Connection` cannot
/// name ours away.
pub fn fields(visit: &Visit, head: &Parts, upstream: &mut HeaderMap) {
    // Too many fields for any map: then the first insertion says so.
    let _ = upstream.try_reserve(ROOM);
    for name in head.headers.keys().filter(|name| is_ours(name.as_str(), visit)) {
        upstream.remove(name);
    }
    if has_unverified_bearer(visit) {
        upstream.remove(AUTHORIZATION);
    }
    let webhook = visit.route().and_then(|route| route.webhook.as_ref());
    for name in webhook.iter().flat_map(|webhook| &webhook.carriers) {
        upstream.remove(name);
    }
    for edited in &visit.walk.request {
        match edited {
            Edited::Set(name, value) | Edited::Add(name, value) => {
                upstream.insert(name.clone(), value.clone());
            }
            Edited::Remove(name) => {
                upstream.remove(name);
            }
        }
    }
    let proto = if visit.secure { "https" } else { "http" };
    set(upstream, X_FORWARDED_FOR, forwarded_for(visit, head));
    upstream.insert(X_FORWARDED_PROTO, HeaderValue::from_static(proto));
    set(upstream, X_FORWARDED_HOST, asked_host(visit, head));
    set(upstream, FORWARDED, HeaderValue::try_from(forwarded(visit, proto)).ok());
    set(upstream, X_REQUEST_ID, HeaderValue::from_str(&visit.request_id).ok());
    set(upstream, TRACEPARENT, HeaderValue::from_str(&visit.traceparent).ok());
    for (name, value) in visit.caller.iter().flat_map(|caller| &caller.forward) {
        upstream.insert(name.clone(), value.clone());
    }
    for (name, value) in visit.proven.iter().flat_map(|proven| super::prove::fields(proven, visit.now_ms)) {
        upstream.insert(name, value);
    }
    for (name, value) in visit.route().iter().flat_map(|route| &route.upstream.inject) {
        upstream.insert(name.clone(), value.clone());
    }
}

/// Whether a client may not set a field of this name.
fn is_ours(name: &str, visit: &Visit) -> bool {
    visit.snapshot.withheld.contains(name) || is_of_family(name) || is_twin(name, visit)
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
fn is_twin(name: &str, visit: &Visit) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if name.bytes().all(plain) {
        return false;
    }
    let folded: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let mut injected = visit.route().into_iter().flat_map(|route| &route.upstream.inject);
    is_of_family(&folded)
        || visit.snapshot.withheld.contains(&folded)
        || injected.any(|(name, _)| name.as_str() == folded)
}

/// Whether the upstream is asked for the very target that the client has sent.
pub fn keeps_target(visit: &Visit, head: &Parts) -> bool {
    let hides = visit.route().is_none_or(|route| !route.hides.is_empty());
    let path = visit.path.as_ref().map(Path::forward);
    visit.query.is_none() && !hides && path == Some(head.uri.path())
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

/// Sets a field; one that cannot be said is better absent than a client's.
fn set(upstream: &mut HeaderMap, name: HeaderName, value: Option<HeaderValue>) {
    match value {
        Some(value) => drop(upstream.insert(name, value)),
        None => drop(upstream.remove(name)),
    }
}

/// The host as the client wrote it.
fn asked_host(visit: &Visit, head: &Parts) -> Option<HeaderValue> {
    match head.headers.get(HOST).filter(|_| head.uri.authority().is_none()) {
        Some(field) => Some(field.clone()),
        None => HeaderValue::from_str(visit.authority(head)).ok(),
    }
}

/// A trusted peer's chain with the peer added, or the client alone.
fn forwarded_for(visit: &Visit, head: &Parts) -> Option<HeaderValue> {
    let mut listed = head.headers.get_all(X_FORWARDED_FOR).iter().peekable();
    if listed.peek().is_none() || !visit.snapshot.site.trusts(visit.peer) {
        return Some(visit.peer_name.clone());
    }
    let mut chain = Vec::new();
    for text in listed.filter_map(|field| field.to_str().ok()) {
        chain.extend_from_slice(text.trim().as_bytes());
        chain.extend_from_slice(b", ");
    }
    chain.extend_from_slice(visit.peer_name.as_bytes());
    HeaderValue::try_from(chain).ok()
}

/// RFC 7239: one element, since a chain of strangers' elements helps nobody.
fn forwarded(visit: &Visit, proto: &str) -> String {
    let client = visit.client_name();
    let brackets = if visit.client.is_ipv6() { ["\"[", "]\""] } else { [""; 2] };
    let [open, close] = brackets;
    ["for=", open, &client, close, ";host=", &visit.host, ";proto=", proto].concat()
}
