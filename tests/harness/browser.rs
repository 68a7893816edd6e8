//! A real browser without a window, driven by the `DevTools` protocol.

use std::process::Stdio;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::lines::Lines;
use crate::within;

/// No window, and nothing that calls home.
const FLAGS: [&str; 13] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--no-proxy-server",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-port=0",
    // It would ask the visitor before a page without an address of its own may speak to this machine.
    "--disable-features=LocalNetworkAccessChecks",
    // Every name of the tests, and none besides, is this machine.
    "--host-resolver-rules=MAP *.test 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
];

/// Cookies go wherever their `SameSite` lets them: not every browser looks after a visitor any better.
const PREFERENCES: &str = r#"{"profile":{"cookie_controls_mode":0}}"#;

/// A running Chromium with a profile of its own. Killed when dropped.
pub struct Browser {
    child: Child,
    /// Host and port of its debugger.
    address: String,
    devtools: DevTools,
    _profile: TempDir,
}

/// One of its pages.
pub struct Page(DevTools);

impl Browser {
    /// Starts one that trusts the certificates of these keys (see [`crate::certificates::pin`]).
    pub async fn start(pins: &[String]) -> Self {
        let profile = tempfile::tempdir().unwrap();
        let folder = profile.path().join("Default");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("Preferences"), PREFERENCES).unwrap();
        let mut command = Command::new("chromium");
        command.args(FLAGS).arg(format!("--ignore-certificate-errors-spki-list={}", pins.join(",")));
        command.arg(format!("--user-data-dir={}", profile.path().display())).arg("about:blank");
        command.env_clear().env("HOME", profile.path()).env("TMPDIR", profile.path());
        command.envs(std::env::var_os("PATH").map(|path| ("PATH", path))).kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("there is no chromium: run tests/run once, it installs it");
        let err = Lines::collect(child.stderr.take().unwrap());
        let told =
            err.first(|line| Some(line.trim().strip_prefix("DevTools listening on ws://")?.to_owned()));
        let Some(told) = within("the browser to be ready", told).await else {
            panic!("the browser did not start:\n{}", err.text());
        };
        let (address, path) = told.split_once('/').expect("an address and a path");
        let devtools = DevTools::connect(address, path).await;
        Self { child, address: address.to_owned(), devtools, _profile: profile }
    }

    /// Opens a page, and waits until it is loaded.
    pub async fn open(&mut self, url: &str) -> Page {
        let target = self.devtools.call("Target.createTarget", json!({ "url": "about:blank" })).await;
        let id = target["targetId"].as_str().expect("a target");
        let mut page = DevTools::connect(&self.address, &format!("devtools/page/{id}")).await;
        page.call("Page.enable", json!({})).await;
        let loaded = page.call("Page.navigate", json!({ "url": url })).await;
        assert!(loaded["errorText"].is_null(), "{url}: {loaded}");
        page.event("Page.loadEventFired").await;
        Page(page)
    }

    /// Ends it, and waits until it has.
    pub async fn close(mut self) {
        self.devtools.send("Browser.close", &json!({})).await;
        within("the browser to exit", self.child.wait()).await.unwrap();
    }
}

impl Page {
    /// What a script comes to, once its promise is kept. It runs as if the visitor had clicked.
    pub async fn evaluate(&mut self, script: &str) -> Value {
        let ask =
            json!({ "expression": script, "awaitPromise": true, "returnByValue": true, "userGesture": true });
        let mut answer = self.0.call("Runtime.evaluate", ask).await;
        assert!(answer["exceptionDetails"].is_null(), "{script}\n{}", answer["exceptionDetails"]);
        answer["result"]["value"].take()
    }
}

/// A conversation in which one question is open at a time.
struct DevTools {
    socket: WebSocketStream<TcpStream>,
    asked: u64,
    events: Vec<String>,
}

impl DevTools {
    async fn connect(address: &str, path: &str) -> Self {
        let stream = TcpStream::connect(address).await.expect("the debugger listens");
        let handshake = client_async(format!("ws://{address}/{path}"), stream);
        let (socket, _) = within("the debugger", handshake).await.expect("the debugger speaks WebSocket");
        Self { socket, asked: 0, events: Vec::new() }
    }

    async fn send(&mut self, method: &str, params: &Value) {
        self.asked += 1;
        let message = json!({ "id": self.asked, "method": method, "params": params });
        self.socket.send(Message::text(message.to_string())).await.expect("the browser runs");
    }

    async fn call(&mut self, method: &str, params: Value) -> Value {
        self.send(method, &params).await;
        loop {
            let mut message = self.next(method).await;
            if message["id"] == self.asked {
                assert!(message["error"].is_null(), "{method} {params}: {message}");
                return message["result"].take();
            }
        }
    }

    /// Waits for an event, which may have come already.
    async fn event(&mut self, name: &str) {
        while !self.events.iter().any(|known| known == name) {
            self.next(name).await;
        }
    }

    async fn next(&mut self, what: &str) -> Value {
        let message = within(what, self.socket.next()).await.expect("the page is open").expect("a message");
        let message: Value = serde_json::from_str(message.to_text().unwrap()).unwrap_or_default();
        self.events.extend(message["method"].as_str().map(str::to_owned));
        message
    }
}
