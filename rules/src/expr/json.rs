//! `lookup_json_string` and `lookup_json_integer`: one value of a document, found without building the document.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// A step down a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Name(Vec<u8>),
    Item(usize),
}

/// What was looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    Text(String),
    Integer(i64),
    /// Something else, or nothing.
    Other,
}

/// The value at `keys` of the document; nothing, if it is no JSON document. Of several members with one name the
/// last one counts, as for most parsers.
pub(super) fn look_up(document: &[u8], keys: &[Key]) -> Option<Found> {
    let mut reader = serde_json::Deserializer::from_slice(document);
    let found = Look { keys }.deserialize(&mut reader).ok()?;
    reader.end().ok().map(|()| found)
}

struct Look<'k> {
    keys: &'k [Key],
}

impl<'de> DeserializeSeed<'de> for Look<'_> {
    type Value = Found;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Found, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Look<'_> {
    type Value = Found;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Found, E> {
        Ok(if self.keys.is_empty() { Found::Text(text.to_owned()) } else { Found::Other })
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Found, E> {
        Ok(if self.keys.is_empty() { Found::Integer(number) } else { Found::Other })
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Found, E> {
        i64::try_from(number).map_or(Ok(Found::Other), |number| self.visit_i64(number))
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Found, E> {
        Ok(Found::Other)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Found, E> {
        Ok(Found::Other)
    }

    fn visit_unit<E: Error>(self) -> Result<Found, E> {
        Ok(Found::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Found, A::Error> {
        let wanted = match self.keys.split_first() {
            Some((Key::Name(name), rest)) => Some((name, rest)),
            _ => None,
        };
        let mut found = Found::Other;
        while let Some(name) = map.next_key::<Cow<'de, str>>()? {
            match wanted {
                Some((wanted, keys)) if name.as_bytes() == wanted.as_slice() => {
                    found = map.next_value_seed(Look { keys })?;
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(found)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Found, A::Error> {
        let mut found = Found::Other;
        if let Some((Key::Item(wanted), keys)) = self.keys.split_first() {
            for _ in 0..*wanted {
                if items.next_element::<IgnoredAny>()?.is_none() {
                    return Ok(Found::Other);
                }
            }
            found = items.next_element_seed(Look { keys })?.unwrap_or(Found::Other);
        }
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(found)
    }
}
