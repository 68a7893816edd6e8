//! One counter: what is asked of it, and its arithmetic. Pure: the state is a value, the time an argument.
//!
//! ```
//! use rules::meter::{Counter, Meter};
//!
//! let logins = Meter::Window { max: 2, window_ms: 60_000, penalty_ms: 0 };
//! let mut counter = Counter::new();
//! for now_ms in [0, 20_000] {
//!     assert!(counter.ask(&logins, 1, now_ms).is_ok());
//!     counter.charge(&logins, 1, now_ms);
//! }
//! let full = counter.ask(&logins, 1, 30_000).unwrap_err();
//! assert_eq!((full.standing.remaining, full.retry_after_ms), (0, 30_000));
//! assert!(counter.ask(&logins, 1, 60_000).is_ok());
//! ```
//!
//! Times are milliseconds since 1970. A clock that goes back by up to a second is taken for threads that overtook each
//! other, and the later time counts. One that goes back further moves what lies in the future to now: nothing is
//! freed, and nothing lasts longer than it would from now on.

mod bucket;
mod lock;
mod log;
mod record;
mod window;

use self::bucket::Bucket;
use self::lock::Lock;
use self::window::Window;

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
    /// How many units this takes. 0 only looks: a window or bucket then refuses when it holds more than its most, which
    /// only [`Note::Late`] brings about.
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

/// What a counter limits; so a refusal can say what to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// So many in a time.
    Rate,
    /// So many at the same time.
    Concurrent,
    /// Failures.
    Lock,
}

/// Where a counter stands, as a client may be told (draft-ietf-httpapi-ratelimit-headers).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// The most that it admits at once: the window's `max`, the bucket's `burst`, the failures that lock.
    pub limit: u32,
    /// How many units are left now.
    pub remaining: u32,
    /// Milliseconds until the whole allowance is there again, if nothing more is counted. 0 for
    /// [`Meter::Concurrent`], of which nobody knows.
    pub reset_ms: u64,
}

/// A counter's no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full {
    /// Where it stands.
    pub standing: Standing,
    /// Milliseconds until the same would be admitted, if nothing else happens meanwhile; at least 1. A guess
    /// ([`UNKNOWN_MS`]) for [`Meter::Concurrent`]; the window's length for what can never be admitted.
    pub retry_after_ms: u64,
}

/// How long a counter matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rest {
    /// From when on it is as good as a new one.
    pub full_at_ms: i64,
    /// Until when it refuses a further unit, [`i64::MAX`] if it is in use; a time in the past if it does not refuse. Whoever
    /// forgets it before frees somebody.
    pub held_until_ms: i64,
    /// How much of the allowance is used: 0 to 255.
    pub load: u8,
}

/// A guess of when a place among those at the same time may be free, in milliseconds.
pub const UNKNOWN_MS: u64 = 1_000;
/// The longest window, in milliseconds (a little over 49 days): longer ones count as this.
const MOST_WINDOW_MS: u64 = u32::MAX as u64;
/// A clock that goes back by less is taken for threads that overtook each other, in milliseconds.
const JITTER_MS: i64 = 1_000;

impl Meter {
    /// What it limits.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Window { .. } | Self::Bucket { .. } => Kind::Rate,
            Self::Concurrent { .. } => Kind::Concurrent,
            Self::Lock { .. } => Kind::Lock,
        }
    }

    /// Whether a restart must not forget its counters: locks, and what lasts a day or longer.
    pub fn is_durable(&self) -> bool {
        const DAY_MS: u64 = 86_400_000;
        match *self {
            Self::Window { window_ms, penalty_ms, .. } => window_ms >= DAY_MS || penalty_ms >= DAY_MS,
            Self::Bucket { window_ms, .. } => window_ms >= DAY_MS,
            Self::Concurrent { .. } => false,
            Self::Lock { .. } => true,
        }
    }
}

/// The state of one counter. It becomes what the meter needs when it is first used; if a later meter is of another
/// kind, it begins anew.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counter(State);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Fresh,
    Window(Window),
    Bucket(Bucket),
    Concurrent(u32),
    Lock(Lock),
}

impl Counter {
    /// A counter that counted nothing yet.
    pub const fn new() -> Self {
        Self(State::Fresh)
    }

    /// Whether `cost` more would be admitted. Nothing is counted; but a refusal begins the penalty of a window.
    ///
    /// # Errors
    /// When they would not.
    pub fn ask(&mut self, meter: &Meter, cost: u32, now_ms: i64) -> Result<Standing, Full> {
        match (self.fit(meter), *meter) {
            (State::Window(window), Meter::Window { max, window_ms, penalty_ms }) => {
                window.settle(span(window_ms), now_ms);
                window.ask(max, span(window_ms), millis(penalty_ms), cost)
            }
            (State::Bucket(bucket), Meter::Bucket { max, window_ms, burst }) => {
                bucket.settle(max, span(window_ms), now_ms);
                bucket.ask(max, burst, cost)
            }
            (State::Concurrent(running), Meter::Concurrent { max }) => {
                let standing = places(max, *running);
                let fits = running.checked_add(cost).is_some_and(|count| count <= max);
                if fits { Ok(standing) } else { Err(Full { standing, retry_after_ms: UNKNOWN_MS }) }
            }
            (State::Lock(lock), Meter::Lock { after, for_ms, most_ms }) => {
                lock.settle(millis(for_ms), millis(most_ms), now_ms);
                lock.ask(after, millis(for_ms))
            }
            // A state always fits its meter; if it did not, doubt would close the gate.
            _ => Err(Full { standing: Standing::default(), retry_after_ms: UNKNOWN_MS }),
        }
    }

    /// Counts `cost` units that [`Counter::ask`] admitted at the same time, and says where the counter stands then.
    pub fn charge(&mut self, meter: &Meter, cost: u32, now_ms: i64) -> Standing {
        match (self.fit(meter), *meter) {
            (State::Window(window), Meter::Window { max, window_ms, .. }) => {
                window.settle(span(window_ms), now_ms);
                window.add(max, span(window_ms), cost);
                window.standing(max, span(window_ms))
            }
            (State::Bucket(bucket), Meter::Bucket { max, window_ms, burst }) => {
                bucket.settle(max, span(window_ms), now_ms);
                bucket.add(burst, cost);
                bucket.standing(max, burst)
            }
            (State::Concurrent(running), Meter::Concurrent { max }) => {
                *running = running.saturating_add(cost);
                places(max, *running)
            }
            (State::Lock(lock), Meter::Lock { after, for_ms, most_ms }) => {
                lock.settle(millis(for_ms), millis(most_ms), now_ms);
                lock.standing(after, millis(for_ms))
            }
            _ => Standing::default(),
        }
    }

    /// Takes what is known afterwards into account. A note that the meter does not know changes nothing.
    pub fn note(&mut self, meter: &Meter, note: Note, now_ms: i64) {
        match (self.fit(meter), *meter, note) {
            (State::Window(window), Meter::Window { max, window_ms, penalty_ms }, Note::Late) => {
                window.settle(span(window_ms), now_ms);
                window.add(max, span(window_ms), 1);
                window.punish(max, millis(penalty_ms));
            }
            (State::Bucket(bucket), Meter::Bucket { max, window_ms, burst }, Note::Late) => {
                bucket.settle(max, span(window_ms), now_ms);
                bucket.add(burst, 1);
            }
            (State::Lock(lock), Meter::Lock { after, for_ms, most_ms }, Note::Failure) => {
                lock.settle(millis(for_ms), millis(most_ms), now_ms);
                lock.fail(after, millis(for_ms), millis(most_ms));
            }
            (State::Lock(lock), Meter::Lock { for_ms, most_ms, .. }, Note::Success) => {
                lock.settle(millis(for_ms), millis(most_ms), now_ms);
                lock.forgive();
            }
            _ => {}
        }
    }

    /// Frees `cost` of the places of a [`Meter::Concurrent`].
    pub fn release(&mut self, cost: u32) {
        if let State::Concurrent(running) = &mut self.0 {
            *running = running.saturating_sub(cost);
        }
    }

    /// How long it matters, as it is after whatever was done with it last.
    pub fn rest(&self, meter: &Meter) -> Rest {
        match (&self.0, *meter) {
            (State::Window(window), Meter::Window { max, window_ms, .. }) => {
                window.rest(max, span(window_ms))
            }
            (State::Bucket(bucket), Meter::Bucket { max, burst, .. }) => bucket.rest(max, burst),
            (State::Concurrent(running @ 1..), Meter::Concurrent { max }) => {
                Rest { full_at_ms: i64::MAX, held_until_ms: i64::MAX, load: load(*running, max) }
            }
            (State::Lock(lock), Meter::Lock { after, for_ms, .. }) => lock.rest(after, millis(for_ms)),
            _ => Rest { full_at_ms: i64::MIN, held_until_ms: i64::MIN, load: 0 },
        }
    }

    /// Takes in what another process counted of the same: nothing that either knows is forgotten, and what both know
    /// counts once, as far as that can be told.
    pub fn merge(&mut self, other: Self) {
        match (&mut self.0, other.0) {
            (State::Window(ours), State::Window(theirs)) => ours.merge(&theirs),
            (State::Bucket(ours), State::Bucket(theirs)) => ours.merge(&theirs),
            (State::Lock(ours), State::Lock(theirs)) => ours.merge(&theirs),
            (State::Fresh, theirs) => self.0 = theirs,
            _ => {}
        }
    }

    /// The state that `meter` needs.
    fn fit(&mut self, meter: &Meter) -> &mut State {
        let fits = match meter {
            Meter::Window { .. } => matches!(self.0, State::Window(_)),
            Meter::Bucket { .. } => matches!(self.0, State::Bucket(_)),
            Meter::Concurrent { .. } => matches!(self.0, State::Concurrent(_)),
            Meter::Lock { .. } => matches!(self.0, State::Lock(_)),
        };
        if !fits {
            self.0 = match meter {
                Meter::Window { .. } => State::Window(Window::default()),
                Meter::Bucket { .. } => State::Bucket(Bucket::default()),
                Meter::Concurrent { .. } => State::Concurrent(0),
                Meter::Lock { .. } => State::Lock(Lock::default()),
            };
        }
        &mut self.0
    }
}

fn places(max: u32, running: u32) -> Standing {
    Standing { limit: max, remaining: max.saturating_sub(running), reset_ms: 0 }
}

/// A window's length as it is computed with.
fn span(window_ms: u64) -> i64 {
    millis(window_ms.clamp(1, MOST_WINDOW_MS))
}

fn millis(ms: u64) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX)
}

/// From `now` to `then`; 0 if that is over.
fn until(now: i64, then: i64) -> u64 {
    u64::try_from(then.saturating_sub(now)).unwrap_or(0)
}

/// `count` of `max`, as a part of 255.
fn load(count: u32, max: u32) -> u8 {
    let part = u64::from(count) * 255 / u64::from(max.max(1));
    u8::try_from(part).unwrap_or(u8::MAX)
}

/// The time that counts at `now`, after `latest`; and whether the clock went back further than threads overtake each other.
fn settle(latest: i64, now: i64) -> (i64, bool) {
    if now >= latest {
        (now, false)
    } else if latest.saturating_sub(now) <= JITTER_MS {
        (latest, false)
    } else {
        (now, true)
    }
}

#[cfg(test)]
mod tests;
