//! A process that this run started, and ends.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::Fallible;

const PATIENCE: Duration = Duration::from_mins(1);
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

/// A running process; killed when dropped.
pub(crate) struct Process {
    child: Child,
}

impl Process {
    /// Starts `command` and waits until it listens on `address`. What it says goes to a file in `folder`.
    pub(crate) fn start(mut command: Command, address: SocketAddr, folder: &Path) -> Fallible<Self> {
        let said = folder.join(format!("said.{}.log", address.port()));
        let file = File::create(&said)?;
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        let name = format!("{command:?}");
        let mut process = Self { child: command.spawn().map_err(|error| format!("{name}: {error}"))? };
        let begun = Instant::now();
        while TcpStream::connect(address).is_err() {
            let ended = process.child.try_wait()?.is_some();
            if ended || begun.elapsed() > PATIENCE {
                return Err(format!(
                    "{name} does not listen:\n{}",
                    fs::read_to_string(&said).unwrap_or_default()
                )
                .into());
            }
            sleep(BETWEEN_LOOKS);
        }
        Ok(process)
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The processor time of its living threads so far.
    pub(crate) fn cpu(&self) -> Fallible<Duration> {
        let mut total = 0;
        for task in fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            // A thread may have ended since it was listed.
            let Ok(text) = fs::read_to_string(task?.path().join("schedstat")) else { continue };
            total += text.split(' ').next().unwrap_or_default().parse::<u64>()?;
        }
        Ok(Duration::from_nanos(total))
    }

    /// Asks it to end with a signal (`TERM`, `INT`), and waits.
    pub(crate) fn end(mut self, signal: &str) -> Fallible<()> {
        // The shell's own `kill`: the workspace has no binding to the system call.
        Command::new("sh").args(["-c", &format!("kill -s {signal} {}", self.child.id())]).status()?;
        let begun = Instant::now();
        while self.child.try_wait()?.is_none() {
            if begun.elapsed() > PATIENCE {
                return Err(format!("process {} does not end by SIG{signal}", self.child.id()).into());
            }
            sleep(BETWEEN_LOOKS);
        }
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// An address that was free a moment ago: Pingora does not tell which port it got.
pub(crate) fn free_address() -> Fallible<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}
