//! What pages of other sites may read: every answer or none, the gateway's own refusals included.

use harness::backend::Canned;
use harness::client::next_piece;
use harness::scripted::{Scripted, Step};
use harness::{Ask, Stage, json, stage};

use crate::cross_site::{EVIL, SHOP, fields, readable, sharing};

/// One request for every kind of refusal, and how it ends.
fn refusals(stage: &Stage) -> Vec<(Ask, &'static str)> {
    let good = stage.token();
    let other = stage.issuer.token(&json!({ "org_id": "globex" }));
    stage.backend.answer("/any/refused", Canned { status: 418, headers: vec![], body: "no" });
    let created = "/v1/acme/conversations";
    vec![
        (Ask::get(created), "401 token_missing"),
        (Ask::get(created).bearer(&stage.issuer.forged(&json!({}))), "401 token_invalid"),
        (Ask::get(created).bearer(&other), "403 tenant_mismatch"),
        (Ask::get("/admin/x").bearer(&good), "403 role_required"),
        (Ask::get("/nowhere"), "404 no_route"),
        (Ask::new("DELETE", created).bearer(&good), "405 method_not_allowed"),
        (Ask::post("/auth/login", vec![b' '; 5000]), "413 body_too_large"),
        (Ask::post("/auth/login", vec![b' '; 5000]).chunked(), "413 body_too_large"),
        (Ask::post(created, "{").bearer(&good), "400 body_invalid"),
        (Ask::post(created, r#"{"tenant_id":"globex"}"#).bearer(&good), "403 tenant_mismatch"),
        (Ask::get("/any/%2e%2e/a"), "400 bad_request"),
        (Ask::get("/healthz").host("other.example.test"), "421 unknown_host"),
        (Ask::get("/any/closes").bearer(&good), "502 upstream_unreachable"),
        (Ask::get("/any/refused").bearer(&good), "418"),
        (Ask::get("/any/status/503").bearer(&good), "503"),
        (Ask::get("/any/a").bearer(&good), "200"),
    ]
}

#[tokio::test]
async fn an_allowed_page_reads_every_answer_and_a_foreign_one_none() {
    let stage = stage(|c| {
        sharing(c);
        c.set("defaults.cors.origins", json!([SHOP])).set("defaults.cors.credentials", true);
    })
    .await;
    for (ask, verdict) in refusals(&stage) {
        for client in [stage.http1(), stage.http2()] {
            let reply = client.send(ask.clone().header("origin", SHOP)).await;
            let what = format!("{} {}: {:?}", ask.method, ask.target, reply.headers);
            assert_eq!(reply.verdict(), verdict, "{what}");
            assert!(readable(&reply, SHOP), "{what}");
            assert_eq!(reply.header("access-control-allow-credentials"), "true", "{what}");
            let own = reply.json()["code"].is_string();
            let exposed = reply.header("access-control-expose-headers");
            let explaining =
                ["x-request-id", "retry-after", "ratelimit", "ratelimit-policy", "www-authenticate"];
            assert!(
                !own || explaining.iter().all(|name| exposed.split(", ").any(|word| word == *name)),
                "{what}"
            );
        }
        for origin in [EVIL, "null", "https://app.example.test.evil.test", "https://app.example.test"] {
            let reply = stage.send(ask.clone().header("origin", origin)).await;
            let own = origin == "https://app.example.test";
            let denied = ask.method == http::Method::POST && !own;
            assert!(!readable(&reply, origin), "{origin}: {:?}", reply.headers);
            assert!(
                !fields(&reply).iter().any(|(name, _)| name.starts_with("access-control-")),
                "{:?}",
                reply.headers
            );
            let same = reply.verdict() == verdict || (denied && reply.verdict() == "403 origin_denied");
            assert!(same, "{} {} from {origin}: {}", ask.method, ask.target, reply.verdict());
        }
        let reply = stage.send(ask.clone()).await;
        assert_eq!((reply.verdict().as_str(), readable(&reply, SHOP)), (verdict, false), "a program");
    }
}

#[tokio::test]
async fn what_does_not_reach_the_upstream_can_be_read_too() {
    let silent = Scripted::start(vec![vec![Step::Close]]).await;
    let stage = stage(|c| {
        sharing(c);
        c.set("upstreams.chatbot.servers", json!([silent.url()]));
        c.set("upstreams.nowhere.servers", json!(["http://127.0.0.1:1"]));
        c.route("assets")["upstream"] = json!("nowhere");
    })
    .await;
    for (path, status) in [("/healthz", 502), ("/assets/a", 502)] {
        let reply = stage.send(Ask::get(path).header("origin", SHOP)).await;
        assert_eq!(
            (reply.status.as_u16(), readable(&reply, SHOP)),
            (status, true),
            "{path}: {}",
            reply.text()
        );
    }
    let reply = stage.plain().send(Ask::get("/healthz").header("origin", SHOP)).await;
    assert_eq!((reply.status.as_u16(), readable(&reply, SHOP)), (308, true), "{:?}", reply.headers);
}

#[tokio::test]
async fn the_upstreams_own_cors_is_replaced() {
    let stage = stage(sharing).await;
    let headers = vec![
        ("access-control-allow-origin", "*"),
        ("access-control-allow-origin", "https://evil.example.test"),
        ("access-control-allow-credentials", "true"),
        ("access-control-allow-methods", "PUT"),
        ("access-control-expose-headers", "x-secret"),
        ("vary", "accept-encoding"),
        ("vary", "cookie"),
        ("x-kept", "yes"),
    ];
    stage.backend.answer("/assets/a", Canned { status: 200, headers, body: "a" });
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let vary = pair("vary", "accept-encoding, cookie, Origin");
    for client in [stage.http1(), stage.http2()] {
        let reply = client.send(Ask::get("/assets/a").header("origin", SHOP)).await;
        let exposed = pair("access-control-expose-headers", "x-kept");
        assert_eq!(fields(&reply), [pair("access-control-allow-origin", SHOP), exposed, vary.clone()]);
        assert_eq!((reply.header("x-kept"), reply.text().as_str()), ("yes", "a"));
        for origin in [EVIL, "null"] {
            let reply = client.send(Ask::get("/assets/a").header("origin", origin)).await;
            assert_eq!((reply.status.as_u16(), fields(&reply)), (200, vec![vary.clone()]), "{origin}");
        }
    }
}

#[tokio::test]
async fn an_event_stream_can_be_read_while_it_goes_on() {
    let stage = stage(sharing).await;
    let events = stage.backend.events("/v1/acme/events/1");
    let mut connection = stage.http1().connect().await.unwrap();
    let ask = Ask::get("/v1/acme/events/1").bearer(&stage.token()).header("origin", SHOP);
    let mut response = connection.open(&ask).await.unwrap();
    assert_eq!(response.headers()["access-control-allow-origin"], SHOP);
    events.send("hello").await;
    assert_eq!(next_piece(response.body_mut()).await.unwrap(), "data: hello\n\n");
}
