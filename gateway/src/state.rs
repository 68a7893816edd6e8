//! A stand-in until the store is there.
use std::collections::HashMap;
use std::sync::Mutex;

use rules::limit::Seed;
use rules::meter::{Ask, Counter, CounterKey, Note, Standing};

/// The store.
#[derive(Default)]
pub struct Store {
    counters: Mutex<HashMap<CounterKey, Counter>>,
}

/// A no.
pub struct Denial {
    /// Which.
    pub index: usize,
    /// When.
    pub retry_after_ms: u64,
}

/// Why not.
pub enum Denied {
    /// A limit.
    Limit(Denial),
    /// Unreachable.
    Unavailable,
    /// Full.
    NoRoom,
}

/// A yes.
pub struct Admission {
    standings: Vec<Standing>,
}

impl Admission {
    /// How counters stand.
    pub fn standings(&self) -> impl Iterator<Item = &Standing> {
        self.standings.iter()
    }
    /// On disk.
    pub async fn kept(&self) {}
}

impl Store {
    /// For offline.
    pub fn offline() -> Self {
        Self::default()
    }
    /// The key.
    pub fn seed(&self) -> Seed {
        Seed([0; 16])
    }
    /// Remote.
    pub fn is_remote(&self) -> bool {
        false
    }
    /// Looks.
    pub fn peek(&self, asks: &[Ask], now_ms: i64) -> Option<Denial> {
        let mut counters = self.counters.lock().ok()?;
        asks.iter().enumerate().find_map(|(index, ask)| {
            let full = counters.entry(ask.key).or_default().ask(&ask.meter, ask.cost, now_ms).err()?;
            Some(Denial { index, retry_after_ms: full.retry_after_ms })
        })
    }
    /// Charges.
    pub fn charge_now(&self, asks: &[Ask], now_ms: i64) -> Result<Admission, Denied> {
        if let Some(denial) = self.peek(asks, now_ms) {
            return Err(Denied::Limit(denial));
        }
        let mut counters = self.counters.lock().map_err(|_| Denied::Unavailable)?;
        let standings = asks.iter().map(|ask| {
            let counter = counters.entry(ask.key).or_default();
            let standing = counter.charge(&ask.meter, ask.cost, now_ms);
            counter.release(if matches!(ask.meter, rules::meter::Meter::Concurrent { .. }) {
                ask.cost
            } else {
                0
            });
            standing
        });
        Ok(Admission { standings: standings.collect() })
    }
    /// Charges.
    pub async fn charge(&self, asks: &[Ask], now_ms: i64) -> Result<Admission, Denied> {
        self.charge_now(asks, now_ms)
    }
    /// Notes.
    pub fn note(&self, notes: &[(Ask, Note)], now_ms: i64) {
        let Ok(mut counters) = self.counters.lock() else { return };
        for (ask, note) in notes {
            counters.entry(ask.key).or_default().note(&ask.meter, *note, now_ms);
        }
    }
}
