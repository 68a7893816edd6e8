//! How long an upstream may be silent. Pingora has one timeout per read of the answer; a route has two: one
//! until the answer begins and one between its pieces. So its connections carry a clock.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

/// A connection's clock. It runs while a request holds a [`Watch`], and rests in the pool.
#[derive(Debug, Default)]
pub struct Clock(ArcSwapOption<Allowance>);

impl Clock {
    /// Starts the clock for a request, in place of any other.
    pub fn watch(&self, first_byte: Duration, stream_idle: Duration) -> Watch {
        let allowance = Arc::new(Allowance {
            began: Instant::now(),
            written: AtomicU64::new(0),
            first_byte,
            stream_idle,
            answered: AtomicBool::new(false),
            over: AtomicBool::new(false),
            ran_out: AtomicBool::new(false),
        });
        self.0.store(Some(Arc::clone(&allowance)));
        Watch(allowance)
    }

    fn wrote(&self) {
        if let Some(allowance) = &*self.0.load() {
            allowance.wrote();
        }
    }

    fn heard(&self) {
        if let Some(allowance) = &*self.0.load() {
            allowance.answered.store(true, Ordering::Relaxed);
        }
    }
}

/// A request's hold on its connection's clock: dropped, the clock rests, unless another request has it by then.
#[derive(Debug)]
pub struct Watch(Arc<Allowance>);

impl Watch {
    /// Whether the upstream was silent for too long.
    pub fn ran_out(&self) -> bool {
        self.0.ran_out.load(Ordering::Relaxed)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.over.store(true, Ordering::Relaxed);
    }
}

#[derive(Debug)]
struct Allowance {
    began: Instant,
    /// When something was last written, in nanoseconds since `began`.
    written: AtomicU64,
    first_byte: Duration,
    stream_idle: Duration,
    answered: AtomicBool,
    over: AtomicBool,
    ran_out: AtomicBool,
}

impl Allowance {
    fn wrote(&self) {
        let nanos = u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.written.store(nanos, Ordering::Relaxed);
    }

    /// Silence counts from when we listen: a pause that our own slow client forced upon us is not the
    /// upstream's. And it counts anew from what we wrote: an upload's time is not the upstream's either, and
    /// in a tunnel traffic of both directions counts.
    fn deadline(&self, listening: Instant) -> Option<Instant> {
        if self.over.load(Ordering::Relaxed) {
            return None;
        }
        let answered = self.answered.load(Ordering::Relaxed);
        let allowed = if answered { self.stream_idle } else { self.first_byte };
        let written = self.began + Duration::from_nanos(self.written.load(Ordering::Relaxed));
        // None: so far away that it never comes.
        written.max(listening).checked_add(allowed)
    }
}

/// A byte stream whose reads fail with [`io::ErrorKind::TimedOut`] once its clock ran out.
#[derive(Debug)]
pub struct Timed<S> {
    stream: S,
    clock: Arc<Clock>,
    /// Since when a read finds nothing.
    listening: Option<Instant>,
    /// Set anew when it rings, or for an earlier deadline, and not for every read: later deadlines cost nothing.
    alarm: Option<Pin<Box<Sleep>>>,
}

impl<S> Timed<S> {
    /// With a clock that rests.
    pub fn new(stream: S) -> Self {
        Self { stream, clock: Arc::default(), listening: None, alarm: None }
    }

    /// Its clock.
    pub fn clock(&self) -> &Arc<Clock> {
        &self.clock
    }

    /// What it wraps.
    pub fn get_ref(&self) -> &S {
        &self.stream
    }

    /// What it wraps; what is read or written there is not noticed here.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.stream
    }

    fn poll_silence(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let listening = *self.listening.get_or_insert_with(Instant::now);
        let allowance = self.clock.0.load();
        loop {
            let allowed =
                allowance.as_ref().and_then(|allowance| Some((allowance, allowance.deadline(listening)?)));
            let Some((allowance, deadline)) = allowed else { return Poll::Pending };
            let alarm = self.alarm.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
            if alarm.is_elapsed() || alarm.deadline() > deadline {
                alarm.as_mut().reset(deadline);
            }
            if alarm.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            if Instant::now() >= deadline {
                allowance.ran_out.store(true, Ordering::Relaxed);
                return Poll::Ready(io::ErrorKind::TimedOut.into());
            }
        }
    }

    fn note(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if matches!(written, Poll::Ready(Ok(1..))) {
            self.clock.wrote();
        }
        written
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Timed<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        match Pin::new(&mut this.stream).poll_read(cx, buf) {
            Poll::Pending => this.poll_silence(cx).map(Err),
            ready @ Poll::Ready(_) => {
                this.listening = None;
                if buf.filled().len() > before {
                    this.clock.heard();
                }
                ready
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Timed<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write(cx, buf);
        this.note(written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write_vectored(cx, bufs);
        this.note(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests;
