//! Judges requests without a wire: the very phases that the pipeline walks, for `test`, `explain` and `replay`.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use http::header::{CONNECTION, HeaderName, HeaderValue, TE, TRAILER, TRANSFER_ENCODING, UPGRADE};
use http::request::Parts;
use http::{HeaderMap, Method};
use rules::framing::{self, Head, HeadLimits};
use rules::policies::body::too_large;
use rules::policy::Speaker;
use rules::problem::Place;
use rules::verdict::{Code, Refusal};
use rules::view::ClientCertificate;
use serde_json::{Map, Value};

use crate::config::load::Loaded;
use crate::pipeline::accept::{self, Arrival};
use crate::pipeline::identify::{Got, Identified};
use crate::pipeline::refuse::{self, Answer};
use crate::pipeline::{Way, dispatch};
use crate::pipeline::{decide, enforce, forward, identify, inspect, now_ms, tally};
use crate::replays::Reservation;
use crate::snapshot::{Expectation, Snapshot, Test};
use crate::visit::Visit;

/// A request as it is told rather than received.
pub struct Case<'a> {
    /// How it came in.
    pub arrival: Arrival,
    /// The method.
    pub method: &'a str,
    /// Path and query, as they came.
    pub target: &'a str,
    /// The host of its address; a `Host` field counts before it.
    pub host: &'a str,
    /// Header fields in order, repeats kept.
    pub fields: &'a [(String, String)],
    /// The body.
    pub body: &'a [u8],
    /// What the upstream would answer: locks and rules may go by it.
    pub upstream_status: u16,
    /// The facts of a caller who is taken for granted; without, the request's own credential counts.
    pub caller: Option<&'a Map<String, Value>>,
}

/// What became of a case.
pub struct Judgement {
    /// The journey, as far as it went. None when the head was refused at the edge.
    pub visit: Option<Visit>,
    /// The request's head, if it was sound.
    pub head: Option<Parts>,
    /// The end of it.
    pub end: End,
}

/// How a case ends.
pub enum End {
    /// It is forwarded, with these fields to this target; the answer gets `own` besides the upstream's.
    Forward {
        /// Path and query.
        target: String,
        /// The fields that the upstream gets.
        fields: HeaderMap,
        /// The gateway's own fields of the answer.
        own: HeaderMap,
    },
    /// The gateway answers well by itself: a redirect, a preflight.
    Answer(Answer),
    /// The gateway refuses.
    Refuse(Refusal, Answer),
}

/// Walks a case through the pipeline. What is counted and accepted stays in `memory` for the next.
pub fn judge(snapshot: &Arc<Snapshot>, case: &Case<'_>, memory: &Memory) -> Judgement {
    let store = &memory.store;
    let head = match head(snapshot, case) {
        Ok(head) => head,
        Err(refusal) => {
            let answer = refuse::words(&accept::fresh_id(), &refusal, None);
            return Judgement { visit: None, head: None, end: End::Refuse(refusal, answer) };
        }
    };
    let mut visit = accept::begin(Arc::clone(snapshot), case.arrival.clone(), &head);
    visit.has_body = !case.body.is_empty();
    let mut reservation = None;
    let mut way = walk(&mut visit, &head, case, memory, &mut reservation);
    if !matches!(way, Ok(Way::On)) {
        if let Err(refusal) = charge(&mut visit, store) {
            way = Err(refusal);
        }
        let _ = tally::late(&mut visit, store);
    }
    let end = match way {
        Ok(Way::On) => {
            let (mut fields, mut own) = (end_to_end(&head.headers, visit.upgrade), HeaderMap::new());
            let _ = tally::learn(&visit, case.upstream_status, store);
            let _ = decide::reply(&mut visit, &head, case.upstream_status, &HeaderMap::new(), store);
            // One that was not taken may come again: its reservation is dropped.
            let taken = (200..300).contains(&case.upstream_status);
            if let Some(reservation) = reservation.filter(|_| taken) {
                reservation.commit_now();
            }
            forward::fields(&visit, &head, &mut fields);
            inspect::fields(&visit, &head, Speaker::Upstream, &mut own);
            let target = forward::target(&visit, &head).map_or_else(String::new, |target| target.to_string());
            End::Forward { target, fields, own }
        }
        Ok(Way::Redirect(status, location)) => {
            End::Answer(refuse::redirect(&visit, &head, status, &location))
        }
        Ok(Way::Own { status, fields, body, code }) => {
            visit.code = code;
            End::Answer(refuse::own(&visit, &head, status, fields, body))
        }
        Ok(Way::Preflight(fields)) => End::Answer(refuse::preflight(&visit, &head, fields)),
        Err(refusal) => {
            (visit.refusal, visit.observed) = (Some(refusal.clone()), false);
            let answer = refuse::refusal(&visit, &refusal, &head);
            End::Refuse(refusal, answer)
        }
    };
    Judgement { visit: Some(visit), head: Some(head), end }
}

fn walk(
    visit: &mut Visit,
    head: &Parts,
    case: &Case<'_>,
    memory: &Memory,
    reservation: &mut Option<Reservation>,
) -> Result<Way, Refusal> {
    let store = &memory.store;
    let way = dispatch::dispatch(visit, head, store, &mut |_| {})?;
    if !matches!(way, Way::On) {
        return Ok(way);
    }
    assume(visit, case)?;
    if let Identified::Wants(want) = enforce::caller(visit, head, &Got::default(), &mut |_| {})? {
        return Err(identify::unanswered(&want));
    }
    let way = enforce::head(visit, head, store, &mut |_| {})?;
    let Some(route) = visit.route().filter(|_| matches!(way, Way::On)) else { return Ok(way) };
    let (max, needed) = (route.plan.body_max(), enforce::needs_body(visit, head));
    if u64::try_from(case.body.len()).is_ok_and(|length| length > max) {
        return Err(too_large(max, None));
    }
    if needed {
        let way = enforce::body(visit, head, case.body, store, &mut |_| {})?;
        if !matches!(way, Way::On) {
            return Ok(way);
        }
        let way = prove(visit, head, case.body, memory, reservation)?;
        if !matches!(way, Way::On) {
            return Ok(way);
        }
        enforce::late_limits(visit, head, case.body, store, &mut |_| {})?;
    }
    charge(visit, store)?;
    Ok(way)
}

/// Takes the case's caller for granted, where the route has callers at all: as the identity that the facts name, or
/// the route's first.
///
/// # Errors
/// Where the route does not accept that identity, it ends as for somebody who shows nothing that it asks for.
pub fn assume(visit: &mut Visit, case: &Case<'_>) -> Result<(), Refusal> {
    let Some(mut facts) = case.caller.cloned() else { return Ok(()) };
    let identities = visit.route().map(|route| route.identities.as_slice()).unwrap_or_default();
    let Some(first) = identities.first() else { return Ok(()) };
    let identity = match facts.remove("identity") {
        None => first,
        Some(name) => {
            let named = identities.iter().find(|identity| name == *identity.name);
            named.ok_or_else(|| first.gate.missing())?
        }
    };
    visit.caller = Some(identity.gate.assume(&facts)?);
    Ok(())
}

/// What a certificate in PEM, with the rest of its chain, would be worth in a handshake at `at` (Unix seconds).
///
/// # Errors
/// Why it would be worth nothing.
pub fn shown(snapshot: &Snapshot, pem: &str, at: i64) -> Result<Arc<ClientCertificate>, String> {
    let Some(ca) = snapshot.site.client_ca() else {
        return Err(
            "the client's certificate is not asked for: `listen.https.client_ca` is not set".to_owned()
        );
    };
    ca.vouch_pem(pem.as_bytes(), at).map(Arc::new)
}

/// The head as the edge would have passed it: the same check over the same bytes.
pub fn head(snapshot: &Snapshot, case: &Case<'_>) -> Result<Parts, Refusal> {
    let malformed = |why: &'static str| Refusal::new(Code::BadRequest, framing::GATE, why);
    let named = case.fields.iter().any(|(name, _)| name.eq_ignore_ascii_case("host"));
    let mut bytes = format!("{} {} HTTP/1.1\r\n", case.method, case.target).into_bytes();
    if !named {
        bytes.extend_from_slice(format!("host: {}\r\n", case.host).as_bytes());
    }
    for (name, value) in case.fields {
        bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    bytes.extend_from_slice(b"\r\n");
    let limits = &snapshot.site.limits;
    let limits = HeadLimits {
        bytes: limits.header_bytes,
        fields: limits.headers,
        target_bytes: limits.target_bytes(),
    };
    match framing::inspect(&bytes, &limits)? {
        // A line break within a field would end the head early: the rest was meant to be another request.
        Head::Complete { len } if len == bytes.len() => {}
        Head::Complete { .. } | Head::Incomplete => return Err(malformed("the head is not one head")),
    }
    let mut builder = http::Request::builder().method(case.method).uri(case.target);
    if !named {
        builder = builder.header("host", case.host);
    }
    for (name, value) in case.fields {
        builder = builder.header(name.as_str(), value.trim().as_bytes());
    }
    builder.body(()).map(|request| request.into_parts().0).map_err(|_| malformed("the head cannot be read"))
}

/// The fields that go further than one connection (RFC 9110, section 7.6.1), as Pingora lets them.
fn end_to_end(fields: &HeaderMap, upgrade: bool) -> HeaderMap {
    let mut kept = fields.clone();
    let nominated = fields.get_all(CONNECTION).iter().filter_map(|field| field.to_str().ok());
    for name in nominated.flat_map(|list| list.split(',')) {
        if let Ok(name) = name.trim().parse::<HeaderName>() {
            kept.remove(name);
        }
    }
    for name in [CONNECTION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE] {
        kept.remove(name);
    }
    for name in ["keep-alive", "proxy-connection", "proxy-authorization", "proxy-authenticate"] {
        kept.remove(name);
    }
    if upgrade {
        kept.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        kept.insert(UPGRADE, HeaderValue::from_static("websocket"));
    }
    kept
}

/// What a test of the configuration came to.
pub struct Trial {
    /// Whether it is what was expected.
    pub passed: bool,
    /// `allow`, or status and code.
    pub outcome: String,
    /// The gate that decided.
    pub decided: Option<String>,
    /// The configuration that made the gate.
    pub place: Option<Place>,
    /// Why, in the gate's private words.
    pub why: Option<String>,
}

/// Runs one test of the configuration.
pub fn trial(snapshot: &Arc<Snapshot>, test: &Test) -> Trial {
    let case = case(snapshot, &test.method, &test.target, &test.headers, &test.body, test.caller.as_ref());
    // Each test begins with nothing counted.
    let judgement = judge(snapshot, &case, &Memory::default());
    let (status, code) = match &judgement.end {
        End::Forward { .. } => (None, None),
        End::Answer(answer) => {
            let code = judgement.visit.as_ref().and_then(|visit| visit.code);
            (Some(answer.status.as_u16()), code.map(Code::name))
        }
        End::Refuse(refusal, _) => (Some(refusal.status().as_u16()), Some(refusal.code.name())),
    };
    let passed = match (&test.expect, status) {
        (Expectation::Allow, None) => true,
        (Expectation::Answer(wanted, None), Some(status)) => *wanted == status,
        (Expectation::Answer(wanted, Some(name)), Some(status)) => *wanted == status && code == Some(name),
        (Expectation::Allow, Some(_)) | (Expectation::Answer(..), None) => false,
    };
    let outcome = match (status, code) {
        (None, _) => "allow".to_owned(),
        (Some(status), None) => status.to_string(),
        (Some(status), Some(code)) => format!("{status} {code}"),
    };
    let refusal = match judgement.end {
        End::Refuse(refusal, _) => Some(refusal),
        End::Forward { .. } | End::Answer(_) => None,
    };
    Trial {
        passed,
        outcome,
        place: refusal.as_ref().and_then(|refusal| place(judgement.visit.as_ref()?, refusal)),
        decided: refusal.as_ref().map(|refusal| refusal.gate.to_owned()),
        why: refusal.map(|refusal| refusal.private.into_owned()),
    }
}

/// The configuration of the rule or the route's gate that refused.
fn place(visit: &Visit, refusal: &Refusal) -> Option<Place> {
    if let Some(name) = refusal.rule() {
        let mut rules = visit.snapshot.ruleset.iter();
        return rules.find(|rule| rule.name == *name).map(|rule| rule.place.clone());
    }
    let route = visit.route()?;
    route.plan.steps().find(|step| step.policy() == refusal.gate).map(|step| step.place().clone())
}

/// A case as a test or `explain` states it: a client somewhere, over the listener that serves.
pub fn case<'a>(
    snapshot: &'a Snapshot,
    method: &'a Method,
    target: &'a str,
    fields: &'a [(String, String)],
    body: &'a [u8],
    caller: Option<&'a Map<String, Value>>,
) -> Case<'a> {
    // An address of documentation (RFC 5737): nobody's, and no trusted proxy's.
    let peer = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    let tls = snapshot.site.https.is_some();
    let peer_name = crate::edge::name(peer);
    let arrival =
        Arrival { peer, peer_name, tls, local: None, facts: None, certificate: None, now_ms: now_ms() };
    let host = snapshot.site.served.first().map_or("localhost", String::as_str);
    Case { arrival, method: method.as_str(), target, host, fields, body, upstream_status: 200, caller }
}

/// The configuration's tests that fail, a sentence each.
pub fn failures(loaded: &Loaded) -> Vec<String> {
    let snapshot = &loaded.snapshot;
    let mut failures = Vec::new();
    for test in &snapshot.tests {
        let trial = trial(snapshot, test);
        if !trial.passed {
            let line = loaded.test_line(test).map_or_else(String::new, |line| format!(":{line}"));
            let why = trial.why.map_or_else(String::new, |why| format!(" ({why})"));
            let (sent, expected) = &test.written;
            failures.push(format!(
                "{}{line}: `{sent}` was expected to end in `{expected}` and ended in `{}`{why}",
                loaded.source.path(),
                trial.outcome
            ));
        }
    }
    failures
}

mod memory;
#[cfg(test)]
mod tests;

use memory::charge;
pub use memory::{Memory, prove};
