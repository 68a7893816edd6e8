//! A folder with a configuration and what it refers to, and the executable run in it.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::issuer::SECRET;
use crate::{Certificates, Configuration, Value, within};

/// The key that `inject` sends upstream; no log or answer may show it.
pub const MODEL_KEY: &str = "model-key-that-stays-inside";

/// What a command did.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Its exit code.
    pub code: i32,
    /// What it printed.
    pub stdout: String,
    /// What it complained about.
    pub stderr: String,
}

impl Outcome {
    /// Fails the test, with everything printed, when the exit code is another.
    #[must_use]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "exit code\n--- stdout\n{}\n--- stderr\n{}", self.stdout, self.stderr);
        self
    }

    /// Standard output as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("not JSON: {error}\n{}\n{}", self.stdout, self.stderr))
    }

    /// Standard output as one JSON value a line.
    pub fn json_lines(&self) -> Vec<Value> {
        let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        self.stdout.lines().filter(|line| !line.trim().is_empty()).map(parse).collect()
    }
}

/// The folder.
pub struct Site {
    folder: TempDir,
    environment: Vec<(String, String)>,
}

impl Default for Site {
    fn default() -> Self {
        Self::new()
    }
}

impl Site {
    /// An empty folder, and the secrets of [`Configuration::complete`] in the environment.
    pub fn new() -> Self {
        let environment = vec![
            ("SESSION_SECRET".to_owned(), SECRET.to_owned()),
            ("MODEL_KEY".to_owned(), MODEL_KEY.to_owned()),
        ];
        Self { folder: tempfile::tempdir().unwrap(), environment }
    }

    /// A folder with the certificates that the complete configuration names.
    pub fn furnished(certificates: &Certificates) -> Self {
        let site = Self::new();
        let app = certificates.issue(&["app.example.test", "www.example.test", "localhost"]);
        let api = certificates.issue(&["api.example.test"]);
        site.write("tls/app.pem", &app.cert);
        site.write("tls/app.key", &app.key);
        site.write("tls/api.pem", &api.cert);
        site.write("tls/api.key", &api.key);
        site.write("tls/ca.pem", &certificates.ca_pem());
        site
    }

    /// A path in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file, and the folders that it needs.
    pub fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Writes `portcullis.yaml`.
    pub fn configure(&self, configuration: &Configuration) {
        self.write("portcullis.yaml", &configuration.yaml());
    }

    /// The line of `portcullis.yaml` that contains `part`, from 1.
    pub fn line_of(&self, part: &str) -> usize {
        let text = std::fs::read_to_string(self.path("portcullis.yaml")).unwrap();
        text.lines().position(|line| line.contains(part)).expect(part) + 1
    }

    /// Sets a variable of the environment; `None` takes it away.
    pub fn env(&mut self, name: &str, value: Option<&str>) -> &mut Self {
        self.environment.retain(|(key, _)| key != name);
        self.environment.extend(value.map(|value| (name.to_owned(), value.to_owned())));
        self
    }

    /// `portcullis ARGS` in this folder, with nothing inherited but the search path.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(executable());
        command.args(args).current_dir(self.folder.path()).env_clear().kill_on_drop(true);
        for name in ["PATH", "HOME", "LLVM_PROFILE_FILE"] {
            command.envs(std::env::var_os(name).map(|value| (name, value)));
        }
        command.envs(self.environment.iter().map(|(key, value)| (key, value)));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs a command to its end.
    pub async fn run(&self, args: &[&str]) -> Outcome {
        self.run_with(args, "").await
    }

    /// Runs a command to its end, with this on standard input.
    pub async fn run_with(&self, args: &[&str], input: &str) -> Outcome {
        let mut child = self.command(args).stdin(Stdio::piped()).spawn().expect("the executable starts");
        let mut stdin = child.stdin.take().unwrap();
        let (_, output) = within("a command to end", async {
            tokio::join!(
                async move { stdin.write_all(input.as_bytes()).await.and(stdin.shutdown().await) },
                child.wait_with_output()
            )
        })
        .await;
        let output = output.unwrap();
        Outcome {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// `PORTCULLIS_BIN`, else the `portcullis` that was built beside this test.
pub fn executable() -> PathBuf {
    if let Some(path) = std::env::var_os("PORTCULLIS_BIN") {
        return PathBuf::from(path);
    }
    let test = std::env::current_exe().unwrap();
    let path = test.ancestors().nth(2).unwrap().join("portcullis");
    assert!(path.exists(), "{} is missing: run `cargo build` first, or tests/run", path.display());
    path
}

/// The workspace's root.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}
