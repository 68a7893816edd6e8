//! Each key of a webhook and of its secrets decides something.

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use harness::{Ask, Backend, Configuration, Site, Value, json, stage};
use time::OffsetDateTime;

const BODY: &str = "{\"id\":\"evt_1\"}";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

fn hmac_hex(secret: &str, message: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    hex(hmac::sign(&key, message.as_bytes()).as_ref())
}

/// GitHub's header over the body.
fn github(secret: &str) -> (&'static str, String) {
    ("x-hub-signature-256", format!("sha256={}", hmac_hex(secret, BODY)))
}

/// A folder whose configuration has one webhook, and these secrets.
fn site(secrets: &Value, webhook: &Value) -> Site {
    let site = Site::furnished(&harness::Certificates::new());
    let mut configuration = Configuration::complete("http://127.0.0.1:1");
    configuration.set("environment", "development").set("secrets.hook", secrets.clone());
    let mut whole = json!({ "name": "hook", "path": "/hooks/hook" });
    for (key, value) in webhook.as_object().unwrap() {
        whole[key] = value.clone();
    }
    configuration.set("webhooks", json!([whole]));
    site.configure(&configuration);
    site.write("body.json", BODY);
    site
}

/// What `explain` says of the webhook's gate.
async fn told(site: &Site, fields: &[(&str, String)]) -> String {
    let fields: Vec<String> = fields.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    let mut args = vec!["explain", "POST /hooks/hook", "--body", "body.json"];
    args.extend(fields.iter().flat_map(|field| ["--header", field.as_str()]));
    let outcome = site.run(&args).await.expect(0);
    let line = outcome.stdout.lines().find(|line| line.starts_with("webhook")).map(str::to_owned);
    line.unwrap_or_else(|| panic!("no webhook in\n{}", outcome.stdout))
}

#[tokio::test]
async fn each_secret_of_a_rotation_comes_from_where_it_is_said() {
    let secrets = json!([
        { "env": "SESSION_SECRET", "id": "from-env" }, { "file": "keys/hook" }, { "value": "from-value" },
        { "value": "gone", "until": "2020-01-01" }, { "value": "not-yet-gone", "until": "2999-01-01T00:00:00Z" },
    ]);
    let site = site(&secrets, &json!({ "provider": "github", "secret": "hook" }));
    site.write("keys/hook", "from-file\n");
    for (secret, said) in [
        (harness::issuer::SECRET, "verified by the key from-env"),
        ("from-file", "verified by the key hook[1]"),
        ("from-value", "verified by the key hook[2]"),
        ("gone", "retired_key: "),
        ("not-yet-gone", "verified by the key hook[4]"),
        ("nobody's", "mismatch: "),
    ] {
        let told = told(&site, &[github(secret)]).await;
        assert!(told.contains(said), "{secret}: {told}");
    }
}

#[tokio::test]
async fn a_secret_is_named_by_its_id_and_bound_by_its_slot() {
    let pusher =
        site(&json!({ "value": "s", "id": "k1" }), &json!({ "provider": "pusher", "secret": "hook" }));
    let sent = |id: &str| [("x-pusher-key", id.to_owned()), ("x-pusher-signature", hmac_hex("s", BODY))];
    assert!(told(&pusher, &sent("k1")).await.contains("verified by the key k1"));
    assert!(told(&pusher, &sent("k2")).await.contains("unknown_key: "));
    let scheme = json!({
        "kind": "hmac", "hash": "sha256", "encoding": "hex", "signature": ["header:X-A", "header:X-B"], "payload": "{body}",
    });
    let several = json!([{ "value": "s", "slot": 1 }, { "value": "until", "until": "2020-01-01" }]);
    for (secrets, first, second) in [
        (json!({ "value": "s", "slot": 1 }), false, true),
        (json!({ "value": "s", "slot": 0 }), true, false),
        (json!({ "value": "s" }), true, true),
        (several, false, true),
        (json!({ "value": "s", "until": "2020-01-01" }), false, false),
    ] {
        let site = site(&secrets, &json!({ "scheme": scheme, "secret": "hook" }));
        for (field, passes) in [("x-a", first), ("x-b", second)] {
            let told = told(&site, &[(field, hmac_hex("s", BODY))]).await;
            assert_eq!(told.contains("verified"), passes, "{secrets} in {field}: {told}");
        }
    }
}

#[tokio::test]
async fn a_public_key_has_an_encoding_a_slot_an_id_and_an_end() {
    let pair = Ed25519KeyPair::generate().unwrap();
    let (public, signature) = (pair.public_key().as_ref(), hex(pair.sign(BODY.as_bytes()).as_ref()));
    let x = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(public);
    let scheme = json!({
        "kind": "ed25519", "encoding": "hex", "signature": ["header:X-A", "header:X-B"], "payload": "{body}",
    });
    for (key, first, second) in [
        (json!({ "public": hex(public), "encoding": "hex" }), true, true),
        (json!({ "public": STANDARD.encode(public) }), true, true),
        (json!({ "public": STANDARD.encode([7; 32]) }), false, false),
        (json!({ "jwk": { "kty": "OKP", "crv": "Ed25519", "x": x } }), true, true),
        (json!({ "public": hex(public), "encoding": "hex", "slot": 1 }), false, true),
        (json!({ "public": hex(public), "encoding": "hex", "until": "2020-01-01" }), false, false),
    ] {
        let site = site(&json!({ "value": "unused" }), &json!({ "scheme": scheme, "public_keys": [key] }));
        for (field, passes) in [("x-a", first), ("x-b", second)] {
            let told = told(&site, &[(field, signature.clone())]).await;
            assert_eq!(told.contains("verified"), passes, "{key} in {field}: {told}");
        }
    }
    let mut named = scheme;
    named["key_by"] = json!("header:X-Key");
    let key = json!({ "public": STANDARD.encode(public), "id": "k1" });
    let site = site(&json!({ "value": "unused" }), &json!({ "scheme": named, "public_keys": [key] }));
    let sent = |id: &str| [("x-a", signature.clone()), ("x-key", id.to_owned())];
    assert!(told(&site, &sent("k1")).await.contains("verified by the key k1"));
    assert!(told(&site, &sent("k2")).await.contains("unknown_key: "));
}

#[tokio::test]
async fn tolerance_is_for_the_patient() {
    let sent_ago = |seconds: i64| {
        let time = OffsetDateTime::now_utc().unix_timestamp() - seconds;
        ("stripe-signature", format!("t={time},v1={}", hmac_hex("s", &format!("{time}.{BODY}"))))
    };
    for (tolerance, seconds, said) in [
        (None, 100, "verified"),
        (None, 400, "too_old: "),
        (Some("30s"), 100, "too_old: "),
        (Some("30s"), 5, "verified"),
        (Some("10m"), 400, "verified"),
        (None, -400, "too_new: "),
    ] {
        let mut webhook = json!({ "provider": "stripe", "secret": "hook" });
        if let Some(tolerance) = tolerance {
            webhook["tolerance"] = json!(tolerance);
        }
        let site = site(&json!({ "value": "s" }), &webhook);
        let told = told(&site, &[sent_ago(seconds)]).await;
        assert!(told.contains(said), "{tolerance:?}, {seconds} s: {told}");
    }
}

#[tokio::test]
async fn the_address_and_the_settings_are_what_is_signed() {
    let scheme = json!({
        "kind": "hmac", "hash": "sha256", "encoding": "hex", "signature": "header:X-A",
        "payload": "{url}{config:shop}{body}",
    });
    let sent = |url: &str| [("x-a", hmac_hex("s", &format!("{url}s{BODY}")))];
    let webhook = json!({ "scheme": scheme, "secret": "hook", "settings": { "shop": { "secret": "hook" } } });
    let inside = site(&json!({ "value": "s" }), &webhook);
    assert!(told(&inside, &sent("https://app.example.test/hooks/hook")).await.contains("verified"));
    let mut webhook = webhook;
    webhook["base_url"] = json!("https://hooks.example.com/in");
    let outside = site(&json!({ "value": "s" }), &webhook);
    assert!(told(&outside, &sent("https://app.example.test/hooks/hook")).await.contains("mismatch: "));
    assert!(told(&outside, &sent("https://hooks.example.com/in/hooks/hook")).await.contains("verified"));
}

#[tokio::test]
async fn a_webhook_has_an_upstream_times_limits_and_a_mode_of_its_own() {
    let other = Backend::http().await;
    let url = other.url().to_owned();
    // It accepts and never shakes hands.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = format!("https://{}", silent.local_addr().unwrap());
    let stage = stage(|c| {
        c.set("environment", "development").set("secrets.hook", json!({ "value": "s" }));
        c.set("upstreams.silent", json!({
            "servers": [silent], "retries": 0, "tls": { "server_name": "chatbot.internal.test", "ca": "tls/ca.pem" },
        }));
        c.set("defaults.timeouts", json!({ "connect": "60s", "first_byte": "60s", "stream_idle": "60s" }));
        c.set("upstreams.other.servers", json!([url]));
        c.set("limits.few", json!({ "per": "ip", "allow": "1/h" }));
        let hook = |path: &str, more: Value| {
            let mut hook = json!({
                "name": path.replace('/', "-").trim_start_matches('-'), "path": path, "provider": "github", "secret": "hook",
            });
            hook.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            hook
        };
        let routes = c.root["routes"].as_array_mut().unwrap();
        routes.retain(|route| route["name"] != "anything");
        c.set(
            "webhooks",
            json!([
                hook("/any/other", json!({ "upstream": "other" })),
                hook("/any/never", json!({ "timeouts": { "first_byte": "500ms" } })),
                hook("/any/stream", json!({ "timeouts": { "stream_idle": "500ms" } })),
                hook("/any/silent", json!({ "upstream": "silent", "timeouts": { "connect": "500ms" } })),
                hook("/any/small", json!({ "max": "8B" })),
                hook("/any/few", json!({ "limits": "few" })),
                hook("/any/observed", json!({ "mode": "observe" })),
            ]),
        );
    })
    .await;
    let send = |path: &'static str, secret: &str| {
        let (name, value) = github(secret);
        let ask = Ask::post(path, BODY).header(name, &value);
        stage.send(ask)
    };
    assert_eq!(send("/any/other", "s").await.status, 200);
    assert_eq!((stage.backend.requests().len(), other.requests().len()), (0, 1));
    assert_eq!(send("/any/never", "s").await.verdict(), "504 upstream_timeout");
    assert_eq!(send("/any/few", "s").await.status, 200);
    assert_eq!(send("/any/few", "s").await.verdict(), "429 rate_limited");
    assert_eq!(send("/any/other", "wrong").await.verdict(), "401 signature_invalid");
    assert_eq!(send("/any/observed", "wrong").await.status, 200);
    assert_eq!(send("/any/small", "s").await.verdict(), "413 body_too_large");
    assert!(matches!(send("/any/silent", "s").await.status.as_u16(), 502 | 504));
    let events = stage.backend.events("/any/stream");
    let (name, value) = github("s");
    let asked = stage.http1();
    let ask = Ask::post("/any/stream", BODY).header(name, &value);
    let (reply, _) = tokio::join!(asked.try_send(ask), events.send("one"));
    assert!(reply.is_err(), "a stream that fell silent must not look complete: {reply:?}");
}

#[tokio::test]
async fn a_repetition_is_what_replay_says_for_as_long() {
    let site = Site::furnished(&harness::Certificates::new());
    let mut configuration = Configuration::complete("http://127.0.0.1:1");
    configuration.set("environment", "development").set("secrets.hook", json!({ "value": "s" }));
    let hook = |name: &str, more: Value| {
        let mut hook =
            json!({ "name": name, "path": format!("/hooks/{name}"), "provider": "github", "secret": "hook" });
        hook.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        hook
    };
    configuration.set(
        "webhooks",
        json!([
            hook("plain", json!({})),
            hook("conflict", json!({ "on_duplicate": "conflict" })),
            hook("by-id", json!({ "replay": { "keys": ["json:/id"], "ttl_s": 60 } })),
            hook("long", json!({ "replay": { "keys": ["json:/id"], "ttl_s": 86400 } })),
        ]),
    );
    site.configure(&configuration);
    let mut requests = String::new();
    for name in ["plain", "conflict", "by-id", "long"] {
        for (nth, (at, body)) in [
            ("10:00:00", BODY),
            ("10:00:10", BODY),
            ("10:00:20", "{\"id\":\"evt_1\",\"n\":2}"),
            ("10:05:00", BODY),
        ]
        .iter()
        .enumerate()
        {
            let line = json!({
                "id": format!("{name} {nth}"), "at": format!("2026-11-28T{at}.000Z"), "peer": "192.0.2.7", "tls": true,
                "method": "POST", "url": format!("https://app.example.test/hooks/{name}"),
                "headers": [["host", "app.example.test"], ["content-type", "application/json"],
                    ["x-hub-signature-256", format!("sha256={}", hmac_hex("s", body))]],
                "body_b64": STANDARD.encode(body),
            });
            requests.push_str(&line.to_string());
            requests.push('\n');
        }
    }
    site.write("requests.jsonl", &requests);
    let lines =
        site.run(&["replay", "--config", "portcullis.yaml", "requests.jsonl"]).await.expect(0).json_lines();
    let told: Vec<String> = lines
        .iter()
        .map(|line| {
            format!(
                "{} {} {}",
                line["id"].as_str().unwrap(),
                line["decision"].as_str().unwrap(),
                line["status"]
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            "plain 0 allow 200",
            "plain 1 answer 200",
            "plain 2 allow 200",
            "plain 3 answer 200",
            "conflict 0 allow 200",
            "conflict 1 refuse 409",
            "conflict 2 allow 200",
            "conflict 3 refuse 409",
            "by-id 0 allow 200",
            "by-id 1 answer 200",
            "by-id 2 answer 200",
            "by-id 3 allow 200",
            "long 0 allow 200",
            "long 1 answer 200",
            "long 2 answer 200",
            "long 3 answer 200",
        ]
    );
}
