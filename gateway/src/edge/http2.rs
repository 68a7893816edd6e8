//! HTTP/2: Pingora's connection loop, with what it lacks: a deadline on preface and first request, a request
//! limit, and options that a reload can change.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use pingora::apps::{HttpServerApp, HttpServerOptions, ReusedHttpStream, ServerApp};
use pingora::protocols::http::ServerSession;
use pingora::protocols::http::v2::server::{H2Options, default_h2_options};
use pingora::server::ShutdownWatch;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, timeout};

use super::{Connection, Edge, EdgeLimits, EdgeSettings, Io, becomes_true};

/// How long a client that was told to leave, and has nothing in progress, may take to do so: some never do.
const GOODBYE: Duration = Duration::from_secs(5);
/// How long the streams of a connection that has ended may take to be logged.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Serves a connection until either side has enough.
pub(super) async fn serve<A>(edge: &Edge<A>, io: Io, limits: EdgeLimits)
where
    A: HttpServerApp + Send + Sync + 'static,
{
    let retiring = watch::Sender::new(false);
    let streams = Arc::new(Streams {
        app: Arc::clone(&edge.app),
        connection: Arc::clone(io.connection()),
        settings: Arc::clone(&edge.settings),
        retiring: retiring.clone(),
        running: AtomicUsize::new(0),
        idle: Notify::new(),
        options: server_options(&limits),
        limits,
    });
    let watch = retiring.subscribe();
    let mut conversation = pin!(streams.process_new(Box::new(io), &watch));
    let (mut drain, mut retire) = (edge.draining.subscribe(), retiring.subscribe());
    let mut drained = pin!(becomes_true(&mut drain));
    let mut retired = pin!(becomes_true(&mut retire));
    let mut clock = pin!(sleep(limits.header_timeout));
    let goodbye = limits.idle.min(GOODBYE);
    let (mut draining, mut leaving, mut waiting) = (false, false, true);
    loop {
        tokio::select! {
            _ = &mut conversation => break,
            () = &mut drained, if !draining => {
                draining = true;
                retiring.send_replace(true);
            }
            // From here on Pingora no longer watches for idleness: it waits for the peer to say goodbye.
            () = &mut retired, if !leaving => {
                (leaving, waiting) = (true, true);
                clock.as_mut().reset(Instant::now() + goodbye);
            }
            () = &mut clock, if waiting => {
                if leaving && streams.running.load(Ordering::Relaxed) == 0 || streams.connection.requests() == 0 {
                    break;
                }
                waiting = leaving;
                clock.as_mut().reset(Instant::now() + goodbye);
            }
        }
    }
    // A stream outlives its connection by what is still to be logged of it.
    let _ = timeout(LAST_WORDS, streams.all_ended()).await;
}

fn server_options(limits: &EdgeLimits) -> HttpServerOptions {
    let mut options = HttpServerOptions::default();
    options.h2_idle_timeout = Some(limits.idle);
    options
}

/// The app as one HTTP/2 connection sees it.
struct Streams<A> {
    app: Arc<A>,
    connection: Arc<Connection>,
    settings: Arc<ArcSwap<EdgeSettings>>,
    /// Becomes true when no further request is wanted; Pingora then sends GOAWAY.
    retiring: watch::Sender<bool>,
    running: AtomicUsize,
    /// Told when no stream runs any more.
    idle: Notify,
    options: HttpServerOptions,
    limits: EdgeLimits,
}

impl<A> Streams<A> {
    async fn all_ended(&self) {
        loop {
            // Asked for before the count is read, so that no end in between is missed.
            let idle = self.idle.notified();
            if self.running.load(Ordering::Acquire) == 0 {
                return;
            }
            idle.await;
        }
    }
}

#[async_trait]
impl<A: HttpServerApp + Send + Sync + 'static> HttpServerApp for Streams<A> {
    async fn process_new_http(
        self: &Arc<Self>,
        session: ServerSession,
        shutdown: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        let _running = Running::new(&self.running, &self.idle);
        if self.connection.count_request() >= self.limits.requests_per_connection
            || self.connection.is_outdated(&self.settings.load())
        {
            self.retiring.send_replace(true);
        }
        self.app.process_new_http(session, shutdown).await
    }

    fn h2_options(&self) -> Option<H2Options> {
        let mut options = default_h2_options();
        options.max_concurrent_streams(self.limits.h2_streams);
        options.max_header_list_size(u32::try_from(self.limits.header_bytes).unwrap_or(u32::MAX));
        Some(options)
    }

    fn server_options(&self) -> Option<&HttpServerOptions> {
        Some(&self.options)
    }
}

/// Counts a stream for as long as it runs.
struct Running<'a>(&'a AtomicUsize, &'a Notify);

impl<'a> Running<'a> {
    fn new(count: &'a AtomicUsize, idle: &'a Notify) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count, idle)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if self.0.fetch_sub(1, Ordering::Release) == 1 {
            self.1.notify_waiters();
        }
    }
}
