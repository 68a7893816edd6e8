//! The whole way of a file, from text to report.

use std::collections::BTreeMap;

use proptest::prelude::*;
use rules::shapes::OneOrMany;
use rules::units::{Size, Time};
use schemars::JsonSchema;
use serde::Deserialize;

use super::problem::Problems;
use super::yaml::MAX_BYTES;
use super::*;

mod notices;
mod presets;
mod reports;
mod ways;

#[derive(Debug, Deserialize, JsonSchema)]
struct File {
    version: u32,
    release: Option<String>,
    listen: Option<Listen>,
    #[serde(default)]
    secrets: BTreeMap<String, OneOrMany<Secret>>,
    #[serde(default)]
    upstreams: BTreeMap<String, Upstream>,
    #[serde(default)]
    routes: Vec<Route>,
    #[serde(default)]
    extra: Option<serde_json::Value>,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct Listen {
    bind: std::net::SocketAddr,
    tls: bool,
    header_bytes: Size,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct Secret {
    env: Option<String>,
    value: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct Upstream {
    servers: OneOrMany<String>,
    #[serde(default)]
    balance: Balance,
    timeout: Option<Time>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    retries: Option<u16>,
}

#[derive(Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Balance {
    #[default]
    RoundRobin,
    LeastRequests,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct Route {
    name: String,
    #[serde(rename = "match")]
    pattern: String,
    upstream: Option<String>,
    public: Option<String>,
}

fn read(text: &str) -> (Source, Option<File>, Vec<Problem>) {
    let source = Source::new("portcullis.yaml", text);
    let (root, mut problems) = parse(source.text());
    let Some(mut root) = root else {
        return (source, None, problems);
    };
    let environment = |name: &str| match name {
        "PORT" => Some("8080".to_owned()),
        "TRICK" => Some("a, b: [c]\nd: null".to_owned()),
        "NULL" => Some("null".to_owned()),
        "EMPTY" => Some(String::new()),
        _ => None,
    };
    problems.extend(interpolate(&mut root, source.text(), &environment));
    let (file, more) = decode(&root);
    problems.extend(more);
    (source, file, Problems::from(problems).sorted())
}

fn report(text: &str) -> String {
    let (source, _, problems) = read(text);
    Report::new(&source, &problems).text(false)
}

fn good(text: &str) -> File {
    let (source, file, problems) = read(text);
    assert!(problems.is_empty(), "{}", Report::new(&source, &problems).text(false));
    file.unwrap()
}
