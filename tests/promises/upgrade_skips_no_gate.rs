//! An `Upgrade` header changes no verdict, and a WebSocket opens only on its route and after every gate.

use harness::websocket::Socket;
use harness::{Ask, Stage, json, stage};

const UPGRADES: &[&str] = &["websocket", "WebSocket", "h2c", "foo", "websocket, h2c", "TLS/1.0"];

fn upgrade(ask: Ask, to: &str) -> Ask {
    ask.header("connection", "upgrade, http2-settings")
        .header("upgrade", to)
        .header("http2-settings", "AAMAAABkAAQAAP__")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
}

/// One request for every kind of gate, each refused without an upgrade.
fn refused(stage: &Stage) -> Vec<Ask> {
    let other = stage.issuer.token(&json!({ "org_id": "globex" }));
    let expired = stage.issuer.token(&json!({ "exp": 1 }));
    let good = stage.token();
    vec![
        Ask::get("/nowhere"),
        Ask::new("DELETE", "/healthz"),
        Ask::get("/healthz").host("other.example.test"),
        Ask::get("/v1/acme/conversations"),
        Ask::get("/v1/acme/conversations").bearer(&expired),
        Ask::get("/v1/acme/conversations").bearer(&other),
        Ask::get("/admin/users").bearer(&good),
        Ask::new("POST", "/writers/a").bearer(&stage.issuer.token(&json!({ "scope": "none" }))),
        Ask::get("/careful/a").bearer(&good),
        Ask::post("/v1/acme/documents", r#"{"tenant_id":"globex"}"#).bearer(&good),
        Ask::get("/ws"),
        Ask::get("/ws").bearer(&expired),
        Ask::get("/ws").bearer(&stage.issuer.forged(&json!({}))),
    ]
}

#[tokio::test]
async fn what_is_refused_stays_refused() {
    let stage = stage(|_| {}).await;
    for ask in refused(&stage) {
        let plain = stage.send(ask.clone()).await;
        assert!(plain.status.is_client_error(), "{} {} gave {}", ask.method, ask.target, plain.verdict());
        for to in UPGRADES {
            let reply = stage.send(upgrade(ask.clone(), to)).await;
            // Refusing the upgrade itself first is a refusal too.
            let same = reply.verdict() == plain.verdict() || reply.verdict() == "400 bad_request";
            assert!(
                same,
                "{} {} with {to}: {} became {}",
                ask.method,
                ask.target,
                plain.verdict(),
                reply.verdict()
            );
        }
    }
    stage.assert_untouched().await;
}

/// An upgrade has no body, so it cannot name a tenant there.
#[tokio::test]
async fn a_gate_over_the_body_closes_a_websocket() {
    let stage = stage(|c| {
        c.route("socket")["tenant"] = json!("body:/tenant_id");
    })
    .await;
    let ask = Ask::get("/ws").bearer(&stage.token()).header("content-type", "application/json");
    assert_eq!(stage.send(ask.clone()).await.verdict(), "400 body_invalid");
    assert_eq!(stage.send(upgrade(ask, "websocket")).await.verdict(), "400 body_invalid");
    stage.assert_untouched().await;
}

#[tokio::test]
async fn a_websocket_is_refused_on_every_other_route() {
    let stage = stage(|_| {}).await;
    let good = stage.token();
    for path in ["/healthz", "/assets/app.js", "/v1/acme/conversations", "/v1/acme/events/1", "/any/ws"] {
        let reply = stage.send(upgrade(Ask::get(path).bearer(&good), "websocket")).await;
        assert_eq!(reply.verdict(), "400 bad_request", "{path}");
    }
    stage.assert_untouched().await;
}

#[tokio::test]
async fn nothing_but_a_websocket_opens_a_tunnel() {
    let stage = stage(|_| {}).await;
    let good = stage.token();
    for path in ["/ws", "/any/a"] {
        for to in ["h2c", "foo", "TLS/1.0"] {
            let ask = Ask::get(path).bearer(&good).header("connection", "upgrade").header("upgrade", to);
            let reply = stage.send(ask).await;
            assert_ne!(reply.status, 101, "{path} with {to}");
        }
    }
    for seen in stage.backend.requests() {
        assert_eq!(seen.header("upgrade"), None, "{seen:?}");
    }
}

#[tokio::test]
async fn a_websocket_echoes_with_a_token_and_only_then() {
    let stage = stage(|_| {}).await;
    assert_eq!(Socket::open(&stage, "/ws", &[]).await.err(), Some(401));
    let forged = [("authorization", format!("Bearer {}", stage.issuer.forged(&json!({}))))];
    assert_eq!(Socket::open(&stage, "/ws", &forged).await.err(), Some(401));
    stage.assert_untouched().await;

    let bearer = [("authorization", format!("Bearer {}", stage.token()))];
    let mut socket = Socket::open(&stage, "/ws", &bearer).await.expect("an open socket");
    for text in ["hello", "", "ünïcode", &"x".repeat(70_000)] {
        assert_eq!(socket.echo(text).await, text);
    }
    socket.close().await;
    let seen = stage.backend.received(|seen| (seen.target == "/ws").then(|| seen.clone())).await;
    assert_eq!(seen.header("x-user-id"), Some("ada"));
    let line = stage.gateway.log_line(|line| line["path"] == "/ws" && line["status"] == 101).await;
    assert_eq!(line["decision"], "allow");
}

#[tokio::test]
async fn an_early_answer_of_the_upstream_does_not_close_the_socket() {
    let stage = stage(|_| {}).await;
    let bearer = [("authorization", format!("Bearer {}", stage.token()))];
    // A race in the proxy library: one opening in thirty was torn down.
    for round in 0..100 {
        let mut socket = Socket::open(&stage, "/ws", &bearer).await.expect("an open socket");
        assert_eq!(socket.echo("still there").await, "still there", "round {round}");
    }
}
