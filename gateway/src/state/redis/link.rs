//! The connections to the server: made in the background, and given up at the first sign of trouble.
//!
//! A request that finds none waits for nothing. One that waited in vain has the connections dropped, so that it is the
//! last to wait: they are made anew, and are used again when the server answers in time.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use metrics::Counter as Tally;
use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Cmd, ErrorKind, Pipeline, RedisError, RedisResult, ServerErrorKind, Value,
};
use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use super::script::Script;
use crate::state::shared::Shared;

/// How many there are. Each carries many requests at once.
const LINES: usize = 2;
/// How long making them may take.
const CONNECT: Duration = Duration::from_secs(2);
/// After a first failure; each further one doubles it.
const SOON: Duration = Duration::from_millis(50);
const LATE: Duration = Duration::from_secs(1);
/// How often an idle connection is tried, before a request finds it dead.
const IDLE: Duration = Duration::from_secs(5);
/// How often a failure that goes on is logged.
const REMIND: Duration = Duration::from_mins(1);

/// Connections that worked when they were used last.
pub(super) struct Line {
    connections: Vec<MultiplexedConnection>,
    next: AtomicUsize,
}

impl Line {
    /// Says one thing and waits for the answer, however long that takes.
    pub(super) async fn say(&self, cmd: &Cmd) -> RedisResult<Value> {
        say(&mut self.connection()?, cmd).await
    }

    /// Says many things at once.
    pub(super) async fn say_all(&self, pipeline: &Pipeline) -> RedisResult<()> {
        pipeline.exec_async(&mut self.connection()?).await
    }

    fn connection(&self) -> RedisResult<MultiplexedConnection> {
        let next = self.next.fetch_add(1, Ordering::Relaxed) % LINES;
        let connection = self.connections.get(next).cloned();
        connection.ok_or_else(|| RedisError::from((ErrorKind::Io, "there is no connection")))
    }
}

async fn say(connection: &mut MultiplexedConnection, cmd: &Cmd) -> RedisResult<Value> {
    // An error that the server answers is an answer.
    connection.send_packed_command(cmd).await?.extract_error()
}

/// The way to the server.
pub(super) struct Link {
    shared: Shared,
    line: ArcSwapOption<Line>,
    broken: Notify,
    /// How many attempts ended, and why the last one failed.
    attempts: watch::Sender<(u64, Option<String>)>,
    errors: Tally,
    logged: Mutex<Option<Instant>>,
}

impl Link {
    pub(super) fn new(shared: Shared, errors: Tally) -> Self {
        Self {
            shared,
            line: ArcSwapOption::empty(),
            broken: Notify::new(),
            attempts: watch::Sender::new((0, None)),
            errors,
            logged: Mutex::new(None),
        }
    }

    /// The connections, if the server answered when it was asked last.
    pub(super) fn line(&self) -> Option<Arc<Line>> {
        self.line.load_full()
    }

    pub(super) fn is_up(&self) -> bool {
        self.line.load().is_some()
    }

    /// Waits until the server answers, or until it did not once, if that is enough.
    ///
    /// # Errors
    /// Why it did not.
    pub(super) async fn first(&self, patience: Duration, once: bool) -> Result<(), String> {
        let mut attempts = self.attempts.subscribe();
        let ended = attempts.wait_for(|(count, why)| *count > 0 && (once || why.is_none()));
        let _ = timeout(patience, ended).await;
        if self.is_up() {
            return Ok(());
        }
        let why = self.attempts.borrow().1.clone();
        Err(why.unwrap_or_else(|| "it does not answer".to_owned()))
    }

    /// Takes note that what was said over these connections failed.
    pub(super) fn failed(&self, line: &Arc<Line>, error: &RedisError) {
        self.count(&describe(error));
        if is_the_links_fault(error) {
            self.cut(line);
        }
    }

    /// Takes note that no answer came in time.
    pub(super) fn late(&self, line: &Arc<Line>) {
        self.count("no answer came in time");
        self.cut(line);
    }

    fn cut(&self, line: &Arc<Line>) {
        // Unless others were made meanwhile.
        let current = self.line.load();
        if current.as_ref().is_some_and(|current| Arc::ptr_eq(current, line)) {
            self.line.compare_and_swap(&*current, None);
            self.broken.notify_one();
        }
    }

    fn count(&self, why: &str) {
        self.errors.increment(1);
        let mut logged = self.logged.lock().unwrap_or_else(PoisonError::into_inner);
        if logged.is_none_or(|logged| logged.elapsed() >= REMIND) {
            let (store, on_failure) = (self.shared.address(), self.shared.on_failure);
            warn!(store, why, ?on_failure, "the shared store of counters fails");
            *logged = Some(Instant::now());
        }
    }

    /// Keeps connections, for ever.
    pub(super) async fn keep(&self, script: &Script) {
        let mut pause = Duration::ZERO;
        loop {
            sleep(pause).await;
            match self.connect(script).await {
                Ok(line) => {
                    if self.logged.lock().unwrap_or_else(PoisonError::into_inner).take().is_some() {
                        info!(store = self.shared.address(), "the shared store of counters answers again");
                    }
                    let line = Arc::new(line);
                    self.line.store(Some(Arc::clone(&line)));
                    self.attempts.send_modify(|attempts| *attempts = (attempts.0 + 1, None));
                    self.watch(&line).await;
                    // A server that answers a first question and no second one is not asked without pause.
                    pause = SOON;
                }
                Err(why) => {
                    self.count(&why);
                    self.attempts.send_modify(|attempts| *attempts = (attempts.0 + 1, Some(why)));
                    pause = (pause * 2).clamp(SOON, LATE);
                }
            }
        }
    }

    /// Until these connections are given up.
    async fn watch(&self, line: &Arc<Line>) {
        loop {
            let broken = self.broken.notified();
            if !self.line.load().as_ref().is_some_and(|current| Arc::ptr_eq(current, line)) {
                return;
            }
            if timeout(IDLE, broken).await.is_ok() {
                continue;
            }
            for _ in 0..LINES {
                match timeout(self.shared.timeout, line.say(&redis::cmd("PING"))).await {
                    Ok(Ok(_)) => {}
                    Ok(Err(error)) => self.failed(line, &error),
                    Err(_) => self.late(line),
                }
            }
        }
    }

    /// Connections over which the server answered in time.
    async fn connect(&self, script: &Script) -> Result<Line, String> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT))
            // Each question has a deadline of its own.
            .set_response_timeout(None)
            .set_pipeline_buffer_size(1024);
        let mut connections = Vec::new();
        for _ in 0..LINES {
            let connecting = self.shared.client.get_multiplexed_async_connection_with_config(&config);
            let connected =
                timeout(CONNECT, connecting).await.map_err(|_| "no connection in time".to_owned())?;
            let mut connection = connected.map_err(|error| describe(&error))?;
            let introduction = script.introduction();
            let asked = timeout(CONNECT, say(&mut connection, &introduction)).await;
            asked.map_err(|_| "no answer in time".to_owned())?.map_err(|error| describe(&error))?;
            let ping = redis::cmd("PING");
            let asked = timeout(self.shared.timeout, say(&mut connection, &ping)).await;
            asked.map_err(|_| "no answer in time".to_owned())?.map_err(|error| describe(&error))?;
            connections.push(connection);
        }
        Ok(Line { connections, next: AtomicUsize::new(0) })
    }
}

/// Whether another connection may do better.
fn is_the_links_fault(error: &RedisError) -> bool {
    use ServerErrorKind::{BusyLoading, ClusterDown, MasterDown, ReadOnly};
    match error.kind() {
        ErrorKind::Server(kind) => matches!(kind, BusyLoading | ClusterDown | MasterDown | ReadOnly),
        ErrorKind::Extension => false,
        _ => true,
    }
}

/// What went wrong, in the server's own words where it has some; they quote neither user nor password.
fn describe(error: &RedisError) -> String {
    error.to_string()
}
