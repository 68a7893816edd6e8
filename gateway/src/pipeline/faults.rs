//! What went wrong behind the gates, as a refusal.

use pingora::{Error, ErrorSource, ErrorType};
use rules::policies::body::too_large;
use rules::verdict::{Code, Refusal};

use super::{Passing, prove};
use crate::metrics::Outcome;
use crate::upstream::clock::Watch;

/// The refusal for an error of the proxy; none when the client is gone and nobody is left to refuse.
pub(super) fn refusal(error: &Error, passing: &Passing) -> Option<Refusal> {
    use ErrorType::{
        ConnectTimedout, ConnectionClosed, HTTPStatus, ReadError, ReadTimedout, TLSHandshakeTimedout,
        WriteError, WriteTimedout,
    };
    if passing.unremembered {
        return Some(prove::unremembered());
    }
    let upstream = |code, why: &'static str| Some(Refusal::new(code, "upstream", why));
    let ran_out = passing.watch.as_ref().is_some_and(Watch::ran_out);
    match (error.etype(), error.esource()) {
        (HTTPStatus(413), _) => {
            let max = passing.visit.route().map_or(0, |route| route.plan.body_max());
            Some(too_large(max, None))
        }
        (HTTPStatus(503), _) => upstream(Code::NoHealthyUpstream, "no server of the upstream has an address"),
        (ConnectTimedout | TLSHandshakeTimedout, _) | (WriteTimedout, ErrorSource::Upstream) => {
            Some(timed_out(passing))
        }
        (ReadTimedout, ErrorSource::Upstream) => Some(silent(passing)),
        (ReadError, ErrorSource::Upstream) if ran_out => Some(silent(passing)),
        (ReadTimedout, ErrorSource::Downstream) => Some(too_slow()),
        (ReadError | WriteError | ConnectionClosed | WriteTimedout, ErrorSource::Downstream) => None,
        (_, ErrorSource::Downstream) => Some(Refusal::new(
            Code::BadRequest,
            "framing",
            "the request could not be read or forwarded as it is",
        )),
        (_, ErrorSource::Upstream) => {
            let kind = error.etype().as_str();
            let private = format!("no connection to the upstream, or it broke before a valid answer: {kind}");
            Some(Refusal::new(Code::UpstreamUnreachable, "upstream", private))
        }
        (_, ErrorSource::Internal | ErrorSource::Unset) => {
            tracing::error!(request_id = passing.visit.request_id, %error, "a fault of the gateway's own");
            Some(Refusal::new(Code::Internal, "proxy", "a fault of the gateway's own"))
        }
    }
}

/// Silence on both sides is the client's while its body is not through: no server is to blame for that.
fn silent(passing: &Passing) -> Refusal {
    let answered = passing.upstream_status.is_some();
    if passing.body_ended || passing.visit.upgrade || answered { timed_out(passing) } else { too_slow() }
}

fn timed_out(passing: &Passing) -> Refusal {
    passing.count(Outcome::Timeout);
    let why = "the upstream did not connect or answer in time";
    Refusal::new(Code::UpstreamTimeout, "upstream", why)
}

fn too_slow() -> Refusal {
    Refusal::new(Code::RequestTimeout, "body", "the body did not arrive within `body_timeout`")
}
