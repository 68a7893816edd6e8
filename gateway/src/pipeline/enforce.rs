//! Third: the route's gates, in the registry's order.

use http::request::Parts;
use rules::policy::Verdict;
use rules::verdict::{Code, Refusal};

use super::identify::{self, Got, Identified};
use crate::config::raw::Mode;
use crate::visit::Visit;

/// Hears of every gate when it has spoken, by its policy's key: for the clock that pure gates do not have.
pub type Lap<'a> = &'a mut dyn FnMut(&'static str);

/// Asks who calls.
///
/// # Errors
/// The refusal, unless the route only observes.
pub fn caller(visit: &mut Visit, head: &Parts, got: &Got, lap: Lap<'_>) -> Result<Identified, Refusal> {
    let identified = identify::identify(visit, head, got);
    lap("identity");
    identified.or_else(|refusal| unknown(visit, refusal).map(|()| Identified::Done))
}

/// A caller who is refused stays unknown on a route that only observes.
///
/// # Errors
/// The refusal, on any other route.
pub fn unknown(visit: &mut Visit, refusal: Refusal) -> Verdict {
    if !visit.route().is_some_and(|route| route.mode == Mode::Observe) {
        return Err(refusal);
    }
    note(&mut visit.refusal, &mut visit.observed, &refusal);
    Ok(())
}

/// Asks the gates that need no body.
pub fn head(visit: &mut Visit, head: &Parts, lap: Lap<'_>) -> Verdict {
    ask(visit, lap, |visit, heard| match visit.route() {
        Some(route) => route.plan.judge_head(&visit.view(head), heard),
        None => Err(no_route()),
    })?;
    ask(visit, lap, |visit, heard| {
        let verdict = forwardable(visit);
        if heard("identity", &verdict) { Ok(()) } else { verdict }
    })
}

/// Asks the gates that need the whole body.
pub fn body(visit: &mut Visit, head: &Parts, body: &[u8], lap: Lap<'_>) -> Verdict {
    ask(visit, lap, |visit, heard| match visit.route() {
        Some(route) => route.plan.judge_body(&visit.view(head), body, heard),
        None => Err(no_route()),
    })
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
    let observing = visit.route().is_some_and(|route| route.mode == Mode::Observe);
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
