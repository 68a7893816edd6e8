//! `limits`: which of the configuration's limits hold. A scope adds to those that it inherits and replaces none.

use std::sync::Arc;

use crate::limit::{self, Limit, Limits as Counted};
use crate::policy::{Gates, Ground, Policy, RouteFacts};
use crate::problem::{Place, Problem, Step};
use crate::shapes::OneOrMany;
use crate::spot::Spot;

/// The limits in force: one's own and every inherited one.
#[derive(Clone, Debug)]
pub struct Limits {
    all: Vec<(Arc<Limit>, Place)>,
}

impl Limits {
    /// The names of the limits in force.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.all.iter().map(|(limit, _)| &*limit.name)
    }
}

impl Policy for Limits {
    const KEY: &'static str = limit::GATE;
    type Raw = OneOrMany<String>;

    fn settle(
        outer: Option<&Self>,
        raw: &OneOrMany<String>,
        ground: &Ground<'_>,
    ) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut all = outer.map(|outer| outer.all.clone()).unwrap_or_default();
        if raw.is_empty() {
            let problem = ground.place.problem("`limits` names no limit");
            problems
                .push(problem.remedy("name limits that are defined under `limits`, or leave the key out"));
        }
        for (index, name) in raw.iter().enumerate() {
            let place = ground.place.item(index);
            let Some(limit) = ground.limits.get(name) else {
                let known: Vec<&str> = ground.limits.keys().map(String::as_str).collect();
                let remedy = if known.is_empty() {
                    "define it at the top of the file: `limits: { NAME: { per: ip, allow: 60/min } }`"
                        .to_owned()
                } else {
                    format!("the limits are {}", known.join(", "))
                };
                problems.push(place.problem(format!("there is no limit `{name}`")).remedy(remedy));
                continue;
            };
            if raw.iter().take(index).any(|earlier| earlier == name) {
                problems.push(place.problem(format!("`{name}` is there twice")).remedy("remove one of them"));
            }
            // Naming what is inherited changes nothing: a limit counts a request once.
            if !all.iter().any(|(known, _)| known.name == limit.name) {
                all.push((Arc::clone(limit), place));
            }
        }
        if problems.is_empty() { Ok(Self { all }) } else { Err(problems) }
    }

    fn stand(&self, route: &RouteFacts<'_>, gates: &mut Gates) -> Result<(), Vec<Problem>> {
        let mut problems = Vec::new();
        for (limit, place) in &self.all {
            for spot in limit.spots() {
                if let Some(Spot::Capture(name)) = spot.place()
                    && !route.captures.contains(name)
                    // Where `defaults` names it, other routes may well capture it, and here the address counts.
                    && !matches!(place.steps.first(), Some(Step::Key(key)) if key == "defaults")
                {
                    problems.push(
                        place
                            .problem(format!(
                                "the limit `{}` counts by `path.{name}`, which the route's pattern does not capture",
                                limit.name
                            ))
                            .remedy(format!("capture it in `match` as `{{{name}}}`, or count by something else")),
                    );
                }
            }
        }
        gates.limits =
            Counted::new(self.all.iter().map(|(limit, _)| Arc::clone(limit)).collect(), gates.tenant.clone());
        gates.limit_places = self.all.iter().map(|(_, place)| place.clone()).collect();
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }
}
