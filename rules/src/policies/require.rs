//! `require`: what the caller must have.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::policy::{Gates, Ground, HeadGate, Policy, RouteFacts, Standing, Verdict};
use crate::problem::{Place, Problem};
use crate::token::{ClaimPath, MAX_LEEWAY, seconds};
use crate::units::Time;
use crate::verdict::{Code, Refusal};
use crate::view::{Caller, Reading, View};

/// `require:` as written.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawRequire {
    /// The caller has at least one of these roles.
    #[serde(default)]
    pub roles: Vec<String>,
    /// The credential has every one of these scopes.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// The credential's claims have these values; a list means one of them, and `{ present: true }` any but null.
    /// The name is a claim's or a JSON pointer (`/a/b`).
    #[serde(default)]
    pub claims: BTreeMap<String, Value>,
    /// The user has proved who they are no longer ago than this; the claim `auth_time` says when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_in_within: Option<Time>,
}

impl RawRequire {
    fn is_empty(&self) -> bool {
        let Self { roles, scopes, claims, signed_in_within } = self;
        roles.is_empty() && scopes.is_empty() && claims.is_empty() && signed_in_within.is_none()
    }
}

/// The requirements in force: one's own and every inherited one.
#[derive(Clone, Debug)]
pub struct Require {
    all: Vec<Requirement>,
}

#[derive(Clone, Debug)]
struct Requirement {
    roles: Vec<String>,
    scopes: Vec<String>,
    claims: Vec<(ClaimPath, Wanted)>,
    /// In seconds.
    signed_in_within: Option<i64>,
    place: Place,
}

/// What a claim has to be.
#[derive(Clone, Debug)]
enum Wanted {
    /// Anything but null.
    Present,
    /// Equal to one of these.
    OneOf(Vec<Value>),
}

impl Policy for Require {
    const KEY: &'static str = "require";
    type Raw = RawRequire;

    fn settle(outer: Option<&Self>, raw: &RawRequire, ground: &Ground<'_>) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let claims = claims(&raw.claims, &ground.place.key("claims"), &mut problems);
        words(raw, &ground.place, &mut problems);
        let signed_in_within =
            raw.signed_in_within.map(|time| i64::try_from(time.0.as_secs()).unwrap_or(i64::MAX));
        if signed_in_within == Some(0) {
            let place = ground.place.key("signed_in_within");
            problems.push(
                place
                    .problem("`signed_in_within` is less than a second, so nobody could pass")
                    .remedy("write for example 15m"),
            );
        }
        let relaxed = outer.is_some() && ground.relaxed.permits("require");
        if raw.is_empty() && !relaxed {
            let problem = ground.place.problem("`require` requires nothing");
            problems
                .push(problem.remedy("name `roles`, `scopes`, `claims` or `signed_in_within`, or remove it"));
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        // What is inherited stays required, so a scope can only ask for more, unless it says why not.
        let inherited = match outer {
            Some(outer) if !relaxed => outer.all.clone(),
            _ => Vec::new(),
        };
        let own = Requirement {
            roles: raw.roles.clone(),
            scopes: raw.scopes.clone(),
            claims,
            signed_in_within,
            place: ground.place.clone(),
        };
        Ok(Self { all: inherited.into_iter().chain([own]).collect() })
    }

    fn stand(&self, route: &RouteFacts<'_>, gates: &mut Gates) -> Result<(), Vec<Problem>> {
        if route.public {
            return Ok(());
        }
        let mut problems = Vec::new();
        for requirement in &self.all {
            let told = route.identities.iter().flat_map(|identity| {
                [
                    (identity, "roles", requirement.roles.is_empty(), identity.tells.roles),
                    (identity, "scopes", requirement.scopes.is_empty(), identity.tells.scopes),
                ]
            });
            for (identity, key, unasked, told) in told {
                if !unasked && !told {
                    problems.push(
                        requirement
                            .place
                            .key(key)
                            .problem(format!(
                                "the identity `{}` tells no {key}, so nobody it identifies could pass",
                                identity.name
                            ))
                            .remedy(format!(
                                "map the claim: `identities.{}.claims: {{ {key}: <claim> }}`",
                                identity.name
                            )),
                    );
                }
            }
            gates.head.push(Standing {
                policy: Self::KEY,
                place: requirement.place.clone(),
                gate: Arc::new(requirement.clone()),
            });
        }
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }
}

/// Roles and scopes are words, each there once.
fn words(raw: &RawRequire, at: &Place, problems: &mut Vec<Problem>) {
    for (key, words) in [("roles", &raw.roles), ("scopes", &raw.scopes)] {
        for (index, word) in words.iter().enumerate() {
            let place = at.key(key).item(index);
            if word.is_empty() || word.contains(char::is_whitespace) {
                problems.push(
                    place
                        .problem(format!("`{word}` cannot be one of the caller's {key}"))
                        .remedy("write one word an item"),
                );
            } else if words.iter().take(index).any(|earlier| earlier == word) {
                problems.push(
                    place
                        .problem(format!("`{word}` is there twice"))
                        .remedy("remove one of them, or write the other one that was meant"),
                );
            }
        }
    }
}

fn claims(
    written: &BTreeMap<String, Value>,
    at: &Place,
    problems: &mut Vec<Problem>,
) -> Vec<(ClaimPath, Wanted)> {
    let mut claims = Vec::new();
    for (name, value) in written {
        let place = at.key(name);
        match (ClaimPath::parse(name), Wanted::parse(value)) {
            (Ok(path), Some(wanted)) => claims.push((path, wanted)),
            (Err(why), _) => problems.push(place.itself().problem(why)),
            (_, None) => problems.push(
                place
                    .problem(format!("the claim `{name}` is compared with something that no single claim can be"))
                    .remedy(
                        "write a string, a number, true or false, or a list of these, of which one must be equal, or \
                         `{ present: true }`",
                    ),
            ),
        }
        let Value::Array(items) = value else { continue };
        for (index, item) in items.iter().enumerate() {
            if items.iter().take(index).any(|earlier| earlier == item) {
                problems.push(
                    place
                        .item(index)
                        .problem(format!("`{item}` is there twice"))
                        .remedy("remove one of them"),
                );
            }
        }
    }
    claims
}

impl Wanted {
    fn parse(written: &Value) -> Option<Self> {
        let scalar = |value: &Value| matches!(value, Value::Bool(_) | Value::Number(_) | Value::String(_));
        match written {
            Value::Array(items) if !items.is_empty() && items.iter().all(scalar) => {
                Some(Self::OneOf(items.clone()))
            }
            Value::Object(members)
                if members.len() == 1 && members.get("present") == Some(&Value::Bool(true)) =>
            {
                Some(Self::Present)
            }
            single if scalar(single) => Some(Self::OneOf(vec![single.clone()])),
            _ => None,
        }
    }

    /// Equality by type and value: "true" is not true, and an absent claim equals nothing.
    fn is_met(&self, value: Option<&Value>) -> bool {
        match self {
            Self::Present => value.is_some_and(|value| !value.is_null()),
            Self::OneOf(values) => value.is_some_and(|value| values.contains(value)),
        }
    }
}

impl HeadGate for Requirement {
    fn judge(&self, view: &View<'_>) -> Verdict {
        let Some(caller) = view.caller else {
            return Err(Refusal::new(
                Code::TokenMissing,
                Require::KEY,
                "there is no caller to require anything of",
            ));
        };
        if !self.roles.is_empty() {
            let held = held(&caller.roles, Code::RoleRequired, "roles")?;
            if !self.roles.iter().any(|role| held.contains(role)) {
                let private = format!("the caller has none of the roles {}", self.roles.join(", "));
                return Err(Refusal::new(Code::RoleRequired, Require::KEY, private));
            }
        }
        if !self.scopes.is_empty() {
            let held = held(&caller.scopes, Code::ScopeRequired, "scopes")?;
            if let Some(missing) = self.scopes.iter().find(|scope| !held.contains(scope)) {
                let private = format!("the caller lacks the scope {missing}");
                return Err(Refusal::new(Code::ScopeRequired, Require::KEY, private));
            }
        }
        for (path, wanted) in &self.claims {
            if !wanted.is_met(path.find(&caller.claims)) {
                let private = format!("the claim {path} is absent or has another value");
                return Err(Refusal::new(Code::ClaimRequired, Require::KEY, private));
            }
        }
        match self.signed_in_within {
            Some(within) => signed_in(within, caller, view.now()),
            None => Ok(()),
        }
    }
}

/// `OpenID` Connect Core 1.0, section 2, and RFC 9470: `auth_time` is when the user last proved who they are.
fn signed_in(within: i64, caller: &Caller, now: i64) -> Verdict {
    let refused = |why: &'static str| Err(Refusal::new(Code::ClaimRequired, Require::KEY, why));
    match caller.claims.get("auth_time").map(seconds) {
        None => refused("the claim auth_time is absent"),
        Some(None) => refused("the claim auth_time is not a time"),
        Some(Some(at)) if at > now.saturating_add(MAX_LEEWAY.into()) => {
            refused("the user signs in in the future")
        }
        Some(Some(at)) if now.saturating_sub(at) > within => refused("the user signed in too long ago"),
        Some(Some(_)) => Ok(()),
    }
}

fn held<'a>(reading: &'a Reading<Vec<String>>, code: Code, what: &str) -> Result<&'a [String], Refusal> {
    match reading {
        Reading::Value(words) => Ok(words),
        Reading::Absent => Ok(&[]),
        Reading::Unreadable => {
            Err(Refusal::new(code, Require::KEY, format!("the caller's {what} cannot be read")))
        }
    }
}
