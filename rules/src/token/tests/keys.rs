//! Keys that are taken, keys that are left out, and keys that are an error.

use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::signature::RsaPublicKeyComponents;
use base64::engine::general_purpose::STANDARD;
use rcgen::PKCS_ECDSA_P521_SHA512;

use super::*;

const ES: Algorithm = Algorithm::Es256;

fn pem(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
}

fn rsa_pem(modulus_bytes: usize, exponent: u8) -> String {
    let n = vec![0xc5; modulus_bytes];
    let der: PublicKeyX509Der = RsaPublicKeyComponents { n, e: vec![exponent] }.as_der().unwrap();
    pem("PUBLIC KEY", der.as_ref())
}

#[test]
fn secrets_are_at_least_as_long_as_the_hash() {
    for (algorithm, needed) in [(Algorithm::Hs256, 32), (Algorithm::Hs384, 48), (Algorithm::Hs512, 64)] {
        assert!(KeySet::from_secret(&vec![7; needed], &[algorithm]).is_ok());
        let why = KeySet::from_secret(&vec![7; needed - 1], &[algorithm]).unwrap_err().to_string();
        assert!(why.contains(&format!("{algorithm} needs {needed}")), "{why}");
    }
    assert!(KeySet::from_secret(&[7; 40], &[Algorithm::Hs256, Algorithm::Hs512]).is_err());
    assert!(KeySet::from_secret(SECRET, &[]).is_err());
    assert!(KeySet::from_secret(SECRET, &[Algorithm::Hs256, ES]).is_err(), "a mixture invites confusion");
}

#[test]
fn pem_is_one_public_key() {
    let public = P256.public_pem();
    let private = P256.pair.as_ref().unwrap().serialize_pem();
    let rs = Algorithm::Rs256;
    let p521 = KeyPair::generate_for(&PKCS_ECDSA_P521_SHA512).unwrap().public_key_pem();
    for (pem, algorithm, sentence) in [
        (private.clone(), ES, "this is a private key"),
        (public.clone() + &private, ES, "this is a private key"),
        (RSA.pair.as_ref().unwrap().serialize_pem(), rs, "this is a private key"),
        (public.clone() + &public, ES, "more than one key"),
        (public.clone(), rs, "none of the algorithms"),
        (public.clone(), Algorithm::Es384, "none of the algorithms"),
        (RSA.public_pem(), Algorithm::Hs256, "a public key cannot verify HS256"),
        (rsa_pem(128, 3), rs, "the RSA key has 1024 bits"),
        (rsa_pem(255, 3), rs, "the RSA key has 2040 bits"),
        (rsa_pem(256, 1), rs, "exponent is unsafe"),
        (rsa_pem(256, 4), rs, "exponent is unsafe"),
        (p521, ES, "unsupported kind"),
        (pem("PUBLIC KEY", &[0x30, 0x03, 1, 2, 3]), ES, "damaged"),
        (pem("CERTIFICATE", &[0x30, 0x03, 1, 2, 3]), ES, "damaged"),
        ("-----BEGIN PUBLIC KEY-----\n!!\n-----END PUBLIC KEY-----\n".to_owned(), ES, "not well-formed PEM"),
        (String::new(), ES, "there is no public key"),
        ("garbage".to_owned(), ES, "there is no public key"),
    ] {
        let why = KeySet::from_pem(pem.as_bytes(), &[algorithm]).unwrap_err().to_string();
        assert!(why.contains(sentence), "{sentence}: {why}");
    }
    assert!(KeySet::from_pem(rsa_pem(256, 3).as_bytes(), &[rs]).is_ok());
}

#[test]
fn what_is_not_for_us_in_a_set_is_left_out() {
    let odd = |members: Value| P256.jwk(ES, members);
    let good = odd(json!({"kid": "good"}));
    let x = URL_SAFE_NO_PAD.encode([7; 32]);
    let n = |bytes: usize| URL_SAFE_NO_PAD.encode(vec![0xc5; bytes]);
    let k = URL_SAFE_NO_PAD.encode(SECRET);
    for (key, reason) in [
        (odd(json!({"use": "enc"})), "its `use` is not `sig`"),
        (odd(json!({"key_ops": ["sign"]})), "its `key_ops` do not include `verify`"),
        (odd(json!({"key_ops": "verify"})), "its `key_ops` do not include `verify`"),
        (odd(json!({"alg": "ES384"})), "its `alg` is not one of"),
        (odd(json!({"alg": "RS256"})), "none of the algorithms"),
        (odd(json!({"alg": "none"})), "its `alg` is not one of"),
        (odd(json!({"alg": 1})), "its `alg` is not a string"),
        (odd(json!({"kid": 1})), "its `kid` is not a string"),
        (odd(json!({"kty": null})), "it has no `kty`"),
        (odd(json!({"kty": "RSA"})), "it has no `n`"),
        (odd(json!({"crv": "P-521"})), "its kind is unsupported"),
        (odd(json!({"crv": "secp256k1"})), "its kind is unsupported"),
        (odd(json!({"x": x, "y": x, "alg": null})), "not a point of its curve"),
        (odd(json!({"x": URL_SAFE_NO_PAD.encode([7; 31])})), "its `x` does not have 32 bytes"),
        (odd(json!({"x": "!"})), "its `x` is not unpadded base64url"),
        (odd(json!({"d": x})), "it is a private key"),
        (json!({"kty": "OKP", "crv": "X25519", "x": x}), "its kind is unsupported"),
        (json!({"kty": "OKP", "crv": "Ed25519", "x": "AAAA", "alg": "EdDSA"}), "its `alg` is not one of"),
        (json!({"kty": "RSA", "n": n(128), "e": "AQAB"}), "the RSA key has 1024 bits"),
        (json!({"kty": "RSA", "n": n(1025), "e": "AQAB"}), "the RSA key has 8200 bits"),
        (json!({"kty": "RSA", "n": n(256), "e": "AQ"}), "exponent is unsafe"),
        (json!({"kty": "RSA", "n": n(256), "e": ""}), "exponent is unsafe"),
        (json!({"kty": "oct", "k": k}), "it is a shared secret"),
        (json!("text"), "it is not a JSON object"),
    ] {
        let allowed = [ES, Algorithm::Rs256, Algorithm::Hs256];
        let set = jwks(&[key.clone(), good.clone()], &allowed).unwrap();
        assert_eq!((set.len(), set.skipped().len()), (1, 1), "{key}");
        assert!(
            set.skipped()[0].starts_with("key 1 is left out") && set.skipped()[0].contains(reason),
            "{set:?}"
        );
        let why = jwks(&[key], &allowed).unwrap_err().to_string();
        assert!(why.starts_with("the key set has no usable key") && why.contains(reason), "{why}");
    }
}

#[test]
fn the_algorithm_of_a_jwk_pins_it() {
    let allowed = [Algorithm::Rs256, Algorithm::Ps256];
    let pinned = jwks(&[RSA.jwk(Algorithm::Rs256, json!({"alg": "PS256"}))], &allowed).unwrap();
    assert_eq!(pinned.algorithms(), [Algorithm::Ps256]);
    let free = jwks(&[RSA.jwk(Algorithm::Rs256, json!({"alg": null}))], &allowed).unwrap();
    assert_eq!(free.algorithms(), allowed);
    let token = RSA.sign(Algorithm::Rs256, json!({}), json!({}));
    assert!(verifier(free).verify(&token, NOW).is_ok());
    assert!(verifier(pinned).verify(&token, NOW).is_err());
}

#[test]
fn sets_that_are_an_error() {
    let key = |kid: &str| P256.jwk(ES, json!({"kid": kid}));
    let said = |json: &str| KeySet::from_jwks(json.as_bytes(), &[ES], false).unwrap_err().to_string();
    assert!(jwks(&[key("a"), key("a")], &[ES]).unwrap_err().to_string().contains("same `kid`"));
    assert!(jwks(&[], &[ES]).unwrap_err().to_string().contains("it is empty"));
    assert!(jwks(&vec![key("a"); 129], &[ES]).unwrap_err().to_string().contains("more than 128 keys"));
    assert!(said("{}").contains("no list `keys`"));
    assert!(said(r#"{"keys":{}}"#).contains("no list `keys`"));
    assert!(said(r#"{"keys":[],"keys":[]}"#).contains("not a JSON object whose names differ"));
    assert!(said(r#"{"keys":[{"kty":"EC","kty":"oct"}]}"#).contains("not a JSON object whose names differ"));
    assert!(said("<html>").contains("not a JSON object"));
}

#[test]
fn too_many_keys_without_a_name_are_not_tried() {
    let keys: Vec<_> = (0..5).map(|nth| fresh().jwk(ES, json!({"kid": nth.to_string()}))).collect();
    let token = P256.sign(ES, json!({}), json!({}));
    let fault = |keys: &[Value]| verifier(jwks(keys, &[ES]).unwrap()).verify(&token, NOW).unwrap_err();
    assert_eq!(fault(&keys).private, "too many keys could be meant by the token");
    assert_eq!(fault(&keys[..4]).private, "the signature does not verify");
}

#[test]
fn expectations_are_never_empty() {
    let compile = |issuer: &str, audience: &[&str], leeway| {
        let audience = audience.iter().map(|&one| one.to_owned()).collect();
        Verifier::compile(issuer, audience, leeway).is_ok()
    };
    assert!(compile(ISSUER, &["api"], MAX_LEEWAY));
    assert!(!compile("", &["api"], 0));
    assert!(!compile(ISSUER, &[], 0));
    assert!(!compile(ISSUER, &["api", ""], 0));
    assert!(!compile(ISSUER, &["api"], MAX_LEEWAY + 1));
}

#[test]
fn algorithms_have_one_spelling() {
    for &algorithm in Algorithm::ALL {
        assert_eq!(algorithm.name().parse(), Ok(algorithm));
        assert_eq!(json!(algorithm), algorithm.name());
        assert_eq!(serde_json::from_value::<Algorithm>(json!(algorithm.name())).unwrap(), algorithm);
    }
    assert!("none".parse::<Algorithm>().is_err() && "hs256".parse::<Algorithm>().is_err());
    assert!(UnknownAlgorithm.to_string().contains("EdDSA"));
}

#[test]
fn no_secret_is_printed() {
    let printed = format!("{:?}", verifier(HMAC.keys(&[Algorithm::Hs256])));
    assert!(printed.contains("HS256") && printed.len() < 300, "{printed}");
}
