//! Counters that several gateways share, on a Redis or Valkey server.
//!
//! All counters of a request are asked and charged by one script, in one round trip, by the server's clock. What it said
//! no to is remembered here, so that a flood of the same ends here. While it does not answer, nobody waits for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use metrics::Counter as Tally;
use redis::RedisResult;
use rules::meter::{Ask, Kind, Note};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::error::Elapsed;
use tokio::time::timeout;

pub(super) use self::clerk::Claim;
use self::clerk::{Clerk, Errand, Taken, WAITING};
use self::denials::Denials;
use self::link::{Line, Link};
use self::script::{Answer, Item, Script, What, answers, fill};
use super::Admission;
use super::answer::{Denial, Denied};
use super::embedded::{Embedded, cost};
use super::few::Few;
use super::lease::{Lease, takes_place};
use super::seed::Seed;
use super::shared::{OnFailure, Shared};

mod clerk;
mod denials;
mod link;
mod script;
#[cfg(test)]
mod tests;

/// How long a start waits for the server where it cannot do without, and where it can.
const NEEDED: Duration = Duration::from_secs(5);
const WANTED: Duration = Duration::from_secs(1);
/// How long an end waits until the last is said.
const LAST: Duration = Duration::from_millis(500);

/// The shared store.
pub(super) struct Redis {
    shared: Shared,
    link: Link,
    script: Script,
    denials: Denials,
    taken: Arc<Taken>,
    errands: mpsc::Sender<Errand>,
    errors: Tally,
    /// Counts while the server is away.
    table: Arc<Embedded>,
    /// What the table's keys are hashed with once more: the server's keys are no secret.
    seed: Seed,
    /// Names of places begin with it.
    replica: u64,
    places: AtomicU64,
}

/// The shared store with its tasks, which end with it.
pub(super) struct Service {
    redis: Arc<Redis>,
    tasks: [AbortHandle; 2],
}

impl Drop for Service {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

impl Service {
    /// Connects. A server that cannot be reached yet is an error only where nothing goes without it.
    ///
    /// # Errors
    /// Why it cannot be reached: a sentence.
    pub(super) async fn open(shared: Shared, table: Arc<Embedded>, errors: Tally) -> Result<Self, String> {
        let mut replica = [0; 8];
        aws_lc_rs::rand::fill(&mut replica).map_err(|_| "the system gives no random bytes".to_owned())?;
        let (errands, waiting) = mpsc::channel(WAITING);
        let redis = Arc::new(Redis {
            link: Link::new(shared.clone(), errors.clone()),
            shared,
            script: Script::counters(),
            denials: Denials::new(),
            taken: Arc::default(),
            errands,
            errors,
            table,
            seed: Seed::random()?,
            replica: u64::from_le_bytes(replica),
            places: AtomicU64::new(0),
        });
        let keeper = Arc::clone(&redis);
        let clerk = Clerk::new(Arc::downgrade(&redis));
        let tasks = [
            tokio::spawn(async move { keeper.link.keep(&keeper.script).await }).abort_handle(),
            tokio::spawn(clerk.work(waiting)).abort_handle(),
        ];
        let service = Self { redis, tasks };
        let (link, shared) = (&service.redis.link, &service.redis.shared);
        if shared.on_failure == OnFailure::Deny {
            let unreachable =
                |why| format!("the shared store of counters at {} fails: {why}", shared.address());
            link.first(NEEDED, false).await.map_err(unreachable)?;
        } else {
            let _ = link.first(WANTED, true).await;
        }
        Ok(service)
    }

    pub(super) fn redis(&self) -> &Redis {
        &self.redis
    }
}

impl Redis {
    /// What is known here: remembered refusals; while the server is away, what is counted here.
    pub(super) fn peek(&self, asks: &[Ask], now_ms: i64) -> Option<Denial> {
        let remembered = self.denials.find(asks, now_ms);
        if remembered.is_some() || self.shared.on_failure != OnFailure::Local || self.link.is_up() {
            return remembered;
        }
        self.table.peek(&self.own(asks), now_ms)
    }

    pub(super) async fn charge(&self, asks: &[Ask], now_ms: i64) -> Result<Admission, Denied> {
        if asks.is_empty() {
            return Ok(Admission::default());
        }
        if let Some(denial) = self.denials.find(asks, now_ms) {
            return Err(Denied::Limit(Box::new(denial)));
        }
        let Some(line) = self.link.line() else { return self.charge_without(asks, now_ms) };
        // Freed again when this is dropped, so also if the client goes before the server answered.
        let claims: Vec<Option<Claim>> =
            asks.iter().map(|ask| takes_place(ask).then(|| self.claim(ask))).collect();
        let items = asks.iter().zip(&claims).map(|(ask, claim)| {
            let name = claim.as_ref().map_or("", Claim::name);
            Item { ask, what: What::Ask, name }
        });
        let items: Vec<_> = items.collect();
        let asking = async { answers(asks, self.script.run(&line, |cmd| fill(cmd, &items, None)).await?) };
        match self.heard(&line, timeout(self.shared.timeout, asking).await) {
            Some(answers) => self.judge(asks, &answers, claims, now_ms),
            None => self.charge_without(asks, now_ms),
        }
    }

    /// Runs a script of somebody else, who keeps other things in the same server; the integer that it returns.
    pub(super) async fn eval(&self, script: &str, keys: &[String], args: &[String]) -> Result<i64, String> {
        let line = self.link.line().ok_or("the shared store cannot be reached")?;
        let mut cmd = ::redis::cmd("EVAL");
        cmd.arg(script).arg(keys.len()).arg(keys).arg(args);
        let said = self.heard(&line, timeout(self.shared.timeout, line.say(&cmd)).await);
        match said {
            Some(::redis::Value::Int(number)) => Ok(number),
            Some(_) => Err("the shared store answers with something else than a number".to_owned()),
            None => Err("the shared store did not answer".to_owned()),
        }
    }

    /// Tells counters what an answer was: soon, and without waiting.
    pub(super) fn note(&self, notes: &[(Ask, Note)], now_ms: i64) {
        if !self.link.is_up() {
            return self.note_without(notes, now_ms);
        }
        for (ask, note) in notes {
            if self.errands.try_send(Errand::Note(*ask, *note, now_ms)).is_err() {
                self.errors.increment(1);
            }
        }
    }

    /// Waits until what is to be told was told, but not for long.
    pub(super) fn close(&self) {
        let (done, is_done) = std::sync::mpsc::channel();
        if self.errands.try_send(Errand::Flush(done)).is_ok() {
            let _ = is_done.recv_timeout(LAST);
        }
    }

    fn claim(&self, ask: &Ask) -> Claim {
        let nth = self.places.fetch_add(1, Ordering::Relaxed);
        Claim::new(ask, format!("{:016x}{nth:x}", self.replica), &self.taken, &self.errands)
    }

    fn judge(
        &self,
        asks: &[Ask],
        answers: &[Answer],
        claims: Vec<Option<Claim>>,
        now_ms: i64,
    ) -> Result<Admission, Denied> {
        let standings: Few<_> = answers.iter().map(|answer| answer.standing).collect();
        let mut worst: Option<(usize, u64)> = None;
        for (index, (ask, answer)) in asks.iter().zip(answers).enumerate() {
            let retry = answer.retry_after_ms;
            if retry > 0 {
                self.denials.add(ask, cost(asks, index), answer.standing, retry, now_ms);
                worst = worst.filter(|(_, longest)| *longest >= retry).or(Some((index, retry)));
            }
        }
        let Some((index, retry_after_ms)) = worst else {
            let hold = |claim: Claim| {
                claim.hold();
                Lease::shared(claim)
            };
            let leases = claims.into_iter().flatten().map(hold).collect();
            return Ok(Admission { standings, leases, ..Admission::default() });
        };
        let kind = asks.get(index).map_or(Kind::Rate, |ask| ask.meter.kind());
        Err(Denied::Limit(Box::new(Denial { index, kind, retry_after_ms, standings })))
    }

    /// What happens while the server is away.
    fn charge_without(&self, asks: &[Ask], now_ms: i64) -> Result<Admission, Denied> {
        match self.shared.on_failure {
            OnFailure::Deny => Err(Denied::Unavailable),
            OnFailure::Allow => {
                let standings = asks.iter().map(|ask| denials::untouched(&ask.meter)).collect();
                Ok(Admission { standings, ..Admission::default() })
            }
            OnFailure::Local => {
                let asks = self.own(asks);
                let standings = self.table.charge(&asks, now_ms)?;
                Ok(Admission { standings, leases: Lease::seats(&self.table, &asks), ..Admission::default() })
            }
        }
    }

    fn note_without(&self, notes: &[(Ask, Note)], now_ms: i64) {
        if self.shared.on_failure == OnFailure::Local {
            let notes: Vec<_> = notes.iter().map(|(ask, note)| (self.own_ask(ask), *note)).collect();
            self.table.note(&notes, now_ms);
        }
    }

    fn own(&self, asks: &[Ask]) -> Vec<Ask> {
        asks.iter().map(|ask| self.own_ask(ask)).collect()
    }

    fn own_ask(&self, ask: &Ask) -> Ask {
        Ask { key: self.seed.hasher().part(&ask.key.0.to_le_bytes()).finish(), ..*ask }
    }

    /// What was heard over these connections; nothing if that was nothing, or an error.
    fn heard<T>(&self, line: &Arc<Line>, heard: Result<RedisResult<T>, Elapsed>) -> Option<T> {
        match heard {
            Ok(Ok(value)) => return Some(value),
            Ok(Err(error)) => self.link.failed(line, &error),
            Err(_) => self.link.late(line),
        }
        None
    }
}
