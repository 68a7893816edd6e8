//! What a token says, once it is known who signed it.

use super::*;

#[tokio::test]
async fn times_are_seconds_of_our_age() {
    let mut family = Family::default();
    let (seconds, ms) = (now(), now() * 1000);
    for exp in [
        "1e400",
        "-1e400",
        "1e300",
        "99999999999999999999",
        "\"9999999999\"",
        "true",
        "null",
        "[9999999999]",
        "{}",
        "NaN",
        "Infinity",
        "0x7fffffff",
        "01",
    ] {
        let text = Issuer.claims_with(&json!({ "exp": null })).to_string().replacen(
            '{',
            &format!("{{\"exp\":{exp},"),
            1,
        );
        family.bad(format!("exp {exp}"), raw_claims(text));
    }
    for exp in [json!(-1), json!(0), json!(1e-300), json!(seconds - 60), json!(-1.5)] {
        family.told(format!("exp {exp}"), claims(&json!({ "exp": exp })), EXPIRED);
    }
    for (what, changes) in [
        ("no exp", json!({ "exp": null })),
        ("exp in milliseconds", json!({ "exp": ms + 600_000 })),
        ("nbf in milliseconds", json!({ "nbf": ms })),
        ("iat in milliseconds", json!({ "iat": ms })),
        ("nbf to come", json!({ "nbf": seconds + 300 })),
        ("iat to come", json!({ "iat": seconds + 300 })),
        ("nbf as text", json!({ "nbf": "0" })),
        ("iat in a list", json!({ "iat": [0] })),
        ("nbf too large", json!({ "nbf": 1e300 })),
    ] {
        family.bad(what, claims(&changes));
    }
    family.good("a fraction", claims(&json!({ "exp": f64::from(u32::try_from(seconds).unwrap()) + 60.5 })));
    family.good("neither nbf nor iat", claims(&json!({ "iat": null })));
    family.good("long ago", claims(&json!({ "iat": 0, "nbf": -1 })));
    family.strike().await;
}

#[tokio::test]
async fn issuer_and_audience_are_exact() {
    let mut family = Family::default();
    let (iss, aud) = (harness::issuer::ISSUER, harness::issuer::AUDIENCE);
    for other in [
        json!("https://issuer.example.test"),
        json!("https://issuer.example.test//"),
        json!("https://issuer.example.test/x"),
        json!("http://issuer.example.test/"),
        json!("https://ISSUER.example.test/"),
        json!("https://issuer.example.test.evil.test/"),
        json!("https://issuer.staging.example.test/"),
        json!(" https://issuer.example.test/"),
        json!("https://issuer.example.test/\u{0}"),
        json!("https://issuer.example.test/#"),
        json!("https://\u{456}ssuer.example.test/"),
        json!("https://issuer%2Eexample.test/"),
        json!(""),
        json!([iss]),
        json!({ "iss": iss }),
        json!(0),
        json!(true),
        Value::Null,
    ] {
        family.bad(format!("iss {other}"), claims(&json!({ "iss": other })));
    }
    for other in [
        json!("chat.example.tes"),
        json!("chat.example.test.evil.test"),
        json!("xchat.example.test"),
        json!("CHAT.example.test"),
        json!("chat.staging.example.test"),
        json!("other.example.test"),
        json!("chat.example.test "),
        json!("chat.example.test other"),
        json!(""),
        json!("*"),
        json!([]),
        json!([[aud]]),
        json!(["other", "chat.example"]),
        json!([aud, 1]),
        json!([aud, null]),
        json!({ "aud": aud }),
        json!({ aud: true }),
        json!(1),
        json!(true),
        Value::Null,
    ] {
        family.bad(format!("aud {other}"), claims(&json!({ "aud": other })));
    }
    family.good("one audience", good()).good("one of several", claims(&json!({ "aud": ["other", aud] })));
    family.strike().await;
}

#[tokio::test]
async fn claims_say_one_thing() {
    let mut family = Family::default();
    for text in [
        r#""sub":"bob""#,
        r#""s\u0075b":"bob""#,
        r#""exp":1"#,
        r#""iss":"x""#,
        r#""org_id":"globex""#,
        r#""x":{"a":1,"a":2}"#,
    ] {
        family.bad(format!("claims with {text} as well"), member(text));
    }
    let whole = good_claims();
    for (what, text) in [
        ("nothing", String::new()),
        ("a list", format!("[{whole}]")),
        ("a string", json!(whole).to_string()),
        ("more after them", format!("{whole}x")),
        ("two of them", format!("{whole}{whole}")),
        ("a byte order mark", format!("\u{feff}{whole}")),
        ("a comma too many", whole.replacen('}', ",}", 1)),
        ("deep nesting", whole.replacen('{', &format!("{{\"x\":{}{},", "[".repeat(500), "]".repeat(500)), 1)),
        ("a number beyond all", whole.replacen('{', "{\"x\":1e999,", 1)),
    ] {
        family.bad(format!("claims: {what}"), raw_claims(text));
    }
    family.bad("claims in no UTF-8", raw_claims(b"{\"sub\":\"\xff\"}"));
    family.bad("half a pair of surrogates", member(r#""x":"\ud800""#));
    family.good("a claim more", member(r#""x":{"a":1,"b":[[[]]]}"#));
    family.good("another's name in another place", member(r#""act":{"sub":"bob"}"#));
    family.strike().await;
}
