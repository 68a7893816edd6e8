//! What has a text, a list of texts or a number.

use std::fmt::Write as _;

use super::{Dice, NAMES, Value, World, quoted};

const TEXTS: [&str; 6] = [
    "http.host",
    "http.request.uri.path",
    "http.request.uri.query",
    "http.request.uri",
    "http.request.full_uri",
    "http.user_agent",
];
const MAPS: [&str; 2] = ["http.request.headers", "http.request.uri.args"];

/// What has a text.
#[derive(Clone, Debug)]
pub(super) enum Text {
    Field(&'static str),
    Item(List, usize),
    Lower(Box<Text>),
    Upper(Box<Text>),
    Decoded(Box<Text>),
    Part(Box<Text>, i64, Option<i64>),
    Joined(List, String),
    Concat(Box<Text>, String, Box<Text>),
    Without(Box<Text>, String),
}

/// What has a list of texts.
#[derive(Clone, Debug)]
pub(super) enum List {
    Names(&'static str),
    Values(&'static str),
    Under(&'static str, &'static str),
    Lower(Box<List>),
    Part(Box<List>, i64),
    Split(Box<Text>, String, usize),
}

#[derive(Clone, Debug)]
pub(super) enum Number {
    Port,
    Length(Text),
    Count(List),
}

impl Text {
    pub(super) fn random(dice: &mut Dice<'_>, depth: usize) -> Self {
        if depth == 0 {
            return Self::Field(dice.of(&TEXTS));
        }
        let deeper = |dice: &mut Dice<'_>| Box::new(Self::random(dice, depth - 1));
        match dice.below(12) {
            0..=3 => Self::Field(dice.of(&TEXTS)),
            4 | 5 => Self::Item(List::random(dice, depth - 1), dice.below(3)),
            6 => Self::Lower(deeper(dice)),
            7 => Self::Upper(deeper(dice)),
            8 => Self::Decoded(deeper(dice)),
            9 => {
                let to = (dice.below(2) == 1).then(|| dice.of(&[-2, -1, 0, 1, 3, 9]));
                Self::Part(deeper(dice), dice.of(&[0, 1, 2, -1, -2, 9]), to)
            }
            10 => Self::Joined(List::random(dice, depth - 1), dice.text(1)),
            _ if dice.below(2) == 0 => Self::Without(deeper(dice), dice.text(2)),
            _ => Self::Concat(deeper(dice), dice.text(2), deeper(dice)),
        }
    }

    pub(super) fn write(&self, out: &mut String) {
        let call = |out: &mut String, name: &str, of: &Self, rest: &str| {
            let _ = write!(out, "{name}(");
            of.write(out);
            let _ = write!(out, "{rest})");
        };
        match self {
            Self::Field(name) => out.push_str(name),
            Self::Item(list, at) => {
                list.write(out);
                let _ = write!(out, "[{at}]");
            }
            Self::Lower(of) => call(out, "lower", of, ""),
            Self::Upper(of) => call(out, "upper", of, ""),
            Self::Decoded(of) => call(out, "url_decode", of, ""),
            Self::Part(of, from, None) => call(out, "substring", of, &format!(", {from}")),
            Self::Part(of, from, Some(to)) => call(out, "substring", of, &format!(", {from}, {to}")),
            Self::Joined(list, by) => {
                out.push_str("join(");
                list.write(out);
                let _ = write!(out, ", {})", quoted(by));
            }
            Self::Without(of, bytes) => call(out, "remove_bytes", of, &format!(", {}", quoted(bytes))),
            Self::Concat(left, middle, right) => {
                out.push_str("concat(");
                left.write(out);
                let _ = write!(out, ", {}, ", quoted(middle));
                right.write(out);
                out.push(')');
            }
        }
    }

    pub(super) fn value(&self, world: &World) -> Value {
        let of = |of: &Self, change: &dyn Fn(Vec<u8>) -> Vec<u8>| match of.value(world) {
            Value::Text(text) => Value::Text(change(text)),
            _ => Value::Missing,
        };
        match self {
            Self::Field(name) => world.values()[name].clone(),
            Self::Item(list, at) => match list.value(world) {
                Value::List(items) => items.get(*at).cloned().unwrap_or(Value::Missing),
                _ => Value::Missing,
            },
            Self::Lower(text) => of(text, &|text| text.to_ascii_lowercase()),
            Self::Upper(text) => of(text, &|text| text.to_ascii_uppercase()),
            Self::Decoded(text) => of(text, &|text| decoded(&text)),
            Self::Part(text, from, to) => of(text, &|text| part(&text, *from, *to)),
            Self::Joined(list, by) => match list.value(world) {
                Value::List(items) => {
                    let texts: Vec<Vec<u8>> = items.iter().map(bytes).collect();
                    Value::Text(texts.join(by.as_bytes()))
                }
                _ => Value::Missing,
            },
            Self::Without(text, remove) => {
                of(text, &|text| text.into_iter().filter(|byte| !remove.as_bytes().contains(byte)).collect())
            }
            Self::Concat(left, middle, right) => Value::Text(
                [bytes(&left.value(world)), middle.clone().into_bytes(), bytes(&right.value(world))].concat(),
            ),
        }
    }
}

/// The bytes of a text; none of what is missing.
pub(super) fn bytes(value: &Value) -> Vec<u8> {
    match value {
        Value::Text(text) => text.clone(),
        _ => Vec::new(),
    }
}

pub(super) fn part(text: &[u8], from: i64, to: Option<i64>) -> Vec<u8> {
    let length = i64::try_from(text.len()).unwrap();
    let place = |index: i64| (if index < 0 { index + length } else { index }).clamp(0, length);
    let (from, to) = (place(from), to.map_or(length, place));
    (from..to).map(|at| text[usize::try_from(at).unwrap()]).collect()
}

pub(super) fn decoded(text: &[u8]) -> Vec<u8> {
    let (mut out, mut at) = (Vec::new(), 0);
    while at < text.len() {
        let hex = text.get(at + 1..at + 3).and_then(|digits| std::str::from_utf8(digits).ok());
        let byte = hex
            .and_then(|digits| u8::from_str_radix(digits, 16).ok())
            .filter(|_| !hex.unwrap().starts_with('+'));
        match (text[at], byte) {
            (b'%', Some(byte)) => {
                out.push(byte);
                at += 3;
                continue;
            }
            (b'+', _) => out.push(b' '),
            (other, _) => out.push(other),
        }
        at += 1;
    }
    out
}

impl List {
    pub(super) fn random(dice: &mut Dice<'_>, depth: usize) -> Self {
        match dice.below(if depth == 0 { 5 } else { 8 }) {
            0..=2 => Self::Under(dice.of(&MAPS), dice.of(&NAMES)),
            3 => Self::Names(dice.of(&MAPS)),
            4 => Self::Values(dice.of(&MAPS)),
            5 => Self::Lower(Box::new(Self::random(dice, depth - 1))),
            6 => Self::Part(Box::new(Self::random(dice, depth - 1)), dice.of(&[0, 1, -1])),
            _ => {
                let by = dice.of(&["a", "/", ".", "aa", "%"]).to_owned();
                Self::Split(Box::new(Text::random(dice, depth - 1)), by, 1 + dice.below(4))
            }
        }
    }

    pub(super) fn write(&self, out: &mut String) {
        match self {
            Self::Names(map) => {
                let _ = write!(out, "{map}.names");
            }
            Self::Values(map) => {
                let _ = write!(out, "{map}.values");
            }
            Self::Under(map, key) => {
                let _ = write!(out, "{map}[\"{key}\"]");
            }
            Self::Lower(list) => {
                out.push_str("lower(");
                list.write(out);
                out.push_str("[*])");
            }
            Self::Part(list, from) => {
                out.push_str("substring(");
                list.write(out);
                let _ = write!(out, "[*], {from})");
            }
            Self::Split(text, by, limit) => {
                out.push_str("split(");
                text.write(out);
                let _ = write!(out, ", {}, {limit})", quoted(by));
            }
        }
    }

    pub(super) fn value(&self, world: &World) -> Value {
        let text = |text: String| Value::Text(text.into_bytes());
        let each = |list: &Self, change: &dyn Fn(Vec<u8>) -> Vec<u8>| match list.value(world) {
            Value::List(items) => {
                Value::List(items.iter().map(|item| Value::Text(change(bytes(item)))).collect())
            }
            _ => Value::Missing,
        };
        match self {
            Self::Names(map) => Value::List(world.map(map).into_iter().map(|(name, _)| text(name)).collect()),
            Self::Values(map) => {
                Value::List(world.map(map).into_iter().map(|(_, value)| text(value)).collect())
            }
            Self::Under(map, key) => {
                let found: Vec<Value> = world
                    .map(map)
                    .into_iter()
                    .filter(|(name, _)| name == key)
                    .map(|(_, value)| text(value))
                    .collect();
                if found.is_empty() { Value::Missing } else { Value::List(found) }
            }
            Self::Lower(list) => each(list, &|text| text.to_ascii_lowercase()),
            Self::Part(list, from) => each(list, &|text| part(&text, *from, None)),
            Self::Split(of, by, limit) => match of.value(world) {
                Value::Text(of) => {
                    let of = String::from_utf8_lossy(&of).into_owned();
                    Value::List(of.splitn(*limit, by.as_str()).map(|part| text(part.to_owned())).collect())
                }
                _ => Value::Missing,
            },
        }
    }
}

impl Number {
    pub(super) fn random(dice: &mut Dice<'_>) -> Self {
        match dice.below(3) {
            0 => Self::Port,
            1 => Self::Length(Text::random(dice, 2)),
            _ => Self::Count(List::random(dice, 1)),
        }
    }

    pub(super) fn write(&self, out: &mut String) {
        match self {
            Self::Port => out.push_str("cf.edge.server_port"),
            Self::Length(text) => {
                out.push_str("len(");
                text.write(out);
                out.push(')');
            }
            Self::Count(list) => {
                out.push_str("len(");
                list.write(out);
                out.push(')');
            }
        }
    }

    pub(super) fn value(&self, world: &World) -> Value {
        let length = |length: usize| Value::Integer(i64::try_from(length).unwrap());
        match self {
            Self::Port => world.values()["cf.edge.server_port"].clone(),
            Self::Length(text) => match text.value(world) {
                Value::Text(text) => length(text.len()),
                _ => Value::Missing,
            },
            Self::Count(list) => match list.value(world) {
                Value::List(items) => length(items.len()),
                _ => Value::Missing,
            },
        }
    }
}
