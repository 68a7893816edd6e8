use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

type Seen = BTreeMap<Id, Second>;

/// One process: what it has learnt, and a draft of its that waits.
struct Process {
    journal: Journal,
    accepted: Seen,
    taken: BTreeMap<Id, Owner>,
    told_anew: usize,
    draft: Option<Draft>,
}

fn learn<'a>(
    accepted: &'a mut Seen,
    taken: &'a mut BTreeMap<Id, Owner>,
    told_anew: &'a mut usize,
) -> impl FnMut(News) + 'a {
    |news| match news {
        News::Anew(_) => {
            accepted.clear();
            taken.clear();
            *told_anew += 1;
        }
        News::Taken(owner, ids) => taken.extend(ids.iter().map(|id| (*id, owner))),
        News::Released(_, ids) => taken.retain(|id, _| !ids.contains(id)),
        News::Accepted(until, ids) => {
            for id in ids {
                taken.remove(id);
                accepted.insert(*id, until);
            }
        }
    }
}

impl Process {
    fn start(folder: &Path, to_disk: ToDisk) -> Result<Self, String> {
        let (mut accepted, mut taken, mut told_anew) = (Seen::new(), BTreeMap::new(), 0);
        let journal = Journal::open(folder, to_disk, learn(&mut accepted, &mut taken, &mut told_anew))?;
        Ok(Self { journal, accepted, taken, told_anew, draft: None })
    }

    fn enter(&mut self) -> io::Result<Entered> {
        let entered = self.journal.enter()?;
        let hear = learn(&mut self.accepted, &mut self.taken, &mut self.told_anew);
        self.journal.catch_up(&entered, hear).map(|()| entered)
    }

    fn write(&mut self, write: impl Fn(&mut Frames)) -> io::Result<()> {
        let entered = self.enter()?;
        let mut frames = Frames::default();
        write(&mut frames);
        self.journal.append(&entered, frames)
    }

    fn accept(&mut self, number: u128, until: u32) -> io::Result<()> {
        let id = number.to_le_bytes();
        self.write(|frames| frames.accepted(Second(until), &[id]))?;
        self.taken.remove(&id);
        self.accepted.insert(id, Second(until));
        Ok(())
    }

    fn take(&mut self, number: u128) -> io::Result<()> {
        let (id, owner) = (number.to_le_bytes(), self.journal.owner());
        self.write(|frames| frames.taken(owner, &[id]))?;
        self.taken.insert(id, owner);
        Ok(())
    }

    fn release(&mut self, number: u128) -> io::Result<()> {
        let (id, owner) = (number.to_le_bytes(), self.journal.owner());
        self.write(|frames| frames.released(owner, &[id]))?;
        self.taken.remove(&id);
        Ok(())
    }

    fn plan(&mut self) -> Plan {
        self.journal.plan(Content {
            forgotten: Second(0),
            taken: self.taken.clone().into_iter().collect(),
            accepted: self.accepted.clone().into_iter().collect(),
        })
    }

    fn adopt(&mut self) -> io::Result<bool> {
        let Some(draft) = self.draft.take() else { return Ok(false) };
        let entered = self.enter()?;
        self.journal.adopt(&entered, &draft)
    }
}

fn nowhere() -> ToDisk {
    Arc::new(|_| Ok(()))
}

fn start(folder: &TempDir) -> Process {
    Process::start(folder.path(), to_disk()).unwrap()
}

fn numbers(accepted: &Seen) -> Vec<u128> {
    accepted.keys().map(|id| u128::from_le_bytes(*id)).collect()
}

fn path(folder: &TempDir) -> PathBuf {
    folder.path().join(NAME)
}

/// What is in the file, read anew.
fn reread(folder: &TempDir) -> Vec<u128> {
    numbers(&start(folder).accepted)
}

#[test]
fn what_was_written_is_there_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut process = start(&folder);
    process.accept(1, 10).unwrap();
    process.take(2).unwrap();
    process.accept(3, 30).unwrap();
    drop(process);
    let process = start(&folder);
    assert_eq!(numbers(&process.accepted), [1, 3]);
    assert_eq!(process.accepted.values().map(|until| until.0).collect::<Vec<_>>(), [10, 30]);
    assert_eq!(process.taken.len(), 1);
}

#[test]
fn the_folder_is_private_and_keeps_no_leavings() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let below = folder.path().join("state/replays");
    fs::create_dir_all(&below).unwrap();
    fs::remove_dir(&below).unwrap();
    for left in ["00000000000000ab.live", "00000000000000ab.draft", "mine.txt"] {
        fs::create_dir_all(&below).unwrap();
        fs::write(below.join(left), "").unwrap();
    }
    let process = Process::start(&below, to_disk()).unwrap();
    let names = || {
        let entries = fs::read_dir(&below).unwrap().map(|entry| entry.unwrap().file_name());
        entries.map(|name| name.into_string().unwrap()).collect::<BTreeSet<_>>()
    };
    let own = format!("{:016x}.live", process.journal.owner());
    assert_eq!(names(), ["journal", "lock", "mine.txt", own.as_str()].map(str::to_owned).into());
    for name in ["journal", "lock", own.as_str()] {
        let mode = fs::metadata(below.join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    drop(process);
    assert_eq!(names(), ["journal", "lock", "mine.txt"].map(str::to_owned).into());
}

#[test]
fn processes_see_each_other_and_who_has_ended() {
    let folder = tempfile::tempdir().unwrap();
    let (mut left, mut right) = (start(&folder), start(&folder));
    left.accept(1, 10).unwrap();
    right.take(2).unwrap();
    let entered = left.enter().unwrap();
    assert_eq!(left.taken.values().copied().collect::<Vec<_>>(), [right.journal.owner()]);
    let gone = right.journal.owner();
    assert!(left.journal.lives(&entered, gone) && left.journal.lives(&entered, left.journal.owner()));
    drop(entered);
    assert_eq!(numbers(&right.accepted), [1], "read before it wrote");
    drop(right);
    let entered = left.enter().unwrap();
    assert!(!left.journal.lives(&entered, gone));
}

#[test]
fn what_another_wrote_is_believed_once_it_is_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    let mut left = start(&folder);
    let synced = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&synced);
    let fails = move |_: &File| match count.fetch_add(1, Ordering::Relaxed) {
        0 => Err(io::Error::other("no disk")),
        _ => Ok(()),
    };
    let mut right = Process::start(folder.path(), Arc::new(fails)).unwrap();
    assert_eq!(synced.load(Ordering::Relaxed), 0, "there was nothing to bring anywhere");
    left.accept(1, 10).unwrap();
    assert!(right.enter().is_err());
    assert!(right.accepted.is_empty() && right.journal.is_broken());
    right.enter().unwrap();
    assert_eq!(numbers(&right.accepted), [1]);
    assert!(right.accept(2, 10).is_err(), "not before it is written anew");
    right.draft = Some(right.plan().write().unwrap());
    assert!(right.adopt().unwrap());
    right.accept(2, 10).unwrap();
    left.accept(3, 10).unwrap();
    assert_eq!(reread(&folder), [1, 2, 3]);
}

#[test]
fn an_unfinished_end_is_cut_off() {
    let folder = tempfile::tempdir().unwrap();
    let mut process = start(&folder);
    process.accept(1, 10).unwrap();
    process.journal.due().settle(&to_disk()).unwrap();
    let good = process.journal.end;
    drop(process);
    let text = fs::read(path(&folder)).unwrap();
    let whole = {
        let mut frames = Frames::default();
        frames.accepted(Second(20), &[[2; 16]]);
        frames.finish()
    };
    for cut in 1..whole.len() {
        fs::write(path(&folder), [&text, &whole[..cut]].concat()).unwrap();
        assert_eq!(reread(&folder), [1]);
        assert_eq!(fs::metadata(path(&folder)).unwrap().len(), good);
    }
    for end in [vec![0; 4096], vec![0xff; 77], [&[0; 40], whole.as_slice()].concat()] {
        fs::write(path(&folder), [&text, end.as_slice()].concat()).unwrap();
        assert_eq!(reread(&folder), [1]);
    }
    // A process that runs cuts off what another could not finish, and goes on there.
    let mut process = start(&folder);
    fs::write(path(&folder), [&text, &whole[..9]].concat()).unwrap();
    process.accept(3, 10).unwrap();
    assert_eq!(reread(&folder), [1, 3]);
}

#[test]
fn what_was_on_disk_is_never_cut_off() {
    let folder = tempfile::tempdir().unwrap();
    let mut process = start(&folder);
    for number in 1..=3 {
        process.accept(number, 10).unwrap();
    }
    process.journal.due().settle(&to_disk()).unwrap();
    drop(process);
    let text = fs::read(path(&folder)).unwrap();
    let why = |bytes: &[u8]| {
        fs::write(path(&folder), bytes).unwrap();
        Process::start(folder.path(), to_disk()).err().unwrap()
    };
    let first = usize::try_from(HEADER).unwrap();
    for at in first..text.len() {
        let mut bytes = text.clone();
        bytes[at] ^= 4;
        let why = why(&bytes);
        assert!(why.contains("damaged at byte") && why.contains("move it away"), "{why}");
    }
    for at in 0..usize::try_from(MARK).unwrap() {
        let mut bytes = text.clone();
        bytes[at] ^= 4;
        assert!(why(&bytes).contains("does not begin as it should"));
    }
    for length in [0, 5, first - 9] {
        assert!(why(&text[..length]).contains("does not begin as it should"));
    }
    fs::write(path(&folder), &text).unwrap();
    assert_eq!(reread(&folder), [1, 2, 3]);
}

#[test]
fn a_file_that_became_shorter_is_not_used() {
    let folder = tempfile::tempdir().unwrap();
    let mut process = start(&folder);
    process.accept(1, 10).unwrap();
    fs::OpenOptions::new().write(true).open(path(&folder)).unwrap().set_len(HEADER).unwrap();
    assert!(process.accept(2, 10).unwrap_err().to_string().contains("shorter"));
}

#[test]
fn a_removed_file_is_written_again() {
    let folder = tempfile::tempdir().unwrap();
    let (mut left, mut right) = (start(&folder), start(&folder));
    left.accept(1, 10).unwrap();
    fs::remove_file(path(&folder)).unwrap();
    assert!(left.accept(2, 10).is_err());
    assert!(left.journal.is_broken());
    left.draft = Some(left.plan().write().unwrap());
    assert!(left.adopt().unwrap());
    left.accept(2, 10).unwrap();
    right.accept(3, 10).unwrap();
    assert_eq!(right.told_anew, 2, "it had not read as far");
    assert_eq!(numbers(&right.accepted), [1, 2, 3]);
    assert_eq!(reread(&folder), [1, 2, 3]);
}

#[test]
fn a_failed_write_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut process = start(&folder);
    process.accept(1, 10).unwrap();
    process.journal.forbid_writing();
    assert!(process.accept(2, 10).is_err());
    process.journal.allow_writing();
    process.accept(3, 10).unwrap();
    assert_eq!(reread(&folder), [1, 3]);
}

#[test]
fn whoever_read_far_enough_goes_on_in_a_shorter_file() {
    let folder = tempfile::tempdir().unwrap();
    let (mut left, mut right) = (start(&folder), start(&folder));
    for _ in 0..100 {
        left.take(1).unwrap();
        left.release(1).unwrap();
    }
    left.accept(2, 10).unwrap();
    right.enter().unwrap();
    let (long, position) = (left.journal.end, left.journal.position());
    left.draft = Some(left.plan().write().unwrap());
    left.accept(3, 10).unwrap();
    right.accept(4, 10).unwrap();
    assert!(left.adopt().unwrap());
    assert!(left.journal.end < long && left.journal.position() > position);
    left.accept(5, 10).unwrap();
    right.accept(6, 10).unwrap();
    assert_eq!(right.told_anew, 1);
    assert_eq!(right.journal.position(), {
        left.enter().unwrap();
        left.journal.position()
    });
    assert_eq!(numbers(&left.accepted), [2, 3, 4, 5, 6]);
    assert_eq!(reread(&folder), [2, 3, 4, 5, 6]);
}

#[test]
fn a_draft_of_a_file_that_was_replaced_is_thrown_away() {
    let folder = tempfile::tempdir().unwrap();
    let (mut left, mut right) = (start(&folder), start(&folder));
    left.accept(1, 10).unwrap();
    right.enter().unwrap();
    left.draft = Some(left.plan().write().unwrap());
    right.draft = Some(right.plan().write().unwrap());
    assert!(left.adopt().unwrap());
    left.accept(2, 10).unwrap();
    assert!(!right.adopt().unwrap());
    assert_eq!(reread(&folder), [1, 2]);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 4, "the journal, the lock and two signs");
}

#[derive(Clone, Debug)]
enum Step {
    Take(u128),
    Release(u128),
    Accept(u128, u32),
    Draft,
    Adopt,
    Look,
    Restart,
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..6_u128).prop_map(Step::Take),
        3 => (0..6_u128).prop_map(Step::Release),
        3 => (0..20_u128, 1..9_u32).prop_map(|(number, until)| Step::Accept(number, until)),
        2 => Just(Step::Draft),
        2 => Just(Step::Adopt),
        1 => Just(Step::Look),
        1 => Just(Step::Restart),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    /// However processes take turns, write drafts and start anew, all of them know the same.
    #[test]
    fn all_processes_know_the_same(steps in prop::collection::vec((0..2_usize, any_step()), 1..60)) {
        let folder = tempfile::tempdir().unwrap();
        let start = || Process::start(folder.path(), nowhere()).unwrap();
        let mut processes = [start(), start()];
        let (mut accepted, mut taken) = (Seen::new(), BTreeSet::new());
        for (which, step) in steps {
            let process = &mut processes[which];
            match step {
                Step::Take(number) => {
                    process.take(number).unwrap();
                    taken.insert(number.to_le_bytes());
                }
                Step::Release(number) => {
                    process.release(number).unwrap();
                    taken.remove(&number.to_le_bytes());
                }
                Step::Accept(number, until) => {
                    process.accept(number, until).unwrap();
                    taken.remove(&number.to_le_bytes());
                    accepted.insert(number.to_le_bytes(), Second(until));
                }
                Step::Draft => process.draft = Some(process.plan().write().unwrap()),
                Step::Adopt => drop(process.adopt().unwrap()),
                Step::Look => drop(process.enter().unwrap()),
                Step::Restart => *process = start(),
            }
            if matches!(step, Step::Look | Step::Restart) {
                let process = &processes[which];
                prop_assert_eq!(&process.accepted, &accepted);
                prop_assert_eq!(process.taken.keys().copied().collect::<BTreeSet<_>>(), taken.clone());
            }
        }
        processes[0].enter().unwrap();
        prop_assert_eq!(&processes[0].accepted, &accepted);
        prop_assert_eq!(&start().accepted, &accepted);
    }
}
