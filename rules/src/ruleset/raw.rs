//! A rule as written.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::shapes::OneOrMany;
use crate::units::Time;

/// A rule: where `when` holds, `action` is done.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawRule {
    /// Its name in logs.
    pub name: String,
    /// The rules that it belongs to: `skip` ends its own group, and a rewrite is seen by later groups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// An expression in the language of Cloudflare's rules.
    pub when: String,
    /// What is done.
    pub action: RawAction,
    /// `observe`: it is only logged what the rule would have done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<RawRuleMode>,
    /// For `block` and `limit`: the status, from 400 to 499. For `redirect`: 301, 302 (the default), 303, 307 or 308.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// For `block` and `limit`: the body of the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// For `block` and `limit`: what `body` is; by default `text/plain`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// For `skip`: the later groups that are left out. Without it, the rest of the rule's own group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub groups: Option<OneOrMany<String>>,
    /// For `skip` with `groups`: whether the rest of the rule's own group is left out as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rest: Option<bool>,
    /// For `redirect`: the address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// For `redirect`: an expression for the address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_expression: Option<String>,
    /// For `redirect`: whether the request's query is added.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_query: Option<bool>,
    /// For `rewrite`: the path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// For `rewrite`: an expression for the path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_expression: Option<String>,
    /// For `rewrite`: the query without its `?`; empty for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// For `rewrite`: an expression for the query.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query_expression: Option<String>,
    /// For `headers`: what is changed on the way to the upstream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<RawRequestEdits>,
    /// For `headers`: what is changed on the way to the client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<RawResponseEdits>,
    /// For `limit`: expressions for what is counted by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per: Option<OneOrMany<String>>,
    /// For `limit`: how many requests in which time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow: Option<String>,
    /// For `limit`: how long whoever went over it is refused; by default only while over it.
    #[serde(rename = "for", default, skip_serializing_if = "Option::is_none")]
    pub lasts: Option<Time>,
    /// For `limit`: which requests count; by default those for which `when` holds. It may name the upstream's answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<String>,
}

impl RawRule {
    /// A rule that says nothing but this.
    pub fn new(name: &str, when: &str, action: RawAction) -> Self {
        Self {
            name: name.to_owned(),
            group: None,
            when: when.to_owned(),
            action,
            mode: None,
            status: None,
            body: None,
            content_type: None,
            groups: None,
            rest: None,
            to: None,
            to_expression: None,
            keep_query: None,
            path: None,
            path_expression: None,
            query: None,
            query_expression: None,
            request: None,
            response: None,
            per: None,
            allow: None,
            lasts: None,
            count: None,
        }
    }
}

/// What a rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawAction {
    /// The request is refused.
    Block,
    /// It is logged that the rule matched.
    Log,
    /// The rest of the rules, or whole groups, are left out.
    Skip,
    /// The client is sent to another address.
    Redirect,
    /// The path or the query is changed.
    Rewrite,
    /// Header fields are changed.
    Headers,
    /// Requests are counted, and refused when there are too many.
    Limit,
    /// Not built yet: refused when the file is loaded.
    Challenge,
    /// Not built yet: refused when the file is loaded.
    JsChallenge,
    /// Not built yet: refused when the file is loaded.
    ManagedChallenge,
}

/// Whether a rule acts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawRuleMode {
    /// It acts.
    #[default]
    Enforce,
    /// It is only logged what it would have done.
    Observe,
}

/// What is changed on the way to the upstream.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawRequestEdits {
    /// Fields with the value that each gets.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub set: BTreeMap<String, String>,
    /// Fields with an expression for the value.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub set_expression: BTreeMap<String, String>,
    /// Fields that are removed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remove: Vec<String>,
}

/// What is changed on the way to the client.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawResponseEdits {
    /// Fields with the value that each gets.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub set: BTreeMap<String, String>,
    /// Fields with a value that is added to those that are there.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub add: BTreeMap<String, String>,
    /// Fields with an expression for the value.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub set_expression: BTreeMap<String, String>,
    /// Fields that are removed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remove: Vec<String>,
}
