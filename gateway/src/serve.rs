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
use tokio::net::{TcpListener, TcpSocket};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tracing::{info, warn};

use crate::access_log::{AccessLog, Target};
use crate::admin::Admin;
use crate::config::load::{Broken, Loaded, Purpose, load};
use crate::edge::{Edge, Kind};
use crate::metrics::Registry;
use crate::pipeline::{Doorkeeper, Gateway, Live};
use crate::reload::{self, Reloader};
use crate::snapshot::Snapshot;
pub use crate::status::Bound;
use crate::status::Facts;
use crate::upstream::{proxy, resolve};

/// How long running requests may take to finish once the gateway was told to stop.
const DRAIN: Duration = Duration::from_mins(5);
/// How often histograms are condensed.
const UPKEEP: Duration = Duration::from_secs(5);
/// How many connections may wait to be accepted.
const BACKLOG: u32 = 4096;
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
    runtime.block_on(serve(path.to_owned(), loaded, ready))
}

async fn serve(path: PathBuf, loaded: Loaded, ready: impl FnOnce(&Bound)) -> Result<(), StartError> {
    for warning in &loaded.warnings {
        warn!("{warning}");
    }
    let snapshot = Arc::clone(&loaded.snapshot);
    let seen = reload::look(&loaded.files);
    resolve::first(&snapshot.upstreams).await;
    resolve::keep(&snapshot.upstreams);
    let registry = Registry::new();
    let log = Arc::new(
        AccessLog::start(target(&snapshot.log.to)).map_err(system("the access log cannot be opened"))?,
    );
    let live = Arc::new(ArcSwap::from_pointee(Live::new(Arc::clone(&snapshot), &registry)));
    let store = Arc::new(Store::new(loaded.certificates));
    reload::announce(&snapshot, &store, &registry);
    let settings =
        Arc::new(ArcSwap::from_pointee(reload::settings(&snapshot, &store).map_err(StartError::System)?));
    let gateway = Gateway::new(Arc::clone(&live), Arc::clone(&log));
    let proxy = proxy::proxy(&Arc::new(server_conf(&snapshot)), gateway)
        .await
        .map_err(system("the proxy cannot be set up"))?;
    let witness = Doorkeeper::new(Arc::clone(&live), Arc::clone(&log), &registry);
    let edge = Arc::new(Edge::new(proxy, Arc::clone(&settings), Arc::new(witness)));

    let mut bound = Bound::default();
    let mut stops = Stops::new()?;
    let hangups = signal(SignalKind::hangup()).map_err(system("signals cannot be received"))?;
    let reopens = signal(SignalKind::user_defined1()).map_err(system("signals cannot be received"))?;
    let (stopping, is_stopping) = watch::channel(false);
    let (stop_admin, stopped) = watch::channel(false);
    let mut listeners = Vec::new();
    if let Some(http) = &snapshot.site.http {
        listeners.push((bind(&http.bind, &mut bound.http)?, Kind::Http));
    }
    if let Some(https) = &snapshot.site.https {
        listeners.push((bind(&https.bind, &mut bound.https)?, Kind::Https));
    }
    let admin = snapshot.site.admin.as_deref().map(|admin| bind(admin, &mut bound.admin)).transpose()?;
    let facts = Arc::new(Facts {
        live: Arc::clone(&live),
        registry: registry.clone(),
        log: Arc::clone(&log),
        started: Instant::now(),
        bound: bound.clone(),
        stopping: is_stopping,
    });
    let admin = admin.map(|listener| {
        let mut stopped = stopped.clone();
        let gone = async move {
            let _ = stopped.wait_for(|stopped| *stopped).await;
        };
        tokio::spawn(Admin::new(facts).serve(listener, gone))
    });
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
    tokio::spawn(upkeep(registry, Arc::clone(&log), reopens));
    for (listener, kind) in listeners {
        edge.serve(listener, kind);
    }
    announce(&bound);
    ready(&bound);

    stops.next().await;
    info!("stopping: running requests may finish");
    stopping.send_replace(true);
    tokio::select! {
        cut = edge.drain(DRAIN) => if cut > 0 { warn!(connections = cut, "cut at the end of the drain") },
        () = stops.next() => warn!("told to stop a second time: running requests are cut"),
    }
    stop_admin.send_replace(true);
    if let Some(admin) = admin {
        let _ = tokio::time::timeout(Duration::from_secs(1), admin).await;
    }
    // Blocks until the last line is written, so it must not hold up a runtime thread.
    let _ = tokio::task::spawn_blocking(move || log.close()).await;
    info!("stopped");
    Ok(())
}

fn server_conf(snapshot: &Snapshot) -> ServerConf {
    let keepalive = snapshot.upstreams.iter().map(|upstream| upstream.keepalive).sum::<usize>();
    ServerConf {
        upstream_keepalive_pool_size: keepalive.max(1),
        max_retries: MOST_TRIES,
        ..ServerConf::default()
    }
}

fn target(to: &str) -> Target {
    match to {
        "stdout" => Target::Stdout,
        "stderr" => Target::Stderr,
        path => Target::File(PathBuf::from(path)),
    }
}

fn bind(text: &str, bound: &mut Option<SocketAddr>) -> Result<TcpListener, StartError> {
    use std::net::ToSocketAddrs as _;
    let cannot = || format!("cannot listen on {text}");
    let address = text.to_socket_addrs().map_err(system(cannot()))?.next();
    let address = address.ok_or_else(|| StartError::System(format!("{}: no such address", cannot())))?;
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() };
    let socket = socket.map_err(system(cannot()))?;
    socket.set_reuseaddr(true).map_err(system(cannot()))?;
    socket.bind(address).map_err(system(cannot()))?;
    let listener = socket.listen(BACKLOG).map_err(system(cannot()))?;
    *bound = Some(listener.local_addr().map_err(system(cannot()))?);
    Ok(listener)
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

async fn upkeep(registry: Registry, log: Arc<AccessLog>, mut reopens: Signal) {
    let mut ticks = tokio::time::interval(UPKEEP);
    loop {
        tokio::select! {
            _ = ticks.tick() => registry.run_upkeep(),
            _ = reopens.recv() => log.reopen(),
        }
    }
}

/// SIGTERM and SIGINT.
struct Stops {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Stops {
    fn new() -> Result<Self, StartError> {
        let listen = |kind| signal(kind).map_err(system("signals cannot be received"));
        Ok(Self { terminate: listen(SignalKind::terminate())?, interrupt: listen(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
