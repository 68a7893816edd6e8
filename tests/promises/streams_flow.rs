//! What the backend writes is seen at once, and what is under way comes to its own end.

use std::time::{Duration, Instant};

use harness::client::next_piece;
use harness::raw::Raw;
use harness::websocket::Socket;
use harness::{Ask, Client, Stage, stage, until};
use tokio::net::TcpStream;

/// The bound of the promise.
const VISIBLE: Duration = Duration::from_millis(5);

async fn median(stage: &Stage, client: &Client, path: &str) -> Duration {
    let events = stage.backend.events(path);
    let mut connection = client.connect().await.unwrap();
    let mut response = connection.open(&Ask::get(path).bearer(&stage.token())).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut delays = Vec::new();
    for number in 0..60 {
        let sent = events.send(&format!("{number}")).await;
        let piece = next_piece(response.body_mut()).await.expect("an event");
        delays.push(sent.elapsed());
        assert_eq!(piece, format!("data: {number}\n\n"), "an event of its own, unchanged");
    }
    drop(events);
    assert_eq!(next_piece(response.body_mut()).await, None, "the stream ends when the backend ends it");
    delays.sort_unstable();
    delays[delays.len() / 2]
}

#[tokio::test]
async fn an_event_is_visible_within_five_milliseconds() {
    let stage = stage(|_| {}).await;
    for (client, name) in [(stage.http1(), "h1"), (stage.http2(), "h2")] {
        // The other tests share the machine: the best of three medians is the gateway's own.
        let mut best = Duration::MAX;
        for round in 0..3 {
            best = best.min(median(&stage, &client, &format!("/v1/acme/events/{name}-{round}")).await);
        }
        assert!(best < VISIBLE, "{name}: {best:?}");
    }
}

#[tokio::test]
async fn sigterm_lets_a_running_stream_finish() {
    for http2 in [false, true] {
        let mut stage = stage(|_| {}).await;
        let client = if http2 { stage.http2() } else { stage.http1() };
        let events = stage.backend.events("/v1/acme/events/1");
        let mut connection = client.connect().await.unwrap();
        let mut response =
            connection.open(&Ask::get("/v1/acme/events/1").bearer(&stage.token())).await.unwrap();
        events.send("before").await;
        assert_eq!(next_piece(response.body_mut()).await.unwrap(), "data: before\n\n");

        stage.gateway.signal("TERM").await;
        let address = stage.gateway.https();
        until("the listener to close", || async { TcpStream::connect(address).await.err() }).await;
        for number in 0..20 {
            events.send(&format!("{number}")).await;
            assert_eq!(next_piece(response.body_mut()).await.unwrap(), format!("data: {number}\n\n"));
        }
        drop(events);
        assert_eq!(next_piece(response.body_mut()).await, None);
        let ended = Instant::now();
        assert_eq!(stage.gateway.exited().await, 0, "http2: {http2}");
        assert!(ended.elapsed() < Duration::from_secs(5), "it exits when idle, not by a clock");
        stage.gateway.log_line(|line| line["route"] == "events" && line["status"] == 200).await;
    }
}

#[tokio::test]
async fn sigterm_lets_a_websocket_finish() {
    let mut stage = stage(|_| {}).await;
    let bearer = [("authorization", format!("Bearer {}", stage.token()))];
    let mut socket = Socket::open(&stage, "/ws", &bearer).await.expect("an open socket");
    assert_eq!(socket.echo("before").await, "before");
    stage.gateway.signal("TERM").await;
    let address = stage.gateway.https();
    until("the listener to close", || async { TcpStream::connect(address).await.err() }).await;
    assert_eq!(socket.echo("after").await, "after");
    socket.close().await;
    assert_eq!(stage.gateway.exited().await, 0);
}

#[tokio::test]
async fn an_idle_gateway_exits_at_once() {
    let mut stage = stage(|_| {}).await;
    let mut idle = stage.http1().connect().await.unwrap();
    assert_eq!(idle.send(Ask::get("/healthz")).await.status, 200);
    let asked = Instant::now();
    assert_eq!(stage.gateway.stop().await, 0);
    assert!(asked.elapsed() < Duration::from_secs(5), "an idle connection held it for {:?}", asked.elapsed());
}

#[tokio::test]
async fn a_client_that_leaves_is_noticed_by_the_backend() {
    let stage = stage(|_| {}).await;
    for client in [stage.http1(), stage.http2()] {
        let events = stage.backend.events("/v1/acme/events/1");
        let mut connection = client.connect().await.unwrap();
        let mut response =
            connection.open(&Ask::get("/v1/acme/events/1").bearer(&stage.token())).await.unwrap();
        events.send("hello").await;
        assert_eq!(next_piece(response.body_mut()).await.unwrap(), "data: hello\n\n");
        drop((response, connection));
        events.closed().await;
    }
}

#[tokio::test]
async fn a_silent_stream_is_cut_by_its_own_timeout_only() {
    let stage = stage(|c| {
        c.set("defaults.timeouts.stream_idle", "1s");
        c.route("events")["timeouts"] = harness::json!({ "stream_idle": "60s" });
    })
    .await;
    let quiet = stage.backend.events("/any/quiet");
    let patient = stage.backend.events("/v1/acme/events/1");
    let token = stage.token();
    let mut connection = stage.http1().connect().await.unwrap();
    let mut long = connection.open(&Ask::get("/v1/acme/events/1").bearer(&token)).await.unwrap();
    patient.send("one").await;
    next_piece(long.body_mut()).await;

    let mut raw = Raw::tls(stage.gateway.https(), &stage.certificates, &["http/1.1"]).await;
    let head =
        format!("GET /any/quiet HTTP/1.1\r\nHost: app.example.test\r\nAuthorization: Bearer {token}\r\n\r\n");
    raw.write(head.as_bytes()).await;
    quiet.send("one").await;
    let received = String::from_utf8_lossy(&raw.rest().await).into_owned();
    assert!(received.contains("data: one"), "{received}");
    assert!(!received.ends_with("0\r\n\r\n"), "a cut stream must not look complete: {received}");
    quiet.closed().await;

    patient.send("two").await;
    assert_eq!(next_piece(long.body_mut()).await.unwrap(), "data: two\n\n", "the route's own timeout holds");
}

#[tokio::test]
async fn a_reload_leaves_a_running_stream_alone() {
    let mut stage = stage(|_| {}).await;
    let events = stage.backend.events("/v1/acme/events/1");
    let mut connection = stage.http1().connect().await.unwrap();
    let mut response = connection.open(&Ask::get("/v1/acme/events/1").bearer(&stage.token())).await.unwrap();
    events.send("before").await;
    next_piece(response.body_mut()).await;

    let routes = stage.configuration.root["routes"].as_array_mut().unwrap();
    routes.retain(|route| route["name"] != "events");
    stage.site.configure(&stage.configuration);
    stage.gateway.signal("HUP").await;
    until("the route to be gone", || async {
        let reply = stage.send(Ask::get("/v1/acme/events/2").bearer(&stage.token())).await;
        (reply.status == 404).then_some(())
    })
    .await;
    events.send("after").await;
    assert_eq!(next_piece(response.body_mut()).await.unwrap(), "data: after\n\n");
}
