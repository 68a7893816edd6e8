//! Fifth: what the client gets to see of the upstream's answer.

use http::header::{HeaderName, HeaderValue, SERVER, STRICT_TRANSPORT_SECURITY};

use super::forward::Fields;
use crate::visit::Visit;

/// The header fields of every answer, the upstream's and the gateway's own.
pub fn fields(visit: &Visit, answer: &mut impl Fields) {
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
}
