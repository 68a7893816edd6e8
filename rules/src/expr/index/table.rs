//! What is asked of the values at one place, all together.

use std::collections::HashMap;
use std::net::IpAddr;

use super::Candidates;
use super::intervals::Intervals;
use super::need::Ask;
use super::scan::{Part, Scan};

/// Conditions by what they need of one value.
#[derive(Debug, Default)]
pub(super) struct Table {
    exactly: HashMap<Box<[u8]>, Box<[u32]>>,
    /// A bit for each length that a text of `exactly` has: most values are told by it alone.
    lengths: u64,
    parts: Option<Scan>,
    numbers: HashMap<i64, Box<[u32]>>,
    flags: [Box<[u32]>; 2],
    within: Option<Intervals>,
}

/// The bit of a length; all from 63 on share one.
fn length(text: &[u8]) -> u64 {
    1 << text.len().min(63)
}

impl Table {
    /// A table for what is asked, and who asks what cannot be looked up.
    pub(super) fn new(asks: HashMap<Ask, Vec<u32>>) -> (Self, Vec<u32>) {
        let (mut table, mut left) = (Self::default(), Vec::new());
        let (mut parts, mut ranges) = (Vec::new(), Vec::new());
        for (ask, needed_by) in asks {
            match ask {
                Ask::Exactly(text) => {
                    table.lengths |= length(&text);
                    table.exactly.insert(text, needed_by.into());
                }
                Ask::Holds { part: text, start, end } => {
                    parts.push(Part { text, start, end, needed_by: needed_by.into() });
                }
                Ask::Number(number) => {
                    table.numbers.insert(number, needed_by.into());
                }
                Ask::Flag(flag) => {
                    let [no, yes] = &mut table.flags;
                    *(if flag { yes } else { no }) = needed_by.into();
                }
                Ask::Within(range) => ranges.push((range, needed_by)),
            }
        }
        if !parts.is_empty() {
            table.parts = Scan::new(parts).map_err(|needed_by| left.extend(needed_by)).ok();
        }
        if !ranges.is_empty() {
            table.within = Intervals::new(ranges.iter().map(|(range, ids)| (range.as_ref(), ids.as_slice())));
            if table.within.is_none() {
                left.extend(ranges.into_iter().flat_map(|(_, needed_by)| needed_by));
            }
        }
        (table, left)
    }

    pub(super) fn text(&self, text: &[u8], out: &mut Candidates) {
        if self.lengths & length(text) != 0
            && let Some(needed_by) = self.exactly.get(text)
        {
            out.add(needed_by);
        }
        if let Some(parts) = &self.parts {
            parts.find(text, out);
        }
    }

    pub(super) fn number(&self, number: i64) -> &[u32] {
        self.numbers.get(&number).map_or(&[], |needed_by| needed_by)
    }

    pub(super) fn flag(&self, flag: bool) -> &[u32] {
        let [no, yes] = &self.flags;
        if flag { yes } else { no }
    }

    pub(super) fn address(&self, address: IpAddr) -> &[u32] {
        self.within.as_ref().map_or(&[], |within| within.find(address))
    }
}
