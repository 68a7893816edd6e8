//! Places among those at the same time.

use std::sync::Arc;

use rules::meter::{Ask, Kind};

use super::embedded::Embedded;
use super::redis::Claim;

/// A place among those at the same time, freed when this is dropped: however a request ends.
#[must_use = "it is freed when this is dropped"]
pub struct Lease {
    _place: Place,
}

enum Place {
    Here { _seat: Seat },
    Shared { _claim: Claim },
}

/// A place in this process.
struct Seat {
    table: Arc<Embedded>,
    ask: Ask,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.table.release(&self.ask);
    }
}

impl Lease {
    pub(super) fn shared(claim: Claim) -> Self {
        Self { _place: Place::Shared { _claim: claim } }
    }

    /// The places that these took in the table.
    pub(super) fn seats(table: &Arc<Embedded>, asks: &[Ask]) -> Vec<Self> {
        let seat = |ask: &Ask| Place::Here { _seat: Seat { table: Arc::clone(table), ask: *ask } };
        asks.iter().filter(|ask| takes_place(ask)).map(|ask| Self { _place: seat(ask) }).collect()
    }
}

/// Whether a request takes a place with it for as long as it is in progress.
pub(super) fn takes_place(ask: &Ask) -> bool {
    ask.meter.kind() == Kind::Concurrent && ask.cost > 0
}
