//! A server that is away, silent, new, or somebody else's.

use super::*;
use crate::state::Admission;

const DEADLINE: Duration = Duration::from_millis(500);
/// On top of it, for a machine that is busy with other tests.
const MARGIN: Duration = Duration::from_millis(1_500);

/// Charges a hundred at the same time: what became of them, and how long the slowest took.
async fn load(store: &Store, ask: Ask) -> (Vec<Result<Admission, Denied>>, Duration) {
    let tries = (0..100).map(|_| {
        let store = store.clone();
        tokio::spawn(async move {
            let start = Instant::now();
            (store.charge(&[ask], now()).await, start.elapsed())
        })
    });
    let (mut outcomes, mut slowest) = (Vec::new(), Duration::ZERO);
    for outcome in futures_util::future::join_all(tries).await {
        let (outcome, took) = outcome.unwrap();
        outcomes.push(outcome);
        slowest = slowest.max(took);
    }
    (outcomes, slowest)
}

fn check(on_failure: OnFailure, outcomes: &[Result<Admission, Denied>], phase: &str) {
    let admitted = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    let unavailable = outcomes.iter().filter(|outcome| matches!(outcome, Err(Denied::Unavailable))).count();
    let expected = match on_failure {
        OnFailure::Local => (10, 0),
        OnFailure::Deny => (0, 100),
        OnFailure::Allow => (100, 0),
    };
    assert_eq!((admitted, unavailable), expected, "{on_failure:?} {phase}");
}

/// Stopped, paused and started again under load: each does what it says, and nobody waits longer than the deadline.
#[tokio::test(flavor = "multi_thread")]
async fn every_choice_of_what_to_do_without_the_server_is_kept() {
    for on_failure in [OnFailure::Local, OnFailure::Deny, OnFailure::Allow] {
        let mut server = Server::start();
        let (store, registry) = try_open(shared(&server.url(), on_failure, DEADLINE)).await.unwrap();
        let (outcomes, _) = load(&store, window(1, 10)).await;
        assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 10, "shared");
        assert_eq!(errors(&registry), 0);

        server.pause();
        let (outcomes, slowest) = load(&store, window(2, 10)).await;
        check(on_failure, &outcomes, "paused");
        assert!(slowest >= DEADLINE && slowest < DEADLINE + MARGIN, "{slowest:?}");
        let (outcomes, slowest) = load(&store, window(3, 10)).await;
        check(on_failure, &outcomes, "still paused");
        assert!(slowest < DEADLINE, "it is known now: nobody waits at all: {slowest:?}");
        assert!(errors(&registry) > 0);
        server.unpause();
        reconnected(&store).await;
        let (outcomes, _) = load(&store, window(4, 10)).await;
        assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 10, "shared again");

        server.stop();
        let (outcomes, slowest) = load(&store, window(5, 10)).await;
        check(on_failure, &outcomes, "stopped");
        assert!(slowest < DEADLINE + MARGIN, "{slowest:?}");
        server.resume();
        reconnected(&store).await;
        let (outcomes, _) = load(&store, window(6, 10)).await;
        assert_eq!(
            outcomes.iter().filter(|outcome| outcome.is_ok()).count(),
            10,
            "the new one knows no script"
        );
    }
}

#[tokio::test]
async fn locally_what_is_refused_is_known_at_a_peek_and_notes_count() {
    let mut server = Server::start();
    let store = open(&server, OnFailure::Local).await;
    server.stop();
    assert_eq!(use_up(&store, window(1, 3)).await, 3);
    assert!(store.peek(&[window(1, 3)], now()).is_some());
    let lock = Ask { meter: Meter::Lock { after: 1, for_ms: HOUR, most_ms: HOUR }, ..window(2, 1) };
    store.note(&[(lock, Note::Failure)], now());
    assert!(store.peek(&[lock], now()).is_some());
    let place = store.charge(&[places(3, 1)], now()).await.unwrap();
    assert!(store.charge(&[places(3, 1)], now()).await.is_err());
    drop(place);
    assert!(store.charge(&[places(3, 1)], now()).await.is_ok());
}

#[tokio::test]
async fn a_script_that_the_server_forgot_is_said_again() {
    let server = Server::start();
    let (store, registry) = try_open(shared(&server.url(), OnFailure::Deny, PATIENCE)).await.unwrap();
    assert!(store.charge(&[window(1, 9)], now()).await.is_ok());
    assert_eq!(server.say("SCRIPT FLUSH"), "+OK\r\n");
    assert!(store.charge(&[window(1, 9)], now()).await.is_ok());
    assert_eq!(errors(&registry), 0);
}

#[tokio::test]
async fn an_unreachable_server_stops_only_the_start_of_who_cannot_do_without() {
    let mut server = Server::start();
    server.stop();
    for on_failure in [OnFailure::Local, OnFailure::Allow] {
        let (store, _) = try_open(shared(&server.url(), on_failure, PATIENCE)).await.unwrap();
        assert!(store.charge(&[window(1, 9)], now()).await.is_ok());
    }
    let Err(why) = try_open(shared(&server.url(), OnFailure::Deny, PATIENCE)).await else {
        panic!("it starts");
    };
    assert!(why.contains("redis.sock"), "{why}");
    // A server that comes later is used as soon as it is there.
    let (store, _) = try_open(shared(&server.url(), OnFailure::Local, PATIENCE)).await.unwrap();
    server.resume();
    reconnected(&store).await;
    assert_eq!(use_up(&store, window(1, 9)).await, 9);
    assert_eq!(use_up(&open(&server, OnFailure::Deny).await, window(1, 9)).await, 0);
}

#[tokio::test]
async fn users_with_few_rights_are_enough() {
    let rights = "~portcullis:* -@all +eval +evalsha +ping +select +time +get +set +del +zadd +zcard +zrem \
                  +zremrangebyscore +pexpire";
    let server = Server::with(&format!("user default off\nuser gate on >hunter2 {rights}\n"));
    let url = |password: &str| format!("{}?user=gate&pass={password}&db=3", server.url());
    let (store, registry) = try_open(shared(&url("hunter2"), OnFailure::Deny, PATIENCE)).await.unwrap();
    let lock = Ask { meter: Meter::Lock { after: 1, for_ms: HOUR, most_ms: HOUR }, ..window(4, 1) };
    let bucket = Ask { meter: Meter::Bucket { max: 1, window_ms: HOUR, burst: 3 }, ..window(2, 1) };
    drop(store.charge(&[window(1, 9), bucket, places(3, 1), lock], now()).await.unwrap());
    store.note(&[(lock, Note::Failure)], now());
    flush(&store).await;
    assert!(store.charge(&[lock], now()).await.is_err());
    assert!(store.charge(&[places(3, 1)], now()).await.is_ok());
    assert_eq!(errors(&registry), 0);
    let Err(why) = try_open(shared(&url("hunter3"), OnFailure::Deny, PATIENCE)).await else {
        panic!("it starts");
    };
    assert!(!why.contains("hunter3") && !why.contains("gate@"), "{why}");
}

#[tokio::test]
async fn tls_is_checked_against_the_given_authority() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let (server, ca) = Server::tls();
    let open = async |ca: Option<&str>| {
        let url = Secret::new(server.url().into());
        let shared = Shared::compile(&url, ca.map(str::as_bytes), PATIENCE, OnFailure::Deny).unwrap();
        try_open(shared).await
    };
    let (store, _) = open(Some(&ca)).await.unwrap();
    assert_eq!(use_up(&store, window(1, 3)).await, 3);
    let (_other, other_ca) = Server::tls();
    for ca in [None, Some(other_ca.as_str())] {
        let Err(why) = open(ca).await else { panic!("anybody is believed") };
        assert!(why.contains("certificate"), "{why}");
    }
}
