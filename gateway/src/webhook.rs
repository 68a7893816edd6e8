//! A webhook in force: its scheme, its keys, and what had to be fetched to verify it.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderName, Request};
use http_body_util::Full;
use rules::webhook::{Fetched, Keyring, Scheme, Terms, Want};
use tokio::sync::Mutex as Turn;
use tracing::{info, warn};

use crate::config::raw::OnDuplicate;
use crate::fetch::{Bounds, Fetcher};

/// What a certificate or a key set may cost.
const BOUNDS: Bounds = Bounds { time: Duration::from_secs(5), bytes: 64 * 1024 };
/// How long what was fetched is used.
const FRESH: Duration = Duration::from_mins(10);
/// How soon a fetch that failed is tried again: strangers may cause it.
const PAUSE: Duration = Duration::from_secs(30);
/// How many addresses are remembered: those that the scheme's allow-list lets through are few.
const ADDRESSES: usize = 16;

/// A webhook in force.
pub struct Webhook {
    /// Its name.
    pub name: Arc<str>,
    /// How its provider signs.
    pub scheme: Scheme,
    /// Its keys.
    pub keys: Keyring,
    /// Its address, settings and patience.
    pub terms: Terms,
    /// How a repetition is answered.
    pub on_duplicate: OnDuplicate,
    /// Header fields that hold a secret: whoever reads them could send deliveries, so they are not forwarded.
    pub carriers: Vec<HeaderName>,
    /// What had to be fetched.
    pub fetches: Fetches,
    /// The keys of which the log knows that they are in use.
    pub used: Used,
}

impl Webhook {
    /// Says in the log that deliveries are signed with this key, once: whoever takes an old one away has to know.
    pub fn note_use(&self, key: &str) {
        if self.used.is_new(key) {
            info!(webhook = &*self.name, key, "deliveries are signed with this key");
        }
    }
}

/// Names of keys, each taken once.
#[derive(Default)]
pub struct Used(Mutex<BTreeSet<String>>);

impl Used {
    fn is_new(&self, key: &str) -> bool {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        !known.contains(key) && known.insert(key.to_owned())
    }
}

/// What was fetched for a webhook, by address.
#[derive(Default)]
pub struct Fetches {
    known: Mutex<HashMap<Want, Known>>,
    /// One fetch at a time.
    turn: Turn<()>,
}

#[derive(Clone)]
struct Known {
    at: Option<Instant>,
    fetched: Option<Arc<Fetched>>,
}

impl Known {
    /// What stands in offline never grows old.
    fn is_current(&self) -> bool {
        let lasts = if self.fetched.is_some() { FRESH } else { PAUSE };
        self.at.is_none_or(|at| at.elapsed() < lasts)
    }
}

impl Fetches {
    /// What stands in for something that would be fetched.
    pub fn stand_in(&self, fetched: Fetched) {
        let want = fetched.want().clone();
        self.keep(want, Known { at: None, fetched: Some(Arc::new(fetched)) });
    }

    /// What is known already; none if it was not fetched, or not lately.
    pub fn at_hand(&self, want: &Want) -> Option<Arc<Fetched>> {
        self.known(want)?.fetched
    }

    fn known(&self, want: &Want) -> Option<Known> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(want).filter(|known| known.is_current()).cloned()
    }

    fn keep(&self, want: Want, now: Known) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= ADDRESSES {
            known.retain(|_, known| known.is_current());
        }
        if known.len() < ADDRESSES {
            known.insert(want, now);
        }
    }

    /// Fetches what a delivery needs to be verified, unless that was done lately.
    pub async fn fetch(&self, name: &str, scheme: &Scheme, want: &Want) -> Option<Arc<Fetched>> {
        let _turn = self.turn.lock().await;
        if let Some(known) = self.known(want) {
            return known.fetched;
        }
        let fetched = match self::fetch(scheme, want).await {
            Ok(fetched) => Some(Arc::new(fetched)),
            Err(why) => {
                warn!(webhook = name, url = want.url(), why, "what a delivery names cannot be fetched");
                None
            }
        };
        self.keep(want.clone(), Known { at: Some(Instant::now()), fetched: fetched.clone() });
        fetched
    }
}

async fn fetch(scheme: &Scheme, want: &Want) -> Result<Fetched, String> {
    let request =
        Request::get(want.url()).body(Full::new(Bytes::new())).map_err(|error| error.to_string())?;
    let answer = Fetcher::shared().send(request, BOUNDS).await.map_err(|error| error.to_string())?;
    // No redirect is followed: the address was allowed, and no other.
    if !answer.status.is_success() {
        return Err(format!("the answer is {}", answer.status.as_u16()));
    }
    Fetched::read(scheme, want.clone(), &answer.body)
}
