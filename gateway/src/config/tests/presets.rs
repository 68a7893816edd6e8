//! Presets are read like a configuration, by the same reader.

use rules::problem::Place;
use rules::webhook::{PRESETS, RawPreset, Scheme};

use crate::config::{decode, yaml};

#[test]
fn every_preset_is_read_and_compiles() {
    for (name, text) in PRESETS {
        let (root, problems) = yaml::parse(text);
        assert!(problems.is_empty(), "{name}: {problems:#?}");
        let (preset, problems) = decode::decode::<RawPreset>(&root.unwrap());
        assert!(problems.is_empty(), "{name}: {problems:#?}");
        assert!(Scheme::compile(&preset.unwrap().scheme, &Place::root()).is_ok(), "{name}");
    }
}

#[test]
fn a_slip_in_a_scheme_is_told() {
    let (_, text) = PRESETS.iter().find(|(name, _)| *name == "stripe").unwrap();
    for (right, wrong, told) in [
        ("past_s: 300", "past_seconds: 300", "past_seconds"),
        ("format: unix_s", "format: unix_secs", "unix_secs"),
        ("kind: hmac", "kind: hash", "hash"),
        ("payload: \"{ts}.{body}\"", "payload: { a: b }", "expected"),
    ] {
        let (root, _) = yaml::parse(&text.replace(right, wrong));
        let (preset, problems) = decode::decode::<RawPreset>(&root.unwrap());
        assert!(!problems.is_empty(), "{wrong}: {preset:?}");
        let sentences = format!("{problems:?}");
        assert!(sentences.contains(told), "{wrong}: {sentences}");
    }
}
