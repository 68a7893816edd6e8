//! Puts a changed configuration in force: all or nothing. One that does not pass leaves the old one serving.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use certs::Store;
use tokio::signal::unix::Signal;
use tracing::{error, info, warn};

use crate::config::load::{Loaded, Purpose, load};
use crate::config::raw::TlsVersion;
use crate::edge::tls::MinVersion;
use crate::edge::{self, EdgeSettings};
use crate::identity;
use crate::metrics::{Registry, Reload};
use crate::pipeline::Live;
use crate::replays::{Replays, Server};
use crate::snapshot::{Site, Snapshot};
use crate::state;
use crate::upstream::resolve;

/// How often files are looked at. Polling sees what notifications miss: Kubernetes swaps a symbolic link.
const EVERY: Duration = Duration::from_secs(1);

/// What a reload swaps.
pub struct Reloader {
    /// The configuration file.
    pub path: PathBuf,
    /// What is in force.
    pub live: Arc<ArcSwap<Live>>,
    /// What the edge goes by.
    pub settings: Arc<ArcSwap<EdgeSettings>>,
    /// The certificates.
    pub store: Arc<Store>,
    /// Where outcomes are counted.
    pub registry: Registry,
    /// The files that the configuration in force was made of.
    pub files: Vec<PathBuf>,
    /// SIGHUP; received from before the gateway says that it is ready, since until then the signal kills.
    pub hangups: Signal,
    /// What the files looked like when they were read.
    pub seen: Look,
}

/// What a file looked like: enough to notice a change.
pub type Look = BTreeMap<PathBuf, Option<(u64, i64, i64, u64)>>;

impl Reloader {
    /// Reloads on SIGHUP and whenever a file changed, for ever.
    pub async fn watch(mut self) {
        let mut seen = std::mem::take(&mut self.seen);
        let mut changed = false;
        loop {
            let told = tokio::select! {
                _ = self.hangups.recv() => true,
                () = tokio::time::sleep(EVERY) => false,
            };
            let now = look(&self.files);
            let differs = now != seen;
            seen = now;
            // A change is taken up when it has stood for one look, so that half-written files are passed over.
            if told || (changed && !differs) {
                self.reload().await;
                // What changed while it was read shows as a difference at the next look.
                let mut known = look(&self.files);
                for (path, look) in &mut known {
                    *look = seen.get(path).copied().unwrap_or(*look);
                }
                seen = known;
                changed = false;
            } else {
                changed |= differs;
            }
        }
    }

    async fn reload(&mut self) {
        match self.try_reload().await {
            Ok(()) => {
                self.registry.config_reloads(Reload::Applied).increment(1);
                info!(config = self.live.load().snapshot.hash, "the configuration was reloaded");
            }
            Err(why) => {
                self.registry.config_reloads(Reload::Rejected).increment(1);
                error!("the changed configuration is refused and the old one goes on serving\n{why}");
            }
        }
    }

    async fn try_reload(&mut self) -> Result<(), String> {
        let path = self.path.clone();
        // Reading and compiling takes a while for a large file; requests must not wait for it.
        let loading = tokio::task::spawn_blocking(move || -> Result<Loaded, String> {
            let loaded = load(&path, Purpose::Serve).map_err(|broken| broken.text(false))?;
            let failures = crate::judge::failures(&loaded);
            if failures.is_empty() { Ok(loaded) } else { Err(failures.join("\n")) }
        });
        let loaded = loading.await.map_err(|_| "loading it ended unexpectedly".to_owned())??;
        let current = self.live.load_full();
        fixed(&current.snapshot, &loaded.snapshot)?;
        let settings = self.next_settings(&current.snapshot.site, &loaded.snapshot)?;
        for warning in &loaded.warnings {
            warn!("{warning}");
        }
        let snapshot = loaded.snapshot;
        resolve::first(&snapshot.upstreams).await;
        resolve::keep(&snapshot.upstreams);
        let state = folder(&self.path, &snapshot);
        identity::open(&snapshot.identities, &current.snapshot.identities, &state, &self.registry).await;
        let replays =
            replays(&self.path, &snapshot, &current.store, current.replays.clone(), &self.registry).await?;
        self.store.replace(loaded.certificates);
        announce(&snapshot, &self.store, &self.registry);
        self.settings.store(Arc::new(settings));
        self.live.store(Arc::new(Live::new(snapshot, Arc::clone(&current.store), replays, &self.registry)));
        self.files = loaded.files;
        Ok(())
    }

    /// The TLS terms are kept where they did not change: new ones have new ticket keys, and every client would
    /// have to make a full handshake.
    fn next_settings(&self, current: &Site, next: &Snapshot) -> Result<EdgeSettings, String> {
        let terms =
            |site: &Site| site.https.as_ref().map(|https| (https.min_version, https.client_ca.clone()));
        if terms(current) == terms(&next.site) {
            let kept = self.settings.load();
            return Ok(EdgeSettings { limits: next.site.limits, tls: kept.tls.clone() });
        }
        settings(next, &self.store)
    }
}

/// How long a delivery may take at most until another replica may think that the one that has it is gone.
const LEASE: Duration = Duration::from_mins(10);
/// How many deliveries of webhooks are remembered at most.
const DELIVERIES: usize = 1_000_000;

/// The server that replicas share, for the memory of deliveries.
struct Together(Arc<state::Store>);

#[async_trait]
impl Server for Together {
    async fn eval(&self, script: &'static str, keys: &[String], args: &[String]) -> Result<i64, String> {
        self.0.eval(script, keys, args).await
    }
}

/// Which deliveries were accepted before, by this machine's gateways or by all that share a store; opened when there is
/// a webhook for the first time.
///
/// # Errors
/// A sentence, when it cannot be told.
pub(crate) async fn replays(
    path: &Path,
    snapshot: &Snapshot,
    counters: &Arc<state::Store>,
    known: Option<Arc<Replays>>,
    registry: &Registry,
) -> Result<Option<Arc<Replays>>, String> {
    if known.is_some() || !snapshot.table.routes().iter().any(|route| route.webhook.is_some()) {
        return Ok(known);
    }
    if counters.is_shared() {
        let replays = Replays::shared(Arc::new(Together(Arc::clone(counters))), LEASE, registry);
        if let Some(caution) = replays.caution().await {
            warn!("{caution}");
        }
        return Ok(Some(Arc::new(replays)));
    }
    let (folder, registry) = (folder(path, snapshot), registry.clone());
    let opening = tokio::task::spawn_blocking(move || Replays::open(&folder, DELIVERIES, &registry)).await;
    let opened = opening.unwrap_or_else(|_| Err("opening what was accepted ended unexpectedly".to_owned()));
    opened.map(|replays| Some(Arc::new(replays)))
}

/// What the edge goes by.
pub(crate) fn settings(snapshot: &Snapshot, store: &Arc<Store>) -> Result<EdgeSettings, String> {
    let tls = snapshot.site.https.as_ref().map(|https| {
        let version = match https.min_version {
            TlsVersion::V12 => MinVersion::V1_2,
            TlsVersion::V13 => MinVersion::V1_3,
        };
        edge::tls::terms(Arc::clone(store) as _, version, https.client_ca.clone())
    });
    let tls = tls.transpose().map_err(|error| format!("TLS cannot be set up: {error}"))?;
    Ok(EdgeSettings { limits: snapshot.site.limits, tls })
}

/// The state folder of the configuration file at `path`.
pub(crate) fn folder(path: &Path, snapshot: &Snapshot) -> PathBuf {
    path.parent().unwrap_or(Path::new("")).join(&snapshot.state.path)
}

/// Sockets, the log and the state folder are opened once, so a change of these cannot be put in force by a reload.
fn fixed(current: &Snapshot, next: &Snapshot) -> Result<(), String> {
    let http = |site: &Site| site.http.as_ref().map(|http| http.bind.clone());
    let https = |site: &Site| site.https.as_ref().map(|https| https.bind.clone());
    let remote = |snapshot: &Snapshot| {
        let remote = snapshot.state.remote.as_ref();
        remote.map(|remote| (remote.url.expose().to_vec(), remote.ca.clone(), remote.timeout))
    };
    let (now, then) = (&current.site, &next.site);
    let changes = [
        ("listen.http.bind", http(now) != http(then)),
        ("listen.https.bind", https(now) != https(then)),
        ("admin.bind", now.admin != then.admin),
        ("state.path", current.state.path != next.state.path),
        ("state.keys", current.state.keys != next.state.keys),
        ("state.on_failure", current.state.on_failure != next.state.on_failure),
        ("state.store", current.state.remote.is_some() != next.state.remote.is_some()),
        ("state", remote(current) != remote(next)),
        ("logs.access.to", current.log.to != next.log.to),
    ];
    match changes.iter().find(|(_, changed)| *changed) {
        Some((key, _)) => Err(format!("error: `{key}` cannot change while the gateway runs: restart it")),
        None => Ok(()),
    }
}

/// Tells the metrics what is in force.
pub(crate) fn announce(snapshot: &Snapshot, store: &Store, registry: &Registry) {
    registry.set_config_info(&snapshot.hash, &snapshot.release);
    for (name, not_after) in store.expiries() {
        registry.set_certificate_expiry(&name, not_after);
    }
}

/// What the files look like now.
pub fn look(files: &[PathBuf]) -> Look {
    let one = |path: &PathBuf| {
        let meta = std::fs::metadata(path).ok()?;
        Some((meta.len(), meta.mtime(), meta.mtime_nsec(), meta.ino()))
    };
    files.iter().map(|path| (path.clone(), one(path))).collect()
}
