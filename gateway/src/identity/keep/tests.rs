use std::collections::VecDeque;
use std::sync::Mutex;

use http::HeaderValue;
use rules::credential::{KeysAt, Vouched};
use rules::identities::{Making, broken};
use rules::key_file::{Listed, Wrong};
use rules::policy::{IdentityDef, Library};
use rules::problem::Place;
use rules::secret::Secret;
use rules::token::Algorithm;
use rules::view::{Caller, Reading};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::*;
use crate::identity::issuer::{self, Tag};
use crate::mint::SigningKey;

const URL: &str = "https://issuer.test/jwks";

fn source() -> KeySource {
    KeySource {
        from: KeysAt::Url(URL.to_owned()),
        refresh: Duration::from_mins(10),
        stale_for: Duration::from_hours(24),
        algorithms: vec![Algorithm::Es256],
    }
}

fn ring() -> Arc<Ring> {
    Arc::new(Ring::new(&"session".into(), source(), None))
}

fn set() -> Value {
    SigningKey::generate().unwrap().key_set()
}

/// What the issuer says next; after the last, that nothing changed.
#[derive(Clone)]
enum Says {
    Set(Value),
    Same(Option<u64>),
    Nothing,
    Nonsense,
}

#[derive(Default)]
struct Script {
    says: Mutex<VecDeque<Says>>,
    asked: Mutex<Vec<Instant>>,
    tags: Mutex<Vec<Option<Tag>>>,
}

impl Ask for Arc<Script> {
    async fn ask(&self, source: &KeySource, known: Option<&Tag>) -> Result<Answer, String> {
        self.asked.lock().unwrap().push(Instant::now());
        self.tags.lock().unwrap().push(known.cloned());
        let says = self.says.lock().unwrap().pop_front().unwrap_or(Says::Same(None));
        sleep(Duration::from_millis(100)).await;
        match says {
            Says::Nothing => Err("it is down".to_owned()),
            Says::Nonsense => panic!("what nobody expected"),
            Says::Same(max_age) => Ok(Answer { published: None, max_age: max_age.map(Duration::from_secs) }),
            Says::Set(set) => {
                let mut published = issuer::read(set.to_string().as_bytes(), source)?;
                published.tag =
                    Some(Tag { address: URL.to_owned(), value: HeaderValue::from_static("\"1\"") });
                Ok(Answer { published: Some(published), max_age: None })
            }
        }
    }
}

impl Script {
    fn new(says: impl IntoIterator<Item = Says>) -> Arc<Self> {
        Arc::new(Self { says: Mutex::new(says.into_iter().collect()), ..Self::default() })
    }

    fn count(&self) -> usize {
        self.asked.lock().unwrap().len()
    }

    /// The seconds between one fetch's end and the next.
    fn pauses(&self) -> Vec<u64> {
        let asked = self.asked.lock().unwrap();
        asked
            .windows(2)
            .map(|pair| pair[1].duration_since(pair[0] + Duration::from_millis(100)).as_secs())
            .collect()
    }
}

fn kept(ring: &Arc<Ring>, script: &Arc<Script>, state: &Path) -> tokio::task::JoinHandle<()> {
    tokio::spawn(Keeper::new(ring, Arc::clone(script), state).keep())
}

#[tokio::test(start_paused = true)]
async fn while_there_are_no_keys_they_are_soon_tried_for_again() {
    let folder = tempfile::tempdir().unwrap();
    let says = [vec![Says::Nothing; 7], vec![Says::Set(set()), Says::Nonsense]].concat();
    let (ring, script) = (ring(), Script::new(says));
    kept(&ring, &script, folder.path());
    sleep(Duration::from_mins(40)).await;
    assert_eq!(script.pauses(), [1, 2, 4, 8, 16, 30, 30, 600, 1, 600, 600]);
    assert!(ring.has_held());
}

#[tokio::test(start_paused = true)]
async fn while_there_are_keys_failures_are_tried_again_at_growing_pauses() {
    let folder = tempfile::tempdir().unwrap();
    let says = [vec![Says::Set(set())], vec![Says::Nothing; 12]].concat();
    let (ring, script) = (ring(), Script::new(says));
    kept(&ring, &script, folder.path());
    sleep(Duration::from_mins(80)).await;
    assert_eq!(script.pauses()[..14], [600, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600, 600]);
    assert!(ring.held(now()).is_some(), "what there was stays in use");
}

#[test]
fn an_issuer_may_shorten_the_pause_to_a_minute_and_never_lengthen_it() {
    let secs = |refresh: u64, stale_for: u64, max_age: Option<u64>| {
        let (refresh, stale_for) = (Duration::from_secs(refresh), Duration::from_secs(stale_for));
        after(&KeySource { refresh, stale_for, ..source() }, max_age.map(Duration::from_secs)).as_secs()
    };
    for (refresh, max_age, pause) in [
        (600, None, 600),
        (600, Some(300), 300),
        (600, Some(60), 60),
        (600, Some(5), 60),
        (600, Some(0), 60),
        (600, Some(86_400), 600),
        (600, Some(u64::MAX), 600),
        (5, Some(0), 5),
        (5, Some(3600), 5),
    ] {
        assert_eq!(secs(refresh, 86_400, max_age), pause, "{refresh} {max_age:?}");
    }
    assert_eq!(secs(600, 600, None), 540, "the keys do not lapse while they are fetched");
}

#[tokio::test(start_paused = true)]
async fn only_other_keys_are_a_new_generation() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (set(), set());
    let says =
        [Says::Set(one.clone()), Says::Set(one.clone()), Says::Same(None), Says::Set(two), Says::Set(one)];
    let (ring, script) = (ring(), Script::new(says));
    kept(&ring, &script, folder.path());
    let mut generations = Vec::new();
    for _ in 0..5 {
        sleep(Duration::from_mins(5)).await;
        generations.push(ring.generation(now()).unwrap());
        sleep(Duration::from_millis(300_100)).await;
    }
    assert_eq!(generations[0], generations[1]);
    assert_eq!(generations[1], generations[2]);
    assert!(generations[2] < generations[3] && generations[3] < generations[4], "{generations:?}");
    let tags = script.tags.lock().unwrap();
    assert!(tags[0].is_none() && tags[1..].iter().all(Option::is_some), "{tags:?}");
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_unknown_keys_is_one_fetch_and_finds_the_new_one() {
    let folder = tempfile::tempdir().unwrap();
    let (ring, script) = (ring(), Script::new([Says::Set(set()), Says::Set(set())]));
    kept(&ring, &script, folder.path());
    sleep(Duration::from_secs(1)).await;
    let before = ring.generation(now());
    join_all((0..300).map(|_| ring.refetch())).await;
    assert_eq!(script.count(), 2);
    assert!(ring.generation(now()) > before);
    let begin = Instant::now();
    join_all((0..300).map(|_| ring.refetch())).await;
    assert_eq!((script.count(), begin.elapsed()), (2, Duration::ZERO));
}

/// The answer that was under way may be older than the key.
#[tokio::test(start_paused = true)]
async fn a_due_fetch_that_brings_nothing_new_is_not_the_last_word() {
    let folder = tempfile::tempdir().unwrap();
    let one = set();
    let (ring, script) = (ring(), Script::new([Says::Set(one), Says::Same(None), Says::Set(set())]));
    kept(&ring, &script, folder.path());
    sleep(Duration::from_millis(600_150)).await;
    assert_eq!(script.count(), 2, "the second is under way");
    let before = ring.generation(now());
    join_all((0..300).map(|_| ring.refetch())).await;
    assert_eq!(script.count(), 3);
    assert!(ring.generation(now()) > before);
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_ever() {
    let ring = ring();
    let begin = Instant::now();
    ring.refetch().await;
    assert_eq!(begin.elapsed(), Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn the_keeper_goes_with_the_ring() {
    let folder = tempfile::tempdir().unwrap();
    let (ring, script) = (ring(), Script::new([Says::Set(set())]));
    let keeping = kept(&ring, &script, folder.path());
    sleep(Duration::from_secs(1)).await;
    drop(ring);
    let begin = Instant::now();
    keeping.await.unwrap();
    assert_eq!((begin.elapsed(), script.count()), (Duration::ZERO, 1));
}

#[test]
fn keys_lapse_when_nobody_confirms_them() {
    let (ring, day) = (ring(), 24 * 3600);
    ring.take(issuer::read(set().to_string().as_bytes(), &source()).unwrap(), 1000);
    let generation = ring.generation(1000).unwrap();
    assert!(ring.held(1000 + day).is_some() && ring.generation(1000 + day).is_some());
    assert!(ring.held(1001 + day).is_none() && ring.generation(1001 + day).is_none());
    ring.renew(5000);
    assert_eq!(ring.generation(1001 + day), Some(generation));
    assert!(ring.held(5001 + day).is_none() && ring.has_held());
}

#[tokio::test(start_paused = true)]
async fn the_copy_is_written_when_it_matters() {
    let folder = tempfile::tempdir().unwrap();
    let (ring, script) = (ring(), Script::new([]));
    let mut keeper = Keeper::new(&ring, script, folder.path());
    let path = keeper.copy.path().to_owned();
    let (one, two) = (set(), set());
    let mut save = async |set: &Value, fetched: i64| {
        ring.take(issuer::read(set.to_string().as_bytes(), &source()).unwrap(), fetched);
        let _ = std::fs::remove_file(&path);
        keeper.save(&ring).await;
        path.exists()
    };
    let tenth = 24 * 360;
    assert!(save(&one, 1000).await, "the first");
    assert!(!save(&one, 1000 + tenth).await, "young enough");
    assert!(save(&one, 1001 + tenth).await, "it ages");
    assert!(!save(&one, 1002 + tenth).await);
    assert!(save(&two, 1003 + tenth).await, "other keys");
}

struct Nothing;

impl Library for Nothing {
    fn secret(&self, name: &str) -> Result<Secret, String> {
        Err(name.to_owned())
    }

    fn file(&self, path: &str) -> Result<Vec<u8>, String> {
        Err(path.to_owned())
    }

    fn keys(&self, _: &str) -> Result<Vec<Listed>, Vec<Wrong>> {
        Err(Vec::new())
    }
}

fn identity(name: &str, source: KeySource) -> Identity {
    let making =
        Making { name, index: 0, at: Place::root(), library: &Nothing, production: false, client_ca: false };
    Identity::new(Arc::new(IdentityDef { keys: Some(source), remembers: true, ..broken(&making) }))
}

/// A source that nobody serves, with a copy of its keys.
fn down(state: &Path) -> KeySource {
    let source = KeySource { from: KeysAt::Url("http://127.0.0.1:1/jwks".to_owned()), ..source() };
    KeyCopy::new(state, "session").write(&source, &set(), None, now() - 60).unwrap();
    source
}

#[tokio::test]
async fn a_reload_goes_on_with_the_same_ring() {
    let (folder, registry) = (tempfile::tempdir().unwrap(), Registry::new());
    let source = down(folder.path());
    let first = [identity("session", source.clone())];
    open(&first, &[], folder.path(), &registry).await;
    let generation = first[0].ring().unwrap().generation(now()).expect("the copy is used");
    std::fs::remove_dir_all(folder.path().join("keys")).unwrap();

    let longer = KeySource { stale_for: Duration::from_hours(48), ..source.clone() };
    let elsewhere = KeySource { from: KeysAt::Url("http://127.0.0.1:2/jwks".to_owned()), ..source.clone() };
    let second = [
        identity("session", source.clone()),
        identity("renamed", source.clone()),
        identity("elsewhere", elsewhere),
    ];
    open(&second, &first, folder.path(), &registry).await;
    assert!(Arc::ptr_eq(first[0].ring().unwrap(), second[0].ring().unwrap()));
    assert_eq!(second[1].ring().unwrap().generation(now()), Some(generation));
    assert!(second[2].ring().unwrap().last().is_none(), "another address's keys are not taken over");

    let third = [identity("session", longer)];
    open(&third, &second, folder.path(), &registry).await;
    let in_a_day_and_a_half = now() + 36 * 3600;
    assert!(second[0].held(in_a_day_and_a_half).is_none() && third[0].held(in_a_day_and_a_half).is_some());
}

#[tokio::test]
async fn a_copy_that_is_too_old_or_of_another_address_is_passed_over() {
    let registry = Registry::new();
    for (back, from, used) in [
        (60, "http://127.0.0.1:1/jwks", true),
        (-3600, "http://127.0.0.1:1/jwks", true),
        (25 * 3600, "http://127.0.0.1:1/jwks", false),
        (60, "http://127.0.0.1:2/jwks", false),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let at = |from: &str| KeySource { from: KeysAt::Url(from.to_owned()), ..source() };
        KeyCopy::new(folder.path(), "session").write(&at(from), &set(), None, now() - back).unwrap();
        let identities = [identity("session", at("http://127.0.0.1:1/jwks"))];
        open(&identities, &[], folder.path(), &registry).await;
        assert_eq!(identities[0].held(now()).is_some(), used, "{back} {from}");
        // A clock that was ahead does not make keys last longer.
        assert!(identities[0].held(now() + 24 * 3600 + 5).is_none());
    }
}

/// What was verified with keys that lapsed is not vouched for by memory either.
#[test]
fn nothing_is_recalled_without_keys() {
    let identity = identity("session", source());
    let ring = Arc::new(Ring::new(&"session".into(), source(), None));
    ring.take(issuer::read(set().to_string().as_bytes(), &source()).unwrap(), 1000);
    assert!(identity.ring.set(Arc::clone(&ring)).is_ok());
    let caller = Arc::new(Caller {
        key: None,
        identity: "session".into(),
        user: Reading::Absent,
        tenants: Reading::Absent,
        roles: Reading::Absent,
        scopes: Reading::Absent,
        forward: Vec::new(),
        unforwardable: None,
        claims: serde_json::Map::new(),
    });
    let vouched = Vouched { caller, from: 0, until: i64::MAX };
    identity.remember(b"token", vouched, identity.held(1000).as_deref());
    assert!(identity.recall(b"token", 1000).is_some());
    assert!(identity.recall(b"token", 1001 + 24 * 3600).is_none());
    ring.renew(1000 + 24 * 3600);
    assert!(identity.recall(b"token", 1001 + 24 * 3600).is_some());
    ring.take(issuer::read(set().to_string().as_bytes(), &source()).unwrap(), 1000 + 24 * 3600);
    assert!(identity.recall(b"token", 1001 + 24 * 3600).is_none(), "the keys changed");
}
