//! `limits`: how much one caller, address, tenant, key or thing may ask for. A limit is compiled once; a request turns
//! it into [`Ask`]s, which the shell puts to the store of counters.

use std::sync::Arc;

use crate::content::Content;
use crate::meter::{Ask, Meter, Note};
use crate::problem::Place;
use crate::spot::Spot;
use crate::view::View;

mod allowance;
mod compile;
mod raw;
mod refusal;
mod seed;
mod spot;

pub use allowance::{Allowance, Rates};
pub use compile::compile;
pub use raw::{RawAllow, RawLimit, RawLock};
pub use refusal::{Refused, fields, left, policy, refusal};
pub use seed::Seed;
pub use spot::KeySpot;

/// The gate's name in logs: the policy's key.
pub const GATE: &str = "limits";

/// A limit, compiled.
#[derive(Clone, Debug)]
pub struct Limit {
    /// Its name in the configuration.
    pub name: Arc<str>,
    /// Where it is configured.
    pub place: Place,
    /// Whether admitted requests are told how much is left, too.
    pub announce: bool,
    counters: Vec<Counter>,
    rates: Option<Rates>,
    concurrent: Option<u32>,
    lock: Option<Meter>,
}

/// One counter of a limit: what it counts by.
#[derive(Clone, Debug)]
struct Counter {
    spots: Vec<KeySpot>,
    /// Leading bits of an IPv6 address that count as one address.
    ipv6_prefix: u8,
}

/// When a counter's key is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// From the connection and the route alone: before anything is read or verified.
    Address,
    /// Once the caller is known and every gate of the head has passed. What the head says is counted by only now:
    /// somebody who may not call must not use up another's allowance.
    Caller,
    /// Once the body is there.
    Body,
}

/// What a request asks of a limit's counters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The question.
    pub ask: Ask,
    /// The limit's place among those of the route.
    pub limit: usize,
    /// What an answer of the upstream means to it.
    pub learns: Learns,
}

/// What a counter learns from the upstream's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Learns {
    /// Nothing.
    Nothing,
    /// Failures. A success does not clear an address: whoever has one account could try all others from there.
    Failures,
    /// Failures and successes.
    Both,
}

impl Learns {
    /// What an answer with this status is to the counter.
    pub fn note(self, status: u16) -> Option<Note> {
        match (self, status) {
            (Self::Failures | Self::Both, 401 | 403 | 422) => Some(Note::Failure),
            (Self::Both, 200..=399) => Some(Note::Success),
            _ => None,
        }
    }
}

/// The limits of a route.
#[derive(Clone, Debug, Default)]
pub struct Limits {
    all: Vec<Arc<Limit>>,
    /// What the counters need, each once.
    needs: Vec<Need>,
    /// Which of several tenants a request is for.
    tenant: Option<Spot>,
}

impl Limits {
    pub(crate) fn new(all: Vec<Arc<Limit>>, tenant: Option<Spot>) -> Self {
        let mut needs: Vec<_> = all.iter().flat_map(|limit| limit.needs()).collect();
        needs.sort_unstable();
        needs.dedup();
        Self { all, needs, tenant }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Whether a counter has to wait for just this.
    pub fn wait_for(&self, need: Need) -> bool {
        self.needs.contains(&need)
    }

    /// The limit at `index`.
    pub fn get(&self, index: usize) -> Option<&Arc<Limit>> {
        self.all.get(index)
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Limit>> {
        self.all.iter()
    }

    /// Adds what a request asks once `need` is met, and not before.
    pub fn ask(
        &self,
        need: Need,
        view: &View<'_>,
        content: Option<&Content<'_>>,
        seed: Seed,
        asked: &mut Vec<Asked>,
    ) {
        for (index, limit) in self.all.iter().enumerate() {
            for (nth, counter) in limit.counters.iter().enumerate() {
                if limit.need(counter) != need {
                    continue;
                }
                let facts = spot::Facts { view, content, tenant: self.tenant.as_ref() };
                let key =
                    |kind: u8| seed.key(&limit.name, nth, kind, &counter.spots, counter.ipv6_prefix, &facts);
                let mut push = |kind: u8, meter: Meter, learns| {
                    asked.push(Asked { ask: Ask { key: key(kind), meter, cost: 1 }, limit: index, learns });
                };
                if let Some(rates) = &limit.rates {
                    push(0, rates.of(view.caller), Learns::Nothing);
                }
                if let Some(max) = limit.concurrent {
                    push(1, Meter::Concurrent { max }, Learns::Nothing);
                }
                if let Some(lock) = limit.lock {
                    let address = counter.spots.iter().all(|spot| *spot == KeySpot::Address);
                    push(2, lock, if address { Learns::Failures } else { Learns::Both });
                }
            }
        }
    }
}

impl Limit {
    fn need(&self, counter: &Counter) -> Need {
        let roles = self.rates.as_ref().is_some_and(Rates::asks_roles);
        let least = if roles { Need::Caller } else { Need::Address };
        counter.spots.iter().map(KeySpot::need).fold(least, Need::max)
    }

    fn needs(&self) -> impl Iterator<Item = Need> {
        self.counters.iter().map(|counter| self.need(counter))
    }

    /// The places by which it counts.
    pub(crate) fn spots(&self) -> impl Iterator<Item = &KeySpot> {
        self.counters.iter().flat_map(|counter| &counter.spots)
    }
}

#[cfg(test)]
mod tests;
