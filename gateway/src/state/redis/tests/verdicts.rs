//! The server answers as the table does, whoever asks, and to whomever it belongs.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use redis::{Value, cmd};
use tokio::runtime::Runtime;

use super::*;
use crate::state::embedded::Tallies;

const T: i64 = 1_795_000_000_000;
const MINUTE: u64 = 60_000;

#[derive(Clone, Debug)]
enum Step {
    Charge(Vec<(usize, u32)>),
    Note(usize, Note),
    Wait(i64),
}

fn meters() -> Vec<Meter> {
    vec![
        Meter::Window { max: 3, window_ms: MINUTE, penalty_ms: 0 },
        Meter::Window { max: 4, window_ms: MINUTE, penalty_ms: 90_000 },
        Meter::Window { max: 12, window_ms: 2 * MINUTE, penalty_ms: 1_000 },
        Meter::Window { max: 130, window_ms: MINUTE, penalty_ms: 0 },
        Meter::Window { max: 1_000, window_ms: MINUTE, penalty_ms: 5_000 },
        Meter::Window { max: 0, window_ms: MINUTE, penalty_ms: 0 },
        Meter::Bucket { max: 7, window_ms: MINUTE, burst: 5 },
        Meter::Bucket { max: 1_000_000, window_ms: 31 * 24 * HOUR, burst: 1_000_000 },
        Meter::Lock { after: 2, for_ms: MINUTE, most_ms: 3 * MINUTE },
        Meter::Lock { after: 1, for_ms: 1_000, most_ms: 24 * HOUR },
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let note = prop_oneof![3 => Just(Note::Failure), 1 => Just(Note::Success), 2 => Just(Note::Late)];
    let cost = prop_oneof![8 => Just(1_u32), 2 => 0..4_u32, 2 => 5..200_u32];
    let wait = prop_oneof![
        4 => 0..300_i64, 4 => 0..30_000_i64, 1 => 0..200_000_i64, 1 => Just(24 * 3_600_000_i64),
    ];
    prop_oneof![
        8 => vec((0..meters().len(), cost), 1..5).prop_map(Step::Charge),
        3 => (0..meters().len(), note).prop_map(|(nth, note)| Step::Note(nth, note)),
        4 => wait.prop_map(Step::Wait),
    ]
}

/// What the script says at a time of our choice.
async fn ask_server(redis: &Redis, items: &[Item<'_>], now: i64) -> Value {
    let line = redis.link.line().unwrap();
    redis.script.run(&line, |cmd| fill(cmd, items, Some(now))).await.unwrap()
}

/// Two implementations, in two languages: the same sequences give the same verdicts, standings and times.
#[test]
fn the_server_answers_as_the_table_does() {
    let (server, runtime) = (Server::start(), Runtime::new().unwrap());
    let store = runtime.block_on(open(&server, OnFailure::Deny));
    let redis = redis(&store);
    let round = std::cell::Cell::new(0_u128);
    let config = Config { cases: 96, failure_persistence: None, ..Config::default() };
    let outcome = TestRunner::new(config).run(&vec(step(), 0..70), |steps| {
        round.set(round.get() + 1);
        let noop = metrics::Counter::noop;
        let table = Embedded::new(10_000, Tallies { evicted: noop(), no_room: noop() });
        let meters = meters();
        let ask = |nth: usize, cost: u32| Ask {
            key: CounterKey(round.get() << 64 | nth as u128),
            meter: meters[nth],
            cost,
        };
        let mut now = T;
        for step in steps {
            match step {
                Step::Wait(ms) => now += ms,
                Step::Note(nth, note) => {
                    let ask = ask(nth, 1);
                    table.note(&[(ask, note)], now);
                    let item = Item { ask: &ask, what: What::Note(note), name: "" };
                    runtime.block_on(ask_server(redis, &[item], now));
                }
                Step::Charge(picks) => {
                    let asks: Vec<Ask> = picks.iter().map(|(nth, cost)| ask(*nth, *cost)).collect();
                    let items: Vec<_> =
                        asks.iter().map(|ask| Item { ask, what: What::Ask, name: "" }).collect();
                    let theirs = runtime.block_on(ask_server(redis, &items, now));
                    let theirs = answers(&asks, theirs).unwrap();
                    let theirs =
                        redis.judge(&asks, &theirs, Vec::new(), now).map(|admission| admission.standings);
                    prop_assert_eq!(theirs, table.charge(&asks, now), "{:?} at {}", asks, now - T);
                }
            }
        }
        Ok(())
    });
    outcome.unwrap();
}

/// A server whose clock is set: nobody is freed by that, and nobody is locked for longer than from then on.
#[test]
fn a_servers_clock_that_jumps_does_no_harm() {
    let (server, runtime) = (Server::start(), Runtime::new().unwrap());
    let store = runtime.block_on(open(&server, OnFailure::Deny));
    let redis = redis(&store);
    let round = std::cell::Cell::new(0_u128);
    let config = Config { cases: 48, failure_persistence: None, ..Config::default() };
    let jump = prop_oneof![-900..0_i64, -10_000..10_000_i64, any::<i32>().prop_map(|ms| i64::from(ms) * 10)];
    let outcome = TestRunner::new(config).run(&vec((jump, 0..meters().len()), 0..30), |steps| {
        round.set(round.get() + 1);
        let mut now = T;
        let admits = |nth: usize, now: i64| {
            let meter = meters()[nth];
            let ask = Ask { key: CounterKey(round.get() << 64 | nth as u128), meter, cost: 1 };
            for note in [Note::Failure, Note::Late] {
                let item = Item { ask: &ask, what: What::Note(note), name: "" };
                runtime.block_on(ask_server(redis, &[item], now));
            }
            let item = Item { ask: &ask, what: What::Ask, name: "" };
            let answers = answers(&[ask], runtime.block_on(ask_server(redis, &[item], now))).unwrap();
            answers[0].retry_after_ms
        };
        for (jump, nth) in steps {
            let was_full = admits(nth, now) > 0;
            now += jump;
            let retry = admits(nth, now);
            prop_assert!(!was_full || jump > 0 || retry > 0, "{:?} {}", meters()[nth], jump);
            prop_assert!(retry <= 25 * HOUR, "{:?} {} {}", meters()[nth], jump, retry);
        }
        Ok(())
    });
    outcome.unwrap();
}

#[tokio::test]
async fn all_are_charged_or_none() {
    let server = Server::start();
    let store = open(&server, OnFailure::Deny).await;
    let asks = [window(1, 5), window(2, 2), places(3, 9)];
    for _ in 0..2 {
        let admission = store.charge(&asks, now()).await.unwrap();
        assert_eq!((admission.standings.len(), admission.leases.len()), (3, 1));
    }
    let Err(Denied::Limit(denial)) = store.charge(&asks, now()).await else { panic!("admitted") };
    assert_eq!((denial.index, denial.kind, denial.standings.get(0).unwrap().remaining), (1, Kind::Rate, 3));
    assert!((HOUR - 60_000..=HOUR).contains(&denial.retry_after_ms));
    assert_eq!(use_up(&store, asks[0]).await, 3);
}

/// Many at once, over two gateways: together they admit exactly what one would.
#[tokio::test(flavor = "multi_thread")]
async fn two_gateways_admit_what_one_would() {
    let server = Server::start();
    let stores = [open(&server, OnFailure::Deny).await, open(&server, OnFailure::Deny).await];
    let bucket = Ask { meter: Meter::Bucket { max: 1, window_ms: HOUR, burst: 300 }, ..window(2, 1) };
    for (ask, most) in [(window(1, 100), 100), (bucket, 300), (window(3, 500), 500)] {
        let tries = (0..1_000).map(|nth| {
            let store = stores[nth % 2].clone();
            tokio::spawn(async move { store.charge(&[ask], now()).await.is_ok() })
        });
        let admitted = futures_util::future::join_all(tries).await;
        assert_eq!(admitted.into_iter().filter(|admitted| *admitted.as_ref().unwrap()).count(), most);
    }
}

#[tokio::test]
async fn who_was_refused_is_refused_without_asking() {
    let server = Server::start();
    let store = open(&server, OnFailure::Allow).await;
    let asks = [window(1, 2), window(2, 9)];
    assert!(store.peek(&asks, now()).is_none());
    assert_eq!(use_up(&store, asks[0]).await, 2);
    server.pause();
    let denial = store.peek(&asks, now()).unwrap();
    assert_eq!((denial.index, denial.standings.get(1).unwrap().remaining), (0, 9));
    let start = Instant::now();
    for _ in 0..1_000 {
        assert!(matches!(store.charge(&asks, now()).await, Err(Denied::Limit(_))));
    }
    assert!(start.elapsed() < PATIENCE, "nobody waited for the server, which would answer nobody");
    assert!(store.peek(&asks, now() + 2 * 3_600_000).is_none());
    server.unpause();
}

#[tokio::test]
async fn answers_are_noted_in_the_background() {
    let server = Server::start();
    let store = open(&server, OnFailure::Deny).await;
    let lock = Ask { meter: Meter::Lock { after: 3, for_ms: HOUR, most_ms: HOUR }, ..window(1, 1) };
    for failures in 1..=3 {
        assert!(store.charge(&[lock], now()).await.is_ok(), "{failures}");
        store.note(&[(lock, Note::Failure)], now());
        flush(&store).await;
    }
    let Err(Denied::Limit(denial)) = store.charge(&[lock], now()).await else { panic!("not locked") };
    assert_eq!(denial.kind, Kind::Lock);
    // Another gateway knows of it.
    let other = open(&server, OnFailure::Deny).await;
    assert!(other.charge(&[lock], now()).await.is_err());
    let late = Ask { cost: 0, ..window(2, 1) };
    store.note(&[(late, Note::Late), (late, Note::Late)], now());
    tokio::task::spawn_blocking({
        let store = store.clone();
        move || store.close()
    })
    .await
    .unwrap();
    assert!(other.charge(&[late], now()).await.is_err(), "what was noted before the end is there");
}

/// All that is kept there ends by itself.
#[tokio::test]
async fn every_key_expires() {
    let server = Server::start();
    let store = open(&server, OnFailure::Deny).await;
    let lock = Ask { meter: Meter::Lock { after: 1, for_ms: HOUR, most_ms: HOUR }, ..window(3, 1) };
    let bucket = Ask { meter: Meter::Bucket { max: 1, window_ms: HOUR, burst: 3 }, ..window(4, 1) };
    let _admission =
        store.charge(&[window(1, 2), bucket, places(5, 2), window(6, 1_000)], now()).await.unwrap();
    store.note(&[(lock, Note::Failure)], now());
    flush(&store).await;
    let line = redis(&store).link.line().unwrap();
    let keys: Vec<String> = redis::from_redis_value(line.say(cmd("KEYS").arg("*")).await.unwrap()).unwrap();
    assert_eq!(keys.len(), 5);
    for key in keys {
        assert!(key.starts_with("portcullis:"));
        let left: i64 = redis::from_redis_value(line.say(cmd("PTTL").arg(&key)).await.unwrap()).unwrap();
        assert!(left > 0 && left <= 26 * 3_600_000, "{key}: {left}");
    }
}
