//! Two processes against what anybody would write who had only one, and no disk.

use std::collections::{HashMap, HashSet};

use proptest::prelude::*;
use tokio::runtime::Runtime;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Reserve {
        process: usize,
        keys: Vec<u32>,
        ttl_ms: u64,
    },
    Commit(prop::sample::Index),
    Release(prop::sample::Index),
    /// The clock goes on, or back.
    Pass(i64),
    Restart(usize),
}

fn any_step() -> impl Strategy<Value = Step> {
    let keys = prop::collection::vec(0..8_u32, 1..4);
    prop_oneof![
        6 => (0..2_usize, keys, 0..5000_u64)
            .prop_map(|(process, keys, ttl_ms)| Step::Reserve { process, keys, ttl_ms }),
        3 => any::<prop::sample::Index>().prop_map(Step::Commit),
        2 => any::<prop::sample::Index>().prop_map(Step::Release),
        2 => (-2000..3000_i64).prop_map(Step::Pass),
        1 => (0..2_usize).prop_map(Step::Restart),
    ]
}

struct Held {
    process: usize,
    keys: Vec<u32>,
    until_ms: i64,
    reservation: Reservation,
}

#[derive(Default)]
struct Model {
    /// Until when, in milliseconds.
    accepted: HashMap<u32, i64>,
    reserved: HashSet<u32>,
}

impl Model {
    fn expect(&self, keys: &[u32], now: i64) -> &'static str {
        if keys.iter().any(|key| self.accepted.get(key).is_some_and(|until| now < *until)) {
            "seen"
        } else if keys.iter().any(|key| self.reserved.contains(key)) {
            "in flight"
        } else {
            "fresh"
        }
    }

    fn free(&mut self, keys: &[u32]) {
        for key in keys {
            assert!(self.reserved.remove(key));
        }
    }
}

struct World {
    runtime: Runtime,
    folder: TempDir,
    processes: [Option<Arc<Replays>>; 2],
    held: Vec<Held>,
    model: Model,
    now: i64,
}

impl World {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut world = Self {
            runtime,
            folder: tempfile::tempdir().unwrap(),
            processes: [None, None],
            held: Vec::new(),
            model: Model::default(),
            now: NOW,
        };
        world.restart(0);
        world.restart(1);
        world
    }

    fn process(&self, process: usize) -> &Arc<Replays> {
        self.processes[process].as_ref().unwrap()
    }

    fn restart(&mut self, process: usize) {
        let (gone, held) =
            std::mem::take(&mut self.held).into_iter().partition(|held| held.process == process);
        self.held = held;
        for held in gone {
            self.model.free(&held.keys);
        }
        self.processes[process] = None;
        let clerk = Clerk::start(self.folder.path(), 1000, Arc::new(|_| Ok(()))).unwrap();
        let replays = Replays { store: Store::Journal(clerk), errors: Counter::noop() };
        self.processes[process] = Some(Arc::new(replays));
    }

    fn reserve(&mut self, process: usize, numbers: &[u32], ttl_ms: u64) {
        let keys: Vec<ReplayKey> = numbers.iter().copied().map(key).collect();
        let asked = self.process(process).reserve(&keys, ttl_ms, self.now);
        let reserved = self.runtime.block_on(asked).unwrap();
        let found = match &reserved {
            Reserved::Fresh(_) => "fresh",
            Reserved::InFlight => "in flight",
            Reserved::Seen => "seen",
        };
        assert_eq!(found, self.model.expect(numbers, self.now), "{numbers:?} at {}", self.now);
        if let Reserved::Fresh(reservation) = reserved {
            let mut keys = numbers.to_vec();
            keys.sort_unstable();
            keys.dedup();
            self.model.reserved.extend(&keys);
            let end = self.now + i64::try_from(ttl_ms).unwrap();
            let until_ms = (end + 999).div_euclid(1000) * 1000;
            self.held.push(Held { process, keys, until_ms, reservation });
        }
    }

    fn take(&mut self, index: prop::sample::Index) -> Option<Held> {
        let held = (!self.held.is_empty()).then(|| self.held.swap_remove(index.index(self.held.len())))?;
        self.model.free(&held.keys);
        Some(held)
    }

    fn commit(&mut self, index: prop::sample::Index) {
        let Some(held) = self.take(index) else { return };
        self.runtime.block_on(held.reservation.commit()).unwrap();
        for key in held.keys {
            let until = self.model.accepted.entry(key).or_insert(held.until_ms);
            *until = held.until_ms.max(*until);
        }
    }

    fn release(&mut self, index: prop::sample::Index) {
        let Some(held) = self.take(index) else { return };
        drop(held.reservation);
        // The other process learns of it once the thread has written it: before it answers the next question.
        let keys = [key(1000)];
        let next = self.process(held.process).reserve(&keys, 0, self.now);
        drop(self.runtime.block_on(next).unwrap());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn two_processes_are_as_one(steps in prop::collection::vec(any_step(), 1..60)) {
        let mut world = World::new();
        for step in steps {
            match step {
                Step::Reserve { process, keys, ttl_ms } => world.reserve(process, &keys, ttl_ms),
                Step::Commit(index) => world.commit(index),
                Step::Release(index) => world.release(index),
                Step::Pass(ms) => world.now += ms,
                Step::Restart(process) => world.restart(process),
            }
        }
    }
}
