//! Of several facts that must all be so, the one that is worth looking up: the one that tells conditions and
//! requests apart.

use std::collections::HashMap;

use super::super::fields::Field;
use super::need::{Ask, Fact, Need, Place};

/// For each condition the facts one of which must be so; none, if nothing can be looked up.
pub(super) fn of(needs: &[Need]) -> Vec<Option<Vec<Fact>>> {
    let mut times = HashMap::new();
    for need in needs {
        count(need, &mut times);
    }
    needs
        .iter()
        .map(|need| choose(need, &times).map(|(_, facts)| facts.into_iter().cloned().collect()))
        .collect()
}

/// How often each fact is needed.
fn count<'n>(need: &'n Need, times: &mut HashMap<&'n Fact, u64>) {
    match need {
        Need::OneOf(facts) => {
            for fact in facts {
                *times.entry(fact).or_insert(0) += 1;
            }
        }
        Need::Every(needs) | Need::Either(needs) => needs.iter().for_each(|need| count(need, times)),
        Need::Unknown => {}
    }
}

/// The facts, and how likely it is that a request has one: what every condition needs most requests will have.
fn choose<'n>(need: &'n Need, times: &HashMap<&Fact, u64>) -> Option<(u64, Vec<&'n Fact>)> {
    match need {
        Need::OneOf(facts) => {
            let likely = |fact: &Fact| likelihood(fact).saturating_mul(times.get(fact).copied().unwrap_or(1));
            Some((facts.iter().map(likely).fold(0, u64::saturating_add), facts.iter().collect()))
        }
        Need::Every(needs) => {
            needs.iter().filter_map(|need| choose(need, times)).min_by_key(|(likely, _)| *likely)
        }
        Need::Either(needs) => {
            let (mut likely, mut facts) = (0_u64, Vec::new());
            for need in needs {
                let (more, others) = choose(need, times)?;
                likely = likely.saturating_add(more);
                facts.extend(others);
            }
            Some((likely, facts))
        }
        Need::Unknown => None,
    }
}

/// How many of a thousand requests may have a fact that is needed once.
fn likelihood(fact: &Fact) -> u64 {
    let common = match fact.place {
        Place::Field(Field::Host) => 100,
        Place::Field(
            Field::Method | Field::Version | Field::ServerPort | Field::Secure | Field::ServerAddress,
        ) => 400,
        Place::Field(Field::Geo(_) | Field::ReplyCode | Field::ReplyMediaType) => 60,
        Place::Field(_) | Place::Header(..) => 4,
    };
    match &fact.ask {
        Ask::Exactly(_) | Ask::Number(_) | Ask::Holds { start: true, end: true, .. } => common,
        Ask::Flag(_) => 500,
        Ask::Within(_) => 20,
        // Every letter makes it less likely.
        Ask::Holds { part, .. } => common.max(500 >> part.len().min(8)),
    }
}
