//! What is true or false of a request, or of each item of a list.

use std::fmt::Write as _;
use std::net::IpAddr;

use super::asks::{NumberOp, TextOp};
use super::texts::{List, Number, Text, bytes};
use super::{Dice, Value, World, quoted};

#[derive(Clone, Debug)]
pub(super) enum Each {
    Text(List, TextOp),
    Length(List, NumberOp),
    Starts(List, String),
    Not(Box<Each>),
    And(Box<Each>, Box<Each>),
    Or(Box<Each>, Box<Each>),
    Xor(Box<Each>, Box<Each>),
}

/// What is true or false.
#[derive(Clone, Debug)]
pub(crate) enum Expr {
    Text(Subject, Op),
    Constant(bool),
    Secure,
    Starts(Subject, String, bool),
    Address(bool, Vec<(u8, u8)>),
    Any(Items),
    All(Items),
    Not(Box<Expr>),
    And(Vec<Expr>),
    Or(Vec<Expr>),
    Xor(Vec<Expr>),
}

/// A text or a number with what is asked of it.
#[derive(Clone, Debug)]
pub(crate) struct Subject(Asked);

#[derive(Clone, Debug)]
pub(super) enum Asked {
    Text(Text),
    Number(Number),
}

/// What is asked.
#[derive(Clone, Debug)]
pub(crate) struct Op(Asking);

#[derive(Clone, Debug)]
pub(super) enum Asking {
    Text(TextOp),
    Number(NumberOp),
}

/// What is asked of each item of a list.
#[derive(Clone, Debug)]
pub(crate) struct Items(Each);

impl Each {
    /// Everything that is joined asks one list.
    pub(super) fn random(dice: &mut Dice<'_>, list: &List, depth: usize) -> Self {
        let deeper = |dice: &mut Dice<'_>| Box::new(Self::random(dice, list, depth.saturating_sub(1)));
        match dice.below(if depth == 0 { 4 } else { 8 }) {
            0 | 1 => Self::Text(list.clone(), TextOp::random(dice)),
            2 => Self::Length(list.clone(), NumberOp::random(dice)),
            3 => Self::Starts(list.clone(), dice.text(1)),
            4 => Self::Not(deeper(dice)),
            5 => Self::And(deeper(dice), deeper(dice)),
            6 => Self::Or(deeper(dice), deeper(dice)),
            _ => Self::Xor(deeper(dice), deeper(dice)),
        }
    }

    pub(super) fn write(&self, out: &mut String) {
        let joined = |out: &mut String, left: &Self, by: &str, right: &Self| {
            out.push('(');
            left.write(out);
            let _ = write!(out, " {by} ");
            right.write(out);
            out.push(')');
        };
        match self {
            Self::Text(list, op) => {
                list.write(out);
                out.push_str("[*]");
                op.write(out);
            }
            Self::Length(list, op) => {
                out.push_str("len(");
                list.write(out);
                out.push_str("[*])[*]");
                op.write(out);
            }
            Self::Starts(list, part) => {
                out.push_str("starts_with(");
                list.write(out);
                let _ = write!(out, "[*], {})", quoted(part));
            }
            Self::Not(each) => {
                out.push_str("not ");
                each.write(out);
            }
            Self::And(left, right) => joined(out, left, "and", right),
            Self::Or(left, right) => joined(out, left, "or", right),
            Self::Xor(left, right) => joined(out, left, "xor", right),
        }
    }

    pub(super) fn answers(&self, world: &World) -> Vec<bool> {
        let items = |list: &List| match list.value(world) {
            Value::List(items) => items,
            _ => Vec::new(),
        };
        let joined = |left: &Self, right: &Self, join: &dyn Fn(bool, bool) -> bool| {
            left.answers(world)
                .into_iter()
                .zip(right.answers(world))
                .map(|(left, right)| join(left, right))
                .collect()
        };
        match self {
            Self::Text(list, op) => items(list).iter().map(|item| op.holds(item)).collect(),
            Self::Length(list, op) => {
                let length = |item: &Value| Value::Integer(i64::try_from(bytes(item).len()).unwrap());
                items(list).iter().map(|item| op.holds(&length(item))).collect()
            }
            Self::Starts(list, part) => {
                items(list).iter().map(|item| bytes(item).starts_with(part.as_bytes())).collect()
            }
            Self::Not(each) => each.answers(world).into_iter().map(|answer| !answer).collect(),
            Self::And(left, right) => joined(left, right, &|left, right| left && right),
            Self::Or(left, right) => joined(left, right, &|left, right| left || right),
            Self::Xor(left, right) => joined(left, right, &|left, right| left != right),
        }
    }
}

impl Expr {
    pub(crate) fn random(dice: &mut Dice<'_>) -> Self {
        Self::within(dice, 3)
    }

    pub(super) fn within(dice: &mut Dice<'_>, depth: usize) -> Self {
        let deeper = |dice: &mut Dice<'_>| Self::within(dice, depth.saturating_sub(1));
        let several = |dice: &mut Dice<'_>| (0..2 + dice.below(2)).map(|_| deeper(dice)).collect();
        match dice.below(if depth == 0 { 10 } else { 18 }) {
            0..=2 => Self::Text(
                Subject(Asked::Text(Text::random(dice, 2))),
                Op(Asking::Text(TextOp::random(dice))),
            ),
            3 => Self::Text(
                Subject(Asked::Number(Number::random(dice))),
                Op(Asking::Number(NumberOp::random(dice))),
            ),
            4 => Self::Secure,
            5 => Self::Starts(Subject(Asked::Text(Text::random(dice, 2))), dice.text(2), dice.below(2) == 1),
            6 => {
                let ranges = dice.many(3, |dice| (dice.of(&[0, 1, 2]), dice.of(&[2, 3, 254])));
                Self::Address(dice.below(2) == 1, ranges)
            }
            7 | 8 => {
                let list = List::random(dice, 2);
                let each = Items(Each::random(dice, &list, 2));
                if dice.below(2) == 0 { Self::Any(each) } else { Self::All(each) }
            }
            9 => Self::Constant(dice.below(2) == 1),
            10 | 11 => Self::Not(Box::new(deeper(dice))),
            12..=14 => Self::And(several(dice)),
            15 | 16 => Self::Or(several(dice)),
            _ => Self::Xor(several(dice)),
        }
    }

    /// How tightly it binds: `or` 0, `xor` 1, `and` 2, everything else 3.
    pub(super) fn tightness(&self) -> usize {
        match self {
            Self::Or(_) => 0,
            Self::Xor(_) => 1,
            Self::And(_) => 2,
            _ => 3,
        }
    }

    /// Its text, with no more parentheses than it needs.
    pub(crate) fn write(&self, out: &mut String) {
        let join = |out: &mut String, parts: &[Self], by: &str| {
            for (index, part) in parts.iter().enumerate() {
                if index > 0 {
                    let _ = write!(out, " {by} ");
                }
                part.write_within(out, self.tightness() + 1);
            }
        };
        match self {
            Self::Text(Subject(Asked::Text(text)), Op(op)) => {
                text.write(out);
                if let Asking::Text(op) = op {
                    op.write(out);
                }
            }
            Self::Text(Subject(Asked::Number(number)), Op(op)) => {
                number.write(out);
                if let Asking::Number(op) = op {
                    op.write(out);
                }
            }
            Self::Constant(constant) => {
                let _ = write!(out, "{constant}");
            }
            Self::Secure => out.push_str("ssl"),
            Self::Starts(Subject(subject), part, start) => {
                out.push_str(if *start { "starts_with(" } else { "ends_with(" });
                if let Asked::Text(text) = subject {
                    text.write(out);
                }
                let _ = write!(out, ", {})", quoted(part));
            }
            Self::Address(networks, ranges) => {
                out.push_str("ip.src in {");
                for (from, to) in ranges {
                    let _ = if *networks {
                        write!(out, "10.0.0.{from}/31 ")
                    } else {
                        write!(out, "10.0.0.{from}..10.0.0.{to} ")
                    };
                }
                out.push('}');
            }
            Self::Any(Items(each)) | Self::All(Items(each)) => {
                out.push_str(if matches!(self, Self::Any(_)) { "any(" } else { "all(" });
                each.write(out);
                out.push(')');
            }
            Self::Not(expr) => {
                out.push_str("not ");
                expr.write_within(out, 3);
            }
            Self::And(parts) => join(out, parts, "and"),
            Self::Or(parts) => join(out, parts, "||"),
            Self::Xor(parts) => join(out, parts, "xor"),
        }
    }

    pub(super) fn write_within(&self, out: &mut String, tightness: usize) {
        if self.tightness() < tightness {
            out.push('(');
            self.write(out);
            out.push(')');
        } else {
            self.write(out);
        }
    }

    pub(crate) fn holds(&self, world: &World) -> bool {
        match self {
            Self::Text(Subject(Asked::Text(text)), Op(Asking::Text(op))) => op.holds(&text.value(world)),
            Self::Text(Subject(Asked::Number(number)), Op(Asking::Number(op))) => {
                op.holds(&number.value(world))
            }
            Self::Text(..) => false,
            Self::Constant(constant) => *constant,
            Self::Secure => world.values()["ssl"] == Value::Flag(true),
            Self::Starts(Subject(subject), part, start) => match subject {
                Asked::Text(text) => match text.value(world) {
                    Value::Text(text) if *start => text.starts_with(part.as_bytes()),
                    Value::Text(text) => text.ends_with(part.as_bytes()),
                    _ => false,
                },
                Asked::Number(_) => false,
            },
            Self::Address(networks, ranges) => match world.values()["ip.src"] {
                Value::Address(IpAddr::V4(address)) => {
                    let last = address.octets()[3];
                    let within = |(from, to): &(u8, u8)| {
                        if *networks { last / 2 == from / 2 } else { (*from..=*to).contains(&last) }
                    };
                    ranges.iter().any(within)
                }
                _ => false,
            },
            Self::Any(Items(each)) => each.answers(world).contains(&true),
            Self::All(Items(each)) => !each.answers(world).contains(&false),
            Self::Not(expr) => !expr.holds(world),
            Self::And(parts) => parts.iter().all(|part| part.holds(world)),
            Self::Or(parts) => parts.iter().any(|part| part.holds(world)),
            Self::Xor(parts) => parts.iter().filter(|part| part.holds(world)).count() % 2 == 1,
        }
    }
}
