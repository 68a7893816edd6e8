//! What the thread is asked and told.

use std::io;
use std::sync::mpsc::Sender;

use tokio::sync::oneshot;

use super::super::ReplayError;
use super::super::journal::{Draft, Position};
use super::super::memory::{Id, Second};
use super::Granted;

/// A message to the thread.
pub(super) enum Ask {
    /// May this delivery be forwarded?
    Reserve {
        ids: Vec<Id>,
        until: Second,
        now: Second,
        answer: oneshot::Sender<Result<Granted, ReplayError>>,
    },
    /// It was accepted.
    Commit { ids: Vec<Id>, until: Second, answer: Option<oneshot::Sender<Result<(), ReplayError>>> },
    /// It was not.
    Release { ids: Vec<Id> },
    /// The disk has what was written, or not.
    Settled { upto: Position, outcome: io::Result<()> },
    /// A shorter journal was written, or not.
    Drafted(io::Result<Draft>),
    /// The end.
    Stop,
}

/// Keys that the thread reserved. Dropped, they are released.
#[derive(Debug)]
pub(in crate::replays) struct Grant {
    /// None once it was committed.
    ids: Option<Vec<Id>>,
    until: Second,
    inbox: Sender<Ask>,
}

impl Grant {
    pub(super) fn new(ids: Vec<Id>, until: Second, inbox: Sender<Ask>) -> Self {
        Self { ids: Some(ids), until, inbox }
    }

    /// Resolves when it is on disk.
    pub(in crate::replays) async fn commit(mut self) -> Result<(), ReplayError> {
        let (answer, heard) = oneshot::channel();
        self.say(Some(answer));
        heard.await.unwrap_or(Err(ReplayError::Unavailable))
    }

    /// The same for nobody who waits.
    pub(in crate::replays) fn commit_unheard(mut self) {
        self.say(None);
    }

    pub(super) fn say(&mut self, answer: Option<oneshot::Sender<Result<(), ReplayError>>>) {
        if let Some(ids) = self.ids.take() {
            // Without the thread, the answer is dropped, which is one.
            let _ = self.inbox.send(Ask::Commit { ids, until: self.until, answer });
        }
    }
}

impl Drop for Grant {
    fn drop(&mut self) {
        if let Some(ids) = self.ids.take() {
            // Without the thread, the process ends, and with it all its reservations.
            let _ = self.inbox.send(Ask::Release { ids });
        }
    }
}
