//! What `portcullis replay` says about a recorded request is what the wire does with it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use harness::{Ask, Stage, Value, json, stage};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Headers that belong to one connection or one exchange, not to the decision.
const OF_THE_EXCHANGE: &[&str] = &[
    "x-request-id",
    "traceparent",
    "connection",
    "content-length",
    "transfer-encoding",
    "host",
    "date",
    "te",
];

struct Case {
    ask: Ask,
    tls: bool,
}

fn cases(stage: &Stage) -> Vec<Case> {
    let issuer = stage.issuer;
    let good = stage.token();
    let other = issuer.token(&json!({ "org_id": "globex" }));
    let admin = issuer.token(&json!({ "roles": ["admin"], "mfa": true }));
    let mut asks = vec![
        Ask::get("/healthz"),
        Ask::get("/healthz?a=b&page=2"),
        Ask::get("/healthz").header("x-user-id", "mallory").header("x-forwarded-for", "203.0.113.7"),
        Ask::get("/healthz").header("cookie", "a=1"),
        Ask::get("/assets/css/app.css").header("accept", "text/css"),
        Ask::get("/assets/%61pp.js"),
        Ask::get("/nowhere"),
        Ask::get("/nowhere").header("sec-fetch-mode", "navigate"),
        Ask::new("DELETE", "/healthz"),
        Ask::new("HEAD", "/healthz"),
        Ask::new("OPTIONS", "/healthz"),
        Ask::get("/healthz").host("other.example.test"),
        Ask::get("/healthz").host("api.example.test"),
        Ask::get("/healthz").host("www.example.test"),
        Ask::get("/any/../admin/x").bearer(&good),
        Ask::get("/any/%2e%2e/admin").bearer(&good),
        Ask::get("/any/a%2fb").bearer(&good),
        Ask::get("/any//a").bearer(&good),
        Ask::get("/any/a%00").bearer(&good),
        Ask::get("/any/caf%C3%A9?x=%20").bearer(&good),
        Ask::get("/any/a").bearer(&good).header("upgrade", "websocket").header("connection", "upgrade"),
        Ask::post("/auth/login", r#"{"email":"ada@example.com"}"#),
        Ask::post("/auth/login", vec![b' '; 5000]),
        Ask::post("/v1/acme/conversations", r#"{"tenant_id":"acme"}"#).bearer(&good),
        Ask::post("/v1/acme/conversations", r#"{"tenant_id":"globex"}"#).bearer(&good),
        Ask::post("/v1/acme/conversations", "{").bearer(&good),
        Ask::post("/v1/acme/files", vec![0_u8, 159, 255]).bearer(&good),
    ];
    for path in ["/v1/acme/conversations", "/v1/globex/conversations", "/v1/acme/events/7"] {
        for token in [&good, &other, &issuer.forged(&json!({})), &issuer.token(&json!({ "exp": 1 }))] {
            asks.push(Ask::get(path).bearer(token));
        }
        asks.push(Ask::get(path));
    }
    for token in [&good, &admin, &issuer.unsigned(&json!({}))] {
        asks.push(Ask::new("PUT", "/admin/users/7").bearer(token).body("{}"));
        asks.push(Ask::get("/careful/a").bearer(token));
        asks.push(Ask::new("POST", "/writers/a").bearer(token));
    }
    let mut cases: Vec<Case> = asks.into_iter().map(|ask| Case { ask, tls: true }).collect();
    for host in ["app.example.test", "www.example.test", "evil.example.test"] {
        cases.push(Case { ask: Ask::get("/healthz?a=b").host(host), tls: false });
    }
    cases
}

fn recorded(number: usize, case: &Case) -> Value {
    let Case { ask, tls } = case;
    let scheme = if *tls { "https" } else { "http" };
    let mut headers = vec![("host".to_owned(), ask.host.clone())];
    headers.extend(ask.headers.iter().cloned());
    if !ask.body.is_empty() {
        headers.push(("content-length".to_owned(), ask.body.len().to_string()));
    }
    json!({
        "id": number.to_string(),
        "at": OffsetDateTime::now_utc().replace_millisecond(0).unwrap().format(&Rfc3339).unwrap(),
        "peer": "127.0.0.1", "tls": tls, "method": ask.method.as_str(),
        "url": format!("{scheme}://{}{}", ask.host, ask.target),
        "headers": headers, "body_b64": STANDARD.encode(&ask.body), "upstream_status": 200,
    })
}

fn comparable(headers: impl Iterator<Item = (String, String)>) -> Vec<(String, String)> {
    let mut kept: Vec<_> = headers
        .map(|(name, value)| (name.to_ascii_lowercase(), value))
        .filter(|(name, _)| !OF_THE_EXCHANGE.contains(&name.as_str()))
        // A report never shows a secret, so only that the field is set can be compared.
        .map(
            |(name, value)| if name == "x-model-key" { (name, "a secret".to_owned()) } else { (name, value) },
        )
        .collect();
    kept.sort();
    kept
}

fn pairs(value: &Value) -> impl Iterator<Item = (String, String)> {
    let pair = |pair: &Value| Some((pair[0].as_str()?.to_owned(), pair[1].as_str()?.to_owned()));
    value.as_array().into_iter().flatten().filter_map(pair)
}

#[tokio::test]
async fn the_same_cases_end_the_same_both_ways() {
    let stage = stage(|_| {}).await;
    let cases = cases(&stage);
    let lines: Vec<String> =
        cases.iter().enumerate().map(|(n, case)| recorded(n, case).to_string()).collect();
    stage.site.write("cases.jsonl", &lines.join("\n"));
    let outcome = stage.site.run(&["replay", "--config", "portcullis.yaml", "cases.jsonl"]).await.expect(0);
    let verdicts = outcome.json_lines();
    assert_eq!(verdicts.len(), cases.len(), "one verdict a line");

    let mut wrong = Vec::new();
    for (number, case) in cases.iter().enumerate() {
        let replayed = &verdicts[number];
        assert_eq!(replayed["id"], number.to_string());
        let before = stage.backend.requests().len();
        let client = if case.tls { stage.http1() } else { stage.plain() };
        let client = if case.ask.host == "www.example.test" { client.sni(&case.ask.host) } else { client };
        let reply = client.send(case.ask.clone()).await;
        let id = reply.header("x-request-id").to_owned();
        let line = stage.gateway.log_line(|line| line["request_id"] == id.as_str()).await;
        let what = format!("{} {} ({number})", case.ask.method, case.ask.target);
        let mut compare = |key: &str, replayed: &Value, wire: &Value| {
            if replayed != wire {
                wrong.push(format!("{what}: {key}: replay {replayed}, wire {wire}"));
            }
        };
        compare("status", &replayed["status"], &json!(reply.status.as_u16()));
        for key in ["code", "route", "user", "tenant"] {
            compare(key, &replayed[key], &line[key]);
        }
        if replayed["decision"] != "answer" {
            compare("decision", &replayed["decision"], &line["decision"]);
        }
        let location = reply.headers.get("location").map_or(Value::Null, |_| json!(reply.header("location")));
        compare("location", &replayed["location"], &location);
        let requests = stage.backend.requests();
        let reached = requests.len() > before;
        compare("forwarded", &json!(replayed["decision"] == "allow"), &json!(reached));
        compare("forwarded", &json!(replayed["forwarded"].is_object()), &json!(reached));
        if let (true, Some(seen)) = (reached, requests.last()) {
            compare("method", &replayed["forwarded"]["method"], &json!(seen.method));
            let url = replayed["forwarded"]["url"].as_str().unwrap_or_default();
            compare("url", &json!(url.ends_with(&seen.target)), &json!(true));
            let ours = comparable(pairs(&replayed["forwarded"]["headers"]));
            compare("headers", &json!(ours), &json!(comparable(seen.headers.iter().cloned())));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn the_recorded_time_is_the_clock() {
    let stage = stage(|_| {}).await;
    let issued = 1_700_000_000;
    let token = stage.issuer.token(&json!({ "iat": issued, "exp": issued + 600 }));
    let at = |seconds: i64| {
        let at = OffsetDateTime::from_unix_timestamp(issued + seconds).unwrap();
        let case = Case { ask: Ask::get("/v1/acme/conversations").bearer(&token), tls: true };
        let mut line = recorded(0, &case);
        line["at"] = json!(at.format(&Rfc3339).unwrap());
        line.to_string()
    };
    stage.site.write("cases.jsonl", &[at(10), at(599), at(3600)].join("\n"));
    let outcome = stage.site.run(&["replay", "--config", "portcullis.yaml", "cases.jsonl"]).await.expect(0);
    let verdicts: Vec<_> =
        outcome.json_lines().iter().map(|line| (line["status"].clone(), line["code"].clone())).collect();
    let (ok, expired) = ((json!(200), json!(null)), (json!(401), json!("token_expired")));
    assert_eq!(verdicts, [ok.clone(), ok, expired]);
    stage.backend.assert_untouched();
}

#[tokio::test]
async fn a_line_that_cannot_be_read_is_named() {
    let stage = stage(|_| {}).await;
    let good = recorded(0, &Case { ask: Ask::get("/healthz"), tls: true }).to_string();
    stage.site.write("cases.jsonl", &format!("{good}\nnonsense\n"));
    let outcome = stage.site.run(&["replay", "--config", "portcullis.yaml", "cases.jsonl"]).await.expect(2);
    assert!(outcome.stderr.contains("cases.jsonl:2"), "{}", outcome.stderr);
}
