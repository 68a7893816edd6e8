//! What operators say, missing values included.

use super::*;

/// A request with something of everything.
fn request() -> Request {
    let mut request = Request::to("/Blog/first%20post.html?a=1&b=&a=2&c")
        .header("user-agent", "curl/8.5.0")
        .header("x-id", "17")
        .header("x-many", "one")
        .header("x-many", "two")
        .header("referer", "");
    request.host = "shop.example.com".to_owned();
    request
}

fn all(wanted: bool, texts: &[&str]) {
    let request = request();
    for text in texts {
        assert_eq!(holds(text, &request), wanted, "{text}");
    }
}

#[test]
fn texts_are_compared_byte_by_byte() {
    all(
        true,
        &[
            r#"http.host eq "shop.example.com""#,
            r#"http.host == r"shop.example.com""#,
            r##"http.host == r#"shop.example.com"#"##,
            r#"http.host eq "\x73\150op.example.com""#,
            r#"http.host ne "other""#,
            r#"http.host != "Shop.example.com""#,
            r#"http.host lt "shop.f""#,
            r#"http.host <= "shop.example.com""#,
            r#"http.host gt "shop""#,
            r#"http.host >= "a""#,
            r#"http.host contains "example""#,
            r#"http.host contains """#,
            r#"http.referer eq """#,
            r#"http.x_forwarded_for eq """#,
            r#"http.request.uri.query eq "a=1&b=&a=2&c""#,
        ],
    );
    all(
        false,
        &[
            r#"http.host eq "SHOP.example.com""#,
            r#"http.host eq "shop.example.co""#,
            r#"http.host contains "Example""#,
            r#"http.host lt "shop""#,
            r#"http.referer ne """#,
        ],
    );
}

#[test]
fn patterns_match_as_they_are_written() {
    all(
        true,
        &[
            r#"http.host matches "\.example\.com$""#,
            r#"http.host ~ "^shop""#,
            r#"http.host matches r"^\w+\.""#,
            r#"http.user_agent matches "[0-9"]+\.\d""#,
            r#"http.user_agent matches "(?i)CURL""#,
            r#"http.host matches "^(?-u:[a-z.])+$""#,
            r#"http.host wildcard "SHOP.*""#,
            r#"http.host wildcard "*.example.*""#,
            r#"http.host wildcard "s*o*m""#,
            r#"http.host wildcard "shop.example.com""#,
            r#"http.host wildcard "*""#,
            r#"http.request.uri.path wildcard "/blog/*.HTML""#,
            r#"http.host strict wildcard "shop*""#,
            r#"http.host strict  wildcard "*.com""#,
            r#"http.request.uri.path strict wildcard r"/B*\*" or http.host eq "shop.example.com""#,
        ],
    );
    all(
        false,
        &[
            r#"http.host matches "^example""#,
            r#"http.host matches "SHOP""#,
            r#"http.host wildcard "shop""#,
            r#"http.host wildcard "shop.*.shop.*""#,
            r#"http.host wildcard "shop.example.com*m""#,
            r#"http.host strict wildcard "SHOP*""#,
            r#"http.request.uri.path strict wildcard "/blog/*""#,
            r#"http.host wildcard r"\*""#,
        ],
    );
}

#[test]
fn numbers_and_bits() {
    all(
        true,
        &[
            "cf.edge.server_port eq 443",
            "cf.edge.server_port == 0x1bb",
            "cf.edge.server_port == 0673",
            "cf.edge.server_port gt -1",
            "cf.edge.server_port in {80 443}",
            "cf.edge.server_port in {400..500}",
            "cf.edge.server_port in {-5..-1 443..443 443}",
            "cf.edge.server_port bitwise_and 0x3",
            "cf.edge.server_port & 256",
            "http.request.timestamp.sec eq 1700000000",
            "http.request.timestamp.msec eq 123",
        ],
    );
    all(
        false,
        &[
            "cf.edge.server_port ne 443",
            "cf.edge.server_port lt 443",
            "cf.edge.server_port in {444..500 80}",
            "cf.edge.server_port & 4",
            "cf.edge.server_port in {}",
        ],
    );
}

#[test]
fn addresses_and_sets_of_them() {
    all(
        true,
        &[
            "ip.src eq 198.51.100.10",
            "ip.src eq ::ffff:198.51.100.10",
            "ip.src ne 2001:db8::1",
            "ip.src in {198.51.100.0/24}",
            "ip.src in {10.0.0.0/8 198.51.100.9..198.51.100.11 2001:db8::/32}",
            "ip.src in {0.0.0.0/0}",
            "ip.src in {198.51.100.77/24}",
            "cidr(ip.src, 24, 64) eq 198.51.100.0",
            "cidr6(ip.src, 64) eq 198.51.100.10",
            "cidr(ip.src, 1, 1) in {128.0.0.0}",
        ],
    );
    all(false, &["ip.src ne 198.51.100.10", "ip.src in {::/0}", "ip.src in {198.51.100.11..198.51.100.20}"]);
    let mut request = request();
    request.client = "::ffff:198.51.100.10".parse().unwrap();
    assert!(holds("ip.src eq 198.51.100.10 and ip.src in {198.51.100.0/24}", &request));
    request.client = "2001:db8:1:2:3::9".parse().unwrap();
    assert!(holds(
        "cidr(ip.src, 24, 48) eq 2001:db8:1:: and cidr6(ip.src, 128) eq 2001:db8:1:2:3::9",
        &request
    ));
}

#[test]
fn sets_of_texts_and_lists() {
    all(
        true,
        &[
            r#"http.host in {"a" "shop.example.com" "a"}"#,
            r#"http.request.uri.path.extension in {"html" "htm"}"#,
            r"http.host in $hosts",
            r"not ip.src in $office_network",
            r"not http.user_agent in $agents",
        ],
    );
    all(false, &[r#"http.host in {"shop"}"#, r"http.host in {}", "ip.src.asnum in $networks"]);
    let mut request = request();
    for (host, listed) in [
        ("example.org", true),
        ("www.example.org", false),
        ("example.com", false),
        ("a.example.com", true),
        ("a.b.example.com", true),
        (".example.com", true),
        ("xexample.com", false),
        ("", false),
    ] {
        request.host = host.to_owned();
        assert_eq!(holds("http.host in $hosts", &request), listed, "{host}");
    }
    request.host = "a.".repeat(200) + "example.com";
    assert!(!holds("http.host in $hosts", &request), "no host is that long");
}

#[test]
fn joining_binds_as_it_should() {
    all(
        true,
        &[
            "true",
            "not false",
            "ssl",
            "!false && ssl",
            "true or false and false",
            "false xor true",
            "true xor true xor true",
            "true ^^ false",
            "true || false ^^ true && false",
            "not false or true",
            "not false and not false",
            "not (true and false)",
            "(((ssl)))",
            "ssl and(ssl)",
            "not not ssl",
            "! ! ssl",
            "true or true xor true",
            "ssl\tand\r\nssl",
        ],
    );
    all(
        false,
        &[
            "false",
            "not true or false",
            "not true and true",
            "true xor true",
            "true and true xor true",
            "not ssl",
            "(true or true) and false",
        ],
    );
    // Every assignment of three operands, against Rust's own operators.
    for bits in 0..8 {
        let [a, b, c] = [bits & 1 != 0, bits & 2 != 0, bits & 4 != 0];
        for (text, wanted) in [
            (format!("{a} or {b} and {c}"), a || (b && c)),
            (format!("{a} and {b} or {c}"), (a && b) || c),
            (format!("{a} xor {b} and {c}"), a ^ (b && c)),
            (format!("{a} or {b} xor {c}"), a || (b ^ c)),
            (format!("{a} xor {b} or {c}"), (a ^ b) || c),
            (format!("not {a} xor {b}"), !a ^ b),
        ] {
            assert_eq!(holds(&text, &request()), wanted, "{text}");
        }
    }
}

/// Section 7 of the language's reference: a comparison with what is not there is false, `ne` included.
#[test]
fn what_is_missing_is_neither_equal_nor_unequal() {
    let missing = r#"http.request.headers["x-none"][0]"#;
    for op in [
        r#"eq "a""#,
        r#"ne "a""#,
        r#"lt "a""#,
        r#"ge "a""#,
        r#"eq """#,
        r#"contains """#,
        r#"matches "^""#,
        r#"wildcard "*""#,
        r#"in {"a" ""}"#,
    ] {
        let text = format!("{missing} {op}");
        assert!(!holds(&text, &request()), "{text}");
        assert!(holds(&format!("not {text}"), &request()), "not {text}");
    }
    all(
        false,
        &[
            r#"http.request.headers["x-many"][2] ne "x""#,
            r#"lower(http.request.headers["x-none"][0]) ne "x""#,
            r#"len(http.request.headers["x-none"]) >= 0"#,
            r#"len(http.request.headers["x-none"][0]) >= 0"#,
            r#"starts_with(http.request.headers["x-none"][0], "")"#,
            r#"any(http.request.headers["x-none"][*] ne "x")"#,
            r#"lookup_json_string(http.request.uri.query, "a") ne "x""#,
            r#"http.request.jwt.claims["tc1"][0] ne "x""#,
            r#"portcullis.user ne "x""#,
        ],
    );
    all(
        true,
        &[
            r#"len(http.request.headers["x-many"]) eq 2"#,
            r#"len(http.request.uri.args["b"]) >= 0"#,
            r#"not len(http.request.uri.args["order"]) >= 0"#,
            r#"all(http.request.headers["x-none"][*] eq "x")"#,
            r#"not any(http.request.headers["x-none"][*] eq "x")"#,
        ],
    );
}

#[test]
fn arrays_item_by_item() {
    all(
        true,
        &[
            r#"http.request.headers["x-many"][1] eq "two""#,
            r#"any(http.request.headers["x-many"][*] eq "two")"#,
            r#"all(http.request.headers["x-many"][*] matches "^(one|two)$")"#,
            r#"any(lower(http.request.headers.names[*])[*] eq "x-id")"#,
            r#"any(upper(lower(http.request.headers["x-many"][*])[*])[*] eq "ONE")"#,
            r#"upper(http.request.headers["x-many"][*])[1] eq "TWO""#,
            r#"any(len(http.request.headers["x-many"][*])[*] in {3})"#,
            r#"all(not len(http.request.headers["x-many"][*])[*] in {4 5})"#,
            r#"any(starts_with(http.request.headers["x-many"][*], "t"))"#,
            r#"any(starts_with(http.request.headers["x-many"][*], "t")[*])"#,
            r#"any(http.request.headers["x-many"][*] eq "one" or http.request.headers["x-many"][*] eq "three")"#,
            r#"all(http.request.headers["x-many"][*] eq "one" xor http.request.headers["x-many"][*] eq "two")"#,
            r#"any(http.request.headers["x-many"][*] eq "one" and not (http.request.headers["x-many"][*] eq "two"))"#,
            r#"any(http.request.headers.names[*] eq "x-id" and http.request.headers.values[*] eq "17")"#,
            r#"any(http.request.uri.args.names[*] eq "c") and any(http.request.uri.args.values[*] eq "2")"#,
            r#"http.request.uri.args["a"][1] eq "2" and http.request.uri.args["c"][0] eq """#,
            r#"any(http.request.headers[*][*] eq "17")"#,
            r#"any(http.request.uri.args[*][0] eq "1")"#,
            r"any(len(http.request.uri.args[*])[*] eq 2)",
            r#"any(split(http.request.uri.query, "&", 9)[*] eq "b=")"#,
            r#"len(split(http.request.headers["x-many"][*], "n", 2)[0]) eq 2"#,
            r#"any(split(http.request.headers["x-many"][*], "n", 2)[*][0] eq "o")"#,
        ],
    );
    all(
        false,
        &[
            r#"http.request.headers["x-many"][0] eq "two""#,
            r#"all(http.request.headers["x-many"][*] eq "two")"#,
            r#"any(http.request.headers.names[*] eq "x-id" and http.request.headers.values[*] eq "one")"#,
            r#"any(http.request.uri.args[*][0] eq "2")"#,
            r#"any(not http.request.headers["x-many"][*] contains "o")"#,
        ],
    );
}
