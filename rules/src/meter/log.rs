//! When a window's units were counted: each by itself where there are few, in runs where there are many.
//!
//! A time is kept as its lower 32 bits and read as the last such time before `latest`, which is never as much as 2³² ms
//! later. A million counters live on that.

use std::collections::VecDeque;

/// Up to so many units in a window, each is kept by itself.
const MOST_EXACT: u32 = 128;
/// A run is shorter than this part of the window. All of it counts until its last unit leaves, so a window holds less than
/// one in 256 too few, and never one too many.
const RUNS: i64 = 256;
/// Times that need no memory of their own.
const FEW: usize = 7;
/// The same as a count of units. A window of many keeps so few each by itself too.
const FEW_UNITS: u32 = 7;

/// What is counted. The methods take the time that counted last, to which the kept ones refer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Log {
    /// The first `len` of these.
    Few { len: u8, times: [u32; FEW] },
    /// More.
    #[expect(clippy::box_collection, reason = "a million counters pay for each byte of the largest variant")]
    Exact(Box<VecDeque<u32>>),
    /// For windows of many.
    Runs(Box<Runs>),
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Runs {
    /// When the newest run began.
    pub(super) began: i64,
    /// All of the runs' counts.
    pub(super) total: u32,
    pub(super) list: VecDeque<Run>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    /// When its last unit was counted.
    pub(super) last: u32,
    pub(super) count: u32,
}

impl Default for Log {
    fn default() -> Self {
        Self::Few { len: 0, times: [0; FEW] }
    }
}

impl Log {
    pub(super) fn count(&self) -> u32 {
        match self {
            Self::Few { len, .. } => u32::from(*len),
            Self::Exact(times) => u32::try_from(times.len()).unwrap_or(u32::MAX),
            Self::Runs(runs) => runs.total,
        }
    }

    /// When the last unit was counted.
    pub(super) fn last(&self, latest: i64) -> Option<i64> {
        let last = match self {
            Self::Few { .. } => self.few().last().copied(),
            Self::Exact(times) => times.back().copied(),
            Self::Runs(runs) => runs.list.back().map(|run| run.last),
        };
        last.map(|time| whole(latest, time))
    }

    /// With the time when the oldest `count` units are counted out of the window, that window's length before.
    pub(super) fn nth(&self, latest: i64, count: u32) -> Option<i64> {
        let index = usize::try_from(count.checked_sub(1)?).ok()?;
        let time = match self {
            Self::Few { .. } => self.few().get(index).copied(),
            Self::Exact(times) => times.get(index).copied(),
            Self::Runs(runs) => {
                let mut sum = 0_u32;
                let reached = |run: &&Run| {
                    sum = sum.saturating_add(run.count);
                    sum >= count
                };
                runs.list.iter().find(reached).map(|run| run.last)
            }
        };
        time.map(|time| whole(latest, time))
    }

    /// Drops what left the window by `now`, and has nothing lie in the future.
    pub(super) fn settle(&mut self, latest: i64, now: i64, window: i64) {
        let left = |time: u32| whole(latest, time).saturating_add(window) <= now;
        match self {
            Self::Few { len, times } => {
                let gone = kept(*len, times).iter().take_while(|time| left(**time)).count();
                drop_oldest(len, times, gone);
            }
            Self::Exact(times) => {
                while times.front().is_some_and(|time| left(*time)) {
                    times.pop_front();
                }
            }
            Self::Runs(runs) => {
                while let Some(run) = runs.list.front().filter(|run| left(run.last)) {
                    runs.total = runs.total.saturating_sub(run.count);
                    runs.list.pop_front();
                }
            }
        }
        if self.count() == 0 {
            *self = Self::default();
        } else if now < latest {
            self.turn_back(latest, now);
        }
    }

    /// Has nothing lie after `now`.
    fn turn_back(&mut self, latest: i64, now: i64) {
        let at = low(now);
        let earlier = |time: &mut u32| {
            if whole(latest, *time) > now {
                *time = at;
            }
        };
        match self {
            Self::Few { len, times } => times.iter_mut().take(usize::from(*len)).for_each(earlier),
            Self::Exact(times) => times.iter_mut().for_each(earlier),
            Self::Runs(runs) => {
                runs.began = runs.began.min(now);
                runs.list.iter_mut().map(|run| &mut run.last).for_each(earlier);
            }
        }
    }

    /// Counts `cost` units at `now`. Of more than `max` + 1, the newest are kept: no more is needed to say no.
    pub(super) fn add(&mut self, now: i64, max: u32, window: i64, cost: u32) {
        let most = max.saturating_add(1);
        let cost = cost.min(most);
        let fits = matches!(self, Self::Few { len, .. } if u32::from(*len).saturating_add(cost) <= FEW_UNITS);
        if max <= MOST_EXACT || fits {
            self.add_exact(now, most, cost);
        } else if let Self::Runs(runs) = self {
            runs.add(now, window, cost);
            runs.trim(most);
        } else {
            let mut runs = self.runs(now);
            runs.add(now, window, cost);
            runs.trim(most);
            *self = Self::Runs(Box::new(runs));
        }
    }

    fn add_exact(&mut self, now: i64, most: u32, cost: u32) {
        if let Self::Runs(runs) = self {
            *self = runs.exact(most);
        }
        for _ in 0..cost {
            self.push(low(now));
        }
        let over = usize::try_from(self.count().saturating_sub(most)).unwrap_or(0);
        match self {
            Self::Few { len, times } => drop_oldest(len, times, over),
            Self::Exact(times) => drop(times.drain(..over)),
            Self::Runs(_) => {}
        }
    }

    /// Takes in another log, whose times refer to `theirs`; all of them shall refer to `latest` then. What was counted in
    /// the same millisecond in both is the same. Of a run that only one of them continued, the part that both know
    /// counts twice: doubt closes the gate.
    pub(super) fn merge(&mut self, ours: i64, other: &Self, theirs: i64, latest: i64) {
        let (mut left, mut right) = (self.groups(ours), other.groups(theirs));
        let mut all: Vec<(i64, u32)> = Vec::new();
        while let Some(next) = left.front().into_iter().chain(right.front()).map(|(time, _)| *time).min() {
            let mut count = 0;
            for side in [&mut left, &mut right] {
                if let Some((_, more)) = side.pop_front_if(|(time, _)| *time == next) {
                    count = count.max(more);
                }
            }
            if latest.saturating_sub(next) <= i64::from(u32::MAX) {
                all.push((next, count));
            }
        }
        let began = |log: &Self, base: i64| match log {
            Self::Runs(runs) => runs.began,
            _ => log.last(base).unwrap_or(i64::MIN),
        };
        let mut runs = Runs { began: began(self, ours).max(began(other, theirs)), ..Runs::default() };
        for (time, count) in all {
            runs.total = runs.total.saturating_add(count);
            runs.list.push_back(Run { last: low(time), count });
        }
        let is_exact = ![&*self, other].iter().any(|log| matches!(log, Self::Runs(_)));
        *self = if is_exact { runs.exact(MOST_EXACT + 1) } else { Self::Runs(Box::new(runs)) };
    }

    /// The times at which something was counted, in order, and how much.
    fn groups(&self, latest: i64) -> VecDeque<(i64, u32)> {
        let runs = match self {
            Self::Runs(runs) => runs.list.clone(),
            _ => self.runs(latest).list,
        };
        let mut groups: VecDeque<(i64, u32)> = VecDeque::new();
        for Run { last, count } in runs {
            let time = whole(latest, last);
            match groups.back_mut().filter(|group| group.0 == time) {
                Some(group) => group.1 = group.1.saturating_add(count),
                None => groups.push_back((time, count)),
            }
        }
        groups
    }

    /// The kept times, or each run's last.
    pub(super) fn times(&self) -> Vec<u32> {
        match self {
            Self::Few { .. } => self.few().to_vec(),
            Self::Exact(times) => times.iter().copied().collect(),
            Self::Runs(runs) => runs.list.iter().map(|run| run.last).collect(),
        }
    }

    pub(super) fn push(&mut self, time: u32) {
        match self {
            Self::Few { len, times } => {
                if let Some(free) = times.get_mut(usize::from(*len)) {
                    *free = time;
                    *len = len.saturating_add(1);
                } else {
                    let mut more: VecDeque<u32> = times.iter().copied().collect();
                    more.push_back(time);
                    *self = Self::Exact(Box::new(more));
                }
            }
            Self::Exact(times) => times.push_back(time),
            Self::Runs(_) => {}
        }
    }

    fn few(&self) -> &[u32] {
        match self {
            Self::Few { len, times } => kept(*len, times),
            _ => &[],
        }
    }

    /// The log as runs, each unit one of its own.
    fn runs(&self, latest: i64) -> Runs {
        let runs = self.times().into_iter().map(|last| Run { last, count: 1 });
        let began = self.last(latest).unwrap_or(i64::MIN);
        Runs { began, total: self.count(), list: runs.collect() }
    }
}

impl Runs {
    fn add(&mut self, now: i64, window: i64, cost: u32) {
        if cost == 0 {
            return;
        }
        self.total = self.total.saturating_add(cost);
        if let Some(run) = self.list.back_mut().filter(|_| now.saturating_sub(self.began) < window / RUNS) {
            *run = Run { last: low(now), count: run.count.saturating_add(cost) };
        } else {
            self.began = now;
            self.list.push_back(Run { last: low(now), count: cost });
        }
    }

    /// Drops the oldest until `most` units are left.
    fn trim(&mut self, most: u32) {
        let mut over = self.total.saturating_sub(most);
        self.total -= over;
        while let Some(run) = self.list.front_mut().filter(|_| over > 0) {
            let part = over.min(run.count);
            (over, run.count) = (over - part, run.count - part);
            if run.count == 0 {
                self.list.pop_front();
            }
        }
    }

    /// At most the newest `most` units, each by itself.
    fn exact(&self, most: u32) -> Log {
        let mut log = Log::default();
        let mut over = self.total.saturating_sub(most);
        for run in &self.list {
            let part = over.min(run.count);
            over -= part;
            (part..run.count).for_each(|_| log.push(run.last));
        }
        log
    }
}

fn kept(len: u8, times: &[u32; FEW]) -> &[u32] {
    times.get(..usize::from(len)).unwrap_or(times)
}

fn drop_oldest(len: &mut u8, times: &mut [u32; FEW], count: usize) {
    if count > 0 {
        times.rotate_left(count.min(FEW));
        *len = len.saturating_sub(u8::try_from(count).unwrap_or(u8::MAX));
        // Equal logs look alike.
        times.iter_mut().skip(usize::from(*len)).for_each(|time| *time = 0);
    }
}

/// The last time up to `latest` that ends in these 32 bits.
pub(super) fn whole(latest: i64, time: u32) -> i64 {
    latest.saturating_sub(i64::from(low(latest).wrapping_sub(time)))
}

pub(super) fn low(time: i64) -> u32 {
    u32::try_from(time & i64::from(u32::MAX)).unwrap_or(0)
}
