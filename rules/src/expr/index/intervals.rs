//! Many sets of addresses in one sorted row of intervals, so that one search finds all sets with an address.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::RangeInclusive;

/// How many entries the intervals may have together. Sets that overlap in many ways are not worth more.
const MOST: usize = 1 << 20;

/// Intervals, each with what is said of its addresses.
#[derive(Debug)]
pub(super) struct Intervals {
    /// Where each interval begins, in order, and which of `sets` it has.
    starts: Vec<(u128, u32)>,
    sets: Vec<Box<[u32]>>,
}

/// An address as one number; IPv4 as it stands within IPv6.
fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_ipv6_mapped()),
        IpAddr::V6(address) => u128::from(address),
    }
}

impl Intervals {
    /// What is said of which ranges; nothing, if they overlap too much.
    pub(super) fn new<'r>(
        said: impl Iterator<Item = (&'r [RangeInclusive<IpAddr>], &'r [u32])>,
    ) -> Option<Self> {
        // At each place: what begins there, and what ended just before.
        let mut turns: BTreeMap<u128, Vec<(bool, u32)>> = BTreeMap::new();
        for (ranges, ids) in said {
            for range in ranges {
                let (from, to) = (number(*range.start()), number(*range.end()));
                turns.entry(from).or_default().extend(ids.iter().map(|id| (true, *id)));
                if let Some(next) = to.checked_add(1) {
                    turns.entry(next).or_default().extend(ids.iter().map(|id| (false, *id)));
                }
            }
        }
        let (mut starts, mut sets, mut size) = (Vec::new(), Vec::new(), 0);
        let mut known: BTreeMap<Box<[u32]>, u32> = BTreeMap::new();
        // How often each is said: ranges of one set may touch.
        let mut open: BTreeMap<u32, usize> = BTreeMap::new();
        for (at, turned) in turns {
            for (begins, id) in turned {
                let times = open.entry(id).or_insert(0);
                *times = if begins { *times + 1 } else { times.saturating_sub(1) };
                if *times == 0 {
                    open.remove(&id);
                }
            }
            let set: Box<[u32]> = open.keys().copied().collect();
            let place = if let Some(place) = known.get(&set) {
                *place
            } else {
                size += set.len();
                let place = u32::try_from(sets.len()).ok()?;
                sets.push(set.clone());
                known.insert(set, place);
                place
            };
            if size > MOST {
                return None;
            }
            starts.push((at, place));
        }
        Some(Self { starts, sets })
    }

    /// What is said of an address.
    pub(super) fn find(&self, address: IpAddr) -> &[u32] {
        let address = number(address.to_canonical());
        let after = self.starts.partition_point(|(from, _)| *from <= address);
        let found = after.checked_sub(1).and_then(|last| self.starts.get(last));
        let set = found.and_then(|(_, set)| self.sets.get(usize::try_from(*set).ok()?));
        set.map_or(&[], |set| set)
    }
}
