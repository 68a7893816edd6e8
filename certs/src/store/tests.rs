//! Handshakes in memory, against a real rustls client.

use std::sync::Arc;

use rcgen::{CertificateParams, CertifiedIssuer, IsCa, KeyPair as Signing, PKCS_RSA_SHA256};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, Error, RootCertStore, ServerConfig,
    ServerConnection,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use time::{Duration, OffsetDateTime};

use super::*;

/// An authority that clients trust.
struct Authority(CertifiedIssuer<'static, Signing>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, Signing::generate().unwrap()).unwrap())
    }

    fn issue(&self, names: &[&str], from_day: i64, to_day: i64, key: &Signing) -> KeyPair {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.not_before = OffsetDateTime::now_utc() + Duration::days(from_day);
        params.not_after = OffsetDateTime::now_utc() + Duration::days(to_day);
        let certificate = params.signed_by(key, &self.0).unwrap();
        KeyPair::from_pem(certificate.pem().as_bytes(), key.serialize_pem().as_bytes()).unwrap()
    }

    fn pair(&self, names: &[&str]) -> KeyPair {
        self.issue(names, -1, 10, &Signing::generate().unwrap())
    }

    /// A handshake by a client that verifies; the certificate that it got.
    fn ask(&self, store: &Arc<Store>, host: &str) -> Result<CertificateDer<'static>, Error> {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        let config = ClientConfig::builder_with_provider(default_provider().into())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        shake(store, config, host)
    }
}

fn shake(store: &Arc<Store>, config: ClientConfig, host: &str) -> Result<CertificateDer<'static>, Error> {
    let server = ServerConfig::builder_with_provider(default_provider().into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::clone(store) as Arc<dyn ResolvesServerCert>);
    let mut server = ServerConnection::new(Arc::new(server)).unwrap();
    let host = ServerName::try_from(host.to_owned()).unwrap();
    let mut client = ClientConnection::new(Arc::new(config), host).unwrap();
    while client.is_handshaking() || server.is_handshaking() {
        let mut wire = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut wire).unwrap();
        }
        let mut bytes = wire.as_slice();
        while !bytes.is_empty() {
            server.read_tls(&mut bytes).unwrap();
            server.process_new_packets()?;
        }
        let mut wire = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut wire).unwrap();
        }
        let mut bytes = wire.as_slice();
        while !bytes.is_empty() {
            client.read_tls(&mut bytes).unwrap();
            client.process_new_packets()?;
        }
    }
    Ok(client.peer_certificates().unwrap()[0].clone().into_owned())
}

fn leaf(pair: &KeyPair) -> CertificateDer<'static> {
    pair.certified().cert[0].clone()
}

#[test]
fn exact_before_wildcard_and_the_unknown_is_refused() {
    let authority = Authority::new();
    let (app, any) = (authority.pair(&["app.example.com"]), authority.pair(&["*.example.com"]));
    let store = Arc::new(Store::new(vec![any.clone(), app.clone()]));

    assert_eq!(authority.ask(&store, "app.example.com").unwrap(), leaf(&app));
    assert_eq!(authority.ask(&store, "APP.example.COM").unwrap(), leaf(&app));
    assert_eq!(authority.ask(&store, "other.example.com").unwrap(), leaf(&any));
    for host in ["example.com", "a.b.example.com", "evil.test", "127.0.0.1"] {
        let why = authority.ask(&store, host).unwrap_err();
        assert_eq!(why, Error::General("no server certificate chain resolved".into()), "{host}");
    }
}

#[test]
fn an_empty_store_refuses_everyone() {
    let store = Arc::new(Store::default());
    assert!(Authority::new().ask(&store, "localhost").is_err());
}

#[test]
fn by_address_only_a_certificate_with_an_address() {
    let authority = Authority::new();
    let (named, addressed) = (authority.pair(&["localhost"]), authority.pair(&["127.0.0.1", "::1"]));
    let store = Arc::new(Store::new(vec![named, addressed.clone()]));
    assert_eq!(authority.ask(&store, "127.0.0.1").unwrap(), leaf(&addressed));
    assert_eq!(authority.ask(&store, "::1").unwrap(), leaf(&addressed));
}

#[test]
fn the_next_handshake_gets_the_replacement() {
    let authority = Authority::new();
    let (old, new) = (authority.pair(&["a.test", "b.test"]), authority.pair(&["a.test"]));
    let store = Arc::new(Store::new(vec![old.clone()]));
    assert_eq!(authority.ask(&store, "a.test").unwrap(), leaf(&old));
    store.replace(vec![new.clone()]);
    assert_eq!(authority.ask(&store, "a.test").unwrap(), leaf(&new));
    assert!(authority.ask(&store, "b.test").is_err(), "what was not put in force again is gone");
}

#[test]
fn the_one_valid_longest_is_served_unless_it_is_not_valid_yet() {
    let authority = Authority::new();
    let issue = |from, to| authority.issue(&["a.test"], from, to, &Signing::generate().unwrap());
    let (short, long, future) = (issue(-1, 5), issue(-1, 9), issue(3, 90));
    let store = Arc::new(Store::new(vec![short, future.clone(), long.clone()]));
    assert_eq!(authority.ask(&store, "a.test").unwrap(), leaf(&long));
    assert_eq!(store.expiries(), [("a.test".to_owned(), future.not_after())]);
}

#[test]
fn a_client_gets_a_key_that_it_can_verify() {
    let authority = Authority::new();
    let rsa = authority.issue(&["a.test"], -1, 5, &Signing::generate_for(&PKCS_RSA_SHA256).unwrap());
    let ecdsa = authority.issue(&["a.test"], -1, 9, &Signing::generate().unwrap());
    let store = Arc::new(Store::new(vec![rsa.clone(), ecdsa.clone()]));

    let ask = |schemes: Vec<SignatureScheme>| {
        let config = ClientConfig::builder_with_provider(default_provider().into())
            .with_safe_default_protocol_versions()
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Only(default_provider(), schemes)))
            .with_no_client_auth();
        shake(&store, config, "a.test").unwrap()
    };
    assert_eq!(ask(vec![SignatureScheme::RSA_PSS_SHA256]), leaf(&rsa));
    assert_eq!(
        ask(vec![SignatureScheme::RSA_PSS_SHA256, SignatureScheme::ECDSA_NISTP256_SHA256]),
        leaf(&ecdsa)
    );
}

/// A client that knows few signature schemes and trusts everyone.
#[derive(Debug)]
struct Only(CryptoProvider, Vec<SignatureScheme>);

impl ServerCertVerifier for Only {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.1.clone()
    }
}

#[test]
fn names_and_expiries_are_all_that_it_prints() {
    let authority = Authority::new();
    let store = Store::new(vec![authority.pair(&["a.test", "*.b.test", "10.0.0.1"])]);
    let names: Vec<String> = store.expiries().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["*.b.test", "10.0.0.1", "a.test"]);
    assert!(store.covers("x.b.test") && !store.covers("b.test"));
    let printed = format!("{store:?}");
    assert!(printed.contains("a.test") && printed.len() < 100, "{printed}");
}
