//! What the server is told in the background: answers, places that are free again, and those that are still taken.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use rules::meter::{Ask, Note};
use tokio::sync::mpsc::{Receiver, Sender};
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::Redis;
use super::link::Line;
use super::script::{Item, LEASE_MS, Script, What, fill, key};

/// How many errands may wait. What comes on top is lost, and counted as an error.
pub(super) const WAITING: usize = 8_192;
/// So many are done at once.
const BATCH: usize = 256;
/// How often places that are still taken are renewed.
const RENEW: Duration = Duration::from_millis(LEASE_MS / 3);
/// Nobody waits for it, but it must not hang.
const DEADLINE: Duration = Duration::from_secs(1);
/// Places to be freed that are remembered while the server is away. Others are free when nobody renews them.
const OWED: usize = 10_000;

/// Something to be done.
pub(super) enum Errand {
    Note(Ask, Note, i64),
    Free(Seat),
    /// Says when all before is done.
    Flush(std::sync::mpsc::Sender<()>),
}

/// A place on the server.
#[derive(Clone)]
pub(super) struct Seat {
    key: String,
    name: String,
    cost: u32,
}

impl Seat {
    fn members(&self) -> impl Iterator<Item = String> {
        (1..=self.cost).map(|nth| format!("{}:{nth}", self.name))
    }
}

/// The places that requests of this process take.
#[derive(Default)]
pub(super) struct Taken(Mutex<HashMap<String, Seat>>);

impl Taken {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Seat>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place on the server that is freed when this is dropped; whether the server ever gave it or not.
pub(in crate::state) struct Claim {
    seat: Seat,
    taken: Arc<Taken>,
    errands: Sender<Errand>,
}

impl Claim {
    pub(super) fn new(ask: &Ask, name: String, taken: &Arc<Taken>, errands: &Sender<Errand>) -> Self {
        let seat = Seat { key: key(ask), name, cost: ask.cost };
        Self { seat, taken: Arc::clone(taken), errands: errands.clone() }
    }

    pub(super) fn name(&self) -> &str {
        &self.seat.name
    }

    /// The server gave it: it is renewed from now on.
    pub(super) fn hold(&self) {
        self.taken.lock().insert(self.seat.name.clone(), self.seat.clone());
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.taken.lock().remove(&self.seat.name);
        // If there is no room, it expires.
        let _ = self.errands.try_send(Errand::Free(self.seat.clone()));
    }
}

/// Does the errands, one batch after the other: what is freed is never renewed afterwards.
pub(super) struct Clerk {
    redis: Weak<Redis>,
    renewal: Script,
    owed: VecDeque<Seat>,
}

impl Clerk {
    pub(super) fn new(redis: Weak<Redis>) -> Self {
        Self { redis, renewal: Script::renewal(), owed: VecDeque::new() }
    }

    pub(super) async fn work(mut self, mut errands: Receiver<Errand>) {
        let mut ticks = interval(RENEW);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut batch = Vec::new();
        loop {
            tokio::select! {
                count = errands.recv_many(&mut batch, BATCH) => if count == 0 { return },
                _ = ticks.tick() => {}
            }
            let Some(redis) = self.redis.upgrade() else { return };
            if batch.is_empty() {
                self.renew(&redis).await;
            }
            self.run(&redis, &mut batch).await;
        }
    }

    async fn run(&mut self, redis: &Arc<Redis>, batch: &mut Vec<Errand>) {
        let (mut notes, mut flushes, mut now_ms) = (Vec::new(), Vec::new(), 0);
        for errand in batch.drain(..) {
            match errand {
                Errand::Note(ask, note, at) => {
                    notes.push((ask, note));
                    now_ms = at;
                }
                Errand::Free(seat) => self.owed.push_back(seat),
                Errand::Flush(done) => flushes.push(done),
            }
        }
        let over = self.owed.len().saturating_sub(OWED);
        self.owed.drain(..over);
        if !notes.is_empty() && !self.tell(redis, &notes).await {
            redis.note_without(&notes, now_ms);
        }
        self.free(redis).await;
        for done in flushes {
            let _ = done.send(());
        }
    }

    /// Whether the server took the notes.
    async fn tell(&self, redis: &Arc<Redis>, notes: &[(Ask, Note)]) -> bool {
        let Some(line) = redis.link.line() else { return false };
        let items: Vec<Item<'_>> =
            notes.iter().map(|(ask, note)| Item { ask, what: What::Note(*note), name: "" }).collect();
        let telling = redis.script.run(&line, |cmd| fill(cmd, &items, None));
        redis.heard(&line, timeout(DEADLINE, telling).await).is_some()
    }

    async fn free(&mut self, redis: &Arc<Redis>) {
        while !self.owed.is_empty() {
            let Some(line) = redis.link.line() else { return };
            let count = self.owed.len().min(BATCH);
            let mut pipeline = redis::pipe();
            for seat in self.owed.iter().take(count) {
                pipeline.cmd("ZREM").arg(&seat.key).arg(seat.members().collect::<Vec<_>>()).ignore();
            }
            if redis.heard(&line, timeout(DEADLINE, line.say_all(&pipeline)).await).is_none() {
                return;
            }
            self.owed.drain(..count);
        }
    }

    pub(super) async fn renew(&self, redis: &Arc<Redis>) {
        let seats: Vec<Seat> = redis.taken.lock().values().cloned().collect();
        for some in seats.chunks(BATCH) {
            let Some(line) = redis.link.line() else { return };
            if redis.heard(&line, timeout(DEADLINE, self.renew_some(&line, some)).await).is_none() {
                return;
            }
        }
    }

    async fn renew_some(&self, line: &Arc<Line>, seats: &[Seat]) -> redis::RedisResult<redis::Value> {
        let members: Vec<_> =
            seats.iter().flat_map(|seat| seat.members().map(|name| (&seat.key, name))).collect();
        let say = |cmd: &mut redis::Cmd| {
            cmd.arg(members.len());
            for (key, _) in &members {
                cmd.arg(key);
            }
            cmd.arg(LEASE_MS);
            for (_, name) in &members {
                cmd.arg(name);
            }
        };
        self.renewal.run(line, say).await
    }
}
