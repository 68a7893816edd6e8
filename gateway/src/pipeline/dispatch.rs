//! Second: is it for us, is it sound, and which route is it for?

use http::header::{ACCESS_CONTROL_REQUEST_METHOD, ALLOW, CONNECTION, HOST, ORIGIN, UPGRADE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Version};
use rules::expr::Stage;
use rules::framing;
use rules::host::{Destination, Host};
use rules::limit::{GATE as GATE_OF_LIMITS, Need};
use rules::path::Path;
use rules::route::Lookup;
use rules::ruleset::GATE as GATE_OF_RULES;
use rules::verdict::{Code, Refusal};

use super::way::{Lap, Way};
use super::{decide, tally};
use crate::config::raw::Mode;
use crate::state::Store;
use crate::visit::Visit;

/// The gate's name for what is refused here.
const GATE: &str = "dispatch";

/// Reads host and path, asks the rules that need no more, finds the route, and looks at the limits that need only the
/// address.
///
/// # Errors
/// The refusal of what may not go on.
pub fn dispatch(visit: &mut Visit, head: &Parts, store: &Store, lap: Lap<'_>) -> Result<Way, Refusal> {
    let way = arrive(visit, head)?;
    if !matches!(way, Way::On) {
        return Ok(way);
    }
    let way = decide::rules(visit, head, Stage::Head, None, store)?;
    lap(GATE_OF_RULES);
    if !matches!(way, Way::On) {
        return Ok(way);
    }
    let way = route(visit, head)?;
    if matches!(way, Way::On) {
        tally::look(visit, head, None, Need::Address, store)?;
        lap(GATE_OF_LIMITS);
    }
    Ok(way)
}

/// Reads host and path.
///
/// # Errors
/// The refusal of what is not for us, or not sound.
fn arrive(visit: &mut Visit, head: &Parts) -> Result<Way, Refusal> {
    let canonical = host(visit, head)?;
    sound(visit, head)?;
    let path = Path::parse(head.uri.path().as_bytes())?;
    if visit.redirected || canonical.is_some() {
        let location = location(visit, canonical.as_deref(), &path, head);
        visit.path = Some(path.into_owned());
        return Ok(Way::Redirect(StatusCode::PERMANENT_REDIRECT, location.into_bytes()));
    }
    visit.path = Some(path.into_owned());
    Ok(Way::On)
}

/// Finds the route.
///
/// # Errors
/// The refusal where there is none, or where it does not take what is asked.
fn route(visit: &mut Visit, head: &Parts) -> Result<Way, Refusal> {
    if let Some(fields) = preflight(visit, head)? {
        return Ok(Way::Preflight(fields));
    }
    let Some(path) = &visit.path else { return Ok(Way::On) };
    match visit.snapshot.table.find(&head.method, path) {
        Lookup::Found(found) => visit.found = Some((found.index, found.captures.spans())),
        Lookup::MethodNotAllowed { allow } => return Err(method_not_allowed(allow)),
        Lookup::Ambiguous => {
            let why = "the path is ambiguous: a backend that ignores letter case, `;…` or a trailing slash takes it for another route's";
            return Err(Refusal::new(Code::BadRequest, GATE, why));
        }
        Lookup::NoRoute => return Err(Refusal::new(Code::NoRoute, GATE, "no route matches the path")),
    }
    visit.upgrade = upgrade(visit, head)?;
    Ok(Way::On)
}

/// The answer to a preflight (Fetch Standard, CORS-preflight request), where the method that it asks for has a route
/// that answers them. Whatever else looks like one is a request like any other.
fn preflight(visit: &mut Visit, head: &Parts) -> Result<Option<HeaderMap>, Refusal> {
    if head.method != Method::OPTIONS || !head.headers.contains_key(ORIGIN) {
        return Ok(None);
    }
    let mut asked = head.headers.get_all(ACCESS_CONTROL_REQUEST_METHOD).iter();
    let (Some(asked), None) = (asked.next(), asked.next()) else { return Ok(None) };
    let Ok(method) = Method::from_bytes(asked.as_bytes()) else { return Ok(None) };
    let Some(path) = &visit.path else { return Ok(None) };
    let Lookup::Found(found) = visit.snapshot.table.find(&method, path) else { return Ok(None) };
    if !found.route.plan.takes_preflights() {
        return Ok(None);
    }
    visit.found = Some((found.index, found.captures.spans()));
    let observing = found.route.mode == Mode::Observe;
    match visit.plan().preflight(&visit.view(head)) {
        // Nobody is answered for the upstream what it might not have answered: it goes on like any request.
        Err(refusal) if observing => {
            (visit.found, visit.refusal, visit.observed) = (None, Some(refusal), true);
            Ok(None)
        }
        answer => answer,
    }
}

/// Reads the host into the visit; the host to redirect to, if it is not the canonical one.
fn host(visit: &mut Visit, head: &Parts) -> Result<Option<String>, Refusal> {
    let malformed = |why: &'static str| Refusal::new(Code::BadRequest, GATE, why);
    let field = head
        .headers
        .get(HOST)
        .map(|field| field.to_str().map_err(|_| malformed("the host is not ASCII")))
        .transpose()?;
    // HTTP/2 names it in `:authority`, which counts before `Host` (RFC 9113, section 8.3.1).
    let text = head.uri.authority().map(http::uri::Authority::as_str).or(field);
    let host = text.and_then(Host::parse).ok_or_else(|| malformed("the host is missing or malformed"))?;
    if let (Some(authority), Some(field)) = (head.uri.authority(), field)
        && !authority.as_str().eq_ignore_ascii_case(field)
    {
        return Err(malformed("`Host` and `:authority` differ"));
    }
    host.name().clone_into(&mut visit.host);
    visit.port = host.port().unwrap_or(if visit.secure { 443 } else { 80 });
    let Some(hosts) = &visit.snapshot.site.hosts else { return Ok(None) };
    match hosts.find(&host) {
        Destination::Served => Ok(None),
        Destination::Redirect(to) => Ok(Some(to.to_owned())),
        Destination::Unknown => {
            Err(Refusal::new(Code::UnknownHost, GATE, "the host is not one of `listen.https.hosts`"))
        }
    }
}

/// What the edge checked on HTTP/1 heads, for those that did not come as text.
fn sound(visit: &Visit, head: &Parts) -> Result<(), Refusal> {
    framing::check_method(head.method.as_str().as_bytes())?;
    if head.version == Version::HTTP_2 {
        let target = head.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
        let limits = &visit.snapshot.site.limits;
        if target.len() > limits.target_bytes() {
            return Err(Refusal::new(
                Code::UriTooLong,
                GATE,
                "the target is longer than 8 KiB or `header_bytes`",
            ));
        }
        if head.headers.len() > limits.headers {
            return Err(Refusal::new(Code::HeaderTooLarge, GATE, "more header fields than `headers`"));
        }
        framing::check_target(target.as_bytes())?;
        framing::check_fields(
            head.headers.iter().map(|(name, value)| (name.as_str().as_bytes(), value.as_bytes())),
        )?;
        if head.headers.contains_key(UPGRADE) || head.headers.contains_key(CONNECTION) {
            return Err(Refusal::new(Code::BadRequest, GATE, "HTTP/2 has no connection-specific fields"));
        }
    }
    Ok(())
}

/// The same address over https at the canonical host, query kept.
fn location(visit: &Visit, canonical: Option<&str>, path: &Path<'_>, head: &Parts) -> String {
    let host = canonical.unwrap_or(&visit.host);
    let mut location = format!("https://{host}");
    let bind = visit.snapshot.site.https.as_ref().map(|https| https.bind.as_str());
    let port = bind.and_then(|bind| bind.rsplit_once(':')).map(|(_, port)| port);
    if let Some(port) = port.filter(|port| *port != "443" && *port != "0" && !has_port(host)) {
        location.push(':');
        location.push_str(port);
    }
    location.push_str(path.forward());
    if let Some(query) = visit.query(head) {
        location.push('?');
        location.push_str(query);
    }
    location
}

fn has_port(host: &str) -> bool {
    Host::parse(host).is_some_and(|host| host.port().is_some())
}

fn method_not_allowed(allow: &[Method]) -> Refusal {
    let list = allow.iter().map(Method::as_str).collect::<Vec<_>>().join(", ");
    let refusal = Refusal::new(Code::MethodNotAllowed, GATE, "the path's routes do not take the method");
    match HeaderValue::from_str(&list) {
        Ok(list) => refusal.with(ALLOW, list),
        Err(_) => refusal,
    }
}

/// Whether the request may become a WebSocket; any other upgrade is refused, before every gate and not
/// instead of one.
fn upgrade(visit: &Visit, head: &Parts) -> Result<bool, Refusal> {
    let mut asked = head.headers.get_all(UPGRADE).iter();
    let Some(protocol) = asked.next() else { return Ok(false) };
    let refuse = |why: &'static str| Err(Refusal::new(Code::BadRequest, GATE, why));
    if !visit.route().is_some_and(|route| route.websocket) {
        return refuse("the route is not `websocket: true`, so no upgrade is allowed");
    }
    if asked.next().is_some()
        || !protocol.as_bytes().eq_ignore_ascii_case(b"websocket")
        || head.method != Method::GET
    {
        return refuse("only an upgrade by GET to `websocket` is allowed");
    }
    Ok(true)
}
