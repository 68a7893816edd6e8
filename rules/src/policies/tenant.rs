//! `tenant`: every place where the request names a tenant must name one of the caller's own.

use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use crate::policy::{BodyGate, Gates, Ground, HeadGate, Policy, RouteFacts, Standing, Verdict};
use crate::problem::{Place, Problem};
use crate::shapes::OneOrMany;
use crate::strict_json;
use crate::token::ClaimPath;
use crate::verdict::{Code, Refusal};
use crate::view::{Reading, View};

/// A place as written: `path.NAME` or `body:/pointer`.
pub type RawTenant = OneOrMany<String>;

/// The places in force: one's own and every inherited one.
#[derive(Clone, Debug)]
pub struct Tenant {
    places: Vec<(Spot, Place)>,
}

/// Where a request can name a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Spot {
    /// A name that the route's pattern captures.
    Capture(String),
    /// A JSON pointer into the body (RFC 6901).
    Body(String),
}

impl Spot {
    fn parse(text: &str) -> Option<Self> {
        if let Some(name) = text.strip_prefix("path.") {
            return (!name.is_empty()).then(|| Self::Capture(name.to_owned()));
        }
        let pointer = text.strip_prefix("body:")?;
        let sound = pointer.starts_with('/') && pointer.len() > 1 && ClaimPath::parse(pointer).is_ok();
        sound.then(|| Self::Body(pointer.to_owned()))
    }
}

impl fmt::Display for Spot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Capture(name) => write!(f, "path.{name}"),
            Self::Body(pointer) => write!(f, "body:{pointer}"),
        }
    }
}

impl Tenant {
    /// The places, in order and as they are written: for `portcullis swap`.
    pub fn places(&self) -> impl Iterator<Item = impl fmt::Display> {
        self.places.iter().map(|(spot, _)| spot)
    }

    /// Whether the capture called `name` is bound.
    pub fn binds_capture(&self, name: &str) -> bool {
        self.places.iter().any(|(spot, _)| matches!(spot, Spot::Capture(bound) if bound == name))
    }
}

impl Policy for Tenant {
    const KEY: &'static str = "tenant";
    type Raw = RawTenant;

    fn settle(outer: Option<&Self>, raw: &RawTenant, ground: &Ground<'_>) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut places = match outer {
            Some(outer) if !ground.relaxed.permits("tenant") => outer.places.clone(),
            _ => Vec::new(),
        };
        for (index, text) in raw.iter().enumerate() {
            let place = ground.place.item(index);
            match Spot::parse(text) {
                Some(spot) if places.iter().any(|(known, _)| *known == spot) => {}
                Some(spot) => places.push((spot, place)),
                None => problems.push(
                    place
                        .problem(format!("`{text}` is not a place where a request can name a tenant"))
                        .remedy("write `path.NAME` for a name that `match` captures, or `body:/pointer` for a member of a JSON body"),
                ),
            }
        }
        if raw.is_empty() {
            problems.push(
                ground
                    .place
                    .problem("`tenant` names no place")
                    .remedy("write `path.NAME` or `body:/pointer`, or leave the key out"),
            );
        }
        if problems.is_empty() { Ok(Self { places }) } else { Err(problems) }
    }

    fn stand(&self, route: &RouteFacts<'_>, gates: &mut Gates) -> Result<(), Vec<Problem>> {
        if route.public {
            return Ok(());
        }
        let mut problems = Vec::new();
        for identity in route.identities.iter().filter(|identity| !identity.tells.tenant) {
            let place = self.places.first().map_or(&route.place, |(_, place)| place);
            problems.push(
                place
                    .problem(format!(
                        "the identity `{}` tells no tenant, so nobody it identifies could pass",
                        identity.name
                    ))
                    .remedy(format!(
                        "map the claim: `identities.{}.claims: {{ tenant: <claim> }}`",
                        identity.name
                    )),
            );
        }
        for (spot, place) in &self.places {
            let (policy, place) = (Self::KEY, place.clone());
            match spot {
                Spot::Capture(name) if !route.captures.contains(name) => problems.push(
                    place
                        .problem(format!("the route's pattern captures no `{name}`"))
                        .remedy(format!("capture it in `match` as `{{{name}}}`, or name another place")),
                ),
                Spot::Capture(name) => {
                    gates.head.push(Standing { policy, place, gate: Arc::new(InCapture(name.clone())) });
                }
                Spot::Body(pointer) => {
                    gates.body.push(Standing { policy, place, gate: Arc::new(InBody(pointer.clone())) });
                }
            }
        }
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }
}

struct InCapture(String);

impl HeadGate for InCapture {
    fn judge(&self, view: &View<'_>) -> Verdict {
        match view.capture(&self.0) {
            Some(named) => agrees(view, named, &format_args!("path.{}", self.0)),
            None => Err(mismatch(format!("path.{} is not in the request", self.0))),
        }
    }
}

struct InBody(String);

impl BodyGate for InBody {
    fn judge(&self, view: &View<'_>, body: &[u8]) -> Verdict {
        let invalid = |why: &'static str| Refusal::new(Code::BodyInvalid, Tenant::KEY, why);
        strict_json::check_fields(view.headers).map_err(invalid)?;
        let document =
            strict_json::parse(body).map_err(|why| Refusal::new(Code::BodyInvalid, Tenant::KEY, why))?;
        match strict_json::find(&document, &self.0).map_err(invalid)? {
            Some(Value::String(named)) => agrees(view, named, &format_args!("body:{}", self.0)),
            Some(_) => Err(mismatch(format!("body:{} is not a string", self.0))),
            None => Err(mismatch(format!("body:{} is not in the request", self.0))),
        }
    }
}

fn agrees(view: &View<'_>, named: &str, spot: &fmt::Arguments<'_>) -> Verdict {
    let Some(caller) = view.caller else {
        return Err(Refusal::new(
            Code::TokenMissing,
            Tenant::KEY,
            "there is no caller to compare the tenant with",
        ));
    };
    match &caller.tenants {
        // Bytes are compared as they are: no case folding, no trimming, no normal form.
        Reading::Value(own) if own.iter().any(|tenant| tenant == named) => Ok(()),
        Reading::Value(_) => Err(mismatch(format!("{spot} names a tenant that is not the caller's"))),
        Reading::Absent => Err(mismatch("the token has no tenant".to_owned())),
        Reading::Unreadable => Err(mismatch("the token's tenant cannot be read".to_owned())),
    }
}

fn mismatch(private: String) -> Refusal {
    Refusal::new(Code::TenantMismatch, Tenant::KEY, private)
}
