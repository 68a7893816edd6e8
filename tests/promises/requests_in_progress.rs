//! `concurrent` counts requests in progress, streams included, and lets go of each however it ends.

use harness::client::next_piece;
use harness::websocket::Socket;
use harness::{Ask, Client, Stage, json, stage, until};

async fn two_at_a_time() -> Stage {
    stage(|configuration| {
        configuration.set("limits.inflight", json!({ "per": "user", "concurrent": 2 }));
        for route in ["events", "anything", "socket"] {
            configuration.route(route)["limits"] = json!(["inflight"]);
        }
    })
    .await
}

fn other(stage: &Stage) -> Ask {
    Ask::get("/any/x").bearer(&stage.token())
}

/// Until a further request is admitted again.
async fn free(stage: &Stage, client: &Client) {
    until("a place to be free", || async {
        let reply = client.send(other(stage)).await;
        (reply.status == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn streams_count_for_as_long_as_they_last() {
    let stage = two_at_a_time().await;
    for client in [stage.http1(), stage.http2()] {
        let (first, second) =
            (stage.backend.events("/v1/acme/events/1"), stage.backend.events("/v1/acme/events/2"));
        let (mut one, mut two) = (client.connect().await.unwrap(), client.connect().await.unwrap());
        let open = |path: &str| Ask::get(path).bearer(&stage.token());
        let mut stream = one.open(&open("/v1/acme/events/1")).await.unwrap();
        let other_stream = two.open(&open("/v1/acme/events/2")).await.unwrap();
        assert_eq!([stream.status(), other_stream.status()], [200, 200]);
        let refused = client.send(other(&stage)).await;
        assert_eq!(refused.verdict(), "429 too_many_in_flight");
        assert_eq!(refused.header("retry-after"), "1");
        let bob = stage.issuer.token(&json!({ "sub": "bob" }));
        assert_eq!(
            client.send(Ask::get("/any/x").bearer(&bob)).await.status,
            200,
            "others have places of their own"
        );
        first.send("x").await;
        assert!(next_piece(stream.body_mut()).await.is_some());
        drop(first);
        assert_eq!(next_piece(stream.body_mut()).await, None);
        free(&stage, &client).await;
        drop((second, other_stream, stream, one, two));
        free(&stage, &client).await;
    }
}

#[tokio::test]
async fn a_client_that_is_gone_is_not_counted() {
    let stage = two_at_a_time().await;
    for client in [stage.http1(), stage.http2()] {
        let events = [stage.backend.events("/v1/acme/events/1"), stage.backend.events("/v1/acme/events/2")];
        let mut held = Vec::new();
        for path in ["/v1/acme/events/1", "/v1/acme/events/2"] {
            let mut connection = client.connect().await.unwrap();
            let response = connection.open(&Ask::get(path).bearer(&stage.token())).await.unwrap();
            held.push((connection, response));
        }
        assert_eq!(client.send(other(&stage)).await.verdict(), "429 too_many_in_flight");
        drop(held);
        for events in &events {
            events.closed().await;
        }
        free(&stage, &client).await;
    }
}

#[tokio::test]
async fn an_upstream_that_is_gone_is_not_counted() {
    let stage = two_at_a_time().await;
    for _ in 0..5 {
        let reply = stage.send(Ask::get("/any/closes").bearer(&stage.token())).await;
        assert_eq!(reply.verdict(), "502 upstream_unreachable");
    }
    assert_eq!(stage.send(other(&stage)).await.status, 200);
}

#[tokio::test]
async fn a_websocket_counts_until_it_is_closed() {
    let stage = two_at_a_time().await;
    let bearer = [("authorization", format!("Bearer {}", stage.token()))];
    let mut first = Socket::open(&stage, "/ws", &bearer).await.expect("an open socket");
    let mut second = Socket::open(&stage, "/ws", &bearer).await.expect("an open socket");
    assert_eq!((first.echo("a").await, second.echo("b").await), ("a".to_owned(), "b".to_owned()));
    assert_eq!(stage.send(other(&stage)).await.verdict(), "429 too_many_in_flight");
    drop(first);
    free(&stage, &stage.http1()).await;
    drop(second);
    free(&stage, &stage.http1()).await;
}

#[tokio::test]
async fn a_refused_request_is_not_counted() {
    let stage = stage(|configuration| {
        configuration.set("limits.inflight", json!({ "per": "ip", "concurrent": 1 }));
        configuration.route("anything")["limits"] = json!(["inflight"]);
        configuration.route("create")["limits"] = json!(["inflight"]);
    })
    .await;
    for _ in 0..3 {
        assert_eq!(stage.send(Ask::get("/any/x")).await.verdict(), "401 token_missing");
        let broken = Ask::post("/v1/acme/conversations", "{").bearer(&stage.token());
        assert_eq!(stage.send(broken).await.verdict(), "400 body_invalid");
    }
    assert_eq!(stage.send(other(&stage)).await.status, 200);
}
