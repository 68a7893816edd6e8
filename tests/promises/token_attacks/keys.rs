//! Whose signature it is, and made how.

use super::*;

#[tokio::test]
async fn algorithms_are_not_chosen_by_the_token() {
    let mut family = Family::default();
    for alg in [
        "none",
        "None",
        "NONE",
        "nOnE",
        "none ",
        " none",
        "n\u{6f}ne\u{0}",
        "",
        "es256",
        "ES256 ",
        "RSA",
        "HS1",
    ] {
        let token = header(&json!({ "alg": alg }));
        let (signed, _) = token.rsplit_once('.').unwrap();
        family.bad(format!("alg {alg:?}, unsigned"), format!("{signed}."));
        family.bad(format!("alg {alg:?}, signed all the same"), token);
    }
    for alg in [json!(["ES256"]), json!(0), json!({ "ES256": 1 }), json!(true)] {
        family.bad(format!("alg {alg}"), header(&json!({ "alg": alg })));
    }
    family.bad("alg null", raw_header(r#"{"alg":null,"kid":"p256"}"#));
    family.bad("no alg", header(&json!({ "alg": null })));
    family.bad("the classic", Issuer.unsigned(&json!({})));
    for algorithm in [RS, ES] {
        let pem = Issuer.public_pem(algorithm);
        let jwks = Issuer.jwks(&[algorithm]);
        let set: Value = serde_json::from_str(&jwks).unwrap();
        let base64: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
        let x = set["keys"][0].get("n").or(set["keys"][0].get("x")).and_then(Value::as_str).unwrap();
        let secrets: [(&str, Vec<u8>); 10] = [
            ("PEM", pem.clone().into_bytes()),
            ("PEM without its last line break", pem.trim_end().as_bytes().to_vec()),
            ("PEM with CRLF", pem.replace('\n', "\r\n").into_bytes()),
            ("DER", Issuer.public_der(algorithm)),
            ("base64", base64.into_bytes()),
            ("JWK", set["keys"][0].to_string().into_bytes()),
            ("JWKS", jwks.clone().into_bytes()),
            ("modulus or coordinate", URL_SAFE_NO_PAD.decode(x).unwrap()),
            ("the same as text", x.as_bytes().to_vec()),
            ("nothing", Vec::new()),
        ];
        for (what, secret) in secrets {
            for kid in [set["keys"][0]["kid"].clone(), Value::Null] {
                let header = Issuer.header(Algorithm::HS256, &json!({ "kid": kid })).to_string();
                let token = Issuer.keyed(&secret, header.as_bytes(), good_claims().as_bytes());
                family.bad(format!("HS256 keyed with {algorithm:?}'s {what}"), token);
            }
        }
    }
    for (other, says) in
        [(Algorithm::PS256, "PS256"), (Algorithm::RS384, "RS384"), (Algorithm::PS256, "RS256")]
    {
        let header = Issuer.header(RS, &json!({ "alg": says })).to_string();
        let token = Issuer.raw(other, header.as_bytes(), good_claims().as_bytes());
        family.bad(format!("{other:?} under the name of {says}"), token);
    }
    family.bad("ES256 with the RSA key's kid", header(&json!({ "kid": "rsa" })));
    family.bad("a key of a family that is not there", Issuer.sign(Algorithm::EdDSA, &json!({})));
    family
        .good("ES256", good())
        .good("RS256", Issuer.sign(RS, &json!({})))
        .good("no kid", header(&json!({ "kid": null })));
    family.strike().await;
}

#[tokio::test]
async fn keys_are_not_chosen_by_the_token() {
    let mut family = Family::default();
    let other = rcgen::KeyPair::generate().unwrap();
    let point = other.public_key_raw();
    let part = |range: std::ops::Range<usize>| URL_SAFE_NO_PAD.encode(&point[range]);
    let jwk = json!({ "kty": "EC", "crv": "P-256", "x": part(1..33), "y": part(33..65), "kid": "p256" });
    let certificate = rcgen::CertificateParams::default().self_signed(&other).unwrap();
    let x5c = json!([STANDARD.encode(certificate.der())]);
    let forged = |changes: &Value| {
        let header = Issuer.header(ES, changes).to_string();
        let text = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(good_claims()));
        let key = jsonwebtoken::EncodingKey::from_ec_pem(other.serialize_pem().as_bytes()).unwrap();
        format!("{text}.{}", jsonwebtoken::crypto::sign(text.as_bytes(), &key, ES).unwrap())
    };
    for kid in [json!("p256"), json!("new"), Value::Null] {
        for (name, value) in [
            ("nothing", Value::Null),
            ("jwk", jwk.clone()),
            ("jku", json!("https://evil.example.test/jwks.json")),
            ("jku", json!("http://127.0.0.1:9/jwks.json")),
            ("jku", json!("file:///dev/null")),
            ("x5u", json!("https://evil.example.test/chain.pem")),
            ("x5c", x5c.clone()),
            ("x5t#S256", json!("AAAA")),
        ] {
            family.bad(
                format!("its own key by {name}, kid {kid}"),
                forged(&json!({ name: value, "kid": kid })),
            );
        }
    }
    for kid in [
        "../../../../dev/null",
        "/dev/null",
        "file:///dev/null",
        "p256/../rsa",
        "p256\u{0}",
        "p256\u{0}.pem",
        "p256 ",
        "P256",
        "",
        "' UNION SELECT 'secret' -- ",
        "p256' OR '1'='1",
        "p256;rsa",
        "p256|id",
        "$(id)",
        "{{7*7}}",
        "%70256",
        "p*",
        "keys/jwks.json",
    ] {
        family.bad(format!("kid {kid:?}"), header(&json!({ "kid": kid })));
        let emptied = Issuer.header(Algorithm::HS256, &json!({ "kid": kid })).to_string();
        family.bad(
            format!("kid {kid:?}, keyed with nothing"),
            Issuer.keyed(b"", emptied.as_bytes(), good_claims().as_bytes()),
        );
    }
    for kid in [r#"["p256"]"#, "256", "null", r#"{"p256":1}"#, "true"] {
        family.bad(format!("kid {kid}"), raw_header(format!(r#"{{"alg":"ES256","kid":{kid}}}"#)));
    }
    family.bad("a long kid", header(&json!({ "kid": "p256".repeat(500) })));
    family.good("its own kid", good());
    family.good(
        "somebody's jwk beside our signature",
        header(&json!({ "jwk": jwk, "jku": "https://evil.example.test/" })),
    );
    family.strike().await;
}
