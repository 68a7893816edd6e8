//! The lists that rules name.

use std::collections::BTreeMap;

use serde_json::Value;

use super::export::List;
use super::expression;
use super::report::Report;
use super::translate::{Made, expressions};
use super::yaml::{Yaml, name as key_of};

/// Entries that fit on the line of their list.
const SHORT: usize = 6;

/// The lists that `rules` name, as lines below `lists:`; empty without any.
pub(super) fn lines(lists: &BTreeMap<String, List>, rules: &[Made], report: &mut Report) -> String {
    let mut used: BTreeMap<&str, &str> = BTreeMap::new();
    for made in rules.iter().filter(|made| made.enabled) {
        let formulas = made.keys.iter().flat_map(|(key, value)| expressions(key, value));
        for (name, field) in formulas.chain([made.when.as_str()]).flat_map(expression::lists) {
            used.entry(name).or_insert(field);
        }
    }
    for (name, list) in lists {
        if !used.contains_key(name.as_str()) && kind(&list.kind, list, "") != "redirect" {
            report.told(format!("list `{name}`"), "no rule uses it, so it is left out");
        }
    }
    used.into_iter().map(|(name, field)| entry(name, field, lists.get(name), report)).collect()
}

fn entry(name: &str, field: &str, list: Option<&List>, report: &mut Report) -> String {
    let about = format!("list `{name}`");
    let Some(list) = list.filter(|list| list.has_items) else {
        let what = if name.starts_with("cf.") {
            "it is kept by Cloudflare: it is empty in the result until you name a file of your own there"
        } else {
            "its items are not in the export: it is empty in the result; give them with `--list NAME=FILE`"
        };
        report.lost(about, what);
        let told = list.map(|list| list.kind.as_str()).unwrap_or_default();
        let kind = kind(told, &List::default(), field);
        return format!(
            "  # Not in the export: fill it in, or name a file, `{{ kind: {kind}, file: … }}`.\n  {}: {{ kind: {kind}, items: [] }}\n",
            key_of(name)
        );
    };
    let kind = kind(&list.kind, list, field);
    let mut items = Vec::new();
    for item in &list.items {
        match value(item) {
            Some(text) => items.push(text),
            None => report.lost(about.as_str(), format!("the item {item} is not understood")),
        }
    }
    let key = key_of(name);
    if items.len() <= SHORT {
        let list =
            Yaml::Map(vec![("kind".to_owned(), Yaml::word(kind)), ("items".to_owned(), Yaml::texts(items))]);
        return format!("  {}", list.entry(2, name));
    }
    let lines = items.into_iter().map(|item| {
        let entry = Yaml::List(vec![Yaml::text(item)]).entry(6, "-");
        // `-: [x]` without the key and the brackets.
        let item = entry.trim_end().trim_start_matches("\"-\": [").trim_end_matches(']');
        format!("      - {item}\n")
    });
    format!("  {key}:\n    kind: {kind}\n    items:\n{}", lines.collect::<String>())
}

/// The text of an item, in any of the forms in which the API and Terraform have it.
fn value(item: &Value) -> Option<String> {
    match item {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Object(object) => {
            let host = |host: &Value| host.get("url_hostname").and_then(value);
            let of = |key: &str| object.get(key).and_then(value);
            of("ip")
                .or_else(|| of("asn"))
                .or_else(|| object.get("hostname").and_then(|name| host(name).or_else(|| value(name))))
        }
        _ => None,
    }
}

/// What the list is of, by what was told, by its items, or by what is looked up in it.
fn kind(told: &str, list: &List, field: &str) -> &'static str {
    let has = |key: &str| list.items.first().is_some_and(|item| item.get(key).is_some());
    match told {
        "ip" => "ip",
        "asn" => "asn",
        "hostname" | "host" => "host",
        "redirect" => "redirect",
        _ if has("ip") => "ip",
        _ if has("asn") => "asn",
        _ if has("hostname") => "host",
        _ if has("redirect") => "redirect",
        _ if field == "ip.src" => "ip",
        _ if field.ends_with("asnum") => "asn",
        _ if field == "http.host" => "host",
        _ => "string",
    }
}
