//! Canaries: what bare Pingora still does, and the edge therefore has to. When one of these fails after an
//! upgrade, see whether the code that its name points to is still needed.
//!
//! Not shown here, since the proof is a wait of minutes: a head has no total deadline (60 s a read), the
//! HTTP/2 preface has none at all.

use pingora::apps::ServerApp;
use pingora::protocols::l4::stream::Stream;

use super::*;

/// What bare Pingora, without an edge, answers to `request`.
async fn bare(request: &[u8]) -> (String, Arc<App>) {
    let app = Arc::<App>::default();
    let proxy = Arc::new(proxy(&app));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let running = watch::Sender::new(false);
    tokio::spawn(async move {
        let (tcp, _) = listener.accept().await.unwrap();
        proxy.process_new(Box::new(Stream::from(tcp)), &running.subscribe()).await;
    });
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(request).await.unwrap();
    (answer(&mut client).await.0, app)
}

#[tokio::test]
async fn heads_of_a_mebibyte_pass() {
    let start = b"GET / HTTP/1.1\r\nHost: a\r\nX: ".as_slice();
    let (status, _) = bare(&[start, &vec![b'x'; 900 * 1024], b"\r\n\r\n"].concat()).await;
    assert_eq!(status, "HTTP/1.1 200 OK", "needless: the byte limit of `rules::framing`");
}

#[tokio::test]
async fn more_than_a_hundred_fields_pass() {
    let start = b"GET / HTTP/1.1\r\nHost: a\r\n".as_slice();
    let (status, _) = bare(&[start, &b"X: y\r\n".repeat(250), b"\r\n"].concat()).await;
    assert_eq!(status, "HTTP/1.1 200 OK", "needless: the field limit of `rules::framing`");
}

#[tokio::test]
async fn keep_alive_waits_for_ever() {
    let (_, app) = bare(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    // 0 is Pingora's word for no timeout.
    assert_eq!(*app.keepalive.lock().unwrap(), Some(0), "needless: the idle deadline of `edge::http1`");
}

#[tokio::test]
async fn ambiguous_heads_pass() {
    for head in [
        &b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"[..],
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n",
        b"GET / HTTP/1.1\nHost: a\n\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x/../y?z\r\n\r\n",
        b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET @evil.test/a HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX_Forwarded_For: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Authorization\r\nAuthorization: b\r\n\r\n",
    ] {
        let (status, _) = bare(head).await;
        assert_eq!(status, "HTTP/1.1 200 OK", "needless: the check against {}", head.escape_ascii());
    }
}
