//! `csrf`: a request whose session came in a cookie must come from a page of the service's own, since browsers add
//! cookies whoever's page makes the request.

use std::sync::Arc;

use http::header::REFERER;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::credential::Via;
use crate::origin::{self, Field, Origins, SEC_FETCH_SITE};
use crate::policies::widening;
use crate::policy::{Gates, Ground, HeadGate, Policy, RouteFacts, Standing, Verdict};
use crate::problem::{Place, Problem};
use crate::verdict::{Code, Refusal};
use crate::view::View;

/// `csrf:` as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawCsrf {
    /// Where the session came in a cookie, what changes something must come from a page of the service's own or of
    /// an origin that `cors` trusts with credentials.
    CookieSessions,
    /// The backend looks after it by itself.
    Off,
}

/// The rule in force.
#[derive(Clone, Debug)]
pub struct Csrf {
    enforced: bool,
    place: Place,
}

impl Policy for Csrf {
    const KEY: &'static str = "csrf";
    type Raw = RawCsrf;

    fn settle(outer: Option<&Self>, raw: &RawCsrf, ground: &Ground<'_>) -> Result<Self, Vec<Problem>> {
        let enforced = *raw == RawCsrf::CookieSessions;
        let inherited = outer.is_some_and(|outer| outer.enforced);
        if !enforced && !inherited {
            let problem = ground.place.problem("`csrf: off` has no effect: nothing switches it on");
            return Err(vec![problem.remedy("remove it, or write `csrf: cookie_sessions`")]);
        }
        if !enforced && !ground.relaxed.permits(Self::KEY) {
            let what = "`csrf: off` lets other sites' pages act in a visitor's session";
            return Err(vec![widening(&ground.place, Self::KEY, what)]);
        }
        Ok(Self { enforced, place: ground.place.clone() })
    }

    fn stand(&self, route: &RouteFacts<'_>, gates: &mut Gates) -> Result<(), Vec<Problem>> {
        if self.enforced && !route.public {
            let gate = OwnPages { trusted: gates.origins.clone() };
            gates.head.push(Standing { policy: Self::KEY, place: self.place.clone(), gate: Arc::new(gate) });
        }
        Ok(())
    }
}

struct OwnPages {
    /// The origins of a `cors` with credentials: what it does not trust with cookies is not trusted here.
    trusted: Option<Arc<Origins>>,
}

fn failed(private: &'static str) -> Refusal {
    Refusal::new(Code::CsrfFailed, Csrf::KEY, private)
}

impl HeadGate for OwnPages {
    fn judge(&self, view: &View<'_>) -> Verdict {
        if view.via != Some(Via::Cookie) || !view.acts() {
            return Ok(());
        }
        // Fetch Metadata first: pages cannot write it, and it is there where browsers hide the rest.
        let elsewhere = match Field::of(view.headers, SEC_FETCH_SITE) {
            Field::One(site) => match site.as_bytes() {
                b"same-origin" | b"none" => return Ok(()),
                b"same-site" | b"cross-site" => true,
                _ => return Err(failed("`Sec-Fetch-Site` is none of the words that browsers write")),
            },
            Field::Several => return Err(failed("`Sec-Fetch-Site` is repeated")),
            Field::Absent => false,
        };
        let known = |text| origin::is_known(text, self.trusted.as_deref(), view);
        let verdict = |known: bool, private| known.then_some(()).ok_or_else(|| failed(private));
        match (origin::field(view), Field::of(view.headers, REFERER)) {
            (Field::One(origin), _) => {
                verdict(known(origin.to_str().ok()), "the page's origin is not trusted with the session")
            }
            (Field::Several, _) => Err(failed("`Origin` is repeated")),
            (Field::Absent, _) if elsewhere => Err(failed("another site's request does not say its origin")),
            (Field::Absent, Field::One(address)) => {
                let origin = address.to_str().ok().and_then(origin::of_address);
                verdict(known(origin), "the page that `Referer` names is not trusted with the session")
            }
            (Field::Absent, Field::Several) => Err(failed("`Referer` is repeated")),
            (Field::Absent, Field::Absent) => {
                Err(failed("neither `Sec-Fetch-Site` nor `Origin` nor `Referer` says whose page it is"))
            }
        }
    }
}
