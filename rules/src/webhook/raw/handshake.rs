//! Requests that are no deliveries, as written.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A request that sets the webhook up or probes it.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawHandshake {
    /// Whether it comes without a signature.
    pub phase: Phase,
    /// Whether it is answered only while the setting `handshake_armed` says so.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub armed: bool,
    /// What it looks like.
    #[serde(default)]
    pub when: RawWhen,
    /// What it is answered.
    pub answer: RawAnswer,
}

/// When a handshake is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Before anything is verified.
    Before,
    /// Once the signature holds.
    After,
}

/// What a request must look like to be a handshake: all of it.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawWhen {
    /// Its method.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Sources with the value that each must have; `$config:NAME` is a setting of the webhook, and none is never
    /// equal to anything.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub equals: BTreeMap<String, String>,
    /// Sources that must have a value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub present: Vec<String>,
    /// Sources that must not be there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub absent: Vec<String>,
}

/// What a handshake is answered. Texts are templates.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawAnswer {
    /// The status; 200 without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Header fields, each a name and a value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, String)>,
    /// A body of plain text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// A body of JSON; `{ $hmac_hex: TEXT }` becomes the text's HMAC by the first key, in hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub json: Option<Value>,
    /// A body of plain text: the first key's id, a bar, and the HMAC of this text in hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text_hmac: Option<String>,
    /// Let the upstream answer it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub forward: bool,
}
