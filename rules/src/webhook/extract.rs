//! What is taken of a source's value: parts of a list, one of its names, what follows a prefix.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use super::delivery::{MAX_VALUE, Reading, Values};
use super::raw::RawExtract;
use super::refused::{Reason, Refused};
use super::source::Source;
use crate::problem::{Place, Problem};

/// A compiled extract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Extract {
    source: Source,
    split: Option<String>,
    pair: Option<(String, Pick)>,
    strip_prefix: Option<String>,
    forbid: String,
    optional: bool,
    many: bool,
}

/// Which name's values are taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Pick {
    /// This one's.
    Name(String),
    /// That of the key which is tried, by its id.
    KeyId,
}

impl Extract {
    pub(super) fn compile(raw: &RawExtract, at: &Place) -> Result<Self, Problem> {
        let from = if *raw == RawExtract::from(raw.from.as_str()) { at.clone() } else { at.key("from") };
        let source = Source::parse(&raw.from, &from)?;
        let empty = |key: &str, value: &Option<String>| {
            value.as_ref().is_some_and(String::is_empty).then(|| {
                at.key(key)
                    .problem(format!("`{key}` is empty"))
                    .remedy("write what stands there, or remove the key")
            })
        };
        for (key, value) in [
            ("split", &raw.split),
            ("pair", &raw.pair),
            ("pick", &raw.pick),
            ("strip_prefix", &raw.strip_prefix),
            ("forbid", &raw.forbid),
        ] {
            if let Some(problem) = empty(key, value) {
                return Err(problem);
            }
        }
        let pair = match (&raw.pair, &raw.pick) {
            (None, None) => None,
            (Some(pair), Some(pick)) => Some((pair.clone(), pick_of(pick, at)?)),
            (pair, _) => {
                let (there, lacking) = if pair.is_some() { ("pair", "pick") } else { ("pick", "pair") };
                return Err(at
                    .key(there)
                    .itself()
                    .problem(format!("`{there}` says nothing without `{lacking}`"))
                    .remedy("write both: what parts name and value, and the name that is wanted"));
            }
        };
        if raw.many && !matches!(source, Source::Header(_) | Source::HeaderSeq { .. }) {
            return Err(at
                .key("many")
                .itself()
                .problem("only a header can be there several times")
                .remedy("remove `many`"));
        }
        Ok(Self {
            source,
            split: raw.split.clone(),
            pair,
            strip_prefix: raw.strip_prefix.clone(),
            forbid: raw.forbid.clone().unwrap_or_default(),
            optional: raw.optional,
            many: raw.many,
        })
    }

    /// All of a source's value.
    pub(super) fn whole(source: Source) -> Self {
        Self {
            source,
            split: None,
            pair: None,
            strip_prefix: None,
            forbid: String::new(),
            optional: false,
            many: false,
        }
    }

    /// The same, where it may be absent.
    pub(super) fn or_nothing(self) -> Self {
        Self { optional: true, ..self }
    }

    /// Whether it takes the same as another, whatever either of them forbids or does without.
    pub(super) fn takes_the_same(&self, other: &Self) -> bool {
        let taken =
            |one: &Self| (one.source.clone(), one.split.clone(), one.pair.clone(), one.strip_prefix.clone());
        taken(self) == taken(other)
    }

    pub(super) fn source(&self) -> &Source {
        &self.source
    }

    /// Whether the value depends on which key is tried.
    pub(super) fn is_by_key(&self) -> bool {
        matches!(self.pair, Some((_, Pick::KeyId)))
    }

    /// How the parts of the value are written: for signing.
    pub(super) fn form(&self) -> (Option<&str>, Option<(&str, &Pick)>, &str) {
        let pair = self.pair.as_ref().map(|(pair, pick)| (pair.as_str(), pick));
        (self.split.as_deref(), pair, self.strip_prefix.as_deref().unwrap_or_default())
    }

    /// Whether it may be absent.
    pub(super) fn is_optional(&self) -> bool {
        self.optional
    }

    /// All values, at least one; none only if it may be absent and is. `key_id` is the id of the key that is tried.
    pub(super) fn all<'a>(&self, reading: &Reading<'a>, key_id: Option<&str>) -> Result<Values<'a>, Refused> {
        let values = reading.values(&self.source, self.many)?;
        if values.is_empty() {
            return if self.optional { Ok(values) } else { Err(Refused::missing(self)) };
        }
        let mut taken = Values::new();
        for value in values {
            if value.len() > MAX_VALUE {
                return Err(Refused::new(Reason::Oversized, format!("{self} is longer than 8 KiB")));
            }
            for part in split(&value, self.split.as_deref()) {
                taken.extend(self.take(part, key_id));
            }
        }
        if taken.is_empty() {
            return Err(Refused::malformed(format!("{self} has no part of the form that is wanted")));
        }
        let forbidden =
            |value: &Cow<'_, [u8]>| value.iter().any(|byte| self.forbid.as_bytes().contains(byte));
        if taken.iter().any(forbidden) {
            return Err(Refused::malformed(format!("{self} has a character that must not stand there")));
        }
        Ok(taken)
    }

    /// The one value; nothing only if it may be absent and is.
    pub(super) fn one<'a>(&self, reading: &Reading<'a>) -> Result<Option<Cow<'a, [u8]>>, Refused> {
        let mut values = self.all(reading, None)?;
        let value = values.pop();
        if values.is_empty() {
            return Ok(value);
        }
        Err(Refused::new(Reason::Ambiguous, format!("{self} has more than one value")))
    }

    fn take<'a>(&self, part: Cow<'a, [u8]>, key_id: Option<&str>) -> Option<Cow<'a, [u8]>> {
        let mut part = part;
        if let Some((pair, pick)) = &self.pair {
            let wanted = match pick {
                Pick::Name(name) => name.as_str(),
                Pick::KeyId => key_id?,
            };
            let at = find(&part, pair.as_bytes())?;
            if part.get(..at)?.trim_ascii() != wanted.as_bytes() {
                return None;
            }
            part = tail(part, at + pair.len());
        }
        if let Some(prefix) = &self.strip_prefix {
            if !part.starts_with(prefix.as_bytes()) {
                return None;
            }
            part = tail(part, prefix.len());
        }
        Some(part).filter(|part| !part.is_empty())
    }
}

impl fmt::Display for Extract {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.pair {
            Some((_, Pick::Name(name))) => write!(f, "`{name}` of {}", self.source),
            _ => self.source.fmt(f),
        }
    }
}

fn pick_of(text: &str, at: &Place) -> Result<Pick, Problem> {
    match text.strip_prefix('$') {
        None => Ok(Pick::Name(text.to_owned())),
        Some("key_id") => Ok(Pick::KeyId),
        Some(_) => Err(at
            .key("pick")
            .problem(format!("there is no name `{text}` to pick"))
            .remedy("write the name itself, or `$key_id` for the id of the key")),
    }
}

fn split<'a>(value: &Cow<'a, [u8]>, separator: Option<&str>) -> Values<'a> {
    let Some(separator) = separator.map(str::as_bytes) else { return vec![trimmed(value, 0..value.len())] };
    let (mut parts, mut start) = (Vec::new(), 0);
    while let Some(at) = value.get(start..).and_then(|rest| find(rest, separator)) {
        parts.push(trimmed(value, start..start + at));
        start += at + separator.len();
    }
    parts.push(trimmed(value, start..value.len()));
    parts.retain(|part| !part.is_empty());
    parts
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len().max(1)).position(|window| window == wanted)
}

fn tail(value: Cow<'_, [u8]>, start: usize) -> Cow<'_, [u8]> {
    match value {
        Cow::Borrowed(value) => Cow::Borrowed(value.get(start..).unwrap_or_default()),
        Cow::Owned(value) => Cow::Owned(value.get(start..).unwrap_or_default().to_vec()),
    }
}

fn trimmed<'a>(value: &Cow<'a, [u8]>, range: Range<usize>) -> Cow<'a, [u8]> {
    match value {
        Cow::Borrowed(value) => Cow::Borrowed(value.get(range).unwrap_or_default().trim_ascii()),
        Cow::Owned(value) => Cow::Owned(value.get(range).unwrap_or_default().trim_ascii().to_vec()),
    }
}
