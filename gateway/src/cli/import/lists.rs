//! The lists that rules name.

use std::collections::BTreeMap;

use rules::key_file::{Listed, Wrong};
use rules::lists::{self as compiled, Kind, Lists, RawList};
use rules::policy::Library;
use rules::problem::{Place, Step};
use rules::secret::Secret;
use serde_json::Value;

use super::export::List;
use super::expression;
use super::report::Report;
use super::translate::{Made, expressions};
use super::yaml::Yaml;

/// Entries that fit on the line of their list.
const SHORT: usize = 6;

/// The lists of the result.
#[derive(Debug, Default)]
pub(super) struct Kept {
    raw: BTreeMap<String, RawList>,
    /// Those that are not in the export, and so are empty.
    missing: Vec<String>,
}

/// Nothing: the lists of an import stand in the file.
struct Nowhere;

impl Library for Nowhere {
    fn secret(&self, name: &str) -> Result<Secret, String> {
        Err(format!("there is no secret `{name}`"))
    }

    fn file(&self, path: &str) -> Result<Vec<u8>, String> {
        Err(format!("the file `{path}` is not read"))
    }

    fn keys(&self, _: &str) -> Result<Vec<Listed>, Vec<Wrong>> {
        Ok(Vec::new())
    }
}

/// The lists that rules name.
pub(super) fn kept(lists: &BTreeMap<String, List>, rules: &[Made], report: &mut Report) -> Kept {
    let mut kept = Kept::default();
    let used = used(rules);
    for (name, list) in lists {
        if !used.contains_key(name) && kind(&list.kind, list, "").is_some() {
            report.told(format!("list `{name}`"), "no rule uses it, so it is left out");
        }
    }
    for (name, field) in used {
        let list = lists.get(&name);
        let about = format!("list `{name}`");
        let Some(list) = list.filter(|list| list.has_items) else {
            let what = if name.starts_with("cf.") {
                "it is kept by Cloudflare: it is empty in the result until you name a file of your own there"
            } else {
                "its items are not in the export: it is empty in the result; give them with `--list NAME=FILE`"
            };
            report.lost(about, what);
            let kind = kind(list.map_or("", |list| &list.kind), &List::default(), &field);
            kept.missing.push(name.clone());
            kept.raw.insert(
                name,
                RawList { kind: kind.or(Some(Kind::String)), items: Some(Vec::new()), file: None },
            );
            continue;
        };
        let mut items = Vec::new();
        for item in &list.items {
            match value(item) {
                Some(text) => items.push(text),
                None => report.lost(about.as_str(), format!("the item {item} is not understood")),
            }
        }
        let kind = kind(&list.kind, list, &field).or(Some(Kind::String));
        kept.raw.insert(name, RawList { kind, items: Some(items), file: None });
    }
    kept
}

/// The lists that rules look something up in, each with the field that is looked up first.
fn used(rules: &[Made]) -> BTreeMap<String, String> {
    let mut used = BTreeMap::new();
    for made in rules.iter().filter(|made| made.enabled) {
        let formulas = made.keys.iter().flat_map(|(key, value)| expressions(key, value));
        for (name, field) in formulas.chain([made.when.as_str()]).flat_map(expression::lists) {
            used.entry(name.to_owned()).or_insert_with(|| field.to_owned());
        }
    }
    used
}

impl Kept {
    /// The lists as rules look things up in them. Entries that cannot be in theirs are left out.
    pub(super) fn compile(&mut self, report: &mut Report) -> Lists {
        loop {
            let problems = match compiled::compile(&self.raw, &Place::root(), &Nowhere) {
                Ok((lists, _)) => return lists,
                Err(problems) => problems,
            };
            let mut wrong: BTreeMap<String, Vec<usize>> = BTreeMap::new();
            for problem in problems {
                let Some(Step::Key(name)) = problem.place.steps.first() else { continue };
                report.lost(format!("list `{name}`"), problem.message.clone());
                let item = problem.place.steps.iter().find_map(|step| match step {
                    Step::Item(item) => Some(*item),
                    Step::Key(_) => None,
                });
                wrong.entry(name.clone()).or_default().extend(item);
            }
            for (name, wrong) in wrong {
                let items = self.raw.get_mut(&name).and_then(|raw| raw.items.as_mut());
                match items.filter(|_| !wrong.is_empty()) {
                    Some(items) => {
                        let mut index = 0..;
                        items.retain(|_| !index.next().is_some_and(|index| wrong.contains(&index)));
                    }
                    // Not one entry: the list itself. Rules that name it go with it.
                    None => drop(self.raw.remove(&name)),
                }
            }
        }
    }

    /// The lists that are still used, as lines below `lists:`; empty without any.
    pub(super) fn lines(&self, rules: &[Made]) -> String {
        let used = used(rules);
        let kept = self.raw.iter().filter(|(name, _)| used.contains_key(*name));
        kept.map(|(name, raw)| self.entry(name, raw)).collect()
    }

    fn entry(&self, name: &str, raw: &RawList) -> String {
        let kind = raw.kind.unwrap_or(Kind::String);
        let items = raw.items.as_deref().unwrap_or_default();
        if items.len() <= SHORT {
            let brief = Yaml::Map(vec![
                ("kind".to_owned(), Yaml::word(kind)),
                ("items".to_owned(), Yaml::texts(items.iter().map(String::as_str))),
            ]);
            let missing = if self.missing.iter().any(|missing| missing == name) {
                format!("  # Not in the export: fill it in, or name a file, `{{ kind: {kind}, file: … }}`.\n")
            } else {
                String::new()
            };
            return format!("{missing}  {}", brief.entry(2, name));
        }
        let lines = items.iter().map(|item| format!("      - {}\n", Yaml::text(item.as_str()).flow()));
        let key = super::yaml::name(name);
        format!("  {key}:\n    kind: {kind}\n    items:\n{}", lines.collect::<Vec<_>>().concat())
    }
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

/// What the list is of, by what was told, by its items, or by what is looked up in it. None for redirects.
fn kind(told: &str, list: &List, field: &str) -> Option<Kind> {
    let has = |key: &str| list.items.first().is_some_and(|item| item.get(key).is_some());
    match told {
        "redirect" => None,
        "ip" => Some(Kind::Ip),
        "asn" => Some(Kind::Asn),
        "hostname" | "host" => Some(Kind::Host),
        "string" => Some(Kind::String),
        _ if has("redirect") => None,
        _ if has("ip") || field == "ip.src" => Some(Kind::Ip),
        _ if has("asn") || field.ends_with("asnum") => Some(Kind::Asn),
        _ if has("hostname") || field == "http.host" => Some(Kind::Host),
        _ => Some(Kind::String),
    }
}
