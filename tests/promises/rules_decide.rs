//! Rules in Cloudflare's language: on the wire, offline, and in every place that tells of them.

use harness::backend::Canned;
use harness::record::{Record, replay, told};
use harness::stage::stage_with;
use harness::{Ask, Backend, Certificates, Configuration, Site, Stage, Value, json, stage, until};

fn rules(configuration: &mut Configuration, rules: Value) {
    configuration.set("rules", rules);
}

async fn ruled(written: Value) -> Stage {
    stage(|configuration| rules(configuration, written)).await
}

#[tokio::test]
async fn the_reference_rules_do_what_they_say() {
    let stage = stage(|configuration| {
        configuration.set("lists.office", json!(["203.0.113.0/24", "2001:db8::/32"]));
        configuration.set("lists.scanners", json!(["sqlmap", "nikto"]));
        configuration.set("listen.client_ip.trust", json!(["127.0.0.0/8"]));
        rules(
            configuration,
            json!([
                { "name": "wordpress-probes", "action": "block",
                  "when": "http.request.uri.path wildcard \"/wp-*\" or http.request.uri.path contains \".php\"" },
                { "name": "admin-from-office", "action": "block",
                  "when": "starts_with(http.request.uri.path, \"/admin\") and not ip.src in $office" },
                { "name": "old-docs", "when": "http.request.uri.path eq \"/docs\"", "action": "redirect",
                  "to": "https://docs.example.com/", "status": 308 },
                { "name": "odd-agents", "when": "http.user_agent in $scanners", "action": "log" },
            ]),
        );
    })
    .await;
    for client in [stage.http1(), stage.http2()] {
        assert_eq!(client.send(Ask::get("/wp-login.php")).await.verdict(), "403 blocked");
        assert_eq!(client.send(Ask::get("/x/y.php?a=b")).await.verdict(), "403 blocked");
        let moved = client.send(Ask::get("/docs")).await;
        assert_eq!((moved.status.as_u16(), moved.header("location")), (308, "https://docs.example.com/"));
        let admin = |from: &str| {
            let token = stage.issuer.token(&json!({ "roles": ["admin"] }));
            Ask::get("/admin/users").bearer(&token).header("x-forwarded-for", from)
        };
        assert_eq!(client.send(admin("198.51.100.1")).await.verdict(), "403 blocked");
        assert_eq!(client.send(admin("203.0.113.9")).await.status, 200);
        assert_eq!(client.send(admin("2001:db8::7")).await.status, 200);
        assert_eq!(client.send(Ask::get("/healthz").header("user-agent", "nikto")).await.status, 200);
    }
    let blocked = stage.gateway.log_line(|line| line["rule"] == "wordpress-probes").await;
    assert_eq!(
        [&blocked["decision"], &blocked["code"], &blocked["gate"]],
        [&json!("refuse"), &json!("blocked"), &json!("rules")]
    );
    let logged = stage.gateway.log_line(|line| line["rule"] == "odd-agents").await;
    assert_eq!([&logged["decision"], &logged["code"]], [&json!("allow"), &Value::Null]);
    assert!(stage.metric("portcullis_refusals_total", &[("code", "blocked")]).await >= 6.0);
}

#[tokio::test]
async fn the_operators_own_words_are_what_is_read() {
    let stage = ruled(json!([
        { "name": "gone", "when": "http.request.uri.path eq \"/a\"", "action": "block", "status": 451,
          "body": "<h1>no</h1>", "content_type": "text/html" },
        { "name": "bare", "when": "http.request.uri.path eq \"/b\"", "action": "block", "status": 410 },
    ]))
    .await;
    let reply = stage.send(Ask::get("/a").header("sec-fetch-mode", "navigate")).await;
    assert_eq!((reply.status.as_u16(), reply.text().as_str()), (451, "<h1>no</h1>"));
    assert_eq!(reply.header("content-type"), "text/html");
    let reply = stage.send(Ask::get("/b")).await;
    assert_eq!(reply.verdict(), "410 blocked");
    assert_eq!(reply.json()["status"], 410);
    stage.assert_untouched().await;
}

#[tokio::test]
async fn rules_see_callers_routes_and_bodies_and_act_before_the_upstream() {
    let stage = ruled(json!([
        { "name": "no-eve", "when": "portcullis.user eq \"eve\"", "action": "block" },
        { "name": "free-plan", "action": "block",
          "when": "lookup_json_string(http.request.jwt.claims[\"session\"][0], \"plan\") eq \"free\" and portcullis.route eq \"anything\"" },
        { "name": "no-bombs", "action": "block",
          "when": "http.request.method eq \"POST\" and lookup_json_string(http.request.body.raw, \"text\") contains \"bomb\"" },
    ]))
    .await;
    let token = |claims: Value| stage.issuer.token(&claims);
    let (ada, eve) = (token(json!({})), token(json!({ "sub": "eve" })));
    let free = token(json!({ "plan": "free" }));
    let get = |token: &str| Ask::get("/any/x").bearer(token);
    for client in [stage.http1(), stage.http2()] {
        assert_eq!(client.send(get(&eve)).await.verdict(), "403 blocked");
        assert_eq!(client.send(get(&free)).await.verdict(), "403 blocked");
        let list = Ask::get("/v1/acme/conversations").bearer(&free);
        assert_eq!(client.send(list).await.status, 200, "another route");
        assert_eq!(
            client.send(Ask::get("/any/x")).await.verdict(),
            "401 token_missing",
            "nobody is asked who he is"
        );
        for (body, verdict) in [(r#"{"text":"a bomb"}"#, "403 blocked"), (r#"{"text":"a song"}"#, "200")] {
            let ask = Ask::post("/any/x", body).bearer(&ada);
            assert_eq!(client.send(ask.clone()).await.verdict(), verdict);
            assert_eq!(client.send(ask.chunked()).await.verdict(), verdict, "without a length");
        }
    }
    let bombs = stage.backend.requests().into_iter().filter(|request| request.body.ends_with(b"bomb\"}"));
    assert_eq!(bombs.count(), 0, "what is refused did not arrive");
}

#[tokio::test]
async fn a_rewritten_address_is_the_one_that_is_judged_and_forwarded() {
    let stage = ruled(json!([
        { "name": "to-admin", "when": "http.request.uri.path eq \"/shortcut\"", "action": "rewrite", "path": "/admin/users" },
        { "name": "moved", "when": "starts_with(http.request.uri.path, \"/old/\")", "action": "rewrite",
          "path_expression": "regex_replace(http.request.uri.path, \"^/old/\", \"/any/\")", "query": "from=old" },
        { "name": "astray", "when": "http.request.uri.path eq \"/up\"", "action": "rewrite",
          "path_expression": "concat(\"/any/\", url_decode(http.request.uri.query))" },
    ]))
    .await;
    let reply = stage.send(Ask::get("/shortcut").bearer(&stage.token())).await;
    assert_eq!(reply.verdict(), "403 role_required", "the gates of where it leads hold");
    assert_eq!(stage.send(Ask::get("/shortcut")).await.verdict(), "401 token_missing");
    let reply = stage.send(Ask::get("/old/a/b?x=1").bearer(&stage.token())).await;
    assert_eq!(reply.json()["target"], "/any/a/b?from=old");
    let reply = stage.send(Ask::get("/up?%2e%2e/admin").bearer(&stage.token())).await;
    assert_eq!(reply.verdict(), "400 bad_request", "no rewrite leads out of its path");
    assert_eq!(stage.backend.requests().len(), 1);
}

#[tokio::test]
async fn headers_are_changed_both_ways_and_the_gateways_own_stay() {
    let stage = ruled(json!([
        { "name": "request", "when": "true", "action": "headers", "request": {
            "set": { "x-edge": "1" }, "set_expression": { "x-country": "ip.src.country", "x-path": "http.request.uri.path" },
            "remove": ["x-secret"] } },
        { "name": "response", "when": "http.request.uri.path contains \"/any/\"", "action": "headers", "response": {
            "set": { "x-frame-options": "SAMEORIGIN" }, "add": { "x-also": "two" }, "remove": ["x-leak"] } },
        { "name": "by-answer", "when": "http.response.code eq 503", "action": "headers", "response": { "set": { "x-retry": "yes" } } },
    ]))
    .await;
    let canned =
        |status| Canned { status, headers: vec![("x-leak", "version 7"), ("x-also", "one")], body: "" };
    stage.backend.answer("/any/x", canned(200));
    stage.backend.answer("/any/busy", canned(503));
    let ask = Ask::get("/any/x").bearer(&stage.token()).header("x-secret", "s").header("x-edge", "mine");
    for client in [stage.http1(), stage.http2()] {
        let reply = client.send(ask.clone()).await;
        assert_eq!((reply.header("x-frame-options"), reply.header("x-leak")), ("SAMEORIGIN", ""));
        assert_eq!(reply.headers.get_all("x-also").iter().collect::<Vec<_>>(), ["one", "two"]);
        assert_eq!(reply.header("x-retry"), "");
        let received = stage.backend.last();
        assert_eq!(received.header("x-edge"), Some("1"));
        assert_eq!(received.header("x-path"), Some("/any/x"));
        assert_eq!((received.header("x-secret"), received.header("x-country")), (None, Some("")));
        assert_eq!(received.header("x-user-id"), Some("ada"));
        let reply = client.send(Ask::get("/any/busy").bearer(&stage.token())).await;
        assert_eq!((reply.status.as_u16(), reply.header("x-retry")), (503, "yes"));
    }
}

#[tokio::test]
async fn a_rule_counts_by_whatever_it_names() {
    let stage = ruled(json!([
        { "name": "keys", "when": "starts_with(http.request.uri.path, \"/any/\")", "action": "limit",
          "per": ["ip.src", "http.request.headers[\"x-api-key\"]"], "allow": "2/h" },
        { "name": "guessing", "when": "http.request.uri.path eq \"/auth/login\"", "action": "limit", "per": "ip.src",
          "allow": "1/10s", "for": "10m", "count": "http.request.uri.path eq \"/auth/login\" and http.response.code eq 401",
          "status": 420, "body": "slow down" },
    ]))
    .await;
    let ask = |key: &str| Ask::get("/any/x").bearer(&stage.token()).header("x-api-key", key);
    for verdict in ["200", "200", "429 rate_limited", "429 rate_limited"] {
        assert_eq!(stage.send(ask("a")).await.verdict(), verdict);
    }
    assert_eq!(stage.send(ask("b")).await.verdict(), "200");
    let refused = stage.gateway.log_line(|line| line["code"] == "rate_limited").await;
    assert_eq!([&refused["rule"], &refused["gate"]], [&json!("keys"), &json!("rules")]);
    stage.backend.answer("/auth/login", Canned { status: 401, headers: vec![], body: "" });
    let login = || Ask::post("/auth/login", "{}");
    for _ in 0..2 {
        assert_eq!(stage.send(login()).await.status, 401);
    }
    let refused = stage.send(login()).await;
    assert_eq!((refused.status.as_u16(), refused.text().as_str()), (420, "slow down"));
}

#[tokio::test]
async fn who_only_observes_refuses_nobody() {
    let stage = ruled(json!([
        { "name": "would-block", "when": "http.request.uri.path contains \"/any/\"", "action": "block", "mode": "observe" },
        { "name": "would-limit", "when": "true", "action": "limit", "per": "ip.src", "allow": "1/h", "mode": "observe" },
    ]))
    .await;
    for _ in 0..3 {
        assert_eq!(stage.send(Ask::get("/any/x").bearer(&stage.token())).await.status, 200);
    }
    stage
        .gateway
        .log_line(|line| line["rule"] == "would-block,would-limit" && line["decision"] == "allow")
        .await;
}

#[tokio::test]
async fn offline_says_the_same_and_names_the_line() {
    let site = Site::furnished(&Certificates::new());
    let mut configuration = Configuration::complete("http://127.0.0.1:1");
    rules(
        &mut configuration,
        json!([
            { "name": "noted", "when": "true", "action": "log" },
            { "name": "probes", "when": "http.request.uri.path contains \".php\"", "action": "block" },
            { "name": "moved", "when": "http.request.uri.path eq \"/docs\"", "action": "redirect", "to": "/new", "keep_query": true },
        ]),
    );
    configuration.set(
        "tests",
        json!([
            { "send": "GET /x.php", "expect": "403 blocked" },
            { "send": "GET /docs", "expect": "302" },
            { "send": "GET /healthz", "expect": "403 blocked" },
        ]),
    );
    site.configure(&configuration);
    let verdicts = replay(
        &site,
        &[
            Record::new(0, Ask::get("/x.php")),
            Record::new(0, Ask::get("/docs?a=b")),
            Record::new(0, Ask::get("/healthz")),
        ],
    )
    .await;
    assert_eq!(verdicts.iter().map(told).collect::<Vec<_>>(), ["403 blocked", "302", "200"]);
    let of =
        |verdict: &Value| (verdict["rule"].clone(), verdict["matched"].clone(), verdict["location"].clone());
    assert_eq!(of(&verdicts[0]), (json!("probes"), json!(["noted", "probes"]), Value::Null));
    assert_eq!(of(&verdicts[1]), (json!("noted,moved"), json!(["noted", "moved"]), json!("/new?a=b")));
    let tested = site.run(&["test"]).await.expect(1);
    assert!(tested.stdout.contains("3 tests, 1 failed"), "{}", tested.stdout);
    let explained = site.run(&["explain", "GET /x.php"]).await.expect(0).stdout;
    let line = site.line_of("\"probes\"");
    assert!(explained.contains(&format!("portcullis.yaml:{line}  the rule `probes` matched")), "{explained}");
    assert!(explained.contains("match log") && explained.contains("rule noted"), "{explained}");
}

#[tokio::test]
async fn a_fault_in_an_expression_is_shown_where_it_is() {
    let site = Site::furnished(&Certificates::new());
    let mut configuration = Configuration::complete("http://127.0.0.1:1");
    let when = "ip.src in {10.0.0.0/8} and http.request.uri.pth eq \"/a\"";
    rules(&mut configuration, json!([{ "name": "r", "when": when, "action": "block" }]));
    site.configure(&configuration);
    let told = site.run(&["test"]).await.expect(2).stderr;
    let line = site.line_of("uri.pth");
    let text = std::fs::read_to_string(site.path("portcullis.yaml")).unwrap();
    let column = text.lines().nth(line - 1).unwrap().find("http.request.uri.pth").unwrap() + 1;
    assert!(told.contains(&format!("portcullis.yaml:{line}:{column}")), "{told}");
    assert!(told.contains("^^^^^^^^^^^^^^^^^^^^") && told.contains("http.request.uri.path"), "{told}");
}

#[tokio::test]
async fn a_list_that_breaks_leaves_the_old_one_in_force() {
    let certificates = Certificates::new();
    let site = Site::furnished(&certificates);
    site.write("lists/banned.txt", "# networks\n192.0.2.0/24\n");
    let backend = Backend::http().await;
    let mut stage = stage_with(backend, certificates, site, |configuration| {
        configuration.set("listen.client_ip.trust", json!(["127.0.0.0/8"]));
        configuration.set("lists.banned", json!({ "file": "lists/banned.txt" }));
        rules(configuration, json!([{ "name": "banned", "when": "ip.src in $banned", "action": "block" }]));
    })
    .await;
    let from = |peer: &str| Ask::get("/healthz").header("x-forwarded-for", peer);
    assert_eq!(stage.send(from("192.0.2.7")).await.verdict(), "403 blocked");
    assert_eq!(stage.send(from("198.51.100.7")).await.status, 200);
    stage.site.write("lists/banned.txt", "192.0.2.0/24\nnonsense\n198.51.100.0/24\n");
    let told = stage.gateway.reload("refused").await;
    assert!(told.contains("refused"), "{told}");
    let line = stage.gateway.err.first(|line| line.contains("nonsense").then(|| line.to_owned())).await;
    assert!(line.is_some(), "the line that is broken is named");
    assert_eq!(stage.send(from("192.0.2.7")).await.verdict(), "403 blocked");
    assert_eq!(stage.send(from("198.51.100.7")).await.status, 200);
    assert!(stage.metric("portcullis_config_reloads_total", &[("outcome", "rejected")]).await >= 1.0);
    stage.site.write("lists/banned.txt", "198.51.100.0/24\n");
    // Nobody has to be told: files are watched.
    until("the new list to be in force", || async {
        (stage.send(from("198.51.100.7")).await.status == 403).then_some(())
    })
    .await;
    assert_eq!(stage.send(from("192.0.2.7")).await.status, 200);
    assert_eq!(stage.gateway.stop().await, 0);
}
