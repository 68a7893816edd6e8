//! An upstream that speaks bytes of the test's choosing, for what no correct server would say.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What to do with the requests of one connection, in order.
#[derive(Clone, Debug)]
pub enum Step {
    /// Read one request head and write these bytes.
    Answer(&'static [u8]),
    /// Read one request head and close.
    Close,
}

/// The upstream; counts the request heads that it saw.
pub struct Scripted {
    address: SocketAddr,
    heads: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Scripted {
    /// The n-th connection follows the n-th script; later ones repeat the last script.
    pub async fn start(scripts: Vec<Vec<Step>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let heads = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&heads);
        let task = tokio::spawn(async move {
            let mut number = 0;
            while let Ok((stream, _)) = listener.accept().await {
                let script = scripts.get(number).or(scripts.last()).cloned().unwrap_or_default();
                number += 1;
                tokio::spawn(follow(stream, script, Arc::clone(&seen)));
            }
        });
        Self { address, heads, task }
    }

    /// What goes under `servers:`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Request heads seen so far.
    pub fn heads(&self) -> usize {
        self.heads.load(Ordering::SeqCst)
    }
}

async fn follow(mut stream: TcpStream, script: Vec<Step>, heads: Arc<AtomicUsize>) {
    let mut unread = Vec::new();
    for step in script {
        while !unread.windows(4).any(|window| window == b"\r\n\r\n") {
            match stream.read_buf(&mut unread).await {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
        }
        heads.fetch_add(1, Ordering::SeqCst);
        unread.clear();
        match step {
            Step::Answer(bytes) => {
                if stream.write_all(bytes).await.is_err() {
                    return;
                }
            }
            Step::Close => return,
        }
    }
}
