//! What is left of a process that is killed. The process is this test program, started once more for one test that does nothing
//! but play it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, ChildStdout, Command, Stdio};

use super::*;

/// Tells the second process what to do, and where.
const PART: &str = "PORTCULLIS_TEST_REPLAYS";
/// Begins each line that is for us and not from the test harness.
const SIGN: &str = "@";

/// A process that can be killed.
struct Process {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Process {
    fn start(part: &str, folder: &Path, first: u32) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--nocapture", "replays::tests::kill::the_one_that_is_killed"])
            .env(PART, format!("{part} {first} {}", folder.display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines }
    }

    /// Its next word; none after its end.
    fn hear(&mut self) -> Option<String> {
        loop {
            let mut line = Vec::new();
            if self.lines.read_until(b'\n', &mut line).unwrap() == 0 || !line.ends_with(b"\n") {
                return None;
            }
            let line = String::from_utf8(line).unwrap();
            // The harness does not end its line before the test begins its own.
            if let Some((_, word)) = line.trim_end().split_once(SIGN) {
                return Some(word.to_owned());
            }
        }
    }

    #[track_caller]
    fn expect(&mut self, word: &str) {
        assert_eq!(self.hear().as_deref(), Some(word));
    }

    /// `kill -9`, and whatever it still had to say.
    fn kill(mut self) -> Vec<String> {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        std::iter::from_fn(|| self.hear()).collect()
    }

    fn go_on(&mut self) {
        self.child.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
    }
}

fn say(word: impl std::fmt::Display) {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("{SIGN}{word}\n").as_bytes()).unwrap();
    out.flush().unwrap();
}

fn wait() {
    let _ = std::io::stdin().read(&mut [0]);
}

/// What the second process does. In the first one there is nothing to do, and nothing is tested.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_one_that_is_killed() {
    let Ok(part) = std::env::var(PART) else { return };
    let [part, first, folder] = *part.splitn(3, ' ').collect::<Vec<_>>() else { panic!("{part}") };
    let first: u32 = first.parse().unwrap();
    let replays = open(Path::new(folder));
    match part {
        // Commits the first, holds the second.
        "hold" => {
            fresh(&replays, first).await.commit().await.unwrap();
            let held = fresh(&replays, first + 1).await;
            say("held");
            wait();
            held.commit().await.unwrap();
            say("committed");
            wait();
        }
        // Commits one after the other, several at a time.
        "stream" => {
            let mut deliveries = JoinSet::new();
            for lane in 0..4 {
                let replays = Arc::clone(&replays);
                deliveries.spawn(async move {
                    for number in (first + lane..).step_by(4) {
                        fresh(&replays, number).await.commit().await.unwrap();
                        say(number);
                    }
                });
            }
            deliveries.join_all().await;
        }
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_killed_process_leaves_what_it_committed_and_nothing_that_it_held() {
    let folder = tempfile::tempdir().unwrap();
    for round in 0..50 {
        let first = 2 * round;
        let mut process = Process::start("hold", folder.path(), first);
        process.expect("held");
        process.kill();
        let replays = open(folder.path());
        for committed in (0..=first).step_by(2) {
            assert!(is_seen(&replays, committed).await, "{committed} was committed before the kill");
        }
        // Free again, and so that the next process finds it free, too.
        fresh(&replays, first + 1).await.release().await;
    }
}

#[tokio::test]
async fn a_process_killed_at_any_moment_leaves_what_it_told_of() {
    let folder = tempfile::tempdir().unwrap();
    let (mut told, mut first) = (Vec::new(), 0);
    for round in 0..20_usize {
        let mut process = Process::start("stream", folder.path(), first);
        let mut words: Vec<String> = (0..=round * 7 % 40).map(|_| process.hear().unwrap()).collect();
        words.extend(process.kill());
        told.extend(words.iter().map(|word| word.parse::<u32>().unwrap()));
        let replays = Arc::new(Replays::open(folder.path(), 1_000_000, &Registry::new()).unwrap());
        for number in &told {
            assert!(is_seen(&replays, *number).await, "{number} was committed before the kill");
        }
        first = told.iter().max().unwrap() + 100;
    }
}

#[tokio::test]
async fn while_one_process_replaces_another_both_know_all() {
    let folder = tempfile::tempdir().unwrap();
    let mut old = Process::start("hold", folder.path(), 1);
    old.expect("held");
    let new = open(folder.path());
    assert!(is_seen(&new, 1).await);
    assert!(matches!(reserve(&new, 2).await, Reserved::InFlight), "the old one is delivering it");
    old.go_on();
    old.expect("committed");
    assert!(is_seen(&new, 2).await);
    let held = fresh(&new, 3).await;
    old.kill();
    assert!(matches!(reserve(&new, 3).await, Reserved::InFlight));
    held.commit().await.unwrap();
    assert!(is_seen(&new, 3).await);
}
