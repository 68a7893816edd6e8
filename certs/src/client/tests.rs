use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, DnValue,
    ExtendedKeyUsagePurpose, IsCa, KeyPair as Signing, KeyUsagePurpose, SanType, SerialNumber,
};
use time::{Duration, OffsetDateTime};

use super::*;

fn authority(change: impl FnOnce(&mut CertificateParams)) -> CertifiedIssuer<'static, Signing> {
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "Test Authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    change(&mut params);
    CertifiedIssuer::self_signed(params, Signing::generate().unwrap()).unwrap()
}

fn issue(
    by: &CertifiedIssuer<'static, Signing>,
    change: impl FnOnce(&mut CertificateParams),
) -> rcgen::Certificate {
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.distinguished_name = DistinguishedName::new();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    change(&mut params);
    params.signed_by(&Signing::generate().unwrap(), by).unwrap()
}

fn read(change: impl FnOnce(&mut CertificateParams)) -> Result<Leaf, LeafError> {
    Leaf::from_der(issue(&authority(|_| {}), change).der())
}

fn named(names: &[(DnType, DnValue)]) -> Result<Leaf, LeafError> {
    read(|params| {
        for (kind, value) in names {
            params.distinguished_name.push(kind.clone(), value.clone());
        }
    })
}

fn utf8(text: &str) -> DnValue {
    DnValue::Utf8String(text.to_owned())
}

fn values<'a>(dn: &'a Dn, key: &str) -> Vec<&'a str> {
    let found = dn.attributes.iter().find(|(known, _)| known == key);
    found.into_iter().flat_map(|(_, values)| values).map(String::as_str).collect()
}

#[test]
fn a_subject_is_read_attribute_by_attribute() {
    let leaf = named(&[
        (DnType::CountryName, DnValue::PrintableString("DE".try_into().unwrap())),
        (DnType::StateOrProvinceName, utf8("Bayern")),
        (DnType::LocalityName, utf8("München")),
        (DnType::OrganizationName, utf8("Acme, Inc.")),
        (DnType::OrganizationalUnitName, utf8("payments")),
        // The same attribute once more: the maker keeps one of each kind.
        (DnType::CustomDnType(vec![2, 5, 4, 11]), utf8("on call")),
        (DnType::CommonName, utf8("Zoë 日本")),
        (
            DnType::CustomDnType(vec![1, 2, 840, 113_549, 1, 9, 1]),
            DnValue::Ia5String("zoe@acme.test".try_into().unwrap()),
        ),
        (DnType::CustomDnType(vec![1, 3, 6, 1, 4, 1, 99_999, 1]), utf8("own")),
    ])
    .unwrap();
    let subject = &leaf.subject;
    for (key, expected) in [
        ("c", &["DE"][..]),
        ("st", &["Bayern"]),
        ("l", &["München"]),
        ("o", &["Acme, Inc."]),
        ("ou", &["payments", "on call"]),
        ("cn", &["Zoë 日本"]),
        ("email", &["zoe@acme.test"]),
        ("1.3.6.1.4.1.99999.1", &["own"]),
    ] {
        assert_eq!(values(subject, key), expected, "{key}");
    }
    assert_eq!(
        subject.text,
        "1.3.6.1.4.1.99999.1=#0c036f776e,emailAddress=zoe@acme.test,CN=Zoë 日本,OU=on call,OU=payments,\
         O=Acme\\, Inc.,L=München,ST=Bayern,C=DE"
    );
    assert_eq!(leaf.issuer.text, "CN=Test Authority");
    assert_eq!(values(&leaf.issuer, "cn"), ["Test Authority"]);
}

#[test]
fn a_name_cannot_pass_for_another_in_the_text() {
    for (name, text) in [
        ("a,CN=admin", "CN=a\\,CN=admin"),
        ("a+OU=x", "CN=a\\+OU=x"),
        ("\\", "CN=\\\\"),
        (" a ", "CN=\\ a\\ "),
        ("#04", "CN=\\#04"),
        (" ", "CN=\\ "),
        ("\"<;>=", "CN=\\\"\\<\\;\\>="),
        ("", "CN="),
    ] {
        assert_eq!(named(&[(DnType::CommonName, utf8(name))]).unwrap().subject.text, text, "{name:?}");
    }
}

#[test]
fn older_kinds_of_text_are_read_where_they_are_clear() {
    let bmp = DnValue::BmpString("Zoë".try_into().unwrap());
    assert_eq!(named(&[(DnType::CommonName, bmp)]).unwrap().subject.text, "CN=Zoë");
    let teletex = DnValue::TeletexString("plain".try_into().unwrap());
    assert_eq!(named(&[(DnType::CommonName, teletex)]).unwrap().subject.text, "CN=plain");
    let universal = DnValue::UniversalString("x".try_into().unwrap());
    assert_eq!(named(&[(DnType::CommonName, universal)]).unwrap_err(), LeafError::Unreadable);
}

#[test]
fn control_characters_make_a_certificate_unreadable() {
    for text in ["admin\0.evil.test", "a\nb", "a\r", "\u{7f}", "\u{85}", "\0"] {
        let value = utf8(text);
        for kind in [DnType::CommonName, DnType::OrganizationName, DnType::CustomDnType(vec![1, 2, 3])] {
            assert_eq!(
                named(&[(kind.clone(), value.clone())]).unwrap_err(),
                LeafError::Unreadable,
                "{kind:?}: {text:?}"
            );
        }
        if text.is_ascii() {
            let san = SanType::URI(text.try_into().unwrap());
            assert_eq!(
                read(|params| params.subject_alt_names = vec![san]).unwrap_err(),
                LeafError::Unreadable
            );
            let san = SanType::DnsName(text.try_into().unwrap());
            assert_eq!(
                read(|params| params.subject_alt_names = vec![san]).unwrap_err(),
                LeafError::Unreadable
            );
        }
    }
    let by = authority(|params| params.distinguished_name.push(DnType::CommonName, "a\0b"));
    assert_eq!(Leaf::from_der(issue(&by, |_| {}).der()).unwrap_err(), LeafError::Unreadable, "the issuer's");
}

#[test]
fn every_kind_of_alternative_name_is_read() {
    let leaf = read(|params| {
        params.subject_alt_names = vec![
            SanType::DnsName("Worker.acme.test".try_into().unwrap()),
            SanType::URI("spiffe://acme.test/worker".try_into().unwrap()),
            SanType::URI("urn:x".try_into().unwrap()),
            SanType::Rfc822Name("ops@acme.test".try_into().unwrap()),
            SanType::IpAddress("192.0.2.7".parse().unwrap()),
            SanType::IpAddress("2001:db8::7".parse().unwrap()),
            SanType::OtherName((vec![1, 2, 3], rcgen::OtherNameValue::Utf8String("x".to_owned()))),
        ];
    })
    .unwrap();
    assert_eq!(leaf.dns, ["Worker.acme.test"]);
    assert_eq!(leaf.uri, ["spiffe://acme.test/worker", "urn:x"]);
    assert_eq!(leaf.email, ["ops@acme.test"]);
    assert_eq!(leaf.ip, ["192.0.2.7".parse::<std::net::IpAddr>().unwrap(), "2001:db8::7".parse().unwrap()]);
    assert_eq!(leaf.subject, Dn::default(), "a subject may be empty");
}

#[test]
fn serial_and_times_are_told() {
    let leaf = read(|params| {
        params.serial_number = Some(SerialNumber::from_slice(&[0x9a, 0x00, 0x0f]));
        params.not_before = OffsetDateTime::from_unix_timestamp(1_700_000_000).unwrap();
        params.not_after = OffsetDateTime::from_unix_timestamp(1_800_000_000).unwrap();
    })
    .unwrap();
    assert_eq!(
        (leaf.serial.as_str(), leaf.not_before, leaf.not_after),
        ("9a000f", 1_700_000_000, 1_800_000_000)
    );
    assert_eq!(
        [super::leaf::serial(&[0]), super::leaf::serial(&[0, 0x80]), super::leaf::serial(&[])],
        ["00", "80", ""]
    );
}

/// A leaf with everything in it, and every one of its bytes changed and every beginning of it: an answer each.
#[test]
fn hostile_bytes_never_panic() {
    let whole = issue(&authority(|_| {}), |params| {
        params.distinguished_name.push(DnType::CommonName, DnValue::BmpString("Zoë".try_into().unwrap()));
        params.distinguished_name.push(DnType::CustomDnType(vec![1, 2, 3]), "x");
        params.subject_alt_names = vec![
            SanType::URI("urn:x".try_into().unwrap()),
            SanType::IpAddress("192.0.2.7".parse().unwrap()),
            SanType::Rfc822Name("a@b".try_into().unwrap()),
        ];
    });
    let der = whole.der().to_vec();
    assert!(Leaf::from_der(&der).is_ok());
    for length in 0..der.len() {
        assert!(Leaf::from_der(&der[..length]).is_err(), "cut to {length}");
    }
    for at in 0..der.len() {
        for bits in [0x01, 0x20, 0x80, 0xff] {
            let mut bent = der.clone();
            bent[at] ^= bits;
            let _ = Leaf::from_der(&bent);
            let _ = signs_others(&bent);
        }
    }
    let longer = [der.as_slice(), &[0]].concat();
    assert_eq!(Leaf::from_der(&longer).unwrap_err(), LeafError::Damaged);
}

#[test]
fn a_chain_is_verified_as_in_a_handshake() {
    let (ours, other) = (authority(|_| {}), authority(|_| {}));
    let now = OffsetDateTime::now_utc();
    let authorities = Authorities::from_pem(ours.pem().as_bytes()).unwrap();
    let at = |seconds: i64| now.unix_timestamp() + seconds;
    let valid = |params: &mut CertificateParams| {
        params.not_before = now - Duration::minutes(1);
        params.not_after = now + Duration::minutes(1);
    };
    let verified = |by, change: &dyn Fn(&mut CertificateParams), at| {
        let certificate = issue(by, |params| {
            valid(params);
            change(params);
        });
        authorities.verify(&chain(certificate.pem().as_bytes()).unwrap(), at).is_ok()
    };
    assert!(verified(&ours, &|_| {}, at(0)));
    assert!(!verified(&ours, &|_| {}, at(120)), "expired");
    assert!(!verified(&ours, &|_| {}, at(-120)), "not yet valid");
    assert!(!verified(&ours, &|_| {}, -1), "before there was time");
    assert!(!verified(&other, &|_| {}, at(0)), "another authority of the same name");
    let servers = |params: &mut CertificateParams| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    };
    assert!(!verified(&ours, &servers, at(0)), "a server's certificate is not for clients");
    assert!(authorities.verify(&[], at(0)).is_err());
    assert!(authorities.verify(&[ours.der().clone()], at(0)).is_err(), "the authority itself is no client");
}

#[test]
fn an_intermediate_comes_with_the_chain() {
    let root = authority(|_| {});
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, "Intermediate");
    let between = CertifiedIssuer::signed_by(params, Signing::generate().unwrap(), &root).unwrap();
    let own = issue(&between, |_| {});
    let authorities = Authorities::from_pem(root.pem().as_bytes()).unwrap();
    let now = OffsetDateTime::now_utc().unix_timestamp();
    let whole = chain((own.pem() + &between.pem()).as_bytes()).unwrap();
    authorities.verify(&whole, now).unwrap();
    assert!(authorities.verify(&whole[..1], now).is_err());
}

#[test]
fn who_is_no_authority_is_not_taken_for_one() {
    let by = authority(|_| {});
    let client = issue(&by, |_| {}).pem();
    let no_use = authority(|params| params.key_usages = vec![KeyUsagePurpose::DigitalSignature]).pem();
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let key = Signing::generate().unwrap().serialize_pem();
    for (pem, error) in [
        (String::new(), AuthorityError::Nobody),
        ("garbage".to_owned(), AuthorityError::Nobody),
        (key, AuthorityError::Nobody),
        (broken.to_owned(), AuthorityError::Damaged(1)),
        (by.pem() + broken, AuthorityError::Damaged(2)),
        (by.pem() + "-----BEGIN CERTIFICATE-----\nMIIB", AuthorityError::Damaged(2)),
        (client.clone(), AuthorityError::NotAnAuthority(1)),
        (by.pem() + &client, AuthorityError::NotAnAuthority(2)),
        (no_use, AuthorityError::NotAnAuthority(1)),
    ] {
        assert_eq!(Authorities::from_pem(pem.as_bytes()).unwrap_err(), error, "{pem}");
    }
    let both = authority(|params| params.distinguished_name.push(DnType::CommonName, "Other")).pem();
    assert_eq!(
        Authorities::from_pem((by.pem() + &both).as_bytes()).unwrap().verifier().root_hint_subjects().len(),
        2
    );
}
