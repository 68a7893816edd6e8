//! Serves: binds the listeners, puts a configuration in force, and drains when it is told to stop.

use std::fmt;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use certs::Store;
use pingora::server::configuration::ServerConf;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tracing::{info, warn};

use crate::access_log::{AccessLog, Target};
use crate::admin::Admin;
use crate::config::load::{Broken, Loaded, Purpose, load};
use crate::edge::{Edge, Kind};
use crate::identity;
use crate::metrics::Registry;
use crate::pipeline::{Doorkeeper, Gateway, Live};
use crate::reload::{self, Reloader};
use crate::snapshot::Snapshot;
use crate::sockets::{self, Sockets};
use crate::state;
pub use crate::status::Bound;
use crate::status::Facts;
use crate::upstream::{proxy, resolve};

/// How long running requests may take to finish once the gateway was told to stop.
const DRAIN: Duration = Duration::from_mins(5);
/// Retries of any request at most; how many a route makes is decided per upstream.
const MOST_TRIES: usize = 8;

/// Why nothing is served.
pub enum StartError {
    /// The configuration has problems.
    Broken(Box<Broken>),
    /// The configuration's own tests fail.
    Tests(Vec<String>),
    /// Something of the system refused.
    System(String),
}

impl StartError {
    /// The error for people, with its line break at the end.
    pub fn text(&self, colour: bool) -> String {
        match self {
            Self::Broken(broken) => broken.text(colour),
            Self::Tests(failures) => {
                format!("error: the configuration's own tests fail\n{}\n", failures.join("\n"))
            }
            Self::System(why) => format!("error: {why}\n"),
        }
    }
}

impl fmt::Debug for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text(false))
    }
}

fn system(what: impl fmt::Display) -> impl FnOnce(std::io::Error) -> StartError {
    move |error| StartError::System(format!("{what}: {error}"))
}

/// Serves the configuration at `path` until a signal ends it; calls `ready` once everything is bound.
///
/// # Errors
/// When the start fails. What goes wrong later is logged, and the gateway goes on.
pub fn run(path: &Path, ready: impl FnOnce(&Bound) + Send) -> Result<(), StartError> {
    let sockets = Sockets::inherited();
    let loaded = load(path, Purpose::Serve).map_err(StartError::Broken)?;
    let failures = crate::judge::failures(&loaded);
    if !failures.is_empty() {
        return Err(StartError::Tests(failures));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("portcullis")
        .build()
        .map_err(system("the runtime cannot be started"))?;
    runtime.block_on(serve(path.to_owned(), loaded, sockets, ready))
}

async fn serve(
    path: PathBuf,
    loaded: Loaded,
    mut sockets: Sockets,
    ready: impl FnOnce(&Bound),
) -> Result<(), StartError> {
    for warning in &loaded.warnings {
        warn!("{warning}");
    }
    // Before anybody learns that the gateway is ready: until it is received, a signal kills.
    let mut signals = Signals::new()?;
    let snapshot = Arc::clone(&loaded.snapshot);
    let seen = reload::look(&loaded.files);
    resolve::first(&snapshot.upstreams).await;
    resolve::keep(&snapshot.upstreams);
    let registry = Registry::new();
    identity::open(&snapshot.identities, &[], &reload::folder(&path, &snapshot), &registry).await;
    let log =
        AccessLog::start(target(&snapshot.log.to)).map_err(system("the access log cannot be opened"))?;
    let log = Arc::new(log);
    let store = state::Store::open(terms(&snapshot), &reload::folder(&path, &snapshot), &registry).await;
    let counters = Arc::new(store.map_err(StartError::System)?);
    let replays = reload::replays(&path, &snapshot, &counters, None, &registry).await;
    let replays = replays.map_err(StartError::System)?;
    let live = Live::new(Arc::clone(&snapshot), Arc::clone(&counters), replays, &registry);
    let live = Arc::new(ArcSwap::from_pointee(live));
    let store = Arc::new(Store::new(loaded.certificates));
    reload::announce(&snapshot, &store, &registry);
    let settings = reload::settings(&snapshot, &store).map_err(StartError::System)?;
    let settings = Arc::new(ArcSwap::from_pointee(settings));
    let gateway = Gateway::new(Arc::clone(&live), Arc::clone(&log));
    let proxy = proxy::proxy(&Arc::new(server_conf(&snapshot)), gateway).await;
    let proxy = proxy.map_err(system("the proxy cannot be set up"))?;
    let witness = Doorkeeper::new(Arc::clone(&live), Arc::clone(&log), &registry);
    let edge = Arc::new(Edge::new(proxy, Arc::clone(&settings), Arc::new(witness)));

    let mut bound = Bound::default();
    let listeners = listeners(&snapshot, &mut sockets, &mut bound)?;
    let (stopping, is_stopping) = watch::channel(false);
    let facts = Facts {
        live: Arc::clone(&live),
        registry: registry.clone(),
        log: Arc::clone(&log),
        started: Instant::now(),
        bound: bound.clone(),
        stopping: is_stopping,
    };
    let (admin, stop_admin) = admin(listeners.admin, facts);
    let hangups = signals.hangups()?;
    let reloader = Reloader {
        path,
        live,
        settings,
        store,
        registry: registry.clone(),
        files: loaded.files,
        hangups,
        seen,
    };
    tokio::spawn(reloader.watch());
    tokio::spawn(reopen(Arc::clone(&log), signals.reopens()?));
    // Until what the old process has counted is known, connections wait: they are refused by neither.
    if sockets::replace() {
        counters.taken_over().await;
    }
    for (listener, kind) in listeners.edge {
        edge.serve(listener, kind);
    }
    announce(&bound);
    ready(&bound);

    signals.until_stop(&sockets).await;
    info!("stopping: running requests may finish");
    stopping.send_replace(true);
    counters.let_go();
    // A copy of a socket that is still open would have clients wait for nobody.
    drop(sockets);
    tokio::select! {
        cut = edge.drain(DRAIN) => if cut > 0 { warn!(connections = cut, "cut at the end of the drain") },
        () = signals.stop() => warn!("told to stop a second time: running requests are cut"),
    }
    drop(stop_admin);
    let _ = tokio::time::timeout(Duration::from_secs(1), admin).await;
    // Blocks until the last line is written, so it must not hold up a runtime thread.
    let closing = move || {
        log.close();
        counters.close();
    };
    let _ = tokio::task::spawn_blocking(closing).await;
    info!("stopped");
    Ok(())
}

/// The sockets of the configured listeners.
struct Listeners {
    edge: Vec<(TcpListener, Kind)>,
    admin: Option<TcpListener>,
}

fn listeners(snapshot: &Snapshot, sockets: &mut Sockets, bound: &mut Bound) -> Result<Listeners, StartError> {
    let mut listen = |name, bind: &str, bound: &mut Option<SocketAddr>| {
        let listener = sockets.listen(name, bind).map_err(system(format!("cannot listen on {bind}")))?;
        *bound = listener.local_addr().ok();
        Ok::<_, StartError>(listener)
    };
    let mut edge = Vec::new();
    if let Some(http) = &snapshot.site.http {
        edge.push((listen("http", &http.bind, &mut bound.http)?, Kind::Http));
    }
    if let Some(https) = &snapshot.site.https {
        edge.push((listen("https", &https.bind, &mut bound.https)?, Kind::Https));
    }
    let admin =
        snapshot.site.admin.as_deref().map(|bind| listen("admin", bind, &mut bound.admin)).transpose()?;
    Ok(Listeners { edge, admin })
}

/// Serves the operators until the sender is dropped.
fn admin(listener: Option<TcpListener>, facts: Facts) -> (JoinHandle<()>, watch::Sender<()>) {
    let (stop, mut stopped) = watch::channel(());
    let gone = async move { while stopped.changed().await.is_ok() {} };
    let facts = Arc::new(facts);
    let task = tokio::spawn(async move {
        if let Some(listener) = listener {
            Admin::new(facts).serve(listener, gone).await;
        }
    });
    (task, stop)
}

fn server_conf(snapshot: &Snapshot) -> ServerConf {
    let keepalive = snapshot.upstreams.iter().map(|upstream| upstream.keepalive).sum::<usize>();
    ServerConf {
        upstream_keepalive_pool_size: keepalive.max(1),
        max_retries: MOST_TRIES,
        ..ServerConf::default()
    }
}

/// How counters are kept.
fn terms(snapshot: &Snapshot) -> state::Terms {
    state::Terms {
        keys: usize::try_from(snapshot.state.keys).unwrap_or(usize::MAX),
        shared: snapshot.state.remote.as_ref().map(|remote| remote.shared.clone()),
    }
}

fn target(to: &str) -> Target {
    match to {
        "stdout" => Target::Stdout,
        "stderr" => Target::Stderr,
        path => Target::File(PathBuf::from(path)),
    }
}

/// Tells where the gateway listens; tests and people with `:0` read it.
fn announce(bound: &Bound) {
    use std::fmt::Write as _;
    let mut text = String::new();
    for (name, address) in [("http", bound.http), ("https", bound.https), ("admin", bound.admin)] {
        if let Some(address) = address {
            let _ = writeln!(text, "listening {name} {address}");
        }
    }
    text.push_str("ready\n");
    let _ = std::io::stderr().write_all(text.as_bytes());
}

async fn reopen(log: Arc<AccessLog>, mut reopens: Signal) {
    while reopens.recv().await.is_some() {
        log.reopen();
    }
}

/// The signals that the gateway knows.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    upgrade: Signal,
    hangup: Option<Signal>,
    reopen: Option<Signal>,
}

impl Signals {
    fn new() -> Result<Self, StartError> {
        let listen = |kind| signal(kind).map_err(system("signals cannot be received"));
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            upgrade: listen(SignalKind::user_defined2())?,
            hangup: Some(listen(SignalKind::hangup())?),
            reopen: Some(listen(SignalKind::user_defined1())?),
        })
    }

    fn hangups(&mut self) -> Result<Signal, StartError> {
        self.hangup.take().ok_or_else(|| StartError::System("SIGHUP has a receiver already".to_owned()))
    }

    fn reopens(&mut self) -> Result<Signal, StartError> {
        self.reopen.take().ok_or_else(|| StartError::System("SIGUSR1 has a receiver already".to_owned()))
    }

    /// SIGTERM or SIGINT.
    async fn stop(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    /// The same; on SIGUSR2 meanwhile, the sockets are handed to a new process, which tells us to stop.
    async fn until_stop(&mut self, sockets: &Sockets) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                _ = self.upgrade.recv() => match sockets.hand_over() {
                    Ok(child) => {
                        info!(pid = child.id(), "started the process that is to replace this one");
                        // Not one of the runtime's threads: our own end must not wait for the child's.
                        std::thread::spawn(move || outlive(child));
                    }
                    Err(error) => warn!(%error, "the new process cannot be started; this one goes on"),
                },
            }
        }
    }
}

/// Waits for a replacement; one that ends while we are still here never served.
fn outlive(mut child: std::process::Child) {
    if let Ok(status) = child.wait() {
        warn!(%status, "the new process ended; this one goes on");
    }
}
