//! What is remembered from one case to the next.

use std::sync::Arc;

use http::request::Parts;
use rules::verdict::Refusal;

use crate::pipeline::prove::{self, Proved};
use crate::pipeline::{Way, tally};
use crate::replays::{Replays, Reservation};
use crate::state::{Store, Terms};
use crate::visit::Visit;

/// What is remembered from one case to the next.
pub struct Memory {
    /// What was counted.
    pub store: Store,
    /// Which deliveries of webhooks were accepted.
    pub replays: Arc<Replays>,
}

impl Default for Memory {
    fn default() -> Self {
        Self { store: Store::offline(&Terms::default()), replays: Arc::new(Replays::offline()) }
    }
}

/// Judges a webhook's delivery. What would have to be fetched is there, or is not to be had.
///
/// # Errors
/// The refusal.
pub fn prove(
    visit: &mut Visit,
    head: &Parts,
    body: &[u8],
    memory: &Memory,
    reservation: &mut Option<Reservation>,
) -> Result<Way, Refusal> {
    let mut proved = prove::prove(visit, head, body, None)?;
    if let Proved::Wants(want) = &proved {
        let webhook = visit.route().and_then(|route| route.webhook.clone());
        match webhook.and_then(|webhook| webhook.fetches.at_hand(want)) {
            Some(had) => proved = prove::prove(visit, head, body, Some(&had))?,
            None => return prove::unavailable(visit, want).map(|()| Way::On),
        }
    }
    match proved {
        Proved::Not => Ok(Way::On),
        Proved::Greets(greeting) => Ok(prove::greet(greeting)),
        Proved::Wants(want) => prove::unavailable(visit, &want).map(|()| Way::On),
        Proved::Yes(verified) => {
            let (keys, ttl_ms) = prove::keys(&verified);
            let answer = memory.replays.reserve_now(&keys, ttl_ms, visit.now_ms);
            let (way, held) = prove::reserved(visit, answer)?;
            *reservation = held;
            Ok(way)
        }
    }
}

/// Counts the request once. It is over at once, so that nothing is in progress afterwards.
pub(super) fn charge(visit: &mut Visit, store: &Store) -> Result<(), Refusal> {
    if !visit.tally.is_open() {
        return Ok(());
    }
    let charged = store.charge_now(visit.tally.asks(), visit.now_ms);
    tally::settle(visit, charged).map(|_| ())
}
