use std::net::SocketAddr;
use std::os::fd::RawFd;
use std::sync::Arc;

use async_trait::async_trait;
use pingora::Error;
use pingora::http::ResponseHeader;
use pingora::protocols::Digest;
use pingora::proxy::ProxyHttp;
use pingora::upstreams::peer::HttpPeer;
use tokio::io::AsyncWriteExt;
use tokio::sync::Semaphore;

use super::*;
use crate::mends::scaffold::client::RawClient;
use crate::mends::scaffold::upstream::{read_request, scripted};
use crate::mends::scaffold::{Listening, listen, peer, serve};

const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
const UPGRADE: &str =
    "GET / HTTP/1.1\r\nHost: gateway.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";

struct Gateway {
    upstream: SocketAddr,
    mended: bool,
    /// One permit per upstream that has spoken; what makes an early 101 certain to be early.
    spoken: Option<Arc<Semaphore>>,
}

#[async_trait]
impl ProxyHttp for Gateway {
    type CTX = Option<Loan>;

    fn new_ctx(&self) -> Self::CTX {
        None
    }

    async fn request_filter(&self, session: &mut Session, loan: &mut Self::CTX) -> Result<bool> {
        if self.mended {
            *loan = guard(session)?;
        }
        Ok(false)
    }

    async fn upstream_peer(&self, _: &mut Session, _: &mut Self::CTX) -> Result<Box<HttpPeer>> {
        Ok(peer(self.upstream))
    }

    async fn connected_to_upstream(
        &self,
        _: &mut Session,
        _reused: bool,
        _: &HttpPeer,
        _: RawFd,
        _: Option<&Digest>,
        _: &mut Self::CTX,
    ) -> Result<()> {
        if let Some(spoken) = &self.spoken {
            spoken.acquire().await.unwrap().forget();
            // The runtime must also have heard from the kernel that the socket is readable.
            for _ in 0..3 {
                tokio::task::yield_now().await;
            }
        }
        Ok(())
    }

    async fn response_filter(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        loan: &mut Self::CTX,
    ) -> Result<()> {
        if let Some(loan) = loan {
            loan.answered(session, response);
        }
        Ok(())
    }

    async fn logging(&self, session: &mut Session, _: Option<&Error>, loan: &mut Self::CTX) {
        if let Some(loan) = loan {
            loan.release(session);
        }
        assert!(!session.downstream_session.is_custom());
    }
}

/// An upstream that says this before it has read a byte, and then echoes what follows the request.
async fn eager(greeting: String) -> (SocketAddr, Arc<Semaphore>) {
    let listener = listen().await;
    let addr = listener.local_addr().unwrap();
    let spoken = Arc::new(Semaphore::new(0));
    let speaks = Arc::clone(&spoken);
    tokio::spawn(async move {
        loop {
            let (mut tcp, _) = listener.accept().await.unwrap();
            tcp.write_all(greeting.as_bytes()).await.unwrap();
            speaks.add_permits(1);
            tokio::spawn(async move {
                read_request(&mut tcp).await;
                let (mut read, mut write) = tcp.split();
                let _ = tokio::io::copy(&mut read, &mut write).await;
            });
        }
    });
    (addr, spoken)
}

/// Whether a tunnel opens, brings the greeting and echoes twice.
async fn tunnel_works(listening: &Listening, greeting: &str) -> bool {
    let mut client = RawClient::connect(listening.h1).await;
    client.write(UPGRADE).await;
    let opened = client.read_until(&format!("\r\n\r\n{greeting}")).await;
    if !opened.is_ok_and(|head| head.starts_with("HTTP/1.1 101 ")) {
        return false;
    }
    for word in ["ping", "pong"] {
        if client.0.write_all(word.as_bytes()).await.is_err() || client.read_until(word).await.is_err() {
            return false;
        }
    }
    true
}

async fn working_tunnels(mended: bool, greeting: &str, tunnels: usize) -> usize {
    let (upstream, spoken) = eager(format!("{SWITCH}{greeting}")).await;
    let listening = serve(Gateway { upstream, mended, spoken: Some(spoken) }).await;
    let mut working = 0;
    for _ in 0..tunnels {
        working += usize::from(tunnel_works(&listening, greeting).await);
    }
    working
}

#[tokio::test]
async fn every_early_101_opens_a_tunnel() {
    assert_eq!(working_tunnels(true, "", 400).await, 400);
}

#[tokio::test]
async fn a_frame_right_behind_the_101_arrives() {
    assert_eq!(working_tunnels(true, "first frame", 400).await, 400);
}

#[tokio::test]
async fn canary_bare_pingora_loses_tunnels() {
    // With the 101 there before the request, Pingora tosses a coin for each: 64 lucky ones do not happen.
    let working = working_tunnels(false, "", 64).await;
    assert!(working < 64, "Pingora has mended #946: remove this file (early_101.rs)");
}

const FORBIDDEN: &str = "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno";

#[tokio::test]
async fn a_refused_upgrade_leaves_both_connections_usable() {
    // One upstream connection for both requests: a third would find nobody.
    let (upstream, mut heads) = scripted(vec![vec![FORBIDDEN, FORBIDDEN]]).await;
    let listening = serve(Gateway { upstream, mended: true, spoken: None }).await;
    let mut client = RawClient::connect(listening.h1).await;
    for _ in 0..2 {
        client.write(UPGRADE).await;
        let answer = client.read_until("\r\n\r\nno").await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
        assert_unframed(&heads.recv().await.unwrap());
    }
}

#[tokio::test]
async fn interim_responses_pass_before_the_101() {
    let answer =
        "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\nhi";
    let (upstream, _heads) = scripted(vec![vec![answer]]).await;
    let listening = serve(Gateway { upstream, mended: true, spoken: None }).await;
    let mut client = RawClient::connect(listening.h1).await;
    client.write(UPGRADE).await;
    let read = client.read_until("\r\n\r\nhi").await.unwrap();
    assert!(read.starts_with("HTTP/1.1 103 ") && read.contains("HTTP/1.1 101 "), "{read}");
}

#[tokio::test]
async fn an_upgrade_with_a_body_is_left_alone() {
    let (upstream, mut requests) = scripted(vec![vec![FORBIDDEN]]).await;
    let listening = serve(Gateway { upstream, mended: true, spoken: None }).await;
    let mut client = RawClient::connect(listening.h1).await;
    client.write(&UPGRADE.replace("\r\n\r\n", "\r\nContent-Length: 5\r\n\r\nhello")).await;
    client.read_until("\r\n\r\nno").await.unwrap();
    assert!(requests.recv().await.unwrap().ends_with("\r\n\r\nhello"));
}

#[tokio::test]
async fn a_retry_is_framed_like_the_first_attempt() {
    // The first connection is pooled after one answer and dies on the second request, which is then retried.
    let (upstream, mut heads) = scripted(vec![vec![FORBIDDEN, ""], vec![FORBIDDEN]]).await;
    let listening = serve(Gateway { upstream, mended: true, spoken: None }).await;
    let mut client = RawClient::connect(listening.h1).await;
    for _ in 0..2 {
        client.write(UPGRADE).await;
        assert!(client.read_until("\r\n\r\nno").await.unwrap().starts_with("HTTP/1.1 403 "));
    }
    for _ in 0..3 {
        assert_unframed(&heads.recv().await.unwrap());
    }
}

fn assert_unframed(head: &str) {
    let head = head.to_ascii_lowercase();
    assert!(!head.contains("transfer-encoding") && !head.contains("content-length"), "{head}");
    assert!(head.contains("upgrade: websocket"), "{head}");
}
