//! The processes of one run, and what they share.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use rustls::ClientConfig;
use tempfile::TempDir;

use crate::Fallible;
use crate::ask::Request;
use crate::contender::{Ask, Contender, Policy, Server, Transport};
use crate::keys::{Keys, SECRET, certify};
use crate::peers;
use crate::process::{Process, free_address, on_the_first_core, take_the_last_core};
use crate::wire::Wire;

/// The gateway's configuration, with the addresses as variables.
pub(crate) const CONFIGURATION: &str = include_str!("../portcullis.yaml");

/// What all contenders share.
pub(crate) struct Stage {
    pub(crate) folder: TempDir,
    executables: PathBuf,
    gateway: PathBuf,
    tls: Arc<ClientConfig>,
    pub(crate) keys: Keys,
    origin: SocketAddr,
    _origin: Process,
}

/// A contender that serves.
pub(crate) struct Door {
    /// Where.
    pub(crate) address: SocketAddr,
    /// A client's TLS, unless it speaks without.
    pub(crate) tls: Option<Arc<ClientConfig>>,
    /// What is sent to it, in HTTP/1.1.
    pub(crate) request: Vec<u8>,
    /// The same for any protocol.
    pub(crate) ask: Request,
    /// Whether it is asked over HTTP/2.
    pub(crate) h2: bool,
    /// The status that it has to answer.
    pub(crate) wanted: u16,
    /// Its process; the origin's belongs to the stage.
    pub(crate) process: Option<Process>,
}

impl Door {
    /// A new connection.
    pub(crate) fn connect(&self) -> Fallible<Wire> {
        Ok(Wire::connect(self.address, self.tls.as_ref())?.wanting(self.wanted))
    }
}

/// Where one contender listens, by what it does there.
#[derive(Clone, Copy)]
pub(crate) struct Addresses {
    /// Without TLS and policy.
    pub(crate) http: SocketAddr,
    /// With TLS.
    pub(crate) https: SocketAddr,
    /// With TLS and the full policy; portcullis has it at `https`.
    pub(crate) hs256: SocketAddr,
    /// The same for RS256.
    pub(crate) rs256: SocketAddr,
}

impl Addresses {
    fn free() -> Fallible<Self> {
        Ok(Self {
            http: free_address()?,
            https: free_address()?,
            hs256: free_address()?,
            rs256: free_address()?,
        })
    }

    fn of(&self, contender: &Contender) -> SocketAddr {
        let scenario = &contender.scenario;
        match scenario.policy {
            _ if scenario.transport == Transport::Plain => self.http,
            Policy::Hs256 if contender.server.is_peer() => self.hs256,
            Policy::Rs256 if contender.server.is_peer() => self.rs256,
            _ => self.https,
        }
    }
}

impl Stage {
    /// Makes keys and certificates and starts the origin. `gateway` is the executable, if not the one beside this.
    pub(crate) fn set(gateway: Option<PathBuf>) -> Fallible<Self> {
        // Before anything is started, so that it is inherited.
        take_the_last_core()?;
        let folder = tempfile::tempdir()?;
        let executables = std::env::current_exe()?.parent().ok_or("no folder of executables")?.to_owned();
        let gateway = gateway.map_or_else(|| Ok(executables.join("portcullis")), std::path::absolute)?;
        let keys = Keys::make(folder.path())?;
        let tls = certify(folder.path())?;
        let origin = free_address()?;
        let mut command = Command::new(executables.join("origin"));
        command.args(["--bind", &origin.to_string()]);
        let process = Process::start(command, origin, folder.path())?;
        Ok(Self { folder, executables, gateway, tls, keys, origin, _origin: process })
    }

    /// Starts a contender.
    pub(crate) fn open(&self, contender: &Contender) -> Fallible<Door> {
        self.open_under(contender, &[])
    }

    /// Starts a contender under another program, as `valgrind`.
    pub(crate) fn open_under(&self, contender: &Contender, program: &[String]) -> Fallible<Door> {
        self.open_configured(contender, program, CONFIGURATION)
    }

    /// The same with another configuration of the gateway; the others have theirs.
    pub(crate) fn open_configured(
        &self,
        contender: &Contender,
        program: &[String],
        configuration: &str,
    ) -> Fallible<Door> {
        let Contender { server, scenario } = *contender;
        let ask = Request::new(&scenario, Some(&self.keys.token(scenario.policy, scenario.ask)?));
        let wanted = match scenario.ask {
            Ask::Forged | Ask::Expired => 401,
            Ask::OverLimit => 429,
            Ask::Get | Ask::Chat | Ask::Events => 200,
        };
        let tls = (scenario.transport != Transport::Plain).then(|| Arc::clone(&self.tls));
        let mut door = Door {
            address: self.origin,
            tls,
            request: ask.bytes(),
            ask,
            h2: scenario.transport == Transport::H2,
            wanted,
            process: None,
        };
        if server == Server::Origin {
            return Ok(Door { tls: None, ..door });
        }
        let addresses = Addresses::free()?;
        door.address = addresses.of(contender);
        let own = self.words(server, &addresses, configuration)?;
        let pinned = on_the_first_core();
        let mut words = pinned.iter().chain(program).chain(&own);
        let mut command = Command::new(words.next().ok_or("no command")?);
        command.args(words).current_dir(self.folder.path());
        command.env("HTTP", addresses.http.to_string()).env("HTTPS", addresses.https.to_string());
        command.env("ADMIN", free_address()?.to_string());
        command.env("ORIGIN", self.origin.to_string()).env("SESSION_SECRET", SECRET);
        // One worker each. Pingora's services have one thread by default.
        command.env("TOKIO_WORKER_THREADS", "1").env("GOMAXPROCS", "1");
        let process = Process::start(command, door.address, self.folder.path())?;
        // Pingora waits for its grace period on SIGTERM.
        let ending = if matches!(server, Server::Bare | Server::Floor) { "INT" } else { "TERM" };
        door.process = Some(process.ended_by(ending));
        if scenario.ask == Ask::OverLimit {
            // The one request that is allowed.
            Wire::connect(door.address, door.tls.as_ref())?.exchange(&door.request)?;
        }
        Ok(door)
    }

    fn words(&self, server: Server, at: &Addresses, configuration: &str) -> Fallible<Vec<String>> {
        let words = match server {
            Server::Origin => return Err("the origin runs already".into()),
            Server::Bare => self.bare(&self.executables.join("bare-pingora"), at),
            Server::Floor => {
                let profiles = self.executables.parent().ok_or("no folder of profiles")?;
                self.bare(&profiles.join("floor/bare-pingora"), at)
            }
            Server::Gateway => {
                // One file each: two may run at the same time.
                let file = format!("portcullis.{}.yaml", at.https.port());
                fs::write(self.folder.path().join(&file), configuration)?;
                [self.gateway.display().to_string(), "run".into(), "--config".into(), file].into()
            }
            Server::Nginx | Server::Haproxy | Server::Envoy | Server::EnvoyCached | Server::Caddy => {
                peers::words(server, self, at)?
            }
        };
        Ok(words)
    }

    fn bare(&self, executable: &std::path::Path, at: &Addresses) -> Vec<String> {
        let (https, http, origin) = (at.https.to_string(), at.http.to_string(), self.origin.to_string());
        let flags = ["--https", &https, "--http", &http, "--upstream", &origin];
        let keys = ["--cert", "cert.pem", "--key", "key.pem"];
        let flags = flags.into_iter().chain(keys).map(ToOwned::to_owned);
        std::iter::once(executable.display().to_string()).chain(flags).collect()
    }

    /// Where requests go in the end.
    pub(crate) fn origin(&self) -> SocketAddr {
        self.origin
    }

    /// The bare proxy that counts as the floor, if it was built.
    pub(crate) fn has_floor(&self) -> bool {
        self.executables.parent().is_some_and(|profiles| profiles.join("floor/bare-pingora").exists())
    }
}
