//! What must be so of a request for a condition to hold: facts that can be looked up for many conditions at once.

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;

use http::HeaderName;

use super::super::fields::{Field, MapField};
use super::super::matcher::{AddressCheck, Check, IntegerCheck, TextCheck};
use super::super::program::{Call, Each, ListNode, Node, Test};
use super::super::syntax::{Literal, Order};
use super::super::wildcard::Wildcard;
use super::literals;
use crate::lists::{AddressSet, List};

/// How many facts a condition may have looked up, one of which must be so.
const MOST: usize = 4096;
/// How many numbers a range may have to be looked up one by one.
const WIDEST: i64 = 64;
/// How long a part of a text must be to tell anything.
const SHORTEST: usize = 2;

/// Where a fact is looked up.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Place {
    Field(Field),
    Header(MapField, HeaderName),
}

/// A fact about one value.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Ask {
    /// It is this text.
    Exactly(Box<[u8]>),
    /// This is part of it, whatever the letters' case; at its start or end, where that is said.
    Holds {
        part: Box<[u8]>,
        start: bool,
        end: bool,
    },
    Number(i64),
    Flag(bool),
    Within(Arc<[RangeInclusive<IpAddr>]>),
}

/// A fact about a request.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Fact {
    pub place: Place,
    pub ask: Ask,
}

/// What must be so.
#[derive(Debug)]
pub(super) enum Need {
    /// One of these; none can be, if there are none.
    OneOf(Vec<Fact>),
    /// All of these, so that any one of them will do.
    Every(Vec<Need>),
    /// One of these.
    Either(Vec<Need>),
    /// Nothing that could be looked up.
    Unknown,
}

/// What must be so for `test` to be true.
pub(super) fn of(test: &Test) -> Need {
    match test {
        Test::Constant(false) => Need::OneOf(Vec::new()),
        Test::Constant(true) | Test::All(_) => Need::Unknown,
        Test::Not(test) => of_not(test),
        Test::And(tests) => Need::Every(tests.iter().map(of).collect()),
        // An odd number of true ones is at least one.
        Test::Or(tests) | Test::Xor(tests) => Need::Either(tests.iter().map(of).collect()),
        Test::Is(node, check) => of_value(node, check),
        Test::Any(each) => of_each(each),
    }
}

/// What must be so for `test` to be false.
fn of_not(test: &Test) -> Need {
    match test {
        Test::Constant(constant) => of(&Test::Constant(!constant)),
        Test::Not(test) => of(test),
        Test::And(tests) => Need::Either(tests.iter().map(of_not).collect()),
        Test::Or(tests) => Need::Every(tests.iter().map(of_not).collect()),
        Test::Is(Node::Field(field @ Field::Secure), Check::Flag) => {
            one(Place::Field(*field), Ask::Flag(false))
        }
        Test::Is(..) | Test::Xor(_) | Test::Any(_) | Test::All(_) => Need::Unknown,
    }
}

fn of_each(each: &Each) -> Need {
    match each {
        Each::Is(list, check) => of_list(list, check),
        Each::And(parts) => Need::Every(parts.iter().map(of_each).collect()),
        Each::Or(parts) | Each::Xor(parts) => Need::Either(parts.iter().map(of_each).collect()),
        Each::Not(_) => Need::Unknown,
    }
}

fn of_list(list: &ListNode, check: &Check) -> Need {
    match list {
        ListNode::Header(map, name) => asked(&Place::Header(*map, name.clone()), check, false),
        ListNode::Missing => Need::OneOf(Vec::new()),
        ListNode::Mapped(list, call) => match (list.as_ref(), call.as_ref(), check) {
            (ListNode::Header(map, name), Call::Lower(Node::Given) | Call::Upper(Node::Given), _) => {
                asked(&Place::Header(*map, name.clone()), check, true)
            }
            (ListNode::Header(map, name), call, Check::Flag) => of_call(call, &|node| {
                matches!(node, Node::Given).then(|| (Place::Header(*map, name.clone()), false))
            }),
            _ => Need::Unknown,
        },
        _ => Need::Unknown,
    }
}

fn of_value(node: &Node, check: &Check) -> Need {
    if let Some((place, cased)) = place(node) {
        return asked(&place, check, cased);
    }
    match (node, check) {
        (Node::Item(list, _), _) => of_list(list, check),
        (Node::Call(call), Check::Flag) => of_call(call, &place),
        _ => Need::Unknown,
    }
}

/// Where a value is looked up, and whether its letters' case was changed.
fn place(node: &Node) -> Option<(Place, bool)> {
    match node {
        Node::Field(field) => Some((Place::Field(*field), false)),
        Node::Item(list, _) => match list.as_ref() {
            ListNode::Header(map, name) => Some((Place::Header(*map, name.clone()), false)),
            _ => None,
        },
        Node::Call(call) => match call.as_ref() {
            Call::Lower(of) | Call::Upper(of) => place(of).map(|(place, _)| (place, true)),
            _ => None,
        },
        Node::Literal(_) | Node::Constant(_) | Node::Given => None,
    }
}

fn of_call(call: &Call, place: &dyn Fn(&Node) -> Option<(Place, bool)>) -> Need {
    let (of, part, start) = match call {
        Call::StartsWith(of, Node::Literal(Literal::Text(part))) => (of, part, true),
        Call::EndsWith(of, Node::Literal(Literal::Text(part))) => (of, part, false),
        _ => return Need::Unknown,
    };
    place(of).map_or(Need::Unknown, |(place, _)| holds(&place, part, start, !start))
}

/// What a check asks of the values at a place.
fn asked(place: &Place, check: &Check, cased: bool) -> Need {
    match check {
        Check::Flag => one(place.clone(), Ask::Flag(true)),
        Check::Text(check) => of_text(place, check, cased),
        Check::Integer(IntegerCheck::Order(Order::Equal, number)) => one(place.clone(), Ask::Number(*number)),
        Check::Integer(IntegerCheck::Among(set)) => {
            let narrow =
                set.ranges().iter().all(|(from, to)| to.checked_sub(*from).is_some_and(|wide| wide < WIDEST));
            if !narrow {
                return Need::Unknown;
            }
            let numbers = set.ranges().iter().flat_map(|(from, to)| *from..=*to);
            one_of(place, numbers.map(Ask::Number))
        }
        Check::Integer(IntegerCheck::Listed(list)) => match list.as_ref() {
            List::Numbers(numbers) => one_of(place, numbers.iter().copied().map(Ask::Number)),
            List::Addresses(_) | List::Words(_) | List::Hosts(_) => Need::Unknown,
        },
        Check::Address(AddressCheck::Is(address)) => {
            one(place.clone(), Ask::Within([*address..=*address].into()))
        }
        Check::Address(AddressCheck::Among(set)) => within(place, set),
        Check::Address(AddressCheck::Listed(list)) => match list.as_ref() {
            List::Addresses(set) => within(place, set),
            List::Words(_) | List::Hosts(_) | List::Numbers(_) => Need::Unknown,
        },
        Check::Integer(IntegerCheck::Order(..) | IntegerCheck::Bits(_))
        | Check::Address(AddressCheck::IsNot(_)) => Need::Unknown,
    }
}

fn within(place: &Place, set: &AddressSet) -> Need {
    if set.is_empty() {
        return Need::OneOf(Vec::new());
    }
    one(place.clone(), Ask::Within(set.ranges().collect()))
}

fn one(place: Place, ask: Ask) -> Need {
    Need::OneOf(vec![Fact { place, ask }])
}

fn one_of(place: &Place, asks: impl Iterator<Item = Ask>) -> Need {
    let facts: Vec<Fact> = asks.take(MOST + 1).map(|ask| Fact { place: place.clone(), ask }).collect();
    if facts.len() > MOST { Need::Unknown } else { Need::OneOf(facts) }
}

fn holds(place: &Place, part: &[u8], start: bool, end: bool) -> Need {
    // Even nothing tells something, if it is all there is.
    if part.len() < SHORTEST && !(start && end) {
        return Need::Unknown;
    }
    one(place.clone(), Ask::Holds { part: part.to_ascii_lowercase().into(), start, end })
}

fn of_text(place: &Place, check: &TextCheck, cased: bool) -> Need {
    let exactly = |text: &[u8]| {
        if cased {
            Ask::Holds { part: text.to_ascii_lowercase().into(), start: true, end: true }
        } else {
            Ask::Exactly(text.into())
        }
    };
    match check {
        TextCheck::Order(Order::Equal, text) => one(place.clone(), exactly(text)),
        TextCheck::Order(..) => Need::Unknown,
        TextCheck::Among(set) => one_of(place, set.iter().map(exactly)),
        TextCheck::Listed(list) => match list.as_ref() {
            List::Words(words) => one_of(place, words.iter().map(|word| exactly(word.as_bytes()))),
            List::Hosts(hosts) => one_of(
                place,
                hosts.iter().map(|host| match host.strip_prefix('*') {
                    Some(domain) => Ask::Holds {
                        part: domain.to_ascii_lowercase().into_bytes().into(),
                        start: false,
                        end: true,
                    },
                    None => exactly(host.as_bytes()),
                }),
            ),
            List::Addresses(_) | List::Numbers(_) => Need::Unknown,
        },
        TextCheck::Contains(finder) => holds(place, finder.needle(), false, false),
        TextCheck::Wildcard(wildcard) => of_wildcard(place, wildcard),
        TextCheck::Matches(regex) => match literals::required(regex.as_str()) {
            Some(parts) if parts.iter().all(|part| part.len() >= SHORTEST) => {
                let ask = |part: Vec<u8>| Ask::Holds {
                    part: part.to_ascii_lowercase().into(),
                    start: false,
                    end: false,
                };
                one_of(place, parts.into_iter().map(ask))
            }
            _ => Need::Unknown,
        },
    }
}

fn of_wildcard(place: &Place, wildcard: &Wildcard) -> Need {
    let Some(suffix) = wildcard.suffix() else { return holds(place, wildcard.prefix(), true, true) };
    let ends = [holds(place, wildcard.prefix(), true, false), holds(place, suffix, false, true)];
    let middle = wildcard.middle().map(|part| holds(place, part, false, false));
    Need::Every(ends.into_iter().chain(middle).collect())
}
