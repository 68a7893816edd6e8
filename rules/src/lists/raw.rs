//! A list as written: its entries, or where they are.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, SeqAccess, Visitor};
use serde::{Serialize, Serializer};

use crate::shapes::ONE_OR_MANY;

/// What a list is a list of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Addresses and networks: `203.0.113.7`, `2001:db8::/32`.
    Ip,
    /// Texts that are compared as they are.
    String,
    /// Host names: `example.com`, or `*.example.com` for every name below it.
    Host,
    /// Numbers of autonomous systems: `AS64500` or `64500`.
    Asn,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ip => "ip",
            Self::String => "string",
            Self::Host => "host",
            Self::Asn => "asn",
        })
    }
}

/// A list as written: the entries alone, or a mapping.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RawList {
    /// What it is a list of; without it, the entries tell.
    pub kind: Option<Kind>,
    /// The entries.
    pub items: Option<Vec<String>>,
    /// The file with the entries.
    pub file: Option<String>,
}

impl RawList {
    /// A list of these entries, whose kind they tell themselves.
    pub fn of<T: Into<String>>(items: impl IntoIterator<Item = T>) -> Self {
        Self { items: Some(items.into_iter().map(Into::into).collect()), ..Self::default() }
    }

    /// Whether it is written as its entries alone.
    fn brief(&self) -> Option<&[String]> {
        self.items.as_deref().filter(|_| self.kind.is_none() && self.file.is_none())
    }
}

#[derive(serde::Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct InFull {
    /// What it is a list of; without it, the entries tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kind: Option<Kind>,
    /// The entries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    items: Option<Vec<String>>,
    /// The file with the entries: one a line, `#` begins a comment; or list items in Cloudflare's JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    file: Option<String>,
}

impl<'de> Deserialize<'de> for RawList {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = RawList;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of entries, or a mapping with the key `file` or `items`")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<RawList, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    items.push(item);
                }
                Ok(RawList { items: Some(items), ..RawList::default() })
            }

            fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<RawList, D::Error> {
                let InFull { kind, items, file } = InFull::deserialize(inner)?;
                Ok(RawList { kind, items, file })
            }
        }

        deserializer.deserialize_newtype_struct(ONE_OR_MANY, Either)
    }
}

/// As it is most briefly written.
impl Serialize for RawList {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let Some(items) = self.brief() {
            return items.serialize(serializer);
        }
        let Self { kind, items, file } = self.clone();
        InFull { kind, items, file }.serialize(serializer)
    }
}

impl JsonSchema for RawList {
    fn schema_name() -> Cow<'static, str> {
        "RawList".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let full = InFull::json_schema(generator);
        json_schema!({
            "description": "A named list: its entries, or a mapping with `items` or `file`.",
            "anyOf": [{ "type": "array", "items": { "type": ["string", "integer"] } }, full],
        })
    }
}
