//! What must never happen, whatever is sent: a changed message passes, a value of the request or a key is told, the
//! gateway falls over.

use std::sync::LazyLock;

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use proptest::prelude::*;
use rules::moment::Moment;
use rules::problem::Place;
use rules::secret::Secret;
use rules::webhook::{Keyring, Outcome, PRESETS, RawScheme, RawTerms, Reason, Scheme, SharedKey, Terms};
use serde_json::{Value, json};

use super::plain;
use super::presets::read;
use super::stage::{Request, Stage, scheme};

const NOW: i64 = 1_760_000_000_000;

/// A preset's webhook and a request that it believes.
struct Sample {
    name: &'static str,
    stage: Stage,
    request: Request,
    /// The header that holds the signature's text alone, or with a prefix.
    header: HeaderName,
}

/// Presets whose signature covers every byte of the body, and stands in a header.
static SAMPLES: LazyLock<Vec<Sample>> = LazyLock::new(|| {
    let mut samples = Vec::new();
    for (name, _) in PRESETS {
        let raw = &read(name)["scheme"];
        let payload = raw["payload"].as_str().unwrap_or_default();
        let header = raw["signature"]["from"].as_str().or(raw["signature"].as_str());
        let header = header.and_then(|from| from.strip_prefix("header:"));
        let (true, Some(header)) = (payload.contains("{body}"), header) else { continue };
        let scheme = scheme(raw);
        if !scheme.kind().is_shared() || raw["timestamp"]["after"] == true {
            continue;
        }
        let secret = if raw["secret"]["decode"] == "hex" { "00ff17aa" } else { "c2VjcmV0" };
        let stage = Stage::new(scheme, &json!({ "id": name, "keys": [{ "secret": secret, "id": "k" }] }));
        let request = request(b"{\"id\":\"evt_1\",\"text\":\"x\"}".to_vec(), HeaderMap::new());
        let signed = stage.scheme.sign(&stage.keys, &stage.terms, &request.delivery(NOW)).unwrap();
        let request =
            Request { target: signed.target, headers: signed.headers, body: signed.body, ..request };
        samples.push(Sample { name, stage, request, header: header.parse().unwrap() });
    }
    assert!(samples.len() > 40);
    samples
});

fn request(body: Vec<u8>, headers: HeaderMap) -> Request {
    Request {
        method: Method::POST,
        scheme: "https".to_owned(),
        authority: "hooks.example.com".to_owned(),
        target: "/hook".to_owned(),
        headers,
        body,
    }
}

fn passes(stage: &Stage, request: &Request) -> bool {
    let outcome = stage.scheme.verify(&stage.keys, &stage.terms, &request.delivery(NOW), None);
    matches!(outcome, Outcome::Verified(_) | Outcome::Handshake(_))
}

/// Another letter with another value in hexadecimal and in base64.
fn other(letter: u8, by: u8) -> u8 {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    match DIGITS.iter().position(|digit| *digit == letter.to_ascii_lowercase()) {
        Some(at) => DIGITS[(at + 1 + usize::from(by % 15)) % 16],
        None => b'0',
    }
}

proptest! {
    #[test]
    fn a_flipped_bit_of_the_body_is_seen(which in any::<prop::sample::Index>(), byte in any::<prop::sample::Index>(), bit in 0..8_u32) {
        let sample = which.get(&SAMPLES);
        prop_assert!(passes(&sample.stage, &sample.request), "{}", sample.name);
        let mut request = sample.request.clone();
        let at = byte.index(request.body.len());
        request.body[at] ^= 1 << bit;
        prop_assert!(!passes(&sample.stage, &request), "{}", sample.name);
    }

    #[test]
    fn a_changed_letter_of_the_signature_is_seen(which in any::<prop::sample::Index>(), letter in any::<prop::sample::Index>(), by in any::<u8>()) {
        let sample = which.get(&SAMPLES);
        let mut request = sample.request.clone();
        let value = request.headers.get_mut(&sample.header).unwrap();
        let mut text = value.as_bytes().to_vec();
        // The signature stands at the end, and has 28 letters at least; padding is not one of them.
        let at = text.len() - 3 - letter.index(24);
        text[at] = other(text[at], by);
        *value = HeaderValue::from_bytes(&text).unwrap();
        prop_assert!(!passes(&sample.stage, &request), "{}", sample.name);
    }

    #[test]
    fn a_message_is_not_good_for_another_webhook(one in any::<prop::sample::Index>(), other in any::<prop::sample::Index>()) {
        let (one, other) = (one.get(&SAMPLES), other.get(&SAMPLES));
        prop_assume!(one.name != other.name);
        let mut request = one.request.clone();
        // Providers of the same form differ by their secrets only, and here these are the same.
        let same = read(one.name)["scheme"]["payload"] == read(other.name)["scheme"]["payload"];
        prop_assume!(!same);
        if let Some(signature) = request.headers.remove(&one.header) {
            request.headers.insert(other.header.clone(), signature);
        }
        prop_assert!(!passes(&other.stage, &request), "{} for {}", one.name, other.name);
    }

    #[test]
    fn nothing_random_passes_or_falls_over(
        which in any::<prop::sample::Index>(),
        values in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 8),
        texts in prop::collection::vec("(t=|v1=|v1,|sha256=|,| |;|17600000[0-9]{2}|[0-9a-f]{2}|[A-Za-z0-9+/]{4}|=|\\.|\\PC){0,24}", 8),
        body in "(\\{|\\}|\\[|\\]|\"|:|,|id|type|1|x|&|=|%|\\PC){0,24}",
        query in "[a-c=&%0-9.]{0,20}",
    ) {
        let (name, stage) = which.get(&EVERY);
        let mut headers = HeaderMap::new();
        for (nth, header) in headers_of(name).iter().enumerate() {
            let value = match nth % 2 {
                0 => HeaderValue::from_bytes(&values[nth % 8]),
                _ => HeaderValue::from_bytes(texts[nth % 8].as_bytes()),
            };
            if let Ok(value) = value {
                headers.append(header.clone(), value);
            }
        }
        let mut request = request(body.into_bytes(), headers);
        request.target = format!("/hook?{query}");
        let outcome = stage.scheme.verify(&stage.keys, &stage.terms, &request.delivery(NOW), None);
        match outcome {
            Outcome::Refused(refused) => {
                // A sentence tells places, and nothing that was sent.
                for text in texts.iter().filter(|text| text.len() > 12) {
                    prop_assert!(!refused.private.contains(text.as_str()));
                }
            }
            Outcome::Wants(_) => prop_assert!(matches!(*name, "aws_sns" | "paypal" | "google_oidc")),
            other => prop_assert!(false, "{name}: {other:?}"),
        }
    }

    #[test]
    fn whatever_a_scheme_says_it_compiles_or_tells_why(
        which in any::<prop::sample::Index>(),
        key in "(payload|signature|timestamp|replay|vars|each|claims|key_by|kind|handshakes)",
        text in "(\\{|\\}|body|ts|secret|url|json:/|item:/|header:|query:|\\||\\?|;|/|~|[a-z]|header_list\\(){0,12}",
    ) {
        let mut raw = read(PRESETS[which.index(PRESETS.len())].0)["scheme"].clone();
        raw[key.as_str()] = match key.as_str() {
            "replay" => json!({ "keys": [text] }),
            "vars" => json!({ "x": text }),
            "each" => json!({ "array": text, "item": text }),
            "claims" => json!({ "iss": text, "exp": true, "sub": text }),
            "timestamp" => json!({ "from": text, "format": "unix_s" }),
            "handshakes" => json!([{ "phase": "before", "when": { "present": [text] }, "answer": { "text": text } }]),
            _ => Value::String(text),
        };
        if let Ok(raw) = plain::read::<RawScheme>(raw)
            && let Err(problems) = Scheme::compile(&raw, &Place::root())
        {
            prop_assert!(problems.iter().all(|problem| problem.remedy.is_some()));
        }
    }
}

/// Every preset, with a key where it takes a secret.
static EVERY: LazyLock<Vec<(&'static str, Stage)>> = LazyLock::new(|| {
    let with_keys = |(name, _): &(&'static str, &str)| {
        let raw = &read(name)["scheme"];
        let scheme = scheme(raw);
        let keys = match (scheme.takes_secrets(), scheme.fetches_keys(), scheme.kind()) {
            (true, ..) => {
                json!([{ "secret": if raw["secret"]["decode"] == "hex" { "00ff" } else { "c2VjcmV0" } }])
            }
            (_, true, _) => json!([]),
            (_, _, rules::webhook::Kind::EcdsaP256Sha256 | rules::webhook::Kind::Jwt) => json!([{
                "jwk": { "kty": "EC", "crv": "P-256", "x": "eB1UYCw9t0iolJY6JaqiaTIGQtPKYKfPvAbGgG-u6Gg", "y": "X0ye1pXaSBHUHCkmbAfRKxufF2FMVyKo948DU-3B4Sg" }
            }]),
            _ => {
                json!([{ "jwk": { "kty": "OKP", "crv": "Ed25519", "x": "A6EHv_POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg" } }])
            }
        };
        let settings: serde_json::Map<String, Value> =
            scheme.settings().iter().map(|setting| (setting.name.to_owned(), json!("set"))).collect();
        (*name, Stage::new(scheme, &json!({ "id": name, "keys": keys, "config": settings })))
    };
    PRESETS.iter().map(with_keys).collect()
});

/// The headers that a preset reads.
fn headers_of(name: &str) -> Vec<HeaderName> {
    let text = read(name)["scheme"].to_string();
    let names = text.split("header:").skip(1).filter_map(|rest| {
        let end = rest.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-')?;
        rest.get(..end)?.parse().ok()
    });
    names.collect()
}

fn shared<'a>(name: &'a str, until: Option<i64>, secret: &'a Secret) -> SharedKey<'a> {
    SharedKey { name, id: None, slot: None, until: until.map(Moment), secret }
}

#[test]
fn a_key_whose_time_is_over_no_longer_verifies() {
    for name in ["github", "telegram", "qstash"] {
        let scheme = scheme(&read(name)["scheme"]);
        let (old, new) = (Secret::new(b"old-secret".to_vec()), Secret::new(b"new-secret".to_vec()));
        let seconds = NOW / 1000;
        let sign_with_old = || {
            let keys =
                Keyring::compile(&scheme, &[shared("old", None, &old)], &[], &Place::root()).ok().unwrap();
            let terms = terms(&scheme);
            let signed =
                scheme.sign(&keys, &terms, &request(b"{}".to_vec(), HeaderMap::new()).delivery(NOW)).ok()?;
            Some(Request { headers: signed.headers, ..request(b"{}".to_vec(), HeaderMap::new()) })
        };
        let sent = sign_with_old().unwrap_or_else(|| {
            let mut headers = HeaderMap::new();
            headers.insert("upstash-signature", token(b"old-secret").parse().unwrap());
            request(b"{}".to_vec(), headers)
        });
        for (until, passes) in [(seconds + 1, true), (seconds, false), (seconds - 1, false)] {
            let keys = [shared("new", None, &new), shared("old", Some(until), &old)];
            let keys = Keyring::compile(&scheme, &keys, &[], &Place::root()).ok().unwrap();
            match scheme.verify(&keys, &terms(&scheme), &sent.delivery(NOW), None) {
                Outcome::Verified(verified) => {
                    assert!(passes, "{name} {until}");
                    assert_eq!(keys.name(verified.key.unwrap()), Some("old"));
                }
                Outcome::Refused(refused) => {
                    assert!(!passes, "{name} {until}: {refused:?}");
                    assert_eq!(refused.reason, Reason::RetiredKey);
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

fn terms(scheme: &Scheme) -> Terms {
    Terms::compile(scheme, RawTerms { name: "hook", ..RawTerms::default() }, &Place::root()).ok().unwrap()
}

/// A token for an empty object, such as Upstash sends.
fn token(secret: &[u8]) -> String {
    use jsonwebtoken::{EncodingKey, Header, encode};
    let claims = json!({
        "iss": "Upstash", "sub": "https://hooks.example.com/hook", "exp": NOW / 1000 + 60,
        "body": "RBNvo1WzZ4oRRq0W9-hknpT7T8If536DEMBg9hyq_4o=",
    });
    encode(&Header::default(), &claims, &EncodingKey::from_secret(secret)).unwrap()
}

#[test]
fn a_tolerance_of_ones_own_counts_on_both_sides() {
    let scheme = scheme(&read("stripe")["scheme"]);
    let secret = Secret::new(b"s".to_vec());
    let keys = Keyring::compile(&scheme, &[shared("k", None, &secret)], &[], &Place::root()).ok().unwrap();
    let raw = RawTerms { name: "hook", tolerance: Some("2d".parse().unwrap()), ..RawTerms::default() };
    let own = Terms::compile(&scheme, raw, &Place::root()).ok().unwrap();
    let plain = request(b"{}".to_vec(), HeaderMap::new());
    let signed = scheme.sign(&keys, &own, &plain.delivery(NOW)).unwrap();
    let sent = Request { headers: signed.headers, ..plain };
    let day = 24 * 3600 * 1000;
    for (now, terms, passes) in [
        (NOW + 2 * day, &own, true),
        (NOW + 2 * day + 1, &own, false),
        (NOW - 2 * day, &own, true),
        (NOW - 2 * day - 1, &own, false),
        (NOW + 300_001, &terms(&scheme), false),
    ] {
        let outcome = scheme.verify(&keys, terms, &sent.delivery(now), None);
        assert_eq!(matches!(outcome, Outcome::Verified(_)), passes, "{now}");
        if let Outcome::Verified(verified) = outcome {
            assert_eq!(verified.ttl.as_secs(), 4 * 24 * 3600, "it is remembered for as long as it lives");
            assert_eq!(verified.sent_ms, Some(NOW));
        }
    }
}

#[test]
fn what_a_webhook_remembers_is_its_own() {
    let scheme = scheme(&read("github")["scheme"]);
    let secret = Secret::new(b"s".to_vec());
    let keys = Keyring::compile(&scheme, &[shared("k", None, &secret)], &[], &Place::root()).ok().unwrap();
    let plain = request(b"{}".to_vec(), HeaderMap::new());
    let sent = scheme.sign(&keys, &terms(&scheme), &plain.delivery(NOW)).unwrap();
    let sent = Request { headers: sent.headers, ..plain };
    let known = |name: &str| {
        let raw = RawTerms { name, ..RawTerms::default() };
        let terms = Terms::compile(&scheme, raw, &Place::root()).ok().unwrap();
        let Outcome::Verified(verified) = scheme.verify(&keys, &terms, &sent.delivery(NOW), None) else {
            panic!()
        };
        verified.replay
    };
    assert_eq!(known("one"), known("one"));
    assert_ne!(known("one"), known("two"));
}
