//! However much strangers send at once, the gateway takes so much memory and no more, and nobody is killed.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use harness::{Ask, Client, Reply, Stage, stage};

const MIB: u64 = 1024 * 1024;

/// Generous: hundreds of handshakes and of bodies on two cores that others use as well.
const DEADLINE: Duration = Duration::from_mins(2);

/// Peak memory before, and what it grew by at most.
struct Peak {
    idle: u64,
    what: &'static str,
}

impl Peak {
    /// After one request through every part that a test uses: what is loaded once is not counted.
    fn idle(what: &'static str, stage: &Stage) -> Self {
        Self { idle: stage.gateway.peak_memory(), what }
    }

    fn assert_grew_by_at_most(&self, stage: &Stage, most: u64) {
        let peak = stage.gateway.peak_memory();
        let (idle, grown) = (self.idle / MIB, peak.saturating_sub(self.idle) / MIB);
        println!("{}: peak {} MiB, {idle} MiB of it idle, {grown} MiB grown", self.what, peak / MIB);
        assert!(grown * MIB <= most, "{}: grew by {grown} MiB, over {} MiB", self.what, most / MIB);
    }
}

/// Sends everything at once, each on the connection that it comes with.
async fn verdict(client: Client, ask: Ask) -> String {
    let Ok(mut connection) = client.connect().await else { return "no connection".to_owned() };
    connection.try_send(ask).await.map_or("closed".to_owned(), |reply: Reply| reply.verdict())
}

#[tokio::test]
async fn two_hundred_bodies_far_over_their_limit() {
    /// Both ends of TLS and the pieces on their way to the backend: sixteen buffers of 64 KiB, and what the allocator keeps.
    const CONNECTION: u64 = MIB;
    const HELD: u64 = 64 * MIB;
    let stage = stage(|c| {
        c.set("listen.limits.connections_per_ip", 1000).set("listen.limits.buffered_bytes", "64MiB");
    })
    .await;
    let token = stage.token();
    let ask = |path: &str, body: Bytes| Ask::post(path, body).bearer(&token);
    for path in ["/v1/acme/documents", "/v1/acme/files"] {
        assert_eq!(stage.send(ask(path, r#"{"tenant_id":"acme"}"#.into())).await.verdict(), "200");
    }
    let before = Peak::idle("200 bodies of 64 MiB", &stage);
    let huge = Bytes::from(vec![b' '; 64 * 1024 * 1024]);
    let started = Instant::now();
    let all = (0..200).map(|number| {
        let path = ["/v1/acme/documents", "/v1/acme/files"][number % 2];
        let mut ask = ask(path, huge.clone());
        ask.chunked = number % 4 < 2;
        let client = stage.http1();
        async move { (path, number % 4 < 2, verdict(client, ask).await) }
    });
    let all = tokio::time::timeout(DEADLINE, all.collect::<FuturesUnordered<_>>().collect::<Vec<_>>());
    let all = all.await.expect("every client gets an end");
    println!("all refused after {:?}", started.elapsed());
    for (path, chunked, verdict) in &all {
        match (*path, chunked) {
            // The head says it already, and the answer is read although the body was not.
            (_, false) => assert_eq!(verdict, "413 body_too_large", "{path}"),
            ("/v1/acme/documents", true) => {
                assert!(["413 body_too_large", "503 overloaded"].contains(&verdict.as_str()), "{verdict}");
            }
            (_, true) => assert!(["413 body_too_large", "closed"].contains(&verdict.as_str()), "{verdict}"),
        }
    }
    before.assert_grew_by_at_most(&stage, HELD + 200 * CONNECTION);
    assert_eq!(stage.send(Ask::get("/healthz")).await.status, 200);
    for seen in stage.backend.requests().iter().skip(2).filter(|seen| seen.target != "/healthz") {
        assert_eq!(seen.target, "/v1/acme/files", "a held body that is refused is never sent");
        assert!(!seen.complete && seen.length as u64 <= 10 * MIB, "{} bytes arrived", seen.length);
    }
}

#[tokio::test]
async fn a_thousand_held_bodies_against_the_ceiling() {
    /// TLS, a piece being read, and the request's head and facts; two cores do not work on many at once.
    const REQUEST: u64 = MIB / 8;
    const CEILING: u64 = 32 * MIB;
    const SIZE: usize = 200 * 1024;
    let stage = stage(|c| {
        c.set("listen.limits.connections_per_ip", 2000).set("listen.limits.buffered_bytes", "32MiB");
        c.set("listen.limits.body_timeout", "120s").set("listen.limits.idle", "120s");
    })
    .await;
    let body = format!(r#"{{"tenant_id":"acme","pad":"{}"#, "a".repeat(SIZE));
    let whole = Ask::post("/v1/acme/documents", format!(r#"{body}"}}"#)).bearer(&stage.token());
    assert_eq!(stage.send(whole.clone()).await.verdict(), "200");
    let before = Peak::idle("1,000 held bodies", &stage);

    let part = Ask::post("/v1/acme/documents", body).bearer(&stage.token()).stalled();
    let mut waiting = FuturesUnordered::new();
    for _ in 0..500 {
        waiting.push(futures_util::FutureExt::boxed(verdict(stage.http1(), part.clone())));
    }
    let mut held = Vec::new();
    for _ in 0..10 {
        let mut connection = stage.http2().connect().await.unwrap();
        for _ in 0..50 {
            let answer = connection.start(&part);
            waiting.push(futures_util::FutureExt::boxed(async move {
                answer.await.map_or("closed".to_owned(), |reply| reply.verdict())
            }));
        }
        held.push(connection);
    }
    // Every body takes at least its size, so no more than these find room.
    let room = usize::try_from(CEILING).unwrap() / SIZE;
    let refused = async {
        for _ in 0..1000 - room {
            assert_eq!(waiting.next().await.as_deref(), Some("503 overloaded"));
        }
    };
    tokio::time::timeout(DEADLINE, refused).await.expect("those beyond the ceiling are refused");
    before.assert_grew_by_at_most(&stage, CEILING + 1000 * REQUEST);
    assert_eq!(stage.send(Ask::get("/healthz")).await.status, 200, "others are served meanwhile");
    assert!(!waiting.is_empty(), "those that found room are held");
    assert_eq!(stage.backend.requests().len(), 2, "nothing of a held body has arrived");
    drop((waiting, held));
    harness::until("room again", || async {
        (stage.send(whole.clone()).await.verdict() == "200").then_some(())
    })
    .await;
}
