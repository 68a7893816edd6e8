//! Who works on which processor core: the server on the first, its clients on the second.

use std::fs;
use std::process::{Command, Stdio};
use std::thread::available_parallelism;

use crate::Fallible;

/// What starts a server on the first core; nothing where there is only one.
pub(crate) fn first() -> Vec<String> {
    if alone() { Vec::new() } else { ["taskset", "-c", "0"].map(ToOwned::to_owned).into() }
}

/// Moves the thread that calls to the second core, and whatever it starts from then on.
pub(crate) fn take_second() -> Fallible<()> {
    if alone() {
        return Ok(());
    }
    let path = fs::read_link("/proc/thread-self")?;
    let thread = path.file_name().ok_or("a thread without a number")?;
    let moved = Command::new("taskset").args(["-p", "-c", "1"]).arg(thread).stdout(Stdio::null()).status()?;
    if moved.success() { Ok(()) } else { Err("taskset does not move a thread".into()) }
}

fn alone() -> bool {
    available_parallelism().map_or(1, usize::from) < 2
}
