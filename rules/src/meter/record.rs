//! A counter as bytes, for keeping it on disk.

use std::collections::VecDeque;

use super::bucket::Bucket;
use super::lock::Lock;
use super::log::{Log, Run, Runs, whole};
use super::window::Window;
use super::{Counter, State};

const EXACT: u8 = 1;
const RUNS: u8 = 2;
const BUCKET: u8 = 3;
const LOCK: u8 = 4;
/// The most times or runs that a record may have: a log has fewer.
const MOST: u16 = 1024;

impl Counter {
    /// The state as bytes, to be read with [`Counter::from_bytes`]. Nothing of a counter of what goes on at the same time:
    /// after a restart, nothing goes on.
    pub fn to_bytes(&self) -> Option<Vec<u8>> {
        let mut out = Vec::with_capacity(64);
        match &self.0 {
            State::Fresh | State::Concurrent(_) => return None,
            State::Window(Window { latest, until, log }) => {
                out.push(if matches!(log, Log::Runs(_)) { RUNS } else { EXACT });
                out.extend(latest.to_le_bytes());
                out.extend(until.to_le_bytes());
                let times = log.times();
                out.extend(u16::try_from(times.len()).ok().filter(|count| *count <= MOST)?.to_le_bytes());
                if let Log::Runs(runs) = log {
                    out.extend(runs.began.to_le_bytes());
                    out.extend(
                        runs.list.iter().flat_map(|run| [run.last, run.count]).flat_map(u32::to_le_bytes),
                    );
                } else {
                    out.extend(times.into_iter().flat_map(u32::to_le_bytes));
                }
            }
            State::Bucket(Bucket { latest, level, unit, rate }) => {
                out.push(BUCKET);
                out.extend(latest.to_le_bytes());
                out.extend(level.to_le_bytes());
                out.extend(unit.to_le_bytes());
                out.extend(rate.to_le_bytes());
            }
            State::Lock(Lock { latest, last, until, failures, locks }) => {
                out.push(LOCK);
                for time in [latest, last, until] {
                    out.extend(time.to_le_bytes());
                }
                out.extend(failures.to_le_bytes());
                out.push(*locks);
            }
        }
        Some(out)
    }

    /// The state of [`Counter::to_bytes`]; nothing if these are other bytes.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut rest = Reading(bytes);
        let state = match rest.byte()? {
            kind @ (EXACT | RUNS) => {
                let (latest, until) = (rest.time()?, rest.time()?);
                let count = rest.take().map(u16::from_le_bytes).filter(|count| *count <= MOST)?;
                let log = if kind == RUNS { rest.runs(count)? } else { rest.exact(latest, count)? };
                State::Window(Window { latest, until, log })
            }
            BUCKET => State::Bucket(Bucket {
                latest: rest.time()?,
                level: rest.take().map(u64::from_le_bytes)?,
                unit: rest.number().filter(|unit| *unit > 0)?,
                rate: rest.number()?,
            }),
            LOCK => State::Lock(Lock {
                latest: rest.time()?,
                last: rest.time()?,
                until: rest.time()?,
                failures: rest.number()?,
                locks: rest.byte()?,
            }),
            _ => return None,
        };
        rest.0.is_empty().then_some(Self(state))
    }
}

/// What is still to be read.
struct Reading<'a>(&'a [u8]);

impl Reading<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take::<1>().map(|[byte]| byte)
    }

    fn number(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    fn time(&mut self) -> Option<i64> {
        self.take().map(i64::from_le_bytes)
    }

    fn exact(&mut self, latest: i64, count: u16) -> Option<Log> {
        let mut log = Log::default();
        let mut before = i64::MIN;
        for _ in 0..count {
            let time = self.number()?;
            // Whoever searches in them relies on their order.
            if whole(latest, time) < before {
                return None;
            }
            before = whole(latest, time);
            log.push(time);
        }
        Some(log)
    }

    fn runs(&mut self, count: u16) -> Option<Log> {
        let mut runs = Runs { began: self.time()?, total: 0, list: VecDeque::new() };
        for _ in 0..count {
            let run = Run { last: self.number()?, count: self.number()? };
            runs.total = runs.total.checked_add(run.count)?;
            runs.list.push_back(run);
        }
        Some(Log::Runs(Box::new(runs)))
    }
}
