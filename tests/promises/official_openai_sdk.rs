//! The official Python `openai` SDK, unchanged but for its `base_url`, works through the gateway.

use std::path::PathBuf;
use std::process::Stdio;

use harness::site::workspace;
use harness::{Outcome, Stage, json, stage, within};
use tokio::process::Command;

fn python() -> PathBuf {
    let path = std::env::var_os("PORTCULLIS_PYTHON")
        .map_or_else(|| workspace().join(".venv/bin/python"), PathBuf::from);
    assert!(path.exists(), "{} is missing: run tests/run once, it installs the client SDKs", path.display());
    path
}

async fn talk(stage: &Stage, token: &str, mode: &str) -> Outcome {
    let base = format!("https://localhost:{}/openai/v1", stage.gateway.https().port());
    let mut command = Command::new(python());
    command.arg(workspace().join("tests/clients/openai_chat.py"));
    command.args([mode, &base]);
    command.env("SSL_CERT_FILE", stage.site.path("tls/ca.pem"));
    command
        .env("OPENAI_API_KEY", token)
        .env("NO_PROXY", "*")
        .env_remove("OPENAI_BASE_URL")
        .env_remove("SSL_CERT_DIR");
    command.stdin(Stdio::null()).kill_on_drop(true);
    let output = within("the SDK", command.output()).await.unwrap();
    Outcome {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

#[tokio::test]
async fn a_plain_completion() {
    let stage = stage(|_| {}).await;
    let said = talk(&stage, &stage.token(), "plain").await.expect(0).json();
    assert_eq!(said["content"], "You said: hello through the gate");
    let seen = stage.backend.last();
    assert_eq!(seen.target, "/openai/v1/chat/completions");
    assert_eq!(seen.header("x-user-id"), Some("ada"));
    assert_eq!(stage.backend.last().json()["model"], "test-model");
}

#[tokio::test]
async fn a_streamed_completion_comes_in_pieces() {
    let stage = stage(|_| {}).await;
    let said = talk(&stage, &stage.token(), "stream").await.expect(0).json();
    assert_eq!(said["content"], "You said: hello through the gate");
    assert_eq!(said["pieces"], 6, "one delta a word");
}

#[tokio::test]
async fn a_refusal_is_the_exception_that_the_sdk_documents() {
    let stage = stage(|_| {}).await;
    let said = talk(&stage, &stage.issuer.forged(&json!({})), "plain").await.expect(3).json();
    assert_eq!((&said["error"], &said["status"]), (&json!("AuthenticationError"), &json!(401)));
    assert_eq!(said["code"], "token_invalid", "the SDK shows the problem's members");
    stage.assert_untouched().await;
}
