//! Cloudflare's actions with their parameters → the keys of our rules.

use std::time::Duration;

use rules::units::Time;
use serde_json::{Map, Value};

use super::export::Rule;
use super::fields::{Standing, standing};
use super::yaml::Yaml;
use super::{Options, Replacement, expression};

/// The keys of a rule behind `when`, in order.
pub(super) type Keys = Vec<(&'static str, Yaml)>;

/// What a rule does.
#[derive(Debug)]
pub(super) enum Deed {
    /// This.
    Keys(Keys),
    /// It skips what its parameters say.
    Skip,
    /// It redirects by the named list.
    Redirects(String),
}

/// What the action of `rule` is here. What is lost on the way goes to `changed`.
///
/// # Errors
/// The reason why it is nothing here.
pub(super) fn deed(
    rule: &Rule,
    phase: &str,
    options: &Options,
    changed: &mut Vec<String>,
) -> Result<Deed, String> {
    if rule.credentials {
        return Err("it looks for leaked credentials, and nobody here knows any".to_owned());
    }
    let limits = phase == "http_ratelimit" || rule.limit.is_some();
    match (rule.action.as_str(), options.challenge_as) {
        ("block", _) | ("challenge" | "js_challenge" | "managed_challenge", Some(Replacement::Block))
            if limits =>
        {
            limit(rule, options, changed).map(Deed::Keys)
        }
        ("block", _) | ("challenge" | "js_challenge" | "managed_challenge", Some(Replacement::Block)) => {
            Ok(Deed::Keys(block(rule, "block", changed)))
        }
        ("challenge" | "js_challenge" | "managed_challenge", None) => {
            Err("nobody is challenged here yet: say `--challenge-as block` or `--challenge-as log`"
                .to_owned())
        }
        ("log" | "challenge" | "js_challenge" | "managed_challenge", _) if limits => {
            let mut keys = limit(rule, options, changed)?;
            keys.insert(1, ("mode", Yaml::text("observe")));
            Ok(Deed::Keys(keys))
        }
        ("log" | "challenge" | "js_challenge" | "managed_challenge", _) => Ok(Deed::Keys(action("log"))),
        ("skip" | "allow" | "bypass", _) => Ok(Deed::Skip),
        ("redirect", _) => redirect(rule, changed),
        ("rewrite", _) => rewrite(rule, phase, changed).map(Deed::Keys),
        ("route", _) => {
            Err("another origin is another upstream here: give its paths a route with `upstream`".to_owned())
        }
        ("", _) => Err("it has no action".to_owned()),
        (other, _) => Err(format!("the action `{other}` has no counterpart here")),
    }
}

fn action(name: &str) -> Keys {
    vec![("action", Yaml::text(name))]
}

fn object<'a>(map: &'a Map<String, Value>, key: &str) -> Option<&'a Map<String, Value>> {
    map.get(key).and_then(Value::as_object)
}

fn text<'a>(map: &'a Map<String, Value>, key: &str) -> Option<&'a str> {
    map.get(key).and_then(Value::as_str)
}

fn number(map: &Map<String, Value>, key: &str) -> Option<u64> {
    map.get(key).and_then(|value| value.as_u64().or_else(|| value.as_str()?.parse().ok()))
}

fn flag(map: &Map<String, Value>, key: &str) -> bool {
    map.get(key).and_then(Value::as_bool).unwrap_or(false)
}

/// Tells which parameters are not read.
fn rest(map: &Map<String, Value>, read: &[&str], changed: &mut Vec<String>) {
    let means_something = |value: &Value| !matches!(value, Value::Null | Value::Bool(false));
    let others = map.iter().filter(|(key, value)| !read.contains(&key.as_str()) && means_something(value));
    changed
        .extend(others.map(|(key, _)| format!("its parameter `{key}` has no counterpart and is left out")));
}

fn block(rule: &Rule, name: &str, changed: &mut Vec<String>) -> Keys {
    let mut keys = action(name);
    rest(&rule.parameters, &["response"], changed);
    let Some(response) = object(&rule.parameters, "response") else { return keys };
    rest(response, &["status_code", "content", "content_type"], changed);
    keys.extend(number(response, "status_code").map(|status| ("status", Yaml::word(status))));
    keys.extend(text(response, "content").map(|body| ("body", Yaml::text(body))));
    let kind = text(response, "content_type").filter(|_| text(response, "content").is_some());
    keys.extend(kind.map(|kind| ("content_type", Yaml::text(kind))));
    keys
}

fn limit(rule: &Rule, options: &Options, changed: &mut Vec<String>) -> Result<Keys, String> {
    let Some(limit) = &rule.limit else { return Err("it has no `ratelimit`".to_owned()) };
    if number(limit, "score_per_period").is_some_and(|score| score > 0) {
        return Err("it counts scores that the origin tells, and only requests are counted here".to_owned());
    }
    let known = [
        "characteristics",
        "period",
        "requests_per_period",
        "mitigation_timeout",
        "counting_expression",
        // Nothing is cached here, so every request goes to the origin.
        "requests_to_origin",
        "score_per_period",
    ];
    let mut others = limit.clone();
    others.retain(|_, value| value != "");
    rest(&others, &known, changed);
    let seconds = |key: &str| number(limit, key).map(|seconds| Time(Duration::from_secs(seconds)));
    let requests = number(limit, "requests_per_period").filter(|requests| *requests > 0);
    let (Some(requests), Some(period)) = (requests, seconds("period").filter(|period| !period.0.is_zero()))
    else {
        return Err("it does not say how many requests it allows in which time".to_owned());
    };
    let mut keys = action("limit");
    keys.push(("per", Yaml::texts(characteristics(limit, options, changed)?)));
    keys.push(("allow", Yaml::word(format!("{requests}/{period}"))));
    keys.push(("for", Yaml::word(seconds("mitigation_timeout").unwrap_or_default())));
    let count = text(limit, "counting_expression").filter(|count| !count.trim().is_empty());
    keys.extend(count.map(|count| ("count", Yaml::text(expression::without_zones(count)))));
    // The answer is a block's.
    let mut answer = block(rule, "limit", changed);
    answer.retain(|(key, _)| *key != "action");
    keys.extend(answer);
    Ok(keys)
}

/// What a limit counts by. A field that says the same of everybody would make everybody share one counter.
fn characteristics(
    limit: &Map<String, Value>,
    options: &Options,
    changed: &mut Vec<String>,
) -> Result<Vec<String>, String> {
    let mut per: Vec<String> = Vec::new();
    let named = limit.get("characteristics").and_then(Value::as_array).into_iter().flatten();
    for name in named.filter_map(Value::as_str) {
        let key = match name {
            "cf.colo.id" => continue,
            "cf.unique_visitor_id" => {
                let why = "visitors are not told apart by a cookie here: it counts by address";
                changed.push(why.to_owned());
                "ip.src"
            }
            other => other,
        };
        for field in expression::fields(key) {
            match standing(field) {
                Standing::Constant(why) => {
                    return Err(format!("it counts by `{field}`: {why}"));
                }
                Standing::Place if options.geo.is_empty() => {
                    return Err(format!(
                        "it counts by `{field}`: name a file of addresses with `--geo FILE`"
                    ));
                }
                Standing::Known | Standing::Place | Standing::Told(_) => {}
            }
        }
        if !per.iter().any(|known| known == key) {
            per.push(key.to_owned());
        }
    }
    if per.is_empty() {
        // All requests share one counter.
        per.push("cf.colo.id".to_owned());
    }
    Ok(per)
}

/// A value or an expression, as one of two keys. Terraform's older provider has the other one as an empty text.
fn either(
    map: &Map<String, Value>,
    value: &'static str,
    formula: &'static str,
) -> Option<(&'static str, Yaml)> {
    match text(map, "expression").filter(|expression| !expression.trim().is_empty()) {
        Some(expression) => Some((formula, Yaml::text(expression::without_zones(expression)))),
        None => text(map, "value").map(|text| (value, Yaml::text(text))),
    }
}

fn redirect(rule: &Rule, changed: &mut Vec<String>) -> Result<Deed, String> {
    rest(&rule.parameters, &["from_value", "from_list"], changed);
    if let Some(list) = object(&rule.parameters, "from_list") {
        let name = text(list, "name").ok_or("it does not say by which list it redirects")?;
        let key = text(list, "key").unwrap_or("http.request.full_uri");
        return if key == "http.request.full_uri" {
            Ok(Deed::Redirects(name.to_owned()))
        } else {
            Err(format!(
                "it looks up `{key}` in a list of redirects, and only whole addresses are looked up here"
            ))
        };
    }
    let from = object(&rule.parameters, "from_value").ok_or("it does not say where it redirects to")?;
    rest(from, &["target_url", "status_code", "preserve_query_string"], changed);
    let target = object(from, "target_url").and_then(|target| either(target, "to", "to_expression"));
    let mut keys = action("redirect");
    keys.push(target.ok_or("it does not say where it redirects to")?);
    keys.push(("status", Yaml::word(number(from, "status_code").unwrap_or(301))));
    if flag(from, "preserve_query_string") {
        keys.push(("keep_query", Yaml::word(true)));
    }
    Ok(Deed::Keys(keys))
}

fn rewrite(rule: &Rule, phase: &str, changed: &mut Vec<String>) -> Result<Keys, String> {
    rest(&rule.parameters, &["uri", "headers"], changed);
    if let Some(headers) = object(&rule.parameters, "headers") {
        let side = if phase.starts_with("http_response") { "response" } else { "request" };
        let mut keys = action("headers");
        keys.push((side, header_fields(headers, side, changed)?));
        return Ok(keys);
    }
    let uri = object(&rule.parameters, "uri").ok_or("it does not say what it rewrites")?;
    rest(uri, &["path", "query"], changed);
    let mut keys = action("rewrite");
    keys.extend(object(uri, "path").and_then(|path| either(path, "path", "path_expression")));
    keys.extend(object(uri, "query").and_then(|query| either(query, "query", "query_expression")));
    if keys.len() > 1 { Ok(keys) } else { Err("it does not say what it rewrites".to_owned()) }
}

/// `{ set: …, add: …, set_expression: …, remove: … }`
fn header_fields(
    headers: &Map<String, Value>,
    side: &str,
    changed: &mut Vec<String>,
) -> Result<Yaml, String> {
    let (mut set, mut add, mut formulas, mut remove) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let empty = Map::new();
    for (name, header) in headers {
        let header = header.as_object().unwrap_or(&empty);
        let lower = name.to_ascii_lowercase();
        let either = either(header, "value", "expression");
        match (text(header, "operation").unwrap_or_default(), either) {
            ("remove", _) => remove.push(lower),
            ("set", Some(("value", value))) => set.push((lower, value)),
            ("set", Some((_, formula))) => formulas.push((lower, formula)),
            ("add", Some(("value", value))) if side == "response" => add.push((lower, value)),
            (operation, _) => {
                changed.push(format!(
                    "its operation `{operation}` on `{name}` has no counterpart and is left out"
                ));
            }
        }
    }
    let maps = [("set", set), ("add", add), ("set_expression", formulas)];
    let mut entries: Vec<_> = maps
        .into_iter()
        .filter(|(_, entries)| !entries.is_empty())
        .map(|(key, entries)| (key.to_owned(), Yaml::Map(entries)))
        .collect();
    if !remove.is_empty() {
        entries.push(("remove".to_owned(), Yaml::texts(remove)));
    }
    if entries.is_empty() { Err("it changes no header field".to_owned()) } else { Ok(Yaml::Map(entries)) }
}
