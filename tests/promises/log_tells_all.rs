//! Every request is one line of JSON that tells everything about it and nothing of its secrets.

use harness::issuer::SECRET;
use harness::raw::Raw;
use harness::site::MODEL_KEY;
use harness::{Ask, Value, json, stage, until};

const KEYS: &[&str] = &[
    "time",
    "request_id",
    "trace_id",
    "release",
    "config",
    "client_ip",
    "method",
    "host",
    "path",
    "query",
    "protocol",
    "tls",
    "status",
    "bytes_in",
    "bytes_out",
    "route",
    "decision",
    "code",
    "gate",
    "rule",
    "user",
    "tenant",
    "webhook",
    "event",
    "webhook_key",
    "upstream",
    "upstream_status",
    "duration_ms",
    "upstream_ms",
    "gateway_ms",
];

#[tokio::test]
async fn an_admitted_request_is_told_in_full() {
    let stage = stage(|_| {}).await;
    let ask = Ask::get("/v1/acme/conversations?page=2&q=hidden").bearer(&stage.token());
    let reply = stage.http2().send(ask.header("user-agent", "tester/1.0")).await;
    let id = reply.header("x-request-id").to_owned();
    let line = stage.gateway.log_line(|line| line["request_id"] == id.as_str()).await;
    let expected = json!({
        "release": "test-release", "client_ip": "127.0.0.1", "method": "GET", "host": "app.example.test",
        "path": "/v1/acme/conversations", "status": 200, "route": "list", "decision": "allow",
        "user": "ada", "tenant": "acme", "upstream_status": 200,
    });
    for (key, value) in expected.as_object().unwrap() {
        assert_eq!(&line[key], value, "{key} in {line}");
    }
    for key in KEYS {
        assert!(line.get(key).is_some() || ["code", "gate", "rule"].contains(key), "{key} is not in {line}");
    }
    let time = line["time"].as_str().unwrap();
    assert!(
        time.len() == 24 && time.ends_with('Z') && time.as_bytes()[10] == b'T',
        "RFC 3339 with ms: {time}"
    );
    let config = line["config"].as_str().unwrap();
    assert!(config.len() == 12 && config.bytes().all(|byte| byte.is_ascii_hexdigit()), "{config}");
    assert!(line["query"].to_string().contains('2') && !line.to_string().contains("hidden"), "{line}");
    assert!(line.to_string().contains("tester/1.0"), "user-agent is listed: {line}");
    assert!(line["protocol"].to_string().contains('2') && line["tls"].to_string().contains("1.3"), "{line}");
    assert!(
        line["upstream"].to_string().contains("chatbot")
            || line["upstream"].to_string().contains("127.0.0.1")
    );
    let number = |key: &str| line[key].as_f64().unwrap_or_else(|| panic!("{key} in {line}"));
    assert!(
        number("duration_ms") >= number("upstream_ms") && number("gateway_ms") <= number("duration_ms"),
        "{line}"
    );
    let reply_length = u32::try_from(reply.body.len()).unwrap();
    assert!(number("bytes_out") >= f64::from(reply_length), "{line}");
}

#[tokio::test]
async fn a_refused_request_is_told_with_its_reason() {
    let stage = stage(|_| {}).await;
    let other = stage.issuer.token(&json!({ "org_id": "globex" }));
    let cases = [
        (Ask::get("/nowhere"), 404, "no_route", Value::Null, Value::Null),
        (Ask::get("/v1/acme/conversations"), 401, "token_missing", json!("list"), Value::Null),
        (
            Ask::get("/v1/acme/conversations").bearer(&other),
            403,
            "tenant_mismatch",
            json!("list"),
            json!("ada"),
        ),
        (Ask::get("/admin/x").bearer(&stage.token()), 403, "role_required", json!("admin"), json!("ada")),
        (Ask::get("/healthz").host("other.test"), 421, "unknown_host", Value::Null, Value::Null),
        (Ask::post("/auth/login", vec![b' '; 5000]), 413, "body_too_large", json!("login"), Value::Null),
    ];
    for (ask, status, code, route, user) in cases {
        let reply = stage.send(ask).await;
        let id = reply.header("x-request-id").to_owned();
        let line = stage.gateway.log_line(|line| line["request_id"] == id.as_str()).await;
        assert_eq!((&line["status"], &line["code"]), (&json!(status), &json!(code)), "{line}");
        assert_eq!(
            (&line["decision"], &line["route"], &line["user"]),
            (&json!("refuse"), &route, &user),
            "{line}"
        );
        assert!(line["gate"].as_str().is_some_and(|gate| !gate.is_empty()), "{line}");
        assert!(line["upstream_status"].is_null(), "{line}");
    }
    stage.assert_untouched().await;
}

#[tokio::test]
async fn there_is_one_line_for_each_request() {
    let mut stage = stage(|_| {}).await;
    let mut ids = Vec::new();
    for client in [stage.http1(), stage.http2(), stage.plain()] {
        for path in ["/healthz", "/nowhere", "/v1/acme/conversations"] {
            ids.push(client.send(Ask::get(path)).await.header("x-request-id").to_owned());
        }
    }
    assert_eq!(stage.gateway.stop().await, 0);
    stage.gateway.out.ended().await;
    let lines: Vec<Value> =
        stage.gateway.out.all().iter().map(|line| line.parse().expect("a JSON line")).collect();
    let mut logged: Vec<_> =
        lines.iter().map(|line| line["request_id"].as_str().unwrap().to_owned()).collect();
    logged.sort();
    ids.sort();
    assert_eq!(logged, ids, "a stop writes what was still to be written");
}

#[tokio::test]
async fn no_secret_is_in_it() {
    let mut stage = stage(|_| {}).await;
    let (good, forged) = (stage.token(), stage.issuer.forged(&json!({})));
    let dress = |ask: Ask| {
        ask.header("cookie", "session=cookie-secret")
            .header("x-api-key", "key-secret")
            .header("x-unlisted", "header-secret")
    };
    for (path, token) in [("/any/a", &good), ("/any/a", &forged), ("/nowhere", &good)] {
        let target = format!("{path}?access_token={token}&code=query-secret&page=1");
        stage.send(dress(Ask::post(&target, r#"{"password":"body-secret"}"#).bearer(token))).await;
        stage.http2().send(dress(Ask::get(&target).bearer(token))).await;
    }
    stage.send(Ask::get(&format!("/any/{good}")).bearer(&good)).await;
    // The parser's refusals go another way.
    let mut raw = Raw::tls(stage.gateway.https(), &stage.certificates, &["http/1.1"]).await;
    let broken =
        format!("GET /any/a HTTP/1.1\r\nAuthorization : Bearer {good}\r\nHost: app.example.test\r\n\r\n");
    raw.exchange(broken.as_bytes()).await;
    assert_eq!(stage.gateway.stop().await, 0);
    stage.gateway.out.ended().await;
    stage.gateway.err.ended().await;
    let written = format!("{}\n{}", stage.gateway.out.text(), stage.gateway.err.text());
    let signature = |token: &str| token.rsplit('.').next().unwrap().to_owned();
    let secrets = [
        signature(&good),
        signature(&forged),
        "cookie-secret".into(),
        "key-secret".into(),
        "header-secret".into(),
        "query-secret".into(),
        "body-secret".into(),
        SECRET.into(),
        MODEL_KEY.into(),
    ];
    for secret in &secrets {
        assert!(!written.contains(secret), "{secret} is in:\n{written}");
    }
    assert!(stage.gateway.out.all().len() >= 7, "there was something to look at");
}

#[tokio::test]
async fn an_address_in_the_path_is_redacted() {
    let stage = stage(|_| {}).await;
    for path in ["/any/users/ada@example.com/inbox", "/any/users/ada%40example.com/inbox"] {
        let reply = stage.send(Ask::get(path).bearer(&stage.token())).await;
        assert_eq!(stage.backend.last().target, path, "the backend gets the path as it was");
        let id = reply.header("x-request-id").to_owned();
        let line = stage.gateway.log_line(|line| line["request_id"] == id.as_str()).await;
        let logged = line["path"].as_str().unwrap();
        assert!(logged.starts_with("/any/users/") && logged.ends_with("/inbox"), "{logged}");
        assert!(!line.to_string().contains("example.com"), "{line}");
    }
}

#[tokio::test]
async fn a_line_cannot_be_forged() {
    let stage = stage(|_| {}).await;
    let path = "/any/a%0a%7b%22status%22:200%7d";
    let ask = Ask::get(path).bearer(&stage.token()).header("user-agent", "a\"},{\"x\":\"\\u000a");
    let reply = stage.send(ask).await;
    let id = reply.header("x-request-id").to_owned();
    let line = stage.gateway.log_line(|line| line["request_id"] == id.as_str()).await;
    assert_eq!(line["status"], reply.status.as_u16());
    for line in stage.gateway.out.all() {
        assert!(line.parse::<Value>().is_ok_and(|line| line["request_id"].is_string()), "{line}");
    }
}

#[tokio::test]
async fn the_metrics_count_the_same() {
    let stage = stage(|_| {}).await;
    stage.send(Ask::get("/v1/acme/conversations").bearer(&stage.token())).await;
    for _ in 0..3 {
        stage.send(Ask::get("/v1/acme/conversations")).await;
    }
    stage.send(Ask::get("/nowhere/with/a/name/of/its/own")).await;
    let refused = [("route", "list"), ("code", "token_missing")];
    let counted = || async {
        let count = stage.metric("portcullis_refusals_total", &refused).await;
        (count >= 3.0).then_some(count)
    };
    assert!(harness::until("the refusals to be counted", counted).await < 3.5);
    let allowed = [("route", "list"), ("method", "GET"), ("decision", "allow")];
    assert!(stage.metric("portcullis_requests_total", &allowed).await > 0.5);
    assert!(stage.metric("portcullis_gateway_duration_seconds_count", &[("route", "list")]).await > 0.5);
    assert!(stage.metric("portcullis_upstream_requests_total", &[("upstream", "chatbot")]).await > 0.5);
    assert!(stage.metric("portcullis_config_info", &[("release", "test-release")]).await > 0.5);
    let text = stage.admin("/metrics").await.text();
    assert!(!text.contains("/nowhere") && !text.contains("ada"), "a label came from a request:\n{text}");
}

#[tokio::test]
async fn the_admin_listener_shows_state_and_no_secret() {
    let stage = stage(|_| {}).await;
    assert_eq!(stage.admin("/healthz").await.status, 200);
    assert_eq!(stage.admin("/readyz").await.status, 200);
    let config = stage.admin("/config").await;
    assert_eq!(config.status, 200);
    let text = config.text();
    assert!(text.contains("conversations") && !text.contains(SECRET) && !text.contains(MODEL_KEY), "{text}");
    // The admin paths are on their own listener only.
    assert_eq!(stage.send(Ask::get("/metrics")).await.verdict(), "404 no_route");
}

#[tokio::test]
async fn every_gate_that_was_asked_is_timed() {
    let stage = stage(|_| {}).await;
    assert_eq!(stage.send(Ask::get("/v1/acme/conversations").bearer(&stage.token())).await.status, 200);
    for gate in ["identity", "tenant", "body"] {
        until("the gate's time", || async {
            let count = stage.metric("portcullis_gate_duration_seconds_count", &[("gate", gate)]).await;
            (count > 0.5).then_some(())
        })
        .await;
    }
    assert!(stage.metric("portcullis_gate_duration_seconds_count", &[("gate", "require")]).await < 0.5);
}
