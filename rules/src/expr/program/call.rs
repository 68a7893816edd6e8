//! What functions do.

use std::borrow::Cow;
use std::ops::ControlFlow::{Break, Continue};

use super::super::facts::Facts;
use super::super::json::{Found, look_up};
use super::super::value::Value;
use super::super::{decode, replace};
use super::run::Given;
use super::{Call, ListNode, Node, network};

impl Call {
    /// Its value; nothing, if that is missing. An arm for each function, so that it is read as their table.
    pub(super) fn value<'v>(&'v self, facts: &'v Facts<'_>, given: Given<'v>) -> Option<Value<'v>> {
        let text = |node: &'v Node, given| node.value(facts, given).and_then(Value::into_text);
        let plain = |node: &'v Node| node.value(facts, Given::Nothing).and_then(Value::into_text);
        let number = |node: &'v Node| node.value(facts, Given::Nothing).and_then(|value| value.integer());
        Some(match self {
            Self::Lower(of) => {
                Value::Text(cased(text(of, given)?, u8::is_ascii_uppercase, <[u8]>::make_ascii_lowercase))
            }
            Self::Upper(of) => {
                Value::Text(cased(text(of, given)?, u8::is_ascii_lowercase, <[u8]>::make_ascii_uppercase))
            }
            Self::Length(of) => Value::Integer(length(text(of, given)?.len())),
            Self::Count(list) => {
                let mut count = 0;
                list.each(facts, given, &mut |_| {
                    count += 1;
                    Continue(())
                })?;
                Value::Integer(length(count))
            }
            Self::CountLists(lists) => Value::Integer(length(lists.all(facts)?.len())),
            Self::StartsWith(of, part) => Value::Flag(text(of, given)?.starts_with(&plain(part)?)),
            Self::EndsWith(of, part) => Value::Flag(text(of, given)?.ends_with(&plain(part)?)),
            Self::Substring { of, from, to } => {
                let text = text(of, given)?;
                let to = match to {
                    Some(to) => place(number(to)?, text.len()),
                    None => text.len(),
                };
                let range = place(number(from)?, text.len()).min(to)..to;
                Value::Text(part(text, range))
            }
            Self::Concat(parts) => Value::Text(concat(facts, parts, given)),
            Self::Join(list, between) => Value::Text(join(list.items(facts, given)?, &plain(between)?)),
            Self::UrlDecode(of, how) => Value::Text(decode::url(text(of, given)?, *how)),
            Self::FromBase64(of) => Value::Text(Cow::Owned(decode::base64(&text(of, given)?)?)),
            Self::ToBase64(of) => Value::Text(Cow::Owned(decode::to_base64(&text(of, given)?))),
            Self::RemoveBytes(of, bytes) => {
                let (mut text, bytes) = (text(of, given)?, plain(bytes)?);
                if text.iter().any(|byte| bytes.contains(byte)) {
                    text.to_mut().retain(|byte| !bytes.contains(byte));
                }
                Value::Text(text)
            }
            Self::RegexReplace { of, regex, with } => {
                Value::Text(replace::by_regex(text(of, given)?, regex, with))
            }
            Self::WildcardReplace { of, wildcard, with } => {
                Value::Text(replace::by_wildcard(text(of, given)?, wildcard, with))
            }
            Self::RemoveQueryArgs(of, names) => {
                let names: Vec<_> = names.iter().filter_map(plain).collect();
                Value::Text(decode::without_args(&text(of, given)?, &names))
            }
            Self::Cidr { of, bits4, bits6 } => match of.value(facts, given)? {
                Value::Address(address) => Value::Address(network(address, *bits4, *bits6)),
                Value::Text(_) | Value::Integer(_) | Value::Flag(_) => return None,
            },
            Self::JsonString(of, keys) => match look_up(&text(of, given)?, keys)? {
                Found::Text(text) => Value::Text(Cow::Owned(text.into_bytes())),
                Found::Integer(_) | Found::Other => return None,
            },
            Self::JsonInteger(of, keys) => match look_up(&text(of, given)?, keys)? {
                Found::Integer(integer) => Value::Integer(integer),
                Found::Text(_) | Found::Other => return None,
            },
            Self::ToString(of) => Value::Text(of.value(facts, given)?.rendered()),
            Self::Uuid(of) => Value::Text(Cow::Owned(uuid(&text(of, given)?).into_bytes())),
            Self::TimedHmac { token, now, terms } => {
                Value::Flag(terms.hold(&text(token, given)?, number(now)?))
            }
            Self::Has(list) => Value::Flag(list.each(facts, given, &mut |_| Break(())).is_some()),
            Self::HasValue(list, wanted) => Value::Flag(has(facts, list, wanted, given)?),
            Self::Sha256(of) => Value::Text(Cow::Owned(sha256(&text(of, given)?))),
        })
    }

    /// What it costs beside others.
    pub(super) fn cost(&self) -> u32 {
        match self {
            Self::Length(of) | Self::ToString(of) => of.cost() + 1,
            Self::StartsWith(of, part) | Self::EndsWith(of, part) => of.cost() + part.cost() + 3,
            Self::Cidr { of, .. } => of.cost() + 3,
            Self::Lower(of) | Self::Upper(of) | Self::Substring { of, .. } => of.cost() + 15,
            Self::UrlDecode(of, _) | Self::FromBase64(of) | Self::ToBase64(of) | Self::RemoveBytes(of, _) => {
                of.cost() + 60
            }
            Self::Count(list) | Self::HasValue(list, _) | Self::Has(list) => list.cost() + 10,
            Self::CountLists(_) => 200,
            Self::Join(list, _) => list.cost() + 100,
            Self::Concat(parts) => parts.iter().map(Node::cost).sum::<u32>() + 40,
            Self::RemoveQueryArgs(of, _) => of.cost() + 100,
            Self::WildcardReplace { of, .. } => of.cost() + 150,
            Self::JsonString(of, _) | Self::JsonInteger(of, _) => of.cost() + 1000,
            Self::RegexReplace { of, .. } | Self::Uuid(of) | Self::Sha256(of) => of.cost() + 500,
            Self::TimedHmac { token, .. } => token.cost() + 1500,
        }
    }
}

fn length(of: usize) -> i64 {
    i64::try_from(of).unwrap_or(i64::MAX)
}

/// `text` with other letters, where it has any to change.
fn cased(mut text: Cow<'_, [u8]>, changes: fn(&u8) -> bool, change: fn(&mut [u8])) -> Cow<'_, [u8]> {
    if text.iter().any(changes) {
        change(text.to_mut());
    }
    text
}

/// The place that an index means: from the end, if it is negative; within the text in any case.
fn place(index: i64, length: usize) -> usize {
    let far = usize::try_from(index.unsigned_abs()).unwrap_or(usize::MAX);
    if index < 0 { length.saturating_sub(far) } else { far.min(length) }
}

fn part(text: Cow<'_, [u8]>, range: std::ops::Range<usize>) -> Cow<'_, [u8]> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.get(range).unwrap_or_default()),
        Cow::Owned(text) => Cow::Owned(text.get(range).unwrap_or_default().to_vec()),
    }
}

/// What is missing counts as empty.
fn concat<'v>(facts: &'v Facts<'_>, parts: &'v [Node], given: Given<'v>) -> Cow<'v, [u8]> {
    let (mut given, mut out) = (Some(given), Vec::new());
    for part in parts {
        // Only the first can be what the call is made for.
        if let Some(value) = part.value(facts, given.take().unwrap_or(Given::Nothing)) {
            out.extend_from_slice(&value.rendered());
        }
    }
    Cow::Owned(out)
}

fn join<'v>(items: Vec<Option<Value<'v>>>, between: &[u8]) -> Cow<'v, [u8]> {
    let texts: Vec<_> = items.into_iter().map(|item| item.map(Value::rendered).unwrap_or_default()).collect();
    Cow::Owned(texts.join(between))
}

fn has<'v>(facts: &'v Facts<'_>, list: &'v ListNode, wanted: &[u8], given: Given<'v>) -> Option<bool> {
    let mut found = false;
    list.each(facts, given, &mut |item| {
        found = matches!(item, Some(Value::Text(text)) if text.as_ref() == wanted);
        if found { Break(()) } else { Continue(()) }
    })?;
    Some(found)
}

/// A UUID of version 4 (RFC 9562, section 5.4) from the first bytes of a seed.
fn uuid(seed: &[u8]) -> String {
    let mut bytes = [0_u8; 16];
    for (to, from) in bytes.iter_mut().zip(seed) {
        *to = *from;
    }
    let bits = u128::from_be_bytes(bytes);
    let bits = bits & !(0xf << 76) & !(0b11 << 62) | 0x4 << 76 | 0b10 << 62;
    let text = format!("{bits:032x}");
    let ends = [(0, 8), (8, 12), (12, 16), (16, 20), (20, 32)];
    ends.map(|(from, to)| text.get(from..to).unwrap_or_default()).join("-")
}

fn sha256(text: &[u8]) -> Vec<u8> {
    aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text).as_ref().to_vec()
}
