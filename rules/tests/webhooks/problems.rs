//! What is wrong with a scheme, a key or a setting is said when it is compiled, with its place and what to do.

use std::collections::BTreeMap;

use rules::problem::{Place, Problem};
use rules::secret::Secret;
use rules::webhook::{Keyring, RawPublicKey, RawTerms, Scheme, SharedKey, Terms};
use serde_json::{Value, json};

use super::plain;
use super::presets::read;
use super::stage::scheme;

fn problems(raw: &Value) -> Vec<Problem> {
    let raw = plain::read(raw.clone()).unwrap_or_else(|error| panic!("{error}"));
    Scheme::compile(&raw, &Place::root()).err().unwrap_or_default()
}

/// An HMAC over the body, with some keys changed; null takes one away.
fn hmac(changes: Value) -> Value {
    changed(
        json!({ "kind": "hmac", "hash": "sha256", "encoding": "hex", "signature": "header:X-S", "payload": "{body}" }),
        changes,
    )
}

fn changed(mut raw: Value, changes: Value) -> Value {
    let Value::Object(changes) = changes else { panic!() };
    for (key, value) in changes {
        raw.as_object_mut().unwrap().retain(|name, _| *name != key);
        if !value.is_null() {
            raw[key] = value;
        }
    }
    raw
}

#[expect(clippy::too_many_lines, reason = "a table, a row for each sentence")]
#[test]
fn every_sentence_has_its_case() {
    let jwt = |changes| {
        let claims = json!({ "exp": true, "aud": "$audience" });
        changed(json!({ "kind": "jwt", "token": "header:X-T", "algs": ["HS256"], "claims": claims }), changes)
    };
    let sns = |changes| changed(read("aws_sns")["scheme"].clone(), changes);
    let ts = json!({ "from": "header:X-Ts", "format": "unix_s", "past_s": 1 });
    let inside = json!({ "from": "json:/ts", "format": "unix_s", "past_s": 1, "after": true });
    let handshake = |when: Value, answer: Value| {
        hmac(json!({ "handshakes": [{ "phase": "before", "when": when, "answer": answer }] }))
    };
    let when = json!({ "method": "GET" });
    for (raw, place, sentence) in [
        (hmac(json!({ "hash": null })), "", "no `hash`"),
        (hmac(json!({ "encoding": null })), "", "no `encoding`"),
        (hmac(json!({ "signature": null })), "", "no `signature`"),
        (hmac(json!({ "payload": null })), "", "no `payload`"),
        (hmac(json!({ "signature": "X-S" })), "signature", "not a source"),
        (hmac(json!({ "signature": "cookie:x" })), "signature", "not a source"),
        (hmac(json!({ "signature": "query:" })), "signature", "not a source"),
        (hmac(json!({ "signature": "header:a b" })), "signature", "not the name of a header"),
        (hmac(json!({ "signature": "header_seq:X-S" })), "signature", "no `{n}`"),
        (hmac(json!({ "signature": "json:a" })), "signature", "not a JSON pointer"),
        (hmac(json!({ "signature": ["header:X-S", "json:/~2"] })), "signature[1]", "not a JSON pointer"),
        (hmac(json!({ "signature": { "from": "x", "many": true } })), "signature.from", "not a source"),
        (hmac(json!({ "signature": { "from": "header:x", "split": "" } })), "signature.split", "is empty"),
        (
            hmac(json!({ "signature": { "from": "header:x", "pair": "=" } })),
            "signature.pair",
            "without `pick`",
        ),
        (
            hmac(json!({ "signature": { "from": "header:x", "pick": "v1" } })),
            "signature.pick",
            "without `pair`",
        ),
        (
            hmac(json!({ "signature": { "from": "header:x", "pair": "=", "pick": "$kid" } })),
            "signature.pick",
            "no name `$kid`",
        ),
        (
            hmac(json!({ "signature": { "from": "query:x", "many": true } })),
            "signature.many",
            "only a header",
        ),
        (hmac(json!({ "signature": "item:/s" })), "", "part of a message of `each`"),
        (hmac(json!({ "payload": "{bdy}" })), "payload", "no name `bdy`"),
        (hmac(json!({ "payload": "{ts}{body}" })), "payload", "no name `ts`"),
        (hmac(json!({ "payload": "{body" })), "payload", "do not pair"),
        (hmac(json!({ "payload": "body}" })), "payload", "do not pair"),
        (hmac(json!({ "payload": "{{body}}" })), "payload", "do not pair"),
        (hmac(json!({ "payload": "{body|upper}" })), "payload", "no filter `upper`"),
        (hmac(json!({ "payload": ["{body}", "{header:}"] })), "payload[1]", "not the name of a header"),
        (hmac(json!({ "payload": "{header_list(X-H;,;:)}{body}" })), "payload", "four arguments"),
        (hmac(json!({ "payload": "{header_list(X-H;;:;,)}{body}" })), "payload", "between the names"),
        (hmac(json!({ "payload": "{method}{url}" })), "payload", "neither body nor time"),
        (hmac(json!({ "payload": "constant" })), "payload", "neither body nor time"),
        (hmac(json!({ "payload": ["{body}", "{url}"] })), "payload", "neither body nor time"),
        (
            hmac(json!({ "payload": ["{body}a", "{body}b", "{body}c", "{body}d", "{body}e"] })),
            "",
            "more than 4",
        ),
        (hmac(json!({ "timestamp": ts })), "timestamp", "outside the payload"),
        (
            hmac(json!({ "timestamp": ts, "payload": ["{ts}{body}", "{body}"] })),
            "timestamp",
            "outside the payload",
        ),
        (hmac(json!({ "timestamp": { "format": "unix_s" } })), "timestamp", "has no place"),
        (
            hmac(json!({ "timestamp": inside, "payload": "{json:/id}" })),
            "timestamp.after",
            "inside the signed body",
        ),
        (
            hmac(json!({ "timestamp": { "from": "header:x", "format": "unix_s", "after": true } })),
            "timestamp.after",
            "inside the signed body",
        ),
        (hmac(json!({ "vars": { "body": "header:x" } })), "vars.body", "cannot be called"),
        (hmac(json!({ "vars": { "a:b": "header:x" } })), "vars.a:b", "cannot be called"),
        (
            hmac(json!({ "vars": { "a": { "from": "header:x", "pair": "=", "pick": "$key_id" } } })),
            "vars.a.pick",
            "which key is tried",
        ),
        (hmac(json!({ "require": [{ "from": "header:x" }] })), "require[0]", "either `equals` or `contains`"),
        (hmac(json!({ "each": { "array": "a" } })), "each.array", "not a JSON pointer"),
        (hmac(json!({ "each": { "array": "/a", "item": "" } })), "each", "read again for each"),
        (
            hmac(json!({ "replay": { "keys": ["header:X-Id"] } })),
            "replay.keys",
            "nothing in the list is signed",
        ),
        (
            // The header's time is signed, and the rest of it is not.
            hmac(json!({
                "payload": "{ts}{body}", "replay": { "keys": ["header:X-S"] },
                "timestamp": { "from": { "from": "header:X-S", "split": ",", "pair": "=", "pick": "t" }, "format": "unix_s" },
            })),
            "replay.keys",
            "nothing in the list is signed",
        ),
        (hmac(json!({ "replay": { "keys": ["sined"] } })), "replay.keys[0]", "not a source"),
        (hmac(json!({ "replay": { "keys": [] } })), "replay.keys", "nothing says"),
        (hmac(json!({ "replay": { "keys": ["signed"], "ttl_s": 0 } })), "replay.ttl_s", "forgotten at once"),
        (hmac(json!({ "algs": ["HS256"] })), "algs", "means nothing"),
        (hmac(json!({ "cert_host": "x" })), "cert_host", "means nothing"),
        (hmac(json!({ "kind": "keyed_hash" })), "payload", "everybody can compute"),
        (
            hmac(json!({ "kind": "ed25519", "hash": null, "payload": "{secret}{body}" })),
            "payload",
            "no secret to sign",
        ),
        (hmac(json!({ "kind": "ed25519" })), "hash", "means nothing"),
        (
            hmac(json!({ "kind": "rsa_pkcs1_sha256", "hash": null, "cert_host": "x" })),
            "",
            "`key_by` is not there",
        ),
        (
            hmac(json!({ "kind": "rsa_pkcs1_sha256", "hash": null, "key_by": "header:x", "cert_path": "x" })),
            "",
            "`cert_host` is not there",
        ),
        (
            hmac(json!({ "kind": "rsa_pkcs1_sha256", "hash": null, "key_by": "header:x", "cert_host": "(" })),
            "cert_host",
            "not a regular expression",
        ),
        (json!({ "kind": "token" }), "", "no `token`"),
        (json!({ "kind": "token", "token": "header:x", "payload": "{body}" }), "payload", "means nothing"),
        (jwt(json!({ "algs": null })), "", "no `algs`"),
        (jwt(json!({ "token": null })), "", "no `token`"),
        (jwt(json!({ "claims": { "aud": "x" } })), "claims", "good for ever"),
        (jwt(json!({ "claims": { "aud": "x", "iat": { "future_s": 1 } } })), "claims", "good for ever"),
        (jwt(json!({ "claims": { "iss": "x", "exp": true } })), "claims", "made for others"),
        (jwt(json!({ "leeway_s": 301 })), "leeway_s", "above 300"),
        (jwt(json!({ "jwks_url": "http://x" })), "jwks_url", "without TLS"),
        (sns(json!({ "versions": ["3"] })), "versions", "no signature version"),
        (sns(json!({ "versions": null })), "", "no `versions`"),
        (sns(json!({ "cert_host": null })), "", "no `cert_host`"),
        (
            sns(json!({ "timestamp": { "from": "json:/x", "format": "rfc3339" } })),
            "timestamp",
            "its place already",
        ),
        (
            sns(json!({ "replay": { "keys": ["json:/Token"] } })),
            "replay.keys",
            "nothing in the list is signed",
        ),
        (handshake(json!({}), json!({})), "handshakes[0].when", "every request"),
        (handshake(json!({ "absent": ["header:x"] }), json!({})), "handshakes[0].when", "every request"),
        (handshake(json!({ "method": "G T" }), json!({})), "handshakes[0].when.method", "not a method"),
        (handshake(json!({ "present": ["x"] }), json!({})), "handshakes[0].when.present[0]", "not a source"),
        (
            handshake(json!({ "equals": { "x": "1" } }), json!({})),
            "handshakes[0].when.equals.x",
            "not a source",
        ),
        (handshake(when.clone(), json!({ "status": 302 })), "handshakes[0].answer.status", "with a success"),
        (
            handshake(when.clone(), json!({ "text": "", "json": {} })),
            "handshakes[0].answer",
            "more than one body",
        ),
        (
            handshake(when.clone(), json!({ "text": "{secret}" })),
            "handshakes[0].answer.text",
            "no name `secret`",
        ),
        (handshake(when.clone(), json!({ "text": "{body}" })), "handshakes[0].answer.text", "no name `body`"),
        (
            handshake(when.clone(), json!({ "json": { "a": ["{x}"] } })),
            "handshakes[0].answer.json.a[0]",
            "no name `x`",
        ),
        (
            handshake(when.clone(), json!({ "json": { "$hmac_hex": "{query:c}", "b": 1 } })),
            "handshakes[0].answer.json",
            "beside something else",
        ),
        (
            handshake(
                when.clone(),
                json!({ "text": "{query:c}", "headers": [["content-type", "text/html"]] }),
            ),
            "handshakes[0].answer.headers",
            "something else than plain text",
        ),
        (
            handshake(when.clone(), json!({ "headers": [["a b", "c"]] })),
            "handshakes[0].answer.headers[0][0]",
            "not the name of a header",
        ),
        (
            changed(
                handshake(when, json!({ "text_hmac": "{query:c}" })),
                json!({ "kind": "keyed_hash", "payload": "{secret}{body}" }),
            ),
            "handshakes[0].answer",
            "only an `hmac` scheme",
        ),
    ] {
        let found = problems(&raw);
        let is = |problem: &Problem| {
            problem.place.to_string() == place
                && problem.message.contains(sentence)
                && problem.remedy.is_some()
        };
        assert!(found.iter().any(is), "{place}: {sentence}: {raw}: {found:#?}");
        assert!(found.iter().all(|problem| !problem.message.ends_with('.')), "{found:#?}");
    }
}

#[test]
fn what_a_scheme_leaves_open_is_told() {
    for (name, doubt) in [
        ("telegram", Some("covers nothing")),
        ("dingtalk", Some("does not cover the body")),
        ("mailgun", Some("only parts of the body")),
        ("adyen_payments", Some("only parts of the body")),
        ("google_oidc", Some("does not cover the body")),
        ("gitlab_token", Some("is not signed")),
        ("github", None),
        ("stripe", None),
        ("contentful", None),
        ("twilio_json", None),
        ("paypal", Some("only a checksum")),
        ("plaid", None),
        ("aws_sns", None),
    ] {
        let doubts = scheme(&read(name)["scheme"]).doubts();
        match doubt {
            Some(doubt) => assert!(doubts.iter().any(|told| told.contains(doubt)), "{name}: {doubts:?}"),
            None => assert!(doubts.is_empty(), "{name}: {doubts:?}"),
        }
    }
    let open = hmac(
        json!({ "handshakes": [{ "phase": "before", "when": { "present": ["json:/x"] }, "answer": { "forward": true } }] }),
    );
    assert!(scheme(&open).doubts().iter().any(|told| told.contains("without a signature")));
    let timeless = hmac(
        json!({ "payload": "{ts}{body}", "timestamp": { "from": "header:X-T", "format": "unix_s", "past_s": 5 } }),
    );
    assert!(scheme(&timeless).doubts().iter().any(|told| told.contains("both sides")));
}

#[test]
fn headers_with_secrets_are_known() {
    for (name, headers) in [
        ("telegram", &["x-telegram-bot-api-secret-token"][..]),
        ("google_oidc", &["authorization"]),
        ("teams_outgoing", &["authorization"]),
        ("plaid", &["plaid-verification"]),
        ("figma", &[]),
        ("github", &[]),
    ] {
        assert_eq!(scheme(&read(name)["scheme"]).secret_headers(), headers, "{name}");
    }
}

fn key_problems(name: &str, shared: &[(&str, Option<usize>)], public: Value) -> Vec<Problem> {
    let scheme = scheme(&read(name)["scheme"]);
    let secrets: Vec<_> = shared.iter().map(|(text, slot)| (Secret::new((*text).into()), *slot)).collect();
    let shared: Vec<SharedKey<'_>> = secrets
        .iter()
        .map(|(secret, slot)| SharedKey { name: "k", id: None, slot: *slot, until: None, secret })
        .collect();
    let public: Vec<RawPublicKey> = plain::read(public).unwrap();
    Keyring::compile(&scheme, &shared, &public, &Place::root()).err().unwrap_or_default()
}

#[test]
fn keys_are_of_the_scheme_or_refused() {
    let point = "00".repeat(32);
    for (name, shared, public, place, sentence) in [
        ("github", &[][..], json!([]), "", "no key"),
        ("discord", &[], json!([]), "", "no key"),
        ("github", &[("", None)], json!([]), "secret", "is empty"),
        ("svix", &[("whsec_", None)], json!([]), "secret", "is empty"),
        ("svix", &[("whsec_*", None)], json!([]), "secret", "not written as the scheme says"),
        ("adyen_platform", &[("xy", None)], json!([]), "secret", "not written as the scheme says"),
        ("box", &[("a", Some(0)), ("b", Some(2))], json!([]), "secret[1].slot", "no signature 2"),
        ("github", &[("a", Some(1))], json!([]), "secret.slot", "no signature 1"),
        ("discord", &[("a", None)], json!([]), "secret", "with a public key"),
        ("github", &[], json!([{ "public": point }]), "public_keys[0]", "with a secret"),
        ("discord", &[], json!([{}]), "public_keys[0]", "not exactly one form"),
        (
            "discord",
            &[],
            json!([{ "public": "x", "certificate": "y" }]),
            "public_keys[0]",
            "not exactly one form",
        ),
        (
            "discord",
            &[],
            json!([{ "public": "zz", "encoding": "hex" }]),
            "public_keys[0]",
            "not written in its",
        ),
        ("discord", &[], json!([{ "public": "AAAA" }]), "public_keys[0]", "damaged"),
        (
            "discord",
            &[],
            json!([{ "public": point, "encoding": "hex", "until": "soon" }]),
            "public_keys[0].until",
            "not a date",
        ),
        (
            "discord",
            &[],
            json!([{ "public": point, "encoding": "hex", "slot": 1 }]),
            "public_keys[0].slot",
            "no signature",
        ),
        ("discord", &[], json!([{ "jwk": "[]" }]), "public_keys[0]", "not a JSON object"),
        (
            "discord",
            &[],
            json!([{ "jwk": { "kty": "OKP", "crv": "Ed25519", "x": "AAAA", "d": "AAAA" } }]),
            "public_keys[0]",
            "private key",
        ),
        (
            "sendgrid",
            &[],
            json!([{ "jwk": { "kty": "RSA", "n": "AQAB", "e": "AQAB" } }]),
            "public_keys[0]",
            "bits",
        ),
        (
            "plaid",
            &[],
            json!([{ "jwk": { "kty": "EC", "crv": "P-256", "alg": "ES384" } }]),
            "public_keys[0]",
            "`alg`",
        ),
        ("paypal", &[], json!([{ "certificate": "AAAA" }]), "public_keys[0]", "damaged"),
    ] {
        let found = key_problems(name, shared, public.clone());
        let is = |problem: &Problem| problem.place.to_string() == place && problem.message.contains(sentence);
        assert!(found.iter().any(is), "{name}: {place}: {sentence}: {found:#?}");
    }
    // A key of another kind than the scheme's, sound as it is.
    let ed25519 = json!([{ "jwk": { "kty": "OKP", "crv": "Ed25519", "x": "A6EHv_POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg" } }]);
    assert!(key_problems("discord", &[], ed25519.clone()).is_empty());
    for name in ["sendgrid", "paypal", "aws_sns"] {
        let found = key_problems(name, &[], ed25519.clone());
        assert!(found.iter().any(|problem| problem.message.contains("another kind")), "{name}: {found:#?}");
    }
    assert!(key_problems("asana", &[], json!([])).is_empty(), "its secret comes with a handshake");
    assert!(key_problems("google_oidc", &[], json!([])).is_empty(), "its keys can be fetched");
}

#[test]
fn settings_are_those_that_are_read() {
    let told = |name: &str, settings: &[(&str, &str)], base_url, tolerance: Option<&str>| {
        let scheme = scheme(&read(name)["scheme"]);
        let settings: BTreeMap<String, Secret> =
            settings.iter().map(|(name, text)| ((*name).to_owned(), Secret::new((*text).into()))).collect();
        let tolerance = tolerance.map(|text| text.parse().unwrap());
        let raw = RawTerms { name: "hook", base_url, tolerance, settings };
        let found = Terms::compile(&scheme, raw, &Place::root()).err().unwrap_or_default();
        found.into_iter().map(|problem| format!("{}: {}", problem.place, problem.message)).collect::<Vec<_>>()
    };
    assert_eq!(told("github", &[], Some("https://u:p@x.example:8443/a/"), None), [""; 0]);
    assert_eq!(told("stripe", &[], None, Some("10m")), [""; 0]);
    assert_eq!(told("paypal", &[("webhook_id", "x")], None, None), [""; 0]);
    assert_eq!(told("asana", &[("handshake_armed", "2027-01-15T09:30:00Z")], None, None), [""; 0]);
    assert_eq!(told("meta", &[("verify_token", "")], None, None), [""; 0]);
    for (name, settings, base_url, tolerance, sentence) in [
        ("github", &[][..], Some("x.example"), None, "base_url: `base_url` is not the address"),
        ("github", &[], Some("https:///x"), None, "base_url: `base_url` is not the address"),
        ("github", &[], Some("https://x/?y"), None, "base_url: `base_url` is not the address"),
        ("github", &[], None, Some("5m"), "tolerance: the scheme has no signed timestamp"),
        ("telegram", &[], None, Some("5m"), "tolerance: the scheme has no signed timestamp"),
        ("github", &[("verify_token", "x")], None, None, "settings.verify_token: the scheme does not read"),
        (
            "github",
            &[("handshake_armed", "true")],
            None,
            None,
            "settings.handshake_armed: the scheme does not read",
        ),
        ("paypal", &[], None, None, "settings: the scheme needs the setting `webhook_id`"),
        ("paypal", &[("webhook_id", "")], None, None, "settings: the scheme needs the setting `webhook_id`"),
        ("aws_sns", &[], None, None, "settings: the scheme needs the setting `topic_arn`"),
        ("google_oidc", &[("audience", "x")], None, None, "settings: the scheme needs the setting `email`"),
        (
            "asana",
            &[("handshake_armed", "yes")],
            None,
            None,
            "settings.handshake_armed: `handshake_armed` says neither",
        ),
    ] {
        let found = told(name, settings, base_url, tolerance);
        assert!(found.iter().any(|told| told.starts_with(sentence)), "{sentence}: {found:#?}");
    }
}
