//! The real curl.

use std::process::Stdio;

use tokio::process::Command;

use crate::client::HOST;
use crate::{Stage, Value, within};

/// What curl printed.
#[derive(Clone, Debug)]
pub struct Curl {
    /// Its exit code; 0 whenever there was an HTTP answer.
    pub exit: i32,
    /// The status of the last answer, 0 without one.
    pub status: u16,
    /// `1.1` or `2`.
    pub version: String,
    /// The body.
    pub body: Vec<u8>,
    /// The header of the last answer.
    pub head: String,
    /// What went wrong.
    pub stderr: String,
}

impl Curl {
    /// The body as JSON; `null` when it is not.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// `status code`.
    pub fn verdict(&self) -> String {
        match self.json()["code"].as_str() {
            Some(code) => format!("{} {code}", self.status),
            None => self.status.to_string(),
        }
    }
}

/// `curl ARGS https://app.example.test:PORT/path`, trusting the stage's authority.
pub async fn curl(stage: &Stage, path: &str, args: &[&str]) -> Curl {
    let port = stage.gateway.https().port();
    curl_url(stage, &format!("https://{HOST}:{port}{path}"), args).await
}

/// `curl ARGS URL` with the stage's names resolved to its listeners.
pub async fn curl_url(stage: &Stage, url: &str, args: &[&str]) -> Curl {
    let folder = tempfile::tempdir().unwrap();
    let (head, body) = (folder.path().join("head"), folder.path().join("body"));
    let ca = stage.site.path("tls/ca.pem");
    let mut command = Command::new("curl");
    command.args(["-sS", "--max-time", "60", "--noproxy", "*", "-w", "%{http_code} %{http_version}"]);
    command.arg("--cacert").arg(ca).arg("-D").arg(&head).arg("-o").arg(&body);
    for address in [stage.gateway.https_if_any(), stage.gateway.http_if_any()].into_iter().flatten() {
        for host in [HOST, "api.example.test", "www.example.test", "other.example.test"] {
            command.arg("--resolve").arg(format!("{host}:{}:127.0.0.1", address.port()));
        }
    }
    command.args(args).arg(url).stdin(Stdio::null());
    let output = within("curl", command.output()).await.expect("curl is installed (tests/run installs it)");
    let written = String::from_utf8_lossy(&output.stdout).into_owned();
    let (status, version) = written.split_once(' ').unwrap_or(("0", ""));
    let head = std::fs::read_to_string(&head).unwrap_or_default();
    Curl {
        exit: output.status.code().unwrap_or(-1),
        status: status.parse().unwrap_or(0),
        version: version.to_owned(),
        body: std::fs::read(&body).unwrap_or_default(),
        head: head.trim_end().rsplit("\r\n\r\n").next().unwrap_or_default().to_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
