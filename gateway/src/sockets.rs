//! Listening sockets: bound here, or handed over by whoever started us — systemd, or the gateway that we
//! replace. Handed on to a new process, so that an upgrade refuses no connection.

use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs as _};
use std::os::fd::OwnedFd;
use std::process::{Child, Command};

use command_fds::{CommandFdExt as _, FdMapping};
use listenfd::ListenFd;
use rustix::process::{Pid, Signal, getppid, kill_process};

/// How many connections may wait to be accepted.
const BACKLOG: i32 = 4096;
/// The first descriptor that is handed over (`sd_listen_fds(3)`).
const FIRST: i32 = 3;
/// Names the process that is to stop once its replacement serves.
const REPLACES: &str = "PORTCULLIS_REPLACES";

/// The sockets of this process.
#[derive(Default)]
pub(crate) struct Sockets {
    inherited: Vec<(Option<String>, TcpListener)>,
    open: Vec<(&'static str, TcpListener)>,
}

impl Sockets {
    /// What was handed over, if anything was.
    pub(crate) fn inherited() -> Self {
        let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
        let names: Vec<&str> = names.split(':').collect();
        let mut handed = ListenFd::from_env();
        let count = handed.len();
        let take = |index| {
            let listener = handed.take_tcp_listener(index).ok().flatten()?;
            Some((names.get(index).map(|name| (*name).to_owned()), listener))
        };
        Self { inherited: (0..count).filter_map(take).collect(), open: Vec::new() }
    }

    /// The socket of the listener called `name`, for the address `bind`: one that was handed over for it, or a
    /// new one.
    pub(crate) fn listen(&mut self, name: &'static str, bind: &str) -> io::Result<tokio::net::TcpListener> {
        let address = bind.to_socket_addrs()?.next().ok_or(io::ErrorKind::AddrNotAvailable)?;
        let listener = match self.handed(name, address) {
            Some(listener) => listener,
            None => self::bind(address)?,
        };
        listener.set_nonblocking(true)?;
        self.open.push((name, listener.try_clone()?));
        tokio::net::TcpListener::from_std(listener)
    }

    /// A socket of another address is of no use: the configuration has changed since it was bound.
    fn handed(&mut self, name: &str, address: SocketAddr) -> Option<TcpListener> {
        let serves = |(known, listener): &(Option<String>, TcpListener)| {
            let same = listener.local_addr().is_ok_and(|local| local == address);
            same || (address.port() == 0 && known.as_deref() == Some(name))
        };
        let index = self.inherited.iter().position(serves)?;
        Some(self.inherited.swap_remove(index).1)
    }

    /// Starts this program anew, with the sockets in its hands. It tells us to stop once it serves; if it cannot,
    /// it ends, and we go on.
    pub(crate) fn hand_over(&self) -> io::Result<Child> {
        let mut words = std::env::args_os();
        // Not `current_exe`: the file may have been replaced, which is what an upgrade is.
        let mut command = Command::new(words.next().ok_or(io::ErrorKind::NotFound)?);
        let mut mappings = Vec::new();
        for (child_fd, (_, listener)) in (FIRST..).zip(&self.open) {
            let parent_fd = OwnedFd::from(listener.try_clone()?);
            mappings.push(FdMapping { parent_fd, child_fd });
        }
        let names: Vec<&str> = self.open.iter().map(|(name, _)| *name).collect();
        command
            .args(words)
            .env("LISTEN_FDS", self.open.len().to_string())
            .env("LISTEN_FDNAMES", names.join(":"))
            .env_remove("LISTEN_PID")
            .env(REPLACES, std::process::id().to_string());
        command.fd_mappings(mappings).map_err(|_| io::ErrorKind::InvalidInput)?;
        command.spawn()
    }
}

/// Tells the process that started us as its replacement to stop, if one did. It is still our parent, or it is gone
/// already.
pub(crate) fn replace() -> bool {
    let replaced = std::env::var(REPLACES).ok().and_then(|pid| pid.parse().ok()).and_then(Pid::from_raw);
    if let Some(parent) = replaced.filter(|pid| getppid() == Some(*pid)) {
        let _ = kill_process(parent, Signal::TERM);
    }
    replaced.is_some()
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = socket2::Socket::new(socket2::Domain::for_address(address), socket2::Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}
