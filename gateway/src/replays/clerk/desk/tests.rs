//! The thread's work, step by step and without the thread.

use std::sync::mpsc::channel;

use tempfile::TempDir;
use tokio::sync::oneshot::error::TryRecvError;

use super::super::super::journal::to_disk;
use super::super::Granted;
use super::*;

/// A desk, and what would reach its two threads.
struct Office {
    desk: Desk,
    asks: Receiver<Ask>,
    dues: Receiver<Due>,
}

type Waiting = oneshot::Receiver<Result<(), ReplayError>>;

const NOW: Second = Second(1000);

fn ids(number: u128) -> Vec<Id> {
    vec![number.to_le_bytes()]
}

impl Office {
    fn open(folder: &TempDir) -> Self {
        Self::with_room_for(folder, 1_000_000)
    }

    fn with_room_for(folder: &TempDir, most: usize) -> Self {
        let (inbox, asks) = channel();
        let (syncer, dues) = channel();
        Self { desk: Desk::open(folder.path(), most, to_disk(), inbox, syncer).unwrap(), asks, dues }
    }

    fn reserve(&mut self, number: u128) -> Result<Granted, ReplayError> {
        self.work();
        let (answer, mut heard) = oneshot::channel();
        self.desk.serve(vec![Ask::Reserve { ids: ids(number), until: Second(2000), now: NOW, answer }]);
        heard.try_recv().unwrap()
    }

    #[track_caller]
    fn granted(&mut self, number: u128) -> Grant {
        self.reserve(number).unwrap().unwrap()
    }

    #[track_caller]
    fn assert_refused(&mut self, number: u128, why: Refused) {
        assert_eq!(self.reserve(number).unwrap().unwrap_err(), why);
    }

    /// Begins to commit; the answer, once there is one.
    fn commit(&mut self, mut grant: Grant) -> Waiting {
        let (answer, heard) = oneshot::channel();
        grant.say(Some(answer));
        self.work();
        heard
    }

    /// All that waits in the inbox, as one batch.
    fn work(&mut self) {
        let batch: Vec<Ask> = self.asks.try_iter().collect();
        self.desk.serve(batch);
    }

    /// What the disk's thread does.
    fn bring(&mut self, outcome: io::Result<()>) {
        let due = self.dues.try_iter().last().expect("something is due");
        self.desk.serve(vec![Ask::Settled { upto: due.position, outcome }]);
    }

    /// Waits for the draft that is being written.
    fn draft(&mut self) {
        self.desk.consider_draft();
        assert!(self.desk.drafting);
        let drafted = self.asks.recv().unwrap();
        assert!(matches!(drafted, Ask::Drafted(Ok(_))));
        self.desk.serve(vec![drafted]);
        assert!(!self.desk.drafting);
    }
}

#[test]
fn a_commit_is_answered_when_it_is_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    let mut office = Office::open(&folder);
    let (one, two) = (office.granted(1), office.granted(2));
    let (mut first, mut second) = (office.commit(one), office.commit(two));
    office.assert_refused(1, Refused::InFlight);
    for waiting in [&mut first, &mut second] {
        assert_eq!(waiting.try_recv(), Err(TryRecvError::Empty));
    }
    office.bring(Ok(()));
    for mut waiting in [first, second] {
        assert_eq!(waiting.try_recv(), Ok(Ok(())), "one trip to the disk for both");
    }
    office.assert_refused(1, Refused::Seen);
    assert!(office.dues.try_recv().is_err(), "nothing more is due");
}

#[test]
fn what_is_on_disk_already_is_answered_and_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let mut office = Office::open(&folder);
    let (one, two) = (office.granted(1), office.granted(2));
    let mut first = office.commit(one);
    let due = office.dues.recv().unwrap();
    let mut second = office.commit(two);
    office.desk.serve(vec![Ask::Settled { upto: due.position, outcome: Ok(()) }]);
    assert_eq!(first.try_recv(), Ok(Ok(())));
    assert_eq!(second.try_recv(), Err(TryRecvError::Empty));
    office.bring(Ok(()));
    assert_eq!(second.try_recv(), Ok(Ok(())));
}

#[test]
fn of_one_batch_one_is_granted() {
    let folder = tempfile::tempdir().unwrap();
    let mut office = Office::open(&folder);
    let (batch, heard): (Vec<_>, Vec<_>) = (0..50)
        .map(|_| {
            let (answer, heard) = oneshot::channel();
            (Ask::Reserve { ids: ids(1), until: Second(2000), now: NOW, answer }, heard)
        })
        .unzip();
    office.desk.serve(batch);
    let granted: Vec<Granted> =
        heard.into_iter().map(|mut heard| heard.try_recv().unwrap().unwrap()).collect();
    assert_eq!(granted.iter().filter(|granted| granted.is_ok()).count(), 1);
    drop(granted);
    office.granted(1);
}

#[test]
fn what_nobody_waits_for_is_released() {
    let folder = tempfile::tempdir().unwrap();
    let mut office = Office::open(&folder);
    let (answer, heard) = oneshot::channel();
    drop(heard);
    office.desk.serve(vec![Ask::Reserve { ids: ids(1), until: Second(2000), now: NOW, answer }]);
    drop(office.granted(1));
    // Answered, but not read.
    let (answer, heard) = oneshot::channel();
    office.work();
    office.desk.serve(vec![Ask::Reserve { ids: ids(1), until: Second(2000), now: NOW, answer }]);
    office.assert_refused(1, Refused::InFlight);
    drop(heard);
    office.granted(1);
}

#[test]
fn what_is_released_on_the_way_is_free_for_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let (mut office, mut other) = (Office::open(&folder), Office::open(&folder));
    drop(office.granted(1));
    let release = office.asks.recv().unwrap();
    let (answer, mut heard) = oneshot::channel();
    office.desk.serve(vec![release, Ask::Reserve { ids: ids(1), until: Second(2000), now: NOW, answer }]);
    let grant = heard.try_recv().unwrap().unwrap().unwrap();
    other.assert_refused(1, Refused::InFlight);
    drop(grant);
    other.assert_refused(1, Refused::InFlight);
    office.work();
    other.granted(1);
}

#[test]
fn two_processes_decide_as_one() {
    let folder = tempfile::tempdir().unwrap();
    let (mut left, mut right) = (Office::open(&folder), Office::open(&folder));
    let grant = left.granted(1);
    right.assert_refused(1, Refused::InFlight);
    let mut waiting = left.commit(grant);
    right.assert_refused(1, Refused::Seen);
    assert_eq!(
        waiting.try_recv(),
        Err(TryRecvError::Empty),
        "the other one has brought it to the disk itself"
    );
    left.bring(Ok(()));
    assert_eq!(waiting.try_recv(), Ok(Ok(())));
}

#[test]
fn an_ended_process_holds_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (mut left, mut right) = (Office::open(&folder), Office::open(&folder));
    let (one, two) = (left.granted(1), left.granted(2));
    left.commit(two);
    right.assert_refused(1, Refused::InFlight);
    drop(left);
    drop(one);
    let _held = right.granted(1);
    right.assert_refused(2, Refused::Seen);
    right.assert_refused(1, Refused::InFlight);
}

#[test]
fn what_an_ended_process_held_takes_no_room() {
    let folder = tempfile::tempdir().unwrap();
    let mut gone = Office::open(&folder);
    let _held = [gone.granted(1), gone.granted(2)];
    drop(gone);
    let mut office = Office::with_room_for(&folder, 2);
    let _held = [office.granted(3), office.granted(4)];
    assert_eq!(office.reserve(5).unwrap_err(), ReplayError::Full);
}

#[test]
fn the_bound_counts_what_is_reserved() {
    let folder = tempfile::tempdir().unwrap();
    let mut office = Office::with_room_for(&folder, 2);
    let (one, _two) = (office.granted(1), office.granted(2));
    assert_eq!(office.reserve(3).unwrap_err(), ReplayError::Full);
    office.commit(one);
    office.bring(Ok(()));
    assert_eq!(office.reserve(3).unwrap_err(), ReplayError::Full);
    office.assert_refused(1, Refused::Seen);
}

#[test]
fn what_cannot_be_written_is_refused_and_what_is_owed_comes_first() {
    let folder = tempfile::tempdir().unwrap();
    let mut office = Office::open(&folder);
    let (one, two, three) = (office.granted(1), office.granted(2), office.granted(3));
    office.desk.journal.forbid_writing();
    assert_eq!(office.reserve(4).unwrap_err(), ReplayError::Unavailable);
    assert_eq!(office.commit(one).try_recv(), Ok(Err(ReplayError::Unavailable)));
    drop(two);
    office.assert_refused(1, Refused::InFlight);
    assert!(office.dues.try_recv().is_err());
    office.desk.journal.allow_writing();
    office.assert_refused(1, Refused::InFlight);
    office.bring(Ok(()));
    office.assert_refused(1, Refused::Seen);
    office.granted(2);
    office.granted(4);
    drop(three);
    drop(office);
    let mut office = Office::open(&folder);
    office.assert_refused(1, Refused::Seen);
    office.granted(2);
}

#[test]
fn after_a_failure_of_the_disk_all_is_written_anew() {
    let folder = tempfile::tempdir().unwrap();
    let (mut office, mut other) = (Office::open(&folder), Office::open(&folder));
    let grant = office.granted(1);
    let _held = office.granted(2);
    let mut waiting = office.commit(grant);
    office.bring(Err(io::Error::other("no disk")));
    assert_eq!(waiting.try_recv(), Ok(Err(ReplayError::Unavailable)));
    for number in [1, 2, 3] {
        assert_eq!(office.reserve(number).unwrap_err(), ReplayError::Unavailable);
    }
    office.draft();
    office.assert_refused(1, Refused::Seen);
    office.assert_refused(2, Refused::InFlight);
    let grant = office.granted(3);
    office.commit(grant);
    office.bring(Ok(()));
    for (number, why) in [(1, Refused::Seen), (2, Refused::InFlight), (3, Refused::Seen)] {
        other.assert_refused(number, why);
    }
    drop((office, other));
    let mut office = Office::open(&folder);
    office.assert_refused(1, Refused::Seen);
    office.granted(2);
}

#[test]
fn a_long_journal_is_written_anew() {
    let folder = tempfile::tempdir().unwrap();
    let mut office = Office::open(&folder);
    let grant = office.granted(1);
    office.commit(grant);
    office.bring(Ok(()));
    let _held = office.granted(2);
    let length = || std::fs::metadata(folder.path().join("journal")).unwrap().len();
    while !office.desk.journal.is_long(office.desk.memory.accepted().len()) {
        for _ in 0..100 {
            drop(office.granted(3));
        }
    }
    assert!(length() > 1_000_000);
    // Written, but not on disk when the draft is begun: it must be in it all the same.
    let grant = office.granted(4);
    let mut waiting = office.commit(grant);
    office.draft();
    assert!(length() < 1000, "{}", length());
    assert_eq!(waiting.try_recv(), Ok(Ok(())), "the draft is on disk, and it is in it");
    for (number, why) in [(1, Refused::Seen), (2, Refused::InFlight), (4, Refused::Seen)] {
        office.assert_refused(number, why);
    }
    drop(office);
    let mut office = Office::open(&folder);
    office.assert_refused(1, Refused::Seen);
    office.assert_refused(4, Refused::Seen);
    office.granted(2);
}

#[test]
fn what_is_forgotten_stays_in_doubt_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let mut office = Office::open(&folder);
    let grant = office.granted(1);
    office.commit(grant);
    office.bring(Ok(()));
    // The clock runs ahead, and the journal happens to be written anew.
    office.desk.now = Second(1_000_000);
    office.desk.journal.break_off();
    office.draft();
    drop(office);
    let mut office = Office::open(&folder);
    assert_eq!(office.desk.memory.accepted().len(), 0);
    assert_eq!(office.reserve(1).unwrap_err(), ReplayError::Unavailable);
}

#[test]
fn a_release_that_is_owed_outlasts_a_new_telling() {
    let folder = tempfile::tempdir().unwrap();
    let (mut office, mut other) = (Office::open(&folder), Office::open(&folder));
    drop(office.granted(1));
    office.desk.journal.forbid_writing();
    office.work();
    // The other one writes the journal anew, with more in it than this one has read.
    let grant = other.granted(2);
    other.commit(grant);
    other.desk.journal.break_off();
    other.draft();
    office.granted(1);
}
