//! Backends of every kind are reached, and a backend's fault is never the client's puzzle.

use harness::backend::Canned;
use harness::scripted::{Scripted, Step};
use harness::stage::stage_with;
use harness::{Ask, Backend, Certificates, Configuration, Site, Stage, json, sha256, stage};

async fn before(
    backend: Backend,
    certificates: Certificates,
    change: impl FnOnce(&mut Configuration),
) -> Stage {
    let site = Site::furnished(&certificates);
    stage_with(backend, certificates, site, change).await
}

async fn serves(stage: &Stage, version: &str) {
    let body = vec![b'z'; 100_000];
    for client in [stage.http1(), stage.http2()] {
        let reply = client.send(Ask::get("/healthz")).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let reply = client.send(Ask::post("/v1/acme/files", body.clone()).bearer(&stage.token())).await;
        assert_eq!(reply.json()["sha256"], sha256(&body), "{}", reply.text());
    }
    let seen = stage.backend.last();
    assert_eq!((seen.version.as_str(), seen.authority.as_str()), (version, "app.example.test"));
    assert_eq!(seen.header("x-user-id"), Some("ada"));
}

#[tokio::test]
async fn over_http() {
    serves(&stage(|_| {}).await, "HTTP/1.1").await;
}

#[tokio::test]
async fn over_http2_without_tls() {
    let backend = Backend::http().await;
    let h2c = backend.url().replace("http://", "h2c://");
    let stage = before(backend, Certificates::new(), |c| {
        c.set("upstreams.chatbot.servers", json!([h2c]));
        c.route("socket").as_object_mut().unwrap().shift_remove("websocket");
    })
    .await;
    serves(&stage, "HTTP/2.0").await;
}

#[tokio::test]
async fn over_a_unix_socket() {
    serves(&before(Backend::unix(), Certificates::new(), |_| {}).await, "HTTP/1.1").await;
}

fn verified(c: &mut Configuration, name: &str) {
    c.set("upstreams.chatbot.tls", json!({ "server_name": name, "ca": "tls/ca.pem" }));
}

#[tokio::test]
async fn over_tls_with_an_authority_of_ones_own() {
    let certificates = Certificates::new();
    let backend = Backend::https(&certificates, "chatbot.internal.test").await;
    let stage = before(backend, certificates, |c| verified(c, "chatbot.internal.test")).await;
    let reply = stage.send(Ask::post("/v1/acme/files", "abc").bearer(&stage.token())).await;
    assert_eq!(reply.json()["sha256"], sha256(b"abc"), "{}", reply.text());
}

#[tokio::test]
async fn a_tls_upstream_that_cannot_be_verified_gets_nothing() {
    let certificates = Certificates::new();
    let other_name = Backend::https(&certificates, "other.internal.test").await;
    let other_authority = Backend::https(&Certificates::new(), "chatbot.internal.test").await;
    for (what, backend) in [("another name", other_name), ("another authority", other_authority)] {
        let certificates = Certificates::new();
        let site = Site::furnished(&certificates);
        let stage = stage_with(backend, certificates, site, |c| {
            verified(c, "chatbot.internal.test");
        })
        .await;
        let reply = stage.send(Ask::get("/any/a").bearer(&stage.token())).await;
        assert_eq!(reply.verdict(), "502 upstream_unreachable", "{what}");
        stage.backend.assert_untouched();
    }
    // The system's authorities do not know the test's.
    let certificates = Certificates::new();
    let backend = Backend::https(&certificates, "chatbot.internal.test").await;
    let stage = before(backend, certificates, |c| {
        c.set("upstreams.chatbot.tls", json!({ "server_name": "chatbot.internal.test" }));
    })
    .await;
    let reply = stage.send(Ask::get("/any/a").bearer(&stage.token())).await;
    assert_eq!(reply.verdict(), "502 upstream_unreachable");
    stage.backend.assert_untouched();
}

#[tokio::test]
async fn an_upstream_that_is_down_is_a_502_that_names_nobody() {
    let stage = stage(|c| {
        // Port 1 of the loopback: nothing listens there.
        c.set("upstreams.chatbot.servers", json!(["http://127.0.0.1:1"]));
    })
    .await;
    for client in [stage.http1(), stage.http2()] {
        for ask in [
            Ask::get("/healthz"),
            Ask::post("/v1/acme/documents", r#"{"tenant_id":"acme"}"#).bearer(&stage.token()),
        ] {
            let reply = client.send(ask).await;
            assert_eq!(reply.verdict(), "502 upstream_unreachable");
            let text = format!("{:?} {}", reply.headers, reply.text());
            assert!(!text.contains("127.0.0.1") && !text.contains("chatbot"), "{text}");
        }
    }
    let line = stage.gateway.log_line(|line| line["code"] == "upstream_unreachable").await;
    assert_eq!((&line["status"], &line["upstream_status"]), (&json!(502), &json!(null)));
}

#[tokio::test]
async fn an_upstream_that_never_answers_is_a_504() {
    let stage = stage(|c| c.route("anything")["timeouts"] = json!({ "first_byte": "500ms" })).await;
    for client in [stage.http1(), stage.http2()] {
        let reply = client.send(Ask::get("/any/never").bearer(&stage.token())).await;
        assert_eq!(reply.verdict(), "504 upstream_timeout");
    }
    assert_eq!(stage.backend.requests().len(), 2, "a timeout is not repeated");
}

#[tokio::test]
async fn an_upstream_that_closes_or_babbles_is_a_502() {
    let stage = stage(|c| {
        c.set("upstreams.chatbot.retries", 0);
    })
    .await;
    let reply = stage.send(Ask::get("/any/closes").bearer(&stage.token())).await;
    assert_eq!(reply.verdict(), "502 upstream_unreachable");
    for babble in [
        &b"nonsense\r\n\r\n"[..],
        b"HTTP/1.1 099 Low\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\nabcd",
    ] {
        let upstream = Scripted::start(vec![vec![Step::Answer(babble), Step::Close]]).await;
        let stage = self::stage(|c| {
            c.set("upstreams.chatbot.servers", json!([upstream.url()]));
        })
        .await;
        let reply = stage.send(Ask::get("/any/a").bearer(&stage.token())).await;
        assert_eq!(reply.verdict(), "502 upstream_unreachable", "{}", String::from_utf8_lossy(babble));
    }
}

#[tokio::test]
async fn a_switch_of_protocols_that_nobody_asked_for_is_a_502() {
    let tunnel = b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\nHTTP/1.1 200 OK\r\n\r\n";
    let upstream = Scripted::start(vec![vec![Step::Answer(tunnel), Step::Close]]).await;
    let stage = stage(|c| {
        c.set("upstreams.chatbot.servers", json!([upstream.url()]));
    })
    .await;
    for path in ["/any/a", "/ws"] {
        let reply = stage.send(Ask::get(path).bearer(&stage.token())).await;
        assert_eq!(reply.verdict(), "502 upstream_unreachable", "{path}");
    }
}

#[tokio::test]
async fn a_dead_pooled_connection_costs_an_idempotent_request_nothing() {
    const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    // The first connection dies on its second request; the others live.
    let alive = vec![Step::Answer(OK); 10];
    let upstream = Scripted::start(vec![vec![Step::Answer(OK), Step::Close], alive]).await;
    let stage = stage(|c| {
        c.set("upstreams.chatbot.servers", json!([upstream.url()])).set("upstreams.chatbot.retries", 1);
    })
    .await;
    let token = stage.token();
    for _ in 0..2 {
        let reply = stage.send(Ask::get("/any/a").bearer(&token)).await;
        assert_eq!(reply.text(), "ok", "{}", reply.verdict());
    }
    assert_eq!(upstream.heads(), 3, "one of them was sent twice");
}

#[tokio::test]
async fn a_post_is_never_sent_twice() {
    const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    let upstream = Scripted::start(vec![vec![Step::Answer(OK), Step::Close], vec![Step::Answer(OK)]]).await;
    let stage = stage(|c| {
        c.set("upstreams.chatbot.servers", json!([upstream.url()])).set("upstreams.chatbot.retries", 1);
    })
    .await;
    let token = stage.token();
    assert_eq!(stage.send(Ask::get("/any/a").bearer(&token)).await.status, 200);
    let reply = stage.send(Ask::post("/any/a", "").bearer(&token)).await;
    assert_eq!(reply.verdict(), "502 upstream_unreachable");
    assert_eq!(upstream.heads(), 2);
}

#[tokio::test]
async fn an_answer_passes_as_it_is() {
    let stage = stage(|_| {}).await;
    for status in [201, 204, 301, 304, 400, 401, 403, 404, 418, 429, 500, 503] {
        let reply = stage.send(Ask::get(&format!("/any/status/{status}")).bearer(&stage.token())).await;
        assert_eq!(reply.status, status);
        assert!(reply.json()["code"].is_null(), "{status}: an answer of the backend's own");
    }
    let headers = vec![("set-cookie", "a=1; Path=/"), ("set-cookie", "b=2"), ("content-type", "text/x-odd")];
    stage.backend.answer("/any/cookies", Canned { status: 200, headers, body: "é" });
    for client in [stage.http1(), stage.http2()] {
        let reply = client.send(Ask::get("/any/cookies").bearer(&stage.token())).await;
        assert_eq!(reply.headers.get_all("set-cookie").iter().count(), 2);
        assert_eq!((reply.header("content-type"), reply.text().as_str()), ("text/x-odd", "é"));
    }
}

#[tokio::test]
async fn an_answer_before_the_end_of_the_body_arrives() {
    let stage = stage(|_| {}).await;
    let ask = Ask::post("/v1/acme/files", vec![b'x'; 10]).bearer(&stage.token());
    assert_eq!(stage.send(ask).await.status, 200);
    let ask = Ask::post("/any/hasty", vec![b'x'; 50_000]).bearer(&stage.token());
    let reply = stage.http2().send(ask).await;
    assert_eq!(reply.status, 409, "{}", reply.text());
}

#[tokio::test]
async fn servers_take_turns() {
    let other = Backend::http().await;
    let backend = Backend::http().await;
    let both = json!([backend.url(), other.url()]);
    let stage = before(backend, Certificates::new(), |c| {
        c.set("upstreams.chatbot.servers", both).set("upstreams.chatbot.balance", "round_robin");
    })
    .await;
    for _ in 0..10 {
        assert_eq!(stage.send(Ask::get("/healthz")).await.status, 200);
    }
    assert_eq!((stage.backend.requests().len(), other.requests().len()), (5, 5));
}

#[tokio::test]
async fn a_server_that_is_down_is_passed_over() {
    let backend = Backend::http().await;
    let both = json!([backend.url(), "http://127.0.0.1:1"]);
    let stage = before(backend, Certificates::new(), |c| {
        c.set("upstreams.chatbot.servers", both).set("upstreams.chatbot.retries", 1);
    })
    .await;
    for _ in 0..6 {
        let reply = stage.send(Ask::get("/healthz")).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
    }
}
