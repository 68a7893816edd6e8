use std::net::SocketAddr;

use async_trait::async_trait;
use pingora::proxy::{ProxyHttp, Session};
use pingora::upstreams::peer::HttpPeer;

use super::*;
use crate::mends::scaffold::client::RawClient;
use crate::mends::scaffold::upstream::recording;
use crate::mends::scaffold::{peer, serve};

struct Gateway {
    upstream: SocketAddr,
    mended: bool,
}

#[async_trait]
impl ProxyHttp for Gateway {
    type CTX = Interim;

    fn new_ctx(&self) -> Interim {
        Interim::default()
    }

    async fn upstream_peer(&self, _: &mut Session, _: &mut Interim) -> Result<Box<HttpPeer>> {
        Ok(peer(self.upstream))
    }

    async fn upstream_response_filter(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        interim: &mut Interim,
    ) -> Result<()> {
        if self.mended { interim.judge(response, session.is_upgrade_req()) } else { Ok(()) }
    }
}

const PLAIN: &str = "GET / HTTP/1.1\r\nHost: gateway.test\r\nConnection: close\r\n\r\n";
const UPGRADE: &str =
    "GET / HTTP/1.1\r\nHost: gateway.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
const SWITCH: &str =
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nsmuggled";

/// What the client reads when the upstream answers with these bytes.
async fn client_gets(mended: bool, request: &str, answer: &str) -> String {
    let (upstream, record) = recording("\r\n\r\n", answer.into()).await;
    let listening = serve(Gateway { upstream, mended }).await;
    let mut client = RawClient::connect(listening.h1).await;
    client.write(request).await;
    // The recorder reads to the end, so its connection ends with the answer it was asked for, or with Pingora's.
    let read = client.read_until(if mended { "HTTP/1.1 5" } else { "smuggled" }).await;
    record.abort();
    read.unwrap_or_else(|all| all)
}

fn interim(count: usize) -> String {
    let interim = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n".repeat(count);
    format!("{interim}HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 8\r\n\r\nsmuggled")
}

#[tokio::test]
async fn an_unasked_101_is_a_bad_gateway() {
    let read = client_gets(true, PLAIN, SWITCH).await;
    assert!(read.starts_with("HTTP/1.1 502 "), "{read}");
    assert!(!read.contains("smuggled"), "{read}");
}

#[tokio::test]
async fn a_switch_to_something_else_is_a_bad_gateway() {
    let read = client_gets(true, UPGRADE, &SWITCH.replace("websocket", "h2c")).await;
    assert!(read.starts_with("HTTP/1.1 502 "), "{read}");
}

#[tokio::test]
async fn interim_responses_end_at_the_ninth() {
    let read = client_gets(true, PLAIN, &interim(9)).await;
    assert!(read.contains("HTTP/1.1 502 "), "{read}");
    let read = client_gets(true, PLAIN, &interim(8)).await;
    assert_eq!(read.matches("HTTP/1.1 103 ").count(), 8, "{read}");
    assert!(read.contains("HTTP/1.1 200 OK"), "{read}");
}

#[tokio::test]
async fn canary_bare_pingora_relays_an_unasked_101() {
    let read = client_gets(false, PLAIN, SWITCH).await;
    let tunnel = read.starts_with("HTTP/1.1 101 ") && read.ends_with("smuggled");
    assert!(tunnel, "Pingora has mended the unasked 101: remove that half of unasked_101.rs: {read}");
}

#[tokio::test]
async fn canary_bare_pingora_relays_any_number_of_interim_responses() {
    let relayed = client_gets(false, PLAIN, &interim(200)).await.matches("HTTP/1.1 103 ").count();
    assert_eq!(relayed, 200, "Pingora has mended the interim flood: remove that half of unasked_101.rs");
}

#[test]
fn only_an_admitted_handshake_may_switch() {
    let switch = |upgrades: &[&'static str], version| {
        let mut response = ResponseHeader::build(101, None).unwrap();
        response.set_version(version);
        for upgrade in upgrades {
            response.append_header(header::UPGRADE, *upgrade).unwrap();
        }
        response
    };
    let good = switch(&["WebSocket"], Version::HTTP_11);
    assert!(Interim::default().judge(&good, true).is_ok());
    assert!(Interim::default().judge(&good, false).is_err());
    for bad in [
        switch(&[], Version::HTTP_11),
        switch(&["h2c"], Version::HTTP_11),
        switch(&["websocket", "h2c"], Version::HTTP_11),
        switch(&["websocket"], Version::HTTP_10),
    ] {
        assert!(Interim::default().judge(&bad, true).is_err(), "{bad:?}");
    }
}
