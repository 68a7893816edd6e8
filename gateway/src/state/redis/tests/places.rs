//! Places among those at the same time: freed whoever goes, and however.

use super::*;
use crate::state::Admission;

#[tokio::test]
async fn places_are_shared_and_freed_when_a_request_ends() {
    let server = Server::start();
    let (store, other) = (open(&server, OnFailure::Deny).await, open(&server, OnFailure::Deny).await);
    let first = store.charge(&[places(1, 2)], now()).await.unwrap();
    let second = other.charge(&[places(1, 2)], now()).await.unwrap();
    let Err(Denied::Limit(denial)) = store.charge(&[places(1, 2)], now()).await else { panic!("admitted") };
    assert_eq!(denial.kind, Kind::Concurrent);
    assert!(store.peek(&[places(1, 2)], now()).is_none(), "a place may be free at any moment");
    drop(second);
    let admitted = async || store.charge(&[places(1, 2)], now()).await;
    until("the place is free", async || admitted().await.is_ok()).await;
    drop(first);
    flush(&store).await;
    flush(&other).await;
    assert_eq!(server.say("EXISTS portcullis:p:00000000000000000000000000000001"), ":0\r\n");
}

#[tokio::test]
async fn a_request_that_ends_before_the_answer_takes_no_place() {
    let server = Server::start();
    let store = open(&server, OnFailure::Deny).await;
    server.pause();
    {
        let asks = [places(1, 1)];
        let charging = store.charge(&asks, now());
        // Said, and not waited for.
        let _ = timeout(Duration::from_millis(20), charging).await;
    }
    server.unpause();
    until("the place is free", async || store.charge(&[places(1, 1)], now()).await.is_ok()).await;
}

#[tokio::test]
async fn units_of_one_request_are_places_too() {
    let server = Server::start();
    let store = open(&server, OnFailure::Deny).await;
    let three = Ask { cost: 3, ..places(1, 5) };
    let admission = store.charge(&[three], now()).await.unwrap();
    assert!(store.charge(&[three], now()).await.is_err());
    drop(admission);
    flush(&store).await;
    assert!(store.charge(&[Ask { cost: 5, ..three }], now()).await.is_ok());
}

/// Sets when all leases end, as if that much time went by.
fn age(server: &Server, key: u128, score: &str) {
    let key = format!("portcullis:p:{key:032x}");
    let members = server.say(&format!("ZRANGE {key} 0 -1"));
    for member in members.lines().filter(|line| line.contains(':')) {
        server.say(&format!("ZADD {key} XX {score} {member}"));
    }
}

#[tokio::test]
async fn a_dead_gateways_places_are_free_when_nobody_renews_them() {
    let server = Server::start();
    let (dead, store) = (open(&server, OnFailure::Deny).await, open(&server, OnFailure::Deny).await);
    let admission: Admission = dead.charge(&[places(1, 1)], now()).await.unwrap();
    assert!(store.charge(&[places(1, 1)], now()).await.is_err());
    // As a killed process would: nothing is dropped.
    std::mem::forget(admission);
    age(&server, 1, "1000");
    assert!(store.charge(&[places(1, 1)], now()).await.is_ok());
}

#[tokio::test]
async fn places_in_use_are_renewed_even_where_they_were_lost() {
    let mut server = Server::start();
    let store = open(&server, OnFailure::Deny).await;
    let admission = store.charge(&[places(1, 1)], now()).await.unwrap();
    let clerk = Clerk::new(Arc::downgrade(redis(&store)));
    age(&server, 1, "1000");
    clerk.renew(redis(&store)).await;
    assert!(store.charge(&[places(1, 1)], now()).await.is_err());
    // The server begins anew, and knows nothing.
    server.resume();
    until("somebody notices", async || {
        let _ = store.charge(&[window(9, 9)], now()).await;
        !redis(&store).link.is_up()
    })
    .await;
    reconnected(&store).await;
    clerk.renew(redis(&store)).await;
    assert!(store.charge(&[places(1, 1)], now()).await.is_err());
    drop(admission);
    flush(&store).await;
    clerk.renew(redis(&store)).await;
    assert!(store.charge(&[places(1, 1)], now()).await.is_ok(), "what is free is not renewed");
}
