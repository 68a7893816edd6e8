//! One file of counters, which one process has open at a time.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use redb::{Database, DatabaseError, ReadableDatabase as _, ReadableTable as _, TableDefinition};
use rules::meter::{Counter, CounterKey};

use crate::state::embedded::Mark;

const TABLE: TableDefinition<'_, u128, &[u8]> = TableDefinition::new("counters");
/// What the file may keep in memory, in bytes: it is written, and read only at the start.
const CACHE: usize = 8 * 1024 * 1024;

/// An open file.
pub(super) struct File {
    database: Database,
    path: PathBuf,
}

/// What there is to be written.
pub(super) type Record = (CounterKey, Mark, Counter);

impl File {
    /// Opens the file, or makes it; nothing if another process has it open.
    ///
    /// # Errors
    /// Why it cannot be used: a sentence.
    pub(super) fn open(path: &Path) -> Result<Option<Self>, String> {
        let mut builder = Database::builder();
        // A file that something else wrote to fails to open then, and does no harm later.
        builder.set_cache_size(CACHE).set_check_integrity_on_open(true);
        match guarded(|| builder.create(path)) {
            Ok(Ok(database)) => Ok(Some(Self { database, path: path.to_owned() })),
            Ok(Err(DatabaseError::DatabaseAlreadyOpen)) => Ok(None),
            Ok(Err(error)) => Err(error.to_string()),
            Err(why) => Err(why),
        }
    }

    /// Gives all counters that are understood.
    pub(super) fn read(&self, mut each: impl FnMut(Record)) -> Result<(), String> {
        self.guarded(|| {
            let reading = self.database.begin_read()?;
            let table = match reading.open_table(TABLE) {
                Err(redb::TableError::TableDoesNotExist(_)) => return Ok(()),
                table => table?,
            };
            for entry in table.iter()? {
                let (key, value) = entry?;
                if let Some((mark, counter)) = parse(value.value()) {
                    each((CounterKey(key.value()), mark, counter));
                }
            }
            Ok(())
        })
    }

    /// Writes these counters; when it returns, they are on the disk.
    pub(super) fn write(&self, records: &[Record]) -> Result<(), String> {
        self.guarded(|| {
            let writing = self.database.begin_write()?;
            {
                let mut table = writing.open_table(TABLE)?;
                for (key, mark, counter) in records {
                    if let Some(bytes) = record(*mark, counter) {
                        table.insert(key.0, bytes.as_slice())?;
                    }
                }
            }
            Ok(writing.commit()?)
        })
    }

    /// Drops the counters that `keep` does not want; how many are left.
    pub(super) fn retain(&self, mut keep: impl FnMut(CounterKey, Mark) -> bool) -> Result<u64, String> {
        self.guarded(|| {
            let writing = self.database.begin_write()?;
            let mut left = 0;
            {
                let mut table = writing.open_table(TABLE)?;
                table.retain(|key, value| {
                    let kept = parse(value).is_some_and(|(mark, _)| keep(CounterKey(key), mark));
                    left += u64::from(kept);
                    kept
                })?;
            }
            writing.commit()?;
            Ok(left)
        })
    }

    /// Ends the file: what it held is elsewhere.
    pub(super) fn remove(self) -> Result<(), String> {
        // While it is still ours: nobody else opens it in between.
        fs::remove_file(&self.path).map_err(|error| error.to_string())
    }

    fn guarded<T>(&self, act: impl FnOnce() -> Result<T, redb::Error>) -> Result<T, String> {
        guarded(act)?.map_err(|error| format!("{}: {error}", self.path.display()))
    }
}

/// A database that finds its file changed under its hands may panic, which must not end the thread that writes.
fn guarded<T>(act: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(act)).map_err(|_| "the file was changed by somebody else".to_owned())
}

fn record(mark: Mark, counter: &Counter) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(80);
    bytes.extend(mark.full_at.to_le_bytes());
    bytes.extend(mark.held_until.to_le_bytes());
    bytes.push(mark.load);
    bytes.extend(counter.to_bytes()?);
    Some(bytes)
}

fn parse(bytes: &[u8]) -> Option<(Mark, Counter)> {
    let (full_at, rest) = bytes.split_first_chunk()?;
    let (held_until, rest) = rest.split_first_chunk()?;
    let (load, rest) = rest.split_first()?;
    let (full_at, held_until) = (u32::from_le_bytes(*full_at), u32::from_le_bytes(*held_until));
    Some((Mark { full_at, held_until, load: *load }, Counter::from_bytes(rest)?))
}
