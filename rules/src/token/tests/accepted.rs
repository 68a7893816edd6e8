//! What must pass.

use super::*;

#[test]
fn every_algorithm_is_accepted_from_every_kind_of_key_set() {
    for &algorithm in Algorithm::ALL {
        let signing = signing(algorithm);
        let token = signing.sign(algorithm, json!({"kid": "k1"}), json!({}));
        let set = if algorithm.is_symmetric() {
            let k = URL_SAFE_NO_PAD.encode(SECRET);
            let set = json!({"keys": [{"kty": "oct", "kid": "k1", "k": k}]}).to_string();
            KeySet::from_jwks(set.as_bytes(), &[algorithm], true).unwrap()
        } else {
            jwks(&[signing.jwk(algorithm, json!({"kid": "k1"}))], &[algorithm]).unwrap()
        };
        for keys in [signing.keys(&[algorithm]), set] {
            assert_eq!(keys.algorithms(), [algorithm]);
            let claims = verifier(keys).verify(&token, NOW).unwrap();
            assert_eq!(claims.until(), NOW + 60 + i64::from(LEEWAY), "{algorithm}");
            assert_eq!(claims.object()["sub"], "u1");
        }
    }
}

#[test]
fn a_key_in_a_certificate_is_read() {
    let pair = KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec!["issuer.test".to_owned()]).unwrap();
    let pem = params.self_signed(&pair).unwrap().pem();
    let keys = KeySet::from_pem(pem.as_bytes(), &[Algorithm::Es256, Algorithm::Rs256]).unwrap();
    let token = Signing::of(pair).sign(Algorithm::Es256, json!({}), json!({}));
    assert!(verifier(keys).verify(&token, NOW).is_ok());
}

#[test]
fn variations_that_mean_the_same() {
    let verifier = verifier(P256.keys(&[Algorithm::Es256]));
    for (header, claims) in [
        (json!({"typ": null}), json!({})),
        (json!({"typ": "at+jwt"}), json!({})),
        (json!({"typ": "application/AT+JWT"}), json!({})),
        (json!({"kid": "a key from a PEM has no name"}), json!({})),
        (json!({}), json!({"aud": ["other", "api"]})),
        (json!({}), json!({"aud": "web"})),
        (json!({}), json!({"exp": 1_800_000_060.75})),
        (json!({}), json!({"exp": NOW - i64::from(LEEWAY) + 1})),
        (json!({}), json!({"nbf": NOW + i64::from(LEEWAY)})),
        (json!({}), json!({"iat": NOW + i64::from(LEEWAY)})),
        (json!({}), json!({"nbf": null, "iat": null})),
    ] {
        let token = P256.sign(Algorithm::Es256, header.clone(), claims.clone());
        assert_eq!(verifier.verify(&token, NOW).err(), None, "{header} {claims}");
    }
}

#[test]
fn without_kid_the_keys_for_the_algorithm_are_tried() {
    let first = fresh();
    let keys =
        [first.jwk(Algorithm::Es256, json!({"kid": "a"})), P256.jwk(Algorithm::Es256, json!({"kid": "b"}))];
    let verifier = verifier(jwks(&keys, &[Algorithm::Es256]).unwrap());
    for signing in [&first, &*P256] {
        assert!(verifier.verify(&signing.sign(Algorithm::Es256, json!({}), json!({})), NOW).is_ok());
    }
}

#[test]
fn eight_kibibytes_are_read_and_no_more() {
    let verifier = verifier(HMAC.keys(&[Algorithm::Hs256]));
    let longest = |pad: usize| HMAC.sign(Algorithm::Hs256, json!({}), json!({"pad": "x".repeat(pad)}));
    let (mut inside, mut outside) = (false, false);
    for pad in 5800..6000 {
        let token = longest(pad);
        let fault = verifier.verify(&token, NOW).err();
        if token.len() <= MAX_TOKEN {
            inside |= token.len() > MAX_TOKEN - 3;
            assert_eq!(fault, None);
        } else {
            outside |= token.len() < MAX_TOKEN + 4;
            assert_eq!(fault.unwrap().private, "the token is longer than 8 KiB");
        }
    }
    assert!(inside && outside, "the loop must cross the limit");
}

#[test]
fn claims_tell_for_how_long_they_hold() {
    let verifier = verifier(HMAC.keys(&[Algorithm::Hs256]));
    let leeway = i64::from(LEEWAY);
    for (times, from) in [
        (json!({"nbf": NOW - 5, "iat": NOW - 9}), NOW - 5 - leeway),
        (json!({"nbf": NOW - 9, "iat": NOW - 5}), NOW - 5 - leeway),
        (json!({"nbf": null, "iat": NOW}), NOW - leeway),
    ] {
        let token = HMAC.sign(Algorithm::Hs256, json!({}), times);
        let claims = verifier.verify(&token, NOW).unwrap();
        assert_eq!((claims.from(), claims.until()), (from, NOW + 60 + leeway));
        for (now, held) in
            [(from, true), (from - 1, false), (claims.until() - 1, true), (claims.until(), false)]
        {
            assert_eq!(verifier.verify(&token, now).is_ok(), held, "{now}");
        }
    }
}
