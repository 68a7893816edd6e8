//! Against a real server.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rules::meter::{CounterKey, Meter};
use rules::secret::Secret;

use super::*;
use crate::metrics::Registry;
use crate::state::{Store, Terms};

mod failures;
mod places;
// The harness's own, which the end-to-end tests use too: the harness itself takes long to build.
#[expect(unreachable_pub, reason = "public in the harness")]
#[path = "../../../../tests/harness/redis.rs"]
mod server;
mod verdicts;

use server::Redis as Server;

const HOUR: u64 = 3_600_000;
/// Long enough for a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(5);

fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

fn window(name: u128, max: u32) -> Ask {
    Ask { key: CounterKey(name), meter: Meter::Window { max, window_ms: HOUR, penalty_ms: 0 }, cost: 1 }
}

fn places(name: u128, max: u32) -> Ask {
    Ask { key: CounterKey(name), meter: Meter::Concurrent { max }, cost: 1 }
}

fn shared(url: &str, on_failure: OnFailure, timeout: Duration) -> Shared {
    Shared::compile(&Secret::new(url.into()), None, timeout, on_failure).unwrap()
}

async fn try_open(shared: Shared) -> Result<(Store, Registry), String> {
    let registry = Registry::new();
    let terms = Terms { keys: 10_000, shared: Some(shared) };
    let nowhere = std::path::Path::new("/nonexistent");
    Ok((Store::open(terms, nowhere, &registry).await?, registry))
}

async fn open(server: &Server, on_failure: OnFailure) -> Store {
    try_open(shared(&server.url(), on_failure, PATIENCE)).await.unwrap().0
}

fn redis(store: &Store) -> &Arc<Redis> {
    &store.shared.as_ref().unwrap().redis
}

/// Charges until it refuses, dropping what it takes: how often it did not.
async fn use_up(store: &Store, ask: Ask) -> usize {
    let mut count = 0;
    while store.charge(&[ask], now()).await.is_ok() {
        count += 1;
        assert!(count < 10_000, "it admits for ever");
    }
    count
}

/// Until `is_so`, which a background task brings about.
async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !is_so().await {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(20), waiting).await.unwrap_or_else(|_| panic!("never: {what}"));
}

async fn reconnected(store: &Store) {
    until("the server answers again", async || redis(store).link.is_up()).await;
}

/// Waits until the background has told all.
async fn flush(store: &Store) {
    let (done, is_done) = std::sync::mpsc::channel();
    redis(store).errands.send(Errand::Flush(done)).await.unwrap();
    tokio::task::spawn_blocking(move || is_done.recv().unwrap()).await.unwrap();
}

fn errors(registry: &Registry) -> u64 {
    let text = registry.render();
    let line =
        text.lines().find_map(|line| line.strip_prefix("portcullis_state_errors_total{store=\"redis\"} "));
    line.unwrap().parse().unwrap()
}
