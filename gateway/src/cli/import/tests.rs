use std::fs;

use serde_json::{Value, json};

use super::report::Weight;
use super::*;
use crate::config::load::{Loaded, Purpose, load};
use crate::config::{Node, Value as Yaml, interpolate, parse};

mod forms;
mod rules;

/// What an import made.
struct Result {
    text: String,
    /// As the configuration's reader reads it; every scalar is text.
    read: Value,
    report: Report,
}

impl Result {
    fn rules(&self) -> &[Value] {
        self.read["rules"].as_array().map_or(&[], Vec::as_slice)
    }

    fn names(&self) -> Vec<&str> {
        self.rules().iter().map(|rule| rule["name"].as_str().unwrap()).collect()
    }

    /// The only rule, without its name, group and condition.
    fn only(&self) -> Value {
        assert_eq!(self.rules().len(), 1, "{}\n{}", self.text, self.report);
        let mut rule = self.rules()[0].clone();
        let object = rule.as_object_mut().unwrap();
        for key in ["name", "group", "when"] {
            assert!(object.shift_remove(key).is_some(), "{key}");
        }
        rule
    }

    fn told(&self, weight: Weight) -> Vec<String> {
        let remarks = self.report.remarks().iter().filter(|remark| remark.weight == weight);
        remarks.map(|remark| format!("{}: {}", remark.about, remark.what)).collect()
    }

    /// The only reason why something is lost.
    fn lost(&self) -> String {
        let lost = self.told(Weight::Lost);
        assert_eq!(lost.len(), 1, "{lost:#?}\n{}", self.text);
        lost[0].clone()
    }
}

fn value(node: &Node) -> Value {
    match &node.value {
        Yaml::Null => Value::Null,
        Yaml::Scalar(scalar) => Value::from(scalar.text.as_str()),
        Yaml::Seq(items) => items.iter().map(value).collect(),
        Yaml::Map(entries) => {
            entries.iter().map(|(key, item)| (key.text().unwrap().to_owned(), value(item))).collect()
        }
    }
}

fn read_back(text: &str) -> Value {
    let (root, problems) = parse(text);
    assert!(problems.is_empty(), "{text}\n{problems:?}");
    let mut root = root.unwrap();
    assert!(interpolate(&mut root, text, &|_| Some("FILLED".to_owned())).is_empty());
    value(&root)
}

fn made(documents: &[Value], options: &Options) -> Result {
    let (mut export, mut report) = (Export::default(), Report::default());
    for document in documents {
        export.take(document, &mut report).unwrap();
    }
    let text = imported(&export, options, &mut report).unwrap();
    Result { read: read_back(&text), text, report }
}

fn import(document: &Value) -> Result {
    made(std::slice::from_ref(document), &Options::default())
}

/// A ruleset of a phase.
fn ruleset(phase: &str, rules: &Value) -> Value {
    json!({ "id": phase, "name": "default", "kind": "zone", "phase": phase, "rules": rules })
}

/// The only rule of its phase.
fn one(phase: &str, mut rule: Value) -> Value {
    let object = rule.as_object_mut().unwrap();
    object.entry("ref").or_insert_with(|| json!("x"));
    object.entry("expression").or_insert_with(|| json!("ssl"));
    ruleset(phase, &json!([rule]))
}

fn challenged(as_what: Replacement) -> Options {
    Options { challenge_as: Some(as_what), ..Options::default() }
}

/// The vectors: each with its name.
fn vectors() -> Vec<(String, Value)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/corpus/cloudflare");
    let mut vectors: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .map(|path| {
            let vector = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
            (path.file_stem().unwrap().to_string_lossy().into_owned(), vector)
        })
        .collect();
    vectors.sort_by(|(left, _), (right, _)| left.cmp(right));
    vectors
}

#[test]
fn every_rule_of_the_vectors_is_carried_over_under_its_name_in_its_phase() {
    let vectors = vectors();
    assert_eq!(vectors.len(), 22);
    for (name, vector) in vectors {
        let result = made(
            &[vector["export"].clone(), json!({ "lists": vector["lists"] })],
            &challenged(Replacement::Block),
        );
        let exported = vector["export"].as_array().unwrap().iter();
        let rulesets: Vec<_> = exported.map(|envelope| &envelope["result"]).collect();
        let wanted: Vec<(&Value, &Value, String)> = rulesets
            .iter()
            .flat_map(|set| set["rules"].as_array().unwrap().iter().map(|rule| (&set["phase"], rule)))
            .map(|(phase, rule)| (phase, &rule["ref"], rule["expression"].as_str().unwrap().to_owned()))
            .collect();
        let told: Vec<_> = result
            .rules()
            .iter()
            .map(|rule| (&rule["group"], &rule["name"], rule["when"].as_str().unwrap().to_owned()))
            .collect();
        assert_eq!(told, wanted, "{name}\n{}", result.text);
        assert_eq!(result.report.rules, wanted.len());
        assert!(result.told(Weight::Lost).is_empty(), "{name}: {}", result.report);
        for (list, content) in vector["lists"].as_object().unwrap() {
            assert_eq!(&result.read["lists"][list], content, "{name}");
        }
    }
}

#[test]
fn the_actions_of_the_vectors_have_their_parameters() {
    let action = |name: &str| {
        let (_, vector) = vectors().into_iter().find(|(vector, _)| vector == name).unwrap();
        made(&[vector["export"].clone()], &Options::default()).only()
    };
    assert_eq!(action("cf-001"), json!({ "action": "block" }));
    assert_eq!(
        action("cf-014"),
        json!({
            "action": "limit",
            "per": ["ip.src", "http.request.headers[\"x-api-key\"]"],
            "allow": "1/10s",
            "for": "10m",
            "count": "http.request.uri.path eq \"/form\" and http.response.code eq 400",
        })
    );
    assert_eq!(
        action("cf-015"),
        json!({
            "action": "redirect",
            "to_expression":
                "regex_replace(http.request.uri.path, \"^/[A-Za-z]{2}-[A-Za-z]{2}/(.*)\", \"/${1}\")",
            "status": "301",
            "keep_query": "true",
        })
    );
    assert_eq!(
        action("cf-018"),
        json!({
            "action": "rewrite",
            "path_expression": "concat(\"/archive\", http.request.uri.path)",
            "query": "from=old",
        })
    );
}

/// The configuration that a text is, if it loads.
fn loaded(text: &str) -> std::result::Result<Loaded, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("portcullis.yaml");
    fs::write(&path, text).unwrap();
    load(&path, Purpose::Judge).map_err(|broken| format!("{}\n{text}", broken.text(false)))
}

#[test]
fn a_complete_file_loads() {
    let export = json!([one("http_request_firewall_custom", json!({ "action": "block" }))]);
    for upstream in ["http://127.0.0.1:3000", "https://bot.example.com", "unix:/run/it's.sock"] {
        let options = Options { upstream: Some(upstream.to_owned()), ..Options::default() };
        let result = made(std::slice::from_ref(&export), &options);
        let loaded = loaded(&result.text).unwrap_or_else(|why| panic!("{why}"));
        assert_eq!(loaded.snapshot.upstreams[0].servers[0].label, upstream);
        assert_eq!(loaded.warnings, [""; 0]);
        let options = Options { geo: vec!["geo/countries.mmdb".to_owned()], ..options };
        assert_eq!(made(std::slice::from_ref(&export), &options).read["geo"], json!(["geo/countries.mmdb"]));
    }
}

#[test]
fn what_is_no_export_is_refused() {
    for (document, why) in [
        (json!("x"), "neither a ruleset"),
        (
            json!({ "success": false, "errors": [{ "code": 10000, "message": "Authentication\nerror" }] }),
            "Authentication",
        ),
        (json!({ "version": 1 }), "no export"),
        (json!([{ "ip": "10.0.0.1" }]), "--list NAME=FILE"),
        (json!([[[[[[[[[[[]]]]]]]]]]]), "nested too deeply"),
    ] {
        let told = Export::default().take(&document, &mut Report::default()).unwrap_err();
        assert!(told.contains(why), "{told}");
    }
    for document in [json!([]), json!({}), json!({ "result": [] }), json!({ "terraform_version": "1.9.0" })] {
        let mut export = Export::default();
        export.take(&document, &mut Report::default()).unwrap();
        assert!(imported(&export, &Options::default(), &mut Report::default()).is_err(), "{document}");
    }
}
