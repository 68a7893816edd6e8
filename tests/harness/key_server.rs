//! An issuer's key server, which serves, fails and misbehaves as the test says.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::issuer::Algorithm;
use crate::{Issuer, until};

/// How requests for the key set are answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mood {
    /// With the set.
    Serving,
    /// Not at all: the connection is closed.
    Down,
    /// With the beginning of an answer, and no more.
    Stalling,
    /// With this status and the set.
    Status(u16),
    /// With this text in the set's place.
    Saying(String),
    /// With a redirect: `/jwks` to this place, and every other path with the set.
    Redirecting(String),
}

struct Script {
    mood: Mood,
    set: String,
    etag: Option<String>,
    /// The `issuer` of the discovery document; by default the server's address.
    issuer: Option<String>,
}

struct Shared {
    script: Mutex<Script>,
    sets: AtomicUsize,
    unmodified: AtomicUsize,
}

/// The server, over plain HTTP on 127.0.0.1. Counts its requests.
pub struct KeyServer {
    shared: Arc<Shared>,
    address: SocketAddr,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for KeyServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl KeyServer {
    /// A server of the public keys of these algorithms.
    pub async fn start(algorithms: &[Algorithm]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let script = Script { mood: Mood::Serving, set: Issuer.jwks(algorithms), etag: None, issuer: None };
        let shared = Arc::new(Shared {
            script: Mutex::new(script),
            sets: AtomicUsize::new(0),
            unmodified: AtomicUsize::new(0),
        });
        let serving = Arc::clone(&shared);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, address, Arc::clone(&serving)));
            }
        });
        Self { shared, address, task }
    }

    /// Its address, as an issuer's name.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The key set's address.
    pub fn jwks(&self) -> String {
        format!("{}/jwks", self.url())
    }

    fn change(&self, change: impl FnOnce(&mut Script)) {
        change(&mut self.shared.script.lock().unwrap());
    }

    /// Answers so from now on.
    pub fn mood(&self, mood: Mood) {
        self.change(|script| script.mood = mood);
    }

    /// Publishes other keys.
    pub fn publish(&self, set: String) {
        self.change(|script| script.set = set);
    }

    /// Gives the set a name, and honours it.
    pub fn etag(&self, etag: &str) {
        self.change(|script| script.etag = Some(etag.to_owned()));
    }

    /// Says in the discovery document that it is this issuer.
    pub fn pose_as(&self, issuer: &str) {
        self.change(|script| script.issuer = Some(issuer.to_owned()));
    }

    /// How often the key set was asked for.
    pub fn sets(&self) -> usize {
        self.shared.sets.load(Ordering::SeqCst)
    }

    /// How often the answer was that it had not changed.
    pub fn unmodified(&self) -> usize {
        self.shared.unmodified.load(Ordering::SeqCst)
    }

    /// Waits until the key set was asked for so many times more.
    pub async fn asked(&self, more: usize) {
        let enough = self.sets() + more;
        until("the key set to be asked for", || async { (self.sets() >= enough).then_some(()) }).await;
    }
}

async fn answer(mut stream: TcpStream, own: SocketAddr, shared: Arc<Shared>) {
    let mut head = Vec::new();
    while !head.windows(4).any(|window| window == b"\r\n\r\n") {
        match stream.read_buf(&mut head).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
    }
    let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let (text, stalls) = {
        let script = shared.script.lock().unwrap();
        if path == "/.well-known/openid-configuration" {
            let issuer = script.issuer.clone().unwrap_or_else(|| format!("http://{own}"));
            let document = json!({ "issuer": issuer, "jwks_uri": format!("http://{own}/jwks") });
            if script.mood == Mood::Down {
                return;
            }
            (written(200, "", &document.to_string()), false)
        } else {
            shared.sets.fetch_add(1, Ordering::SeqCst);
            let tag = script.etag.as_ref().map(|tag| format!("etag: {tag}\r\n")).unwrap_or_default();
            let known = script.etag.as_ref().is_some_and(|tag| {
                head.contains(&format!("if-none-match: {}\r\n", tag.to_ascii_lowercase()))
            });
            match &script.mood {
                Mood::Down => return,
                Mood::Stalling => (written(200, "", &script.set).chars().take(60).collect(), true),
                Mood::Status(status) => (written(*status, "", &script.set), false),
                Mood::Saying(text) => (written(200, "", text), false),
                Mood::Redirecting(place) if path == "/jwks" => {
                    (written(302, &format!("location: {place}\r\n"), ""), false)
                }
                Mood::Serving if known => {
                    shared.unmodified.fetch_add(1, Ordering::SeqCst);
                    (written(304, &tag, ""), false)
                }
                Mood::Serving | Mood::Redirecting(_) => (written(200, &tag, &script.set), false),
            }
        }
    };
    // Whoever hangs up has heard enough.
    let _ = stream.write_all(text.as_bytes()).await;
    if stalls {
        let _ = stream.read_to_end(&mut Vec::new()).await;
    }
}

fn written(status: u16, fields: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status} X\r\ncontent-type: application/jwk-set+json\r\ncontent-length: {}\r\n{fields}connection: close\r\n\r\n{body}",
        body.len()
    )
}
