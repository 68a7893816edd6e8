//! Pages of other sites do what the configuration says they may, and nothing else.

use harness::curl::curl;
use harness::raw::Raw;
use harness::websocket::Socket;
use harness::{Ask, Configuration, Reply, Value, json, stage};

pub(crate) const SHOP: &str = "https://shop.example.test";
pub(crate) const EVIL: &str = "https://evil.example.test";
const PREFLIGHT: &str = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers, \
                         Access-Control-Request-Private-Network";

/// With cookies for one shop, and for whoever they are on one public route.
pub(crate) fn sharing(c: &mut Configuration) {
    c.set(
        "defaults.cors",
        json!({ "origins": [SHOP, "https://*.shop.example.test"], "methods": ["GET", "POST", "DELETE"],
            "headers": ["authorization", "content-type"], "expose": ["x-kept"], "max_age": "5m", "private_network": true }),
    );
    c.route("anything")["cors"] = json!({ "origins": [SHOP], "expose": [], "private_network": false });
}

fn preflight(origin: &str, target: &str, method: &str, headers: &str) -> Ask {
    Ask::new("OPTIONS", target)
        .header("origin", origin)
        .header("access-control-request-method", method)
        .header("access-control-request-headers", headers)
}

pub(crate) fn fields(reply: &Reply) -> Vec<(String, String)> {
    let ours = |name: &str| name.starts_with("access-control-") || name == "vary";
    let text = |value: &http::HeaderValue| value.to_str().unwrap().to_owned();
    let mut fields: Vec<_> =
        reply.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
    fields.retain(|(name, _)| ours(name));
    fields.sort();
    fields
}

/// Whether the page may read the answer.
pub(crate) fn readable(reply: &Reply, origin: &str) -> bool {
    let allowed: Vec<_> = reply.headers.get_all("access-control-allow-origin").iter().collect();
    let vary: Vec<_> = reply.headers.get_all("vary").iter().map(|value| value.to_str().unwrap()).collect();
    let vary = vary.join(",").to_ascii_lowercase();
    assert_eq!(vary.split(',').filter(|word| word.trim() == "origin").count(), 1, "{:?}", reply.headers);
    allowed.len() == 1 && (allowed[0] == origin || allowed[0] == "*")
}

#[tokio::test]
async fn preflights_are_answered_before_anybody_is_identified() {
    let stage = stage(sharing).await;
    let path = "/v1/acme/conversations";
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    for client in [stage.http1(), stage.http2()] {
        let reply = client.send(preflight(SHOP, path, "POST", "authorization, Content-Type")).await;
        assert_eq!((reply.status.as_u16(), reply.text().as_str()), (204, ""));
        assert_eq!(
            fields(&reply),
            [
                pair("access-control-allow-headers", "authorization, content-type"),
                pair("access-control-allow-methods", "GET, POST, DELETE"),
                pair("access-control-allow-origin", SHOP),
                pair("access-control-max-age", "300"),
                pair("vary", PREFLIGHT),
            ]
        );
        assert!(!reply.header("x-request-id").is_empty());
    }
    let private = preflight("https://a.shop.example.test", path, "GET", "")
        .header("access-control-request-private-network", "true");
    let reply = stage.send(private.clone()).await;
    assert_eq!((reply.status.as_u16(), reply.header("access-control-allow-private-network")), (204, "true"));
    for (what, ask, verdict) in [
        ("a foreign page", preflight(EVIL, path, "POST", ""), "403 origin_denied"),
        ("a sandboxed page", preflight("null", path, "POST", ""), "403 origin_denied"),
        (
            "a look-alike",
            preflight("https://shop.example.test.evil.test", path, "POST", ""),
            "403 origin_denied",
        ),
        ("a method that is not listed", preflight(SHOP, "/any/a", "PUT", ""), "403 origin_denied"),
        ("a field that is not listed", preflight(SHOP, path, "POST", "x-other"), "403 origin_denied"),
        ("a private network", Ask { target: "/any/a".to_owned(), ..private }, "403 origin_denied"),
        ("a path that is not there", preflight(SHOP, "/nowhere", "POST", ""), "404 no_route"),
        ("a method that is not there", preflight(SHOP, path, "DELETE", ""), "405 method_not_allowed"),
        ("another host", preflight(SHOP, path, "POST", "").host("other.example.test"), "421 unknown_host"),
    ] {
        let reply = stage.send(ask).await;
        assert_eq!(reply.verdict(), verdict, "{what}");
        assert!(!readable(&reply, SHOP), "{what}: {:?}", reply.headers);
    }
    let no_preflight = stage.send(Ask::new("OPTIONS", path).header("origin", SHOP)).await;
    assert_eq!(
        (no_preflight.verdict().as_str(), readable(&no_preflight, SHOP)),
        ("405 method_not_allowed", true)
    );
    let two = stage.send(preflight(SHOP, path, "POST", "").header("origin", EVIL)).await;
    assert_eq!(two.verdict(), "400 bad_request");
    stage.assert_untouched().await;
    let line = stage.gateway.log_line(|line| line["status"] == 204).await;
    assert_eq!((&line["decision"], &line["route"]), (&json!("allow"), &json!("create")), "{line}");
}

#[tokio::test]
async fn a_route_has_rules_of_its_own() {
    let stage = stage(|c| {
        c.route("anything")["cors"] = json!({ "origins": [SHOP], "credentials": true, "methods": ["PUT"],
            "headers": ["x-own"], "expose": ["x-kept"], "max_age": "7s", "private_network": true });
    })
    .await;
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let (credentials, origin) =
        (pair("access-control-allow-credentials", "true"), pair("access-control-allow-origin", SHOP));
    let ask =
        preflight(SHOP, "/any/a", "PUT", "x-own").header("access-control-request-private-network", "true");
    let reply = stage.send(ask).await;
    assert_eq!(
        fields(&reply),
        [
            credentials.clone(),
            pair("access-control-allow-headers", "x-own"),
            pair("access-control-allow-methods", "PUT"),
            origin.clone(),
            pair("access-control-allow-private-network", "true"),
            pair("access-control-max-age", "7"),
            pair("vary", PREFLIGHT),
        ]
    );
    let reply = stage.send(Ask::get("/any/a").bearer(&stage.token()).header("origin", SHOP)).await;
    let exposed = pair("access-control-expose-headers", "x-kept");
    assert_eq!(fields(&reply), [credentials, origin, exposed, pair("vary", "Origin")]);
    let elsewhere = stage.send(Ask::get("/v1/acme/conversations").header("origin", SHOP)).await;
    assert_eq!(fields(&elsewhere), []);
}

#[tokio::test]
async fn curl_sees_the_same() {
    let stage = stage(sharing).await;
    let (origin, evil) = (format!("origin: {SHOP}"), format!("origin: {EVIL}"));
    let ask = ["-X", "OPTIONS", "-H", "access-control-request-method: POST", "-H"];
    let answered = curl(&stage, "/v1/acme/conversations", &[&ask[..], &[&origin]].concat()).await;
    assert_eq!(answered.status, 204, "{}", answered.head);
    let head = answered.head.to_ascii_lowercase();
    assert!(head.contains(&format!("access-control-allow-origin: {SHOP}")), "{head}");
    let refused = curl(&stage, "/v1/acme/conversations", &[&ask[..], &[&evil]].concat()).await;
    assert_eq!(refused.verdict(), "403 origin_denied");
    assert!(!refused.head.to_ascii_lowercase().contains("access-control"), "{}", refused.head);
    let form = curl(&stage, "/auth/login", &["-d", "user=ada", "-H", &evil]).await;
    assert_eq!(form.verdict(), "403 origin_denied");
    stage.assert_untouched().await;
}

#[tokio::test]
async fn a_route_without_cors_takes_a_preflight_as_a_request() {
    let stage = stage(|_| {}).await;
    assert_eq!(stage.send(preflight(SHOP, "/any/a", "POST", "")).await.verdict(), "401 token_missing");
    assert_eq!(stage.send(preflight(SHOP, "/healthz", "GET", "")).await.verdict(), "405 method_not_allowed");
    let reply = stage.send(Ask::post("/auth/login", "{}").header("origin", EVIL)).await;
    assert_eq!((reply.status.as_u16(), reply.headers.contains_key("vary")), (200, false));
}

#[tokio::test]
async fn a_form_of_another_site_changes_nothing() {
    let stage = stage(sharing).await;
    let kinds = [
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "text/plain",
        "application/json",
    ];
    for origin in [
        EVIL,
        "null",
        "http://app.example.test",
        "https://app.example.test:1",
        "https://user@shop.example.test",
    ] {
        for kind in kinds {
            let ask = Ask::new("POST", "/auth/login")
                .header("content-type", kind)
                .header("origin", origin)
                .body("user=ada");
            assert_eq!(stage.send(ask).await.verdict(), "403 origin_denied", "{kind} from {origin}");
        }
    }
    stage.assert_untouched().await;
    let own = format!("https://app.example.test:{}", stage.gateway.https().port());
    let host = own.strip_prefix("https://").unwrap();
    for (host, origin) in [
        ("app.example.test", "https://app.example.test"),
        ("app.example.test:443", "https://app.example.test"),
        ("APP.example.test", "https://app.example.test"),
        (host, &own),
        ("app.example.test", SHOP),
    ] {
        for client in [stage.http1(), stage.http2()] {
            let reply = client.send(Ask::post("/auth/login", "{}").host(host).header("origin", origin)).await;
            assert_eq!(reply.verdict(), "200", "{origin} at {host}");
        }
    }
    assert_eq!(stage.send(Ask::post("/auth/login", "{}")).await.verdict(), "200", "a program");
}

#[tokio::test]
async fn behind_a_proxy_the_scheme_is_the_clients() {
    let stage = stage(|c| {
        sharing(c);
        c.remove("listen.http.redirect").set("listen.http.plaintext", "TLS ends in front");
        c.set("listen.client_ip.trust", json!(["127.0.0.1/32"]));
    })
    .await;
    let ask = |origin: &str| Ask::post("/auth/login", "{}").header("origin", origin);
    let (plain, secure) = ("http://app.example.test", "https://app.example.test");
    for (ask, verdict) in [
        (ask(plain), "200"),
        (ask(secure), "403 origin_denied"),
        (ask(plain).header("x-forwarded-proto", "https"), "403 origin_denied"),
        (ask(secure).header("x-forwarded-proto", "https"), "200"),
    ] {
        assert_eq!(stage.plain().send(ask.clone()).await.verdict(), verdict, "{:?}", ask.headers);
    }
}

#[tokio::test]
async fn a_websocket_opens_for_no_foreign_page() {
    let stage = stage(sharing).await;
    let open = |origin: Option<&str>| {
        let mut headers = vec![("authorization", format!("Bearer {}", stage.token()))];
        headers.extend(origin.map(|origin| ("origin", origin.to_owned())));
        headers
    };
    for origin in [EVIL, "null", "https://app.example.test.evil.test"] {
        assert_eq!(Socket::open(&stage, "/ws", &open(Some(origin))).await.err(), Some(403), "{origin}");
    }
    stage.assert_untouched().await;
    for origin in [None, Some(SHOP), Some("https://app.example.test")] {
        let mut socket = Socket::open(&stage, "/ws", &open(origin)).await.expect("an open socket");
        assert_eq!(socket.echo("hello").await, "hello");
    }
}

#[tokio::test]
async fn bytes_that_are_no_origin_are_foreign() {
    let stage = stage(sharing).await;
    let strange = [
        b"https://shop.example.test\xff".to_vec(),
        "https://sh\u{43e}p.example.test".as_bytes().to_vec(),
        b"https://shop.example.test https://evil.example.test".to_vec(),
        b"https://shop.example.test\t".repeat(3),
        [b"https://".to_vec(), b"a.".repeat(8000), b"shop.example.test".to_vec()].concat(),
    ];
    for origin in strange {
        let mut wire = Raw::tls(stage.gateway.https(), &stage.certificates, &["http/1.1"]).await;
        let head = b"POST /auth/login HTTP/1.1\r\nhost: app.example.test\r\ncontent-length: 0\r\norigin: ";
        let reply = wire.exchange(&[&head[..], &origin, b"\r\n\r\n"].concat()).await;
        assert_eq!((reply.status, reply.code().as_str()), (Some(403), "origin_denied"), "{}", reply.head);
        assert!(!reply.head.to_ascii_lowercase().contains("access-control"), "{}", reply.head);
    }
    stage.assert_untouched().await;
}

#[tokio::test]
async fn observing_refuses_nobody_and_opens_nothing() {
    let stage = stage(|c| {
        sharing(c);
        c.set("mode", "observe");
    })
    .await;
    let reply = stage.send(Ask::post("/auth/login", "{}").header("origin", EVIL)).await;
    let id = reply.header("x-request-id").to_owned();
    assert_eq!((reply.status.as_u16(), readable(&reply, EVIL)), (200, false));
    let line = stage.gateway.log_line(|line| line["request_id"] == id.as_str()).await;
    assert_eq!((&line["decision"], &line["code"]), (&json!("observe"), &json!("origin_denied")), "{line}");
    let reply = stage.send(preflight(EVIL, "/any/a", "PUT", "")).await;
    let id = reply.header("x-request-id").to_owned();
    assert_eq!((reply.status.as_u16(), readable(&reply, EVIL)), (200, false), "{}", reply.text());
    assert_eq!(stage.backend.last().method, "OPTIONS");
    let line = stage.gateway.log_line(|line| line["request_id"] == id.as_str()).await;
    assert_eq!((&line["decision"], &line["gate"]), (&json!("observe"), &json!("cors")), "{line}");
    assert_eq!(stage.send(preflight(SHOP, "/any/a", "DELETE", "")).await.status, 204);
    assert_eq!(stage.send(preflight(EVIL, "/healthz", "GET", "")).await.verdict(), "405 method_not_allowed");
}

#[tokio::test]
async fn replay_and_tests_say_the_same() {
    let stage = stage(|c| {
        sharing(c);
        let login = |origin: &str, expect: &str| json!({ "send": "POST /auth/login", "origin": origin, "body": "{}", "expect": expect });
        let asked = json!({ "access-control-request-method": "POST" });
        let ask = |origin: &str, expect: &str| json!({ "send": "OPTIONS /auth/login", "origin": origin, "headers": asked, "expect": expect });
        c.set("tests", json!([
            login(EVIL, "403 origin_denied"), login("null", "403 origin_denied"), login(SHOP, "allow"), login("https://app.example.test", "allow"),
            ask(EVIL, "403 origin_denied"), ask(SHOP, "204"),
            { "as": { "tenant": "acme" }, "origin": EVIL, "send": "POST /v1/acme/files", "expect": "403 origin_denied" },
        ]));
    })
    .await;
    let _ = stage.site.run(&["test", "--config", "portcullis.yaml"]).await.expect(0);
    let line = |method: &str, origin: &str| {
        json!({ "id": origin, "at": "2026-11-22T10:00:00.000Z", "peer": "203.0.113.9", "tls": true, "method": method,
            "url": "https://app.example.test/auth/login",
            "headers": [["host", "app.example.test"], ["origin", origin], ["access-control-request-method", "POST"]] })
    };
    let lines = [line("OPTIONS", SHOP), line("OPTIONS", EVIL), line("POST", SHOP), line("POST", EVIL)];
    stage.site.write("cases.jsonl", &lines.map(|line| line.to_string()).join("\n"));
    let outcome = stage.site.run(&["replay", "--config", "portcullis.yaml", "cases.jsonl"]).await.expect(0);
    let verdicts: Vec<_> = outcome.json_lines();
    let told = |verdict: &Value| {
        [
            verdict["decision"].clone(),
            verdict["status"].clone(),
            verdict["code"].clone(),
            verdict["gate"].clone(),
        ]
    };
    assert_eq!(told(&verdicts[0]), [json!("answer"), json!(204), Value::Null, Value::Null]);
    assert_eq!(told(&verdicts[1]), [json!("refuse"), json!(403), json!("origin_denied"), json!("cors")]);
    assert_eq!(told(&verdicts[2]), [json!("allow"), json!(200), Value::Null, Value::Null]);
    assert_eq!(told(&verdicts[3]), [json!("refuse"), json!(403), json!("origin_denied"), json!("cors")]);
    let own = |verdict: &Value| verdict["headers"].to_string().contains("access-control-allow-origin");
    assert_eq!(verdicts.iter().map(own).collect::<Vec<_>>(), [true, false, true, false]);
    stage.backend.assert_untouched();
}
