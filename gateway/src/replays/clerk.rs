//! One thread decides for this process, in the order in which it is asked, and a second one brings to the disk what the first has
//! written. While the disk is busy, decisions go on, and what they write goes to the disk together.

mod ask;
mod desk;
mod round;

use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};

use tokio::sync::oneshot;

use self::ask::Ask;
pub(super) use self::ask::Grant;
use self::desk::Desk;
use super::journal::{Due, ToDisk};
use super::memory::{Id, Second};
use super::{Refused, ReplayError};

/// What a delivery gets.
pub(super) type Granted = Result<Grant, Refused>;

/// The one who is asked.
pub(super) struct Clerk {
    inbox: Sender<Ask>,
    thread: Option<JoinHandle<()>>,
}

impl Clerk {
    /// Reads what is remembered in the folder and begins.
    ///
    /// # Errors
    /// A sentence.
    pub(super) fn start(folder: &Path, most: usize, to_disk: ToDisk) -> Result<Self, String> {
        let (inbox, asks) = channel();
        let (syncer, dues) = channel();
        let desk = Desk::open(folder, most, to_disk.clone(), inbox.clone(), syncer)?;
        let cannot =
            |error| format!("a thread for the remembered webhook deliveries cannot be started: {error}");
        let tell = inbox.clone();
        let named = |name: &str| thread::Builder::new().name(name.to_owned());
        named("replays-disk").spawn(move || bring(&dues, &to_disk, &tell)).map_err(cannot)?;
        let thread = named("replays").spawn(move || desk.run(&asks)).map_err(cannot)?;
        Ok(Self { inbox, thread: Some(thread) })
    }

    /// Asks for a reservation.
    pub(super) async fn reserve(
        &self,
        ids: Vec<Id>,
        until: Second,
        now: Second,
    ) -> Result<Granted, ReplayError> {
        let (answer, heard) = oneshot::channel();
        let asked = self.inbox.send(Ask::Reserve { ids, until, now, answer });
        asked.map_err(|_| ReplayError::Unavailable)?;
        heard.await.unwrap_or(Err(ReplayError::Unavailable))
    }
}

impl Drop for Clerk {
    fn drop(&mut self) {
        let _ = self.inbox.send(Ask::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Brings to the disk what is due. What became due while the disk was busy goes there at once.
fn bring(dues: &Receiver<Due>, to_disk: &ToDisk, tell: &Sender<Ask>) {
    while let Ok(mut due) = dues.recv() {
        while let Ok(later) = dues.try_recv() {
            due = later;
        }
        let outcome = due.settle(to_disk);
        if tell.send(Ask::Settled { upto: due.position, outcome }).is_err() {
            return;
        }
    }
}
