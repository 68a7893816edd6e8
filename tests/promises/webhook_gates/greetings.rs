//! Requests that set a webhook up: answered here only when it is safe, else let through, else refused.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use harness::hex;
use harness::webhooks::{hmac_sha1_base64, zoom};

use super::*;

async fn greeted(stage: &Stage, webhook: &str, times: f64) {
    harness::until("the handshake to be counted", || async {
        ((count(stage, webhook, "handshake").await - times).abs() < 0.1).then_some(())
    })
    .await;
}

#[tokio::test]
async fn slack_and_zoom_prove_themselves_first() {
    let stage = stage(|c| {
        add(c, "team", "slack", &json!({}));
        add(c, "meet", "zoom", &json!({}));
    })
    .await;
    let body = r#"{"type":"url_verification","challenge":"3eZbrw1aB"}"#;
    for _ in 0..2 {
        let reply = stage.send(slack("/hooks/team", body)).await;
        assert_eq!((reply.status.as_u16(), reply.json()), (200, json!({ "challenge": "3eZbrw1aB" })));
    }
    assert_eq!(stage.send(Ask::post("/hooks/team", body)).await.verdict(), "401 signature_missing");
    let body = r#"{"event":"endpoint.url_validation","payload":{"plainToken":"qgg8vlvZRS6UYooatFL8Aw"}}"#;
    let reply = stage.send(zoom("/hooks/meet", body)).await;
    let encrypted = hmac_hex(SECRET, b"qgg8vlvZRS6UYooatFL8Aw");
    let wanted = json!({ "plainToken": "qgg8vlvZRS6UYooatFL8Aw", "encryptedToken": encrypted });
    assert_eq!((reply.status.as_u16(), reply.json()), (200, wanted));
    let stranger = stage.send(Ask::post("/hooks/meet", body)).await;
    assert_eq!(stranger.verdict(), "401 signature_missing", "nothing is signed for strangers");
    stage.assert_untouched().await;
    greeted(&stage, "team", 2.0).await;
    greeted(&stage, "meet", 1.0).await;
}

#[tokio::test]
async fn meta_has_to_know_the_token_and_dropbox_gets_plain_text() {
    let stage = stage(|c| {
        add(c, "page", "meta", &json!({ "settings": { "verify_token": { "secret": "meta-token" } } }));
        c.set("secrets.meta-token", json!({ "value": "a-token-for-meta" }));
        add(c, "box", "dropbox", &json!({}));
    })
    .await;
    let ask = |token: &str| {
        Ask::get(&format!("/hooks/page?hub.mode=subscribe&hub.verify_token={token}&hub.challenge=1158201444"))
    };
    let reply = stage.send(ask("a-token-for-meta")).await;
    assert_eq!((reply.status.as_u16(), reply.text().as_str()), (200, "1158201444"));
    for token in ["", "a-token-for-met", "a-token-for-meta%20", "another&hub.verify_token=a-token-for-meta"] {
        assert_eq!(stage.send(ask(token)).await.verdict(), "401 signature_missing", "{token}");
    }
    let challenge = "%3Cscript%3Ealert(1)%3C%2Fscript%3E";
    let reply = stage.send(Ask::get(&format!("/hooks/box?challenge={challenge}"))).await;
    assert_eq!((reply.status.as_u16(), reply.text().as_str()), (200, "<script>alert(1)</script>"));
    assert!(reply.header("content-type").starts_with("text/plain"));
    assert_eq!(reply.header("x-content-type-options"), "nosniff");
    assert_eq!(
        stage.send(Ask::post("/hooks/box?challenge=x", "{}")).await.verdict(),
        "401 signature_missing"
    );
    stage.assert_untouched().await;
    let logs = format!("{}{}", stage.gateway.out.text(), stage.gateway.err.text());
    assert!(!logs.contains("a-token-for-meta"), "{logs}");
}

/// A secret that comes unsigned is taken only while somebody waits for it.
#[tokio::test]
async fn notion_and_asana_are_let_in_only_while_armed() {
    let soon = "2100-01-01T00:00:00Z";
    let stage = stage(|c| {
        for (name, provider, armed) in [
            ("notes", "notion", json!({ "handshake_armed": soon })),
            ("notes-off", "notion", json!({})),
            ("notes-over", "notion", json!({ "handshake_armed": "2026-01-01T00:00:00Z" })),
            ("tasks", "asana", json!({ "handshake_armed": soon })),
            ("tasks-off", "asana", json!({ "handshake_armed": "false" })),
            ("tasks-over", "asana", json!({ "handshake_armed": "2026-01-01" })),
        ] {
            add(c, name, provider, &json!({ "settings": armed }));
        }
    })
    .await;
    let notion = |name: &str| {
        Ask::post(
            &format!("/hooks/{name}"),
            r#"{"verification_token":"secret_tMrlL1qK5vuQAh1b6cZGhFChZTSYJlce98V0pYn7yBl"}"#,
        )
    };
    let asana = |name: &str| {
        Ask::post(&format!("/hooks/{name}"), "{}")
            .header("x-hook-secret", "b537207f20cbfa02357cf448134da559e8bd39d61597dcd5631b8012eae53e81")
    };
    for ask in [notion("notes-off"), notion("notes-over"), asana("tasks-off"), asana("tasks-over")] {
        let target = ask.target.clone();
        assert_eq!(stage.send(ask).await.verdict(), "401 signature_missing", "{target}");
    }
    let signed_too = notion("notes").header("x-notion-signature", "sha256=00");
    assert!(stage.send(signed_too).await.verdict().starts_with("401 signature_"));
    stage.assert_untouched().await;

    let reply = stage.send(asana("tasks")).await;
    assert_eq!(
        (reply.status.as_u16(), reply.header("x-hook-secret")),
        (200, "b537207f20cbfa02357cf448134da559e8bd39d61597dcd5631b8012eae53e81")
    );
    stage.assert_untouched().await;
    assert_eq!(stage.send(notion("notes")).await.verdict(), "200");
    let seen = stage.backend.last();
    assert!(seen.json()["verification_token"].is_string(), "the backend has to learn it");
    assert_eq!(seen.header("portcullis-webhook"), None, "nobody verified it");
    greeted(&stage, "notes", 1.0).await;
    greeted(&stage, "tasks", 1.0).await;
}

#[tokio::test]
async fn discords_pings_and_trellos_probes_are_answered() {
    let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
    let key = Ed25519KeyPair::from_pkcs8(document.as_ref()).unwrap();
    let public = hex(key.public_key().as_ref());
    let stage = stage(|c| {
        c.set("environment", "development");
        add_written(
            c,
            json!({
                "name": "bot", "path": "/hooks/bot", "provider": "discord",
                "public_keys": [{ "public": public, "encoding": "hex" }],
            }),
        );
        add(c, "board", "trello", &json!({ "base_url": "https://hooks.example.com" }));
    })
    .await;
    let discord = |body: &str| {
        let at = now().to_string();
        let signature = hex(key.sign(format!("{at}{body}").as_bytes()).as_ref());
        Ask::post("/hooks/bot", body.to_owned())
            .header("x-signature-timestamp", &at)
            .header("x-signature-ed25519", &signature)
    };
    let ping = stage.send(discord(r#"{"id":"1","type":1}"#)).await;
    assert_eq!((ping.status.as_u16(), ping.json()), (200, json!({ "type": 1 })));
    assert_eq!(stage.send(discord(r#"{"type":0}"#)).await.status, 204);
    // Discord probes with wrong signatures and wants them refused.
    let mut wrong = discord(r#"{"id":"1","type":1}"#);
    wrong.body = r#"{"id":"1","type":1} "#.into();
    assert_eq!(stage.send(wrong).await.verdict(), "401 signature_invalid");
    for client in [stage.http1(), stage.http2()] {
        let probe = client.send(Ask::new("HEAD", "/hooks/board")).await;
        assert_eq!((probe.status.as_u16(), probe.body.len()), (200, 0));
    }
    stage.assert_untouched().await;
    assert_eq!(stage.send(discord(r#"{"id":"2","type":2}"#)).await.verdict(), "200");
    let card = |url: &str| {
        let signature = hmac_sha1_base64(SECRET, format!("{{}}{url}").as_bytes());
        Ask::post("/hooks/board", "{}").header("x-trello-webhook", &signature)
    };
    let inside = card("https://app.example.test/hooks/board");
    let inside =
        inside.header("x-forwarded-host", "app.example.test").header("forwarded", "host=app.example.test");
    assert_eq!(
        stage.send(inside).await.verdict(),
        "401 signature_invalid",
        "the address is the one from outside"
    );
    assert_eq!(stage.send(card("https://hooks.example.com/hooks/board")).await.verdict(), "200");
    assert_eq!(stage.backend.requests().iter().filter(|seen| seen.target.starts_with("/hooks")).count(), 2);
}
