//! What the backend reads about a client is what the gateway knows, never what the client claims.

use harness::backend::Canned;
use harness::site::MODEL_KEY;
use harness::{Ask, Stage, json, stage};

const LIE: &str = "mallory";

/// Names that the gateway sets, as a client may spell them.
const SPOOFED: &[&str] = &[
    "x-user-id",
    "X-User_Id",
    "X_User_Id",
    "x_user-id",
    "x-tenant-id",
    "X_Tenant_Id",
    "x-roles",
    "X_Roles",
    "x-forwarded-for",
    "X_Forwarded_For",
    "x-forwarded-host",
    "X-Forwarded_Host",
    "x-forwarded-proto",
    "forwarded",
    "x-model-key",
    "X_Model_Key",
    "x.user.id",
    "x~tenant!id",
    "x-forwarded.for",
    "x.forwarded.user",
    "x.real.ip",
    "x.model.key",
];

/// Every kind of route: public, identified, with a tenant, with a body gate.
fn admitted(stage: &Stage) -> Vec<Ask> {
    let token = stage.token();
    vec![
        Ask::get("/healthz"),
        Ask::get("/assets/app.js"),
        Ask::post("/auth/login", "{}"),
        Ask::get("/any/a").bearer(&token),
        Ask::get("/v1/acme/conversations").bearer(&token),
        Ask::post("/v1/acme/documents", r#"{"tenant_id":"acme"}"#).bearer(&token),
    ]
}

#[tokio::test]
async fn a_clients_copies_are_stripped_on_every_route() {
    let stage = stage(|_| {}).await;
    for client in [stage.http1(), stage.http2()] {
        for ask in admitted(&stage) {
            for name in SPOOFED {
                let before = stage.backend.requests().len();
                let reply = client.send(ask.clone().header(name, LIE)).await;
                let what = format!("{name} on {} gave {}", ask.target, reply.verdict());
                if name.contains('_') && reply.verdict() == "400 bad_request" {
                    // An underscore is ambiguous to a backend; refusing it is as good as stripping it.
                    assert_eq!(stage.backend.requests().len(), before, "{what}");
                    continue;
                }
                assert_eq!(reply.status, 200, "{what}");
                let seen = stage.backend.last();
                assert!(!format!("{:?}", seen.headers).contains(LIE), "{what}: {:?}", seen.headers);
            }
        }
    }
}

#[tokio::test]
async fn connection_cannot_strip_what_the_gateway_sets() {
    let stage = stage(|_| {}).await;
    for name in
        ["x-user-id", "x-tenant-id", "x-forwarded-for", "x-request-id", "x-model-key", "authorization"]
    {
        let ask = Ask::get("/v1/acme/conversations").bearer(&stage.token());
        let reply = stage.send(ask.header("connection", &format!("keep-alive, {name}"))).await;
        if reply.status.is_client_error() {
            continue;
        }
        assert_eq!(reply.status, 200, "{name}");
        let seen = stage.backend.last();
        assert_eq!(seen.header("x-user-id"), Some("ada"), "{name}");
        assert_eq!(seen.header("x-tenant-id"), Some("acme"), "{name}");
        assert!(seen.header("x-forwarded-for").is_some() && seen.header("x-request-id").is_some(), "{name}");
        assert!(seen.header("x-model-key").is_some(), "{name}");
    }
}

#[tokio::test]
async fn a_public_route_forwards_no_identity() {
    let stage = stage(|_| {}).await;
    stage.send(Ask::get("/healthz").bearer(&stage.token())).await;
    let seen = stage.backend.last();
    for name in ["x-user-id", "x-tenant-id", "x-roles"] {
        assert_eq!(seen.header(name), None);
    }
}

#[tokio::test]
async fn the_peer_is_named() {
    let stage = stage(|_| {}).await;
    for client in [stage.http1(), stage.http2()] {
        let ask = Ask::get("/healthz")
            .header("x-forwarded-for", "203.0.113.7")
            .header("forwarded", "for=203.0.113.7");
        client.send(ask).await;
        let seen = stage.backend.last();
        assert_eq!(seen.header("x-forwarded-for"), Some("127.0.0.1"));
        assert_eq!(seen.header("x-forwarded-proto"), Some("https"));
        assert_eq!(seen.header("x-forwarded-host"), Some("app.example.test"));
        let forwarded = seen.header("forwarded").unwrap_or_default();
        assert!(forwarded.contains("for=127.0.0.1") && forwarded.contains("proto=https"), "{forwarded}");
        assert!(
            forwarded.contains("host=app.example.test") || forwarded.contains("host=\"app.example.test\""),
            "{forwarded}"
        );
    }
}

/// Fields by which frameworks take another client, method or address than the one that was judged.
#[tokio::test]
async fn nothing_overrides_what_was_judged() {
    let stage = stage(|_| {}).await;
    let names = [
        "x-forwarded-user",
        "x-forwarded-client-cert",
        "x-forwarded",
        "x-original-host",
        "x-original-url",
        "x-http-method-override",
        "x-http-method",
        "x-method-override",
    ];
    for client in [stage.http1(), stage.http2()] {
        let ask = names.iter().fold(Ask::get("/healthz"), |ask, name| ask.header(name, "DELETE"));
        assert_eq!(client.send(ask).await.status, 200);
        let seen = stage.backend.last();
        for name in names {
            assert_eq!(seen.header(name), None, "{name}");
        }
    }
}

#[tokio::test]
async fn a_trusted_peer_is_believed() {
    let stage = stage(|c| {
        c.set("listen.client_ip.trust", json!(["127.0.0.0/8", "10.0.0.0/8"]));
    })
    .await;
    let cases = [
        ("203.0.113.7", "203.0.113.7"),
        ("203.0.113.7, 10.1.2.3", "203.0.113.7"),
        ("198.51.100.9, 203.0.113.7", "203.0.113.7"),
        ("2001:db8::7", "2001:db8::7"),
        ("not-an-address", "127.0.0.1"),
    ];
    for (number, (claimed, client)) in cases.iter().enumerate() {
        let id = format!("trusted-{number}");
        let ask = Ask::get("/healthz").header("x-forwarded-for", claimed).header("x-request-id", &id);
        let reply = stage.send(ask).await;
        assert_eq!(reply.header("x-request-id"), id, "a trusted peer's request id is kept");
        let line = stage.gateway.log_line(|line| line["request_id"] == id.as_str()).await;
        assert_eq!(line["client_ip"], *client, "X-Forwarded-For: {claimed}");
        let seen = stage.backend.last();
        assert_eq!(seen.header("x-request-id"), Some(id.as_str()));
        let chain = seen.header("x-forwarded-for").unwrap_or_default();
        assert!(chain.contains(client), "{claimed} became {chain}");
    }
}

#[tokio::test]
async fn an_untrusted_peers_request_id_is_replaced() {
    let stage = stage(|_| {}).await;
    let mut ids = Vec::new();
    for ask in
        [Ask::get("/healthz"), Ask::get("/healthz").header("x-request-id", "mine"), Ask::get("/nowhere")]
    {
        let reply = stage.send(ask).await;
        let id = reply.header("x-request-id").to_owned();
        assert!(is_uuid_v7(&id), "{id}");
        stage.gateway.log_line(|line| line["request_id"] == id.as_str()).await;
        ids.push(id);
    }
    assert_eq!(stage.backend.last().header("x-request-id"), Some(ids[1].as_str()));
    ids.dedup();
    assert_eq!(ids.len(), 3);
}

fn is_uuid_v7(id: &str) -> bool {
    let groups: Vec<&str> = id.split('-').collect();
    let lengths: Vec<usize> = groups.iter().map(|group| group.len()).collect();
    let hex = groups.iter().all(|group| group.bytes().all(|byte| byte.is_ascii_hexdigit()));
    hex && lengths == [8, 4, 4, 4, 12]
        && groups[2].starts_with('7')
        && groups[3].starts_with(['8', '9', 'a', 'b'])
}

#[tokio::test]
async fn a_trace_is_continued_or_started() {
    let stage = stage(|_| {}).await;
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let parent = format!("00-{trace}-00f067aa0ba902b7-01");
    stage.send(Ask::get("/healthz").header("traceparent", &parent)).await;
    let seen = stage.backend.last();
    assert_eq!(trace_id(seen.header("traceparent")), trace);
    stage.gateway.log_line(|line| line["trace_id"] == trace).await;
    for bad in [None, Some("00-00000000000000000000000000000000-00f067aa0ba902b7-01"), Some("nonsense")] {
        let ask = Ask::get("/healthz");
        stage.send(bad.map_or(ask.clone(), |bad| ask.header("traceparent", bad))).await;
        let id = trace_id(stage.backend.last().header("traceparent"));
        assert!(id.len() == 32 && id != trace && id.bytes().any(|byte| byte != b'0'), "{bad:?} became {id}");
    }
}

fn trace_id(parent: Option<&str>) -> String {
    let parts: Vec<&str> = parent.unwrap_or_default().split('-').collect();
    assert_eq!(parts.len(), 4, "traceparent: {parent:?}");
    parts[1].to_owned()
}

#[tokio::test]
async fn injected_headers_replace_the_clients_own() {
    let stage = stage(|c| {
        c.set(
            "upstreams.chatbot.inject",
            json!({ "authorization": "Bearer {secret.model_key}", "x-from": "portcullis" }),
        );
    })
    .await;
    let ask = Ask::get("/any/a").bearer(&stage.token()).header("x-from", LIE).header("X_From", LIE);
    let reply = stage.send(ask.clone()).await;
    let reply = if reply.status == 400 {
        stage.send(Ask::get("/any/a").bearer(&stage.token()).header("x-from", LIE)).await
    } else {
        reply
    };
    assert_eq!(reply.status, 200, "{}", reply.text());
    let seen = stage.backend.last();
    assert_eq!(seen.header("authorization"), Some(format!("Bearer {MODEL_KEY}").as_str()));
    assert_eq!(seen.header("x-from"), Some("portcullis"));
    assert!(!format!("{:?}", seen.headers).contains(LIE));
}

#[tokio::test]
async fn the_answer_tells_nothing_of_the_upstream() {
    let stage = stage(|_| {}).await;
    let headers = vec![("server", "chatbot/1.2"), ("x-kept", "yes"), ("keep-alive", "timeout=5")];
    stage.backend.answer("/any/served", Canned { status: 201, headers, body: "made" });
    for client in [stage.http1(), stage.http2()] {
        let reply = client.send(Ask::get("/any/served").bearer(&stage.token())).await;
        assert_eq!((reply.status.as_u16(), reply.text().as_str()), (201, "made"));
        assert!(!reply.header("server").contains("chatbot"), "{:?}", reply.headers);
        assert_eq!(reply.header("x-kept"), "yes");
        assert!(is_uuid_v7(reply.header("x-request-id")));
        assert_eq!(reply.headers.get_all("x-request-id").iter().count(), 1);
    }
}

#[tokio::test]
async fn strict_transport_security_is_on_every_https_answer() {
    let stage = stage(|_| {}).await;
    for client in [stage.http1(), stage.http2()] {
        for path in ["/healthz", "/nowhere", "/v1/acme/conversations"] {
            let reply = client.send(Ask::get(path)).await;
            assert_eq!(
                reply.header("strict-transport-security"),
                "max-age=31536000; includeSubDomains",
                "{path}"
            );
        }
    }
}

#[tokio::test]
async fn cookie_crumbs_are_one_header_to_the_backend() {
    let stage = stage(|_| {}).await;
    let ask = Ask::get("/healthz").header("cookie", "a=1").header("cookie", "b=2");
    assert_eq!(stage.http2().send(ask).await.status, 200);
    assert_eq!(stage.backend.last().header("cookie"), Some("a=1; b=2"));
}

#[tokio::test]
async fn hop_by_hop_headers_end_here() {
    let stage = stage(|_| {}).await;
    let ask = Ask::get("/healthz")
        .header("connection", "keep-alive, x-hop")
        .header("x-hop", "1")
        .header("te", "trailers")
        .header("keep-alive", "timeout=5")
        .header("proxy-connection", "keep-alive");
    assert_eq!(stage.send(ask).await.status, 200);
    let seen = stage.backend.last();
    for name in ["x-hop", "te", "keep-alive", "proxy-connection"] {
        assert_eq!(seen.header(name), None);
    }
    assert_eq!(seen.authority, "app.example.test", "the backend sees the client's host");
}
