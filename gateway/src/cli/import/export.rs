//! What was exported, whatever the form: the answers of Cloudflare's API, one or several, and lists.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::report::{Report, line};
use super::terraform;

/// Answers within answers, and lists in lists: deeper than this is nothing of Cloudflare's.
const DEEPEST: usize = 8;

/// Everything that the files hold.
#[derive(Debug, Default)]
pub(super) struct Export {
    pub(super) rulesets: Vec<Ruleset>,
    pub(super) lists: BTreeMap<String, List>,
}

/// A ruleset.
#[derive(Clone, Debug, Default)]
pub(super) struct Ruleset {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) phase: String,
    /// The zone that it is of, where that is told.
    pub(super) zone: String,
    pub(super) rules: Vec<Rule>,
}

/// Where a ruleset runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// First, for every zone of the account.
    Account,
    #[default]
    Zone,
    /// Where a rule executes it.
    Custom,
    /// Likewise, and Cloudflare's own.
    Managed,
}

/// A rule, as it was written.
#[derive(Clone, Debug, Default)]
pub(super) struct Rule {
    pub(super) id: String,
    /// The stable name that its author gave it.
    pub(super) reference: String,
    pub(super) description: String,
    pub(super) expression: String,
    pub(super) action: String,
    pub(super) parameters: Map<String, Value>,
    pub(super) limit: Option<Map<String, Value>>,
    pub(super) enabled: bool,
    /// Whether it looks for leaked credentials, too.
    pub(super) credentials: bool,
}

/// A named list.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct List {
    /// `ip`, `hostname`, `asn` or `redirect`, where that is told.
    pub(super) kind: String,
    pub(super) items: Vec<Value>,
    /// Whether the items are in the export: an answer about lists leaves them out.
    pub(super) has_items: bool,
}

impl Export {
    /// Takes what a document holds.
    ///
    /// # Errors
    /// When it is nothing that Cloudflare exports: a sentence.
    pub(super) fn take(&mut self, document: &Value, report: &mut Report) -> Result<(), String> {
        self.take_at(document, report, 0)
    }

    fn take_at(&mut self, document: &Value, report: &mut Report, depth: usize) -> Result<(), String> {
        if depth > DEEPEST {
            return Err("it is nested too deeply to be an export of Cloudflare's".to_owned());
        }
        match document {
            Value::Array(items) => self.take_all(items, report, depth),
            Value::Object(object) => self.take_object(object, report, depth),
            _ => Err("it is neither a ruleset nor a list of rulesets".to_owned()),
        }
    }

    fn take_all(&mut self, items: &[Value], report: &mut Report, depth: usize) -> Result<(), String> {
        let is_item =
            |item: &Value| ["ip", "asn", "hostname", "redirect"].iter().any(|key| item.get(key).is_some());
        if !items.is_empty() && items.iter().all(|item| is_item(item) && item.get("name").is_none()) {
            return Err(
                "it holds the items of a list without its name: give it as `--list NAME=FILE`".to_owned()
            );
        }
        if items.iter().any(is_firewall_rule) {
            let rules = items.iter().filter(|item| is_firewall_rule(item)).map(firewall_rule).collect();
            self.rulesets.push(firewall_rules(rules));
        }
        items
            .iter()
            .filter(|item| !is_firewall_rule(item))
            .try_for_each(|item| self.take_at(item, report, depth + 1))
    }

    fn take_object(
        &mut self,
        object: &Map<String, Value>,
        report: &mut Report,
        depth: usize,
    ) -> Result<(), String> {
        if terraform::is_state(object) {
            terraform::take(self, object, report);
            return Ok(());
        }
        if object.get("success").and_then(Value::as_bool) == Some(false) {
            let errors = object.get("errors").map(Value::to_string).unwrap_or_default();
            return Err(format!("it is Cloudflare's answer that the export failed: {}", line(&errors)));
        }
        if let Some(result) = object.get("result") {
            return self.take_at(result, report, depth + 1);
        }
        if object.contains_key("phase") {
            self.rulesets.extend(ruleset(object, report));
            return Ok(());
        }
        if let (Some(name), Some(kind)) = (text_of(object, "name"), text_of(object, "kind"))
            && LIST_KINDS.contains(&kind)
        {
            let items = object.get("items").and_then(Value::as_array);
            let (kind, has_items) = (kind.to_owned(), items.is_some());
            self.add_list(name, List { kind, items: items.cloned().unwrap_or_default(), has_items });
            return Ok(());
        }
        let (export, lists) = (object.get("export"), object.get("lists").and_then(Value::as_object));
        if export.is_some() || lists.is_some() {
            if let Some(export) = export {
                self.take_at(export, report, depth + 1)?;
            }
            return lists.map_or(Ok(()), |lists| self.take_lists(lists));
        }
        self.take_lists(object)
    }

    /// `{ "office": { "kind": "ip", "items": […] } }`
    fn take_lists(&mut self, lists: &Map<String, Value>) -> Result<(), String> {
        for (name, list) in lists {
            let items = list.get("items").or(Some(list)).and_then(Value::as_array);
            let Some(items) = items else {
                return Err("it is no export of rulesets or lists that is known".to_owned());
            };
            let kind = list.get("kind").and_then(Value::as_str).unwrap_or_default().to_owned();
            self.add_list(name, List { kind, items: items.clone(), has_items: true });
        }
        Ok(())
    }

    /// What has the items is believed.
    pub(super) fn add_list(&mut self, name: &str, list: List) {
        let known = self.lists.entry(name.to_owned()).or_default();
        if list.has_items || !known.has_items {
            let kind = if list.kind.is_empty() { std::mem::take(&mut known.kind) } else { list.kind };
            *known = List { kind, ..list };
        }
    }
}

const LIST_KINDS: [&str; 4] = ["ip", "hostname", "asn", "redirect"];

pub(super) fn text_of<'a>(object: &'a Map<String, Value>, key: &str) -> Option<&'a str> {
    object.get(key).and_then(Value::as_str)
}

fn owned(object: &Map<String, Value>, key: &str) -> String {
    text_of(object, key).unwrap_or_default().to_owned()
}

/// A ruleset; none where it is one of Cloudflare's own without its rules, as a listing has them.
pub(super) fn ruleset(object: &Map<String, Value>, report: &mut Report) -> Option<Ruleset> {
    let kind = match text_of(object, "kind") {
        Some("root") => Kind::Account,
        Some("custom") => Kind::Custom,
        Some("managed") => Kind::Managed,
        _ => Kind::Zone,
    };
    let rules = object.get("rules").and_then(Value::as_array);
    if rules.is_none() && kind == Kind::Managed {
        return None;
    }
    let set = Ruleset {
        id: owned(object, "id"),
        name: owned(object, "name"),
        kind,
        phase: owned(object, "phase"),
        zone: owned(object, "zone_id"),
        rules: rules.into_iter().flatten().filter_map(Value::as_object).map(rule).collect(),
    };
    if rules.is_none() {
        let way = "a listing leaves them out: export `…/rulesets/phases/PHASE/entrypoint` or `…/rulesets/ID`";
        report.lost(set.title(), format!("its rules are not in the export ({way})"));
    }
    Some(set)
}

impl Ruleset {
    /// How people know it.
    pub(super) fn title(&self) -> String {
        let named = !matches!(self.name.as_str(), "" | "default");
        let name = if named { format!(" `{}`", line(&self.name)) } else { String::new() };
        let level = match self.kind {
            Kind::Account => " of the account",
            Kind::Zone => "",
            Kind::Custom => ", custom",
            Kind::Managed => ", managed",
        };
        format!("ruleset{name} ({}{level})", line(&self.phase))
    }
}

pub(super) fn rule(object: &Map<String, Value>) -> Rule {
    let map = |key: &str| object.get(key).and_then(Value::as_object).cloned();
    Rule {
        id: owned(object, "id"),
        reference: owned(object, "ref"),
        description: owned(object, "description"),
        expression: owned(object, "expression"),
        action: owned(object, "action"),
        parameters: map("action_parameters").unwrap_or_default(),
        limit: map("ratelimit"),
        enabled: object.get("enabled").and_then(Value::as_bool).unwrap_or(true),
        credentials: object.get("exposed_credential_check").is_some_and(|check| !check.is_null()),
    }
}

/// One of the rules that were there before rulesets.
fn is_firewall_rule(item: &Value) -> bool {
    item.get("filter").is_some_and(|filter| filter.get("expression").is_some())
        && item.get("action").is_some()
}

fn firewall_rule(item: &Value) -> (u64, Rule) {
    let empty = Map::new();
    let object = item.as_object().unwrap_or(&empty);
    let filter = object.get("filter").and_then(Value::as_object).unwrap_or(&empty);
    let paused = |object: &Map<String, Value>| object.get("paused").and_then(Value::as_bool).unwrap_or(false);
    let mut parameters = Map::new();
    if let Some(products) = object.get("products") {
        parameters.insert("products".to_owned(), products.clone());
    }
    let rule = Rule {
        id: owned(object, "id"),
        reference: owned(object, "ref"),
        description: owned(object, "description"),
        expression: owned(filter, "expression"),
        action: owned(object, "action"),
        parameters,
        enabled: !paused(object) && !paused(filter),
        ..Rule::default()
    };
    (object.get("priority").and_then(Value::as_u64).unwrap_or(u64::MAX), rule)
}

/// The phase of the rules that were there before rulesets. They ran where custom rules run now.
pub(super) const FIREWALL_RULES: &str = "firewall_rules";

/// Firewall rules in the order in which they ran: by priority, and without one by action.
pub(super) fn firewall_rules(mut rules: Vec<(u64, Rule)>) -> Ruleset {
    const ORDER: [&str; 7] =
        ["log", "bypass", "allow", "managed_challenge", "js_challenge", "challenge", "block"];
    rules.sort_by_key(|(priority, rule)| (*priority, ORDER.iter().position(|action| *action == rule.action)));
    let rules = rules.into_iter().map(|(_, rule)| rule).collect();
    Ruleset { phase: FIREWALL_RULES.to_owned(), rules, ..Ruleset::default() }
}
