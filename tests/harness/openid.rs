//! A real `OpenID` provider, and somebody who signs in at it: `tests/clients/oidc/provider.mjs`.

use std::process::Stdio;

use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, ChildStdin, Command};

use crate::lines::Lines;
use crate::site::workspace;
use crate::within;

/// The `aud` of its access tokens.
pub const AUDIENCE: &str = "https://chat.example.test";

/// A running provider. Killed when dropped.
pub struct OpenId {
    _child: Child,
    stdin: ChildStdin,
    out: Lines,
    err: Lines,
    issuer: String,
    /// How many lines it has answered.
    told: usize,
}

/// How often the gateway has fetched what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fetches {
    /// The `OpenID` configuration.
    pub discovery: u64,
    /// The key set.
    pub keys: u64,
}

impl OpenId {
    /// Starts one on a free port.
    pub async fn start() -> Self {
        let folder = workspace().join("tests/clients/oidc");
        let installed = folder.join("node_modules/oidc-provider");
        assert!(installed.exists(), "{} is missing: run tests/run once, it installs it", installed.display());
        let mut command = Command::new("node");
        command.arg("provider.mjs").current_dir(folder).env("NO_PROXY", "*").kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("node starts");
        let (out, err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let stdin = child.stdin.take().unwrap();
        let (out, err) = (Lines::collect(out), Lines::collect(err));
        let mut provider = Self { _child: child, stdin, out, err, issuer: String::new(), told: 0 };
        provider.issuer = provider.answer("issuer").await;
        provider
    }

    /// Its `iss`.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Signs in as `name@tenant`, as a person with a browser does; an access token.
    pub async fn login(&mut self, user: &str) -> String {
        self.command(&format!("login {user}"), "token").await
    }

    /// Publishes a key that does not sign yet.
    pub async fn announce(&mut self) -> String {
        self.command("announce", "kid").await
    }

    /// Signs with the announced key from now on, or with a new one. The old ones stay published.
    pub async fn rotate(&mut self) -> String {
        self.command("rotate", "kid").await
    }

    /// Takes back all keys but the one that signs.
    pub async fn forget(&mut self) -> String {
        self.command("forget", "kid").await
    }

    /// What was fetched from it so far, the client's own fetches left out.
    pub async fn fetches(&mut self) -> Fetches {
        let counts = self.tell("counts").await;
        let count = |name: &str| counts[name].as_u64().expect("a count");
        Fetches { discovery: count("discovery"), keys: count("jwks") }
    }

    /// Waits until whoever keeps its keys renewed has those that are published now.
    pub async fn fetched_anew(&mut self) {
        let before = self.fetches().await.keys;
        let again = async {
            // The next fetch has them; once there is another, that one has ended.
            while self.fetches().await.keys < before + 2 {
                tokio::task::yield_now().await;
            }
        };
        within("the keys to be fetched anew", again).await;
    }

    /// Stops listening.
    pub async fn down(&mut self) {
        let _ = self.tell("down").await;
    }

    async fn command(&mut self, line: &str, key: &str) -> String {
        let answer = self.tell(line).await;
        answer[key].as_str().unwrap_or_else(|| panic!("{line}: {answer}\n{}", self.err.text())).to_owned()
    }

    async fn tell(&mut self, line: &str) -> Value {
        self.stdin.write_all(format!("{line}\n").as_bytes()).await.expect("the provider runs");
        self.line().await
    }

    async fn answer(&mut self, key: &str) -> String {
        self.line().await[key].as_str().expect(key).to_owned()
    }

    async fn line(&mut self) -> Value {
        let next = self.out.first_from(self.told, |line| serde_json::from_str(line).ok());
        let next = within("the provider's answer", next).await;
        self.told += 1;
        next.unwrap_or_else(|| panic!("the provider ended:\n{}", self.err.text()))
    }
}
