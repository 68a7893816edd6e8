//! `body`: what a request body may be.

use std::sync::Arc;

use http::HeaderValue;
use http::header::CONTENT_LENGTH;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::policies::widening;
use crate::policy::{Gates, Ground, HeadGate, Policy, RouteFacts, Standing, Verdict};
use crate::problem::{Place, Problem};
use crate::units::Size;
use crate::verdict::{Code, Refusal};
use crate::view::View;

/// `body:` as written.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawBody {
    /// The largest body, such as `64KiB`. Without it: 10 MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<Size>,
}

/// The body rules in force.
#[derive(Clone, Debug)]
pub struct Body {
    max: Option<Size>,
    place: Place,
}

impl Policy for Body {
    const KEY: &'static str = "body";
    type Raw = RawBody;

    fn settle(outer: Option<&Self>, raw: &RawBody, ground: &Ground<'_>) -> Result<Self, Vec<Problem>> {
        let outer_max = outer.and_then(|outer| outer.max);
        if let (Some(outer), Some(inner)) = (outer_max, raw.max)
            && inner > outer
            && !ground.relaxed.permits("body.max")
        {
            let what = format!("`max: {inner}` is above the inherited {outer}");
            return Err(vec![widening(&ground.place.key("max"), "body.max", &what)]);
        }
        let place = if raw.max.is_some() { ground.place.key("max") } else { ground.place.clone() };
        Ok(Self { max: raw.max.or(outer_max), place })
    }

    fn stand(&self, _route: &RouteFacts<'_>, gates: &mut Gates) -> Result<(), Vec<Problem>> {
        if let Some(max) = self.max {
            gates.body_max = Some(max.0);
            gates.head.push(Standing {
                policy: Self::KEY,
                place: self.place.clone(),
                gate: Arc::new(DeclaredLength { max: max.0 }),
            });
        }
        Ok(())
    }
}

/// Refuses a declared length at once; what comes without one is counted while it is read.
struct DeclaredLength {
    max: u64,
}

impl HeadGate for DeclaredLength {
    fn judge(&self, view: &View<'_>) -> Verdict {
        let mut fields = view.headers.get_all(CONTENT_LENGTH).iter();
        let Some(length) = fields.next() else { return Ok(()) };
        match (digits(length), fields.next()) {
            (Some(length), None) if length <= self.max => Ok(()),
            (Some(length), None) => Err(too_large(self.max, Some(length))),
            _ => Err(Refusal::new(Code::BadRequest, Body::KEY, "Content-Length is not one number")),
        }
    }
}

/// RFC 9110, section 8.6: digits alone, without the sign that `parse` would take.
fn digits(field: &HeaderValue) -> Option<u64> {
    let text = field.to_str().ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?;
    text.parse().ok()
}

/// The refusal for a body over `max` bytes, wherever it is noticed.
pub fn too_large(max: u64, seen: Option<u64>) -> Refusal {
    let private = match seen {
        Some(seen) => format!("the body's {seen} bytes are over the route's {max}"),
        None => format!("the body grew over the route's {max} bytes"),
    };
    Refusal::new(Code::BodyTooLarge, Body::KEY, private)
}
