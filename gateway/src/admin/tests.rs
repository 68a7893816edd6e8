use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

use super::*;

#[derive(Default)]
struct Fake {
    unready: AtomicBool,
}

impl Facts for Fake {
    fn not_ready(&self) -> Vec<String> {
        let unready = self.unready.load(Ordering::Relaxed);
        unready.then(|| "identity \"session\" has no keys".to_owned()).into_iter().collect()
    }

    fn metrics(&self) -> String {
        "portcullis_build_info 1\n".to_owned()
    }

    fn config(&self) -> Value {
        assert!(!self.unready.load(Ordering::Relaxed), "a fact that fails");
        json!({ "version": 1, "upstreams": {} })
    }

    fn status(&self) -> Status {
        Status { version: "9.8.7".to_owned(), ..Status::default() }
    }
}

struct Running {
    address: std::net::SocketAddr,
    facts: Arc<Fake>,
    stop: oneshot::Sender<()>,
    done: tokio::task::JoinHandle<()>,
}

async fn start() -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let facts = Arc::new(Fake::default());
    let (stop, stopped) = oneshot::channel();
    let admin = Admin::new(Arc::clone(&facts) as Arc<dyn Facts>);
    let done = tokio::spawn(admin.serve(listener, async { drop(stopped.await) }));
    Running { address, facts, stop, done }
}

impl Running {
    /// Sends the text as it is and reads until the server closes.
    async fn send(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        // A server that refuses in the middle of a request may reset the connection after its answer.
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8(answer).unwrap()
    }

    async fn ask(&self, method: &str, path: &str) -> (u16, String, String) {
        let answer = self
            .send(&format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"))
            .await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, head.to_lowercase(), body.to_owned())
    }
}

#[tokio::test]
async fn the_views_answer() {
    let admin = start().await;
    for (path, content_type, part) in [
        ("/healthz", "text/plain", "ok\n"),
        ("/readyz", "application/json", "{\"ready\":true,\"reasons\":[]}\n"),
        ("/metrics", "text/plain; version=0.0.4", "portcullis_build_info 1\n"),
        ("/metrics?x=1", "text/plain; version=0.0.4", "portcullis_build_info 1\n"),
        ("/config", "application/json", "\"version\": 1"),
        ("/", "text/html", "9.8.7"),
    ] {
        let (status, head, body) = admin.ask("GET", path).await;
        assert_eq!(status, 200, "{path}");
        assert!(head.contains(&format!("content-type: {content_type}")), "{head}");
        assert!(body.contains(part), "{body}");
        for header in [
            "content-security-policy: default-src 'none'",
            "x-content-type-options: nosniff",
            "x-frame-options: deny",
            "cache-control: no-store",
            "referrer-policy: no-referrer",
        ] {
            assert!(head.contains(header), "{header} at {path}");
        }
        let (status, head_only, nothing) = admin.ask("HEAD", path).await;
        assert_eq!((status, nothing.as_str()), (200, ""));
        assert!(head_only.contains(&format!("content-length: {}", body.len())), "{path}");
    }
}

#[tokio::test]
async fn unready_is_503_with_the_reason_and_still_healthy() {
    let admin = start().await;
    admin.facts.unready.store(true, Ordering::Relaxed);
    let (status, _, body) = admin.ask("GET", "/readyz").await;
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(status, 503);
    assert_eq!(body, json!({ "ready": false, "reasons": ["identity \"session\" has no keys"] }));
    assert_eq!(admin.ask("GET", "/healthz").await.0, 200);
    let (_, _, page) = admin.ask("GET", "/").await;
    assert!(page.contains("identity &quot;session&quot; has no keys"));
    // The fake's configuration panics now: one answer fails and not the server.
    assert_eq!(admin.ask("GET", "/config").await.0, 500);
    assert_eq!(admin.ask("GET", "/healthz").await.0, 200);
}

#[tokio::test]
async fn other_requests_are_refused() {
    let admin = start().await;
    assert_eq!(admin.ask("GET", "/metrics/").await.0, 404);
    assert_eq!(admin.ask("POST", "/nowhere").await.0, 404);
    let (status, head, _) = admin.ask("POST", "/config").await;
    assert!(status == 405 && head.contains("allow: get, head"), "{head}");
    let with_body = "GET /config HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc";
    assert!(admin.send(with_body).await.starts_with("HTTP/1.1 413"));
    let long = format!("GET /{} HTTP/1.1\r\nHost: localhost\r\n\r\n", "a".repeat(70_000));
    let answer = admin.send(&long).await;
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 414") || answer.starts_with("HTTP/1.1 431"),
        "{answer}"
    );
    let many = format!("GET / HTTP/1.1\r\nHost: localhost\r\n{}\r\n", "a: b\r\n".repeat(300));
    assert!(admin.send(&many).await.starts_with("HTTP/1.1 431"));
}

#[tokio::test]
async fn shutdown_ends_idle_connections() {
    let admin = start().await;
    let mut idle = TcpStream::connect(admin.address).await.unwrap();
    idle.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut first = [0; 15];
    idle.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200 OK");
    admin.stop.send(()).unwrap();
    admin.done.await.unwrap();
    assert!(TcpStream::connect(admin.address).await.is_err());
    let mut rest = Vec::new();
    idle.read_to_end(&mut rest).await.unwrap();
}
