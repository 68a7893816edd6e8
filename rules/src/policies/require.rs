//! `require`: what the caller must have.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::policy::{Gates, Ground, HeadGate, Policy, RouteFacts, Standing, Verdict};
use crate::problem::{Place, Problem};
use crate::token::ClaimPath;
use crate::verdict::{Code, Refusal};
use crate::view::{Reading, View};

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
    /// The credential's claims have these values; a list means one of them. The name is a claim's or a JSON
    /// pointer (`/a/b`).
    #[serde(default)]
    pub claims: BTreeMap<String, Value>,
}

impl RawRequire {
    fn is_empty(&self) -> bool {
        self.roles.is_empty() && self.scopes.is_empty() && self.claims.is_empty()
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
    claims: Vec<(ClaimPath, Vec<Value>)>,
    place: Place,
}

impl Policy for Require {
    const KEY: &'static str = "require";
    type Raw = RawRequire;

    fn settle(outer: Option<&Self>, raw: &RawRequire, ground: &Ground<'_>) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut claims = Vec::new();
        for (name, wanted) in &raw.claims {
            let place = ground.place.key("claims").key(name);
            match (ClaimPath::parse(name), alternatives(wanted)) {
                (Ok(path), Some(alternatives)) => claims.push((path, alternatives)),
                (Err(why), _) => problems.push(place.itself().problem(why)),
                (_, None) => problems.push(
                    place
                        .problem(format!("the claim `{name}` is compared with something that no single claim can be"))
                        .remedy("write a string, a number, true or false, or a list of these, of which one must be equal"),
                ),
            }
        }
        for (key, words) in [("roles", &raw.roles), ("scopes", &raw.scopes)] {
            for (index, word) in words.iter().enumerate() {
                if word.is_empty() || word.contains(char::is_whitespace) {
                    let place = ground.place.key(key).item(index);
                    problems.push(
                        place
                            .problem(format!("`{word}` cannot be one of the caller's {key}"))
                            .remedy("write one word an item"),
                    );
                }
            }
        }
        let relaxed = outer.is_some() && ground.relaxed.permits("require");
        if raw.is_empty() && !relaxed {
            let problem = ground.place.problem("`require` requires nothing");
            problems.push(problem.remedy("name `roles`, `scopes` or `claims`, or remove it"));
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

fn alternatives(wanted: &Value) -> Option<Vec<Value>> {
    let scalar = |value: &Value| matches!(value, Value::Bool(_) | Value::Number(_) | Value::String(_));
    match wanted {
        Value::Array(items) if !items.is_empty() && items.iter().all(scalar) => Some(items.clone()),
        single if scalar(single) => Some(vec![single.clone()]),
        _ => None,
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
            let held = words(&caller.roles, Code::RoleRequired, "roles")?;
            if !self.roles.iter().any(|role| held.contains(role)) {
                let private = format!("the caller has none of the roles {}", self.roles.join(", "));
                return Err(Refusal::new(Code::RoleRequired, Require::KEY, private));
            }
        }
        if !self.scopes.is_empty() {
            let held = words(&caller.scopes, Code::ScopeRequired, "scopes")?;
            if let Some(missing) = self.scopes.iter().find(|scope| !held.contains(scope)) {
                let private = format!("the caller lacks the scope {missing}");
                return Err(Refusal::new(Code::ScopeRequired, Require::KEY, private));
            }
        }
        for (path, wanted) in &self.claims {
            // Equality by type and value: "true" is not true, and an absent claim equals nothing.
            if !path.find(&caller.claims).is_some_and(|value| wanted.contains(value)) {
                let private = format!("the claim {path} is absent or has another value");
                return Err(Refusal::new(Code::ClaimRequired, Require::KEY, private));
            }
        }
        Ok(())
    }
}

fn words<'a>(reading: &'a Reading<Vec<String>>, code: Code, what: &str) -> Result<&'a [String], Refusal> {
    match reading {
        Reading::Value(words) => Ok(words),
        Reading::Absent => Ok(&[]),
        Reading::Unreadable => {
            Err(Refusal::new(code, Require::KEY, format!("the caller's {what} cannot be read")))
        }
    }
}
