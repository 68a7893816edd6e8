//! The one who writes, and looks after the files.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use metrics::Counter as Tally;
use rules::meter::CounterKey;
use tokio::sync::watch;
use tracing::{info, warn};

use super::file::File;
use super::{main_file, side_files};
use crate::state::embedded::Embedded;
use crate::state::seed::Seed;

/// How often the file is tried again while another process has it, and others' files are looked for.
const LOOK: Duration = Duration::from_millis(25);
/// After a failure, the disk is left alone for so long.
const PAUSE: Duration = Duration::from_secs(1);
/// How often a failure that goes on is logged.
const REMIND: Duration = Duration::from_mins(1);
/// How often what is over is swept out of the file, and after how many writes at the latest.
const SWEEP: Duration = Duration::from_mins(10);
const MOST_WRITES: usize = 200_000;
/// So many counters are written at once.
const BATCH: usize = 20_000;

/// The file that is written to.
enum Place {
    Nowhere,
    Main(File),
    /// One of our own, while another process has the main one.
    Side(File),
}

/// Whom it tells what.
pub(super) struct Tell {
    /// The number of the last change that is on the disk, or given up.
    pub(super) kept: watch::Sender<u64>,
    /// Whether what others have counted is known.
    pub(super) whole: watch::Sender<bool>,
}

pub(super) struct Writer {
    folder: PathBuf,
    seed: Seed,
    table: Arc<Embedded>,
    errors: Tally,
    tell: Tell,
    place: Place,
    /// Whether another process had the main file when it was wanted.
    is_waiting: bool,
    has_let_go: bool,
    /// What could not be written.
    owed: HashSet<CounterKey>,
    /// When the disk may be tried again after a failure.
    again: Option<Instant>,
    logged: Option<Instant>,
    swept: Instant,
    /// Writes since then.
    writes: usize,
    has_seed: bool,
}

impl Writer {
    pub(super) fn new(folder: &Path, seed: Seed, table: Arc<Embedded>, errors: Tally, tell: Tell) -> Self {
        Self {
            folder: folder.to_owned(),
            seed,
            table,
            errors,
            tell,
            place: Place::Nowhere,
            is_waiting: false,
            has_let_go: false,
            owed: HashSet::new(),
            again: None,
            logged: None,
            swept: Instant::now(),
            writes: 0,
            has_seed: false,
        }
    }

    /// Takes in what there is. A folder without counters stays as it is, or is not made, until there is something to keep.
    pub(super) fn begin(&mut self) {
        if main_file(&self.folder).exists() || !side_files(&self.folder).is_empty() {
            self.attempt(|writer| writer.take_main().map(|_| ()));
        }
    }

    pub(super) fn has_let_go(&self) -> bool {
        self.has_let_go
    }

    /// How long nothing needs to be looked after.
    pub(super) fn rest(&self) -> Duration {
        match &self.place {
            _ if self.is_waiting && !self.has_let_go => LOOK,
            Place::Main(_) => PAUSE,
            Place::Nowhere if !self.owed.is_empty() => PAUSE,
            Place::Side(_) | Place::Nowhere => SWEEP,
        }
    }

    /// Writes these counters as they are now. Whoever waits for them is told, even if they cannot be written.
    pub(super) fn write(&mut self, changed: HashSet<CounterKey>, number: u64) {
        self.owed.extend(changed);
        let is_due = self.again.is_none_or(|again| again <= Instant::now());
        if !self.owed.is_empty() && is_due {
            self.attempt(Self::pay);
        }
        self.tell.kept.send_replace(number);
    }

    /// Leaves the main file to the next process.
    pub(super) fn let_go(&mut self) {
        self.has_let_go = true;
        if matches!(self.place, Place::Main(_)) {
            self.place = Place::Nowhere;
        }
    }

    /// What is to be done now and then.
    pub(super) fn tidy(&mut self) {
        if self.again.is_some_and(|again| again > Instant::now()) {
            return;
        }
        if self.is_waiting && !self.has_let_go {
            self.attempt(|writer| writer.take_main().map(|_| ()));
        } else if matches!(self.place, Place::Main(_)) {
            self.attempt(Self::adopt);
            if self.swept.elapsed() >= SWEEP || self.writes >= MOST_WRITES {
                self.attempt(Self::sweep);
            }
        }
    }

    fn attempt(&mut self, act: impl FnOnce(&mut Self) -> Result<(), String>) {
        match act(self) {
            Ok(()) => {
                if self.logged.take().is_some() {
                    info!("counters are kept again");
                }
                self.again = None;
            }
            Err(why) => {
                self.errors.increment(1);
                self.again = Some(Instant::now() + PAUSE);
                // After an error the file is opened anew.
                self.place = Place::Nowhere;
                self.owed.retain(|key| self.table.knows(*key));
                if self.logged.is_none_or(|logged| logged.elapsed() >= REMIND) {
                    let folder = self.folder.display().to_string();
                    warn!(folder, why, "counters cannot be kept: a restart would forget them");
                    self.logged = Some(Instant::now());
                }
            }
        }
    }

    fn pay(&mut self) -> Result<(), String> {
        self.settle()?;
        let (Place::Main(file) | Place::Side(file)) = &self.place else { return Ok(()) };
        let known = |key: &CounterKey| self.table.get(*key).map(|(mark, counter)| (*key, mark, counter));
        let keys: Vec<_> = self.owed.iter().copied().collect();
        for some in keys.chunks(BATCH) {
            let records: Vec<_> = some.iter().filter_map(known).collect();
            file.write(&records)?;
            self.writes += records.len();
        }
        self.owed.clear();
        Ok(())
    }

    /// Has a file to write to.
    fn settle(&mut self) -> Result<(), String> {
        if !self.has_seed {
            self.seed.keep(&self.folder).map_err(|error| error.to_string())?;
            self.has_seed = true;
        }
        if !matches!(self.place, Place::Nowhere) || (!self.has_let_go && self.take_main()?) {
            return Ok(());
        }
        let mut random = [0; 8];
        aws_lc_rs::rand::fill(&mut random).map_err(|_| "the system gives no random bytes".to_owned())?;
        let path = self.folder.join(format!("counters-{:016x}.redb", u64::from_le_bytes(random)));
        let file = File::open(&path)?.ok_or("a new file is somebody else's")?;
        self.place = Place::Side(file);
        Ok(())
    }

    /// Opens the main file, if no other process has it, and takes in what it and the others know.
    fn take_main(&mut self) -> Result<bool, String> {
        let path = main_file(&self.folder);
        let file = match File::open(&path) {
            Ok(Some(file)) => file,
            Ok(None) => {
                self.is_waiting = true;
                self.tell.whole.send_replace(false);
                return Ok(false);
            }
            Err(why) => {
                // Not overwritten: somebody may want to look at it.
                let aside = path.with_extension("redb.broken");
                fs::rename(&path, &aside).map_err(|error| format!("{why}; {error}"))?;
                self.errors.increment(1);
                let file = aside.display().to_string();
                warn!(file, why, "the kept counters cannot be read: they begin anew");
                File::open(&path)?.ok_or("the file was taken meanwhile")?
            }
        };
        self.is_waiting = false;
        self.take_in(&file)?;
        if let Place::Side(side) = std::mem::replace(&mut self.place, Place::Main(file)) {
            self.move_over(side)?;
        }
        self.adopt()?;
        self.tell.whole.send_replace(true);
        Ok(true)
    }

    /// Takes in the files of others that are no longer at work.
    fn adopt(&mut self) -> Result<(), String> {
        for path in side_files(&self.folder) {
            match File::open(&path) {
                Ok(Some(side)) => self.move_over(side)?,
                Ok(None) => {}
                Err(why) => {
                    let aside = path.with_extension("redb.broken");
                    warn!(file = aside.display().to_string(), why, "some kept counters cannot be read");
                    fs::rename(&path, &aside).map_err(|error| error.to_string())?;
                }
            }
        }
        Ok(())
    }

    /// Takes in what another file knows, writes it to the main one, and ends the other.
    fn move_over(&mut self, side: File) -> Result<(), String> {
        let keys = self.take_in(&side)?;
        self.owed.extend(keys);
        self.pay()?;
        side.remove()
    }

    fn take_in(&self, file: &File) -> Result<Vec<CounterKey>, String> {
        let (now, now_ms) = now();
        let mut keys = Vec::new();
        file.read(|(key, mark, counter)| {
            if mark.full_at > now {
                self.table.merge(key, mark, counter, now_ms);
                keys.push(key);
            }
        })?;
        Ok(keys)
    }

    /// Drops what is over, and what the table had no room for: the file must not outgrow it.
    fn sweep(&mut self) -> Result<(), String> {
        let (now, _) = now();
        if let Place::Main(file) = &self.place {
            file.retain(|key, mark| mark.full_at > now && self.table.knows(key))?;
        }
        (self.swept, self.writes) = (Instant::now(), 0);
        Ok(())
    }
}

/// In seconds and in milliseconds since 1970.
fn now() -> (u32, i64) {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    (u32::try_from(since.as_secs()).unwrap_or(u32::MAX), i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
