//! Third: the route's gates, in the registry's order.

use http::request::Parts;
use rules::policy::Verdict;
use rules::verdict::{Code, Refusal};

use crate::config::raw::Mode;
use crate::visit::Visit;

/// Asks the gates that need no body.
pub fn head(visit: &mut Visit, head: &Parts) -> Verdict {
    let Some(route) = visit.route() else { return Err(no_route()) };
    let observing = route.mode == Mode::Observe;
    // A visit that came with a caller was judged offline, for somebody assumed.
    if visit.caller.is_none() {
        match route.plan.identify(&visit.view(head)) {
            Ok(caller) => visit.caller = caller,
            Err(refusal) if observing => note(&mut visit.refusal, &mut visit.observed, &refusal),
            Err(refusal) => return Err(refusal),
        }
    }
    ask(visit, |visit, observed| match visit.route() {
        Some(route) => route.plan.judge_head(&visit.view(head), observed),
        None => Err(no_route()),
    })?;
    ask(visit, |visit, observed| {
        match visit.caller.as_ref().and_then(|caller| caller.unforwardable.as_ref()) {
            Some(header) => {
                let private = format!("the claim for {header} cannot be written into a header field");
                let refusal = Refusal::new(Code::ClaimRequired, "identity", private);
                if observed(&refusal) { Ok(()) } else { Err(refusal) }
            }
            None => Ok(()),
        }
    })
}

/// Asks the gates that need the whole body.
pub fn body(visit: &mut Visit, head: &Parts, body: &[u8]) -> Verdict {
    ask(visit, |visit, observed| match visit.route() {
        Some(route) => route.plan.judge_body(&visit.view(head), body, observed),
        None => Err(no_route()),
    })
}

fn ask(
    visit: &mut Visit,
    gates: impl FnOnce(&Visit, &mut dyn FnMut(&Refusal) -> bool) -> Verdict,
) -> Verdict {
    let observing = visit.route().is_some_and(|route| route.mode == Mode::Observe);
    let (mut refusal, mut seen) = (visit.refusal.take(), visit.observed);
    let verdict = gates(visit, &mut |refused| {
        if observing {
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
