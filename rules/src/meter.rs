//! One counter: what is asked of it, and its arithmetic. Pure: the state is a value, the time an argument.

/// What is asked of a counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meter {
    /// Never more than `max` in any `window_ms` (a sliding window). Who was refused is refused for `penalty_ms` more
    /// without being counted; 0: not.
    Window {
        /// The most in any window.
        max: u32,
        /// The window, in milliseconds.
        window_ms: u64,
        /// How long a refusal lasts, in milliseconds.
        penalty_ms: u64,
    },
    /// A token bucket (GCRA): `burst` at once, then `max` in each `window_ms`, evenly.
    Bucket {
        /// The sustained rate is this many in each window.
        max: u32,
        /// The window, in milliseconds.
        window_ms: u64,
        /// The depth.
        burst: u32,
    },
    /// At most `max` at the same time.
    Concurrent {
        /// The most at the same time.
        max: u32,
    },
    /// Refuses while a lock lasts; see [`Note::Failure`] for what locks. The first lock lasts `for_ms`, each further
    /// one twice as long as the one before, at most `most_ms`.
    Lock {
        /// How many failures lock.
        after: u32,
        /// How long the first lock lasts, in milliseconds.
        for_ms: u64,
        /// How long a lock lasts at most, in milliseconds.
        most_ms: u64,
    },
}

/// Which counter: the limit and the value that it counts by, hashed with a key so that nobody outside can aim at
/// another's counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CounterKey(pub u128);

/// One question of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    /// The counter.
    pub key: CounterKey,
    /// What is asked of it.
    pub meter: Meter,
    /// How many it counts for; 0 only looks.
    pub cost: u32,
}

/// What a response tells a counter afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Note {
    /// The upstream said no: one failure more for a [`Meter::Lock`].
    Failure,
    /// The upstream said yes: the failures are forgotten; a lock that lasts goes on.
    Success,
    /// Counts one in a [`Meter::Window`] whatever its state, for what is known only from the answer; over `max`, its
    /// penalty begins.
    Late,
}
