//! What a client is told of a limit: `draft-ietf-httpapi-ratelimit-headers-10` and `Retry-After` (RFC 9110, section
//! 10.2.3).

use http::header::RETRY_AFTER;
use http::{HeaderName, HeaderValue};

use super::GATE;
use crate::meter::Meter;
use crate::verdict::{Code, Refusal};

/// How a counter refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// What was asked of it.
    pub meter: Meter,
    /// When the same would pass, in milliseconds from now.
    pub retry_after_ms: u64,
}

/// The refusal of a request that is over the limit called `name`.
pub fn refusal(name: &str, refused: Refused) -> Refusal {
    let (code, private) = match refused.meter {
        Meter::Window { .. } | Meter::Bucket { .. } => {
            (Code::RateLimited, format!("over the limit `{name}`"))
        }
        Meter::Concurrent { max } => {
            (Code::TooManyInFlight, format!("{max} requests are in progress, which is the limit `{name}`"))
        }
        Meter::Lock { .. } => {
            (Code::LockedOut, format!("locked by the limit `{name}` after too many failures"))
        }
    };
    let seconds = refused.retry_after_ms.div_ceil(1000).max(1);
    let refusal = Refusal::new(code, GATE, private).with(RETRY_AFTER, HeaderValue::from(seconds));
    match (policy(name, refused.meter), left(name, 0, seconds)) {
        (Some(policy), Some(left)) => {
            let [names_policy, names_left] = fields();
            refusal.with(names_policy, policy).with(names_left, left)
        }
        _ => refusal,
    }
}

/// The names of the two fields: `RateLimit-Policy` and `RateLimit`.
pub fn fields() -> [HeaderName; 2] {
    [HeaderName::from_static("ratelimit-policy"), HeaderName::from_static("ratelimit")]
}

/// What the limit is; none for a lock, which has no quota.
pub fn policy(name: &str, meter: Meter) -> Option<HeaderValue> {
    let text = match meter {
        Meter::Window { max, window_ms, .. } | Meter::Bucket { max, window_ms, .. } => {
            format!("\"{name}\";q={max};w={}", window_ms.div_ceil(1000))
        }
        Meter::Concurrent { max } => format!("\"{name}\";q={max};qu=\"concurrent-requests\""),
        Meter::Lock { .. } => return None,
    };
    HeaderValue::from_str(&text).ok()
}

/// What is left of it, and in how many seconds there is more.
pub fn left(name: &str, remaining: u32, seconds: u64) -> Option<HeaderValue> {
    HeaderValue::from_str(&format!("\"{name}\";r={remaining};t={seconds}")).ok()
}
