//! `regex_replace` and `wildcard_replace`: what to put where a pattern matched.

use std::borrow::Cow;

use regex::bytes::Regex;

use super::fault::{Fault, Outcome, Span};
use super::wildcard::Wildcard;

/// How many groups a replacement may name, and which.
const GROUPS: usize = 8;

/// A replacement: texts and `${1}` to `${8}` between them.
#[derive(Debug)]
pub(super) struct Template {
    parts: Vec<Part>,
}

#[derive(Debug)]
enum Part {
    Text(Vec<u8>),
    Group(usize),
}

impl Template {
    /// Reads a replacement for a pattern with `groups` groups.
    pub(super) fn compile(text: &[u8], groups: usize, span: &Span) -> Outcome<Self> {
        let mut parts = Vec::new();
        let mut plain = Vec::new();
        let mut rest = text;
        let mut named = 0;
        while let Some((byte, after)) = rest.split_first() {
            rest = after;
            if *byte != b'$' {
                plain.push(*byte);
                continue;
            }
            if let Some(after) = rest.strip_prefix(b"$") {
                plain.push(b'$');
                rest = after;
                continue;
            }
            let (group, after) = group(rest).ok_or_else(|| {
                Fault::new(span.clone(), "a `$` in a replacement begins `${1}` to `${8}`")
                    .remedy("write `$$` for a dollar sign")
            })?;
            named += 1;
            if group > groups {
                let message = format!("the replacement names `${{{group}}}`, and the pattern has {groups}");
                return Err(Fault::new(span.clone(), message));
            }
            if named > GROUPS {
                return Err(Fault::new(span.clone(), format!("a replacement names at most {GROUPS} groups")));
            }
            parts.push(Part::Text(std::mem::take(&mut plain)));
            parts.push(Part::Group(group));
            rest = after;
        }
        parts.push(Part::Text(plain));
        parts.retain(|part| !matches!(part, Part::Text(text) if text.is_empty()));
        Ok(Self { parts })
    }

    fn write<'g>(&self, out: &mut Vec<u8>, group: impl Fn(usize) -> Option<&'g [u8]>) {
        for part in &self.parts {
            match part {
                Part::Text(text) => out.extend_from_slice(text),
                Part::Group(number) => out.extend_from_slice(group(*number).unwrap_or_default()),
            }
        }
    }
}

/// The group that `{1}` names, and what follows.
fn group(text: &[u8]) -> Option<(usize, &[u8])> {
    let (number, rest) = text.strip_prefix(b"{")?.split_first()?;
    let number = usize::from(number.checked_sub(b'0')?);
    (1..=GROUPS).contains(&number).then_some((number, rest.strip_prefix(b"}")?))
}

/// Replaces the first match.
pub(super) fn by_regex<'v>(value: Cow<'v, [u8]>, regex: &Regex, with: &Template) -> Cow<'v, [u8]> {
    let replaced = regex.captures(&value).and_then(|captures| {
        let whole = captures.get(0)?;
        let mut out = value.get(..whole.start())?.to_vec();
        with.write(&mut out, |number| captures.get(number).map(|group| group.as_bytes()));
        out.extend_from_slice(value.get(whole.end()..)?);
        Some(out)
    });
    replaced.map_or(value, Cow::Owned)
}

/// Replaces the whole value, if it matches.
pub(super) fn by_wildcard<'v>(value: Cow<'v, [u8]>, wildcard: &Wildcard, with: &Template) -> Cow<'v, [u8]> {
    let replaced = wildcard.captures(&value).map(|stars| {
        let mut out = Vec::new();
        let star = |number: usize| stars.get(number.checked_sub(1)?).and_then(|star| value.get(star.clone()));
        with.write(&mut out, star);
        out
    });
    replaced.map_or(value, Cow::Owned)
}
