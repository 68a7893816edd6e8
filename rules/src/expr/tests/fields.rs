//! What fields say of a request.

use super::super::fields::{Source, Standing, rows};
use super::*;
use crate::view::ClientCertificate;

fn made(text: &str, facts: &Facts<'_>) -> Option<String> {
    let words = Words::new();
    let formula = Formula::characteristic(text, &words.all())
        .unwrap_or_else(|fault| panic!("{text}\n{fault} at {:?}", fault.span));
    formula.text_of(facts).map(|text| String::from_utf8_lossy(&text).into_owned())
}

fn table(facts: &Facts<'_>, rows: &[(&str, &str)]) {
    for (text, wanted) in rows {
        assert_eq!(made(text, facts).as_deref(), Some(*wanted), "{text}");
    }
}

#[test]
fn the_head() {
    let mut request = Request::to("/%61//b.TXT?x=1&y=%20&x=2&=z&&w")
        .header("cookie", "a=1; b%20c = 2 ;a=3")
        .header("cookie", "d")
        .header("x-forwarded-for", "192.0.2.1")
        .header("x-forwarded-for", "192.0.2.2")
        .header("accept-language", "de-CH, fr;q=0.8, *;q=0.5, en;q=0.9,it;q=0, la;q=x, ru; q=1.0")
        .header("user-agent", "curl")
        .header("referer", "https://a.test/")
        .header("content-type", "Text/HTML; charset=utf-8");
    request.method = Method::POST;
    table(
        &request.facts(),
        &[
            ("http.host", "www.example.com"),
            ("http.request.method", "POST"),
            ("http.request.version", "HTTP/1.1"),
            ("http.request.uri", "/a/b.TXT?x=1&y=%20&x=2&=z&&w"),
            ("http.request.uri.path", "/a/b.TXT"),
            ("http.request.uri.path.extension", "txt"),
            ("http.request.uri.query", "x=1&y=%20&x=2&=z&&w"),
            ("http.request.full_uri", "https://www.example.com/a/b.TXT?x=1&y=%20&x=2&=z&&w"),
            ("raw.http.request.uri", "/%61//b.TXT?x=1&y=%20&x=2&=z&&w"),
            ("raw.http.request.uri.path", "/%61//b.TXT"),
            ("raw.http.request.uri.path.extension", "txt"),
            ("raw.http.request.full_uri", "https://www.example.com/%61//b.TXT?x=1&y=%20&x=2&=z&&w"),
            ("http.request.uri.args.names", "x\0y\0x\0\0w"),
            ("http.request.uri.args.values", "1\0%20\x002\0z\0"),
            ("http.request.uri.args[\"x\"]", "1\x002"),
            ("raw.http.request.uri.args[\"y\"][0]", "%20"),
            ("http.cookie", "a=1; b%20c = 2 ;a=3; d"),
            ("http.request.cookies[\"a\"]", "1\x003"),
            ("http.request.cookies[\"d\"][0]", ""),
            ("http.x_forwarded_for", "192.0.2.1, 192.0.2.2"),
            ("http.request.accepted_languages", "de-CH\0ru\0en\0fr"),
            ("http.user_agent", "curl"),
            ("http.referer", "https://a.test/"),
            ("http.request.headers[\"content-type\"]", "Text/HTML; charset=utf-8"),
            ("cf.ray_id", "0190b4c8-0000-7000-8000-000000000000"),
            ("cf.tls_version", "TLSv1.3"),
            ("cf.tls_cipher", "TLS13_AES_128_GCM_SHA256"),
            ("cf.edge.server_ip", "192.0.2.1"),
            ("ssl", "true"),
        ],
    );
    request = Request::to("/");
    request.secure = false;
    table(
        &request.facts(),
        &[
            ("http.request.uri", "/"),
            ("http.request.full_uri", "http://www.example.com/"),
            ("http.request.uri.query", ""),
            ("http.cookie", ""),
            ("ssl", "false"),
        ],
    );
}

#[test]
fn extensions() {
    for (path, extension) in [
        ("/a.mp3", "mp3"),
        ("/.mp3", ""),
        ("/.foo.MP3", "mp3"),
        ("/foo.", ""),
        ("/foo", ""),
        ("/a.b/foo", ""),
        ("/a.tar.gz", "gz"),
        ("/", ""),
    ] {
        let request = Request::to(path);
        assert_eq!(made("http.request.uri.path.extension", &request.facts()).unwrap(), extension, "{path}");
    }
}

#[test]
fn where_the_client_is() {
    struct Berlin;
    impl Atlas for Berlin {
        fn look(&self, address: IpAddr) -> Whereabouts<'_> {
            assert_eq!(address, "198.51.100.10".parse::<IpAddr>().unwrap());
            Whereabouts {
                country: Some("DE".into()),
                city: Some("Berlin".into()),
                latitude: Some("52.52".into()),
                network: Some(64_512),
                european_union: true,
                ..Whereabouts::default()
            }
        }
    }
    let request = Request::to("/");
    let facts = request.facts().with_atlas(Some(&Berlin));
    table(
        &facts,
        &[
            ("ip.src.country", "DE"),
            ("ip.geoip.country", "DE"),
            ("ip.src.city", "Berlin"),
            ("ip.src.region", ""),
            ("ip.src.lat", "52.52"),
            ("ip.src.asnum", "64512"),
            ("ip.src.is_in_european_union", "true"),
        ],
    );
    assert!(condition("ip.src.asnum in $networks").holds(&facts));
    assert!(!condition("ip.src.asnum in $networks").holds(&request.facts()));
}

#[test]
fn the_certificate() {
    let claims =
        r#"{"subject":{"dn":"CN=a\\,b,O=Acme,C=US"},"issuer":{"dn":"CN=Acme CA"},"serial":"9a000f"}"#;
    let certificate = ClientCertificate {
        claims: serde_json::from_str(claims).unwrap(),
        fingerprint: [0xab; 32],
        from: 1_647_869_700,
        until: 1_647_869_701,
    };
    let request = Request::to("/");
    let facts = Facts::new(Head { certificate: Some(&certificate), ..request.head() });
    let print = "ab".repeat(32);
    table(
        &facts,
        &[
            ("cf.tls_client_auth.cert_presented", "true"),
            ("cf.tls_client_auth.cert_verified", "true"),
            ("cf.tls_client_auth.cert_revoked", "false"),
            ("cf.tls_client_auth.cert_subject_dn", "CN=a\\,b,O=Acme,C=US"),
            ("cf.tls_client_auth.cert_subject_dn_legacy", "/C=US/O=Acme/CN=a,b"),
            ("cf.tls_client_auth.cert_issuer_dn_rfc2253", "CN=Acme CA"),
            ("cf.tls_client_auth.cert_serial", "9a000f"),
            ("cf.tls_client_auth.cert_fingerprint_sha256", &print),
            ("cf.tls_client_auth.cert_not_before", "Mar 21 13:35:00 2022 GMT"),
            ("cf.tls_client_auth.cert_not_after", "Mar 21 13:35:00 2022 GMT"),
        ],
    );
    table(
        &request.facts(),
        &[
            ("cf.tls_client_auth.cert_presented", "false"),
            ("cf.tls_client_auth.cert_serial", ""),
            ("cf.tls_client_auth.cert_issuer_dn_legacy", ""),
        ],
    );
}

#[test]
fn the_caller() {
    let request = Request::to("/");
    let caller = caller("tc1", r#"{"sub":"ann","aud":["a","b"],"iat":17,"nbf":"x","user":{"id":7}}"#);
    let facts = request.facts().with_caller(Some(&caller)).with_route(Some("chat"));
    table(
        &facts,
        &[
            (
                "http.request.jwt.claims[\"tc1\"][0]",
                r#"{"sub":"ann","aud":["a","b"],"iat":17,"nbf":"x","user":{"id":7}}"#,
            ),
            ("lookup_json_integer(http.request.jwt.claims[\"tc1\"][0], \"user\", \"id\")", "7"),
            ("http.request.jwt.claims.sub[\"tc1\"][0]", "ann"),
            ("http.request.jwt.claims.aud.values", "a\0b"),
            ("http.request.jwt.claims.aud.names", "tc1\0tc1"),
            ("http.request.jwt.claims.iat.sec[\"tc1\"][0]", "17"),
            ("http.request.jwt.claims.iat.sec.values", "17"),
            ("portcullis.user", "ann"),
            ("portcullis.tenant", "acme"),
            ("portcullis.tenants", "acme"),
            ("portcullis.roles", "admin\0user"),
            ("portcullis.route", "chat"),
        ],
    );
    for text in [
        "http.request.jwt.claims[\"tc2\"][0]",
        "http.request.jwt.claims.nbf.sec[\"tc1\"][0]",
        "http.request.jwt.claims.iss[\"tc1\"]",
        "portcullis.scopes",
    ] {
        assert_eq!(made(text, &facts), None, "{text}");
    }
    assert!(
        condition(r#"any(portcullis.roles[*] eq "admin") and not any(portcullis.roles[*] eq "root")"#)
            .holds(&facts)
    );
    assert_eq!(made("portcullis.user", &request.facts()), None, "nobody yet");
    let mut several = caller.clone();
    several.tenants = Reading::Value(vec!["acme".to_owned(), "globex".to_owned()]);
    let facts = request.facts().with_caller(Some(&several));
    assert_eq!(made("portcullis.tenant", &facts), None, "one of several is nobody's choice");
    table(&facts, &[("portcullis.tenants", "acme\0globex")]);
}

#[test]
fn the_body() {
    let body = |bytes| Some(Body { bytes, size: 99, truncated: true });
    let request = Request::to("/").header("content-type", "Application/X-WWW-form-urlencoded; charset=utf-8");
    let facts = request.facts().with_body(body(b"a=1&b=%20&a=2"));
    table(
        &facts,
        &[
            ("http.request.body.raw", "a=1&b=%20&a=2"),
            ("http.request.body.size", "99"),
            ("http.request.body.truncated", "true"),
            ("http.request.body.mime", "application/x-www-form-urlencoded"),
            ("http.request.body.form[\"a\"]", "1\x002"),
            ("http.request.body.form.values", "1\0%20\x002"),
            ("len(http.request.body.multipart.names)", "0"),
        ],
    );
    assert_eq!(made("http.request.body.raw", &request.facts()), None);
    assert_eq!(made("http.request.body.size", &request.facts()), None);
    let request = Request::to("/").header("content-type", "application/json");
    table(
        &request.facts().with_body(body(b"{\"k\":\"v\"}")),
        &[
            ("lookup_json_string(http.request.body.raw, \"k\")", "v"),
            ("len(http.request.body.form.names)", "0"),
        ],
    );
}

#[test]
fn parts_of_a_body() {
    let bytes =
        b"preamble\r\n--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nfirst\r\n\r\nline\r\n--x\r\n\
        content-disposition: form-data; filename=\"e.php\"; name=file\r\nContent-Type: text/x-php\r\n\
        Content-Transfer-Encoding: binary\r\n\r\n<?\r\n--x\r\n\r\nbare\r\n--x--\r\nepilogue";
    let request = Request::to("/").header("content-type", "multipart/form-data; boundary=\"x\"");
    let facts = request.facts().with_body(Some(Body { bytes, size: 10, truncated: false }));
    table(
        &facts,
        &[
            ("http.request.body.multipart[\"a\"][0]", "first\r\n\r\nline"),
            ("http.request.body.multipart[\"file\"][0]", "<?"),
            ("http.request.body.multipart.values", "first\r\n\r\nline\0<?"),
            ("http.request.body.multipart.names[1][0]", "file"),
            ("http.request.body.multipart.filenames[1][0]", "e.php"),
            ("http.request.body.multipart.content_types[1]", "text/x-php"),
            ("http.request.body.multipart.content_transfer_encodings[1][0]", "binary"),
            ("http.request.body.multipart.content_dispositions[0][0]", "form-data; name=\"a\""),
            ("len(http.request.body.multipart.names)", "3"),
        ],
    );
    for (text, wanted) in [
        (r#"any(http.request.body.multipart.filenames[*][*] contains ".php")"#, true),
        (r#"any(lower(http.request.body.multipart.content_types[*][0])[*] eq "text/x-php")"#, true),
        (r"any(len(http.request.body.multipart.filenames[*])[*] eq 1)", true),
        (r"all(len(http.request.body.multipart.names[*])[*] eq 1)", false),
        (r#"any(http.request.body.multipart.filenames[*][*] eq "")"#, false),
    ] {
        assert_eq!(condition(text).holds(&facts), wanted, "{text}");
    }
}

#[test]
fn the_reply() {
    let mut headers = HeaderMap::new();
    headers.append("content-type", HeaderValue::from_static("Text/HTML; charset=utf-8"));
    headers.append("x-score", HeaderValue::from_static("7"));
    let request = Request::to("/").header("content-type", "text/plain");
    let facts = request.facts().with_reply(Some(Reply { status: 404, headers: &headers }));
    table(
        &facts,
        &[
            ("http.response.code", "404"),
            ("http.response.content_type.media_type", "text/html"),
            ("http.response.headers[\"x-score\"][0]", "7"),
            ("raw.http.response.headers.names", "content-type\0x-score"),
        ],
    );
    assert!(!condition("http.response.code ne 404").holds(&request.facts()), "not answered yet");
}

/// Every field that is offered can be named, and is of the type that its row says.
#[test]
fn every_row_can_be_named_once() {
    let request = Request::to("/");
    let words = Words::new();
    let mut names = std::collections::BTreeSet::new();
    for row in rows() {
        assert!(names.insert(row.name), "{} stands twice", row.name);
        let lone = matches!(
            row.standing,
            Standing::Known(Source::One(..) | Source::List(..), _)
                | Standing::Located(..)
                | Standing::Neutral(..)
        );
        let formula = Formula::characteristic(row.name, &words.all());
        assert_eq!(formula.is_ok(), lone, "{}: {formula:?}", row.name);
        if let Ok(formula) = formula {
            let _ = formula.text_of(&request.facts());
        }
        if let Standing::Unavailable(_) = row.standing {
            let fault = Formula::compile(row.name, &words.all()).unwrap_err();
            assert!(fault.message.contains("cannot be had") && fault.remedy.is_some(), "{fault}");
        }
    }
}

#[test]
fn what_is_known_when() {
    for (text, stage) in [
        ("ssl", Stage::Head),
        ("ip.src.country eq \"DE\"", Stage::Head),
        ("cf.bot_management.score lt 30", Stage::Head),
        ("portcullis.user eq \"ann\" or ssl", Stage::Caller),
        ("ssl and http.request.body.size gt 10 and portcullis.route eq \"x\"", Stage::Body),
        ("any(http.response.headers.names[*] eq \"x\") and len(http.request.body.raw) gt 5", Stage::Reply),
    ] {
        assert_eq!(condition(text).stage(), stage, "{text}");
    }
    assert!(Stage::Head < Stage::Caller && Stage::Caller < Stage::Body && Stage::Body < Stage::Reply);
}
