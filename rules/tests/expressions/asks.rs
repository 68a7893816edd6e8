//! What is asked of a text or a number.

use std::fmt::Write as _;

use super::{Dice, Value, quoted};

const ORDERS: [(&str, &str); 6] =
    [("eq", "=="), ("ne", "!="), ("lt", "<"), ("le", "<="), ("gt", ">"), ("ge", ">=")];

#[derive(Clone, Debug)]
pub(super) enum TextOp {
    Order(&'static str, String),
    Contains(String),
    Wildcard(String, bool),
    /// A regular expression that a naive interpreter can read: a literal, anchored or not.
    Matches(bool, String, bool),
    Among(Vec<String>),
}

#[derive(Clone, Debug)]
pub(super) enum NumberOp {
    Order(&'static str, i64),
    Bits(i64),
    Among(Vec<(i64, i64)>),
}

impl TextOp {
    pub(super) fn random(dice: &mut Dice<'_>) -> Self {
        match dice.below(6) {
            0 | 1 => Self::Order(dice.of(&ORDERS).0, dice.text(3)),
            2 => Self::Contains(dice.text(2)),
            3 => {
                let mut pattern = String::new();
                for piece in dice.many(4, |dice| dice.of(&["*", "a", "b", "/", ".", "A", "\\*", "\\\\"])) {
                    if !(piece == "*" && pattern.ends_with('*') && !pattern.ends_with("\\*")) {
                        pattern.push_str(piece);
                    }
                }
                // An escaped star before a star is fine; a star before a star is not.
                Self::Wildcard(pattern.replace("**", "*"), dice.below(2) == 1)
            }
            4 => Self::Matches(
                dice.below(2) == 1,
                dice.of(&["", "a", "/", "ab", "B", "41"]).to_owned(),
                dice.below(2) == 1,
            ),
            _ => Self::Among(dice.many(4, |dice| dice.text(3))),
        }
    }

    pub(super) fn write(&self, out: &mut String) {
        let _ = match self {
            Self::Order(order, other) => write!(out, " {order} {}", quoted(other)),
            Self::Contains(part) => write!(out, " contains {}", quoted(part)),
            Self::Wildcard(pattern, strict) => {
                write!(out, " {}wildcard r\"{pattern}\"", if *strict { "strict " } else { "" })
            }
            Self::Matches(start, literal, end) => {
                write!(
                    out,
                    " matches \"{}{literal}{}\"",
                    if *start { "^" } else { "" },
                    if *end { "$" } else { "" }
                )
            }
            Self::Among(texts) => {
                let texts: Vec<String> = texts.iter().map(|text| quoted(text)).collect();
                write!(out, " in {{{}}}", texts.join(" "))
            }
        };
    }

    pub(super) fn holds(&self, value: &Value) -> bool {
        let Value::Text(text) = value else { return false };
        match self {
            Self::Order(order, other) => ordered(order, text.as_slice().cmp(other.as_bytes())),
            Self::Contains(part) => (0..=text.len()).any(|at| text[at..].starts_with(part.as_bytes())),
            Self::Wildcard(pattern, true) => like(pattern.as_bytes(), text),
            Self::Wildcard(pattern, false) => {
                like(&pattern.to_ascii_lowercase().into_bytes(), &text.to_ascii_lowercase())
            }
            Self::Matches(start, literal, end) => match (start, end) {
                (true, true) => text == literal.as_bytes(),
                (true, false) => text.starts_with(literal.as_bytes()),
                (false, true) => text.ends_with(literal.as_bytes()),
                (false, false) => Self::Contains(literal.clone()).holds(value),
            },
            Self::Among(texts) => texts.iter().any(|other| other.as_bytes() == text),
        }
    }
}

/// Whether a text is like a pattern: every way is tried.
pub(super) fn like(pattern: &[u8], text: &[u8]) -> bool {
    match pattern {
        [] => text.is_empty(),
        [b'*', rest @ ..] => (0..=text.len()).any(|at| like(rest, &text[at..])),
        [b'\\', literal, rest @ ..] | [literal, rest @ ..] => {
            text.first() == Some(literal) && like(rest, &text[1..])
        }
    }
}

pub(super) fn ordered(order: &str, found: std::cmp::Ordering) -> bool {
    match order {
        "eq" => found.is_eq(),
        "ne" => found.is_ne(),
        "lt" => found.is_lt(),
        "le" => found.is_le(),
        "gt" => found.is_gt(),
        _ => found.is_ge(),
    }
}

impl NumberOp {
    pub(super) fn random(dice: &mut Dice<'_>) -> Self {
        const SOME: [i64; 8] = [0, 1, 2, 3, 5, 80, 443, -1];
        match dice.below(3) {
            0 => Self::Order(dice.of(&ORDERS).0, dice.of(&SOME)),
            1 => Self::Bits(dice.of(&SOME)),
            _ => Self::Among(dice.many(4, |dice| {
                let from = dice.of(&SOME);
                (from, from + dice.of(&[0, 0, 1, 400]))
            })),
        }
    }

    pub(super) fn write(&self, out: &mut String) {
        let _ = match self {
            Self::Order(order, other) => write!(out, " {order} {other}"),
            Self::Bits(bits) => write!(out, " & {bits}"),
            Self::Among(ranges) => {
                let ranges: Vec<String> = ranges.iter().map(|(from, to)| format!("{from}..{to}")).collect();
                write!(out, " in {{{}}}", ranges.join(" "))
            }
        };
    }

    pub(super) fn holds(&self, value: &Value) -> bool {
        let Value::Integer(integer) = value else { return false };
        match self {
            Self::Order(order, other) => ordered(order, integer.cmp(other)),
            Self::Bits(bits) => integer & bits != 0,
            Self::Among(ranges) => ranges.iter().any(|(from, to)| (from..=to).contains(&integer)),
        }
    }
}
