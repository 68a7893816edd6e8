//! TLS and HTTP/2.

use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::client::Resumption;
use rustls::server::{ResolvesServerCert, ResolvesServerCertUsingSni};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, HandshakeKind, RootCertStore};
use rustls_pki_types::{PrivateKeyDer, ServerName};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::*;

pub(super) const NAME: &str = "gate.test";

pub(super) struct Secure {
    pub(super) bench: Bench,
    pub(super) names: Arc<dyn ResolvesServerCert>,
    pub(super) roots: RootCertStore,
}

impl Secure {
    async fn new(limits: EdgeLimits) -> Self {
        Self::from(limits, tls::MinVersion::V1_2).await
    }

    async fn from(limits: EdgeLimits, min_version: tls::MinVersion) -> Self {
        Self::with(limits, min_version, None).await
    }

    pub(super) async fn with(
        limits: EdgeLimits,
        min_version: tls::MinVersion,
        client_ca: Option<Arc<ClientCa>>,
    ) -> Self {
        // Pingora compiles a second provider in; whoever installs first wins.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let pair = rcgen::generate_simple_self_signed([NAME.to_owned()]).unwrap();
        let key = PrivateKeyDer::Pkcs8(pair.signing_key.serialize_der().into());
        let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(&key).unwrap();
        let certificate = pair.cert.der().clone();
        let mut names = ResolvesServerCertUsingSni::new();
        names.add(NAME, CertifiedKey::new(vec![certificate.clone()], key)).unwrap();
        let names: Arc<dyn ResolvesServerCert> = Arc::new(names);
        let tls = Some(tls::terms(Arc::clone(&names), min_version, client_ca).unwrap());
        let mut roots = RootCertStore::empty();
        roots.add(certificate).unwrap();
        Self { bench: Bench::over(Kind::Https, EdgeSettings { limits, tls }).await, names, roots }
    }

    fn client(&self, alpn: &[&str]) -> Arc<ClientConfig> {
        let mut config =
            ClientConfig::builder().with_root_certificates(self.roots.clone()).with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        config.resumption = Resumption::in_memory_sessions(4);
        Arc::new(config)
    }

    pub(super) async fn dial(
        &self,
        config: Arc<ClientConfig>,
        name: &'static str,
    ) -> io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from(name).unwrap();
        timeout(LONG, TlsConnector::from(config).connect(name, self.bench.connect().await)).await.unwrap()
    }

    async fn connect(&self, alpn: &[&str]) -> TlsStream<TcpStream> {
        self.dial(self.client(alpn), NAME).await.unwrap()
    }

    async fn h2(&self) -> (SendRequest<Empty<Bytes>>, JoinHandle<hyper::Result<()>>) {
        let tls = self.connect(&["h2"]).await;
        assert_eq!(tls.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(tls)).await.unwrap();
        (sender, tokio::spawn(connection))
    }
}

pub(super) async fn get(sender: &mut SendRequest<Empty<Bytes>>, path: &str) -> hyper::Result<String> {
    let uri = format!("https://{NAME}{path}");
    let request = http::Request::get(uri).body(Empty::new()).unwrap();
    sender.ready().await?;
    let body = timeout(LONG, sender.send_request(request)).await.unwrap()?.into_body();
    Ok(String::from_utf8(body.collect().await?.to_bytes().to_vec()).unwrap())
}

fn short_head() -> EdgeLimits {
    EdgeLimits { header_timeout: SHORT, ..EdgeLimits::default() }
}

#[tokio::test]
async fn both_protocols_carry_the_connections_facts() {
    let secure = Secure::new(EdgeLimits::default()).await;
    let (mut sender, _connection) = secure.h2().await;
    for _ in 0..3 {
        assert_eq!(get(&mut sender, "/a").await.unwrap(), "GET /a 0 TLSv1.3 gate.test");
    }
    let mut h1 = secure.connect(&["http/1.1"]).await;
    for _ in 0..3 {
        h1.write_all(b"POST /b HTTP/1.1\r\nHost: gate.test\r\nContent-Length: 1\r\n\r\nx").await.unwrap();
        assert_eq!(answer(&mut h1).await.1, "POST /b 1 TLSv1.3 gate.test");
    }
    h1.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    assert!(to_end(&mut h1).await.ends_with("bad_request"), "heads are checked under TLS too");
}

#[tokio::test]
async fn no_client_hello_is_closed_at_the_deadline() {
    let limits = EdgeLimits { handshake_timeout: SHORT, ..EdgeLimits::default() };
    let secure = Secure::new(limits).await;
    let start = Instant::now();
    assert_eq!(to_end(&mut secure.bench.connect().await).await, "");
    assert!(start.elapsed() >= SHORT);
    assert_eq!(*secure.bench.notes.handshakes.lock().unwrap(), ["TimedOut"]);
    dribble(&mut secure.bench.connect().await, b"\x16\x03\x01\x02").await;
}

#[tokio::test]
async fn a_dribbled_head_under_tls_gets_408() {
    let secure = Secure::new(short_head()).await;
    let mut client = secure.connect(&["http/1.1"]).await;
    let all = dribble(&mut client, b"GET /aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa").await;
    assert!(all.ends_with("request_timeout"), "{all}");
}

#[tokio::test]
async fn h2_without_a_request_is_closed_at_the_deadline() {
    let secure = Secure::new(short_head()).await;
    let preface: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    // HEADERS without END_HEADERS: a header block that stays open.
    let open_block: &[u8] = &[preface, b"\0\0\x01\x01\x01\0\0\0\x01\x82"].concat();
    for sent in [&b""[..], &preface[..9], preface, open_block] {
        let mut client = secure.connect(&["h2"]).await;
        let start = Instant::now();
        client.write_all(sent).await.unwrap();
        client.flush().await.unwrap();
        to_end(&mut client).await;
        assert!(start.elapsed() < LONG / 2);
    }
    assert!(secure.bench.app.seen().is_empty());
}

#[tokio::test]
async fn an_idle_h2_connection_is_closed() {
    let limits = EdgeLimits { idle: SHORT, ..EdgeLimits::default() };
    let secure = Secure::new(limits).await;
    let (mut sender, connection) = secure.h2().await;
    get(&mut sender, "/a").await.unwrap();
    let _ = timeout(LONG, connection).await.expect("closed");
}

#[tokio::test]
async fn an_h2_connection_outlives_the_header_deadline_once_it_has_a_request() {
    let secure = Secure::new(short_head()).await;
    let (mut sender, _connection) = secure.h2().await;
    let mut waiting = sender.clone();
    let slow = tokio::spawn(async move { get(&mut waiting, "/slow").await });
    timeout(LONG, secure.bench.app.started.notified()).await.unwrap();
    pass(SHORT * 2).await;
    assert_eq!(get(&mut sender, "/a").await.unwrap(), "GET /a 0 TLSv1.3 gate.test");
    secure.bench.app.release.notify_one();
    slow.await.unwrap().unwrap();
}

#[tokio::test]
async fn an_h2_connection_ends_after_its_share_of_requests() {
    let limits = EdgeLimits { requests_per_connection: 2, ..EdgeLimits::default() };
    let secure = Secure::new(limits).await;
    let (mut sender, connection) = secure.h2().await;
    get(&mut sender, "/a").await.unwrap();
    get(&mut sender, "/b").await.unwrap();
    timeout(LONG, connection).await.expect("said goodbye").unwrap().unwrap();
}

#[tokio::test]
async fn streams_over_the_limit_wait() {
    let limits = EdgeLimits { h2_streams: 1, ..EdgeLimits::default() };
    let secure = Secure::new(limits).await;
    let (mut sender, _connection) = secure.h2().await;
    // The client knows the limit from the first answer on.
    get(&mut sender, "/a").await.unwrap();
    let (mut one, mut two) = (sender.clone(), sender);
    let slow = tokio::spawn(async move { get(&mut one, "/slow").await });
    timeout(LONG, secure.bench.app.started.notified()).await.unwrap();
    let mut second = tokio::spawn(async move { get(&mut two, "/b").await });
    timeout(SHORT, &mut second).await.expect_err("there is no stream for it");
    secure.bench.app.release.notify_one();
    slow.await.unwrap().unwrap();
    timeout(LONG, second).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn an_h2_header_list_over_the_limit_does_not_reach_the_app() {
    let secure = Secure::new(EdgeLimits { header_bytes: 4096, ..EdgeLimits::default() }).await;
    let (mut sender, _connection) = secure.h2().await;
    let uri = format!("https://{NAME}/");
    let request = http::Request::get(uri).header("x", "y".repeat(8192)).body(Empty::new()).unwrap();
    let answered = timeout(LONG, sender.send_request(request)).await.unwrap();
    assert!(answered.is_err() || answered.is_ok_and(|answer| answer.status() == 431));
    assert!(secure.bench.app.seen().is_empty());
}

#[tokio::test]
async fn a_drain_lets_a_running_h2_stream_finish() {
    let secure = Secure::new(EdgeLimits::default()).await;
    let (mut sender, connection) = secure.h2().await;
    let (_idle, idle_connection) = secure.h2().await;
    let slow = tokio::spawn(async move { get(&mut sender, "/slow").await });
    timeout(LONG, secure.bench.app.started.notified()).await.unwrap();
    let edge = Arc::clone(&secure.bench.edge);
    let drain = tokio::spawn(async move { edge.drain(LONG).await });
    let _ = timeout(LONG, idle_connection).await.expect("an idle connection ends at once");
    secure.bench.app.release.notify_one();
    assert_eq!(slow.await.unwrap().unwrap(), "GET /slow 0 TLSv1.3 gate.test");
    assert_eq!(timeout(LONG, drain).await.unwrap().unwrap(), 0);
    let _ = timeout(LONG, connection).await.expect("closed");
}

#[tokio::test]
async fn fresh_clients_resume() {
    let secure = Secure::new(EdgeLimits::default()).await;
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        for _ in 0..20 {
            let mut config = ClientConfig::builder_with_protocol_versions(&[version])
                .with_root_certificates(secure.roots.clone())
                .with_no_client_auth();
            config.resumption = Resumption::in_memory_sessions(4);
            let config = Arc::new(config);
            for expected in [HandshakeKind::Full, HandshakeKind::Resumed] {
                let mut client = secure.dial(config.clone(), NAME).await.unwrap();
                assert_eq!(client.get_ref().1.handshake_kind(), Some(expected), "{version:?}");
                // The ticket comes with the first answer.
                client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
                answer(&mut client).await;
            }
        }
    }
}

#[tokio::test]
async fn unknown_names_and_old_versions_fail_the_handshake() {
    let secure = Secure::from(EdgeLimits::default(), tls::MinVersion::V1_3).await;
    let error = secure.dial(secure.client(&[]), "other.test").await.unwrap_err();
    assert!(error.to_string().contains("alert"), "{error}");
    timeout(LONG, secure.bench.notes.told.notified()).await.unwrap();

    let old = ClientConfig::builder_with_protocol_versions(&[&rustls::version::TLS12])
        .with_root_certificates(secure.roots.clone())
        .with_no_client_auth();
    assert!(secure.dial(Arc::new(old), NAME).await.is_err());
    secure.dial(secure.client(&[]), NAME).await.expect("1.3 is spoken");
}

#[tokio::test]
async fn without_a_certificate_an_https_listener_closes() {
    let settings = EdgeSettings::default();
    let bench = Bench::over(Kind::Https, settings).await;
    let mut client = bench.connect().await;
    client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    assert_eq!(to_end(&mut client).await, "");
    assert!(bench.app.seen().is_empty());
}
