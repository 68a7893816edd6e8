//! Failures, and the lock that they bring about.

use super::{Full, Rest, Standing, load, until};

/// So long after the last failure, or after the lock if that is later, nobody remembers that there was a lock, in milliseconds.
const FORGOTTEN_MS: i64 = 86_400_000;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lock {
    /// The time that counted last.
    pub(super) latest: i64,
    /// When the last failure was.
    pub(super) last: i64,
    /// It is locked before this time.
    pub(super) until: i64,
    /// Failures since the last success, while there was no lock.
    pub(super) failures: u32,
    /// How many locks there were in a row.
    pub(super) locks: u8,
}

impl Default for Lock {
    fn default() -> Self {
        Self { latest: i64::MIN, last: i64::MIN, until: i64::MIN, failures: 0, locks: 0 }
    }
}

impl Lock {
    /// Forgets what is to be forgotten by `now`.
    pub(super) fn settle(&mut self, first: i64, most: i64, now: i64) {
        let (now, went_back) = super::settle(self.latest, now);
        self.latest = now;
        if went_back {
            self.last = self.last.min(now);
            let length = if self.locks > 0 { length(first, most, self.locks) } else { most };
            self.until = self.until.min(now.saturating_add(length));
        }
        if now >= self.forgotten_at(first) {
            (self.failures, self.locks) = (0, 0);
        }
    }

    pub(super) fn ask(&self, after: u32, first: i64) -> Result<Standing, Full> {
        let standing = self.standing(after, first);
        match until(self.latest, self.until) {
            0 => Ok(standing),
            retry_after_ms => Err(Full { standing, retry_after_ms }),
        }
    }

    /// One failure more. While it is locked, answers still come that were asked for before: they lock nothing anew.
    pub(super) fn fail(&mut self, after: u32, first: i64, most: i64) {
        self.last = self.latest;
        if self.latest < self.until {
            return;
        }
        self.failures = self.failures.saturating_add(1);
        if self.locks > 0 || self.failures >= after {
            self.locks = self.locks.saturating_add(1);
            self.until = self.latest.saturating_add(length(first, most, self.locks));
            self.failures = 0;
        }
    }

    pub(super) fn forgive(&mut self) {
        (self.failures, self.locks) = (0, 0);
    }

    pub(super) fn standing(&self, after: u32, first: i64) -> Standing {
        let locked = until(self.latest, self.until);
        let remaining = if locked > 0 {
            0
        } else if self.locks > 0 {
            1
        } else {
            after.saturating_sub(self.failures)
        };
        let is_clean = self.failures == 0 && self.locks == 0;
        let reset_ms = match locked {
            0 if is_clean => 0,
            0 => until(self.latest, self.forgotten_at(first)),
            locked => locked,
        };
        Standing { limit: after, remaining, reset_ms }
    }

    pub(super) fn rest(&self, after: u32, first: i64) -> Rest {
        let is_clean = self.failures == 0 && self.locks == 0;
        let forgotten = if is_clean { i64::MIN } else { self.forgotten_at(first) };
        Rest {
            full_at_ms: forgotten.max(self.until),
            held_until_ms: self.until,
            load: if self.locks > 0 || self.latest < self.until {
                u8::MAX
            } else {
                load(self.failures, after)
            },
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.latest = self.latest.max(other.latest);
        self.last = self.last.max(other.last);
        self.until = self.until.max(other.until);
        self.failures = self.failures.max(other.failures);
        self.locks = self.locks.max(other.locks);
    }

    /// When failures, or locks, count no more.
    fn forgotten_at(&self, first: i64) -> i64 {
        if self.locks > 0 {
            self.last.max(self.until).saturating_add(FORGOTTEN_MS)
        } else {
            self.last.saturating_add(first)
        }
    }
}

/// How long the `nth` lock in a row lasts.
fn length(first: i64, most: i64, nth: u8) -> i64 {
    let doubled = 1_i64.checked_shl(u32::from(nth.saturating_sub(1))).filter(|factor| *factor > 0);
    doubled.map_or(i64::MAX, |factor| first.saturating_mul(factor)).min(most.max(first))
}
