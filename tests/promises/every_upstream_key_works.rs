//! No key of an upstream is inert: what each one changes, where no other promise shows it already.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use harness::stage::stage_with;
use harness::{Ask, Backend, Certificates, Site, Stage, json, stage, until};
use tokio::net::TcpListener;

#[tokio::test]
async fn the_least_busy_server_is_asked() {
    let (busy, idle) = (Backend::http().await, Backend::http().await);
    let _never_written = [busy.events("/any/held"), idle.events("/any/held")];
    let both = json!([busy.url(), idle.url()]);
    let certificates = Certificates::new();
    let site = Site::furnished(&certificates);
    let stage = stage_with(busy, certificates, site, |c| {
        c.set("upstreams.chatbot.servers", both).set("upstreams.chatbot.balance", "least_requests");
    })
    .await;
    let token = stage.token();
    let held = tokio::spawn({
        let (client, ask) = (stage.http1(), Ask::get("/any/held").bearer(&token));
        async move { client.try_send(ask).await.is_ok() }
    });
    let holds = |backend: &Backend| backend.requests().iter().any(|seen| seen.target == "/any/held");
    until("one server to be busy", || async { (holds(&stage.backend) || holds(&idle)).then_some(()) }).await;
    for _ in 0..10 {
        assert_eq!(stage.send(Ask::get("/any/a").bearer(&token)).await.status, 200);
    }
    let (free, held_by) = if holds(&idle) { (&stage.backend, &idle) } else { (&idle, &stage.backend) };
    assert_eq!((free.requests().len(), held_by.requests().len()), (10, 1));
    held.abort();
}

/// Holds so many requests at the backend at once, and lets them all end.
async fn wave(stage: &Stage, count: usize) {
    let before = stage.backend.requests().len();
    let token = stage.token();
    let events: Vec<_> = (0..count).map(|_| stage.backend.events("/any/held")).collect();
    let asked = join_all((0..count).map(|_| async {
        stage
            .http1()
            .try_send(Ask::get("/any/held").bearer(&token))
            .await
            .map(|reply| reply.status.as_u16())
            .ok()
    }));
    let release = async {
        until("all to be held", || async {
            (stage.backend.requests().len() >= before + count).then_some(())
        })
        .await;
        drop(events);
    };
    let (replies, ()) = tokio::join!(asked, release);
    assert!(replies.iter().all(|status| *status == Some(200)), "{replies:?}");
}

#[tokio::test]
async fn no_more_idle_connections_are_kept_than_said() {
    // The pool keeps that many for each of the gateway's threads.
    let count = 8 + 2 * std::thread::available_parallelism().map_or(8, usize::from);
    let opened = |keepalive: usize| async move {
        let stage = stage(|c| {
            c.set("upstreams.chatbot.keepalive", keepalive);
        })
        .await;
        wave(&stage, count).await;
        wave(&stage, count).await;
        stage.backend.connections()
    };
    assert!(opened(1).await > count, "all {count} connections were kept");
}

#[tokio::test]
async fn a_request_is_tried_as_often_as_said() {
    for (retries, good) in [(0, false), (3, true)] {
        let backend = Backend::http().await;
        let servers =
            json!(["http://127.0.0.1:1", "http://127.0.0.1:1", "http://127.0.0.1:1", backend.url()]);
        let certificates = Certificates::new();
        let site = Site::furnished(&certificates);
        let stage = stage_with(backend, certificates, site, |c| {
            c.set("upstreams.chatbot.servers", servers).set("upstreams.chatbot.retries", retries);
        })
        .await;
        let mut served = 0;
        for _ in 0..4 {
            served += usize::from(stage.send(Ask::get("/healthz")).await.status == 200);
        }
        assert_eq!(served == 4, good, "{retries} retries served {served} of 4");
        assert!(served > 0);
    }
}

#[tokio::test]
async fn a_route_may_have_an_upstream_of_its_own() {
    let other = Backend::http().await;
    let url = other.url().to_owned();
    let stage = stage(|c| {
        c.set("upstreams.other.servers", json!([url]));
        c.route("health")["upstream"] = json!("other");
    })
    .await;
    assert_eq!(stage.send(Ask::get("/healthz")).await.status, 200);
    assert_eq!((stage.backend.requests().len(), other.requests().len()), (0, 1));
    assert_eq!(stage.send(Ask::get("/assets/a")).await.status, 200);
    assert_eq!((stage.backend.requests().len(), other.requests().len()), (1, 1));
}

/// How long `path` takes until it is refused.
async fn refused_after(stage: &Stage, path: &str) -> Duration {
    let asked = Instant::now();
    let reply = stage.send(Ask::get(path).bearer(&stage.token())).await;
    assert!(matches!(reply.status.as_u16(), 502 | 504), "{path}: {}", reply.verdict());
    asked.elapsed()
}

#[tokio::test]
async fn a_connection_may_take_as_long_as_said() {
    // It accepts and never shakes hands.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = format!("https://{}", silent.local_addr().unwrap());
    let stage = stage(|c| {
        c.set("upstreams.chatbot.servers", json!([server])).set("upstreams.chatbot.retries", 0);
        c.set("upstreams.chatbot.tls", json!({ "server_name": "chatbot.internal.test", "ca": "tls/ca.pem" }));
        c.set("defaults.timeouts.connect", "3s");
        c.route("anything")["timeouts"] = json!({ "connect": "500ms" });
    })
    .await;
    let (inherited, own) =
        tokio::join!(refused_after(&stage, "/v1/acme/conversations"), refused_after(&stage, "/any/a"));
    assert!(inherited >= Duration::from_millis(2900), "{inherited:?}, where 2s are the default");
    assert!(own >= Duration::from_millis(450) && own < inherited, "{own:?} of {inherited:?}");
}

#[tokio::test]
async fn defaults_bound_an_answer_too() {
    let stage = stage(|c| {
        c.set("defaults.timeouts.first_byte", "500ms").set("defaults.timeouts.stream_idle", "500ms");
    })
    .await;
    let token = stage.token();
    let reply = stage.send(Ask::get("/any/never").bearer(&token)).await;
    assert_eq!(reply.verdict(), "504 upstream_timeout");
    let events = stage.backend.events("/any/stream");
    let asked = stage.http1();
    let (reply, _) = tokio::join!(asked.try_send(Ask::get("/any/stream").bearer(&token)), events.send("one"));
    assert!(reply.is_err(), "a stream that fell silent must not look complete: {reply:?}");
}
