use rcgen::{CertificateParams, KeyPair as Signing, PKCS_ED25519, PKCS_RSA_SHA256};

use super::*;

fn certificate(names: &[&str], key: &Signing) -> String {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    CertificateParams::new(names).unwrap().self_signed(key).unwrap().pem()
}

fn refused(cert: &str, key: &str) -> String {
    KeyPair::from_pem(cert.as_bytes(), key.as_bytes()).unwrap_err().to_string()
}

#[test]
fn every_kind_of_key_is_read_with_its_names() {
    for key in [
        Signing::generate().unwrap(),
        Signing::generate_for(&PKCS_ED25519).unwrap(),
        Signing::generate_for(&PKCS_RSA_SHA256).unwrap(),
    ] {
        let cert = certificate(&["A.test", "*.a.test", "::1"], &key);
        let pair = KeyPair::from_pem(cert.as_bytes(), key.serialize_pem().as_bytes()).unwrap();
        assert_eq!(pair.names().iter().collect::<Vec<_>>(), ["a.test", "*.a.test", "::1"]);
        // rcgen's own default dates
        assert_eq!(pair.not_after(), 67_090_118_400);
        assert!(pair.valid_at(157_766_400) && !pair.valid_at(157_766_399) && !pair.valid_at(67_090_118_401));
    }
}

#[test]
fn a_key_of_another_certificate_is_refused() {
    let (key, other) = (Signing::generate().unwrap(), Signing::generate().unwrap());
    let cert = certificate(&["a.test"], &key);
    assert!(refused(&cert, &other.serialize_pem()).contains("does not belong to the first certificate"));
    // The leaf must come first: rustls sends the chain as it is.
    let swapped = certificate(&["issuer.test"], &other) + &cert;
    assert!(refused(&swapped, &key.serialize_pem()).contains("put the server's own certificate first"));
}

#[test]
fn what_cannot_be_read_is_refused_with_a_sentence() {
    let key = Signing::generate().unwrap();
    let (cert, key) = (certificate(&["a.test"], &key), key.serialize_pem());
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let cut = "-----BEGIN CERTIFICATE-----\nMIIB";
    for (cert, key, sentence) in [
        ("", key.as_str(), "there is no certificate"),
        ("garbage", &key, "there is no certificate"),
        (&key, &key, "there is no certificate"),
        (broken, &key, "certificate 1 of the chain is damaged"),
        (cut, &key, "certificate 1 of the chain is damaged"),
        (&format!("{cert}{broken}"), &key, "certificate 2 of the chain is damaged"),
        (&cert, "", "there is no private key"),
        (&cert, &cert, "there is no private key"),
        (
            &cert,
            "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
            "the private key is damaged",
        ),
        (&cert, "-----BEGIN PRIVATE KEY-----\n!!\n-----END PRIVATE KEY-----\n", "the private key is damaged"),
        (
            &cert,
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
            "is encrypted",
        ),
    ] {
        let said = refused(cert, key);
        assert!(said.contains(sentence), "{sentence}: {said}");
    }
}

#[test]
fn a_common_name_is_no_name() {
    let key = Signing::generate().unwrap();
    assert!(refused(&certificate(&[], &key), &key.serialize_pem()).contains("names no host"));
}

#[test]
fn neither_errors_nor_debug_show_the_key() {
    let key = Signing::generate().unwrap();
    let secret: Vec<String> = key.serialize_pem().lines().skip(1).take(2).map(str::to_owned).collect();
    let damaged = key.serialize_pem().replace("-----END", "!\n-----END");
    let cert = certificate(&["a.test"], &key);
    let why = KeyPair::from_pem(cert.as_bytes(), damaged.as_bytes()).unwrap_err();
    let wrong_file = KeyPair::from_pem(damaged.as_bytes(), cert.as_bytes()).unwrap_err();
    let pair = KeyPair::from_pem(cert.as_bytes(), key.serialize_pem().as_bytes()).unwrap();
    for printed in [format!("{why} {why:?}"), format!("{wrong_file} {wrong_file:?}"), format!("{pair:?}")] {
        assert!(secret.iter().all(|line| !printed.contains(line)), "{printed}");
    }
}
