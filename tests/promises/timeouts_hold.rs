//! A silent upstream is given up after exactly as long as its route says, and a busy one never.

use std::time::{Duration, Instant};

use harness::raw::Raw;
use harness::scripted::{Scripted, Step};
use harness::stage::stage_with;
use harness::websocket::Socket;
use harness::{Ask, Backend, Certificates, PATIENCE, Site, Stage, json, stage, within};

async fn on(backend: Backend, certificates: Certificates, tls: bool) -> Stage {
    let site = Site::furnished(&certificates);
    stage_with(backend, certificates, site, |c| {
        if tls {
            let terms = json!({ "server_name": "chatbot.internal.test", "ca": "tls/ca.pem" });
            c.set("upstreams.chatbot.tls", terms);
        }
        c.route("anything")["timeouts"] = json!({ "first_byte": "1s", "stream_idle": "60s" });
    })
    .await
}

async fn every_kind() -> [Stage; 3] {
    let certificates = Certificates::new();
    let secure = Backend::https(&certificates, "chatbot.internal.test").await;
    [
        on(Backend::http().await, Certificates::new(), false).await,
        on(Backend::unix(), Certificates::new(), false).await,
        on(secure, certificates, true).await,
    ]
}

#[tokio::test]
async fn an_answer_that_does_not_begin_is_a_504_on_new_and_used_connections() {
    for stage in every_kind().await {
        let token = stage.token();
        let asked = Instant::now();
        let reply = stage.send(Ask::get("/any/never").bearer(&token)).await;
        assert_eq!(reply.verdict(), "504 upstream_timeout");
        assert!(asked.elapsed() >= Duration::from_secs(1), "too early: {:?}", asked.elapsed());
        assert_eq!(stage.send(Ask::get("/any/a").bearer(&token)).await.status, 200);
        let reply = stage.send(Ask::get("/any/never").bearer(&token)).await;
        assert_eq!(reply.verdict(), "504 upstream_timeout");
        assert!(asked.elapsed() < PATIENCE, "too late: {:?}", asked.elapsed());
        let seen: Vec<_> = stage.backend.requests().iter().map(|seen| seen.connection).collect();
        assert_eq!(seen, [1, 2, 2], "connections of: never, a, never");
    }
}

#[tokio::test]
async fn connections_are_used_again() {
    for stage in every_kind().await {
        let token = stage.token();
        for _ in 0..5 {
            let reply = stage.send(Ask::post("/any/a", "{}").bearer(&token)).await;
            assert_eq!(reply.status, 200, "{}", reply.text());
        }
        assert_eq!(stage.backend.connections(), 1);
    }
}

#[tokio::test]
async fn an_upload_takes_as_long_as_it_takes() {
    let stage = on(Backend::http().await, Certificates::new(), false).await;
    let mut raw = Raw::tls(stage.gateway.https(), &stage.certificates, &["http/1.1"]).await;
    let head = format!(
        "POST /any/slow HTTP/1.1\r\nHost: app.example.test\r\nAuthorization: Bearer {}\r\n\
         Content-Type: text/plain\r\nContent-Length: 10\r\n\r\n",
        stage.token()
    );
    raw.write(head.as_bytes()).await;
    let mut beat = tokio::time::interval(Duration::from_millis(300));
    for sent in 1..=10 {
        beat.tick().await;
        raw.write(b"x").await;
        stage.backend.received(|seen| (seen.length >= sent).then_some(())).await;
    }
    let reply = raw.reply().await;
    assert_eq!(reply.status, Some(200), "{}", reply.head);
}

#[tokio::test]
async fn an_answer_that_ends_with_its_connection_is_not_ended_by_silence() {
    const HALF: &[u8] = b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nhalf";
    // It says half and waits for another request, which never comes.
    let upstream = Scripted::start(vec![vec![Step::Answer(HALF), Step::Close]]).await;
    let stage = stage(|c| {
        c.set("upstreams.chatbot.servers", json!([upstream.url()]));
        c.route("anything")["timeouts"] = json!({ "first_byte": "60s", "stream_idle": "1s" });
    })
    .await;
    for client in [stage.http1(), stage.http2()] {
        let reply = within("the end", client.try_send(Ask::get("/any/a").bearer(&stage.token()))).await;
        assert!(reply.is_err(), "a cut answer must not look complete: {reply:?}");
    }
    assert_eq!(upstream.heads(), 2, "a timeout is not repeated");
}

#[tokio::test]
async fn a_tunnel_lives_by_what_goes_through_it() {
    let stage = stage(|c| {
        c.route("socket")["timeouts"] = json!({ "first_byte": "60s", "stream_idle": "1s" });
    })
    .await;
    let token = format!("Bearer {}", stage.token());
    let mut socket = Socket::open(&stage, "/ws", &[("authorization", token)]).await.unwrap();
    let mut beat = tokio::time::interval(Duration::from_millis(300));
    for _ in 0..8 {
        beat.tick().await;
        assert_eq!(socket.echo("hello").await, "hello");
    }
    socket.ended().await;
}
