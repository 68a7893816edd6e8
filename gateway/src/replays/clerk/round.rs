//! What is decided at once and written together.

use tokio::sync::oneshot;

use super::super::ReplayError;
use super::super::journal::Frames;
use super::super::memory::{Id, Owner, Second};
use super::Granted;

/// What is to be written, and who waits for it.
pub(super) enum Entry {
    /// A delivery that may be forwarded.
    Taken { ids: Vec<Id>, until: Second, answer: oneshot::Sender<Result<Granted, ReplayError>> },
    /// One that failed.
    Released { ids: Vec<Id> },
    /// One that was accepted.
    Accepted { ids: Vec<Id>, until: Second, answer: Option<oneshot::Sender<Result<(), ReplayError>>> },
}

/// Entries in the order of the decisions.
pub(super) struct Round {
    pub(super) entries: Vec<Entry>,
}

impl Round {
    /// The ids that are released.
    pub(super) fn released(&self) -> impl Iterator<Item = &[Id]> {
        self.entries.iter().filter_map(|entry| match entry {
            Entry::Released { ids } => Some(ids.as_slice()),
            Entry::Taken { .. } | Entry::Accepted { .. } => None,
        })
    }

    /// As they are written.
    pub(super) fn frames(&self, owner: Owner) -> Frames {
        let mut frames = Frames::default();
        for entry in &self.entries {
            match entry {
                Entry::Taken { ids, .. } => frames.taken(owner, ids),
                Entry::Released { ids } => frames.released(owner, ids),
                Entry::Accepted { ids, until, .. } => frames.accepted(*until, ids),
            }
        }
        frames
    }
}
