//! `identity`: who may call. The identities themselves are defined under `identities`; this policy names those
//! that a route accepts.

use std::sync::Arc;

use crate::policies::widening;
use crate::policy::{Accepted, Gates, Ground, IdentityDef, Policy, RouteFacts};
use crate::problem::{Place, Problem};
use crate::shapes::OneOrMany;

/// The identities in force, in the order in which they are asked: the first to which a request shows a credential
/// decides.
#[derive(Clone)]
pub struct IdentityRef {
    defs: Vec<(Arc<IdentityDef>, Place)>,
}

impl IdentityRef {
    /// The identities that are accepted.
    pub fn defs(&self) -> impl Iterator<Item = &Arc<IdentityDef>> {
        self.defs.iter().map(|(def, _)| def)
    }
}

impl Policy for IdentityRef {
    const KEY: &'static str = "identity";
    type Raw = OneOrMany<String>;

    fn settle(outer: Option<&Self>, raw: &Self::Raw, ground: &Ground<'_>) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut defs: Vec<(Arc<IdentityDef>, Place)> = Vec::new();
        for (index, name) in raw.iter().enumerate() {
            let place = if raw.len() == 1 { ground.place.clone() } else { ground.place.item(index) };
            let Some(def) = ground.identities.get(name) else {
                problems.push(unknown(name, &place, ground));
                continue;
            };
            if defs.iter().any(|(known, _)| known.name == def.name) {
                let problem = place.problem(format!("`{name}` is there twice"));
                problems.push(problem.remedy("remove one of them"));
            }
            let shares =
                |known: &IdentityDef| def.carriers.iter().any(|field| known.carriers.contains(field));
            if let Some((first, _)) = defs.iter().find(|(known, _)| known.name != def.name && shares(known)) {
                let what =
                    format!("`{name}` has its keys in the field of `{}`, which is asked first", first.name);
                problems
                    .push(place.problem(what).remedy("give it another `header`, or name one of them only"));
            }
            // Two identities cannot be compared, so one that is not inherited counts as wider.
            if let Some(outer) = outer
                && !outer.defs().any(|known| known.name == def.name)
                && !ground.relaxed.permits(Self::KEY)
            {
                let inherited: Vec<_> = outer.defs().map(|def| format!("`{}`", def.name)).collect();
                let what = format!("`{name}` is not among the inherited identities {}", inherited.join(", "));
                problems.push(widening(&place, Self::KEY, &what));
            }
            defs.push((Arc::clone(def), place));
        }
        if raw.is_empty() {
            let problem = ground.place.problem("`identity` names no identity");
            problems
                .push(problem.remedy("name one, or write `public: \"<reason>\"` for a route that is open"));
        }
        if problems.is_empty() { Ok(Self { defs }) } else { Err(problems) }
    }

    fn stand(&self, route: &RouteFacts<'_>, gates: &mut Gates) -> Result<(), Vec<Problem>> {
        if !route.public {
            gates.identities.extend(
                self.defs.iter().map(|(def, place)| Accepted { place: place.clone(), def: Arc::clone(def) }),
            );
        }
        Ok(())
    }
}

fn unknown(name: &str, place: &Place, ground: &Ground<'_>) -> Problem {
    let known: Vec<&str> = ground.identities.keys().map(String::as_str).collect();
    let remedy = if known.is_empty() {
        format!("define it: `identities: {{ {name}: {{ kind: jwt, … }} }}`")
    } else {
        format!("use one of `{}`", known.join("`, `"))
    };
    place.problem(format!("there is no identity `{name}`")).remedy(remedy)
}
