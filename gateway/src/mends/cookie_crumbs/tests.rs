use std::net::SocketAddr;

use async_trait::async_trait;
use http::Request;
use pingora::http::RequestHeader;
use pingora::proxy::{ProxyHttp, Session};
use pingora::upstreams::peer::HttpPeer;

use super::*;
use crate::heads::edit_request;
use crate::mends::scaffold::client::{Client, Protocol, whole};
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

    async fn upstream_request_filter(
        &self,
        _: &mut Session,
        request: &mut RequestHeader,
        (): &mut (),
    ) -> Result<()> {
        if self.mended { edit_request(request, |request| join(&mut request.headers)) } else { Ok(()) }
    }
}

/// The cookie lines that the upstream got, when the client sends three crumbs.
async fn upstream_gets(mended: bool) -> Vec<String> {
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
    let (upstream, record) = recording("\r\n\r\n", answer.into()).await;
    let listening = serve(Gateway { upstream, mended }).await;
    let mut client = Client::connect(&listening, Protocol::H2).await;
    let request =
        Request::get("/").header("cookie", "a=1").header("cookie", "b=2; c=3").header("cookie", "d=4");
    client.send(request.body(whole("")).unwrap()).await.unwrap();
    let record = record.await.unwrap();
    record
        .lines()
        .filter(|line| line.to_ascii_lowercase().starts_with("cookie:"))
        .map(str::to_owned)
        .collect()
}

#[tokio::test]
async fn crumbs_become_one_line_in_order() {
    let lines = upstream_gets(true).await;
    assert_eq!(lines.len(), 1);
    assert!(lines[0].ends_with(": a=1; b=2; c=3; d=4"), "{lines:?}");
}

#[tokio::test]
async fn canary_bare_pingora_leaves_the_crumbs() {
    let lines = upstream_gets(false).await;
    assert_eq!(lines.len(), 3, "Pingora has mended #901: remove this file (cookie_crumbs.rs): {lines:?}");
}

#[test]
fn a_single_line_is_left_as_it_is() {
    let mut headers = HeaderMap::new();
    join(&mut headers).unwrap();
    assert!(headers.is_empty());
    headers.insert("cookie", HeaderValue::from_static("a=1;b=2"));
    join(&mut headers).unwrap();
    assert_eq!(headers["cookie"], "a=1;b=2");
}
