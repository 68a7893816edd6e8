use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::{Request, StatusCode};
use pingora::Error;
use pingora::http::ResponseHeader;
use pingora::proxy::{FailToProxy, ProxyHttp};
use pingora::upstreams::peer::HttpPeer;

use super::*;
use crate::mends::scaffold::client::{Client, Outgoing, Protocol, RawClient, in_pieces, stalled, whole};
use crate::mends::scaffold::upstream::{Hashing, scripted, sha256};
use crate::mends::scaffold::{Listening, peer, serve};

const MEBIBYTE: usize = 1024 * 1024;
const SIZES: [usize; 6] = [0, 1, 65_536, 65_537, 200_000, 5 * MEBIBYTE];
const SECOND: Duration = Duration::from_secs(1);
const LIMITS: BodyLimits =
    BodyLimits { max: 6 * MEBIBYTE, per_read: SECOND.saturating_mul(20), total: SECOND.saturating_mul(60) };

/// Reads, judges (`/refused` is not allowed) and holds.
struct Mended {
    upstream: SocketAddr,
    budget: Arc<BodyBudget>,
    limits: BodyLimits,
    upstream_h2: bool,
}

impl Mended {
    fn new(upstream: SocketAddr) -> Self {
        Self { upstream, budget: BodyBudget::new(64 * MEBIBYTE), limits: LIMITS, upstream_h2: false }
    }
}

#[async_trait]
impl ProxyHttp for Mended {
    type CTX = Option<Loan>;

    fn new_ctx(&self) -> Self::CTX {
        None
    }

    async fn request_filter(&self, session: &mut Session, loan: &mut Self::CTX) -> Result<bool> {
        let status = match read_whole(session, &self.budget, self.limits).await {
            Ok(body) if session.req_header().uri.path() != "/refused" => {
                *loan = Some(hold(session, body)?);
                return Ok(false);
            }
            Ok(_) => 403,
            Err(BodyFault::TooLarge) => 413,
            Err(BodyFault::TooSlow) => 408,
            Err(BodyFault::Broken) => 400,
            Err(BodyFault::NoRoom) => 503,
        };
        session.respond_error(status).await?;
        linger(session, BodyLimits { max: 16 * MEBIBYTE, ..LIMITS }).await;
        Ok(true)
    }

    async fn upstream_peer(&self, _: &mut Session, _: &mut Self::CTX) -> Result<Box<HttpPeer>> {
        let mut peer = peer(self.upstream);
        if self.upstream_h2 {
            peer.options.set_http_version(2, 2);
        }
        Ok(peer)
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

    async fn fail_to_proxy(&self, session: &mut Session, _: &Error, loan: &mut Self::CTX) -> FailToProxy {
        if let Some(loan) = loan {
            loan.release(session);
        }
        let _ = session.respond_error(502).await;
        FailToProxy { error_code: 502, can_reuse_downstream: false }
    }

    async fn logging(&self, session: &mut Session, _: Option<&Error>, loan: &mut Self::CTX) {
        if let Some(loan) = loan {
            loan.release(session);
        }
        assert!(!session.downstream_session.is_custom());
    }
}

fn body_of(size: usize) -> Bytes {
    (0..size).map(|at| u8::try_from(at % 251).unwrap()).collect()
}

fn post(path: &str, body: Outgoing) -> Request<Outgoing> {
    Request::post(path).body(body).unwrap()
}

fn pieces_of(body: &Bytes) -> Vec<Bytes> {
    body.chunks(10_000).map(Bytes::copy_from_slice).collect()
}

async fn gateway(limits: BodyLimits) -> (Hashing, Listening) {
    let upstream = Hashing::start().await;
    let listening = serve(Mended { limits, ..Mended::new(upstream.addr) }).await;
    (upstream, listening)
}

async fn every_size_arrives(protocol: Protocol) {
    let (_upstream, listening) = gateway(LIMITS).await;
    // One connection for all: that it lasts is half of the test.
    let mut client = Client::connect(&listening, protocol).await;
    for size in SIZES {
        let body = body_of(size);
        for (framing, outgoing) in
            [("length", whole(body.clone())), ("no length", in_pieces(pieces_of(&body)))]
        {
            let response = client.send(post("/", outgoing)).await.unwrap();
            let case = format!("{protocol:?}, {size} bytes, {framing}");
            assert_eq!(response.status(), StatusCode::OK, "{case}");
            assert_eq!(response.headers()["x-sha256"], sha256(&body), "{case}");
            assert_eq!(response.headers()["x-length"], size.to_string(), "{case}");
            assert_eq!(response.headers()["x-coding"], "", "{case}");
        }
    }
}

#[tokio::test]
async fn every_size_arrives_over_http_1() {
    every_size_arrives(Protocol::H1).await;
}

#[tokio::test]
async fn every_size_arrives_over_http_2() {
    every_size_arrives(Protocol::H2).await;
}

#[tokio::test]
async fn a_refused_body_never_reaches_the_upstream() {
    let (upstream, listening) = gateway(LIMITS).await;
    for protocol in [Protocol::H1, Protocol::H2] {
        let mut client = Client::connect(&listening, protocol).await;
        let response = client.send(post("/refused", whole(body_of(70_000)))).await.unwrap();
        assert_eq!(response.status(), StatusCode::FORBIDDEN);
    }
    assert_eq!(upstream.connections(), 0);
}

#[tokio::test]
async fn a_stalled_body_is_too_slow() {
    let impatient = [
        BodyLimits { per_read: Duration::from_millis(50), ..LIMITS },
        BodyLimits { total: Duration::from_millis(50), ..LIMITS },
    ];
    for limits in impatient {
        let (upstream, listening) = gateway(limits).await;
        for protocol in [Protocol::H1, Protocol::H2] {
            let mut client = Client::connect(&listening, protocol).await;
            let response = client.send(post("/", stalled(b"start"))).await.unwrap();
            assert_eq!(response.status(), StatusCode::REQUEST_TIMEOUT, "{protocol:?}");
        }
        assert_eq!(upstream.connections(), 0);
    }
}

#[tokio::test]
async fn a_body_over_the_limit_is_too_large() {
    let (upstream, listening) = gateway(BodyLimits { max: 1000, ..LIMITS }).await;
    for protocol in [Protocol::H1, Protocol::H2] {
        for (size, expected) in [(1000, StatusCode::OK), (1001, StatusCode::PAYLOAD_TOO_LARGE)] {
            for outgoing in [whole(body_of(size)), in_pieces(vec![body_of(500), body_of(size - 500)])] {
                let mut client = Client::connect(&listening, protocol).await;
                assert_eq!(
                    client.send(post("/", outgoing)).await.unwrap().status(),
                    expected,
                    "{protocol:?}"
                );
            }
        }
    }
    assert_eq!(upstream.connections(), 1);
}

#[tokio::test]
async fn a_declared_length_over_the_limit_is_refused_before_the_body() {
    let (_upstream, listening) = gateway(LIMITS).await;
    // A number that no integer holds does not even get past Pingora.
    for (length, status) in [("6291457", "413"), ("99999999999999999999999", "400")] {
        let mut client = RawClient::connect(listening.h1).await;
        client.write("POST / HTTP/1.1\r\nHost: gateway.test\r\nExpect: 100-continue\r\n").await;
        client.write(&format!("Content-Length: {length}\r\n\r\n")).await;
        let answer = client.read_until("\r\n\r\n").await.unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{length}: {answer}");
    }
}

#[tokio::test]
async fn expect_is_answered_once_and_the_connection_lasts() {
    let (_upstream, listening) = gateway(LIMITS).await;
    let mut client = RawClient::connect(listening.h1).await;
    for _ in 0..2 {
        client
            .write(
                "POST / HTTP/1.1\r\nHost: gateway.test\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n",
            )
            .await;
        let invitation = client.read_until("\r\n\r\n").await.unwrap();
        assert_eq!(invitation, "HTTP/1.1 100 Continue\r\n\r\n");
        client.write("hello").await;
        let answer = client.read_until("\r\n\r\nok").await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
        assert!(answer.contains(&sha256(b"hello")), "{answer}");
        assert!(answer.contains("x-expect: \r\n"), "{answer}");
    }
}

#[tokio::test]
async fn a_get_without_a_body_gets_no_framing() {
    let (_upstream, listening) = gateway(LIMITS).await;
    let mut client = Client::connect(&listening, Protocol::H1).await;
    let response = client.send(Request::get("/").body(whole("")).unwrap()).await.unwrap();
    assert_eq!(response.headers()["x-length"], "");
    assert_eq!(response.headers()["x-coding"], "");
}

#[tokio::test]
async fn a_full_budget_turns_bodies_away_and_empties_again() {
    let upstream = Hashing::start().await;
    let mended = Mended { budget: BodyBudget::new(1000), ..Mended::new(upstream.addr) };
    let budget = Arc::clone(&mended.budget);
    let listening = serve(mended).await;
    let taken = budget.reserve(500).unwrap();
    let mut client = Client::connect(&listening, Protocol::H2).await;
    let refused = client.send(post("/", whole(body_of(501)))).await.unwrap();
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    drop(taken);
    let served = client.send(post("/", whole(body_of(1000)))).await.unwrap();
    assert_eq!(served.status(), StatusCode::OK);
    assert_eq!(budget.free(), 1000);
}

#[tokio::test]
async fn every_size_arrives_at_an_http_2_upstream() {
    let upstream = Hashing::start().await;
    let listening = serve(Mended { upstream_h2: true, ..Mended::new(upstream.addr) }).await;
    for protocol in [Protocol::H1, Protocol::H2] {
        let mut client = Client::connect(&listening, protocol).await;
        for size in SIZES {
            let body = body_of(size);
            let response = client.send(post("/", in_pieces(pieces_of(&body)))).await.unwrap();
            assert_eq!(response.status(), StatusCode::OK, "{protocol:?}, {size} bytes");
            assert_eq!(response.headers()["x-sha256"], sha256(&body), "{protocol:?}, {size} bytes");
        }
    }
}

#[tokio::test]
async fn a_retry_sends_the_body_again() {
    // The first connection is pooled after one answer and dies on the second request, which is then retried.
    let ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let (upstream, mut requests) = scripted(vec![vec![ok, ""], vec![ok]]).await;
    let listening = serve(Mended::new(upstream)).await;
    for protocol in [Protocol::H1, Protocol::H2] {
        let mut client = Client::connect(&listening, protocol).await;
        let put = Request::put("/").body(whole("again")).unwrap();
        assert_eq!(client.send(put).await.unwrap().status(), StatusCode::OK);
    }
    for _ in 0..3 {
        assert!(requests.recv().await.unwrap().ends_with("\r\n\r\nagain"));
    }
}

#[tokio::test]
async fn a_client_that_leaves_ends_the_wait_for_the_upstream() {
    let (upstream, mut requests) = scripted(vec![vec!["", ""]]).await;
    let listening = serve(Mended::new(upstream)).await;
    let mut client = RawClient::connect(listening.h1).await;
    client.write("POST / HTTP/1.1\r\nHost: gateway.test\r\nContent-Length: 5\r\n\r\nhello").await;
    assert!(requests.recv().await.unwrap().ends_with("hello"));
    drop(client);
    // The upstream waits for a second request, so its script ends only when Pingora hangs up.
    let ended = tokio::time::timeout(LIMITS.per_read, requests.recv()).await;
    assert_eq!(ended.expect("an end in time"), None);
}

#[tokio::test]
async fn an_upstream_that_is_down_is_a_bad_gateway() {
    let nobody = crate::mends::scaffold::listen().await.local_addr().unwrap();
    let listening = serve(Mended::new(nobody)).await;
    for protocol in [Protocol::H1, Protocol::H2] {
        let mut client = Client::connect(&listening, protocol).await;
        let response = client.send(post("/", whole(body_of(70_000)))).await.unwrap();
        assert_eq!(response.status(), StatusCode::BAD_GATEWAY, "{protocol:?}");
    }
}

#[tokio::test]
async fn a_client_that_sends_on_still_reads_its_refusal() {
    let (_upstream, listening) = gateway(LIMITS).await;
    let mut client = RawClient::connect(listening.h1).await;
    client.write("POST / HTTP/1.1\r\nHost: gateway.test\r\nContent-Length: 8388608\r\n\r\n").await;
    client.write(&"x".repeat(8 * MEBIBYTE)).await;
    assert!(client.read_to_end().await.starts_with("HTTP/1.1 413 "));
}

#[tokio::test]
async fn a_second_hold_is_refused() {
    let (_client, server) = tokio::io::duplex(64);
    let mut session = Session::new_h1(Box::new(server));
    let body = || WholeBody::new(Bytes::new(), BodyBudget::new(0).reserve(0).unwrap());
    let mut loan = hold(&mut session, body()).unwrap();
    assert!(hold(&mut session, body()).is_err());
    loan.release(&mut session);
    loan.release(&mut session);
    assert!(session.as_http1().is_some());
}

/// What Pingora's own means offer: buffer for a retry, read to the end, go on.
struct Bare(SocketAddr);

#[async_trait]
impl ProxyHttp for Bare {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn request_filter(&self, session: &mut Session, (): &mut ()) -> Result<bool> {
        session.enable_retry_buffering();
        while session.read_request_body().await?.is_some() {}
        Ok(false)
    }

    async fn upstream_peer(&self, _: &mut Session, (): &mut ()) -> Result<Box<HttpPeer>> {
        let mut peer = peer(self.0);
        peer.options.read_timeout = Some(Duration::from_millis(300));
        Ok(peer)
    }
}

#[tokio::test]
async fn canary_bare_pingora_replays_64_kib_and_no_more() {
    let upstream = Hashing::start().await;
    let listening = serve(Bare(upstream.addr)).await;
    let mut statuses = Vec::new();
    for size in [65_536, 65_537] {
        let mut client = Client::connect(&listening, Protocol::H1).await;
        let response = client.send(post("/", whole(body_of(size)))).await.unwrap();
        statuses.push(response.status());
    }
    assert_eq!(statuses[0], StatusCode::OK, "the premise");
    assert_ne!(statuses[1], StatusCode::OK, "Pingora has mended #575: remove this file (held_body.rs)");
}
