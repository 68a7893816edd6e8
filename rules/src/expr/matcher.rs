//! What is asked of one value, compiled: comparisons, sets, patterns.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;

use memchr::memmem::Finder;
use regex::bytes::Regex;

use super::syntax::Order;
use super::value::Value;
use super::wildcard::Wildcard;
use crate::lists::{AddressSet, List};

/// What is asked of a value. A value of another kind answers no, and so does a missing one.
#[derive(Debug)]
pub(super) enum Check {
    /// Whether it is true.
    Flag,
    Text(TextCheck),
    Integer(IntegerCheck),
    Address(AddressCheck),
}

#[derive(Debug)]
pub(super) enum TextCheck {
    Order(Order, Box<[u8]>),
    Contains(Box<Finder<'static>>),
    Matches(Box<Regex>),
    Wildcard(Box<Wildcard>),
    Among(TextSet),
    Listed(Arc<List>),
}

#[derive(Debug)]
pub(super) enum IntegerCheck {
    Order(Order, i64),
    Bits(i64),
    Among(IntegerSet),
    Listed(Arc<List>),
}

#[derive(Debug)]
pub(super) enum AddressCheck {
    Is(IpAddr),
    IsNot(IpAddr),
    Among(AddressSet),
    Listed(Arc<List>),
}

impl Check {
    pub(super) fn holds(&self, value: &Value<'_>) -> bool {
        match (self, value) {
            (Self::Flag, Value::Flag(flag)) => *flag,
            (Self::Text(check), Value::Text(text)) => check.holds(text),
            (Self::Integer(check), Value::Integer(integer)) => check.holds(*integer),
            (Self::Address(check), Value::Address(address)) => check.holds(*address),
            _ => false,
        }
    }

    /// What it costs beside others: a byte comparison is 1.
    pub(super) fn cost(&self) -> u32 {
        match self {
            Self::Flag | Self::Integer(_) => 1,
            Self::Address(AddressCheck::Is(_) | AddressCheck::IsNot(_))
            | Self::Text(TextCheck::Order(..)) => 2,
            Self::Address(_) => 6,
            Self::Text(TextCheck::Among(_) | TextCheck::Listed(_)) => 8,
            Self::Text(TextCheck::Contains(_)) => 12,
            Self::Text(TextCheck::Wildcard(_)) => 15,
            Self::Text(TextCheck::Matches(_)) => 60,
        }
    }
}

impl Order {
    pub(super) fn holds<T: Ord + ?Sized>(self, left: &T, right: &T) -> bool {
        let found = left.cmp(right);
        match self {
            Self::Equal => found.is_eq(),
            Self::Unequal => found.is_ne(),
            Self::Less => found.is_lt(),
            Self::LessOrEqual => found.is_le(),
            Self::Greater => found.is_gt(),
            Self::GreaterOrEqual => found.is_ge(),
        }
    }
}

impl TextCheck {
    fn holds(&self, text: &[u8]) -> bool {
        match self {
            // Not by order: different lengths are different at once.
            Self::Order(Order::Equal, other) => text == other.as_ref(),
            Self::Order(Order::Unequal, other) => text != other.as_ref(),
            Self::Order(order, other) => order.holds(text, other.as_ref()),
            Self::Contains(finder) => finder.find(text).is_some(),
            Self::Matches(regex) => regex.is_match(text),
            Self::Wildcard(wildcard) => wildcard.is_match(text),
            Self::Among(set) => set.contains(text),
            Self::Listed(list) => std::str::from_utf8(text).is_ok_and(|text| match list.as_ref() {
                List::Words(words) => words.contains(text),
                List::Hosts(hosts) => is_host_of(hosts, text),
                List::Addresses(_) | List::Numbers(_) => false,
            }),
        }
    }
}

/// The longest host name (RFC 1035, section 2.3.4).
const LONGEST_HOST: usize = 255;

/// Whether `host` or, with a star, a domain above it is one of `hosts`.
fn is_host_of(hosts: &BTreeSet<String>, host: &str) -> bool {
    if hosts.contains(host) {
        return true;
    }
    // `*` and the part from a dot on, without building a text for each.
    let mut starred = [0; LONGEST_HOST + 1];
    let Some(room) = starred.get_mut(1..=host.len()) else { return false };
    room.copy_from_slice(host.as_bytes());
    let dots = host.bytes().enumerate().filter(|(_, byte)| *byte == b'.');
    for (at, _) in dots {
        if let Some(before) = starred.get_mut(at) {
            *before = b'*';
        }
        let domain = starred.get(at..=host.len()).and_then(|domain| std::str::from_utf8(domain).ok());
        if domain.is_some_and(|domain| hosts.contains(domain)) {
            return true;
        }
    }
    false
}

impl IntegerCheck {
    fn holds(&self, integer: i64) -> bool {
        match self {
            Self::Order(order, other) => order.holds(&integer, other),
            Self::Bits(bits) => integer & bits != 0,
            Self::Among(set) => set.contains(integer),
            Self::Listed(list) => {
                matches!(list.as_ref(), List::Numbers(numbers) if numbers.contains(&integer))
            }
        }
    }
}

impl AddressCheck {
    fn holds(&self, address: IpAddr) -> bool {
        match self {
            Self::Is(other) => address.to_canonical() == *other,
            Self::IsNot(other) => address.to_canonical() != *other,
            Self::Among(set) => set.contains(address),
            Self::Listed(list) => matches!(list.as_ref(), List::Addresses(set) if set.contains(address)),
        }
    }
}

/// Texts, the short ones first, so that a search mostly compares lengths.
#[derive(Debug)]
pub(super) struct TextSet(Box<[Box<[u8]>]>);

impl TextSet {
    pub(super) fn new(texts: impl IntoIterator<Item = Vec<u8>>) -> Self {
        let mut texts: Vec<Box<[u8]>> = texts.into_iter().map(Vec::into_boxed_slice).collect();
        texts.sort_unstable_by(|left, right| (left.len(), left).cmp(&(right.len(), right)));
        texts.dedup();
        Self(texts.into())
    }

    pub(super) fn contains(&self, text: &[u8]) -> bool {
        self.0.binary_search_by(|other| (other.len(), other.as_ref()).cmp(&(text.len(), text))).is_ok()
    }

    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.0.iter().map(AsRef::as_ref)
    }
}

/// Numbers, as sorted ranges that neither touch nor overlap.
#[derive(Debug)]
pub(super) struct IntegerSet(Box<[(i64, i64)]>);

impl IntegerSet {
    pub(super) fn new(ranges: impl IntoIterator<Item = RangeInclusive<i64>>) -> Self {
        let mut ranges: Vec<(i64, i64)> = ranges.into_iter().map(RangeInclusive::into_inner).collect();
        ranges.sort_unstable();
        let mut kept: Vec<(i64, i64)> = Vec::with_capacity(ranges.len());
        for (from, to) in ranges {
            match kept.last_mut() {
                Some((_, end)) if end.checked_add(1).is_none_or(|next| from <= next) => *end = to.max(*end),
                _ => kept.push((from, to)),
            }
        }
        Self(kept.into())
    }

    /// Its ranges in order, both ends included.
    pub(super) fn ranges(&self) -> &[(i64, i64)] {
        &self.0
    }

    pub(super) fn contains(&self, integer: i64) -> bool {
        let after = self.0.partition_point(|(from, _)| *from <= integer);
        after.checked_sub(1).and_then(|last| self.0.get(last)).is_some_and(|(_, to)| integer <= *to)
    }
}
