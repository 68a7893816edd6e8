//! Rulesets and lists in what `terraform show -json` prints of a state or a plan. The provider's versions 4 (blocks are
//! lists) and 5 are read alike.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::export::{Export, List, firewall_rules, rule, ruleset, text_of};
use super::report::Report;

/// Whether this is Terraform's.
pub(super) fn is_state(object: &Map<String, Value>) -> bool {
    object.contains_key("terraform_version") || roots(object).next().is_some()
}

fn roots(object: &Map<String, Value>) -> impl Iterator<Item = &Value> {
    // What is planned is what will be; a plan also holds what was.
    let values = object.get("planned_values").or_else(|| object.get("values"));
    values.and_then(|values| values.get("root_module")).into_iter()
}

/// A resource: its type and its values.
type Resource = (String, Map<String, Value>);

/// Takes the rulesets and lists of a state or a plan.
pub(super) fn take(export: &mut Export, object: &Map<String, Value>, report: &mut Report) {
    let mut resources = Vec::new();
    roots(object).for_each(|root| collect(root, &mut resources));
    let of = |kind: &'static str| {
        resources.iter().filter(move |(resource, _)| resource == kind).map(|(_, values)| values)
    };
    for values in of("cloudflare_ruleset") {
        let mut values = values.clone();
        // An empty one has no `rules` here, and is not a listing's.
        values.entry("rules").or_insert_with(|| Value::Array(Vec::new()));
        export.rulesets.extend(ruleset(&values, report));
    }
    take_firewall_rules(export, of("cloudflare_filter"), of("cloudflare_firewall_rule"));
    take_lists(export, of("cloudflare_list"), of("cloudflare_list_item"));
}

fn collect(module: &Value, resources: &mut Vec<Resource>) {
    let list = |key: &str| module.get(key).and_then(Value::as_array).into_iter().flatten();
    for resource in list("resources") {
        // Data sources repeat what others manage.
        let managed = resource.get("mode").is_none_or(|mode| mode == "managed");
        let kind = resource.get("type").and_then(Value::as_str);
        let values = resource.get("values").cloned().map(plain);
        if let (true, Some(kind), Some(Value::Object(values))) = (managed, kind, values) {
            resources.push((kind.to_owned(), values));
        }
    }
    list("child_modules").for_each(|module| collect(module, resources));
}

/// Blocks that may stand once. Version 4 has them as lists of one.
const BLOCKS: [&str; 22] = [
    "action_parameters",
    "browser_ttl",
    "cache_key",
    "edge_ttl",
    "exposed_credential_check",
    "from_list",
    "from_value",
    "hostname",
    "logging",
    "matched_data",
    "origin",
    "overrides",
    "path",
    "query",
    "ratelimit",
    "redirect",
    "response",
    "serve_stale",
    "sni",
    "target_url",
    "uri",
    "value",
];

fn unwrapped(value: Value) -> Value {
    match value {
        Value::Array(mut items) if items.len() == 1 && items.iter().all(Value::is_object) => items.remove(0),
        other => other,
    }
}

/// Values as Cloudflare's API has them.
fn plain(value: Value) -> Value {
    match value {
        Value::Object(object) => {
            Value::Object(object.into_iter().filter_map(|(key, value)| member(key, value)).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(plain).collect()),
        // `${` has to be written so in HCL.
        Value::String(text) => Value::String(text.replace("$${", "${")),
        other => other,
    }
}

fn member(key: String, value: Value) -> Option<(String, Value)> {
    let value = if BLOCKS.contains(&key.as_str()) { unwrapped(value) } else { value };
    let value = match (key.as_str(), value) {
        (_, Value::Null) => return None,
        (_, Value::Array(items)) if items.is_empty() => return None,
        ("headers", Value::Array(items)) => Value::Object(items.into_iter().filter_map(header).collect()),
        (_, other) => other,
    };
    Some((key, plain(value)))
}

/// `headers { name = "x" operation = "set" }`
fn header(block: Value) -> Option<(String, Value)> {
    let Value::Object(mut block) = block else { return None };
    let name = block.remove("name")?.as_str()?.to_owned();
    Some((name, Value::Object(block)))
}

fn take_firewall_rules<'a>(
    export: &mut Export,
    filters: impl Iterator<Item = &'a Map<String, Value>>,
    rules: impl Iterator<Item = &'a Map<String, Value>>,
) {
    let filters: BTreeMap<_, _> =
        filters.filter_map(|filter| Some((text_of(filter, "id")?, filter))).collect();
    let read = |values: &Map<String, Value>| {
        let filter = text_of(values, "filter_id").and_then(|id| filters.get(id));
        let mut object = values.clone();
        for key in ["expression", "paused"] {
            if let Some(value) = filter.and_then(|filter| filter.get(key))
                && (key == "expression" || value == true)
            {
                object.insert(key.to_owned(), value.clone());
            }
        }
        let paused = object.get("paused") == Some(&Value::Bool(true));
        let mut parameters = Map::new();
        if let Some(products) = object.remove("products") {
            parameters.insert("products".to_owned(), products);
        }
        object.insert("enabled".to_owned(), Value::Bool(!paused));
        object.insert("action_parameters".to_owned(), Value::Object(parameters));
        (object.get("priority").and_then(Value::as_u64).unwrap_or(u64::MAX), rule(&object))
    };
    let rules: Vec<_> = rules.map(read).collect();
    if !rules.is_empty() {
        export.rulesets.push(firewall_rules(rules));
    }
}

fn take_lists<'a>(
    export: &mut Export,
    lists: impl Iterator<Item = &'a Map<String, Value>>,
    items: impl Iterator<Item = &'a Map<String, Value>>,
) {
    let mut alone: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    for item in items {
        if let Some(list) = text_of(item, "list_id") {
            alone.entry(list).or_default().push(Value::Object(item.clone()));
        }
    }
    for list in lists {
        let Some(name) = text_of(list, "name") else { continue };
        let blocks = list.get("items").or_else(|| list.get("item")).and_then(Value::as_array);
        // Version 4 has the value in a block of its own.
        let each = |item: &Value| item.get("value").filter(|value| value.is_object()).unwrap_or(item).clone();
        let mut items: Vec<_> = blocks.into_iter().flatten().map(each).collect();
        items.extend(text_of(list, "id").and_then(|id| alone.remove(id)).unwrap_or_default());
        let kind = text_of(list, "kind").unwrap_or_default().to_owned();
        export.add_list(name, List { kind, items, has_items: true });
    }
}
