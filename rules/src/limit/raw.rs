//! A limit as written.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{Deserializer, Error, Visitor};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};

use crate::shapes::{OneOrMany, TEXT_OR_MAP};
use crate::units::Time;

/// A limit: what it counts by (`per` or `each`), and how much may be (`allow`, `concurrent`, `lock`).
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawLimit {
    /// One counter for these together: `ip`, `user`, `tenant`, `claim.NAME`, `api_key`, `route`, `path.NAME`,
    /// `query.NAME`, `header.NAME`, `cookie.NAME`, `body:/pointer`. What cannot be read counts by the address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per: Option<OneOrMany<String>>,
    /// A counter of its own for each of these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub each: Option<OneOrMany<String>>,
    /// How many requests in which time: `30/min`, or by role: `{ anonymous: 10/min, member: 30/min }`, of which the
    /// most that one of the caller's roles has counts. Never more than that in any such time, unless there is `burst`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow: Option<RawAllow>,
    /// How many at once (a token bucket): after that, as many as `allow` says, evenly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub burst: Option<u32>,
    /// How many requests may be in progress, streams included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrent: Option<u32>,
    /// A lock after failures that the upstream tells with 401, 403 or 422.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lock: Option<RawLock>,
    /// Whether admitted requests are told how much is left (`RateLimit`, `RateLimit-Policy`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub announce: bool,
    /// Leading bits of an IPv6 address that count as one address; by default 64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ipv6_prefix: Option<u8>,
}

/// `lock:` of a limit.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawLock {
    /// How many failures lock. They are forgotten after `for` without one.
    pub after: u32,
    /// How long the first lock lasts; each further one lasts twice as long as the one before, up to a day.
    #[serde(rename = "for")]
    pub lasts: Time,
}

/// `allow:` as written.
#[derive(Clone, Debug)]
pub enum RawAllow {
    /// The same for everybody.
    All(String),
    /// By role; `anonymous` is for whoever has none of the others.
    ByRole(BTreeMap<String, String>),
}

impl<'de> Deserialize<'de> for RawAllow {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = RawAllow;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an allowance such as `30/min`, or a mapping of roles to allowances")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<RawAllow, E> {
                Ok(RawAllow::All(text.to_owned()))
            }

            fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<RawAllow, D::Error> {
                BTreeMap::deserialize(inner).map(RawAllow::ByRole)
            }
        }

        deserializer.deserialize_newtype_struct(TEXT_OR_MAP, Either)
    }
}

impl Serialize for RawAllow {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::All(text) => text.serialize(serializer),
            Self::ByRole(roles) => roles.serialize(serializer),
        }
    }
}

impl JsonSchema for RawAllow {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "RawAllow".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let text = generator.subschema_for::<String>();
        let roles = generator.subschema_for::<BTreeMap<String, String>>();
        schemars::json_schema!({ "anyOf": [text, roles] })
    }
}
