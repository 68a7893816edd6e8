//! What a verified delivery is for the backend, and which other gates it passes.

use std::io::Write as _;

use super::*;

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    packed.write_all(text).unwrap();
    packed.finish().unwrap()
}

#[tokio::test]
async fn bytes_are_verified_and_forwarded_as_they_came() {
    let stage = stage(|c| add(c, "hub", "github", &json!({}))).await;
    let bodies = [
        ("gzip", gzip(br#"{"a":1}"#)),
        ("gzip", b"this is not packed at all".to_vec()),
        ("br", b"nor is this".to_vec()),
        ("identity", b"{\"a\": 1,  \"a\": 2}".to_vec()),
        ("identity", vec![0, 255, 128, b'\r', b'\n', 0]),
        ("identity", Vec::new()),
    ];
    for (number, (encoding, body)) in bodies.into_iter().enumerate() {
        for chunked in [false, true] {
            let mut ask = github("/hooks/hub", &format!("{number}{chunked}"), body.clone());
            if chunked {
                // Another body, lest it be known.
                let more = [body.clone(), vec![b' ']].concat();
                ask = github("/hooks/hub", &format!("{number}{chunked}"), more).chunked();
            }
            let sent = ask.body.to_vec();
            let reply = stage.send(ask.header("content-encoding", encoding)).await;
            assert_eq!(reply.verdict(), "200", "{encoding} {number} {chunked}");
            let seen = stage.backend.last();
            assert_eq!(
                (seen.body.as_slice(), seen.header("content-encoding")),
                (sent.as_slice(), Some(encoding))
            );
        }
    }
    // Whoever signs what is in it signs something else.
    let mut ask = github("/hooks/hub", "unpacked", r#"{"b":1}"#).header("content-encoding", "gzip");
    ask.body = gzip(br#"{"b":1}"#).into();
    assert_eq!(stage.send(ask).await.verdict(), "401 signature_invalid");
}

#[tokio::test]
async fn the_backend_is_told_what_was_verified_and_only_by_us() {
    let stage = stage(|c| {
        add(c, "hub", "github", &json!({}));
        add(c, "lab", "gitlab_token", &json!({}));
    })
    .await;
    let lies = |ask: Ask| {
        ask.header("portcullis-webhook", "stripe")
            .header("Portcullis-Webhook-Event", "evt_forged")
            .header("portcullis-webhook-verified-at", "1999-01-01T00:00:00Z")
            .header("portcullis-anything", "x")
            .header("portcullis.webhook", "stripe")
            .header("portcullis~webhook-event", "evt_forged")
    };
    assert_eq!(stage.send(lies(github("/hooks/hub", "delivery-7", "{}"))).await.verdict(), "200");
    let seen = stage.backend.last();
    assert_eq!(seen.header("portcullis-webhook"), Some("hub"));
    assert_eq!(seen.header("portcullis-webhook-event"), Some("delivery-7"));
    let at = seen.header("portcullis-webhook-verified-at").unwrap();
    let at = time::OffsetDateTime::parse(at, &time::format_description::well_known::Rfc3339).unwrap();
    assert!((now() - at.unix_timestamp()).abs() < 60, "{at}");
    let names = |seen: &harness::Received| -> Vec<String> {
        let all = seen.headers.iter().map(|(name, _)| name.clone());
        all.filter(|name| name.starts_with("portcullis")).collect()
    };
    assert_eq!(names(&seen).len(), 3, "{:?}", seen.headers);
    // The signature itself goes on: the backend may want to verify it too.
    assert!(seen.header("x-hub-signature-256").is_some());
    for ask in
        [Ask::get("/healthz"), Ask::post("/auth/login", "{}"), Ask::get("/any/x").bearer(&stage.token())]
    {
        let target = ask.target.clone();
        assert_eq!(stage.send(lies(ask)).await.verdict(), "200");
        assert_eq!(names(&stage.backend.last()), Vec::<String>::new(), "{target}");
    }
    let tokened =
        Ask::post("/hooks/lab", "{}").header("x-gitlab-token", SECRET).header("x-gitlab-event", "Push");
    assert_eq!(stage.send(tokened.header("idempotency-key", "k")).await.verdict(), "200");
    let seen = stage.backend.last();
    assert_eq!((seen.header("x-gitlab-token"), seen.header("x-gitlab-event")), (None, Some("Push")));
    assert!(!format!("{:?}", seen.headers).contains(SECRET), "{:?}", seen.headers);
    let wrong = Ask::post("/hooks/lab", "{}").header("x-gitlab-token", SECRET.get(1..).unwrap());
    assert_eq!(stage.send(wrong).await.verdict(), "401 signature_invalid");
}

#[tokio::test]
async fn of_the_defaults_hold_limits_and_the_size_alone() {
    let stage = stage(|c| {
        c.set("limits.anyone", json!({ "per": "ip", "allow": "3/h" }));
        c.set("defaults.limits", json!(["anyone"]));
        c.set("defaults.body.types", json!(["application/json"]));
        c.set("defaults.csrf", "cookie_sessions");
        c.set("defaults.cors", json!({ "origins": ["https://app.example.test"] }));
        add(c, "hub", "github", &json!({}));
    })
    .await;
    let mut form = github("/hooks/hub", "1", "a=b");
    form.headers.retain(|(name, _)| name != "content-type");
    form = form
        .header("content-type", "application/x-www-form-urlencoded")
        .header("origin", "https://evil.test");
    assert_eq!(stage.send(form).await.verdict(), "200", "neither an identity nor a media type is asked for");
    assert_eq!(stage.send(github("/hooks/hub", "2", "2")).await.verdict(), "200");
    assert_eq!(
        stage.send(github_by("another", "/hooks/hub", "3", "3")).await.verdict(),
        "401 signature_invalid"
    );
    assert_eq!(stage.send(github("/hooks/hub", "4", "4")).await.verdict(), "429 rate_limited");
    assert_eq!(stage.send(github_by("another", "/hooks/hub", "5", "5")).await.verdict(), "429 rate_limited");
    assert_eq!(stage.backend.requests().len(), 2);
}

/// A retry is the same event again, so that an event has so many tries.
#[tokio::test]
async fn limits_count_by_webhook_and_event() {
    let stage = stage(|c| {
        c.set("limits.delivery", json!({ "per": ["webhook", "event"], "allow": "2/d" }));
        add(c, "pay", "stripe", &json!({ "limits": ["delivery"] }));
        add(c, "hub", "github", &json!({ "limits": ["delivery"] }));
    })
    .await;
    for path in [STRIPE, "/hooks/hub"] {
        stage.backend.answer(path, harness::backend::Canned { status: 500, headers: vec![], body: "" });
    }
    let pay = |id: &str| stripe(STRIPE, &format!(r#"{{"id":"{id}"}}"#));
    let mut told = Vec::new();
    for ask in [pay("a"), pay("a"), pay("a"), pay("b"), github("/hooks/hub", "a", "a")] {
        told.push(stage.send(ask).await.verdict());
    }
    assert_eq!(told, ["500", "500", "429 rate_limited", "500", "500"]);
    let forged = Ask::post(STRIPE, r#"{"id":"c"}"#).header("stripe-signature", "t=1,v1=0");
    for _ in 0..3 {
        assert!(stage.send(forged.clone()).await.verdict().starts_with("401 "));
    }
    assert_eq!(stage.send(pay("c")).await.verdict(), "500", "nobody uses up an event that is not theirs");
    // What was refused as too many was not taken, and holds nothing.
    let again = stage.send(pay("a")).await;
    assert_eq!(again.verdict(), "429 rate_limited");
}

#[tokio::test]
async fn what_observes_lets_pass_and_tells() {
    let stage = stage(|c| {
        add(c, "hub", "github", &json!({ "mode": "observe" }));
        add(c, "lab", "gitlab_token", &json!({ "mode": "observe" }));
    })
    .await;
    let wrong =
        stage.send(github_by("another", "/hooks/hub", "1", "{}").header("portcullis-webhook", "hub")).await;
    assert_eq!(wrong.status, 200);
    let seen = stage.backend.last();
    assert_eq!((seen.header("portcullis-webhook"), seen.body.as_slice()), (None, b"{}".as_slice()));
    let id = wrong.header("x-request-id").to_owned();
    let line = stage.gateway.log_line(|line| line["request_id"] == id.as_str()).await;
    assert_eq!((&line["decision"], &line["code"]), (&json!("observe"), &json!("signature_invalid")));
    assert!(count(&stage, "hub", "mismatch").await > 0.5);
    for _ in 0..2 {
        assert_eq!(stage.send(github("/hooks/hub", "2", "[]")).await.status, 200);
        assert_eq!(stage.backend.last().header("portcullis-webhook"), Some("hub"));
    }
    assert_eq!(stage.backend.requests().len(), 3, "a repetition is told, and let pass");
    assert!(count(&stage, "hub", "duplicate").await > 0.5);
    let tokened = Ask::post("/hooks/lab", "{}").header("x-gitlab-token", SECRET);
    assert_eq!(stage.send(tokened).await.status, 200);
    assert_eq!(stage.backend.last().header("x-gitlab-token"), None, "a secret stays inside");
}
