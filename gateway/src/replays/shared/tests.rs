//! Against a real server.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;

use redis::aio::MultiplexedConnection;
use tempfile::TempDir;

use super::super::tests::{NOW, TTL, freed, fresh, is_seen, key, race, reserve, walk_through};
use super::super::{Replays, Reserved};
use super::*;
use crate::metrics::Registry;

/// A server of our own, without a port.
struct Redis {
    child: Child,
    folder: TempDir,
}

impl Redis {
    fn start(more: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::new("redis-server")
            .args(["--port", "0", "--save", "", "--appendonly", "no", "--unixsocket", "socket", "--dir"])
            .arg(folder.path())
            .args(more)
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("redis-server is needed for these tests");
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let ready = lines.map_while(Result::ok).any(|line| line.contains("eady to accept connections"));
        assert!(ready, "the server did not start");
        Self { child, folder }
    }

    async fn connect(&self) -> Arc<Connection> {
        let address = format!("unix://{}", self.folder.path().join("socket").display());
        let client = redis::Client::open(address).unwrap();
        let inner = client.get_multiplexed_async_connection().await.unwrap();
        Arc::new(Connection { inner, lost: Mutex::new(None) })
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What becomes of the next script.
#[derive(Clone, Copy)]
enum Lost {
    /// It does not arrive.
    Question,
    /// It does, and its answer does not.
    Answer,
}

struct Connection {
    inner: MultiplexedConnection,
    lost: Mutex<Option<Lost>>,
}

#[async_trait]
impl Server for Connection {
    async fn eval(&self, script: &'static str, keys: &[String], args: &[String]) -> Result<i64, String> {
        let lost = self.lost.lock().unwrap().take();
        if matches!(lost, Some(Lost::Question)) {
            return Err("lost".to_owned());
        }
        let script = redis::Script::new(script);
        let mut call = script.prepare_invoke();
        for key in keys {
            call.key(key);
        }
        for arg in args {
            call.arg(arg);
        }
        let mut connection = self.inner.clone();
        let answer = call.invoke_async(&mut connection).await.map_err(|error| error.to_string());
        if lost.is_some() { Err("lost".to_owned()) } else { answer }
    }
}

impl Connection {
    fn lose(&self, what: Lost) {
        *self.lost.lock().unwrap() = Some(what);
    }

    /// Milliseconds that the key of this number has left.
    async fn left(&self, number: u32) -> i64 {
        let name = name(key(number).0.first_chunk().unwrap());
        self.eval("return redis.call('PTTL', KEYS[1])", &[name], &[]).await.unwrap()
    }
}

fn replica(server: &Arc<Connection>, lease: Duration) -> Arc<Replays> {
    let server: Arc<dyn Server> = Arc::<Connection>::clone(server);
    Arc::new(Replays::shared(server, lease, &Registry::new()))
}

const LEASE: Duration = Duration::from_mins(5);

#[tokio::test]
async fn on_a_server() {
    let redis = Redis::start(&[]);
    walk_through(&replica(&redis.connect().await, LEASE)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_to_all_replicas_one_goes_through() {
    let redis = Redis::start(&[]);
    let replicas = [
        replica(&redis.connect().await, LEASE),
        replica(&redis.connect().await, LEASE),
        replica(&redis.connect().await, LEASE),
    ];
    race(&replicas.iter().collect::<Vec<_>>()).await;
}

#[tokio::test]
async fn a_reservation_has_a_lease_and_what_is_accepted_its_time() {
    let redis = Redis::start(&[]);
    let server = redis.connect().await;
    let replays = replica(&server, LEASE);
    let lease = i64::try_from(LEASE.as_millis()).unwrap();
    let held = fresh(&replays, 1).await;
    let left = server.left(1).await;
    assert!(left > lease - 60_000 && left <= lease, "{left}");
    held.commit().await.unwrap();
    let (left, ttl) = (server.left(1).await, i64::try_from(TTL).unwrap());
    assert!(left > ttl - 60_000 && left <= ttl, "{left}");

    // A replica that was thought dead has delivered after all: what it says does not shorten what another one said.
    let short = replica(&server, Duration::from_millis(1));
    let late = match short.reserve(&[key(2)], 1000, NOW).await.unwrap() {
        Reserved::Fresh(reservation) => reservation,
        other => panic!("{other:?}"),
    };
    freed(&replays, 2).await.commit().await.unwrap();
    late.commit().await.unwrap();
    assert!(server.left(2).await > ttl - 60_000);
}

#[tokio::test]
async fn only_who_holds_a_reservation_ends_it() {
    let redis = Redis::start(&[]);
    let server = redis.connect().await;
    let replays = replica(&server, LEASE);
    let late = fresh(&replica(&server, Duration::from_millis(1)), 1).await;
    let held = freed(&replays, 1).await;
    late.release().await;
    assert!(matches!(reserve(&replays, 1).await, Reserved::InFlight));
    // A drop is heard of a little later.
    drop(held);
    freed(&replays, 1).await.commit().await.unwrap();
    assert!(is_seen(&replays, 1).await);
}

#[tokio::test]
async fn what_is_lost_on_the_way_lets_nothing_through() {
    let redis = Redis::start(&[]);
    let server = redis.connect().await;
    let replays = replica(&server, LEASE);
    for what in [Lost::Question, Lost::Answer] {
        server.lose(what);
        let reserved = replays.reserve(&[key(1)], TTL, NOW).await;
        assert_eq!(reserved.unwrap_err(), ReplayError::Unavailable);
        // If it arrived, it is released again.
        freed(&replays, 1).await.release().await;
    }
    for (number, what) in [(2, Lost::Question), (3, Lost::Answer)] {
        let held = fresh(&replays, number).await;
        server.lose(what);
        assert_eq!(held.commit().await.unwrap_err(), ReplayError::Unavailable);
        assert!(!matches!(reserve(&replays, number).await, Reserved::Fresh(_)));
    }
    assert!(is_seen(&replays, 3).await);
}

#[tokio::test]
async fn a_reservation_that_is_asked_for_twice_is_the_same() {
    let redis = Redis::start(&[]);
    let server = redis.connect().await;
    let reserve = async |token: &str| {
        let args = [token.to_owned(), "60000".to_owned()];
        server.eval(RESERVE, &["{a}:1".to_owned(), "{a}:2".to_owned()], &args).await.unwrap()
    };
    assert_eq!((reserve("one").await, reserve("one").await, reserve("two").await), (0, 0, 1));
}

#[tokio::test]
async fn a_full_server_refuses() {
    let redis = Redis::start(&["--maxmemory", "1", "--maxmemory-policy", "noeviction"]);
    let replays = replica(&redis.connect().await, LEASE);
    assert_eq!(replays.reserve(&[key(1)], TTL, NOW).await.unwrap_err(), ReplayError::Unavailable);
    assert_eq!(replays.caution().await, None);
}

#[tokio::test]
async fn a_server_that_forgets_is_told_of() {
    let redis = Redis::start(&["--maxmemory-policy", "volatile-lru"]);
    let server = redis.connect().await;
    let caution = replica(&server, LEASE).caution().await.unwrap();
    assert!(caution.contains("noeviction"), "{caution}");
    server.lose(Lost::Question);
    assert_eq!(replica(&server, LEASE).caution().await, None);
    assert_eq!(Arc::new(Replays::offline()).caution().await, None);
}
