//! `tenant`: every place where the request names a tenant must name the same one, and it must be the caller's.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use http::HeaderName;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{Deserializer, Error, Visitor};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};

use crate::policies::widening;
use crate::policy::{Gates, Ground, Policy, RouteFacts, Standing};
use crate::problem::{Place, Problem};
use crate::shapes::{OneOrMany, TEXT_OR_MAP};

mod gates;

use crate::spot::Spot;
use gates::{InBody, InHead, Places};

/// Places as written.
pub type RawTenant = OneOrMany<RawPlace>;

/// A place as written: its text alone, or with what else is to be said of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawPlace {
    /// `path.NAME`, `query.NAME`, `header.NAME`, `cookie.NAME`, or `body:/pointer`.
    pub place: String,
    /// Whether a request may leave it out.
    pub optional: bool,
}

impl RawPlace {
    /// The name of the capture that it binds.
    pub fn capture(&self) -> Option<&str> {
        self.place.strip_prefix("path.")
    }
}

impl From<&str> for RawPlace {
    fn from(place: &str) -> Self {
        Self { place: place.to_owned(), optional: false }
    }
}

#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct InFull {
    /// `path.NAME`, `query.NAME`, `header.NAME`, `cookie.NAME`, or `body:/pointer`.
    place: String,
    /// Whether a request may leave it out. Where it is, it must agree.
    #[serde(default)]
    optional: bool,
}

impl<'de> Deserialize<'de> for RawPlace {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = RawPlace;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a place such as `path.tenant`, or a mapping with the key `place`")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<RawPlace, E> {
                Ok(text.into())
            }

            fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<RawPlace, D::Error> {
                InFull::deserialize(inner).map(|InFull { place, optional }| RawPlace { place, optional })
            }
        }

        deserializer.deserialize_newtype_struct(TEXT_OR_MAP, Either)
    }
}

/// As it is most briefly written.
impl Serialize for RawPlace {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.optional {
            InFull { place: self.place.clone(), optional: true }.serialize(serializer)
        } else {
            self.place.serialize(serializer)
        }
    }
}

impl JsonSchema for RawPlace {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "RawPlace".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let (text, full) = (generator.subschema_for::<String>(), InFull::json_schema(generator));
        schemars::json_schema!({ "anyOf": [text, full] })
    }
}

/// The places in force: one's own and every inherited one.
///
/// All of them may be optional. A request that names no tenant asks for no tenant's data in particular, and the backend
/// has the caller's own from the gateway: what must not happen is that it names another, and that is refused.
#[derive(Clone, Debug)]
pub struct Tenant {
    places: Vec<Wanted>,
}

/// A place that is looked at.
#[derive(Clone, Debug)]
struct Wanted {
    spot: Spot,
    optional: bool,
    place: Place,
}

impl Tenant {
    /// The places, in order and as they are written: for `portcullis swap`.
    pub fn places(&self) -> impl Iterator<Item = impl fmt::Display> {
        self.places.iter().map(|wanted| &wanted.spot)
    }

    /// Whether the capture called `name` is bound.
    pub fn binds_capture(&self, name: &str) -> bool {
        self.places.iter().any(|wanted| matches!(&wanted.spot, Spot::Capture(bound) if bound == name))
    }

    /// The header fields that are bound, each with the configuration that says so.
    pub fn headers(&self) -> impl Iterator<Item = (&HeaderName, &Place)> {
        self.places.iter().filter_map(|wanted| match &wanted.spot {
            Spot::Header(name) => Some((name, &wanted.place)),
            _ => None,
        })
    }
}

impl Policy for Tenant {
    const KEY: &'static str = "tenant";
    type Raw = RawTenant;

    fn settle(outer: Option<&Self>, raw: &RawTenant, ground: &Ground<'_>) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut own: Vec<Wanted> = Vec::new();
        for (index, raw) in raw.iter().enumerate() {
            let place = ground.place.item(index);
            match wanted(raw, place.clone(), ground) {
                Ok(wanted) if own.iter().any(|known| known.spot == wanted.spot) => problems.push(
                    place.problem(format!("`{}` is there twice", wanted.spot)).remedy("remove one of them"),
                ),
                Ok(wanted) => own.push(wanted),
                Err(problem) => problems.push(problem),
            }
        }
        if raw.is_empty() {
            problems.push(
                ground
                    .place
                    .problem("`tenant` names no place")
                    .remedy("write a place such as `path.NAME`, or leave the key out"),
            );
        }
        let mut places = match outer {
            Some(outer) if !ground.relaxed.permits(Self::KEY) => outer.places.clone(),
            _ => Vec::new(),
        };
        for wanted in own {
            match places.iter_mut().find(|known| known.spot == wanted.spot) {
                Some(known) if wanted.optional && !known.optional => {
                    let what = format!("`{}` is required around this and optional here", wanted.spot);
                    problems.push(widening(&wanted.place.key("optional"), Self::KEY, &what));
                }
                Some(known) => *known = wanted,
                None => places.push(wanted),
            }
        }
        if problems.is_empty() { Ok(Self { places }) } else { Err(problems) }
    }

    fn stand(&self, route: &RouteFacts<'_>, gates: &mut Gates) -> Result<(), Vec<Problem>> {
        if route.public {
            return Ok(());
        }
        let mut problems = Vec::new();
        for identity in route.identities.iter().filter(|identity| !identity.tells.tenant) {
            let place = self.places.first().map_or(&route.place, |wanted| &wanted.place);
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
        for wanted in &self.places {
            if let Spot::Capture(name) = &wanted.spot
                && !route.captures.contains(name)
            {
                let problem = wanted.place.problem(format!("the route's pattern captures no `{name}`"));
                problems.push(
                    problem.remedy(format!("capture it in `match` as `{{{name}}}`, or name another place")),
                );
            }
        }
        let mut spots = self.places.iter().map(|wanted| &wanted.spot);
        gates.tenant = spots.find(|spot| !matches!(spot, Spot::Body(_))).cloned();
        let places = Places::new(&self.places);
        let (head, body) = places.stages();
        let policy = Self::KEY;
        if let Some(Wanted { place, .. }) = head {
            let gate = Arc::new(InHead(Arc::clone(&places)));
            gates.head.push(Standing { policy, place: place.clone(), gate });
        }
        if let Some(Wanted { place, .. }) = body {
            let gate = Arc::new(InBody(Arc::clone(&places)));
            gates.body.push(Standing { policy, place: place.clone(), gate });
        }
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }
}

fn wanted(raw: &RawPlace, place: Place, ground: &Ground<'_>) -> Result<Wanted, Problem> {
    let spot = Spot::parse(&raw.place).map_err(|(what, remedy)| place.problem(what).remedy(remedy))?;
    if let (Spot::Capture(name), true) = (&spot, raw.optional) {
        return Err(place
            .key("optional")
            .problem(format!("`path.{name}` is in every request of the route, so it cannot be optional"))
            .remedy("remove `optional`"));
    }
    let owner = |name| ground.identities.values().find(|identity| identity.owns.contains(name));
    if let Spot::Header(name) = &spot
        && let Some(owner) = owner(name)
    {
        return Err(place
            .problem(format!(
                "`{name}` is set by the gateway from what the identity `{}` tells, and a client's own is removed",
                owner.name
            ))
            .remedy("name the place where the client says which tenant it means"));
    }
    Ok(Wanted { spot, optional: raw.optional, place })
}
