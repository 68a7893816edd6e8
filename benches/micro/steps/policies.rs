//! `policies/…`: each row of the registry, allowed and refused. `plan/…`: all of them together, with the route before.

use rules::credential::Via;
use rules::path::Path;
use rules::policy::Verdict;
use serde_json::{Map, Value, json};

use crate::shelf::{Case, Policies, Tokens};
use crate::site::Site;
use crate::visit::{Clock, Request, TARGET, Visit, body};
use crate::{Fallible, Run, Step};

/// The rows of the registry that have steps; with the reason, where a row never refuses.
///
/// # Errors
/// When the data cannot be read.
pub fn rows() -> Fallible<Vec<(String, Option<String>)>> {
    Ok(Policies::read()?.rows.into_iter().map(|row| (row.of, row.never)).collect())
}

pub(crate) fn steps() -> Fallible<Vec<Step>> {
    let Policies { rows, whole, .. } = Policies::read()?;
    let mut all = Map::new();
    let mut steps = Vec::new();
    for row in rows {
        all.extend(row.policies.clone());
        for case in row.cases {
            let policies =
                if case.policies.is_empty() { row.policies.clone() } else { case.policies.clone() };
            steps.extend(sized(&format!("policies/{}", row.of), &case, &policies, false));
        }
    }
    for mut case in whole.cases {
        let mut policies = all.clone();
        policies.extend(case.policies.clone());
        let own = std::mem::replace(&mut case.fields, whole.fields.clone());
        case.fields.extend(own);
        steps.extend(sized("plan", &case, &policies, true));
    }
    Ok(steps)
}

/// A step for each size of a case's body.
fn sized(under: &str, case: &Case, policies: &Map<String, Value>, whole: bool) -> Vec<Step> {
    let name = format!("{under}/{}", case.name);
    let step = |size: usize, name: String| {
        let (case, policies) = (case.clone(), policies.clone());
        let times = if size > 10_000 { 10 } else { 50 };
        Step::new(name, move || make(&case, &policies, size, whole)).times(times)
    };
    match case.sizes.as_slice() {
        [] => vec![step(0, name)],
        [only] => vec![step(*only, name)],
        sizes => sizes.iter().map(|size| step(*size, format!("{name}/{size}"))).collect(),
    }
}

fn make(case: &Case, scope: &Map<String, Value>, size: usize, whole: bool) -> Fallible<Run> {
    let (policies, tokens) = (Policies::read()?, Tokens::read()?);
    let site = Site::new(&policies, &tokens, scope.clone())?;
    let target = case.target.as_deref().unwrap_or(TARGET);
    let mut bytes = body(size);
    if case.spoilt {
        bytes.pop();
    }
    let mut request = Request::new(target, bytes);
    for (name, value) in &case.fields {
        request = request.field(name, &tokens.fill(value)?)?;
    }
    if !whole {
        let facts = json!({
            "user": "ada", "tenant": "acme", "roles": ["user", "editor"], "scopes": "openid chat:read chat:write",
        });
        let facts = case.caller.clone().or_else(|| facts.as_object().cloned()).unwrap_or_default();
        let caller = site.identity()?.gate.assume(&facts);
        request.caller = Some(caller.map_err(|refusal| refusal.private.into_owned())?);
        request.via = Some(if case.cookie { Via::Cookie } else { Via::Header });
    }
    let (expect, mut clock) = (case.expect.clone(), Clock::new(case.frozen));
    let as_expected = move |verdict: Verdict| match (verdict, &expect) {
        (Ok(()), None) => true,
        (Err(refusal), Some(code)) => refusal.code.name() == code,
        _ => false,
    };
    if whole {
        return Ok(Box::new(move || {
            let visit = Visit { site: &site, request: &request, now_ms: clock.tick() };
            as_expected(visit.whole())
        }));
    }
    let path = Path::parse(target.split('?').next().unwrap_or_default().as_bytes());
    let path = path.map_err(|refusal| refusal.private.into_owned())?.into_owned();
    let spans = match site.table.find(&http::Method::GET, &path) {
        rules::route::Lookup::Found(found) if found.index == 0 => Some(found.captures.spans()),
        _ => None,
    };
    site.plan()?;
    Ok(Box::new(move || {
        let Ok(plan) = site.plan() else { return false };
        let visit = Visit { site: &site, request: &request, now_ms: clock.tick() };
        let captures = spans.and_then(|spans| site.table.captures(spans, &path));
        as_expected(visit.plan(plan, path.as_str(), captures))
    }))
}
