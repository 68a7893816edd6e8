//! The lines that a process has written so far, and a way to wait for one.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::sync::watch;

use crate::within;

/// Everything written to one pipe, line by line. Cheap to clone.
#[derive(Clone)]
pub struct Lines {
    lines: Arc<Mutex<Vec<String>>>,
    written: watch::Receiver<usize>,
}

impl Lines {
    /// Collects from `pipe` until it closes.
    pub fn collect(pipe: impl AsyncRead + Send + Unpin + 'static) -> Self {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let (count, written) = watch::channel(0);
        let kept = Arc::clone(&lines);
        tokio::spawn(async move {
            let mut reader = BufReader::new(pipe);
            let mut line = Vec::new();
            while reader.read_until(b'\n', &mut line).await.is_ok_and(|read| read > 0) {
                kept.lock().unwrap().push(String::from_utf8_lossy(&line).trim_end().to_owned());
                line.clear();
                count.send_modify(|count| *count += 1);
            }
        });
        Self { lines, written }
    }

    /// A copy of everything so far.
    pub fn all(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    /// Everything so far, as one text.
    pub fn text(&self) -> String {
        self.all().join("\n")
    }

    /// The first line for which `pick` has an answer; `None` when the pipe closed without one.
    pub async fn first<T>(&self, pick: impl Fn(&str) -> Option<T>) -> Option<T> {
        self.first_from(0, pick).await
    }

    /// Like [`Lines::first`], not looking at the first `skip` lines.
    pub async fn first_from<T>(&self, skip: usize, pick: impl Fn(&str) -> Option<T>) -> Option<T> {
        let mut written = self.written.clone();
        let mut seen = skip;
        loop {
            // Learn that the pipe closed before looking, so that its last lines are looked at too.
            let open = written.has_changed().is_ok();
            written.mark_unchanged();
            let fresh: Vec<String> = self.lines.lock().unwrap().iter().skip(seen).cloned().collect();
            seen += fresh.len();
            if let Some(found) = fresh.iter().find_map(|line| pick(line)) {
                return Some(found);
            }
            if !open {
                return None;
            }
            let _ = written.changed().await;
        }
    }

    /// The first line that contains `part`, or a failed test that shows what was written instead.
    pub async fn containing(&self, part: &str) -> String {
        let found = tokio::time::timeout(
            crate::PATIENCE,
            self.first(|line| line.contains(part).then(|| line.to_owned())),
        );
        match found.await {
            Ok(Some(line)) => line,
            _ => panic!("no line with {part:?} in:\n{}", self.text()),
        }
    }

    /// Waits until the other end has closed the pipe.
    pub async fn ended(&self) {
        within("the end of the output", self.first(|_| None::<()>)).await;
    }
}
