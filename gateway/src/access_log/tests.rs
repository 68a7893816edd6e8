use std::fs;
use std::sync::mpsc::{Sender, channel};

use super::*;

/// Takes a batch only when the test lets it.
struct Gated {
    permits: Receiver<io::Result<()>>,
    written: Arc<Mutex<Vec<u8>>>,
    entered: Sender<()>,
}

struct Gate {
    permits: Sender<io::Result<()>>,
    written: Arc<Mutex<Vec<u8>>>,
    entered: Receiver<()>,
}

impl Output for Gated {
    fn write(&mut self, batch: &[u8]) -> io::Result<()> {
        let _ = self.entered.send(());
        self.permits.recv().unwrap_or(Ok(()))?;
        self.written.lock().unwrap().extend_from_slice(batch);
        Ok(())
    }

    fn reopen(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn gated(lines: usize) -> (AccessLog, Gate) {
    let (permits, receive) = channel();
    let (entered, entries) = channel();
    let written = Arc::new(Mutex::new(Vec::new()));
    let sink = Gated { permits: receive, written: Arc::clone(&written), entered };
    let log = AccessLog::start_on(sink, lines).unwrap();
    (log, Gate { permits, written, entered: entries })
}

fn line(n: usize) -> Vec<u8> {
    format!("{{\"n\":{n}}}\n").into_bytes()
}

#[test]
fn close_writes_every_line_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    fs::write(&path, "before\n").unwrap();
    let log = AccessLog::start(Target::File(path.clone())).unwrap();
    for n in 0..5000 {
        log.write(line(n));
    }
    log.close();
    let expected: Vec<u8> = b"before\n".iter().copied().chain((0..5000).flat_map(line)).collect();
    assert_eq!(fs::read(&path).unwrap(), expected);
    assert_eq!(log.dropped(), 0);
    assert_eq!(log.shared.bytes.load(Ordering::Relaxed), 0);
}

#[test]
fn a_line_after_close_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let log = AccessLog::start(Target::File(folder.path().join("a"))).unwrap();
    log.close();
    log.close();
    log.write(line(1));
    assert_eq!(log.dropped(), 1);
}

#[test]
fn many_threads_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    let log = AccessLog::start(Target::File(path.clone())).unwrap();
    thread::scope(|scope| {
        for worker in 0..4 {
            let log = &log;
            scope.spawn(move || (0..1000).for_each(|n| log.write(line(worker * 1000 + n))));
        }
    });
    log.close();
    let text = fs::read_to_string(&path).unwrap();
    let mut lines: Vec<_> = text.lines().collect();
    lines.sort_unstable();
    lines.dedup();
    assert_eq!((lines.len(), log.dropped()), (4000, 0));
}

#[test]
fn a_full_channel_drops_and_counts() {
    let (log, gate) = gated(4);
    log.write(line(0));
    // From here the thread hangs in its write; the channel takes four.
    gate.entered.recv().unwrap();
    for n in 1..=10 {
        log.write(line(n));
    }
    assert_eq!(log.dropped(), 6);
    drop(gate.permits);
    log.close();
    let expected: Vec<u8> = (0..=4).flat_map(line).collect();
    assert_eq!(*gate.written.lock().unwrap(), expected);
}

#[test]
fn waiting_bytes_are_bounded() {
    let (log, gate) = gated(LINES);
    log.write(line(0));
    gate.entered.recv().unwrap();
    for _ in 0..5 {
        log.write(vec![b'x'; BYTES / 4]);
    }
    // What the thread holds in its hands no longer waits, so four fit.
    assert_eq!(log.dropped(), 1);
    drop(gate.permits);
    log.close();
    assert_eq!(log.shared.bytes.load(Ordering::Relaxed), 0);
}

#[test]
fn a_failed_write_is_counted_and_its_half_line_ended() {
    let (log, gate) = gated(8);
    log.write(line(0));
    gate.entered.recv().unwrap();
    gate.permits.send(Err(io::Error::from(io::ErrorKind::StorageFull))).unwrap();
    log.write(line(1));
    gate.entered.recv().unwrap();
    gate.permits.send(Ok(())).unwrap();
    log.write(line(2));
    drop(gate.permits);
    log.close();
    assert_eq!(log.dropped(), 1);
    assert_eq!(*gate.written.lock().unwrap(), b"\n{\"n\":1}\n{\"n\":2}\n");
}

#[test]
fn reopen_follows_the_name() {
    let folder = tempfile::tempdir().unwrap();
    let (path, rotated) = (folder.path().join("access.log"), folder.path().join("access.log.1"));
    let log = AccessLog::start(Target::File(path.clone())).unwrap();
    fs::rename(&path, &rotated).unwrap();
    log.reopen();
    log.write(line(1));
    log.close();
    assert_eq!(fs::read(&path).unwrap(), line(1));
    assert_eq!(fs::read(&rotated).unwrap(), b"");
}

#[test]
fn a_reopen_that_fails_keeps_the_old_file() {
    let folder = tempfile::tempdir().unwrap();
    let (inner, moved) = (folder.path().join("inner"), folder.path().join("moved"));
    fs::create_dir(&inner).unwrap();
    let log = AccessLog::start(Target::File(inner.join("a"))).unwrap();
    fs::rename(&inner, &moved).unwrap();
    log.reopen();
    log.write(line(1));
    log.close();
    assert_eq!(fs::read(moved.join("a")).unwrap(), line(1));
}

#[test]
fn a_missing_folder_stops_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("no/such/folder");
    assert_eq!(AccessLog::start(Target::File(missing)).unwrap_err().kind(), io::ErrorKind::NotFound);
}
