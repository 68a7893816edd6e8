//! Running a compiled expression: what a node's value is, whether a test holds.

use std::ops::ControlFlow::{self, Break, Continue};

use super::super::facts::{Facts, Visit};
use super::super::matcher::Check;
use super::super::value::Value;
use super::{Each, ListNode, ListsNode, Node, Split, Test};

/// A list as a whole. An item of it may be missing.
pub(in super::super) type Items<'v> = Vec<Option<Value<'v>>>;

/// What a call is made for, if it is made for each of several.
#[derive(Debug)]
pub(super) enum Given<'v> {
    Nothing,
    One(Option<Value<'v>>),
    Many(Items<'v>),
}

impl Test {
    pub(in super::super) fn holds(&self, facts: &Facts<'_>) -> bool {
        match self {
            Self::Constant(constant) => *constant,
            Self::Not(test) => !test.holds(facts),
            Self::And(tests) => tests.iter().all(|test| test.holds(facts)),
            Self::Or(tests) => tests.iter().any(|test| test.holds(facts)),
            Self::Xor(tests) => tests.iter().fold(false, |odd, test| odd ^ test.holds(facts)),
            Self::Is(node, check) => {
                node.value(facts, Given::Nothing).is_some_and(|value| check.holds(&value))
            }
            Self::Any(each) => each.meets(facts, true),
            Self::All(each) => !each.meets(facts, false),
        }
    }
}

impl Each {
    /// Whether it is `wanted` of some item.
    fn meets(&self, facts: &Facts<'_>, wanted: bool) -> bool {
        match self {
            Self::Is(list, check) => {
                let mut met = false;
                list.each(facts, Given::Nothing, &mut |item| {
                    met = item.is_some_and(|item| check.holds(&item)) == wanted;
                    if met { Break(()) } else { Continue(()) }
                });
                met
            }
            Self::Not(each) => each.meets(facts, !wanted),
            Self::And(_) | Self::Or(_) | Self::Xor(_) => self.answers(facts).contains(&wanted),
        }
    }

    /// The answer for each item. What is joined speaks of one list, so that its answers are equally many.
    fn answers(&self, facts: &Facts<'_>) -> Vec<bool> {
        let joined = |parts: &[Self], join: fn(bool, bool) -> bool| {
            let all = parts.iter().map(|part| part.answers(facts));
            let pairwise = |left: Vec<bool>, right: Vec<bool>| {
                left.into_iter().zip(right).map(|(left, right)| join(left, right)).collect()
            };
            all.reduce(pairwise).unwrap_or_default()
        };
        match self {
            Self::Is(list, check) => {
                let mut answers = Vec::new();
                list.each(facts, Given::Nothing, &mut |item| {
                    answers.push(item.is_some_and(|item| check.holds(&item)));
                    Continue(())
                });
                answers
            }
            Self::Not(each) => each.answers(facts).into_iter().map(|answer| !answer).collect(),
            Self::And(parts) => joined(parts, |left, right| left && right),
            Self::Or(parts) => joined(parts, |left, right| left || right),
            Self::Xor(parts) => joined(parts, |left, right| left ^ right),
        }
    }
}

impl Node {
    /// Its value; nothing, if that is missing.
    pub(super) fn value<'v>(&'v self, facts: &'v Facts<'_>, given: Given<'v>) -> Option<Value<'v>> {
        match self {
            Self::Literal(literal) => Some(Value::of_literal(literal)),
            Self::Constant(constant) => Some(Value::of_constant(*constant)),
            Self::Field(field) => facts.one(*field),
            Self::Item(list, at) => nth(*at, |visit| list.each(facts, Given::Nothing, visit)),
            Self::Call(call) => call.value(facts, Given::Nothing),
            Self::Given => match given {
                Given::One(value) => value,
                Given::Nothing | Given::Many(_) => None,
            },
        }
    }

    /// Its value outside of any call that is made for each.
    pub(in super::super) fn evaluate<'v>(&'v self, facts: &'v Facts<'_>) -> Option<Value<'v>> {
        self.value(facts, Given::Nothing)
    }

    /// What it costs beside others: a field that is at hand is 1.
    pub(in super::super) fn cost(&self) -> u32 {
        match self {
            Self::Literal(_) | Self::Constant(_) | Self::Given => 0,
            Self::Field(field) => field.cost(),
            Self::Item(list, _) => list.cost(),
            Self::Call(call) => call.cost(),
        }
    }
}

/// The item at `at` of what `walk` goes through.
fn nth<'v>(at: usize, walk: impl FnOnce(Visit<'_, 'v>) -> Option<()>) -> Option<Value<'v>> {
    let (mut left, mut found) = (at, None);
    walk(&mut |item| {
        if left == 0 {
            found = item;
            return Break(());
        }
        left -= 1;
        Continue(())
    })?;
    found
}

impl ListNode {
    /// Has every item heard; nothing, if the list is missing.
    pub(super) fn each<'v>(
        &'v self,
        facts: &'v Facts<'_>,
        given: Given<'v>,
        visit: Visit<'_, 'v>,
    ) -> Option<()> {
        match self {
            Self::Field(field) => facts.each(*field, visit),
            Self::Key(map, key) => facts.keyed(*map, key, visit),
            Self::Header(map, name) => facts.header_values(*map, name, visit),
            Self::Missing => None,
            Self::Item(lists, at) => {
                heard(lists.all(facts)?.into_iter().nth(*at)?, visit);
                Some(())
            }
            Self::Flat(lists) => {
                heard(lists.all(facts)?.into_iter().flatten().collect(), visit);
                Some(())
            }
            Self::Nth(lists, at) => {
                let items = lists.all(facts)?.into_iter().map(|list| list.into_iter().nth(*at).flatten());
                heard(items.collect(), visit);
                Some(())
            }
            Self::Mapped(list, call) => {
                list.each(facts, Given::Nothing, &mut |item| visit(call.value(facts, Given::One(item))))
            }
            Self::MappedLists(lists, call) => {
                let lists = lists.all(facts)?;
                heard(lists.into_iter().map(|list| call.value(facts, Given::Many(list))).collect(), visit);
                Some(())
            }
            Self::Split(split) => {
                heard(split.parts(facts, given)?, visit);
                Some(())
            }
            Self::Concat(lists) => {
                let mut given = Some(given);
                for list in lists {
                    // Only the first can be what the call is made for; a missing list counts as an empty one.
                    let mut stopped = false;
                    list.each(facts, given.take().unwrap_or(Given::Nothing), &mut |item| {
                        let flow = visit(item);
                        stopped = flow.is_break();
                        flow
                    });
                    if stopped {
                        break;
                    }
                }
                Some(())
            }
            Self::Given => match given {
                Given::Many(items) => {
                    heard(items, visit);
                    Some(())
                }
                Given::Nothing | Given::One(_) => None,
            },
        }
    }

    /// Its items; nothing, if the list is missing.
    pub(super) fn items<'v>(&'v self, facts: &'v Facts<'_>, given: Given<'v>) -> Option<Items<'v>> {
        let mut items = Vec::new();
        self.each(facts, given, &mut |item| {
            items.push(item);
            Continue(())
        })?;
        Some(items)
    }

    /// The same outside of any call that is made for each.
    pub(in super::super) fn evaluate<'v>(&'v self, facts: &'v Facts<'_>) -> Option<Items<'v>> {
        self.items(facts, Given::Nothing)
    }

    pub(in super::super) fn cost(&self) -> u32 {
        match self {
            Self::Missing | Self::Given => 0,
            Self::Header(..) => 10,
            Self::Field(_) | Self::Key(..) => 40,
            Self::Mapped(list, call) => list.cost() + 4 * call.cost(),
            Self::Item(..) | Self::Flat(_) | Self::Nth(..) | Self::MappedLists(..) => 200,
            Self::Split(split) => split.of.cost() + 50,
            Self::Concat(lists) => lists.iter().map(Self::cost).sum(),
        }
    }
}

fn heard<'v>(items: Items<'v>, visit: Visit<'_, 'v>) {
    let _: ControlFlow<()> = items.into_iter().try_for_each(visit);
}

impl ListsNode {
    pub(super) fn all<'v>(&'v self, facts: &'v Facts<'_>) -> Option<Vec<Items<'v>>> {
        match self {
            Self::Field(field) => Some(facts.lists(*field)),
            Self::Map(map) => Some(facts.groups(*map)),
            Self::Split(list, split) => {
                let mut lists = Vec::new();
                list.each(facts, Given::Nothing, &mut |item| {
                    lists.push(split.parts(facts, Given::One(item)).unwrap_or_default());
                    Continue(())
                })?;
                Some(lists)
            }
        }
    }
}

impl Split {
    fn parts<'v>(&'v self, facts: &'v Facts<'_>, given: Given<'v>) -> Option<Items<'v>> {
        use std::borrow::Cow;

        let text = self.of.value(facts, given)?.into_text()?;
        let mut parts = Vec::new();
        let mut from = 0;
        let mut ends = memchr::memmem::find_iter(&text, &self.separator);
        let piece = |range: std::ops::Range<usize>| {
            let piece = match &text {
                Cow::Borrowed(text) => Cow::Borrowed(text.get(range).unwrap_or_default()),
                Cow::Owned(text) => Cow::Owned(text.get(range).unwrap_or_default().to_vec()),
            };
            Some(Value::Text(piece))
        };
        while parts.len() + 1 < self.limit {
            let Some(end) = ends.next() else { break };
            parts.push(piece(from..end));
            from = end + self.separator.len();
        }
        parts.push(piece(from..text.len()));
        Some(parts)
    }
}

/// What a test costs beside others.
impl Test {
    pub(in super::super) fn cost(&self) -> u32 {
        match self {
            Self::Constant(_) => 0,
            Self::Not(test) => test.cost(),
            Self::And(tests) | Self::Or(tests) | Self::Xor(tests) => tests.iter().map(Self::cost).sum(),
            Self::Is(node, check) => node.cost() + check.cost(),
            Self::Any(each) | Self::All(each) => each.cost(),
        }
    }
}

impl Each {
    fn cost(&self) -> u32 {
        match self {
            Self::Is(list, check) => list.cost() + 4 * Check::cost(check),
            Self::Not(each) => each.cost(),
            Self::And(parts) | Self::Or(parts) | Self::Xor(parts) => parts.iter().map(Self::cost).sum(),
        }
    }
}
