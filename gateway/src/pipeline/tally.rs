//! Limits: a request's questions, put to the store of counters. Those that need only the address are looked at before
//! anything is read or verified; all of them are charged at once, when everything is known.

use http::HeaderValue;
use http::request::Parts;
use rules::content::Content;
use rules::limit::{self, Need, Refused};
use rules::meter::Note;
use rules::policy::Verdict;
use rules::ruleset::Counts;
use rules::verdict::{Code, Refusal};

use super::enforce::weigh;
use crate::config::raw::OnFailure;
use crate::state::{Admission, Denied, Store, Ticket};
use crate::visit::{Source, Visit};

/// Adds what the route's limits ask once `need` is met, and looks whether they would refuse.
///
/// # Errors
/// The refusal, unless the route only observes.
pub fn look(
    visit: &mut Visit,
    head: &Parts,
    content: Option<&Content<'_>>,
    need: Need,
    store: &Store,
) -> Verdict {
    let Some(route) = visit.route().filter(|route| route.plan.limits().wait_for(need)) else { return Ok(()) };
    let mut asked = Vec::new();
    route.plan.limits().ask(need, &visit.view(head), content, store.seed().of_rules(), &mut asked);
    let from = visit.tally.asks().len();
    for asked in asked {
        visit.tally.push(asked.ask, Source::Limit(asked.limit, asked.learns));
    }
    peek(visit, from, store)
}

/// Adds what a rule asks, and looks whether it would refuse.
///
/// # Errors
/// The rule's refusal.
pub fn look_for_rule(visit: &mut Visit, counts: Counts, store: &Store) -> Verdict {
    let observes = visit.snapshot.ruleset.get(counts.rule).is_none_or(|rule| rule.observes);
    if observes {
        if store.peek(&[counts.ask], visit.now_ms).is_some() {
            visit.walk.match_rule(counts.rule);
        }
        if counts.ask.cost > 0 {
            visit.walk.late.push(rules::ruleset::Late(counts.ask));
        }
        return Ok(());
    }
    let from = visit.tally.asks().len();
    visit.tally.push(counts.ask, Source::Rule(counts.rule));
    peek(visit, from, store)
}

fn peek(visit: &mut Visit, from: usize, store: &Store) -> Verdict {
    let asks = visit.tally.asks().get(from..).unwrap_or_default();
    match store.peek(asks, visit.now_ms) {
        None => Ok(()),
        Some(denial) => deny(visit, from + denial.index, denial.retry_after_ms),
    }
}

/// What came of charging: the refusal, or what has to be kept while the request is in progress.
///
/// # Errors
/// The refusal, unless the route only observes.
pub fn settle(visit: &mut Visit, charged: Result<Admission, Denied>) -> Result<Option<Admission>, Refusal> {
    match charged {
        Ok(admission) => {
            visit.tally.charged();
            visit.tally.announced = announced(visit, &admission);
            Ok(Some(admission))
        }
        Err(Denied::Limit(denial)) => deny(visit, denial.index, denial.retry_after_ms).map(|()| None),
        Err(Denied::Unavailable) => closed(visit, "the store of counters cannot be reached").map(|()| None),
        Err(Denied::NoRoom) if visit.snapshot.state.on_failure == OnFailure::Allow => Ok(None),
        Err(Denied::NoRoom) => closed(visit, "the store of counters has no room for another").map(|()| None),
    }
}

fn closed(visit: &mut Visit, why: &'static str) -> Verdict {
    visit.tally.denied();
    weigh(visit, Refusal::new(Code::Overloaded, limit::GATE, why))
}

/// The refusal of the question at `index`.
fn deny(visit: &mut Visit, index: usize, retry_after_ms: u64) -> Verdict {
    visit.tally.denied();
    let lost = || Refusal::new(Code::Internal, limit::GATE, "a limit refused that nobody asked");
    let asked = visit.tally.asked().nth(index);
    let Some((ask, source)) = asked else { return Err(lost()) };
    let refused = Refused { meter: ask.meter, retry_after_ms };
    let refusal = match source {
        Source::Limit(index, _) => {
            let limit = visit.route().and_then(|route| route.plan.limits().get(index));
            limit.map(|limit| limit::refusal(&limit.name, refused)).ok_or_else(lost)?
        }
        Source::Rule(index) => {
            let snapshot = std::sync::Arc::clone(&visit.snapshot);
            let rule = snapshot.ruleset.get(index).ok_or_else(lost)?;
            visit.walk.match_rule(index);
            let refusal = limit::refusal(&rule.name, refused);
            Refusal { gate: rules::ruleset::GATE, ..refusal }
                .by_rule(rule.name.clone(), rule.words().cloned())
        }
    };
    weigh(visit, refusal)
}

/// What is left of the limits that are announced.
fn announced(visit: &Visit, admission: &Admission) -> Vec<(HeaderValue, HeaderValue)> {
    let Some(route) = visit.route() else { return Vec::new() };
    let limits = route.plan.limits();
    if !limits.iter().any(|limit| limit.announce) {
        return Vec::new();
    }
    let asked = visit.tally.asked().zip(admission.standings.iter());
    let told = asked.filter_map(|((ask, source), standing)| {
        let Source::Limit(index, _) = source else { return None };
        let limit = limits.get(index).filter(|limit| limit.announce)?;
        let left = limit::left(&limit.name, standing.remaining, standing.reset_ms.div_ceil(1000))?;
        Some((limit::policy(&limit.name, ask.meter)?, left))
    });
    told.collect()
}

/// Tells the counters what the upstream has answered. What has to be kept before the client hears of it is returned.
pub fn learn(visit: &Visit, status: u16, store: &Store) -> Option<Ticket> {
    if !visit.tally.is_charged() {
        return None;
    }
    let notes = visit.tally.asked().filter_map(|(ask, source)| match source {
        Source::Limit(_, learns) => learns.note(status).map(|note| (*ask, note)),
        Source::Rule(_) => None,
    });
    let notes: Vec<_> = notes.collect();
    if notes.is_empty() { None } else { store.note(&notes, visit.now_ms) }
}

/// Counts what is counted whatever the counter says: for rules that count by the answer. What has to be kept before the
/// client hears of it is returned.
pub fn late(visit: &mut Visit, store: &Store) -> Option<Ticket> {
    if visit.walk.late.is_empty() {
        return None;
    }
    let notes: Vec<_> = visit.walk.late.drain(..).map(|late| (late.0, Note::Late)).collect();
    store.note(&notes, visit.now_ms)
}
