use super::*;
use crate::config::load::{Purpose, load};

/// A configuration around a snippet.
fn around(snippet: &str) -> String {
    format!(
        "version: 1\nenvironment: development\nlisten:\n  https:\n    bind: \"127.0.0.1:8443\"\n    hosts: \
         [localhost]\n    certificates: [{{ self_signed: [localhost] }}]\nupstreams:\n  backend: {{ servers: \
         [\"http://127.0.0.1:3000\"] }}\ndefaults: {{ upstream: backend, body: {{ max: 64KiB }} }}\nroutes: []\n{snippet}"
    )
}

#[test]
fn every_snippet_loads_once_its_values_are_filled_in() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("portcullis.yaml");
    for provider in all().unwrap() {
        let section = Section::of(&provider);
        std::fs::write(&path, around(&section.snippet())).unwrap();
        let told = load(&path, Purpose::Judge).err().map(|broken| broken.text(false));
        assert_eq!(told.is_none(), section.loads, "{}: {}", provider.name, told.unwrap_or_default());
    }
}

#[test]
fn every_provider_is_told_in_words() {
    for provider in all().unwrap() {
        let text = provider.text();
        for part in ["How it signs", "What it needs", "Sources", "webhooks:"] {
            assert!(text.contains(part), "{}: {text}", provider.name);
        }
        let told = words::signs(&provider.preset.scheme).join("\n");
        assert!(!told.contains(['{', '}']), "{}: {told}", provider.name);
    }
}

#[test]
fn a_scheme_is_told_part_by_part() {
    let told = |name: &str| words::signs(&Provider::read(name).ok().unwrap().preset.scheme);
    assert_eq!(
        told("stripe"),
        [
            "an HMAC-SHA-256 over the time, `.` and the body as it came, in hexadecimal",
            "the signature is `v1` of the header `Stripe-Signature`",
            "the time is `t` of the header `Stripe-Signature`, in seconds since 1970: at most 300 s old, at most 300 s \
             ahead",
        ]
    );
    assert_eq!(
        told("standard_webhooks")[0],
        "an HMAC-SHA-256 over the header `webhook-id`, `.`, the time, `.` and the body as it came, in base64"
    );
    assert_eq!(
        told("gitlab_token"),
        ["nothing is signed: the secret itself is sent, as the header `X-Gitlab-Token`"]
    );
    assert_eq!(told("livekit")[1], "its `iss` must be the setting `api_key`");
}

#[test]
fn the_list_has_every_provider_and_json_the_same() {
    let all = all().unwrap();
    let table = table(&all);
    for (name, _) in PRESETS {
        assert!(table.lines().any(|line| line.starts_with(&format!("{name} "))), "{name}");
    }
    assert_eq!(table.lines().count(), PRESETS.len() + 1);
    assert_eq!(all[0].row()["name"], PRESETS[0].0);
    assert!(all[0].json()["signs"].is_array());
}

#[test]
fn a_near_name_is_told() {
    let misuse = Provider::read("strip").err().unwrap();
    assert!(misuse.remedy.unwrap().contains("did you mean `stripe`?"));
}
