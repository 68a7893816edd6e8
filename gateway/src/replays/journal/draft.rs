//! A shorter file that says the same, to take the place of a longer one.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::super::memory::{Id, Owner, Second};
use super::record::{Frames, HEADER, Header, MARK};
use super::{NAME, Position, private};

/// So much is copied at once.
const PIECE: usize = 64 * 1024;

/// All that is remembered.
pub(in crate::replays) struct Content {
    /// When the last of the ids that are left out was over.
    pub(in crate::replays) forgotten: Second,
    /// What is reserved, and by whom.
    pub(in crate::replays) taken: Vec<(Id, Owner)>,
    /// What was accepted, and until when it is remembered.
    pub(in crate::replays) accepted: Vec<(Id, Second)>,
}

/// What is to be written.
pub(in crate::replays) struct Plan {
    pub(super) folder: PathBuf,
    pub(super) owner: Owner,
    pub(super) content: Content,
    pub(super) position: Position,
    pub(super) old: Arc<File>,
    pub(super) from: u64,
}

/// What was written.
pub(in crate::replays) struct Draft {
    path: PathBuf,
    pub(super) file: Arc<File>,
    length: u64,
    /// The file that it stands for; held open, so that no later one gets its number.
    old: Arc<File>,
    /// Up to where it stands for it.
    from: u64,
}

/// About how long the file of so many ids is.
pub(super) fn size(accepted: usize) -> u64 {
    let each = size_of::<Id>() + size_of::<Second>() + 2;
    HEADER + (accepted as u64).saturating_mul(each as u64)
}

impl Plan {
    /// Writes the draft to the disk. It takes as long as it takes; nobody waits.
    pub(in crate::replays) fn write(self) -> io::Result<Draft> {
        let path = self.folder.join(format!("{:016x}.draft", self.owner));
        let forgotten = self.content.forgotten;
        let frames = self.content.frames().finish();
        let length = HEADER + frames.len() as u64;
        let header = Header { start: self.position, tail: length, forgotten };
        let file = private().write(true).create(true).truncate(true).open(&path)?;
        file.write_all_at(&header.bytes(length), 0)?;
        file.write_all_at(&frames, HEADER)?;
        file.sync_all()?;
        Ok(Draft { path, file: Arc::new(file), length, old: self.old, from: self.from })
    }
}

impl Content {
    fn frames(mut self) -> Frames {
        let mut frames = Frames::default();
        self.accepted.sort_unstable_by_key(|(_, until)| *until);
        for alike in self.accepted.chunk_by(|(_, left), (_, right)| left == right) {
            let ids: Vec<Id> = alike.iter().map(|(id, _)| *id).collect();
            if let Some((_, until)) = alike.first() {
                frames.accepted(*until, &ids);
            }
        }
        // Later, since an id may have been accepted long ago and be reserved anew.
        for (id, owner) in &self.taken {
            frames.taken(*owner, &[*id]);
        }
        frames
    }
}

impl Draft {
    /// Begins the journal of this folder, with nothing in it.
    pub(super) fn begin(folder: &Path, owner: Owner) -> io::Result<()> {
        let content = Content { forgotten: Second(0), taken: Vec::new(), accepted: Vec::new() };
        let old = Arc::new(File::open(folder)?);
        let plan = Plan { folder: folder.to_owned(), owner, content, position: 0, old, from: 0 };
        plan.write()?.put_in_place(folder)
    }

    /// Whether it stands for this file, which ends here.
    pub(super) fn stands_for(&self, file: &Arc<File>, end: u64) -> bool {
        Arc::ptr_eq(&self.old, file) && self.from <= end
    }

    /// Copies what came later from the file that it stands for, which ends here, and takes its place. The length of the whole.
    pub(super) fn finish(&self, end: u64, folder: &Path) -> io::Result<u64> {
        let (mut from, mut to, mut piece) = (self.from, self.length, Vec::new());
        while from < end {
            piece.resize(usize::try_from(end - from).unwrap_or(usize::MAX).min(PIECE), 0);
            self.old.read_exact_at(&mut piece, from)?;
            self.file.write_all_at(&piece, to)?;
            from += piece.len() as u64;
            to += piece.len() as u64;
        }
        self.file.write_all_at(&to.to_le_bytes(), MARK)?;
        self.file.sync_all()?;
        self.put_in_place(folder)?;
        Ok(to)
    }

    fn put_in_place(&self, folder: &Path) -> io::Result<()> {
        fs::rename(&self.path, folder.join(NAME))?;
        File::open(folder)?.sync_all()
    }

    /// Throws it away.
    pub(super) fn discard(&self) -> io::Result<()> {
        fs::remove_file(&self.path)
    }
}
