//! The access log: one JSON object a line, written by a thread of its own.
//!
//! A request hands its finished line over and goes on; a slow disk or a stalled pipe costs lines, which are
//! counted, and never time.

mod line;

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

pub use line::Line;

/// Lines that may wait; at 100,000 requests a second the thread empties this long before it is full.
const LINES: usize = 16 * 1024;
/// Bytes that may wait. Lines are as long as a client makes its path, so their number alone bounds nothing.
const BYTES: usize = 32 * 1024 * 1024;
/// What goes out in one write.
const BATCH: usize = 64 * 1024;
/// How long the thread lets lines gather. A sleeping thread is not woken by every line, which spares the
/// request threads a system call each.
const GATHER: Duration = Duration::from_millis(20);
/// How long a shutdown waits for a target that takes no bytes.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where the lines go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// A file, appended to; created with mode 0640, since the log holds personal data.
    File(PathBuf),
}

/// What waits in the channel. A wake-up carries nothing: it makes the thread look at its flags.
type Message = Option<Vec<u8>>;

/// The sending end. Dropping it without [`AccessLog::close`] lets the thread finish by itself.
#[derive(Debug)]
pub struct AccessLog {
    lines: SyncSender<Message>,
    shared: Arc<Shared>,
    finished: Mutex<Receiver<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    bytes: AtomicUsize,
    dropped: AtomicU64,
    reopen: AtomicBool,
    closing: AtomicBool,
}

impl AccessLog {
    /// Opens the target and starts the thread.
    ///
    /// # Errors
    /// When the file cannot be opened or the thread cannot be started.
    pub fn start(target: Target) -> io::Result<Self> {
        let sink = Sink::open(target)?;
        Self::start_on(sink, LINES)
    }

    fn start_on(sink: impl Output, lines: usize) -> io::Result<Self> {
        let (sender, receiver) = sync_channel(lines);
        let (finish, finished) = sync_channel(1);
        let shared = Arc::new(Shared::default());
        let mut writer = Writer { sink, shared: Arc::clone(&shared), torn: false, failing: false };
        thread::Builder::new().name("access-log".to_owned()).spawn(move || {
            writer.run(&receiver);
            // Nobody may be waiting.
            let _ = finish.try_send(());
        })?;
        Ok(Self { lines: sender, shared, finished: Mutex::new(finished) })
    }

    /// Hands over one line, which ends in a newline. Never blocks: a line that finds no room, or comes after
    /// [`AccessLog::close`], is dropped and counted.
    pub fn write(&self, line: Vec<u8>) {
        let length = line.len();
        let waiting = self.shared.bytes.fetch_add(length, Ordering::Relaxed);
        let room = waiting.saturating_add(length) <= BYTES && !self.shared.closing.load(Ordering::Relaxed);
        if !room || self.lines.try_send(Some(line)).is_err() {
            self.shared.bytes.fetch_sub(length, Ordering::Relaxed);
            self.shared.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many lines were lost since the start: no room, a failing target, or too late.
    pub fn dropped(&self) -> u64 {
        self.shared.dropped.load(Ordering::Relaxed)
    }

    /// Opens the file by its name again, after a rotation renamed it. Every line written after this call goes
    /// to the new file. Where that cannot be opened, the old one is kept. Nothing happens for the other targets.
    pub fn reopen(&self) {
        self.shared.reopen.store(true, Ordering::Release);
        self.wake();
    }

    /// Writes out what waits and ends the thread. Blocks until that is done, five seconds at most: call it
    /// where no request is served any more.
    pub fn close(&self) {
        self.shared.closing.store(true, Ordering::Release);
        self.wake();
        let finished = self.finished.lock().unwrap_or_else(PoisonError::into_inner);
        // An error is a thread that has ended already, or one that hangs in a write and is left behind.
        let _ = finished.recv_timeout(PATIENCE);
    }

    fn wake(&self) {
        // A full channel means that the thread is awake, or about to be.
        let _ = self.lines.try_send(None);
    }
}

/// What the thread writes to.
trait Output: Send + 'static {
    fn write(&mut self, batch: &[u8]) -> io::Result<()>;
    fn reopen(&mut self) -> io::Result<()>;
}

enum Sink {
    Stdout,
    Stderr,
    File(PathBuf, File),
}

impl Sink {
    fn open(target: Target) -> io::Result<Self> {
        Ok(match target {
            Target::Stdout => Sink::Stdout,
            Target::Stderr => Sink::Stderr,
            Target::File(path) => {
                let file = append(&path)?;
                Sink::File(path, file)
            }
        })
    }
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).mode(0o640).open(path)
}

impl Output for Sink {
    fn write(&mut self, batch: &[u8]) -> io::Result<()> {
        match self {
            Sink::Stdout => {
                let mut out = io::stdout().lock();
                out.write_all(batch).and_then(|()| out.flush())
            }
            Sink::Stderr => io::stderr().lock().write_all(batch),
            Sink::File(_, file) => file.write_all(batch),
        }
    }

    fn reopen(&mut self) -> io::Result<()> {
        if let Sink::File(path, file) = self {
            *file = append(path)?;
        }
        Ok(())
    }
}

struct Writer<S> {
    sink: S,
    shared: Arc<Shared>,
    /// The last write failed and may have left half a line.
    torn: bool,
    /// The failure has been reported.
    failing: bool,
}

impl<S: Output> Writer<S> {
    fn run(&mut self, lines: &Receiver<Message>) {
        let mut batch = Vec::with_capacity(BATCH * 2);
        while let Ok(first) = lines.recv() {
            let mut count = add(&mut batch, first);
            if !self.shared.closing.load(Ordering::Acquire) {
                thread::sleep(GATHER);
            }
            while let Ok(next) = lines.try_recv() {
                count += add(&mut batch, next);
                if batch.len() >= BATCH {
                    self.put(&mut batch, &mut count);
                }
            }
            self.put(&mut batch, &mut count);
            if self.shared.closing.load(Ordering::Acquire) {
                // Lines that were sent while the last batch was written.
                for late in lines.try_iter() {
                    count += add(&mut batch, late);
                }
                self.put(&mut batch, &mut count);
                return;
            }
        }
    }

    /// Writes the batch and empties it.
    fn put(&mut self, batch: &mut Vec<u8>, count: &mut u64) {
        // Looked at after the lines were taken, so that a line sent after `reopen` meets the new file.
        if self.shared.reopen.swap(false, Ordering::AcqRel)
            && let Err(error) = self.sink.reopen()
        {
            log::error!("the access log cannot be reopened, the old file is kept: {error}");
        }
        if batch.is_empty() {
            return;
        }
        self.shared.bytes.fetch_sub(batch.len(), Ordering::Relaxed);
        if self.torn {
            batch.insert(0, b'\n');
        }
        match self.sink.write(batch) {
            Ok(()) => {
                self.torn = false;
                self.failing = false;
            }
            Err(error) => {
                self.torn = true;
                self.shared.dropped.fetch_add(*count, Ordering::Relaxed);
                if !self.failing {
                    log::error!("the access log cannot be written, lines are lost: {error}");
                }
                self.failing = true;
            }
        }
        batch.clear();
        *count = 0;
    }
}

fn add(batch: &mut Vec<u8>, message: Message) -> u64 {
    message.map_or(0, |line| {
        batch.extend_from_slice(&line);
        1
    })
}

#[cfg(test)]
mod tests;
