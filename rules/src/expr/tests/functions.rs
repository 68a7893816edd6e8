//! What functions return.

use super::*;

/// The text that a formula makes, with literals allowed wherever the vectors have them.
fn made(text: &str, request: &Request) -> Option<String> {
    let words = Words::new();
    let formula = Formula::compile_as(text, &words.all(), true, true)
        .unwrap_or_else(|fault| panic!("{text}\n{fault} at {:?}", fault.span));
    let facts = request.facts();
    formula.text_of(&facts).map(|text| String::from_utf8_lossy(&text).into_owned())
}

fn table(rows: &[(&str, &str)]) {
    let request = Request::to("/a.b/File.TXT?x=1&y=2&x=3").header("x-list", "b").header("x-list", "a");
    for (text, wanted) in rows {
        assert_eq!(made(text, &request).as_deref(), Some(*wanted), "{text}");
    }
}

fn missing(texts: &[&str]) {
    for text in texts {
        assert_eq!(made(text, &Request::to("/")), None, "{text}");
    }
}

#[test]
fn texts_are_cut_and_joined() {
    table(&[
        (r#"substring("asdf", 1, 100)"#, "sdf"),
        (r#"substring("asdf", 3, 1)"#, ""),
        (r#"substring("asdf", -100, -1)"#, "asd"),
        (r#"substring("asdf", 9)"#, ""),
        (r#"substring("asdf", -9223372036854775808, 9223372036854775807)"#, "asdf"),
        (r#"concat("a", 1, "b", -2)"#, "a1b-2"),
        (r#"concat("a", http.request.headers["none"][0], "b")"#, "ab"),
        (r#"concat(http.request.headers["none"][0])"#, ""),
        (r#"join(concat(http.request.headers["x-list"], http.request.uri.args["x"]), "-")"#, "b-a-1-3"),
        (r#"join(concat(http.request.headers["none"], http.request.uri.args["x"]), "-")"#, "1-3"),
        (r#"join(http.request.uri.args["x"], ", ")"#, "1, 3"),
        (r#"join(http.request.uri.args.names, "")"#, "xyx"),
        (r#"split("a", "b", 1)"#, "a"),
        (r#"join(split("a--b--c", "--", 2), "|")"#, "a|b--c"),
        (r#"join(split("", ",", 5), "|")"#, ""),
        (r#"concat(http.request.headers["x-list"][*], "!")[1]"#, "a!"),
        (r#"remove_bytes("a.b.c", "")"#, "a.b.c"),
        (r#"len("é")"#, "2"),
        (r#"len(http.request.uri.args["x"])"#, "2"),
        (r"to_string(443)", "443"),
        ("to_string(ssl)", "true"),
        ("to_string(ip.src)", "198.51.100.10"),
        ("ip.src", "198.51.100.10"),
        ("cf.edge.server_port", "443"),
        (r#""plain""#, "plain"),
    ]);
    missing(&[
        r#"substring(http.request.headers["none"][0], 1)"#,
        r#"join(http.request.headers["none"], ",")"#,
        r#"split(http.request.headers["none"][0], ",", 3)"#,
        r#"lower(http.request.headers["none"][0])"#,
        r#"http.request.uri.args["none"]"#,
        r#"len(http.request.uri.args["none"])"#,
    ]);
}

#[test]
fn what_was_encoded_is_decoded() {
    table(&[
        (r#"url_decode("a%2Bb+c")"#, "a+b c"),
        (r#"url_decode("a%2Bb+c", "r")"#, "a b c"),
        (r#"url_decode("%")"#, "%"),
        (r#"url_decode("%4")"#, "%4"),
        (r#"url_decode("%zz%41")"#, "%zzA"),
        (r#"url_decode("%%41")"#, "%A"),
        (r#"url_decode("%2541")"#, "%41"),
        (r#"url_decode("%25252541", "r")"#, "A"),
        (r#"url_decode("%2%35%34%31", "r")"#, "A"),
        (r#"url_decode("%2%35")"#, "%25"),
        (r#"url_decode("%u0041")"#, "%u0041"),
        (r#"url_decode("%u0041%41", "u")"#, "AA"),
        (r#"url_decode("%uD83D%uDE00", "u")"#, "😀"),
        (r#"url_decode("%uD83Dx%uDE00", "u")"#, "%uD83Dx%uDE00"),
        (r#"url_decode("%25u0041", "ur")"#, "A"),
        (r#"url_decode("%25u0041", "u")"#, "%u0041"),
        (r#"decode_base64("MTIz")"#, "123"),
        (r#"decode_base64("MTI=")"#, "12"),
        (r#"decode_base64("MTI")"#, "12"),
        (r#"encode_base64("12")"#, "MTI="),
        (r#"encode_base64(sha256("abc"))"#, "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0="),
    ]);
    missing(&[r#"decode_base64("*")"#]);
}

#[test]
fn decoding_again_and_again_is_linear_and_ends_where_nothing_is_left() {
    let hostile = "%25".repeat(20_000) + "41";
    let request = Request::to("/").header("x", &hostile);
    assert_eq!(
        made(r#"url_decode(http.request.headers["x"][0], "r")"#, &request).unwrap().len(),
        20_000 - 1 + 1
    );
    let deep = "%".to_owned() + &"25".repeat(20_000) + "41";
    let request = Request::to("/").header("x", &deep);
    assert_eq!(made(r#"url_decode(http.request.headers["x"][0], "r")"#, &request).unwrap(), "A");
}

#[test]
fn replacements() {
    table(&[
        (r#"regex_replace("a.b", r"\.(b)", "$$${1}")"#, "a$b"),
        (r#"regex_replace("aXbX", "(?i)x", "-")"#, "a-bX"),
        (r#"regex_replace("ab", "(a)|(b)", "[${1}${2}]")"#, "[a]b"),
        (r#"regex_replace("a\\b", "\\\\", "/")"#, "a/b"),
        (r#"regex_replace(http.host, "^", "x.")"#, "x.www.example.com"),
        (r#"wildcard_replace("/a/b/c", "/*/*", "${2}|${1}")"#, "b/c|a"),
        (r#"wildcard_replace("/a*b", r"/a\*b", "x")"#, "x"),
        (r#"wildcard_replace("aXbXc", "*x*", "${1}-${2}")"#, "a-bXc"),
        (r#"wildcard_replace("", "*", "[${1}]")"#, "[]"),
        (r#"wildcard_replace("ab", "a*b*b", "${1}")"#, "ab"),
        (r#"remove_query_args(http.request.uri.query, "x")"#, "y=2"),
        (r#"remove_query_args(http.request.uri.query, "x", "y")"#, ""),
        (r#"remove_query_args(http.request.uri.query, "none")"#, "x=1&y=2&x=3"),
        (r#"remove_query_args("a&b=1&&a=2", "a")"#, "b=1&"),
    ]);
}

#[test]
fn json_is_looked_up_strictly() {
    let document = r#"{\"a\":{\"b\":[1,\"x\",2.0,null,-3]},\"n\":9223372036854775808,\"d\":1,\"d\":\"2\"}"#;
    let ask =
        |function: &str, keys: &str| made(&format!(r#"{function}("{document}", {keys})"#), &Request::to("/"));
    for (keys, text, integer) in [
        (r#""a", "b", 0"#, None, Some("1")),
        (r#""a", "b", 1"#, Some("x"), None),
        (r#""a", "b", 2"#, None, None),
        (r#""a", "b", 3"#, None, None),
        (r#""a", "b", 4"#, None, Some("-3")),
        (r#""a", "b", 5"#, None, None),
        (r#""a", 0"#, None, None),
        (r#""a", "b", "0""#, None, None),
        (r#""n""#, None, None),
        (r#""none""#, None, None),
        (r#""d""#, Some("2"), None),
    ] {
        assert_eq!(ask("lookup_json_string", keys).as_deref(), text, "{keys}");
        assert_eq!(ask("lookup_json_integer", keys).as_deref(), integer, "{keys}");
    }
    missing(&[
        r#"lookup_json_string("{\"a\":\"b\"", "a")"#,
        r#"lookup_json_string("{\"a\":\"b\"} x", "a")"#,
        r#"lookup_json_string("", "a")"#,
    ]);
    let deep = "[".repeat(100_000);
    assert_eq!(
        made("lookup_json_integer(http.request.headers[\"x\"][0], 0)", &Request::to("/").header("x", &deep)),
        None
    );
}

#[test]
fn a_uuid_is_one_and_stays_the_same_for_a_request() {
    let request = Request::to("/");
    let first = made("uuidv4(cf.random_seed)", &request).unwrap();
    assert_eq!(made("uuidv4(cf.random_seed)", &request).unwrap(), first);
    let parts: Vec<usize> = first.split('-').map(str::len).collect();
    assert_eq!(parts, [8, 4, 4, 4, 12], "{first}");
    assert!(first.as_bytes()[14] == b'4' && b"89ab".contains(&first.as_bytes()[19]), "{first}");
    let mut other = Request::to("/");
    other.now_ms += 1;
    assert_ne!(made("uuidv4(cf.random_seed)", &other).unwrap(), first);
}

/// The code of vector cf-011 in the other alphabet, and what may not pass for it.
#[test]
fn tokens_are_good_only_whole_and_in_time() {
    let code = "XsZ5NmtNBxOd4f4fBOtqVmpWRnDRNkHKVZieqDPKu3U";
    let judge = |token: &str, rest: &str, now: i64| {
        let text = format!(
            r#"is_timed_hmac_valid_v0("mysecrettoken", http.request.headers["t"][0], 10800, http.request.timestamp.sec{rest})"#
        );
        let mut request = Request::to("/").header("t", token);
        request.now_ms = now * 1000;
        holds(&text, &request)
    };
    let good = format!("/images/cat.jpg?verify=1484063787-{code}");
    let (now, over) = (1_484_074_586, 1_484_074_587);
    assert!(judge(&format!("{good}%3D"), ", 8", now));
    assert!(judge(&format!("{good}="), ", 8", now));
    assert!(judge(&good, r#", 8, "s""#, now));
    assert!(judge(&format!("/images/cat.jpg1484063787-{code}"), r#", 0, "s""#, now));
    for (token, rest, at) in [
        (good.clone(), r#", 8, "s""#, over),
        (good.clone(), ", 8", now),
        (good.clone(), r#", 7, "s""#, now),
        (format!("{good}="), r#", 8, "s""#, now),
        (format!("{good}x"), r#", 8, "s""#, now),
        (format!("x{good}"), r#", 8, "s""#, now),
        (good.replace("1484063787", "1484063788"), r#", 8, "s""#, now),
        (good.replace("-Xs", "-xs"), r#", 8, "s""#, now),
        (format!("1484063787-{code}"), r#", 0, "s""#, now),
        (format!("148406378-{code}"), r#", 0, "s""#, now),
        (code.to_owned(), r#", 0, "s""#, now),
        (String::new(), "", now),
        ("-".repeat(9000), "", now),
    ] {
        assert!(!judge(&token, rest, at), "{token} {rest}");
    }
}

#[test]
fn keys_and_values_can_be_asked_for() {
    let request = Request::to("/?a=1").header("x", "y");
    assert!(holds(
        r#"has_key(http.request.headers, "x") and has_value(http.request.headers["x"], "y")"#,
        &request
    ));
    assert!(holds(
        r#"has_key(http.request.uri.args, "a") and not has_key(http.request.uri.args, "A")"#,
        &request
    ));
    assert!(!holds(r#"has_value(http.request.headers["none"], "y")"#, &request));
}
