//! Which of many conditions can hold at all: a request is asked a few facts once rather than once a condition.
//!
//! Most rules need a fact that few requests have, such as a path that begins in some way. [`Index`] gathers these
//! facts from the conditions and looks them up together: texts in a table, parts of texts in one pass over the
//! value, addresses in one search. So what a request costs grows with the conditions that may hold, and not with all.

use std::collections::HashMap;
use std::ops::ControlFlow::Continue;

use super::Condition;
use super::facts::Facts;
use super::value::Value;

use self::need::{Ask, Fact, Need, Place};
use self::table::Table;

mod choice;
mod intervals;
mod literals;
mod need;
mod scan;
mod table;

#[cfg(test)]
mod tests;

/// Conditions, by what must be so for each to hold.
#[derive(Debug)]
pub struct Index {
    /// The conditions of which nothing is known.
    always: Box<[u64]>,
    tables: Box<[(Place, Table)]>,
}

/// Which conditions may hold, by their places. Kept from one request to the next, it needs no memory anew.
#[derive(Clone, Debug, Default)]
pub struct Candidates {
    words: Vec<u64>,
}

/// How many conditions a word tells of.
const WORD: usize = u64::BITS as usize;

impl Candidates {
    /// The places of the conditions that may hold, in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = usize> {
        self.words.iter().enumerate().flat_map(|(index, word)| {
            let mut left = *word;
            std::iter::from_fn(move || {
                let bit = left.trailing_zeros();
                left &= left.checked_sub(1)?;
                Some(index * WORD + bit as usize)
            })
        })
    }

    /// The first of them at `from` or behind it.
    pub fn next(&self, from: usize) -> Option<usize> {
        let (first, bit) = (from / WORD, from % WORD);
        let within = self.words.get(first).map(|word| *word & (u64::MAX << bit)).filter(|word| *word != 0);
        if let Some(word) = within {
            return Some(first * WORD + word.trailing_zeros() as usize);
        }
        let mut later = self.words.iter().enumerate().skip(first + 1);
        later.find(|(_, word)| **word != 0).map(|(index, word)| index * WORD + word.trailing_zeros() as usize)
    }

    fn add(&mut self, places: &[u32]) {
        for place in places {
            let place = *place as usize;
            if let Some(word) = self.words.get_mut(place / WORD) {
                *word |= 1 << (place % WORD);
            }
        }
    }
}

impl Index {
    /// An index of some conditions; the first has place 0.
    pub fn new<'c>(conditions: impl IntoIterator<Item = &'c Condition>) -> Self {
        Self::of(conditions.into_iter().map(|condition| (condition, false)))
    }

    /// The same; those that are so marked are always candidates.
    pub fn of<'c>(conditions: impl IntoIterator<Item = (&'c Condition, bool)>) -> Self {
        let need = |(condition, always): (&Condition, bool)| {
            if always { Need::Unknown } else { need::of(&condition.test) }
        };
        let needs: Vec<Need> = conditions.into_iter().map(need).collect();
        let mut always = Candidates { words: vec![0; needs.len().div_ceil(WORD)] };
        let mut places: HashMap<Place, usize> = HashMap::new();
        let mut wanted: Vec<(Place, HashMap<Ask, Vec<u32>>)> = Vec::new();
        for (id, chosen) in (0..).zip(choice::of(&needs)) {
            let Some(facts) = chosen else {
                always.add(&[id]);
                continue;
            };
            for Fact { place, ask } in facts {
                let at = *places.entry(place.clone()).or_insert_with(|| {
                    wanted.push((place, HashMap::new()));
                    wanted.len() - 1
                });
                if let Some((_, asks)) = wanted.get_mut(at) {
                    asks.entry(ask).or_default().push(id);
                }
            }
        }
        let mut tables = Vec::new();
        for (place, asks) in wanted {
            let (table, left) = Table::new(asks);
            always.add(&left);
            tables.push((place, table));
        }
        Self { always: always.words.into(), tables: tables.into() }
    }

    /// Finds the conditions that may hold of a request: all that do, and some that do not.
    pub fn candidates(&self, facts: &Facts<'_>, out: &mut Candidates) {
        out.words.clear();
        out.words.extend_from_slice(&self.always);
        for (place, table) in &self.tables {
            match place {
                Place::Field(field) => {
                    if let Some(value) = facts.one(*field) {
                        table.look_up(&value, out);
                    }
                }
                Place::Header(map, name) => {
                    facts.header_values(*map, name, &mut |value| {
                        if let Some(value) = value {
                            table.look_up(&value, out);
                        }
                        Continue(())
                    });
                }
            }
        }
    }
}

impl Table {
    fn look_up(&self, value: &Value<'_>, out: &mut Candidates) {
        match value {
            Value::Text(text) => self.text(text, out),
            Value::Integer(number) => out.add(self.number(*number)),
            Value::Address(address) => out.add(self.address(*address)),
            Value::Flag(flag) => out.add(self.flag(*flag)),
        }
    }
}
