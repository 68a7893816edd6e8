//! What the deciding thread knows, and how it decides.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::io;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

use tokio::sync::oneshot;
use tracing::{error, info};

use super::super::journal::{Content, Due, Entered, Journal, News, Position, ToDisk};
use super::super::memory::{Id, Judgement, Memory, Owner, Second};
use super::super::{Refused, ReplayError};
use super::Grant;
use super::ask::Ask;
use super::round::{Entry, Round};

/// How long to wait before trying again what failed.
const RETRY: Duration = Duration::from_secs(1);

/// What was accepted and written, and will be on disk.
struct Settling {
    position: Position,
    ids: Vec<Id>,
    until: Second,
    answer: Option<oneshot::Sender<Result<(), ReplayError>>>,
}

/// All that the thread knows.
pub(super) struct Desk {
    owner: Owner,
    memory: Memory,
    journal: Journal,
    /// Our own, for others to send to.
    inbox: Sender<Ask>,
    syncer: Sender<Due>,
    /// What could not be written yet. Nothing may be written before it.
    owed: Vec<Entry>,
    settling: VecDeque<Settling>,
    /// The time that we were told last.
    now: Second,
    drafting: bool,
    failing: bool,
}

impl Desk {
    /// Reads what is remembered in the folder.
    pub(super) fn open(
        folder: &Path,
        most: usize,
        to_disk: ToDisk,
        inbox: Sender<Ask>,
        syncer: Sender<Due>,
    ) -> Result<Self, String> {
        let mut memory = Memory::new(most);
        let journal = Journal::open(folder, to_disk, |news| learn(&mut memory, &news))?;
        // They would take room for ever.
        let owners: BTreeSet<Owner> = memory.taken().map(|(_, owner)| owner).collect();
        let entered = journal.enter().map_err(|error| error.to_string())?;
        let gone = owners.into_iter().filter(|owner| !journal.lives(&entered, *owner));
        gone.for_each(|owner| memory.release_all(owner));
        Ok(Self {
            owner: journal.owner(),
            memory,
            journal,
            inbox,
            syncer,
            owed: Vec::new(),
            settling: VecDeque::new(),
            now: Second(0),
            drafting: false,
            failing: false,
        })
    }

    /// Serves until it is told to stop.
    pub(super) fn run(mut self, asks: &Receiver<Ask>) {
        self.consider_draft();
        loop {
            let patience =
                if self.owed.is_empty() && !self.journal.is_broken() { Duration::MAX } else { RETRY };
            let first = match asks.recv_timeout(patience) {
                Ok(ask) => Some(ask),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            let batch: Vec<Ask> = first.into_iter().chain(asks.try_iter()).collect();
            let is_last = batch.iter().any(|ask| matches!(ask, Ask::Stop));
            self.serve(batch);
            if is_last {
                return self.finish();
            }
            self.consider_draft();
        }
    }

    fn serve(&mut self, batch: Vec<Ask>) {
        let batch: Vec<Ask> = batch.into_iter().filter_map(|ask| self.answer_at_once(ask)).collect();
        if batch.is_empty() && self.owed.is_empty() {
            return;
        }
        let mut round = Round { entries: std::mem::take(&mut self.owed) };
        let written = match self.enter() {
            Ok(entered) => {
                // If all was told anew, this was not yet.
                round.released().for_each(|ids| self.memory.release(ids, self.owner));
                for ask in batch {
                    self.decide(ask, Some(&entered), &mut round);
                }
                self.journal.append(&entered, round.frames(self.owner))
            }
            Err(error) => {
                for ask in batch {
                    self.decide(ask, None, &mut round);
                }
                Err(error)
            }
        };
        self.tell(written.as_ref().err());
        match written {
            Ok(()) => self.written(round),
            Err(_) => self.unwritten(round),
        }
    }

    /// What needs no file: the rest is given back.
    fn answer_at_once(&mut self, ask: Ask) -> Option<Ask> {
        match ask {
            Ask::Reserve { ids, until, now, answer } => {
                self.now = now;
                if !self.journal.is_broken() && self.memory.has_seen(&ids, now) {
                    // Nobody waits any more: nothing to do.
                    let _ = answer.send(Ok(Err(Refused::Seen)));
                    return None;
                }
                Some(Ask::Reserve { ids, until, now, answer })
            }
            Ask::Settled { upto, outcome: Ok(()) } => {
                self.settle(upto);
                None
            }
            Ask::Settled { outcome: Err(error), .. } => {
                self.tell(Some(&error));
                self.journal.break_off();
                self.disappoint();
                None
            }
            Ask::Drafted(Err(error)) => {
                self.tell(Some(&error));
                self.drafting = false;
                None
            }
            Ask::Stop => None,
            other => Some(other),
        }
    }

    /// The lock of the folder, with all known that the others wrote.
    fn enter(&mut self) -> io::Result<Entered> {
        let entered = self.journal.enter()?;
        self.journal.catch_up(&entered, |news| learn(&mut self.memory, &news))?;
        Ok(entered)
    }

    /// Decides what is asked, with the lock of the folder or knowing that nothing can be written.
    fn decide(&mut self, ask: Ask, entered: Option<&Entered>, round: &mut Round) {
        match ask {
            Ask::Reserve { ids, until, now, answer } => {
                let judgement = entered.map(|entered| self.judge(&ids, now, entered));
                let refusal = match judgement.filter(|_| !self.journal.is_broken()) {
                    Some(Judgement::Free) => {
                        self.memory.take(&ids, self.owner);
                        return round.entries.push(Entry::Taken { ids, until, answer });
                    }
                    Some(Judgement::Seen) => Ok(Err(Refused::Seen)),
                    Some(Judgement::InFlight) => Ok(Err(Refused::InFlight)),
                    Some(Judgement::Full) => Err(ReplayError::Full),
                    Some(Judgement::Doubtful) | None => Err(ReplayError::Unavailable),
                };
                let _ = answer.send(refusal);
            }
            Ask::Commit { ids, until, answer } => round.entries.push(Entry::Accepted { ids, until, answer }),
            Ask::Release { ids } => {
                self.memory.release(&ids, self.owner);
                round.entries.push(Entry::Released { ids });
            }
            Ask::Drafted(Ok(draft)) => {
                self.drafting = false;
                let adopted = entered.map(|entered| self.journal.adopt(entered, &draft));
                self.tell(adopted.as_ref().and_then(|adopted| adopted.as_ref().err()));
                if matches!(adopted, Some(Ok(true))) {
                    self.settle(self.journal.position());
                }
            }
            Ask::Drafted(Err(_)) | Ask::Settled { .. } | Ask::Stop => {}
        }
    }

    fn judge(&mut self, ids: &[Id], now: Second, entered: &Entered) -> Judgement {
        let judgement = self.memory.judge(ids, now);
        if judgement != Judgement::InFlight {
            return judgement;
        }
        for owner in self.memory.owners(ids) {
            if !self.journal.lives(entered, owner) {
                self.memory.release_all(owner);
            }
        }
        self.memory.judge(ids, now)
    }

    /// All of it is in the file.
    fn written(&mut self, round: Round) {
        let position = self.journal.position();
        for entry in round.entries {
            match entry {
                Entry::Taken { ids, until, answer } => {
                    // If nobody waits any more, it is dropped and thereby released.
                    let _ = answer.send(Ok(Ok(Grant::new(ids, until, self.inbox.clone()))));
                }
                Entry::Accepted { ids, until, answer } => {
                    self.settling.push_back(Settling { position, ids, until, answer });
                }
                Entry::Released { .. } => {}
            }
        }
        if !self.settling.is_empty() {
            // It ends only after us.
            let _ = self.syncer.send(self.journal.due());
        }
    }

    /// Nothing of it is in the file.
    fn unwritten(&mut self, round: Round) {
        for entry in round.entries {
            match entry {
                Entry::Taken { ids, answer, .. } => {
                    self.memory.release(&ids, self.owner);
                    let _ = answer.send(Err(ReplayError::Unavailable));
                }
                Entry::Accepted { ids, until, answer } => {
                    if let Some(answer) = answer {
                        let _ = answer.send(Err(ReplayError::Unavailable));
                    }
                    self.owed.push(Entry::Accepted { ids, until, answer: None });
                }
                released @ Entry::Released { .. } => self.owed.push(released),
            }
        }
    }

    /// All up to here is on disk.
    fn settle(&mut self, upto: Position) {
        while let Some(settled) = self.settling.pop_front_if(|next| next.position <= upto) {
            self.memory.accept(&settled.ids, settled.until);
            if let Some(answer) = settled.answer {
                let _ = answer.send(Ok(()));
            }
        }
    }

    /// Nobody can say when it will be on disk. The ids stay reserved until it is.
    fn disappoint(&mut self) {
        for settling in &mut self.settling {
            if let Some(answer) = settling.answer.take() {
                let _ = answer.send(Err(ReplayError::Unavailable));
            }
        }
    }

    /// Has the journal written anew if that is necessary, or worth it.
    fn consider_draft(&mut self) {
        if self.drafting || !(self.journal.is_broken() || self.journal.is_long(self.memory.accepted().len()))
        {
            return;
        }
        self.memory.sweep(self.now);
        let settling = self.settling.iter();
        let settling: HashMap<Id, Second> =
            settling.flat_map(|next| next.ids.iter().map(|id| (*id, next.until))).collect();
        let content = Content {
            forgotten: self.memory.forgotten(),
            taken: self.memory.taken().filter(|(id, _)| !settling.contains_key(id)).collect(),
            accepted: self
                .memory
                .accepted()
                .chain(settling.iter().map(|(id, until)| (*id, *until)))
                .collect(),
        };
        let (plan, tell) = (self.journal.plan(content), self.inbox.clone());
        let write = move || {
            let _ = tell.send(Ask::Drafted(plan.write()));
        };
        match thread::Builder::new().name("replays-draft".to_owned()).spawn(write) {
            Ok(_) => self.drafting = true,
            Err(error) => self.tell(Some(&error)),
        }
    }

    /// The last that is done: what was accepted is on disk, even if nobody waits for it.
    fn finish(mut self) {
        if !self.settling.is_empty() {
            let due = self.journal.due();
            if self.journal.settle(&due).is_ok() {
                self.settle(due.position);
            }
        }
    }

    /// Says that something fails, and that it does no longer, each once.
    fn tell(&mut self, error: Option<&io::Error>) {
        match error {
            Some(error) if !self.failing => {
                error!(%error, "webhook deliveries cannot be remembered; they are refused meanwhile");
            }
            None if self.failing && !self.journal.is_broken() => {
                info!("webhook deliveries can be remembered again");
            }
            _ => {}
        }
        self.failing = error.is_some() || self.journal.is_broken();
    }
}

fn learn(memory: &mut Memory, news: &News) {
    match *news {
        News::Anew(forgotten) => memory.start_over(forgotten),
        News::Taken(owner, ids) => memory.take(ids, owner),
        News::Released(owner, ids) => memory.release(ids, owner),
        News::Accepted(until, ids) => memory.accept(ids, until),
    }
}

#[cfg(test)]
mod tests;
