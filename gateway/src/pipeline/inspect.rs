//! Fifth: what the client gets to see of the upstream's answer.

use http::header::{HeaderName, HeaderValue, SERVER, STRICT_TRANSPORT_SECURITY};
use http::request::Parts;
use pingora::http::ResponseHeader;
use rules::limit;
use rules::policy::{ReplyFields, Speaker};
use rules::ruleset::Edited;

use http::HeaderMap;

use crate::visit::Visit;

/// The header fields of every answer, the upstream's and the gateway's own.
pub fn fields(visit: &Visit, head: &Parts, speaker: Speaker, answer: &mut dyn ReplyFields) {
    answer.remove(&SERVER);
    answer.remove(&HeaderName::from_static("x-powered-by"));
    if let Ok(id) = HeaderValue::from_str(&visit.request_id) {
        answer.set(HeaderName::from_static("x-request-id"), id);
    }
    // Browsers ignore the field over plain http, and the upstream's own word on it is not asked for.
    match &visit.snapshot.site.hsts {
        Some(hsts) if visit.secure => answer.set(STRICT_TRANSPORT_SECURITY, hsts.clone()),
        _ => answer.remove(&STRICT_TRANSPORT_SECURITY),
    }
    if speaker == Speaker::Upstream {
        by_rules(visit, answer);
        limits(visit, answer);
    }
    visit.plan().reply(&visit.view(head), speaker, answer);
}

/// What the configuration's rules change.
fn by_rules(visit: &Visit, answer: &mut dyn ReplyFields) {
    for edited in &visit.walk.response {
        match edited {
            Edited::Set(name, value) => answer.set(name.clone(), value.clone()),
            Edited::Add(name, value) => answer.append(name.clone(), value.clone()),
            Edited::Remove(name) => answer.remove(name),
        }
    }
}

/// What is left of the limits that are announced: the gateway's word, whatever the upstream says of its own.
fn limits(visit: &Visit, answer: &mut dyn ReplyFields) {
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

/// An answer's head on its way through the proxy, which keeps a second record of its fields.
pub struct Wire<'a>(pub &'a mut ResponseHeader);

impl ReplyFields for Wire<'_> {
    fn all(&self) -> &HeaderMap {
        &self.0.headers
    }

    fn set(&mut self, name: HeaderName, value: HeaderValue) {
        // Fails for what is no header field, which a `HeaderName` and a `HeaderValue` always are.
        let _ = self.0.insert_header(name, value);
    }

    fn append(&mut self, name: HeaderName, value: HeaderValue) {
        let _ = self.0.append_header(name, value);
    }

    fn remove(&mut self, name: &HeaderName) {
        self.0.remove_header(name);
    }
}
