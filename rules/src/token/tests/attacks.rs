//! What must not pass, and for which reason: a refusal for another reason would hide a hole.

use super::*;

const ES: Algorithm = Algorithm::Es256;

/// The verifier under attack: an ECDSA key `k1`, an RSA key `k2`, and only ES256 and RS256 allowed.
static VERIFIER: LazyLock<Checks> = LazyLock::new(|| {
    let keys = [P256.jwk(ES, json!({"kid": "k1"})), RSA.jwk(Algorithm::Rs256, json!({"kid": "k2"}))];
    verifier(jwks(&keys, &[ES, Algorithm::Rs256]).unwrap())
});

fn refuse(rows: Vec<(&str, String, &str)>) {
    for (attack, token, reason) in rows {
        let fault = VERIFIER.verify(&token, NOW).expect_err(attack);
        assert_eq!(fault.private, reason, "{attack}");
        let expected = if reason.contains("`exp` is past") { Code::TokenExpired } else { Code::TokenInvalid };
        assert_eq!(fault.code, expected, "{attack}");
        assert_eq!(fault.unknown_key, reason.contains("no key has"), "{attack}");
    }
}

fn es(header: Value, claims: Value) -> String {
    P256.sign(ES, header, claims)
}

fn good() -> String {
    es(json!({"kid": "k1"}), json!({}))
}

#[test]
fn the_verifier_under_attack_accepts_its_own() {
    assert!(VERIFIER.verify(&good(), NOW).is_ok());
    assert!(VERIFIER.verify(&RSA.sign(Algorithm::Rs256, json!({"kid": "k2"}), json!({})), NOW).is_ok());
}

#[test]
fn algorithms() {
    const NEVER: &str = "`alg` is missing or none that is ever accepted";
    const UNMEANT: &str = "no key is meant for the token's `alg`";
    let unsigned = |alg: Value| {
        let token = es(json!({"alg": alg}), json!({}));
        format!("{}.", token.rsplit_once('.').unwrap().0)
    };
    let mut rows: Vec<_> =
        ["none", "None", "NONE", "nOnE", "", "es256", "ES256 ", "ES512", "ES256K", "HS1", "RSA"]
            .map(|alg| ("an algorithm that is none", unsigned(json!(alg)), NEVER))
            .into();
    for alg in [json!(null), json!(["ES256"]), json!(0), json!({"ES256": 1})] {
        rows.push(("an algorithm that is no string", unsigned(alg), NEVER));
    }
    rows.push(("the signature left out", unsigned(json!("ES256")), "the signature does not verify"));

    let public_as_secret = Signing::secret(RSA.public_pem().as_bytes());
    for (alg, kid) in [(Algorithm::Hs256, "k1"), (Algorithm::Hs256, "k2"), (Algorithm::Hs512, "k2")] {
        let token = public_as_secret.sign(alg, json!({"kid": kid}), json!({}));
        rows.push(("HMAC with the public key as its secret", token, UNMEANT));
    }
    rows.push(("HMAC, and no kid", public_as_secret.sign(Algorithm::Hs256, json!({}), json!({})), UNMEANT));
    for alg in [Algorithm::Rs384, Algorithm::Ps256] {
        rows.push(("another algorithm of the key", RSA.sign(alg, json!({"kid": "k2"}), json!({})), UNMEANT));
    }
    rows.push((
        "the other key's algorithm",
        RSA.sign(Algorithm::Rs256, json!({"kid": "k1"}), json!({})),
        UNMEANT,
    ));
    rows.push((
        "the header says another algorithm",
        RSA.sign_raw(Algorithm::Ps256, r#"{"alg":"RS256","kid":"k2"}"#, &good_claims().to_string()),
        "the signature does not verify",
    ));
    refuse(rows);
}

#[test]
fn keys() {
    const FORGED: &str = "the signature does not verify";
    const UNKNOWN: &str = "no key has the token's `kid`";
    let other = fresh();
    let own = other.jwk(ES, json!({}));
    let forged = |header: Value| other.sign(ES, header, json!({}));
    refuse(vec![
        ("another key", forged(json!({"kid": "k1"})), FORGED),
        ("another key, unnamed", forged(json!({})), FORGED),
        ("its own jwk", forged(json!({"kid": "k1", "jwk": own.clone()})), FORGED),
        ("its own jwk, unnamed", forged(json!({"jwk": own})), FORGED),
        ("its own jku", forged(json!({"kid": "k1", "jku": "https://evil.test/jwks"})), FORGED),
        ("its own x5u", forged(json!({"kid": "k1", "x5u": "https://evil.test/x"})), FORGED),
        ("its own x5c", forged(json!({"kid": "k1", "x5c": ["AAAA"]})), FORGED),
        ("an unknown kid", es(json!({"kid": "k9"}), json!({})), UNKNOWN),
        ("an empty kid", es(json!({"kid": ""}), json!({})), UNKNOWN),
        ("a kid with a path", es(json!({"kid": "../../dev/null"}), json!({})), UNKNOWN),
        ("a kid that is a list", es(json!({"kid": ["k1"]}), json!({})), "`kid` is not a string"),
        ("an all-zero ECDSA signature", zeros(), FORGED),
    ]);
    // Our own key next to an embedded one that is ignored: still ours.
    let token = es(json!({"kid": "k1", "jwk": other.jwk(ES, json!({}))}), json!({}));
    assert!(VERIFIER.verify(&token, NOW).is_ok());
}

/// CVE-2022-21449.
fn zeros() -> String {
    let token = good();
    format!("{}.{}", token.rsplit_once('.').unwrap().0, URL_SAFE_NO_PAD.encode([0; 64]))
}

#[test]
fn headers() {
    const TYPE: &str = "`typ` is not that of an access token";
    const SEEM: &str = "`b64`, `zip` or `enc` says that the claims are not what they seem";
    const TWICE: &str = "the header is not a JSON object whose names differ";
    let raw = |header: &str| P256.sign_raw(ES, header, &good_claims().to_string());
    refuse(vec![
        ("crit", es(json!({"crit": ["exp"], "exp": 1}), json!({})), CRIT),
        ("an empty crit", es(json!({"crit": []}), json!({})), CRIT),
        ("b64", es(json!({"crit": ["b64"], "b64": false}), json!({})), CRIT),
        ("b64 alone", es(json!({"b64": false}), json!({})), SEEM),
        ("b64 as it is anyway", es(json!({"b64": true}), json!({})), SEEM),
        ("zip", es(json!({"zip": "DEF"}), json!({})), SEEM),
        ("enc", es(json!({"enc": "A128GCM"}), json!({})), SEEM),
        ("a logout token", es(json!({"typ": "logout+jwt"}), json!({})), TYPE),
        ("a typ that is a number", es(json!({"typ": 1}), json!({})), TYPE),
        ("alg twice", raw(r#"{"alg":"none","alg":"ES256"}"#), TWICE),
        ("kid twice", raw(r#"{"alg":"ES256","kid":"k2","kid":"k1"}"#), TWICE),
        ("alg twice, escaped", raw(r#"{"alg":"ES256","\u0061lg":"none"}"#), TWICE),
        ("a list", raw(r#"["ES256"]"#), TWICE),
        ("an empty header", raw(""), TWICE),
        ("a header and more", raw(r#"{"alg":"ES256"}{}"#), TWICE),
        ("no alg", raw("{}"), "`alg` is missing or none that is ever accepted"),
    ]);
}

const CRIT: &str = "`crit` asks for an extension, and none is known here";

#[test]
fn parties() {
    const AUD: &str = "`aud` is neither a string nor a list of strings";
    const OTHERS: &str = "`aud` names none of the audiences";
    const ISS: &str = "`iss` is another issuer";
    let claims = |claims: Value| es(json!({"kid": "k1"}), claims);
    refuse(vec![
        ("no iss", claims(json!({"iss": null})), "`iss` is missing"),
        ("another iss", claims(json!({"iss": "https://evil.test/"})), ISS),
        ("iss without its slash", claims(json!({"iss": "https://issuer.test"})), ISS),
        ("iss in capitals", claims(json!({"iss": "https://ISSUER.test/"})), ISS),
        ("iss and more", claims(json!({"iss": "https://issuer.test/x"})), ISS),
        ("a list of issuers", claims(json!({"iss": [ISSUER]})), "`iss` is not a string"),
        ("no aud", claims(json!({"aud": null})), "`aud` is missing"),
        ("another aud", claims(json!({"aud": "billing"})), OTHERS),
        ("aud with a prefix of ours", claims(json!({"aud": "ap"})), OTHERS),
        ("aud in one string", claims(json!({"aud": "web api"})), OTHERS),
        ("no audiences", claims(json!({"aud": []})), OTHERS),
        ("an aud that is a number", claims(json!({"aud": 1})), AUD),
        ("an aud that is no list of strings", claims(json!({"aud": ["api", 1]})), AUD),
        ("an aud that is an object", claims(json!({"aud": {"api": 1}})), AUD),
    ]);
}

#[test]
fn times() {
    const BAD: &str = "`exp`, `nbf` or `iat` is not a time in seconds";
    const PAST: &str = "`exp` is past";
    let claims = |claims: Value| es(json!({"kid": "k1"}), claims);
    let leeway = i64::from(LEEWAY);
    refuse(vec![
        ("no exp", claims(json!({"exp": null})), "`exp` is missing"),
        ("just expired", claims(json!({"exp": NOW - leeway})), PAST),
        ("just expired, with a fraction", claims(json!({"exp": 1_799_999_970.9})), PAST),
        ("long expired", claims(json!({"exp": 0})), PAST),
        ("before the epoch", claims(json!({"exp": -1})), PAST),
        ("exp in a string", claims(json!({"exp": "1900000000"})), BAD),
        ("exp in milliseconds", claims(json!({"exp": NOW * 1000})), BAD),
        ("a huge exp", claims(json!({"exp": u64::MAX})), BAD),
        ("a huger exp", claims(json!({"exp": 1e300})), BAD),
        ("exp true", claims(json!({"exp": true})), BAD),
        ("not yet", claims(json!({"nbf": NOW + leeway + 1})), "`nbf` is in the future"),
        ("nbf in a string", claims(json!({"nbf": "0"})), BAD),
        ("from the future", claims(json!({"iat": NOW + leeway + 1})), "`iat` is in the future"),
        ("iat in a list", claims(json!({"iat": [0]})), BAD),
    ]);
}

#[test]
fn claims() {
    const TWICE: &str = "the claims are not a JSON object whose names differ";
    let raw = |claims: &str| P256.sign_raw(ES, r#"{"alg":"ES256","kid":"k1"}"#, claims);
    let good = good_claims().to_string();
    let with = |more: &str| raw(&good.replacen('{', &format!("{{{more},"), 1));
    refuse(vec![
        ("sub twice", with(r#""sub":"admin""#), TWICE),
        ("exp twice", with(r#""exp":1900000000"#), TWICE),
        ("twice, escaped", with(r#""s\u0075b":"admin""#), TWICE),
        ("twice, deeper", with(r#""act":{"sub":"a","sub":"b"}"#), TWICE),
        ("a list", raw("[]"), TWICE),
        ("nothing", raw(""), TWICE),
        ("claims and more", raw(&format!("{good}x")), TWICE),
    ]);
}

#[test]
fn shapes() {
    const SHAPE: &str = "the token is not three parts of unpadded base64url";
    let token = good();
    let parts: Vec<&str> = token.split('.').collect();
    let [header, payload, signature] = parts[..] else { panic!() };
    let standard = base64::engine::general_purpose::STANDARD_NO_PAD;
    // Bytes that the two alphabets spell differently.
    let odd = standard.encode([0xfb, 0xff, 0xbf]);
    let mut rows = vec![
        ("nothing", String::new(), SHAPE),
        ("dots", "..".to_owned(), "the header is not a JSON object whose names differ"),
        ("one dot", format!("{header}.{payload}"), SHAPE),
        ("three dots", format!("{token}.{signature}"), SHAPE),
        ("four dots: a JWE", format!("{token}.{signature}.{signature}"), SHAPE),
        ("a dot before", format!(".{token}"), SHAPE),
        ("a dot after", format!("{token}."), SHAPE),
        ("padding", format!("{token}=="), SHAPE),
        ("padding in the header", format!("{header}=.{payload}.{signature}"), SHAPE),
        ("the standard alphabet", format!("{header}.{payload}.{odd}"), SHAPE),
        ("too long", "x".repeat(MAX_TOKEN + 1), "the token is longer than 8 KiB"),
        ("not ASCII", format!("{token}é"), SHAPE),
    ];
    for stray in [" ", "\n", "\t", "\0", "%", ",", "!"] {
        rows.push(("stray bytes after", format!("{token}{stray}"), SHAPE));
        rows.push(("stray bytes before", format!("{stray}{token}"), SHAPE));
        rows.push(("stray bytes inside", format!("{header}{stray}.{payload}.{signature}"), SHAPE));
    }
    refuse(rows);
    assert!(VERIFIER.verify(&format!("{token}AAAA"), NOW).is_err(), "more base64url after the signature");
}
