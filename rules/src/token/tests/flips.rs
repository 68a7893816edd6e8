//! Whatever arrives: no panic, and no token but the one that was signed.

use proptest::prelude::*;

use super::*;

#[test]
fn a_token_with_any_bit_flipped_is_refused() {
    for &algorithm in Algorithm::ALL {
        let verifier = verifier(signing(algorithm).keys(&[algorithm]));
        let token = signing(algorithm).sign(algorithm, json!({"kid": "k1"}), json!({}));
        assert!(verifier.verify(&token, NOW).is_ok());
        for bit in 0..token.len() * 8 {
            let mut bytes = token.clone().into_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            if let Ok(flipped) = String::from_utf8(bytes) {
                assert!(verifier.verify(&flipped, NOW).is_err(), "{algorithm}, bit {bit}");
            }
        }
    }
}

static VERIFIER: LazyLock<Checks> =
    LazyLock::new(|| verifier(HMAC.keys(&[Algorithm::Hs256, Algorithm::Hs384])));

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (NOW - 100..NOW + 100).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        Just(json!(ISSUER)),
        Just(json!("api")),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..3)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn arbitrary_text_is_refused(text in ".{0,200}") {
        prop_assert!(VERIFIER.verify(&text, NOW).is_err());
    }

    #[test]
    fn arbitrary_parts_are_refused(
        header in prop::collection::vec(any::<u8>(), 0..60),
        payload in json_value(),
        signature in prop::collection::vec(any::<u8>(), 0..80),
    ) {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let (payload, signature) = (encode(payload.to_string().as_bytes()), encode(&signature));
        for header in [encode(&header), encode(br#"{"alg":"HS256"}"#)] {
            let token = format!("{header}.{payload}.{signature}");
            prop_assert!(VERIFIER.verify(&token, NOW).is_err());
        }
    }

    /// Signed, so that the claims are read: who passes has them all.
    #[test]
    fn who_passes_has_every_required_claim(
        iss in json_value(), aud in json_value(), exp in json_value(), nbf in json_value(), iat in json_value(),
        now in prop_oneof![Just(NOW), any::<i64>()],
    ) {
        let claims = json!({"iss": iss, "aud": aud, "exp": exp, "nbf": nbf, "iat": iat});
        let token = HMAC.sign_raw(Algorithm::Hs256, r#"{"alg":"HS256"}"#, &claims.to_string());
        if let Ok(passed) = VERIFIER.verify(&token, now) {
            prop_assert_eq!(&claims["iss"], ISSUER);
            prop_assert!(claims["aud"].to_string().contains("api"));
            prop_assert!((passed.from()..passed.until()).contains(&now));
        }
    }

    #[test]
    fn arbitrary_key_material_is_refused(bytes in prop::collection::vec(any::<u8>(), 0..200), value in json_value()) {
        prop_assert!(KeySet::from_pem(&bytes, Algorithm::ALL).is_err());
        prop_assert!(KeySet::from_pem(&bytes, &[Algorithm::Es256]).is_err());
        prop_assert!(KeySet::from_jwks(&bytes, Algorithm::ALL, true).is_err());
        let set = json!({"keys": [{"kty": value, "n": value, "x": value, "crv": "P-256"}]}).to_string();
        prop_assert!(KeySet::from_jwks(set.as_bytes(), Algorithm::ALL, true).is_err());
    }

    #[test]
    fn claim_paths_never_panic(text in ".{0,30}", value in json_value()) {
        if let (Ok(path), Value::Object(object)) = (ClaimPath::parse(&text), json!({"a": value})) {
            let claims = Claims::new(object, 0, 1);
            let _ = path.find(claims.object());
        }
    }
}
