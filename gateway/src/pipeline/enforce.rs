//! Third: the route's gates, in the registry's order.

use http::request::Parts;
use rules::content::Content;
use rules::expr::Stage;
use rules::limit::Need;
use rules::policies::body::Body;
use rules::policy::{Policy as _, Verdict};
use rules::verdict::{Code, Refusal};

use super::identify::{self, Got, Identified};
use super::way::{Lap, Way};
use super::{decide, tally};
use crate::state::Store;
use crate::visit::Visit;

/// Asks who calls.
///
/// # Errors
/// The refusal, unless the route only observes.
pub fn caller(visit: &mut Visit, head: &Parts, got: &Got, lap: Lap<'_>) -> Result<Identified, Refusal> {
    let identified = identify::identify(visit, head, got);
    lap("identity");
    // A caller who is refused stays unknown on a route that only observes.
    identified.or_else(|refusal| weigh(visit, refusal).map(|()| Identified::Done))
}

/// Notes a refusal where nothing is refused, but only told.
///
/// # Errors
/// The refusal, anywhere else.
pub fn weigh(visit: &mut Visit, refusal: Refusal) -> Verdict {
    if !visit.observes() {
        return Err(refusal);
    }
    note(&mut visit.refusal, &mut visit.observed, &refusal);
    Ok(())
}

/// Asks the gates that need no body, then the rules and limits that wait for the caller.
///
/// # Errors
/// The refusal, unless the route only observes.
pub fn head(visit: &mut Visit, head: &Parts, store: &Store, lap: Lap<'_>) -> Result<Way, Refusal> {
    ask(visit, lap, |visit, heard| match visit.route() {
        Some(route) => route.plan.judge_head(&visit.view(head), heard),
        None => Err(no_route()),
    })?;
    ask(visit, lap, |visit, heard| {
        let verdict = forwardable(visit);
        if heard("identity", &verdict) { Ok(()) } else { verdict }
    })?;
    let way = decide::rules(visit, head, Stage::Caller, None, store)?;
    lap("rules");
    if matches!(way, Way::On) {
        tally::look(visit, head, None, Need::Caller, store)?;
        lap("limits");
    }
    Ok(way)
}

/// Whether a gate, a rule or a limit has to see this request's whole body before the upstream is touched.
pub fn needs_body(visit: &Visit, head: &Parts) -> bool {
    visit.snapshot.ruleset.speaks_at(Stage::Body)
        || visit.route().is_some_and(|route| route.webhook.is_some())
        || visit.route().is_some_and(|route| route.plan.needs_body(&visit.view(head)))
}

/// Asks the gates that need the whole body, then the rules that do.
///
/// # Errors
/// The refusal, unless the route only observes.
pub fn body(
    visit: &mut Visit,
    head: &Parts,
    body: &[u8],
    store: &Store,
    lap: Lap<'_>,
) -> Result<Way, Refusal> {
    let Some(route) = visit.route() else { return Err(no_route()) };
    let content: Option<Content<'_>> = match route.plan.open(&visit.view(head), body) {
        Ok(content) => Some(content),
        // Nobody can judge what cannot be unpacked.
        Err(refusal) => {
            lap(Body::KEY);
            weigh(visit, refusal).map(|()| None)?
        }
    };
    if let Some(content) = &content {
        ask(visit, lap, |visit, heard| match visit.route() {
            Some(route) => route.plan.judge_body(&visit.view(head), content, heard),
            None => Err(no_route()),
        })?;
    }
    let bytes = content.as_ref().map_or(body, Content::bytes);
    let way = decide::rules(visit, head, Stage::Body, Some(bytes), store)?;
    lap("rules");
    Ok(way)
}

/// Looks at the limits that need the whole body, or the event that it tells of.
///
/// # Errors
/// The refusal, unless the route only observes.
pub fn late_limits(visit: &mut Visit, head: &Parts, body: &[u8], store: &Store, lap: Lap<'_>) -> Verdict {
    let Some(route) = visit.route().filter(|route| route.plan.limits().wait_for(Need::Body)) else {
        return Ok(());
    };
    // What cannot be unpacked was refused, unless the route only observes.
    let content = route.plan.open(&visit.view(head), body).ok();
    tally::look(visit, head, content.as_ref(), Need::Body, store)?;
    lap("limits");
    Ok(())
}

/// Whether every claim that the upstream is to get can be written into a header field.
fn forwardable(visit: &Visit) -> Verdict {
    match visit.caller.as_ref().and_then(|caller| caller.unforwardable.as_ref()) {
        None => Ok(()),
        Some(header) => {
            let private = format!("the claim for {header} cannot be written into a header field");
            Err(Refusal::new(Code::ClaimRequired, "identity", private))
        }
    }
}

fn ask(
    visit: &mut Visit,
    lap: Lap<'_>,
    gates: impl FnOnce(&Visit, &mut dyn FnMut(&'static str, &Verdict) -> bool) -> Verdict,
) -> Verdict {
    let observing = visit.observes();
    let (mut refusal, mut seen) = (visit.refusal.take(), visit.observed);
    let verdict = gates(visit, &mut |policy, verdict| {
        lap(policy);
        if let (true, Err(refused)) = (observing, verdict) {
            note(&mut refusal, &mut seen, refused);
        }
        observing
    });
    (visit.refusal, visit.observed) = (refusal, seen);
    verdict
}

/// Keeps the first refusal of a route that only observes.
fn note(kept: &mut Option<Refusal>, observed: &mut bool, refusal: &Refusal) {
    *observed = true;
    if kept.is_none() {
        *kept = Some(refusal.clone());
    }
}

fn no_route() -> Refusal {
    Refusal::new(Code::Internal, "enforce", "the request has no route")
}
