//! What survives: restarts, kills, hand-overs, and what a broken disk does to it.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rules::meter::{Ask, Counter, CounterKey, Meter, Note};
use tempfile::TempDir;

use super::file::File;
use crate::metrics::Registry;
use crate::state::embedded::Mark;
use crate::state::{Denied, Store, Terms};

const DAY: u64 = 86_400_000;

fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

fn quota(name: &str, store: &Store) -> Ask {
    let key = store.seed().hasher().part(name.as_bytes()).finish();
    Ask { key, meter: Meter::Window { max: 3, window_ms: DAY, penalty_ms: 0 }, cost: 1 }
}

async fn open(folder: &Path) -> Store {
    open_counted(folder).await.0
}

async fn open_counted(folder: &Path) -> (Store, Registry) {
    let registry = Registry::new();
    (Store::open(Terms { keys: 10_000, shared: None }, folder, &registry).await.unwrap(), registry)
}

/// Charges until it refuses: how often it did not.
async fn use_up(store: &Store, name: &str) -> usize {
    let mut count = 0;
    while let Ok(admission) = store.charge(&[quota(name, store)], now()).await {
        admission.durable.expect("a quota of a day").kept().await;
        count += 1;
    }
    count
}

async fn close(store: Store) {
    tokio::task::spawn_blocking(move || store.close()).await.unwrap();
}

/// What a killed process leaves: the files as they are at this moment.
fn as_if_killed(folder: &Path) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, copy.path().join(path.file_name().unwrap())).unwrap();
    }
    copy
}

fn files(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Until `is_so`, which a background thread brings about.
async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let waiting = async {
        while !is_so() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waiting).await.unwrap_or_else(|_| panic!("never: {what}"));
}

#[tokio::test]
async fn a_quota_survives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    assert_eq!(use_up(&store, "ada").await, 3);
    let login = Ask {
        key: store.seed().hasher().part(b"login").finish(),
        meter: Meter::Lock { after: 1, for_ms: 900_000, most_ms: DAY },
        cost: 1,
    };
    store.note(&[(login, Note::Failure)], now());
    let minute = Ask {
        key: CounterKey(5),
        meter: Meter::Window { max: 1, window_ms: 60_000, penalty_ms: 0 },
        cost: 1,
    };
    assert!(store.charge(&[minute], now()).await.unwrap().durable.is_none());
    close(store).await;

    let store = open(folder.path()).await;
    assert_eq!(use_up(&store, "ada").await, 0);
    assert!(matches!(store.charge(&[login], now()).await, Err(Denied::Limit(_))), "a lock too");
    assert!(store.charge(&[minute], now()).await.is_ok(), "a minute is not worth the disk");
    assert_eq!(use_up(&store, "eve").await, 3);
    assert_eq!(files(folder.path()), ["counters.redb", "counters.seed"]);
}

#[tokio::test]
async fn what_was_answered_survives_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    for name in ["ada", "eve", "bob"] {
        let admission = store.charge(&[quota(name, &store)], now()).await.unwrap();
        admission.durable.unwrap().kept().await;
        let killed = as_if_killed(folder.path());
        let next = open(killed.path()).await;
        assert_eq!(use_up(&next, name).await, 2, "{name}");
    }
}

#[tokio::test]
async fn a_penalty_of_a_day_survives_though_it_charges_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let harsh =
        Ask { meter: Meter::Window { max: 1, window_ms: 1_000, penalty_ms: DAY }, ..quota("ada", &store) };
    let start = now();
    store.charge(&[harsh], start).await.unwrap().durable.unwrap().kept().await;
    assert!(store.peek(&[harsh], start).is_some());
    close(store).await;
    let store = open(folder.path()).await;
    assert!(store.peek(&[harsh], start + 2_000).is_some());
}

#[tokio::test]
async fn nothing_is_made_before_there_is_something_to_keep() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let store = open(&state).await;
    let minute = Ask {
        key: CounterKey(5),
        meter: Meter::Window { max: 1, window_ms: 60_000, penalty_ms: 0 },
        cost: 1,
    };
    assert!(store.charge(&[minute], now()).await.is_ok());
    close(store).await;
    assert!(!state.exists());
}

#[tokio::test]
async fn a_hand_over_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let old = open(folder.path()).await;
    old.charge(&[quota("ada", &old)], now()).await.unwrap().durable.unwrap().kept().await;
    // The next one starts while the old one has the file, and counts already.
    let next = open(folder.path()).await;
    next.charge(&[quota("ada", &next)], now() + 5).await.unwrap().durable.unwrap().kept().await;
    next.charge(&[quota("eve", &next)], now()).await.unwrap().durable.unwrap().kept().await;
    let sides = files(folder.path()).into_iter().filter(|name| name.starts_with("counters-")).count();
    assert_eq!(sides, 1, "its own file until it gets the main one");

    old.let_go();
    let known = || next.peek(&[Ask { cost: 2, ..quota("ada", &next) }], now() + 5).is_some();
    until("the next one knows what the old one counted", known).await;
    assert!(next.peek(&[quota("ada", &next)], now() + 5).is_none(), "two of three, each counted once");
    until("its own file is gone", || files(folder.path()).len() == 2).await;

    // The old one's last requests end, and are charged.
    let late = Ask { cost: 2, ..quota("bob", &old) };
    old.charge(&[late], now()).await.unwrap().durable.unwrap().kept().await;
    assert_eq!(files(folder.path()).len(), 3);
    close(old).await;
    let known = || next.peek(&[Ask { cost: 2, ..quota("bob", &next) }], now()).is_some();
    until("the next one takes that in too", known).await;
    until("the old one's file is gone", || files(folder.path()).len() == 2).await;

    let killed = as_if_killed(folder.path());
    let last = open(killed.path()).await;
    for (name, left) in [("ada", 1), ("eve", 2), ("bob", 1)] {
        assert_eq!(use_up(&last, name).await, left, "{name}");
    }
}

/// Both die in the middle of a hand-over.
#[tokio::test]
async fn files_of_the_dead_are_taken_in() {
    let folder = tempfile::tempdir().unwrap();
    let old = open(folder.path()).await;
    old.charge(&[quota("ada", &old)], now()).await.unwrap().durable.unwrap().kept().await;
    let next = open(folder.path()).await;
    next.charge(&[quota("ada", &next)], now() + 5).await.unwrap().durable.unwrap().kept().await;
    let killed = as_if_killed(folder.path());
    let last = open(killed.path()).await;
    assert_eq!(use_up(&last, "ada").await, 1);
    assert_eq!(files(killed.path()), ["counters.redb", "counters.seed"]);
}

#[tokio::test]
async fn a_broken_file_is_laid_aside() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("counters.redb"), [7; 5_000]).unwrap();
    fs::write(folder.path().join("counters-00.redb"), [7; 5_000]).unwrap();
    let (store, registry) = open_counted(folder.path()).await;
    assert_eq!(use_up(&store, "ada").await, 3);
    close(store).await;
    assert_eq!(
        files(folder.path()),
        ["counters-00.redb.broken", "counters.redb", "counters.redb.broken", "counters.seed"]
    );
    assert!(registry.render().contains("portcullis_state_errors_total{store=\"embedded\"} 1"));
    let store = open(folder.path()).await;
    assert_eq!(use_up(&store, "ada").await, 0);
}

/// A file that is cut short or changed anywhere: it is read as far as it holds, or laid aside, and nothing panics.
#[tokio::test]
async fn no_file_stops_a_start() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    assert_eq!(use_up(&store, "ada").await, 3);
    close(store).await;
    let good = fs::read(folder.path().join("counters.redb")).unwrap();
    for nth in 0..24_usize {
        let mut bytes = good.clone();
        if nth % 2 == 0 {
            bytes.truncate(good.len() * nth / 24);
        } else {
            // The header and the first pages, where most is.
            let at = (nth * nth * 97) % 20_000.min(good.len());
            bytes[at..].iter_mut().take(64).for_each(|byte| *byte ^= 0x5a);
        }
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("counters.redb"), bytes).unwrap();
        let store = open(folder.path()).await;
        assert!(use_up(&store, "eve").await == 3, "{nth}");
        close(store).await;
    }
}

#[tokio::test]
async fn a_disk_that_fails_does_not_stop_the_gateway() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("state"), "a file where a folder should be").unwrap();
    let (store, registry) = open_counted(&folder.path().join("state")).await;
    assert_eq!(use_up(&store, "ada").await, 3, "counted, and whoever waits for the disk is told");
    let text = registry.render();
    let line =
        text.lines().find(|line| line.starts_with("portcullis_state_errors_total{store=\"embedded\"}"));
    assert!(line.is_some_and(|line| !line.ends_with(" 0")), "{line:?}");
    // As soon as the disk works again, what is owed is written.
    fs::remove_file(folder.path().join("state")).unwrap();
    until("the counters are written", || folder.path().join("state/counters.redb").exists()).await;
    close(store).await;
    let store = open(&folder.path().join("state")).await;
    assert_eq!(use_up(&store, "ada").await, 0);
}

#[test]
fn a_file_keeps_what_it_is_told_to() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("some.redb");
    let file = File::open(&path).unwrap().unwrap();
    assert!(File::open(&path).unwrap().is_none(), "one process at a time");
    let meter = Meter::Window { max: 3, window_ms: DAY, penalty_ms: 0 };
    let record = |nth: u32| {
        let mut counter = Counter::new();
        counter.charge(&meter, 1, i64::from(nth));
        (CounterKey(nth.into()), Mark { full_at: nth, held_until: 0, load: 1 }, counter)
    };
    file.write(&(0..100).map(record).collect::<Vec<_>>()).unwrap();
    assert_eq!(file.retain(|_, mark| mark.full_at >= 60).unwrap(), 40);
    let mut read = Vec::new();
    file.read(|record| read.push(record)).unwrap();
    assert_eq!(read, (60..100).map(record).collect::<Vec<_>>());
    file.remove().unwrap();
    assert!(!path.exists());
}
