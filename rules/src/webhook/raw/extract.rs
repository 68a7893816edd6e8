//! Where a value is, and what is taken of it: a text alone, or a mapping.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{Deserializer, Error, Visitor};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};

use crate::shapes::TEXT_OR_MAP;

/// A value of a request: a source alone (`header:X-Signature`), or with what is taken of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RawExtract {
    /// `header:NAME`, `header_seq:NAME-{n}`, `query:NAME`, `form:NAME`, `json:/pointer`, `item:/pointer` or
    /// `config:NAME`.
    pub from: String,
    /// What stands between the parts of a list.
    pub split: Option<String>,
    /// What stands between the name and the value of a part.
    pub pair: Option<String>,
    /// The name whose values are taken; `$key_id` is the id of the key that is tried.
    pub pick: Option<String>,
    /// What a part must begin with, and what is taken off.
    pub strip_prefix: Option<String>,
    /// Characters that must not occur.
    pub forbid: Option<String>,
    /// Whether it may be absent.
    pub optional: bool,
    /// Whether the header may be there several times.
    pub many: bool,
}

impl From<&str> for RawExtract {
    fn from(source: &str) -> Self {
        Self { from: source.to_owned(), ..Self::default() }
    }
}

#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct InFull {
    /// `header:NAME`, `header_seq:NAME-{n}`, `query:NAME`, `form:NAME`, `json:/pointer`, `item:/pointer` or
    /// `config:NAME`.
    from: String,
    /// What stands between the parts of a list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    split: Option<String>,
    /// What stands between the name and the value of a part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pair: Option<String>,
    /// The name whose values are taken; `$key_id` is the id of the key that is tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pick: Option<String>,
    /// What a part must begin with, and what is taken off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    strip_prefix: Option<String>,
    /// Characters that must not occur.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    forbid: Option<String>,
    /// Whether it may be absent.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    optional: bool,
    /// Whether the header may be there several times.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    many: bool,
}

impl From<InFull> for RawExtract {
    fn from(full: InFull) -> Self {
        let InFull { from, split, pair, pick, strip_prefix, forbid, optional, many } = full;
        Self { from, split, pair, pick, strip_prefix, forbid, optional, many }
    }
}

impl From<RawExtract> for InFull {
    fn from(raw: RawExtract) -> Self {
        let RawExtract { from, split, pair, pick, strip_prefix, forbid, optional, many } = raw;
        Self { from, split, pair, pick, strip_prefix, forbid, optional, many }
    }
}

impl<'de> Deserialize<'de> for RawExtract {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = RawExtract;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a source such as `header:X-Signature`, or a mapping with the key `from`")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<RawExtract, E> {
                Ok(text.into())
            }

            fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<RawExtract, D::Error> {
                InFull::deserialize(inner).map(RawExtract::from)
            }
        }

        deserializer.deserialize_newtype_struct(TEXT_OR_MAP, Either)
    }
}

/// As it is most briefly written.
impl Serialize for RawExtract {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if *self == Self::from(self.from.as_str()) {
            self.from.serialize(serializer)
        } else {
            InFull::from(self.clone()).serialize(serializer)
        }
    }
}

impl JsonSchema for RawExtract {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "RawExtract".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let (text, full) = (generator.subschema_for::<String>(), InFull::json_schema(generator));
        schemars::json_schema!({ "anyOf": [text, full] })
    }
}
