//! What must survive a restart, and `kill -9`: locks, and counters of a day or longer, in a file.
//!
//! A thread writes what changed: it gathers for a moment, commits, and tells all whose charges are on the disk now.
//!
//! One process has the file open at a time. While it hands over to the next, both count. So each writes to `counters.redb`
//! while it has it, and to a file of its own, `counters-….redb`, before it gets it and after it let go of it. Whoever
//! has `counters.redb` takes in the others' files once they are closed, or their processes are dead. What is taken in is
//! merged with what was counted meanwhile. So nothing is lost, whoever is killed when.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use metrics::Counter as Tally;
use rules::meter::CounterKey;
use tokio::sync::watch;

use self::writer::{Tell, Writer};
use super::embedded::Embedded;
use super::seed::Seed;

mod file;
#[cfg(test)]
mod tests;
mod writer;

/// For so long, what is to be written is gathered: a commit costs about the same for one counter and for a thousand.
const GATHER: Duration = Duration::from_millis(5);

/// Where the durable counters of this process are kept.
pub(super) struct Journal {
    desk: Arc<Desk>,
    kept: watch::Receiver<u64>,
    /// Whether what other processes have counted is known.
    whole: watch::Receiver<bool>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What the requests leave for the thread.
#[derive(Default)]
struct Desk {
    tray: Mutex<Tray>,
    bell: Condvar,
}

#[derive(Default)]
struct Tray {
    changed: HashSet<CounterKey>,
    /// The number of the last change.
    last: u64,
    is_letting_go: bool,
    is_closing: bool,
}

impl Desk {
    fn tray(&self) -> MutexGuard<'_, Tray> {
        self.tray.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells when a charge is on the disk.
#[must_use = "the charge may be forgotten before it is awaited"]
pub struct Ticket {
    number: u64,
    kept: watch::Receiver<u64>,
}

impl Ticket {
    /// Waits until the charge is on the disk, which takes some milliseconds; or until it is clear that it cannot be written,
    /// which is logged and counted: a full disk does not stop the gateway.
    pub async fn kept(mut self) {
        let _ = self.kept.wait_for(|kept| *kept >= self.number).await;
    }
}

impl Journal {
    /// Takes in what was kept in `folder`, and begins to keep. Reads files: not for a thread that must not wait.
    pub(super) fn open(folder: &Path, seed: Seed, table: Arc<Embedded>, errors: Tally) -> Self {
        let desk = Arc::new(Desk::default());
        let (tell, kept) = watch::channel(0);
        let (tell_whole, whole) = watch::channel(true);
        let mut writer = Writer::new(folder, seed, table, errors, Tell { kept: tell, whole: tell_whole });
        writer.begin();
        let theirs = Arc::clone(&desk);
        let thread = thread::Builder::new().name("portcullis-state".to_owned());
        let thread = thread.spawn(move || work(&theirs, writer)).ok();
        Self { desk, kept, whole, thread: Mutex::new(thread) }
    }

    /// Has these counters be written.
    pub(super) fn push(&self, keys: impl IntoIterator<Item = CounterKey>) -> Option<Ticket> {
        let mut keys = keys.into_iter().peekable();
        keys.peek()?;
        let mut tray = self.desk.tray();
        if tray.is_closing {
            return None;
        }
        let before = tray.changed.len();
        tray.changed.extend(keys);
        tray.last += 1;
        let number = tray.last;
        drop(tray);
        if before == 0 {
            self.desk.bell.notify_one();
        }
        Some(Ticket { number, kept: self.kept.clone() })
    }

    /// Waits until the process before this one has left its file and what it counted is known.
    pub(super) async fn taken_over(&self) {
        let _ = self.whole.clone().wait_for(|whole| *whole).await;
    }

    /// Leaves the file to the next process; what is still counted goes to a file of our own.
    pub(super) fn let_go(&self) {
        self.desk.tray().is_letting_go = true;
        self.desk.bell.notify_one();
    }

    /// Writes what is still to be written and closes the file. Waits for that.
    pub(super) fn close(&self) {
        self.desk.tray().is_closing = true;
        self.desk.bell.notify_one();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        let _ = thread.map(JoinHandle::join);
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.desk.tray().is_closing = true;
        self.desk.bell.notify_one();
    }
}

/// The thread's life.
fn work(desk: &Desk, mut writer: Writer) {
    loop {
        let mut tray = desk.tray();
        let until = Instant::now() + writer.rest();
        while tray.changed.is_empty() && !tray.is_closing && tray.is_letting_go == writer.has_let_go() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            tray = desk.bell.wait_timeout(tray, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        if !tray.changed.is_empty() && !tray.is_closing {
            drop(tray);
            thread::sleep(GATHER);
            tray = desk.tray();
        }
        let changed = std::mem::take(&mut tray.changed);
        let (last, is_letting_go, is_closing) = (tray.last, tray.is_letting_go, tray.is_closing);
        drop(tray);
        writer.write(changed, last);
        if is_letting_go {
            writer.let_go();
        }
        if is_closing {
            return;
        }
        writer.tidy();
    }
}

fn main_file(folder: &Path) -> PathBuf {
    folder.join("counters.redb")
}

/// The files of processes that have not, or no longer, the main one.
fn side_files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let is_side = |path: &PathBuf| {
        let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
        name.starts_with("counters-") && path.extension().is_some_and(|extension| extension == "redb")
    };
    entries.map(|entry| entry.path()).filter(is_side).collect()
}
