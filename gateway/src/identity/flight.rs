//! One fetch at a time, and on request not more than one in a while: who needs what is being fetched waits for it.

use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep};

/// How often requests may cause a fetch: whoever makes up key names would otherwise have the issuer flooded.
const ONCE_IN: Duration = Duration::from_secs(30);

/// How a wish for a fetch was met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Met {
    /// One was begun for it, and has ended.
    Begun,
    /// One that was under way has ended.
    Joined,
    /// There was one a moment ago.
    NotNow,
}

/// The fetches of one ring.
pub(super) struct Flight {
    pace: Mutex<Pace>,
    wanted: Notify,
    /// How many have ended.
    ended: watch::Sender<u64>,
}

struct Pace {
    under_way: bool,
    /// When a request last caused one.
    asked: Option<Instant>,
}

impl Flight {
    pub(super) fn new() -> Self {
        Self {
            pace: Mutex::new(Pace { under_way: false, asked: None }),
            wanted: Notify::new(),
            ended: watch::Sender::new(0),
        }
    }

    fn pace(&self) -> MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wishes for a fetch, and waits for its end.
    pub(super) async fn ask(&self) -> Met {
        // Before the look at what is under way, so that its end is not missed.
        let mut ended = self.ended.subscribe();
        let met = {
            let mut pace = self.pace();
            let now = Instant::now();
            let rested = pace.asked.is_none_or(|asked| now.duration_since(asked) >= ONCE_IN);
            match (pace.under_way, rested) {
                (true, _) => Met::Joined,
                (false, true) => {
                    *pace = Pace { under_way: true, asked: Some(now) };
                    self.wanted.notify_one();
                    Met::Begun
                }
                (false, false) => return Met::NotNow,
            }
        };
        // It ends with an error only when the flight is gone, and we hold it.
        let _ = ended.changed().await;
        met
    }

    /// Waits until a fetch is due: after the pause, or when one is wished for.
    pub(super) async fn due(&self, pause: Duration) {
        tokio::select! {
            () = sleep(pause) => {}
            () = self.wanted.notified() => {}
        }
    }

    /// Has [`Flight::due`] return now.
    pub(super) fn wake(&self) {
        self.wanted.notify_one();
    }

    /// Notes that a fetch begins. Whoever wished for one has it herewith.
    pub(super) fn begin(&self) {
        let mut pace = self.pace();
        pace.under_way = true;
        let _ = self.wanted.notified().now_or_never();
    }

    /// Notes that it has ended.
    pub(super) fn end(&self) {
        self.pace().under_way = false;
        self.ended.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Waits for the end of the first fetch from now on; not for one that has ended already.
    pub(super) fn next_end(&self) -> impl Future<Output = ()> + use<> {
        let mut ended = self.ended.subscribe();
        async move {
            let _ = ended.changed().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Fetches, each a second long, in the background.
    fn flying(pause: Duration) -> (Arc<Flight>, Arc<AtomicUsize>) {
        let (flight, fetches) = (Arc::new(Flight::new()), Arc::new(AtomicUsize::new(0)));
        let (own, count) = (Arc::clone(&flight), Arc::clone(&fetches));
        tokio::spawn(async move {
            loop {
                own.due(pause).await;
                own.begin();
                count.fetch_add(1, Ordering::SeqCst);
                sleep(Duration::from_secs(1)).await;
                own.end();
            }
        });
        (flight, fetches)
    }

    async fn all(flight: &Flight, count: usize) -> Vec<Met> {
        futures_util::future::join_all((0..count).map(|_| flight.ask())).await
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_of_wishes_is_one_fetch_in_thirty_seconds() {
        let (flight, fetches) = flying(Duration::from_hours(1));
        let begin = Instant::now();
        let met = all(&flight, 500).await;
        assert_eq!(met.iter().filter(|met| **met == Met::Begun).count(), 1);
        assert_eq!(met.iter().filter(|met| **met == Met::Joined).count(), 499);
        assert_eq!((fetches.load(Ordering::SeqCst), begin.elapsed()), (1, Duration::from_secs(1)));
        assert!(all(&flight, 500).await.iter().all(|met| *met == Met::NotNow));
        assert_eq!(begin.elapsed(), Duration::from_secs(1), "at once");
        sleep(Duration::from_secs(28)).await;
        assert_eq!(flight.ask().await, Met::NotNow);
        sleep(Duration::from_secs(1)).await;
        assert_eq!(flight.ask().await, Met::Begun);
        assert_eq!(fetches.load(Ordering::SeqCst), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_fetch_that_is_due_serves_wishes_and_uses_none_up() {
        let (flight, fetches) = flying(Duration::from_secs(10));
        sleep(Duration::from_millis(10_500)).await;
        assert!(all(&flight, 9).await.iter().all(|met| *met == Met::Joined));
        assert_eq!(fetches.load(Ordering::SeqCst), 1);
        assert_eq!(flight.ask().await, Met::Begun);
        assert_eq!(fetches.load(Ordering::SeqCst), 2);
        // The next is due ten seconds after the last, not at once for a wish that was met.
        sleep(Duration::from_secs(9)).await;
        assert_eq!(fetches.load(Ordering::SeqCst), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_wish_on_the_brink_of_a_due_fetch_is_met_by_it() {
        let flight = Arc::new(Flight::new());
        let asking = tokio::spawn({
            let flight = Arc::clone(&flight);
            async move { flight.ask().await }
        });
        tokio::task::yield_now().await;
        flight.begin();
        flight.end();
        assert_eq!(asking.await.unwrap(), Met::Begun);
        let begin = Instant::now();
        flight.due(Duration::from_secs(5)).await;
        assert_eq!(begin.elapsed(), Duration::from_secs(5), "nothing is left to be done at once");
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_stops_waiting_leaves_the_fetch_to_the_others() {
        let (flight, fetches) = flying(Duration::from_hours(1));
        let impatient = tokio::time::timeout(Duration::from_millis(1), flight.ask());
        let (gone, met) = tokio::join!(impatient, flight.ask());
        assert!(gone.is_err());
        assert_eq!((met, fetches.load(Ordering::SeqCst)), (Met::Joined, 1));
    }
}
