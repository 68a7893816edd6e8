//! `identity`: who may call. The identities themselves are defined under `identities`; this policy names the
//! one that a route asks for.

use std::sync::Arc;

use crate::policies::widening;
use crate::policy::{Gates, Ground, IdentityDef, Policy, RouteFacts, Standing};
use crate::problem::{Place, Problem};

/// The identity in force.
#[derive(Clone)]
pub struct IdentityRef {
    def: Arc<IdentityDef>,
    place: Place,
}

impl IdentityRef {
    /// The identity that is asked for.
    pub fn def(&self) -> &Arc<IdentityDef> {
        &self.def
    }
}

impl Policy for IdentityRef {
    const KEY: &'static str = "identity";
    type Raw = String;

    fn settle(outer: Option<&Self>, raw: &String, ground: &Ground<'_>) -> Result<Self, Vec<Problem>> {
        let Some(def) = ground.identities.get(raw) else {
            let known: Vec<&str> = ground.identities.keys().map(String::as_str).collect();
            let remedy = if known.is_empty() {
                format!("define it: `identities: {{ {raw}: {{ kind: jwt, … }} }}`")
            } else {
                format!("use one of `{}`", known.join("`, `"))
            };
            return Err(vec![ground.place.problem(format!("there is no identity `{raw}`")).remedy(remedy)]);
        };
        // Two identities cannot be compared, so another one counts as wider.
        if let Some(outer) = outer
            && outer.def.name != def.name
            && !ground.relaxed.permits(Self::KEY)
        {
            let what = format!("`{raw}` replaces the inherited identity `{}`", outer.def.name);
            return Err(vec![widening(&ground.place, Self::KEY, &what)]);
        }
        Ok(Self { def: Arc::clone(def), place: ground.place.clone() })
    }

    fn stand(&self, route: &RouteFacts<'_>, gates: &mut Gates) -> Result<(), Vec<Problem>> {
        if !route.public {
            gates.identity = Some(Standing {
                policy: Self::KEY,
                place: self.place.clone(),
                gate: Arc::clone(&self.def.gate),
            });
        }
        Ok(())
    }
}
