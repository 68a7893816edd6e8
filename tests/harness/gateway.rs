//! The real executable, serving.

use std::net::SocketAddr;

use serde_json::Value;
use tokio::process::{Child, Command};

use crate::lines::Lines;
use crate::{Outcome, Site, within};

/// A running `portcullis run`. Killed when dropped.
pub struct Gateway {
    child: Child,
    /// Standard output: the access log.
    pub out: Lines,
    /// Standard error: events.
    pub err: Lines,
    http: Option<SocketAddr>,
    https: Option<SocketAddr>,
    admin: Option<SocketAddr>,
}

impl Gateway {
    /// Serves the site's `portcullis.yaml`; fails the test when it does not start.
    pub async fn start(site: &Site) -> Self {
        match Self::try_start(site).await {
            Ok(gateway) => gateway,
            Err(outcome) => {
                let text = std::fs::read_to_string(site.path("portcullis.yaml")).unwrap_or_default();
                panic!("the gateway did not start (exit {}):\n{}\n---\n{text}", outcome.code, outcome.stderr)
            }
        }
    }

    /// Serves, or returns what it said instead.
    pub async fn try_start(site: &Site) -> Result<Self, Outcome> {
        let mut child =
            site.command(&["run", "--config", "portcullis.yaml"]).spawn().expect("the executable starts");
        let out = Lines::collect(child.stdout.take().unwrap());
        let err = Lines::collect(child.stderr.take().unwrap());
        let ready = err.first(|line| line.trim_end().ends_with("ready").then_some(()));
        if within("the gateway to be ready", ready).await.is_none() {
            let status = within("the gateway to exit", child.wait()).await.unwrap();
            out.ended().await;
            let code = status.code().unwrap_or(-1);
            return Err(Outcome { code, stdout: out.text(), stderr: err.text() });
        }
        let told = err.all();
        let find = |name: &str| {
            let mark = format!("listening {name} ");
            let address = told.iter().find_map(|line| line.split_once(&mark))?.1;
            Some(address.split_whitespace().next()?.parse().expect("an address"))
        };
        Ok(Self { http: find("http"), https: find("https"), admin: find("admin"), child, out, err })
    }

    /// The HTTPS listener.
    pub fn https(&self) -> SocketAddr {
        self.https.expect("an https listener")
    }

    /// The HTTP listener.
    pub fn http(&self) -> SocketAddr {
        self.http.expect("an http listener")
    }

    /// The admin listener.
    pub fn admin(&self) -> SocketAddr {
        self.admin.expect("an admin listener")
    }

    /// The HTTPS listener, where there is one.
    pub fn https_if_any(&self) -> Option<SocketAddr> {
        self.https
    }

    /// The HTTP listener, where there is one.
    pub fn http_if_any(&self) -> Option<SocketAddr> {
        self.http
    }

    /// The first access-log line that `pick` accepts.
    pub async fn log_line(&self, pick: impl Fn(&Value) -> bool) -> Value {
        let line = self.out.first(|line| serde_json::from_str(line).ok().filter(|line| pick(line)));
        match tokio::time::timeout(crate::PATIENCE, line).await {
            Ok(Some(line)) => line,
            _ => panic!("no such line in the access log:\n{}", self.out.text()),
        }
    }

    /// Sends a signal (`TERM`, `HUP`) to this process, and to no other.
    pub async fn signal(&self, name: &str) {
        let Some(id) = self.child.id() else { return };
        // The shell's own `kill`: the workspace has no binding to the system call.
        let status = Command::new("sh").args(["-c", &format!("kill -s {name} {id}")]).status().await.unwrap();
        assert!(status.success(), "kill -s {name} {id}");
    }

    /// The most memory that the process has had resident so far, in bytes; fails when it is gone.
    pub fn peak_memory(&self) -> u64 {
        let id = self.child.id().expect("the gateway runs");
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).expect("the gateway runs");
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
        peak.expect("VmHWM, which a process that has ended lacks").parse::<u64>().unwrap() * 1024
    }

    /// Waits for the process to exit by itself.
    pub async fn exited(&mut self) -> i32 {
        let status = within("the gateway to exit", self.child.wait()).await.unwrap();
        status.code().unwrap_or(-1)
    }

    /// SIGTERM, then its exit code.
    pub async fn stop(&mut self) -> i32 {
        self.signal("TERM").await;
        self.exited().await
    }

    /// SIGHUP, then the next line on stderr that contains `part`.
    pub async fn reload(&self, part: &str) -> String {
        let seen = self.err.all().len();
        self.signal("HUP").await;
        let line = self.err.first_from(seen, |line| line.contains(part).then(|| line.to_owned()));
        match tokio::time::timeout(crate::PATIENCE, line).await {
            Ok(Some(line)) => line,
            _ => panic!("after SIGHUP no line with {part:?} in:\n{}", self.err.text()),
        }
    }
}
