//! Whatever is written, and whatever comes in a request: nothing panics, and a fault points into the text.

use proptest::prelude::*;

use super::*;

/// Pieces that expressions are made of, so that random texts get past the first character.
const PIECES: &[&str] = &[
    "http.host",
    "http.request.headers",
    "http.request.headers.names",
    "ip.src",
    "ssl",
    "cf.edge.server_port",
    "[*]",
    "[0]",
    "[\"a\"]",
    " eq ",
    " in ",
    " contains ",
    " matches ",
    " wildcard ",
    " strict ",
    "{",
    "}",
    "(",
    ")",
    "\"",
    "\\",
    "r#\"",
    "\"#",
    "any(",
    "all(",
    "not ",
    " and ",
    " or ",
    " xor ",
    "1.2.3.0/24",
    "::1",
    "1..5",
    "-",
    "0x",
    "$agents",
    ",",
    "lower(",
    "concat(",
    "len(",
    "split(",
    "regex_replace(",
    "substring(",
    "cidr(",
    "&",
    "|",
    "^",
    "~",
    "é",
    "\0",
    "*",
    "\"a\"",
    "5",
];

fn check(text: &str) {
    let words = Words::new();
    let request = Request::to("/a?b=c").header("a", "b");
    match Condition::compile(text, &words.all()) {
        Ok(condition) => {
            let _ = condition.holds(&request.facts());
        }
        Err(fault) => {
            assert!(text.get(fault.span.clone()).is_some(), "{text:?}: {fault:?}");
        }
    }
    match Formula::characteristic(text, &words.all()) {
        Ok(formula) => {
            let _ = formula.text_of(&request.facts());
        }
        Err(fault) => assert!(text.get(fault.span.clone()).is_some(), "{text:?}: {fault:?}"),
    }
}

thread_local! {
    /// Every field, and what looks into bodies.
    static EVERYTHING: (Vec<Formula>, Vec<Condition>) = {
        let words = Words::new();
        let names = super::super::fields::rows().map(|row| row.name);
        let formulas = names.filter_map(|name| Formula::characteristic(name, &words.all()).ok()).collect();
        let conditions = [
            r#"any(http.request.body.multipart.filenames[*][*] eq "a")"#,
            r#"any(http.request.cookies[*][*] eq "a")"#,
            r#"any(url_decode(http.request.body.form.values[*], "ur")[*] eq "a")"#,
            r#"is_timed_hmac_valid_v0("key", http.request.body.raw, 10, 5, 3)"#,
            r#"lookup_json_string(http.request.body.raw, "a", 0) eq "a""#,
        ];
        (formulas, conditions.map(condition).into())
    };
}

/// A snapshot is shared by all threads.
#[test]
fn what_is_compiled_can_be_shared() {
    fn shared<T: Send + Sync + 'static>() {}
    shared::<Condition>();
    shared::<Formula>();
    shared::<Index>();
    shared::<Candidates>();
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in any::<String>()) {
        check(&text);
    }

    #[test]
    fn anything_like_an_expression_is_read_or_refused(pieces in prop::collection::vec(prop::sample::select(PIECES), 0..20)) {
        check(&pieces.concat());
    }

    /// A single change to something sound.
    #[test]
    fn a_slip_is_read_or_refused(at in 0_usize..200, letter in any::<char>(), which in 0_usize..4) {
        let text = [
            r#"(not ip.src in {10.20.30.40 192.168.1.0/24} and http.request.uri.path wildcard "/wp-admin/*")"#,
            r#"any(lower(http.request.headers.names[*])[*] eq "x-csrf-token") or cidr(ip.src, 24, 64) == 10.0.0.0"#,
            r##"http.host matches r#"a"b"# xor len(http.request.uri.args["f"][0]) in {3..5 9}"##,
            r#"is_timed_hmac_valid_v0("key", http.request.uri, 10800, http.request.timestamp.sec, 8, "s")"#,
        ][which];
        let mut letters: Vec<char> = text.chars().collect();
        let at = at % letters.len();
        letters[at] = letter;
        check(&letters.into_iter().collect::<String>());
    }

    #[test]
    fn any_request_has_an_answer(
        bytes in prop::collection::vec(any::<u8>(), 0..80),
        kind in prop::sample::select(vec!["multipart/form-data; boundary=x", "application/x-www-form-urlencoded", "multipart/x;boundary=\"", ";;=;"]),
        value in "[ -~]{0,40}",
    ) {
        let mut request = Request::to("/").header("content-type", kind).header("cookie", &value).header("accept-language", &value);
        request.raw_query = Some(bytes.clone());
        request.raw_path = bytes.clone();
        let facts = request.facts().with_body(Some(Body { bytes: &bytes, size: 1, truncated: false }));
        EVERYTHING.with(|(formulas, conditions)| {
            for formula in formulas {
                let _ = formula.text_of(&facts);
            }
            for condition in conditions {
                let _ = condition.holds(&facts);
            }
        });
    }

    #[test]
    fn normalising_twice_changes_nothing(path in "(/|\\\\|\\.|a|%2e|%25|%41|%|é|;| ){0,20}") {
        for kind in [Normalisation::Rfc3986, Normalisation::Cloudflare] {
            let once = normalise(kind, format!("/{path}").as_bytes());
            prop_assert_eq!(normalise(kind, once.as_bytes()), once.clone());
            prop_assert!(once.starts_with('/'));
        }
    }
}
