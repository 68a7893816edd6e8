//! Fifth: what the client gets to see of the upstream's answer.

use http::HeaderMap;
use http::header::{HeaderName, HeaderValue, SERVER, STRICT_TRANSPORT_SECURITY};
use http::request::Parts;
use rules::limit;
use rules::policy::Speaker;
use rules::ruleset::Edited;

use crate::visit::Visit;

const X_POWERED_BY: HeaderName = HeaderName::from_static("x-powered-by");
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Room for what is added to an answer: made once, and not again and again by every field.
const ROOM: usize = 16;

/// The header fields of every answer, the upstream's and the gateway's own.
pub fn fields(visit: &Visit, head: &Parts, speaker: Speaker, answer: &mut HeaderMap) {
    // Too many fields for any map: then the first insertion says so.
    let _ = answer.try_reserve(ROOM);
    answer.remove(SERVER);
    answer.remove(&X_POWERED_BY);
    if let Ok(id) = HeaderValue::from_str(&visit.request_id) {
        answer.insert(X_REQUEST_ID, id);
    }
    // Browsers ignore the field over plain http, and the upstream's own word on it is not asked for.
    match &visit.snapshot.site.hsts {
        Some(hsts) if visit.secure => answer.insert(STRICT_TRANSPORT_SECURITY, hsts.clone()),
        _ => answer.remove(STRICT_TRANSPORT_SECURITY),
    };
    if speaker == Speaker::Upstream {
        by_rules(visit, answer);
        limits(visit, answer);
    }
    visit.plan().reply(&visit.view(head), speaker, answer);
}

/// What the configuration's rules change.
fn by_rules(visit: &Visit, answer: &mut HeaderMap) {
    for edited in &visit.walk.response {
        match edited {
            Edited::Set(name, value) => drop(answer.insert(name.clone(), value.clone())),
            Edited::Add(name, value) => drop(answer.append(name.clone(), value.clone())),
            Edited::Remove(name) => drop(answer.remove(name)),
        }
    }
}

/// What is left of the limits that are announced: the gateway's word, whatever the upstream says of its own.
fn limits(visit: &Visit, answer: &mut HeaderMap) {
    let [policy, left] = limit::fields();
    for (index, (own_policy, own_left)) in visit.tally.announced.iter().enumerate() {
        if index == 0 {
            answer.remove(&policy);
            answer.remove(&left);
        }
        answer.append(policy.clone(), own_policy.clone());
        answer.append(left.clone(), own_left.clone());
    }
}
