//! What a store says no with.

use rules::meter::{Kind, Standing};

use super::few::Few;

/// A counter's no to a request.
#[derive(Clone, Debug, PartialEq)]
pub struct Denial {
    /// Which of the asks refused; if several did, the one that refuses for longest.
    pub index: usize,
    /// What that one limits.
    pub kind: Kind,
    /// Milliseconds until all of the same would be admitted, if nothing else happens meanwhile; at least 1.
    pub retry_after_ms: u64,
    /// Where each of the asked counters stands, in the order of the asks.
    pub standings: Few<Standing>,
}

/// Why a request was not charged.
#[derive(Clone, Debug, PartialEq)]
pub enum Denied {
    /// A counter refused.
    Limit(Box<Denial>),
    /// The shared store does not answer, and `on_failure: deny` says what to do then.
    Unavailable,
    /// The table is full of counters that must not be forgotten: locked, exhausted or in use.
    NoRoom,
}
