//! Fifth: what the client gets to see of the upstream's answer.

use http::header::{HeaderName, HeaderValue, SERVER, STRICT_TRANSPORT_SECURITY};
use http::request::Parts;
use pingora::http::ResponseHeader;
use rules::policy::{ReplyFields, Speaker};

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
    visit.plan().reply(&visit.view(head), speaker, answer);
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
