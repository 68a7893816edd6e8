//! A process that this run started, and ends.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::Fallible;

/// Valgrind on a busy machine needs minutes to start.
const PATIENCE: Duration = Duration::from_mins(5);
const GRACE: Duration = Duration::from_secs(5);
/// Short, since a cold start is measured by it.
const BETWEEN_LOOKS: Duration = Duration::from_micros(500);

/// A running process; ended when dropped.
pub(crate) struct Process {
    child: Child,
    begun: Instant,
    ending: &'static str,
}

impl Process {
    /// Starts `command` and waits until it listens on `address`. What it says goes to a file in `folder`.
    pub(crate) fn start(mut command: Command, address: SocketAddr, folder: &Path) -> Fallible<Self> {
        let said = folder.join(format!("said.{}.log", address.port()));
        let file = File::create(&said)?;
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        let name = format!("{command:?}");
        let begun = Instant::now();
        let child = command.spawn().map_err(|error| format!("{name}: {error}"))?;
        let mut process = Self { child, begun, ending: "TERM" };
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

    /// When it was started.
    pub(crate) fn begun(&self) -> Instant {
        self.begun
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

    /// Ends by this signal when it is dropped, instead of `TERM`.
    pub(crate) fn ended_by(self, ending: &'static str) -> Self {
        let mut process = self;
        process.ending = ending;
        process
    }

    fn signal(&mut self, signal: &str) -> Fallible<()> {
        if self.child.try_wait()?.is_some() {
            return Err("it has ended".into());
        }
        // The shell's own `kill`: the workspace has no binding to the system call.
        Command::new("sh").args(["-c", &format!("kill -s {signal} {}", self.child.id())]).status()?;
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // By itself where it can: a build that writes a profile of itself does so when it ends.
        if self.signal(self.ending).is_ok() {
            let begun = Instant::now();
            while matches!(self.child.try_wait(), Ok(None)) && begun.elapsed() < GRACE {
                sleep(BETWEEN_LOOKS);
            }
        }
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The next port to try: below those that the system hands out to clients, one of which could otherwise have it.
static NEXT: AtomicU16 = AtomicU16::new(0);
const PORTS: std::ops::Range<u16> = 12_000..32_000;

/// An address that was free a moment ago: Pingora does not tell which port it got.
pub(crate) fn free_address() -> Fallible<SocketAddr> {
    // Two runs at once begin at different places.
    let start = u16::try_from(std::process::id() % 20_000)?;
    for _ in PORTS {
        let step = start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % (PORTS.end - PORTS.start);
        let address = SocketAddr::from(([127, 0, 0, 1], PORTS.start + step));
        if TcpListener::bind(address).is_ok() {
            return Ok(address);
        }
    }
    Err("no free port".into())
}

/// Puts this process, and whatever it starts, on the last core; proxies are put on the first.
pub(crate) fn take_the_last_core() -> Fallible<()> {
    let last = cores().saturating_sub(1).to_string();
    let done =
        Command::new("taskset").args(["-a", "-c", "-p", &last, &std::process::id().to_string()]).output()?;
    if done.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&done.stderr).into()) }
}

/// What is put before a command so that it has the first core to itself; nothing where there is only one.
pub(crate) fn on_the_first_core() -> Vec<String> {
    if cores() < 2 { Vec::new() } else { ["taskset", "-c", "0"].map(ToOwned::to_owned).into() }
}

/// Waits for the end of another comparison on this machine: both put their proxies on the first core, and neither's
/// times would mean anything. It is over when the file is dropped.
pub(crate) fn alone() -> Fallible<File> {
    let file = File::create(std::env::temp_dir().join("portcullis-compare.lock"))?;
    if file.try_lock().is_err() {
        eprintln!("another comparison is running; waiting for its end");
        file.lock()?;
    }
    Ok(file)
}

/// How many cores there are.
pub(crate) fn cores() -> usize {
    static CORES: std::sync::OnceLock<usize> = std::sync::OnceLock::new();
    // Asked once: later this process has but one.
    *CORES.get_or_init(|| std::thread::available_parallelism().map_or(1, usize::from))
}
