//! What a request's single steps are: listed once, as data, for whoever counts their instructions or allocations, or
//! takes their time.
//!
//! A step has a name, which is also its key in `baseline.json`, and makes itself ready outside of what is measured.

mod counters;
mod expressions;
mod identities;
mod log;
mod policies;
mod reading;
mod ready;
mod routing;
mod series;
mod shelf;
mod site;
mod visit;
mod webhooks;

#[path = "../../../rules/tests/plain/mod.rs"]
mod plain;

// The gateway's own, alone: the rest of the gateway takes long to build, and nothing of it is measured here.
#[expect(
    dead_code,
    unused_imports,
    unreachable_pub,
    reason = "the gateway needs more of it, and more widely"
)]
#[path = "../../../gateway/src"]
mod gateway {
    pub(crate) mod json;
    pub(crate) mod metrics;
    pub(crate) mod redact;

    pub(crate) mod access_log {
        mod line;

        pub(crate) use line::Line;
    }

    pub(crate) mod identity {
        pub(super) mod memory;
        pub(super) mod refused;

        /// What one identity remembers, of those whom it knows and of what it has refused.
        pub(crate) struct Memory {
            known: memory::Memory,
            refused: refused::Refused,
        }

        impl Memory {
            pub(crate) fn new() -> Self {
                Self { known: memory::Memory::new(), refused: refused::Refused::new() }
            }

            pub(crate) fn recall(
                &self,
                credential: &[u8],
                now: i64,
                keys: u64,
            ) -> Option<std::sync::Arc<rules::view::Caller>> {
                self.known.recall(credential, now, keys)
            }

            pub(crate) fn remember(&self, credential: &[u8], vouched: rules::credential::Vouched, keys: u64) {
                self.known.remember(credential, vouched, keys);
            }

            pub(crate) fn refused(
                &self,
                credential: &[u8],
                now: i64,
                keys: u64,
            ) -> Option<rules::verdict::Refusal> {
                self.refused.recall(credential, now, keys)
            }

            pub(crate) fn refuse(&self, credential: &[u8], never: rules::credential::Never, keys: u64) {
                self.refused.remember(credential, never, keys);
            }
        }
    }

    pub(crate) mod state {
        mod answer;
        mod embedded;
        mod few;

        use rules::meter::{Ask, Standing};

        pub(crate) use answer::{Denial, Denied};
        pub(crate) use few::Few;

        /// The table of counters.
        pub(crate) struct Table(embedded::Embedded);

        impl Table {
            pub(crate) fn new(keys: usize) -> Self {
                let noop = metrics::Counter::noop;
                Self(embedded::Embedded::new(keys, embedded::Tallies { evicted: noop(), no_room: noop() }))
            }

            pub(crate) fn peek(&self, asks: &[Ask], now_ms: i64) -> Option<Denial> {
                self.0.peek(asks, now_ms)
            }

            pub(crate) fn charge(&self, asks: &[Ask], now_ms: i64) -> Result<Few<Standing>, Denied> {
                self.0.charge(asks, now_ms)
            }

            pub(crate) fn len(&self) -> usize {
                self.0.len()
            }
        }
    }
}

use std::error::Error;

pub(crate) use gateway::json;

pub use counters::{Filled as Counters, fill as fill_counters};
pub use identities::{Filled as Tokens, fill as fill_identity};
pub use policies::rows;
pub use ready::{Ready, Run, Step, WARM};

/// Whatever went wrong.
pub type Fallible<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Now, in milliseconds since the Unix epoch: tokens are made for it.
pub(crate) const NOW_MS: i64 = 1_800_000_000_000;

/// All steps, in the order of the table. Listing them makes nothing ready.
///
/// # Errors
/// When the data cannot be read that lists them.
pub fn all() -> Fallible<Vec<Step>> {
    let mut steps = policies::steps()?;
    steps.extend(reading::steps());
    steps.extend(routing::steps());
    steps.extend(expressions::steps());
    steps.extend(identities::steps());
    steps.extend(counters::steps());
    steps.extend(webhooks::steps());
    steps.extend(log::steps());
    steps.extend(series::steps());
    Ok(steps)
}

/// The names of all steps.
pub fn names() -> Vec<String> {
    all().unwrap_or_default().into_iter().map(|step| step.name).collect()
}

/// The step of this name, ready to be measured.
///
/// # Errors
/// When there is none, or it cannot be made ready.
pub fn prepare(name: &str) -> Fallible<Ready> {
    let step = all()?.into_iter().find(|step| step.name == name);
    step.ok_or_else(|| format!("there is no step `{name}`"))?.prepare()
}
