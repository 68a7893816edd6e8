//! What stands before a webhook: every doubt about a signature ends in 401 with its code, and nothing of it arrives.

mod greetings;
mod passing;

use harness::webhooks::{
    SECRET, add, add_written, github, github_by, hmac_hex, now, slack, stripe, stripe_signature,
};
use harness::{Ask, Site, Stage, json, stage};

const STRIPE: &str = "/hooks/pay";
const EVENT: &str = r#"{"id":"evt_1","object":"event"}"#;

async fn paid() -> Stage {
    stage(|c| add(c, "pay", "stripe", &json!({}))).await
}

fn signed(signature: &str) -> Ask {
    Ask::post(STRIPE, EVENT).header("stripe-signature", signature)
}

async fn count(stage: &Stage, webhook: &str, outcome: &str) -> f64 {
    stage.metric("portcullis_webhooks_total", &[("webhook", webhook), ("outcome", outcome)]).await
}

#[tokio::test]
async fn each_doubt_has_its_code_and_its_number() {
    let stage = paid().await;
    let at = now();
    let good = stripe_signature(&[SECRET], at, EVENT);
    let mac = good.split_once("v1=").unwrap().1.to_owned();
    let wrong = "0".repeat(64);
    let (missing, malformed, invalid, expired) =
        ("signature_missing", "signature_malformed", "signature_invalid", "signature_expired");
    let cases: Vec<(&str, Ask, &str, &str)> = vec![
        ("none", Ask::post(STRIPE, EVENT), missing, "missing"),
        ("empty", signed(""), missing, "missing"),
        ("blank", signed(" \t "), missing, "missing"),
        ("nonsense", signed("nonsense"), malformed, "malformed"),
        ("no time", signed(&format!("v1={mac}")), malformed, "malformed"),
        ("no signature", signed(&format!("t={at}")), malformed, "malformed"),
        ("another scheme's", signed(&format!("t={at},v0={mac}")), malformed, "malformed"),
        ("two times", signed(&format!("t={at},t={at},v1={mac}")), malformed, "ambiguous"),
        ("a sign", signed(&format!("t=+{at},v1={mac}")), malformed, "malformed"),
        ("cut off", signed(&format!("t={at},v1={}", mac.get(1..).unwrap())), malformed, "malformed"),
        ("no hex", signed(&format!("t={at},v1=zz{}", mac.get(2..).unwrap())), malformed, "malformed"),
        ("twice", signed(&good).header("stripe-signature", &good), malformed, "ambiguous"),
        ("oversized", signed(&format!("{good},v1={}", "0".repeat(9000))), malformed, "oversized"),
        ("17", signed(&format!("{good}{}", format!(",v1={wrong}").repeat(16))), malformed, "oversized"),
        ("wrong", signed(&format!("t={at},v1={wrong}")), invalid, "mismatch"),
        ("another body", signed(&good).body(EVENT.replace('1', "2")), invalid, "mismatch"),
        ("another time", signed(&format!("t={},v1={mac}", at - 1)), invalid, "mismatch"),
        ("old", signed(&stripe_signature(&[SECRET], at - 400, EVENT)), expired, "too_old"),
        ("early", signed(&stripe_signature(&[SECRET], at + 400, EVENT)), expired, "too_new"),
        ("another's", signed(&stripe_signature(&["another"], at, EVENT)), invalid, "mismatch"),
        ("no secret", signed(&stripe_signature(&[""], at, EVENT)), invalid, "mismatch"),
        ("a GET", Ask::get(STRIPE), missing, "missing"),
        ("a HEAD", Ask::new("HEAD", STRIPE), missing, "missing"),
        (
            "a preflight",
            Ask::new("OPTIONS", STRIPE)
                .header("origin", "https://app.example.test")
                .header("access-control-request-method", "POST"),
            missing,
            "missing",
        ),
    ];
    for (what, ask, code, outcome) in cases {
        let before = count(&stage, "pay", outcome).await;
        let (is_head, reply) = (ask.method == "HEAD", stage.send(ask).await);
        let wanted = if is_head { "401".to_owned() } else { format!("401 {code}") };
        assert_eq!(reply.verdict(), wanted, "{what}");
        let id = reply.header("x-request-id").to_owned();
        let line = stage.gateway.log_line(|line| line["request_id"] == id.as_str()).await;
        assert_eq!((&line["code"], &line["gate"]), (&json!(code), &json!("webhook")), "{what}");
        harness::until("it to be counted", || async {
            (count(&stage, "pay", outcome).await > before + 0.5).then_some(())
        })
        .await;
    }
    stage.assert_untouched().await;
    let sixteen = signed(&format!("t={at}{},v1={mac}", format!(",v1={wrong}").repeat(15)));
    assert_eq!(stage.send(sixteen).await.verdict(), "200", "sixteen are tried, the last one too");
    let logs = format!("{}{}", stage.gateway.out.text(), stage.gateway.err.text());
    assert!(!logs.contains(SECRET) && !logs.contains(&mac) && !logs.contains("evt_1"), "logs tell a secret");
}

#[tokio::test]
async fn what_is_too_large_is_refused_before_it_is_verified() {
    let stage = stage(|c| {
        add(c, "pay", "stripe", &json!({ "max": "1KiB" }));
        add(c, "hub", "github", &json!({}));
    })
    .await;
    let large = "x".repeat(1025);
    for ask in [stripe(STRIPE, &large), stripe(STRIPE, &large).chunked(), Ask::post(STRIPE, large.clone())] {
        assert_eq!(stage.send(ask).await.verdict(), "413 body_too_large");
    }
    // The length alone says it: nothing of the body is waited for.
    let head = format!(
        "POST {STRIPE} HTTP/1.1\r\nhost: app.example.test\r\nstripe-signature: t=1,v1=0\r\ncontent-length: 1025\r\n\r\n"
    );
    let mut raw = harness::raw::Raw::tls(stage.gateway.https(), &stage.certificates, &["http/1.1"]).await;
    let reply = raw.exchange(head.as_bytes()).await;
    assert_eq!((reply.status, reply.code().as_str()), (Some(413), "body_too_large"));
    for outcome in ["verified", "mismatch", "malformed", "missing"] {
        assert!(count(&stage, "pay", outcome).await < 0.5, "{outcome}: it was looked at");
    }
    // The default of the file holds where the webhook says nothing.
    let default = github("/hooks/hub", "1", "x".repeat(64 * 1024 + 1));
    assert_eq!(stage.send(default).await.verdict(), "413 body_too_large");
    stage.assert_untouched().await;
    assert_eq!(stage.send(stripe(STRIPE, &"x".repeat(1024))).await.verdict(), "200");
    assert_eq!(stage.send(github("/hooks/hub", "2", "x".repeat(64 * 1024))).await.verdict(), "200");
}

/// The webhook's secrets are a rotation: each is tried, and none beyond its time.
#[tokio::test]
async fn every_secret_of_a_rotation_holds_until_its_time() {
    let stage = stage(|c| {
        add(c, "pay", "stripe", &json!({}));
        c.set(
            "secrets.webhook-pay",
            json!([
                { "value": "the-coming-secret", "id": "coming" }, { "value": SECRET, "until": "2100-01-01" },
                { "value": "the-retired-secret", "until": "2026-01-01T00:00:00Z" },
            ]),
        );
    })
    .await;
    let send = async |secrets: &[&str], id: &str| {
        let body = format!(r#"{{"id":"{id}"}}"#);
        let signature = stripe_signature(secrets, now(), &body);
        stage.send(Ask::post(STRIPE, body).header("stripe-signature", &signature)).await.verdict()
    };
    assert_eq!(send(&["the-coming-secret"], "a").await, "200");
    assert_eq!(send(&[SECRET], "b").await, "200");
    // Whoever takes an old secret away has to know whether it is in use.
    let told = "deliveries are signed with this key";
    let lines = async |key: &str| {
        let first = stage.gateway.err.first(|line| (line.contains(told) && line.contains(key)).then_some(()));
        harness::within("the key to be named", first).await
    };
    assert_eq!((lines("coming").await, lines("webhook-pay[1]").await), (Some(()), Some(())));
    assert_eq!(send(&["the-retired-secret", SECRET], "c").await, "200", "one of them holds");
    assert_eq!(send(&["the-retired-secret"], "d").await, "401 signature_invalid");
    assert!((count(&stage, "pay", "retired_key").await - 1.0).abs() < 0.1);
    assert_eq!(send(&["neither"], "e").await, "401 signature_invalid");
    assert_eq!(stage.backend.requests().len(), 3);
    assert_eq!(stage.gateway.err.text().matches(told).count(), 2, "once each, and none that does not hold");
}

/// By the clock of recorded requests: the second in which a secret ends is the first in which it does not hold.
#[tokio::test]
async fn a_secret_ends_on_the_second() {
    let site = Site::furnished(&harness::Certificates::new());
    let mut configuration = harness::Configuration::complete("http://127.0.0.1:1");
    add(&mut configuration, "hub", "github", &json!({}));
    let start = harness::record::START;
    let until = time::OffsetDateTime::from_unix_timestamp(start + 10).unwrap();
    let until = until.format(&time::format_description::well_known::Rfc3339).unwrap();
    configuration.set("secrets.webhook-hub", json!({ "value": SECRET, "until": until }));
    site.configure(&configuration);
    let record = |at_ms, id: &str| harness::record::Record::new(at_ms, github("/hooks/hub", id, id));
    let records = [record(0, "a"), record(9_999, "b"), record(10_000, "c"), record(20_000, "d")];
    let verdicts = harness::record::replay(&site, &records).await;
    let told: Vec<String> = verdicts.iter().map(harness::record::told).collect();
    assert_eq!(told, ["200", "200", "401 signature_invalid", "401 signature_invalid"]);
    assert!(verdicts[2]["why"].as_str().unwrap().starts_with("retired_key"), "{}", verdicts[2]);
}

#[tokio::test]
async fn nobody_gets_around_the_signature() {
    let stage = stage(|c| {
        add(c, "hub", "github", &json!({}));
        c.add_route(json!({ "name": "hooks", "match": "POST /open/**", "public": "a form for everybody" }));
    })
    .await;
    let forged = || github_by("another", "/hooks/hub", "1", "{}");
    let asks = [
        forged(),
        forged().bearer(&stage.token()),
        forged().header("x-http-method-override", "GET"),
        forged()
            .header("portcullis-webhook", "hub")
            .header("portcullis-webhook-verified-at", "2027-01-01T00:00:00Z"),
        forged().header("expect", "100-continue"),
    ];
    for ask in asks {
        assert_eq!(stage.send(ask).await.verdict(), "401 signature_invalid");
    }
    for target in ["/hooks/%68ub", "/hooks/hub?x=1", "/hooks/hub?"] {
        let mut ask = forged();
        ask.target = target.to_owned();
        assert_eq!(stage.send(ask).await.verdict(), "401 signature_invalid", "{target}");
    }
    for target in
        ["/hooks/hub/", "/hooks//hub", "/hooks/./hub", "/open/../hooks/hub", "/hooks/hub;a", "/HOOKS/hub"]
    {
        let mut ask = forged();
        ask.target = target.to_owned();
        assert!(stage.send(ask).await.status.is_client_error(), "{target}");
    }
    let upgrade = forged().header("upgrade", "websocket").header("connection", "upgrade");
    assert_eq!(stage.send(upgrade).await.verdict(), "400 bad_request");
    stage.assert_untouched().await;
}

/// A route of the same path and one method only is more specific. It would take deliveries that nobody verified.
#[tokio::test]
async fn no_route_takes_a_webhooks_place() {
    for pattern in ["POST /hooks/hub", "* /hooks/hub"] {
        let site = Site::furnished(&harness::Certificates::new());
        let mut configuration = harness::Configuration::complete("http://127.0.0.1:1");
        add(&mut configuration, "hub", "github", &json!({}));
        configuration.add_route(json!({ "name": "taker", "match": pattern, "public": "it was here first" }));
        site.configure(&configuration);
        let told = site.run(&["test", "--config", "portcullis.yaml"]).await.expect(2).stderr;
        assert!(told.contains("hub") && told.contains("taker"), "{pattern}: {told}");
    }
}
