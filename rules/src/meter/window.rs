//! A sliding window, and the penalty of who wanted more than it holds.

use super::log::Log;
use super::{Full, Rest, Standing, load, until};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Window {
    /// The time that counted last.
    pub(super) latest: i64,
    /// The last moment of the penalty.
    pub(super) until: i64,
    /// What was counted within the window before `latest`.
    pub(super) log: Log,
}

impl Default for Window {
    fn default() -> Self {
        Self { latest: i64::MIN, until: i64::MIN, log: Log::default() }
    }
}

impl Window {
    /// Lets go of what left the window by `now`.
    pub(super) fn settle(&mut self, window: i64, now: i64) {
        let (now, went_back) = super::settle(self.latest, now);
        if went_back {
            // The penalty's length from now on; without knowing it, what is left of it is the best guess.
            let left = self.until.saturating_sub(self.latest);
            self.until = self.until.min(now.saturating_add(left.max(0)));
        }
        self.log.settle(self.latest, now, window);
        self.latest = now;
    }

    pub(super) fn ask(&mut self, max: u32, window: i64, penalty: i64, cost: u32) -> Result<Standing, Full> {
        let standing = self.standing(max, window);
        let fits = self.log.count().checked_add(cost).is_some_and(|count| count <= max);
        let is_punished = self.is_punished();
        if fits && !is_punished {
            return Ok(standing);
        }
        if !is_punished && penalty > 0 {
            self.until = self.latest.saturating_add(penalty);
        }
        let room = self.room_at(max, window, cost);
        let end = if self.is_punished() { self.until.saturating_add(1) } else { i64::MIN };
        Err(Full {
            standing: self.standing(max, window),
            retry_after_ms: until(self.latest, room.max(end)).max(1),
        })
    }

    /// Counts at the time that counted last.
    pub(super) fn add(&mut self, max: u32, window: i64, cost: u32) {
        self.log.add(self.latest, max, window, cost);
    }

    /// Begins the penalty if there is more than the window may hold.
    pub(super) fn punish(&mut self, max: u32, penalty: i64) {
        if penalty > 0 && !self.is_punished() && self.log.count() > max {
            self.until = self.latest.saturating_add(penalty);
        }
    }

    pub(super) fn standing(&self, max: u32, window: i64) -> Standing {
        let remaining = if self.is_punished() { 0 } else { max.saturating_sub(self.log.count()) };
        Standing { limit: max, remaining, reset_ms: until(self.latest, self.full_at(window)) }
    }

    pub(super) fn rest(&self, max: u32, window: i64) -> Rest {
        let (is_punished, count) = (self.is_punished(), self.log.count());
        let end = if is_punished { self.until.saturating_add(1) } else { i64::MIN };
        let room = if count >= max { self.room_at(max, window, 1) } else { i64::MIN };
        Rest {
            full_at_ms: self.full_at(window),
            held_until_ms: room.max(end),
            load: if is_punished { u8::MAX } else { load(count, max) },
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        let latest = self.latest.max(other.latest);
        self.until = self.until.max(other.until);
        self.log.merge(self.latest, &other.log, other.latest, latest);
        self.latest = latest;
    }

    fn is_punished(&self) -> bool {
        self.latest <= self.until
    }

    fn full_at(&self, window: i64) -> i64 {
        let empty = self.log.last(self.latest).map_or(i64::MIN, |last| last.saturating_add(window));
        if self.is_punished() { empty.max(self.until.saturating_add(1)) } else { empty }
    }

    /// When the window holds `cost` more, the penalty aside.
    fn room_at(&self, max: u32, window: i64, cost: u32) -> i64 {
        if cost > max {
            return self.latest.saturating_add(window);
        }
        let leaving = self.log.count().saturating_sub(max - cost);
        self.log.nth(self.latest, leaving).map_or(i64::MIN, |last| last.saturating_add(window))
    }
}
