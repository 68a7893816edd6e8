//! A stream of events that tells how late each one arrives.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use hyper::body::{Body, Frame};
use tokio::time::{Interval, MissedTickBehavior, interval};

const EVERY: Duration = Duration::from_millis(5);

/// Events without an end: `data: NANOSECONDS`, the time since 1970 at which it was written, which a client on the
/// same machine compares with its own.
pub(crate) struct Events {
    beat: Interval,
}

impl Events {
    /// One event every so many milliseconds, as the query says (`every=4`); 5 by default.
    pub(crate) fn asked_for(query: Option<&str>) -> Self {
        let every = query.unwrap_or_default().split('&').find_map(|pair| pair.strip_prefix("every="));
        let every = every.and_then(|text| text.parse().ok()).filter(|&every| every > 0);
        let mut beat = interval(every.map_or(EVERY, Duration::from_millis));
        // A client that was slow for a while gets no burst afterwards: that would measure the burst.
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { beat }
    }
}

impl Body for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        ready!(self.beat.poll_tick(context));
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        Poll::Ready(Some(Ok(Frame::data(Bytes::from(format!("data: {now}\n\n"))))))
    }
}
