//! Deliveries that are remembered in a server, for all replicas.
//!
//! An id is a key of the server. Its value is `+` once it was accepted, else the token of the reservation that holds it. Each step is
//! one script, which the server runs undisturbed. All keys lie in one slot of a cluster, as a script demands.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::runtime::Handle;

use super::memory::Id;
use super::{Refused, ReplayError};

/// A server that runs scripts in Lua, as Redis does.
#[async_trait]
pub trait Server: Send + Sync + 'static {
    /// Runs a script with these `KEYS` and `ARGV`; the integer that it returns.
    ///
    /// # Errors
    /// Why it did not run, or may not have: for the log.
    async fn eval(&self, script: &'static str, keys: &[String], args: &[String]) -> Result<i64, String>;
}

/// The server and the time after which a reservation in it ends.
#[derive(Clone)]
pub(super) struct Shared {
    server: Arc<dyn Server>,
    lease_ms: u128,
}

/// Reserves all for the token `ARGV[1]`, for `ARGV[2]` milliseconds. A second time, if the first one's answer was lost.
const RESERVE: &str = "
local busy = false
for _, key in ipairs(KEYS) do
  local held = redis.call('GET', key)
  if held == '+' then return 2 end
  if held and held ~= ARGV[1] then busy = true end
end
if busy then return 1 end
for _, key in ipairs(KEYS) do redis.call('SET', key, ARGV[1], 'PX', ARGV[2]) end
return 0";

/// Remembers all for `ARGV[1]` milliseconds, and none for less than it was.
const COMMIT: &str = "
for _, key in ipairs(KEYS) do
  local ttl = ARGV[1]
  if redis.call('GET', key) == '+' then
    local left = redis.call('PTTL', key)
    if left > tonumber(ttl) then ttl = string.format('%.0f', left) end
  end
  redis.call('SET', key, '+', 'PX', ttl)
end
return 0";

/// Frees what the token `ARGV[1]` holds.
const RELEASE: &str = "
for _, key in ipairs(KEYS) do
  if redis.call('GET', key) == ARGV[1] then redis.call('DEL', key) end
end
return 0";

/// Whether the server forgets keys of ours when its memory is full.
const EVICTS: &str = "
local policy = string.match(redis.call('INFO', 'memory'), 'maxmemory_policy:([%w-]+)')
if policy and policy ~= 'noeviction' then return 1 end
return 0";

impl Shared {
    pub(super) fn new(server: Arc<dyn Server>, lease: Duration) -> Self {
        Self { server, lease_ms: lease.as_millis().max(1) }
    }

    /// Reserves all of these, or none.
    pub(super) async fn reserve(
        &self,
        ids: Vec<Id>,
        ttl_ms: u64,
    ) -> Result<Result<Lease, Refused>, ReplayError> {
        let keys = ids.iter().map(name).collect();
        let token = uuid::Uuid::new_v4().simple().to_string();
        // From here on, since the server may have done it even if its answer is lost, or not waited for.
        let lease = Lease { server: Arc::clone(&self.server), keys, token, ttl_ms, open: true };
        let args = [lease.token.clone(), self.lease_ms.to_string()];
        match self.server.eval(RESERVE, &lease.keys, &args).await {
            Ok(0) => Ok(Ok(lease)),
            Ok(1) => Ok(Err(lease.refused(Refused::InFlight))),
            Ok(2) => Ok(Err(lease.refused(Refused::Seen))),
            Ok(other) => Err(unavailable(&format!("it answered {other}"))),
            Err(error) => Err(unavailable(&error)),
        }
    }

    /// A sentence, if the server may forget ids before their time.
    pub(super) async fn caution(&self) -> Option<String> {
        let evicts = self.server.eval(EVICTS, &[name(&[0; 16])], &[]).await;
        (evicts == Ok(1)).then(|| {
            "the shared server forgets keys when its memory is full, and with them webhook deliveries, whose replays are then \
             accepted: set its `maxmemory-policy` to `noeviction`"
                .to_owned()
        })
    }
}

/// Keys that are reserved in the server. Dropped, they are released.
pub(super) struct Lease {
    server: Arc<dyn Server>,
    keys: Vec<String>,
    token: String,
    ttl_ms: u64,
    /// Whether there is something to release.
    open: bool,
}

impl Lease {
    /// Resolves when the server has it.
    pub(super) async fn commit(mut self) -> Result<(), ReplayError> {
        // Once it was sent it may have arrived; what it says of the ids must not be taken back.
        self.open = false;
        let ttl = self.ttl_ms.max(1).to_string();
        match self.server.eval(COMMIT, &self.keys, &[ttl]).await {
            Ok(_) => Ok(()),
            Err(error) => Err(unavailable(&error)),
        }
    }

    /// The same for nobody who waits.
    pub(super) fn commit_unheard(self) {
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(self.commit());
        }
    }

    /// Resolves when the server has heard of it. If it does not, the lease ends by itself.
    pub(super) async fn release(mut self) {
        self.open = false;
        let _ = self.server.eval(RELEASE, &self.keys, std::slice::from_ref(&self.token)).await;
    }

    fn refused(mut self, why: Refused) -> Refused {
        self.open = false;
        why
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if !self.open {
            return;
        }
        let (server, keys) = (Arc::clone(&self.server), std::mem::take(&mut self.keys));
        let token = std::mem::take(&mut self.token);
        // Without a runtime, the process ends; the lease does so by itself.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(async move { server.eval(RELEASE, &keys, &[token]).await });
        }
    }
}

impl std::fmt::Debug for Lease {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lease").field("ttl_ms", &self.ttl_ms).finish_non_exhaustive()
    }
}

fn name(id: &Id) -> String {
    format!("{{portcullis:replays}}:{:032x}", u128::from_be_bytes(*id))
}

fn unavailable(why: &str) -> ReplayError {
    tracing::error!(why, "the shared server cannot be asked for webhook deliveries");
    ReplayError::Unavailable
}

#[cfg(test)]
mod tests;
