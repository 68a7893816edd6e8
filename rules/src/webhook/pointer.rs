//! JSON pointers into a body as it came. What is found is the text itself: a number of twenty digits stays one, and a
//! member that is there twice is seen.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// A JSON pointer (RFC 6901).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pointer {
    text: String,
    steps: Vec<String>,
}

/// What a pointer leads to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Found<'a> {
    /// Nothing, or there is no JSON.
    Nothing,
    /// This value.
    Value(&'a RawValue),
    /// A member on the way is there twice, and readers disagree which one counts.
    Twice,
}

impl Pointer {
    /// Reads one.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut steps = Vec::new();
        let inner = match text.strip_prefix('/') {
            None if text.is_empty() => return Some(Self { text: String::new(), steps }),
            inner => inner?,
        };
        for step in inner.split('/') {
            // An escape is `~0` or `~1`.
            let sound = step.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
            steps.push(sound.then(|| step.replace("~1", "/").replace("~0", "~"))?);
        }
        Some(Self { text: text.to_owned(), steps })
    }

    /// Its steps from the root.
    pub(super) fn steps(&self) -> &[String] {
        &self.steps
    }

    /// What it leads to in a document.
    pub(super) fn find<'a>(&self, document: &'a RawValue) -> Found<'a> {
        let mut value = document;
        for step in &self.steps {
            match descend(value, step) {
                Found::Value(inner) => value = inner,
                other => return other,
            }
        }
        Found::Value(value)
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The document that a body is, if it is one.
pub(super) fn document(body: &[u8]) -> Option<&RawValue> {
    serde_json::from_slice(body).ok()
}

/// The entries of a list.
pub(super) fn entries(list: &RawValue) -> Option<Vec<&RawValue>> {
    serde_json::from_str(list.get()).ok()
}

/// The text of a string, a number as it is written, `true` or `false`. Nothing for what has no text of its own.
pub(super) fn scalar(value: &RawValue) -> Option<Cow<'_, str>> {
    let text = value.get().trim_ascii();
    match text.bytes().next()? {
        b'"' => {
            let plain = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
            match plain.filter(|plain| !plain.contains('\\')) {
                Some(plain) => Some(Cow::Borrowed(plain)),
                None => serde_json::from_str::<String>(text).ok().map(Cow::Owned),
            }
        }
        b'-' | b'0'..=b'9' | b't' | b'f' => Some(Cow::Borrowed(text)),
        _ => None,
    }
}

fn descend<'a>(value: &'a RawValue, step: &str) -> Found<'a> {
    let mut deserializer = serde_json::Deserializer::from_str(value.get());
    let found = match value.get().trim_ascii_start().bytes().next() {
        Some(b'{') => deserializer.deserialize_map(Member(step)),
        Some(b'[') => match index(step) {
            Some(index) => deserializer.deserialize_seq(Entry(index)),
            None => return Found::Nothing,
        },
        _ => return Found::Nothing,
    };
    found.unwrap_or(Found::Nothing)
}

/// RFC 6901, 4: digits without a leading zero.
fn index(step: &str) -> Option<usize> {
    let canonical = step == "0" || step.starts_with(|first: char| ('1'..='9').contains(&first));
    canonical.then(|| step.parse().ok()).flatten()
}

/// Looks for a member by its name.
struct Member<'s>(&'s str);

impl<'de> Visitor<'de> for Member<'_> {
    type Value = Found<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Found<'de>, A::Error> {
        let mut found = Found::Nothing;
        while let Some(wanted) = members.next_key_seed(Named(self.0))? {
            if wanted {
                let value = members.next_value()?;
                found = if matches!(found, Found::Nothing) { Found::Value(value) } else { Found::Twice };
            } else {
                members.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

/// Whether a name is the one that is looked for.
struct Named<'s>(&'s str);

impl<'de> DeserializeSeed<'de> for Named<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Named<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<bool, E> {
        Ok(name == self.0)
    }
}

/// Looks for an entry by its index.
struct Entry(usize);

impl<'de> Visitor<'de> for Entry {
    type Value = Found<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Found<'de>, A::Error> {
        for _ in 0..self.0 {
            if list.next_element::<IgnoredAny>()?.is_none() {
                return Ok(Found::Nothing);
            }
        }
        let found = list.next_element()?.map_or(Found::Nothing, Found::Value);
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(body: &str, pointer: &str) -> Result<Option<String>, ()> {
        let Some(document) = document(body.as_bytes()) else { return Ok(None) };
        match Pointer::parse(pointer).unwrap().find(document) {
            Found::Nothing => Ok(None),
            Found::Value(value) => Ok(scalar(value).map(Cow::into_owned)),
            Found::Twice => Err(()),
        }
    }

    #[test]
    fn values_are_their_text() {
        let body = r#" {"id": 12345678901234567890123, "n": 1.50, "on": true, "none": null, "list": [ "a", {"b/c": {"~": "\u00e9\n"}} ], "": "empty", "text": "1"} "#;
        for (pointer, value) in [
            ("/id", Some("12345678901234567890123")),
            ("/n", Some("1.50")),
            ("/on", Some("true")),
            ("/none", None),
            ("/list", None),
            ("/list/0", Some("a")),
            ("/list/00", None),
            ("/list/2", None),
            ("/list/-", None),
            ("/list/1/b~1c/~0", Some("é\n")),
            ("/", Some("empty")),
            ("/text", Some("1")),
            ("/text/0", None),
            ("/nope", None),
            ("", None),
        ] {
            assert_eq!(text(body, pointer), Ok(value.map(str::to_owned)), "{pointer}");
        }
        assert_eq!(text("7", ""), Ok(Some("7".to_owned())));
        for wrong in ["", "nothing", "{\"a\":1", "{\"a\":1}x", "{\"a\":\"\\ud800\"}", "\u{feff}{\"a\":1}"] {
            assert_eq!(text(wrong, "/a"), Ok(None), "{wrong}");
        }
        assert!(
            Pointer::parse("a").is_none()
                && Pointer::parse("/~2").is_none()
                && Pointer::parse("/~").is_none()
        );
    }

    #[test]
    fn only_what_is_meant_must_be_there_once() {
        assert_eq!(text(r#"{"a":1,"\u0061":1}"#, "/a"), Err(()));
        assert_eq!(text(r#"{"a":{"b":1},"a":{}}"#, "/a/b"), Err(()));
        assert_eq!(text(r#"{"x":1,"x":2,"a":1,"A":2}"#, "/a"), Ok(Some("1".to_owned())));
    }

    #[test]
    fn depth_and_length_do_no_harm() {
        let deep = format!("{{\"a\":1,\"b\":{}{}}}", "[".repeat(200_000), "]".repeat(200_000));
        assert_eq!(text(&deep, "/a"), Ok(Some("1".to_owned())));
    }

    proptest! {
        #[test]
        fn it_finds_what_the_other_parser_finds(body in "[\\[\\]{}\",:a0-2 ]{0,24}", pointer in "(/[a0-2]?){0,3}") {
            let value: Option<serde_json::Value> = serde_json::from_str(&body).ok();
            let other = value.as_ref().and_then(|value| value.pointer(&pointer));
            if let Ok(found) = text(&body, &pointer) {
                prop_assert_eq!(found.as_deref(), other.and_then(serde_json::Value::as_str).or(found.as_deref().filter(|_| {
                    other.is_some_and(|other| other.is_number() || other.is_boolean())
                })));
            }
        }
    }
}
