//! The journal's form: a header, then frames of records, each with a checksum.
//!
//! Numbers are little-endian. A frame is its length, a checksum and its records; a record is its kind, the number of its ids, what
//! belongs to the kind, and the ids.

use aws_lc_rs::digest::{Context, SHA256};

use super::super::memory::{Id, Owner, Second};

/// Ids of one record at most: their number is one byte.
pub(in crate::replays) const MOST_IDS: usize = 255;
/// A frame's records end once they are so long; one more may make it longer.
const FULL: usize = 32 * 1024;
/// No frame is longer.
pub(super) const MOST: usize = HEAD + FULL + 16 + MOST_IDS * size_of::<Id>();
/// Length and checksum.
const HEAD: usize = 4 + SUM;
const SUM: usize = 8;

/// How long the header is.
pub(super) const HEADER: u64 = 48;
/// Where in the header it says up to where the file is known to be on disk. It is written over again and again, so no checksum covers it.
pub(super) const MARK: u64 = 40;
/// Tells the file, and the version of its form.
const MAGIC: [u8; 8] = *b"PCREPL01";

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Record {
    /// A process has reserved these.
    Taken(Owner, Vec<Id>),
    /// It has released them.
    Released(Owner, Vec<Id>),
    /// They were accepted.
    Accepted(Second, Vec<Id>),
}

/// Records on their way into a file.
#[derive(Default)]
pub(in crate::replays) struct Frames {
    bytes: Vec<u8>,
    /// Where the head of the frame that is being written begins.
    open: Option<usize>,
}

impl Frames {
    /// A process has reserved these.
    pub(in crate::replays) fn taken(&mut self, owner: Owner, ids: &[Id]) {
        self.push(1, ids, &owner.to_le_bytes());
    }

    /// It has released them.
    pub(in crate::replays) fn released(&mut self, owner: Owner, ids: &[Id]) {
        self.push(2, ids, &owner.to_le_bytes());
    }

    /// They were accepted.
    pub(in crate::replays) fn accepted(&mut self, until: Second, ids: &[Id]) {
        self.push(3, ids, &until.0.to_le_bytes());
    }

    /// What to write.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.seal();
        self.bytes
    }

    fn push(&mut self, kind: u8, ids: &[Id], more: &[u8]) {
        for ids in ids.chunks(MOST_IDS) {
            let open = *self.open.get_or_insert_with(|| {
                self.bytes.extend([0; HEAD]);
                self.bytes.len() - HEAD
            });
            self.bytes.extend([kind, u8::try_from(ids.len()).unwrap_or(u8::MAX)]);
            self.bytes.extend(more);
            self.bytes.extend(ids.as_flattened());
            if self.bytes.len() - open >= HEAD + FULL {
                self.seal();
            }
        }
    }

    fn seal(&mut self) {
        let Some(open) = self.open.take() else { return };
        let Some((head, records)) =
            self.bytes.get_mut(open..).and_then(|frame| frame.split_first_chunk_mut::<HEAD>())
        else {
            return;
        };
        // Never longer than `MOST`.
        let length = u32::try_from(records.len()).unwrap_or(u32::MAX).to_le_bytes();
        let (place, rest) = head.split_at_mut(length.len());
        place.copy_from_slice(&length);
        rest.copy_from_slice(&sum(&[&length, records]));
    }
}

/// What bytes begin with.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next<'a> {
    /// A frame of this length with these records.
    Frame(usize, &'a [u8]),
    /// A frame that goes on beyond them, perhaps.
    Short,
    /// No frame.
    Broken,
}

/// What these bytes begin with.
pub(super) fn next(bytes: &[u8]) -> Next<'_> {
    let Some((length, rest)) = bytes.split_first_chunk::<4>() else { return Next::Short };
    let records = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
    if records == 0 || records > MOST - HEAD {
        return Next::Broken;
    }
    let Some((found, rest)) = rest.split_first_chunk::<SUM>() else { return Next::Short };
    let Some(records) = rest.get(..records) else { return Next::Short };
    if sum(&[length, records]) == *found { Next::Frame(HEAD + records.len(), records) } else { Next::Broken }
}

/// The records of a frame; none if they are of another form, which no damage explains.
pub(super) fn records(mut bytes: &[u8]) -> Option<Vec<Record>> {
    let mut records = Vec::new();
    while !bytes.is_empty() {
        let ([kind, count], rest) = bytes.split_first_chunk::<2>()?;
        let count = usize::from(*count);
        let (record, rest) = match kind {
            1 | 2 => {
                let (owner, rest) = rest.split_first_chunk()?;
                let (ids, rest) = ids(rest, count)?;
                let owner = Owner::from_le_bytes(*owner);
                (if *kind == 1 { Record::Taken(owner, ids) } else { Record::Released(owner, ids) }, rest)
            }
            3 => {
                let (until, rest) = rest.split_first_chunk()?;
                let (ids, rest) = ids(rest, count)?;
                (Record::Accepted(Second(u32::from_le_bytes(*until)), ids), rest)
            }
            _ => return None,
        };
        records.push(record);
        bytes = rest;
    }
    Some(records)
}

fn ids(bytes: &[u8], count: usize) -> Option<(Vec<Id>, &[u8])> {
    let (ids, rest) = bytes.split_at_checked(count * size_of::<Id>())?;
    let (ids, _) = ids.as_chunks();
    Some((ids.to_vec(), rest))
}

/// How a file begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// The position in the succession of all records at which its own tail begins; what is before stands for all that was earlier.
    pub(super) start: i64,
    /// Where in the file that is.
    pub(super) tail: u64,
    /// When the last of the ids that are left out was over.
    pub(super) forgotten: Second,
}

impl Header {
    /// What to write; `mark` is up to where the file is on disk.
    pub(super) fn bytes(&self, mark: u64) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend(self.start.to_le_bytes());
        bytes.extend(self.tail.to_le_bytes());
        bytes.extend(u64::from(self.forgotten.0).to_le_bytes());
        let sum = sum(&[&bytes]);
        bytes.extend(sum);
        bytes.extend(mark.to_le_bytes());
        bytes
    }

    /// The header in these bytes, if it is one.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let (covered, rest) = bytes.split_at_checked(32)?;
        let (found, _) = rest.split_first_chunk::<SUM>()?;
        let (magic, rest) = covered.split_first_chunk()?;
        let (start, rest) = rest.split_first_chunk()?;
        let (tail, rest) = rest.split_first_chunk()?;
        let (forgotten, _) = rest.split_first_chunk()?;
        let forgotten = u32::try_from(u64::from_le_bytes(*forgotten)).ok()?;
        let header = Self {
            start: i64::from_le_bytes(*start),
            tail: u64::from_le_bytes(*tail),
            forgotten: Second(forgotten),
        };
        (*magic == MAGIC && sum(&[covered]) == *found && header.tail >= HEADER).then_some(header)
    }
}

/// Enough of a SHA-256 to tell what was written from what a failure left.
fn sum(parts: &[&[u8]]) -> [u8; SUM] {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(part);
    }
    context.finish().as_ref().first_chunk().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_record() -> impl Strategy<Value = Record> {
        let ids = || {
            let several = (any::<u128>(), 1..=MOST_IDS);
            several.prop_map(|(first, count)| {
                (0..count as u128).map(|more| first.wrapping_add(more).to_le_bytes()).collect()
            })
        };
        prop_oneof![
            (any::<u64>(), ids()).prop_map(|(owner, ids)| Record::Taken(owner, ids)),
            (any::<u64>(), ids()).prop_map(|(owner, ids)| Record::Released(owner, ids)),
            (any::<u32>(), ids()).prop_map(|(until, ids)| Record::Accepted(Second(until), ids)),
        ]
    }

    fn frames(records: &[Record]) -> Vec<u8> {
        let mut frames = Frames::default();
        for record in records {
            match record {
                Record::Taken(owner, ids) => frames.taken(*owner, ids),
                Record::Released(owner, ids) => frames.released(*owner, ids),
                Record::Accepted(until, ids) => frames.accepted(*until, ids),
            }
        }
        frames.finish()
    }

    /// All records, and what is left over.
    fn read(mut bytes: &[u8]) -> (Vec<Record>, &[u8]) {
        let mut found = Vec::new();
        while let Next::Frame(length, records) = next(bytes) {
            assert!(length <= MOST);
            found.extend(self::records(records).unwrap());
            bytes = &bytes[length..];
        }
        (found, bytes)
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(records in prop::collection::vec(any_record(), 0..40)) {
            let bytes = frames(&records);
            prop_assert_eq!(read(&bytes), (records, &[][..]));
        }

        #[test]
        fn what_is_cut_off_ends_early_and_invents_nothing(
            records in prop::collection::vec(any_record(), 1..40),
            cut in any::<prop::sample::Index>(),
        ) {
            let bytes = frames(&records);
            let bytes = &bytes[..cut.index(bytes.len())];
            let (found, rest) = read(bytes);
            prop_assert!(found.len() < records.len() && records.starts_with(&found));
            prop_assert_eq!(next(rest), Next::Short);
        }

        #[test]
        fn a_flipped_bit_is_seen(
            records in prop::collection::vec(any_record(), 1..4),
            at in any::<prop::sample::Index>(),
            bit in 0..8,
        ) {
            let mut bytes = frames(&records);
            let at = at.index(bytes.len());
            bytes[at] ^= 1_u8 << bit;
            let (found, rest) = read(&bytes);
            prop_assert!(found.is_empty() && rest.len() == bytes.len(), "one frame, and it is not read");
        }

        #[test]
        fn anything_can_be_read(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            let _ = (next(&bytes), records(&bytes), Header::read(&bytes));
        }

        #[test]
        fn a_header_is_read_unless_a_bit_is_flipped(
            start in any::<i64>(),
            tail in HEADER..,
            forgotten in any::<u32>(),
            at in 0..40_usize,
            bit in 0..8,
        ) {
            let header = Header { start, tail, forgotten: Second(forgotten) };
            let mut bytes = header.bytes(7);
            prop_assert_eq!(bytes.len(), usize::try_from(HEADER).unwrap());
            prop_assert_eq!(Header::read(&bytes), Some(header));
            bytes[at] ^= 1_u8 << bit;
            prop_assert_eq!(Header::read(&bytes), None);
        }
    }

    #[test]
    fn zeros_are_no_frame() {
        assert_eq!(next(&[0; 64]), Next::Broken);
    }

    #[test]
    fn a_frame_is_closed_in_time_and_many_ids_are_parted() {
        let ids: Vec<Id> = (0..5000_u128).map(u128::to_le_bytes).collect();
        let bytes = frames(&[Record::Accepted(Second(9), ids.clone())]);
        let (found, rest) = read(&bytes);
        let again: Vec<Id> = found
            .into_iter()
            .flat_map(|record| match record {
                Record::Accepted(Second(9), ids) => ids,
                other => panic!("{other:?}"),
            })
            .collect();
        assert!(again == ids && rest.is_empty());
    }

    #[test]
    fn records_of_another_form_are_not_read() {
        assert_eq!(records(&[4, 0]), None);
        assert_eq!(records(&[1, 1, 0]), None);
    }
}
