//! The presets: each compiles, says what it rests on, is what the vectors were made for, and signs what it verifies.

use std::collections::BTreeSet;

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method};
use rules::webhook::{Evidence, Outcome, PRESETS, RawPreset, preset};
use serde_json::{Value, json};

use super::stage::{Request, Stage, scheme};
use super::vectors::table;
use super::{plain, yaml};

/// Where a preset is not the scheme of the vectors, with the reason.
const DIFFERENT: &[(&str, &str)] = &[
    ("discord", "it answers the ping of event webhooks as well"),
    ("google_oidc", "it knows where Google's keys are"),
    ("livekit", "the issuer is a setting"),
    ("paypal", "it knows where PayPal's certificates may be"),
    ("standard_webhooks_asymmetric", "keys are pasted with their prefix"),
    ("twilio", "one message's callbacks share its sid, and are different events"),
    ("twilio_sharedkey", "one message's callbacks share its sid, and are different events"),
    ("webex", "events about one message share its id"),
];

/// A preset as JSON.
pub(crate) fn read(name: &str) -> Value {
    yaml::read(preset(name).unwrap_or_else(|| panic!("there is no preset {name}")))
}

#[test]
fn every_file_is_a_preset() {
    let folder = format!("{}/src/webhook/presets", env!("CARGO_MANIFEST_DIR"));
    let files: BTreeSet<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap().replace(".yaml", ""))
        .collect();
    assert_eq!(files, PRESETS.iter().map(|(name, _)| (*name).to_owned()).collect());
}

#[test]
fn each_says_what_it_rests_on() {
    for (name, _) in PRESETS {
        let raw: RawPreset = plain::read(read(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(!raw.evidence.is_empty() && !raw.sources.is_empty(), "{name}");
        assert!(raw.evidence.is_sorted_by_key(|evidence| *evidence as u8), "{name}: the best comes first");
        assert!(!(raw.evidence.len() > 1 && raw.evidence.contains(&Evidence::ThirdParty)), "{name}");
        let scheme = scheme(&read(name)["scheme"]);
        let told = format!("{:?}", raw.caveats);
        for setting in scheme.settings() {
            assert!(told.contains(setting.name), "{name}: the caveats do not name {}", setting.name);
        }
        assert!(!scheme.is_armable() || told.contains("handshake_armed"), "{name}");
        assert!(!scheme.signs_url() || told.contains("base_url"), "{name}");
    }
}

#[test]
fn each_fits_the_schema_and_is_written_as_it_was_read() {
    let schema = serde_json::to_value(schemars::schema_for!(RawPreset)).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for (name, _) in PRESETS {
        let raw = read(name);
        let faults: Vec<String> = validator.iter_errors(&raw).map(|fault| fault.to_string()).collect();
        assert!(faults.is_empty(), "{name}: {faults:?}");
        let preset: RawPreset = plain::read(raw).unwrap();
        let written = serde_json::to_value(&preset).unwrap();
        let again: RawPreset = plain::read(written.clone()).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(serde_json::to_value(&again).unwrap(), written, "{name}");
    }
    let unknown = json!({ "kind": "token", "token": "header:x", "tokn": "x" });
    assert!(plain::read::<rules::webhook::RawScheme>(unknown).is_err());
}

#[test]
fn each_scheme_of_the_vectors_has_its_preset() {
    let table = table();
    let mut different = BTreeSet::new();
    for (name, provider) in table["providers"].as_object().unwrap() {
        let mut wanted = provider["scheme"].clone();
        wanted.as_object_mut().unwrap().remove("note_body");
        if read(name)["scheme"] != wanted {
            different.insert(name.as_str());
        }
    }
    assert_eq!(different, DIFFERENT.iter().map(|(name, _)| *name).collect());
}

/// A request as a person would write it who wants it signed.
fn plain_request(name: &str) -> Request {
    let form = matches!(name, "twilio" | "twilio_sharedkey" | "mandrill" | "braintree");
    let body = match name {
        _ if form => "CallSid=CA1&From=%2B1+2&Digits=1234&Digits=1234",
        "adyen_payments" => {
            r#"{"live":"false","notificationItems":[{"NotificationRequestItem":{"pspReference":"p1","amount":{"value":1130,"currency":"EUR"},"success":"true"}},{"NotificationRequestItem":{"pspReference":"p2"}}]}"#
        }
        _ => r#"{"id":"evt_1","n":1.50,"text":"naïve"}"#,
    };
    let kind = if form { "application/x-www-form-urlencoded" } else { "application/json" };
    Request {
        method: Method::POST,
        scheme: "https".to_owned(),
        authority: "hooks.example.com".to_owned(),
        target: "/hook?b=%40&a=1".to_owned(),
        headers: HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(kind))]),
        body: body.as_bytes().to_vec(),
    }
}

const NOW: i64 = 1_760_000_000_123;

#[test]
fn what_is_signed_verifies_and_what_is_changed_does_not() {
    let mut signed_by = 0;
    for (name, _) in PRESETS {
        let raw = read(name);
        let scheme = scheme(&raw["scheme"]);
        if !scheme.kind().is_shared() {
            continue;
        }
        let form = &raw["scheme"]["secret"];
        let secret = match (form["decode"].as_str(), form["strip_prefix"].as_str()) {
            (Some("hex"), _) => "00ff17aa".to_owned(),
            (_, prefix) => format!("{}c2VjcmV0", prefix.unwrap_or_default()),
        };
        let keys = json!({ "id": name, "keys": [{ "secret": secret, "id": "the-key" }] });
        let mut stage = Stage::new(scheme, &keys);
        let request = plain_request(name);
        let signed = stage
            .scheme
            .sign(&stage.keys, &stage.terms, &request.delivery(NOW))
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let sent = Request { target: signed.target, headers: signed.headers, body: signed.body, ..request };
        assert_eq!(stage.send(&sent, NOW, 200).0, "valid", "{name}");
        assert_eq!(stage.send(&sent, NOW, 200).0, "replay", "{name}");
        signed_by += 1;
        let other = json!({ "id": name, "keys": [{ "secret": "00ff17ab", "id": "the-key" }] });
        let mut other = Stage::new(super::stage::scheme(&raw["scheme"]), &other);
        assert_eq!(other.send(&sent, NOW, 200).0, "bad_signature", "{name}");
    }
    assert!(signed_by > 60, "{signed_by}");
}

#[test]
fn private_keys_are_not_had() {
    for name in ["discord", "sendgrid", "aws_sns", "plaid"] {
        let table = table();
        let vectors = table["vectors"].as_array().unwrap();
        let vector = vectors.iter().find(|vector| vector["provider"] == name).unwrap();
        let stage = Stage::new(scheme(&read(name)["scheme"]), vector);
        let told = stage.scheme.sign(&stage.keys, &stage.terms, &plain_request(name).delivery(NOW));
        assert!(told.unwrap_err().to_string().contains("private key"), "{name}");
    }
}

#[test]
fn a_message_of_a_form_that_the_body_has_not_is_not_signed() {
    let keys = json!({ "id": "x", "keys": [{ "secret": "s", "id": "k" }] });
    for (name, body) in [("mailgun", "no json"), ("braintree", "{\"a\":1}"), ("mailgun", "[1]")] {
        let stage = Stage::new(scheme(&read(name)["scheme"]), &keys);
        let mut request = plain_request("github");
        request.headers.clear();
        request.body = body.as_bytes().to_vec();
        assert!(
            stage.scheme.sign(&stage.keys, &stage.terms, &request.delivery(NOW)).is_err(),
            "{name} {body}"
        );
    }
    let empty = Stage::new(scheme(&read("asana")["scheme"]), &json!({ "id": "x", "keys": [] }));
    let told = empty.scheme.sign(&empty.keys, &empty.terms, &plain_request("asana").delivery(NOW));
    assert!(told.unwrap_err().to_string().contains("no key"));
    let outcome = empty.scheme.verify(&empty.keys, &empty.terms, &plain_request("asana").delivery(NOW), None);
    assert!(matches!(outcome, Outcome::Refused(_)));
}
