mod kill;
mod model;

use std::sync::mpsc;

use futures_util::FutureExt as _;
use tempfile::TempDir;
use tokio::task::JoinSet;

use super::*;

pub(super) const NOW: i64 = 1_800_000_000_000;
pub(super) const TTL: u64 = 600_000;

/// Another key for each number.
pub(super) fn key(number: u32) -> ReplayKey {
    let mut bytes = [0xa5; 32];
    bytes[..4].copy_from_slice(&number.to_be_bytes());
    ReplayKey(bytes)
}

fn open(folder: &Path) -> Arc<Replays> {
    Arc::new(Replays::open(folder, 1000, &Registry::new()).unwrap())
}

fn opened() -> (TempDir, Arc<Replays>) {
    let folder = tempfile::tempdir().unwrap();
    let replays = open(folder.path());
    (folder, replays)
}

pub(super) async fn reserve(replays: &Arc<Replays>, number: u32) -> Reserved {
    replays.reserve(&[key(number)], TTL, NOW).await.unwrap()
}

pub(super) async fn fresh(replays: &Arc<Replays>, number: u32) -> Reservation {
    match reserve(replays, number).await {
        Reserved::Fresh(reservation) => reservation,
        other => panic!("{number}: {other:?}"),
    }
}

/// A reservation of what is reserved, as soon as it is not.
pub(super) async fn freed(replays: &Arc<Replays>, number: u32) -> Reservation {
    loop {
        match reserve(replays, number).await {
            Reserved::Fresh(reservation) => return reservation,
            Reserved::InFlight => {}
            Reserved::Seen => panic!("nobody has committed"),
        }
    }
}

pub(super) async fn is_seen(replays: &Arc<Replays>, number: u32) -> bool {
    matches!(reserve(replays, number).await, Reserved::Seen)
}

/// What every store promises.
pub(super) async fn walk_through(replays: &Arc<Replays>) {
    let first = fresh(replays, 1).await;
    assert!(matches!(reserve(replays, 1).await, Reserved::InFlight));
    first.release().await;
    let again = fresh(replays, 1).await;
    again.commit().await.unwrap();
    assert!(is_seen(replays, 1).await);

    // All or none: what is refused reserves nothing.
    let keys = |numbers: &[u32]| numbers.iter().copied().map(key).collect::<Vec<_>>();
    let several = async |numbers: &[u32]| replays.reserve(&keys(numbers), TTL, NOW).await.unwrap();
    assert!(matches!(several(&[2, 1, 3]).await, Reserved::Seen));
    let held = fresh(replays, 2).await;
    assert!(matches!(several(&[3, 2, 4]).await, Reserved::InFlight));
    assert!(matches!(several(&[2, 1]).await, Reserved::Seen), "seen counts for more than in flight");
    let Reserved::Fresh(both) = several(&[4, 3, 4]).await else { panic!("3 and 4 are free") };
    both.commit().await.unwrap();
    assert!(is_seen(replays, 3).await && is_seen(replays, 4).await);
    held.commit().await.unwrap();
    assert!(is_seen(replays, 2).await);
    assert_eq!(replays.reserve(&[], TTL, NOW).await.unwrap_err(), ReplayError::Unavailable);
}

/// Of many identical deliveries at a time, to any of these, one goes through.
pub(super) async fn race(stores: &[&Arc<Replays>]) {
    for number in 100..110 {
        let mut deliveries = JoinSet::new();
        for _ in 0..20 {
            for replays in stores {
                let replays = Arc::clone(replays);
                deliveries.spawn(async move { reserve(&replays, number).await });
            }
        }
        let mut all = deliveries.join_all().await;
        let place = all.iter().position(|reserved| matches!(reserved, Reserved::Fresh(_))).unwrap();
        let Reserved::Fresh(winner) = all.swap_remove(place) else { unreachable!() };
        assert!(all.iter().all(|reserved| matches!(reserved, Reserved::InFlight)), "{all:?}");
        winner.commit().await.unwrap();
        for replays in stores {
            assert!(is_seen(replays, number).await);
        }
    }
}

#[tokio::test]
async fn in_memory() {
    walk_through(&Arc::new(Replays::offline())).await;
}

#[tokio::test]
async fn on_disk() {
    let (folder, replays) = opened();
    walk_through(&replays).await;
    let successor = open(folder.path());
    drop(replays);
    for number in [1, 2, 3, 4] {
        assert!(is_seen(&successor, number).await, "{number}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_of_many_goes_through() {
    race(&[&Arc::new(Replays::offline())]).await;
    let (folder, replays) = opened();
    race(&[&replays, &open(folder.path())]).await;
}

#[test]
fn offline_waits_for_nothing() {
    let replays = Arc::new(Replays::offline());
    let reserve = |number, now| replays.reserve_now(&[key(number)], TTL, now).unwrap();
    let Reserved::Fresh(first) = reserve(1, NOW) else { panic!("nothing was there") };
    assert!(matches!(reserve(1, NOW), Reserved::InFlight));
    drop(first);
    let Reserved::Fresh(second) = reserve(1, NOW) else { panic!("it was released") };
    second.commit_now();
    let end = NOW + i64::try_from(TTL).unwrap();
    assert!(matches!(reserve(1, end - 1), Reserved::Seen));
    assert!(matches!(reserve(1, end), Reserved::Fresh(_)));
    assert!(matches!(reserve(1, NOW - 1), Reserved::Seen), "recorded times may come in any order");
}

#[test]
fn without_a_runtime_nothing_on_disk_is_promised() {
    let (_folder, replays) = opened();
    let reserved = replays.reserve_now(&[key(1)], TTL, NOW);
    assert_eq!(reserved.unwrap_err(), ReplayError::Unavailable);
}

#[tokio::test]
async fn what_is_dropped_unheard_is_released() {
    let (_folder, replays) = opened();
    drop(reserve(&replays, 1).now_or_never());
    freed(&replays, 1).await.commit().await.unwrap();
}

/// A disk that answers when it is told to.
fn slow_disk() -> (journal::ToDisk, mpsc::Receiver<()>, mpsc::Sender<()>) {
    let (began, begun) = mpsc::channel();
    let (go, gone) = mpsc::channel();
    let gone = Mutex::new(gone);
    let disk = move |file: &std::fs::File| {
        began.send(()).unwrap();
        gone.lock().unwrap().recv().unwrap();
        file.sync_data()
    };
    (Arc::new(disk), begun, go)
}

#[tokio::test]
async fn no_commit_is_told_before_the_disk_has_it() {
    let folder = tempfile::tempdir().unwrap();
    let (disk, begun, go) = slow_disk();
    let clerk = Clerk::start(folder.path(), 10, disk).unwrap();
    let replays = Arc::new(Replays { store: Store::Journal(clerk), errors: Counter::noop() });
    let mut committing = Box::pin(fresh(&replays, 1).await.commit());
    assert!(committing.as_mut().now_or_never().is_none());
    begun.recv().unwrap();
    assert!(matches!(reserve(&replays, 1).await, Reserved::InFlight), "the disk is at it still");
    let other = fresh(&replays, 2).await;
    assert!(committing.as_mut().now_or_never().is_none(), "others are not kept waiting");
    go.send(()).unwrap();
    committing.await.unwrap();
    assert!(is_seen(&replays, 1).await);
    drop(other);
}

#[tokio::test]
async fn a_commit_goes_on_when_nobody_waits() {
    let (_folder, replays) = opened();
    let _ = fresh(&replays, 1).await.commit().now_or_never();
    fresh(&replays, 2).await.commit().await.unwrap();
    assert!(is_seen(&replays, 1).await, "it was before the other one");
    fresh(&replays, 3).await.commit_now();
    fresh(&replays, 4).await.commit().await.unwrap();
    assert!(is_seen(&replays, 3).await);
}

#[tokio::test]
async fn what_fails_is_counted() {
    let (folder, registry) = (tempfile::tempdir().unwrap(), Registry::new());
    let counted = |count: u32| {
        let line = format!("portcullis_state_errors_total{{store=\"replays\"}} {count}");
        registry.render().lines().any(|found| found == line)
    };
    let replays = Arc::new(Replays::open(folder.path(), 1, &registry).unwrap());
    assert!(counted(0), "from the start, so that the first one shows");
    let held = fresh(&replays, 1).await;
    assert_eq!(replays.reserve(&[key(2)], TTL, NOW).await.unwrap_err(), ReplayError::Full);
    assert!(counted(1));
    assert!(matches!(reserve(&replays, 1).await, Reserved::InFlight));
    assert!(counted(1), "that is no failure");
    drop(replays);
    assert_eq!(held.commit().await.unwrap_err(), ReplayError::Unavailable);
    assert!(counted(2));
}

#[test]
fn a_folder_that_cannot_be_used_is_told() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("replays"), "").unwrap();
    let why = Replays::open(folder.path(), 1, &Registry::new()).err().unwrap();
    assert!(why.starts_with("the remembered webhook deliveries in ") && !why.ends_with('.'), "{why}");
}
