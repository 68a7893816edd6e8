//! Clients' certificates.

use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::client::Resumption;
use rustls::{ClientConfig, HandshakeKind, SupportedProtocolVersion, version};
use rustls_pki_types::PrivateKeyDer;
use time::OffsetDateTime;

use super::secure::{NAME, Secure, get};
use super::*;

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Authority {
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn client_ca(authority: &Authority) -> Arc<ClientCa> {
    Arc::new(ClientCa::from_pem(authority.pem().as_bytes()).unwrap())
}

/// An edge that asks for certificates of `authority`.
async fn asking(authority: &Authority) -> Secure {
    let ca = client_ca(authority);
    let secure = Secure::with(EdgeLimits::default(), tls::MinVersion::V1_2, Some(Arc::clone(&ca))).await;
    *secure.bench.app.client_ca.lock().unwrap() = Some(ca);
    secure
}

/// What a client shows: `ada`'s certificate by this authority, until then.
fn showing(
    secure: &Secure,
    by: &Authority,
    until: Option<OffsetDateTime>,
    version: &'static SupportedProtocolVersion,
    alpn: &str,
) -> Arc<ClientConfig> {
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, "ada");
    params.not_after = until.unwrap_or(params.not_after);
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, by).unwrap();
    let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let mut config = ClientConfig::builder_with_protocol_versions(&[version])
        .with_root_certificates(secure.roots.clone())
        .with_client_auth_cert(vec![certificate.der().clone()], key)
        .unwrap();
    config.alpn_protocols = vec![alpn.as_bytes().to_vec()];
    config.resumption = Resumption::in_memory_sessions(4);
    Arc::new(config)
}

const VERSIONS: [&SupportedProtocolVersion; 2] = [&version::TLS13, &version::TLS12];

/// One request on a new connection: how the handshake went, and what the app was told.
async fn visit(secure: &Secure, config: &Arc<ClientConfig>) -> io::Result<(HandshakeKind, String)> {
    let mut client = secure.dial(Arc::clone(config), NAME).await?;
    let kind = client.get_ref().1.handshake_kind().unwrap();
    client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await?;
    // With TLS 1.3 a client hears of the refusal of its certificate once it reads.
    let mut first = [0];
    timeout(LONG, client.read_exact(&mut first)).await.unwrap()?;
    let (_, told) = answer(&mut client).await;
    Ok((kind, told.split(' ').skip(4).collect()))
}

#[tokio::test]
async fn a_resumed_connection_still_has_its_certificate() {
    let ours = authority();
    let secure = asking(&ours).await;
    for version in VERSIONS {
        let config = showing(&secure, &ours, None, version, "http/1.1");
        for expected in [HandshakeKind::Full, HandshakeKind::Resumed, HandshakeKind::Resumed] {
            let (kind, told) = visit(&secure, &config).await.unwrap();
            assert_eq!((kind, told.as_str()), (expected, "gate.testada"), "{version:?}");
        }
    }
}

#[tokio::test]
async fn a_ticket_does_not_outlive_the_certificate_in_it() {
    let ours = authority();
    let secure = asking(&ours).await;
    let life = Duration::from_secs(5);
    let until = OffsetDateTime::now_utc() + life;
    let configs = VERSIONS.map(|version| showing(&secure, &ours, Some(until), version, "http/1.1"));
    for config in &configs {
        assert_eq!(visit(&secure, config).await.unwrap(), (HandshakeKind::Full, "gate.testada".to_owned()));
    }
    pass(life + Duration::from_secs(1)).await;
    for config in &configs {
        let (kind, told) = visit(&secure, config).await.unwrap();
        assert_eq!((kind, told.as_str()), (HandshakeKind::Resumed, "gate.test"));
    }
}

#[tokio::test]
async fn a_certificate_of_another_authority_fails_the_handshake() {
    let ours = authority();
    let secure = asking(&ours).await;
    for version in VERSIONS {
        let stranger = showing(&secure, &authority(), None, version, "http/1.1");
        visit(&secure, &stranger).await.unwrap_err();
    }
    assert!(secure.bench.app.seen().is_empty());
    assert_eq!(secure.bench.notes.handshakes.lock().unwrap().len(), 2);
    let mut config = ClientConfig::clone(&showing(&secure, &ours, None, VERSIONS[0], "http/1.1"));
    config.client_auth_cert_resolver = ClientConfig::builder()
        .with_root_certificates(secure.roots.clone())
        .with_no_client_auth()
        .client_auth_cert_resolver;
    let (_, told) = visit(&secure, &Arc::new(config)).await.unwrap();
    assert_eq!(told, "gate.test", "one without goes on, unknown");
}

impl Secure {
    /// Takes another file of authorities into force, as a reload does.
    fn believe(&self, ca: Option<Arc<ClientCa>>) {
        let tls = tls::terms(Arc::clone(&self.names), tls::MinVersion::V1_2, ca.clone()).unwrap();
        let limits = EdgeLimits::default();
        self.bench.edge.settings.store(Arc::new(EdgeSettings { limits, tls: Some(tls) }));
        *self.bench.app.client_ca.lock().unwrap() = ca;
    }
}

#[tokio::test]
async fn a_connection_made_under_other_authorities_is_not_believed_and_ends() {
    let (ours, others) = (authority(), authority());
    let secure = asking(&ours).await;
    let config = showing(&secure, &ours, None, &version::TLS13, "http/1.1");
    let mut one = secure.dial(Arc::clone(&config), NAME).await.unwrap();
    let h2 = showing(&secure, &ours, None, &version::TLS13, "h2");
    let two = secure.dial(h2, NAME).await.unwrap();
    let (mut two, ended) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(two)).await.unwrap();
    let ended = tokio::spawn(ended);
    let ask = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n";
    for _ in 0..2 {
        one.write_all(ask).await.unwrap();
        assert_eq!(answer(&mut one).await.1, "GET /a 0 TLSv1.3 gate.test ada");
        assert_eq!(get(&mut two, "/a").await.unwrap(), "GET /a 0 TLSv1.3 gate.test ada");
    }
    // The same bytes once more are the same authorities.
    secure.believe(Some(client_ca(&ours)));
    one.write_all(ask).await.unwrap();
    assert_eq!(answer(&mut one).await.1, "GET /a 0 TLSv1.3 gate.test ada");

    secure.believe(Some(client_ca(&others)));
    one.write_all(ask).await.unwrap();
    assert_eq!(answer(&mut one).await.1, "GET /a 0 TLSv1.3 gate.test");
    assert_eq!(to_end(&mut one).await, "", "the client has to come again");
    assert_eq!(get(&mut two, "/a").await.unwrap(), "GET /a 0 TLSv1.3 gate.test");
    timeout(LONG, ended).await.expect("said goodbye").unwrap().unwrap();

    // What was verified before cannot be resumed either.
    visit(&secure, &config).await.unwrap_err();
}

#[tokio::test]
async fn a_connection_that_was_not_asked_for_a_certificate_ends_once_they_are_asked_for() {
    let secure = asking(&authority()).await;
    secure.believe(None);
    let config = showing(&secure, &authority(), None, &version::TLS13, "http/1.1");
    let mut client = secure.dial(config, NAME).await.unwrap();
    let ask = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n";
    client.write_all(ask).await.unwrap();
    assert_eq!(answer(&mut client).await.1, "GET /a 0 TLSv1.3 gate.test", "it was not asked");
    secure.believe(Some(client_ca(&authority())));
    client.write_all(ask).await.unwrap();
    answer(&mut client).await;
    assert_eq!(to_end(&mut client).await, "");
}
