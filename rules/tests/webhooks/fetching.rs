//! Keys by address: what is wanted, from where it may come, and that nothing else is fetched.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rules::webhook::{Fetched, Outcome, Reason, Want};
use serde_json::{Value, json};

use super::presets::read;
use super::stage::{Request, Stage, scheme};
use super::vectors::table;

/// A preset without configured keys, a valid request to it, the key that signed it, and the time.
fn unkeyed(name: &str) -> (Stage, Request, Value, i64) {
    let mut table = table();
    let vectors = table["vectors"].as_array_mut().unwrap();
    // What was valid before it is valid again, but for being a repetition.
    let is = |vector: &&mut Value| vector["provider"] == name && vector["prior"].is_array();
    let vector = vectors.iter_mut().find(is).unwrap();
    let key = vector["keys"][0].take();
    vector["keys"] = json!([]);
    let stage = Stage::new(scheme(&read(name)["scheme"]), vector);
    let now = vector["now_ms"].as_i64().unwrap();
    (stage, Request::read(&vector["prior"][0]["request"], &json!({})), key, now)
}

fn der(key: &Value) -> Vec<u8> {
    STANDARD.decode(key["certificate_der_b64"].as_str().unwrap()).unwrap()
}

fn outcome(stage: &Stage, request: &Request, now: i64, fetched: Option<&Fetched>) -> Outcome {
    stage.scheme.verify(&stage.keys, &stage.terms, &request.delivery(now), fetched)
}

#[test]
fn certificates_are_wanted_read_and_believed() {
    let (stage, request, key, now) = unkeyed("aws_sns");
    let Outcome::Wants(want) = outcome(&stage, &request, now, None) else { panic!("nothing is wanted") };
    assert_eq!(want, Want::Certificate(key["id"].as_str().unwrap().to_owned()));
    let text = key["certificate_der_b64"].as_str().unwrap();
    let pem = format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n");
    for bytes in
        [STANDARD.decode(text).unwrap(), pem.clone().into_bytes(), format!("\n{pem}{pem}").into_bytes()]
    {
        let fetched = Fetched::read(&stage.scheme, want.clone(), &bytes).unwrap();
        let Outcome::Verified(verified) = outcome(&stage, &request, now, Some(&fetched)) else {
            panic!("it is not believed")
        };
        assert_eq!(verified.key, None);
    }
    for bytes in [&b""[..], b"-----BEGIN CERTIFICATE-----", b"<html>", &[0x30; 100]] {
        assert!(Fetched::read(&stage.scheme, want.clone(), bytes).is_err());
    }
}

#[test]
fn what_was_fetched_from_elsewhere_counts_for_nothing() {
    let (stage, request, key, now) = unkeyed("aws_sns");
    let other = Want::Certificate("https://sns.eu-west-1.amazonaws.com/x.pem".to_owned());
    let fetched = Fetched::read(&stage.scheme, other, &der(&key)).unwrap();
    assert!(matches!(outcome(&stage, &request, now, Some(&fetched)), Outcome::Wants(_)));
    // Another certificate under the right address.
    let (_, _, paypal, _) = unkeyed("paypal");
    let want = Want::Certificate(key["id"].as_str().unwrap().to_owned());
    let fetched = Fetched::read(&stage.scheme, want, &der(&paypal)).unwrap();
    let Outcome::Refused(refused) = outcome(&stage, &request, now, Some(&fetched)) else { panic!() };
    assert_eq!(refused.reason, Reason::Mismatch);
}

#[test]
fn a_fetched_certificate_has_dates() {
    let (stage, request, key, now) = unkeyed("paypal");
    let Outcome::Wants(want) = outcome(&stage, &request, now, None) else { panic!("nothing is wanted") };
    let fetched = Fetched::read(&stage.scheme, want, &der(&key)).unwrap();
    assert!(matches!(outcome(&stage, &request, now, Some(&fetched)), Outcome::Verified(_)));
    // It ends with 2034 and began with 2025.
    for then in [1_735_689_599_000, 2_051_222_401_000] {
        assert!(matches!(outcome(&stage, &request, then, Some(&fetched)), Outcome::Refused(_)), "{then}");
    }
}

#[test]
fn addresses_are_checked_before_anything_is_fetched() {
    let (stage, request, ..) = unkeyed("paypal");
    let wanted = |url: &str| {
        let mut request = request.clone();
        request.headers.insert("paypal-cert-url", url.parse().unwrap());
        match outcome(&stage, &request, 1_760_000_000_000, None) {
            Outcome::Wants(want) => Some(want.url().to_owned()),
            Outcome::Refused(refused) => {
                assert_eq!(refused.reason, Reason::UnknownKey, "{url}");
                None
            }
            other => panic!("{url}: {other:?}"),
        }
    };
    for url in [
        "https://api.paypal.com/v1/notifications/certs/CERT-1",
        "https://api.sandbox.paypal.com/v1/notifications/certs/CERT-a-B",
    ] {
        assert_eq!(wanted(url).as_deref(), Some(url));
    }
    for url in [
        "http://api.paypal.com/v1/notifications/certs/CERT-1",
        "https://api.paypal.com:443/v1/notifications/certs/CERT-1",
        "https://api.paypal.com.evil.example/v1/notifications/certs/CERT-1",
        "https://evil.example/v1/notifications/certs/CERT-1",
        "https://evil.example#https://api.paypal.com/v1/notifications/certs/CERT-1",
        "https://a@api.paypal.com/v1/notifications/certs/CERT-1",
        "https://apixpaypal.com/v1/notifications/certs/CERT-1",
        "https://api.paypal.com/v1/notifications/certs/CERT-1?x=1",
        "https://api.paypal.com/v1/notifications/certs/../../x/CERT-1",
        "https://api.paypal.com/v1/notifications/certs/CERT-1%2f",
        "https://api.paypal.com/",
        "https://api.paypal.com",
        "//api.paypal.com/v1/notifications/certs/CERT-1",
    ] {
        assert_eq!(wanted(url), None, "{url}");
    }
}

#[test]
fn key_sets_are_wanted_only_without_keys_of_ones_own() {
    let (stage, request, key, now) = unkeyed("google_oidc");
    let Outcome::Wants(want) = outcome(&stage, &request, now, None) else { panic!("nothing is wanted") };
    assert_eq!(want, Want::KeySet("https://www.googleapis.com/oauth2/v3/certs".to_owned()));
    let set = json!({ "keys": [{ "kty": "oct", "k": "AAAA" }, key["jwk"]] }).to_string();
    let fetched = Fetched::read(&stage.scheme, want.clone(), set.as_bytes()).unwrap();
    assert!(matches!(outcome(&stage, &request, now, Some(&fetched)), Outcome::Verified(_)));
    let mut other = key["jwk"].clone();
    other["kid"] = json!("another");
    let set = json!({ "keys": [other] }).to_string();
    let fetched = Fetched::read(&stage.scheme, want.clone(), set.as_bytes()).unwrap();
    let Outcome::Refused(refused) = outcome(&stage, &request, now, Some(&fetched)) else { panic!() };
    assert_eq!(refused.reason, Reason::UnknownKey);
    for text in ["", "[]", "{}", "{\"keys\":[]}", "{\"keys\":[{\"kty\":\"oct\",\"k\":\"AAAA\"}]}"] {
        assert!(Fetched::read(&stage.scheme, want.clone(), text.as_bytes()).is_err(), "{text}");
    }
}
