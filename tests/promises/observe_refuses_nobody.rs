//! `mode: observe`: every gate decides and its verdict is logged, and the request goes through all the same.

use harness::backend::Canned;
use harness::{Ask, Configuration, Stage, Value, json, stage};

/// A route that only observes, beside those that enforce.
fn observing(name: &str) -> impl FnOnce(&mut Configuration) {
    let name = name.to_owned();
    move |c| c.route(&name)["mode"] = json!("observe")
}

async fn line_of(stage: &Stage, ask: Ask) -> (u16, Value) {
    let reply = stage.send(ask).await;
    let id = reply.header("x-request-id").to_owned();
    let line = stage.gateway.log_line(|line| line["request_id"] == id.as_str()).await;
    (reply.status.as_u16(), line)
}

fn forged(ask: Ask) -> Ask {
    ask.header("x-user-id", "mallory")
        .header("X-Tenant-Id", "globex")
        .header("x-roles", "admin")
        .header("x-forwarded-for", "203.0.113.9")
}

#[tokio::test]
async fn a_route_that_observes_logs_what_it_would_have_refused() {
    let stage = stage(observing("list")).await;
    let path = "/v1/acme/conversations";
    let other = stage.issuer.token(&json!({ "org_id": "globex" }));
    let expired = stage.issuer.token(&json!({ "exp": 1 }));
    let cases = [
        (Ask::get(path), "token_missing", "identity", Value::Null),
        (Ask::get(path).bearer(&expired), "token_expired", "identity", Value::Null),
        (Ask::get(path).bearer(&stage.issuer.forged(&json!({}))), "token_invalid", "identity", Value::Null),
        (Ask::get(path).bearer(&other), "tenant_mismatch", "tenant", json!("ada")),
    ];
    for (number, (ask, code, gate, user)) in cases.into_iter().enumerate() {
        let (status, line) = line_of(&stage, forged(ask)).await;
        assert_eq!(status, 200, "{code}: {line}");
        assert_eq!(
            (&line["decision"], &line["code"], &line["gate"], &line["user"]),
            (&json!("observe"), &json!(code), &json!(gate), &user),
            "{line}"
        );
        assert_eq!((&line["status"], &line["upstream_status"]), (&json!(200), &json!(200)), "{line}");
        let seen = stage.backend.requests();
        assert_eq!(seen.len(), number + 1, "{code}: forwarded once");
        let seen = seen.last().unwrap();
        assert_eq!(seen.header("x-user-id"), user.as_str(), "{code}");
        assert!(!format!("{:?}", seen.headers).contains("mallory"), "{code}: {:?}", seen.headers);
        assert_eq!(seen.header("x-forwarded-for"), Some("127.0.0.1"), "{code}");
        if user.is_null() {
            assert_eq!((seen.header("x-tenant-id"), seen.header("x-roles")), (None, None), "{code}");
        }
    }
    let (status, line) = line_of(&stage, Ask::get(path).bearer(&stage.token())).await;
    assert_eq!((status, &line["decision"], &line["code"]), (200, &json!("allow"), &Value::Null), "{line}");
}

#[tokio::test]
async fn other_routes_go_on_refusing() {
    let stage = stage(observing("list")).await;
    assert_eq!(stage.send(Ask::get("/any/a")).await.verdict(), "401 token_missing");
    assert_eq!(stage.send(Ask::get("/admin/x").bearer(&stage.token())).await.verdict(), "403 role_required");
    assert_eq!(stage.send(Ask::get("/nowhere")).await.verdict(), "404 no_route");
    stage.assert_untouched().await;
    stage.gateway.err.containing("the route list only observes").await;
}

#[tokio::test]
async fn a_body_is_observed_too_and_arrives_whole() {
    let stage = stage(observing("create")).await;
    let body = r#"{"tenant_id":"globex"}"#;
    let ask = Ask::post("/v1/acme/conversations", body).bearer(&stage.token());
    let (status, line) = line_of(&stage, ask).await;
    assert_eq!(
        (status, &line["decision"], &line["code"]),
        (200, &json!("observe"), &json!("tenant_mismatch")),
        "{line}"
    );
    assert_eq!(stage.backend.last().body, body.as_bytes());
    let observed = [("route", "create"), ("decision", "observe")];
    let counted =
        || async { (stage.metric("portcullis_requests_total", &observed).await > 0.5).then_some(()) };
    harness::until("it to be counted as observed", counted).await;
}

#[tokio::test]
async fn the_whole_file_can_observe_and_a_route_still_enforce() {
    let stage = stage(|c| {
        c.set("mode", "observe");
        c.route("admin")["mode"] = json!("enforce");
    })
    .await;
    let (status, line) = line_of(&stage, forged(Ask::get("/any/a"))).await;
    assert_eq!(
        (status, &line["decision"], &line["code"]),
        (200, &json!("observe"), &json!("token_missing")),
        "{line}"
    );
    assert_eq!(stage.backend.last().header("x-user-id"), None);
    let before = stage.backend.requests().len();
    assert_eq!(stage.send(Ask::get("/admin/x").bearer(&stage.token())).await.verdict(), "403 role_required");
    // What no route matches has no mode: there is nowhere to send it.
    assert_eq!(stage.send(Ask::get("/nowhere")).await.verdict(), "404 no_route");
    assert_eq!(stage.send(Ask::get("/any/a").host("other.test")).await.verdict(), "421 unknown_host");
    assert_eq!(stage.backend.requests().len(), before);
}

#[tokio::test]
async fn who_is_over_a_limit_is_told_of_and_let_through() {
    let stage = stage(|c| {
        observing("anything")(c);
        c.set("limits.send", json!({ "per": "user", "allow": "2/h" }));
        c.set("limits.login", json!({ "per": "ip", "lock": { "after": 1, "for": "1h" } }));
        c.route("anything")["limits"] = json!(["send", "login"]);
    })
    .await;
    let ask = || Ask::get("/any/a").bearer(&stage.token());
    for (code, decision) in [("", "allow"), ("", "allow"), ("rate_limited", "observe")] {
        let (status, line) = line_of(&stage, ask()).await;
        let told = (line["decision"].as_str().unwrap(), line["code"].as_str().unwrap_or_default());
        assert_eq!((status, told), (200, (decision, code)), "{line}");
    }
    assert_eq!(stage.backend.requests().len(), 3);
    stage.backend.answer("/any/no", Canned { status: 401, headers: vec![], body: "" });
    let bob = stage.issuer.token(&json!({ "sub": "bob" }));
    let _ = stage.send(Ask::get("/any/no").bearer(&bob)).await;
    let (status, line) = line_of(&stage, Ask::get("/any/a").bearer(&bob)).await;
    assert_eq!(
        (status, &line["decision"], &line["code"]),
        (200, &json!("observe"), &json!("locked_out")),
        "{line}"
    );
}

#[tokio::test]
async fn a_tunnel_is_not_opened_for_nothing() {
    let stage = stage(observing("anything")).await;
    let ask = Ask::get("/any/ws").header("connection", "upgrade").header("upgrade", "websocket");
    assert_eq!(stage.send(ask).await.verdict(), "400 bad_request", "not a gate: the route has no tunnel");
    stage.backend.assert_untouched();
}
