//! `openapi`: requests are what the API's description says.

use std::sync::Arc;

use crate::content::Content;
use crate::openapi::{Api, GATE};
use crate::policy::{BodyGate, Gates, Ground, HeadGate, Policy, RouteFacts, Standing, Verdict};
use crate::problem::{Place, Problem};
use crate::view::View;

/// The descriptions in force: a request has to fit each.
#[derive(Clone, Debug)]
pub struct OpenApi {
    apis: Vec<(Arc<Api>, Place)>,
}

impl Policy for OpenApi {
    const KEY: &'static str = GATE;
    type Raw = String;

    fn settle(outer: Option<&Self>, path: &String, ground: &Ground<'_>) -> Result<Self, Vec<Problem>> {
        let document = ground.library.document(path).map_err(|why| vec![why]);
        let api = document.and_then(Api::compile).map_err(|flaws| {
            let problem = |why: &String| {
                let place = &ground.place;
                let problem = place.problem(format!("the API description `{path}` cannot be used: {why}"));
                problem.remedy(
                    "mend it there: OpenAPI 3.0 or 3.1, as YAML or JSON, whose references stay within the file",
                )
            };
            flaws.iter().map(problem).collect::<Vec<_>>()
        })?;
        let mut apis = outer.map(|outer| outer.apis.clone()).unwrap_or_default();
        apis.push((Arc::new(api), ground.place.clone()));
        Ok(Self { apis })
    }

    fn stand(&self, _route: &RouteFacts<'_>, gates: &mut Gates) -> Result<(), Vec<Problem>> {
        for (api, place) in &self.apis {
            let described = Described(Arc::clone(api));
            if api.reads_bodies() {
                let gate = Arc::new(Described(Arc::clone(api)));
                gates.body.push(Standing { policy: Self::KEY, place: place.clone(), gate });
            }
            gates.head.push(Standing { policy: Self::KEY, place: place.clone(), gate: Arc::new(described) });
        }
        Ok(())
    }
}

/// Refuses what is not described.
struct Described(Arc<Api>);

impl HeadGate for Described {
    fn judge(&self, view: &View<'_>) -> Verdict {
        self.0.judge_head(view)
    }
}

impl BodyGate for Described {
    fn needs(&self, view: &View<'_>) -> bool {
        self.0.needs_body(view)
    }

    fn judge(&self, view: &View<'_>, content: &Content<'_>) -> Verdict {
        self.0.judge_body(view, content)
    }
}
