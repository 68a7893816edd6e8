use std::net::SocketAddr;

use async_trait::async_trait;
use http::Request;
use pingora::Result;
use pingora::proxy::{ProxyHttp, Session};
use pingora::upstreams::peer::HttpPeer;

use super::*;
use crate::mends::scaffold::client::{Client, Protocol, in_pieces};
use crate::mends::scaffold::upstream::recording;
use crate::mends::scaffold::{peer, serve};

struct Gateway {
    upstream: SocketAddr,
    mended: bool,
}

#[async_trait]
impl ProxyHttp for Gateway {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn upstream_peer(&self, _: &mut Session, (): &mut ()) -> Result<Box<HttpPeer>> {
        Ok(peer(self.upstream))
    }

    async fn request_body_filter(
        &self,
        _: &mut Session,
        body: &mut Option<Bytes>,
        end_of_stream: bool,
        (): &mut (),
    ) -> Result<()> {
        if self.mended {
            mend(body, end_of_stream);
        }
        Ok(())
    }
}

/// The body as the upstream got it, when the client ends it with an empty DATA frame.
async fn upstream_gets(mended: bool) -> String {
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
    let (upstream, record) = recording("0\r\n\r\n", answer.into()).await;
    let listening = serve(Gateway { upstream, mended }).await;
    let mut client = Client::connect(&listening, Protocol::H2).await;
    let request = Request::post("/").body(in_pieces(vec![Bytes::from("hello")])).unwrap();
    assert_eq!(client.send(request).await.unwrap().status(), 200);
    record.await.unwrap().split_once("\r\n\r\n").unwrap().1.to_owned()
}

#[tokio::test]
async fn the_body_is_terminated_once() {
    assert_eq!(upstream_gets(true).await, "5\r\nhello\r\n0\r\n\r\n");
}

#[tokio::test]
async fn canary_bare_pingora_terminates_twice() {
    let got = upstream_gets(false).await;
    let twice = "5\r\nhello\r\n0\r\n\r\n0\r\n\r\n";
    assert_eq!(got, twice, "Pingora has mended #935: remove this file (chunk_terminator.rs)");
}

#[test]
fn only_an_empty_end_is_dropped() {
    for (piece, end, kept) in [("", true, false), ("", false, true), ("x", true, true), ("x", false, true)] {
        let mut body = Some(Bytes::from(piece));
        mend(&mut body, end);
        assert_eq!(body.is_some(), kept, "{piece:?}, {end}");
    }
}
