//! The file that outlives the process: what was reserved, released and accepted, one after the other.
//!
//! Several processes of one machine may share it, as two do while one replaces the other. Whoever decides anything holds the
//! lock of the folder ([`Journal::enter`]), first reads what the others wrote, and appends what it decided. So all see the same succession.
//! Nothing is rewritten in place. When most of a file is out of date, a draft of a shorter one is written without the lock and then
//! takes its place; a process that has read far enough goes on in it where it was.

mod draft;
mod owners;
mod record;

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tracing::warn;

pub(super) use self::draft::{Content, Draft, Plan};
use self::owners::Sign;
pub(super) use self::record::{Frames, MOST_IDS};
use self::record::{HEADER, Header, MARK, Next, Record};
use super::memory::{Id, Owner, Second};

/// What is read at once: many frames.
const WINDOW: usize = 1024 * 1024;
/// A shorter file is not worth a draft.
const SMALL: u64 = 1024 * 1024;

/// Brings what was written to the disk. Tests have others.
pub(super) type ToDisk = Arc<dyn Fn(&File) -> io::Result<()> + Send + Sync>;

/// The real one.
pub(super) fn to_disk() -> ToDisk {
    Arc::new(File::sync_data)
}

/// A point in the succession of all records. It only grows, also when a shorter file takes the place of a longer.
pub(super) type Position = i64;

/// What there is to learn from the file.
pub(super) enum News<'a> {
    /// All is told anew; what was over until then is left out.
    Anew(Second),
    /// A process has reserved these.
    Taken(Owner, &'a [Id]),
    /// It has released them.
    Released(Owner, &'a [Id]),
    /// They were accepted. It is on disk.
    Accepted(Second, &'a [Id]),
}

/// The file, and how far this process knows it.
pub(super) struct Journal {
    folder: PathBuf,
    owner: Owner,
    lock: Arc<File>,
    file: Arc<File>,
    identity: Identity,
    /// How far it was read and written.
    end: u64,
    /// What is to be added to a place in the file to have its position.
    shift: i64,
    /// Nothing may be added: it could not be brought to the disk, or is not in its place any more.
    broken: bool,
    to_disk: ToDisk,
    _sign: Sign,
}

/// Tells a file from another that has its name.
type Identity = (u64, u64);

/// The lock of the folder, until it is dropped.
pub(super) struct Entered(Arc<File>);

impl Drop for Entered {
    fn drop(&mut self) {
        let _ = self.0.unlock();
    }
}

/// What is to be on disk.
pub(super) struct Due {
    file: Arc<File>,
    end: u64,
    /// Up to here, once it is.
    pub(super) position: Position,
}

impl Due {
    /// Brings it there.
    pub(super) fn settle(&self, to_disk: &ToDisk) -> io::Result<()> {
        to_disk(&self.file)?;
        // It may lag behind, so it does not matter whether this comes to the disk, or which process writes last.
        let _ = self.file.write_all_at(&self.end.to_le_bytes(), MARK);
        Ok(())
    }
}

impl Journal {
    /// Opens the journal in this folder, or begins one, and tells all that is in it.
    pub(super) fn open(folder: &Path, to_disk: ToDisk, hear: impl FnMut(News)) -> Result<Self, String> {
        let cannot = |error: io::Error| {
            let folder = folder.display();
            format!("the remembered webhook deliveries in {folder} cannot be used: {error}")
        };
        Self::open_in(folder, to_disk, hear).map_err(cannot)
    }

    fn open_in(folder: &Path, to_disk: ToDisk, mut hear: impl FnMut(News)) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let lock = private().write(true).create(true).truncate(false).open(folder.join("lock"))?;
        let lock = Arc::new(lock);
        let entered = enter(&lock)?;
        owners::tidy(folder)?;
        let owner = uuid::Uuid::new_v4().as_u64_pair().0;
        let sign = Sign::put_up(folder, owner)?;
        if !folder.join(NAME).try_exists()? {
            Draft::begin(folder, owner)?;
        }
        let (file, identity, header) = find(folder)?;
        let mut journal = Self {
            folder: folder.to_owned(),
            owner,
            lock,
            file,
            identity,
            end: HEADER,
            shift: header.shift()?,
            broken: false,
            to_disk,
            _sign: sign,
        };
        hear(News::Anew(header.forgotten));
        journal.catch_up(&entered, hear)?;
        Ok(journal)
    }

    /// Which process this is.
    pub(super) fn owner(&self) -> Owner {
        self.owner
    }

    /// Whether that process runs.
    pub(super) fn lives(&self, _: &Entered, owner: Owner) -> bool {
        owner == self.owner || owners::lives(&self.folder, owner)
    }

    /// Keeps all others out. They are in for as long as it takes to read and write some records.
    pub(super) fn enter(&self) -> io::Result<Entered> {
        enter(&self.lock)
    }

    /// Tells what others wrote meanwhile, once it is on disk.
    pub(super) fn catch_up(&mut self, _: &Entered, mut hear: impl FnMut(News)) -> io::Result<()> {
        match std::fs::metadata(self.folder.join(NAME)) {
            Ok(found) if identity(&found) == self.identity => {}
            Ok(_) => self.follow(&mut hear)?,
            // Somebody removed it. What is in it is known, and all of it can be written again.
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.broken = true,
            Err(error) => return Err(error),
        }
        let size = self.file.metadata()?.len();
        if size < self.end {
            return Err(damaged(size, "it has become shorter"));
        }
        if size > self.end {
            (self.to_disk)(&self.file).inspect_err(|_| self.broken = true)?;
            self.read(size, &mut hear)?;
        }
        Ok(())
    }

    /// Goes on in the file that has taken the place of the one that was known.
    fn follow(&mut self, hear: &mut impl FnMut(News)) -> io::Result<()> {
        let position = self.position();
        let (file, identity, header) = find(&self.folder)?;
        (self.file, self.identity, self.shift) = (file, identity, header.shift()?);
        self.broken = false;
        if position >= header.start {
            let end = position.checked_sub(self.shift).and_then(|end| u64::try_from(end).ok());
            self.end = end.ok_or_else(|| damaged(0, "its header is of another file"))?;
        } else {
            self.end = HEADER;
            hear(News::Anew(header.forgotten));
        }
        Ok(())
    }

    fn read(&mut self, size: u64, hear: &mut impl FnMut(News)) -> io::Result<()> {
        let mut buffer = Vec::new();
        while self.end < size {
            let left = size - self.end;
            buffer.resize(usize::try_from(left).unwrap_or(usize::MAX).min(WINDOW), 0);
            self.file.read_exact_at(&mut buffer, self.end)?;
            let mut rest = buffer.as_slice();
            while !rest.is_empty() {
                match record::next(rest) {
                    Next::Frame(length, records) => {
                        let records = record::records(records)
                            .ok_or_else(|| damaged(self.end, "there are records of another form"))?;
                        for record in &records {
                            hear(record.into());
                        }
                        rest = rest.get(length..).unwrap_or_default();
                        self.end += length as u64;
                    }
                    // It ends outside of the window, where the next one begins with it.
                    Next::Short if (rest.len() as u64) < size - self.end => break,
                    Next::Short | Next::Broken => return self.cut(size),
                }
            }
        }
        Ok(())
    }

    /// What comes from here on was never finished, or it is damaged.
    fn cut(&self, size: u64) -> io::Result<()> {
        let mut mark = [0; 8];
        self.file.read_exact_at(&mut mark, MARK)?;
        if u64::from_le_bytes(mark) > self.end {
            return Err(damaged(self.end, "what was on disk has changed"));
        }
        warn!(
            bytes = size - self.end,
            "removing an unfinished end of the journal of webhook deliveries: nobody was told of it"
        );
        self.file.set_len(self.end)
    }

    /// Appends what was decided. All of it or, on an error, nothing.
    pub(super) fn append(&mut self, _: &Entered, frames: Frames) -> io::Result<()> {
        let bytes = frames.finish();
        if bytes.is_empty() {
            return Ok(());
        }
        if self.broken {
            return Err(io::Error::other("the journal is to be written anew first"));
        }
        if let Err(error) = self.file.write_all_at(&bytes, self.end) {
            let _ = self.file.set_len(self.end);
            return Err(error);
        }
        self.end += bytes.len() as u64;
        Ok(())
    }

    /// How far this process knows the succession.
    pub(super) fn position(&self) -> Position {
        self.shift.saturating_add_unsigned(self.end)
    }

    /// What is to be brought to the disk so that all that was appended is there.
    pub(super) fn due(&self) -> Due {
        Due { file: Arc::clone(&self.file), end: self.end, position: self.position() }
    }

    /// Brings it there at once.
    pub(super) fn settle(&self, due: &Due) -> io::Result<()> {
        due.settle(&self.to_disk)
    }

    /// It could not be brought to the disk. The system may take what it still has in memory for written, so that a second try proves nothing.
    pub(super) fn break_off(&mut self) {
        self.broken = true;
    }

    /// Whether it must be written anew before anything can be appended.
    pub(super) fn is_broken(&self) -> bool {
        self.broken
    }

    /// Whether a file with `accepted` ids in it would be much shorter.
    pub(super) fn is_long(&self, accepted: usize) -> bool {
        self.end > SMALL + 2 * draft::size(accepted)
    }

    /// What is to be written anew, with the content as it is at this position.
    pub(super) fn plan(&self, content: Content) -> Plan {
        Plan {
            folder: self.folder.clone(),
            owner: self.owner,
            content,
            position: self.position(),
            old: Arc::clone(&self.file),
            from: self.end,
        }
    }

    /// Puts a draft in the place of the file, after which all is on disk. One of another file is thrown away.
    pub(super) fn adopt(&mut self, _: &Entered, draft: &Draft) -> io::Result<bool> {
        if !draft.stands_for(&self.file, self.end) {
            return draft.discard().map(|()| false);
        }
        let length = draft.finish(self.end, &self.folder)?;
        let identity = identity(&draft.file.metadata()?);
        self.shift = self.position().saturating_sub_unsigned(length);
        (self.file, self.identity, self.end) = (Arc::clone(&draft.file), identity, length);
        self.broken = false;
        Ok(true)
    }
}

#[cfg(test)]
impl Journal {
    /// As if the disk were full.
    pub(super) fn forbid_writing(&mut self) {
        self.file = Arc::new(File::open(self.folder.join(NAME)).unwrap());
    }

    /// As if it were no longer.
    pub(super) fn allow_writing(&mut self) {
        self.file = find(&self.folder).unwrap().0;
    }
}

/// The journal's name in its folder.
const NAME: &str = "journal";

impl Header {
    fn shift(&self) -> io::Result<i64> {
        self.start.checked_sub_unsigned(self.tail).ok_or_else(|| damaged(0, "its header is out of range"))
    }
}

impl<'a> From<&'a Record> for News<'a> {
    fn from(record: &'a Record) -> Self {
        match record {
            Record::Taken(owner, ids) => News::Taken(*owner, ids),
            Record::Released(owner, ids) => News::Released(*owner, ids),
            Record::Accepted(until, ids) => News::Accepted(*until, ids),
        }
    }
}

fn find(folder: &Path) -> io::Result<(Arc<File>, Identity, Header)> {
    // Whoever put it in its place may have ended before that was on disk, and what is appended to it must not be lost with it.
    File::open(folder)?.sync_all()?;
    let file = OpenOptions::new().read(true).write(true).open(folder.join(NAME))?;
    let mut bytes = Vec::new();
    io::Read::read_to_end(&mut io::Read::take(&file, HEADER), &mut bytes)?;
    let header = Header::read(&bytes).ok_or_else(|| damaged(0, "it does not begin as it should"))?;
    let identity = identity(&file.metadata()?);
    Ok((Arc::new(file), identity, header))
}

fn identity(found: &std::fs::Metadata) -> Identity {
    (found.dev(), found.ino())
}

fn enter(lock: &Arc<File>) -> io::Result<Entered> {
    lock.lock()?;
    Ok(Entered(Arc::clone(lock)))
}

/// Files that are nobody else's business.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).mode(0o600);
    options
}

fn damaged(at: u64, how: &str) -> io::Error {
    let text = format!(
        "`{NAME}` is damaged at byte {at}: {how}; move it away to begin anew, after which deliveries that were accepted before may be \
         accepted once more"
    );
    io::Error::new(io::ErrorKind::InvalidData, text)
}

#[cfg(test)]
mod tests;
