//! What is said of expressions that are wrong, and of those that may not mean what they seem to.

use super::*;

fn fault(text: &str) -> Fault {
    Condition::compile(text, &Words::new().all()).expect_err(text)
}

/// An expression, the part of it that is shown, and what the message and the remedy say.
const WRONG: &[(&str, &str, &str, &str)] = &[
    ("", "", "the expression is empty", ""),
    ("  ", "", "the expression is empty", ""),
    ("http.headers.names[0] eq \"a\"", "http.headers.names", "no field", "`http.request.headers.names`"),
    ("http.request.uri.pat eq \"a\"", "http.request.uri.pat", "no field", "`http.request.uri.path`"),
    ("http.request.foo eq \"a\"", "http.request.foo", "no field", "available are `http.request.full_uri`"),
    ("HTTP.Host eq \"a\"", "HTTP.Host", "no field", "`http.host`"),
    ("nonsense", "nonsense", "no field", "fields that begin with"),
    ("tcp.dstport eq 1", "tcp.dstport", "packets are not seen here", ""),
    ("cf.zone.name eq \"a\"", "cf.zone.name", "there are no zones here", "compare `http.host`"),
    ("user eq \"a\"", "user", "no field", "`portcullis.user`"),
    (
        "http.request.headers[\"a\"] eq \"b\"",
        "http.request.headers[\"a\"]",
        "is an array",
        "headers[\"a\"][0]`",
    ),
    ("lower eq \"a\"", "lower", "needs its arguments", "lower(…)"),
    ("http.host(1)", "http.host", "is a field, not a function", "parentheses"),
    ("lowr(http.host) eq \"a\"", "lowr", "no function", "`lower`"),
    ("frobnicate(http.host) eq \"a\"", "frobnicate", "no function", "there are cidr"),
    ("bit_slice(tcp, 1, 2) eq 1", "bit_slice", "packets", ""),
    ("http.host = \"a\"", "=", "`=` is no operator", "`eq` or `==`"),
    ("http.host is \"a\"", "is", "no operator", "`eq`"),
    ("http.host like \"a\"", "like", "no operator", "`wildcard`"),
    ("http.host frob \"a\"", "frob", "no operator", "the operators are"),
    ("ip.src not in {1.2.3.4}", "not", "no operator", "`not ip.src in {…}`"),
    ("http.host starts_with \"a\"", "starts_with", "is a function", "starts_with(http.host"),
    ("ssl AND ssl", "AND", "lower case", "`and`"),
    ("ssl NOT ssl", "NOT", "no operator", "`not` stands before"),
    ("http.host eq \"a\" AND ssl", "AND", "lower case", "`and`"),
    ("http.host eq", "", "missing here", ""),
    ("http.host eq http.referer", "http.referer", "neither a text", "two fields cannot be compared"),
    ("http.host eq 5", "5", "a text, and this is a number", "\"5\""),
    ("cf.edge.server_port eq \"443\"", "\"443\"", "a number, and this is a text", "without quotes"),
    ("ip.src eq \"1.2.3.4\"", "\"1.2.3.4\"", "an address, and this is a text", "without quotes"),
    ("ip.src eq 1.2.3.0/24", "1.2.3.0/24", "neither a text", "in {1.2.3.0/24}"),
    ("ip.src lt 1.2.3.4", "lt 1.2.3.4", "no order", "range"),
    ("ip.src in 1.2.3.0/24", "1", "a set in braces", "in {…}"),
    ("ip.src in {1.2.3.4, 1.2.3.5}", ",", "no commas", "blanks"),
    ("ip.src in {1.2.3.4 $office_network}", "$", "within braces", "`or`"),
    ("ip.src in {1.2.3.4", "{", "not closed", "`}`"),
    ("ip.src in {\"a\"}", "\"a\"", "an address, and this is a text", ""),
    ("ip.src in {1.2.3}", "1.2.3", "not an address", ""),
    ("ip.src in {1.2.3.4..::1}", "1.2.3.4..::1", "one family", ""),
    ("ip.src in {::/129}", "::/129", "`/129`", "0 to 128"),
    ("ip.src in {1.2.3.4/+8}", "1.2.3.4/", "`/`", ""),
    ("cf.edge.server_port in {9..1}", "9..1", "upside down", "smaller"),
    ("cf.edge.server_port eq 09", "09", "64 bits", "octal"),
    ("cf.edge.server_port eq 9223372036854775808", "9223372036854775808", "64 bits", ""),
    ("cf.edge.server_port in {80 http}", "http", "neither a text", ""),
    ("cf.edge.server_port contains \"4\"", "contains \"4\"", "takes texts", "`eq`"),
    ("http.host bitwise_and 1", "bitwise_and 1", "takes numbers", ""),
    ("http.host eq AA:BB:CC", "AA:BB:CC", "not an address", "hexadecimal pairs"),
    ("http.host contains 5", "5", "takes a text", "quotes"),
    ("http.host matches 5", "5", "regular expression", ""),
    ("http.host matches \"a(?=b)\"", "\"a(?=b)\"", "look-around", "linear time"),
    ("http.host matches \"(a{1000}){1000}\"", "\"(a{1000}){1000}\"", "more than 10 MiB", "smaller"),
    ("http.host strict \"a\"", "\"", "one operator", ""),
    ("http.host wildcard \"a\\\\x\"", "\"a\\\\x\"", "backslash", "raw text"),
    ("ssl eq true", "eq true", "by itself", "`not ssl`"),
    ("http.host", "http.host", "neither true nor false", "http.host eq"),
    ("ip.src", "ip.src", "neither true nor false", "ip.src in"),
    ("http.request.headers[\"a\"]", "http.request.headers[\"a\"]", "is an array", "[0]"),
    ("http.request.headers eq \"a\"", "http.request.headers", "arrays under names", "[\"name\"][0]"),
    ("http.request.headers.names eq \"a\"", "http.request.headers.names", "is an array", "any("),
    ("http.request.headers[0] eq \"a\"", "[0]", "under names", "a key is a text"),
    ("http.request.headers.names[\"a\"] eq \"a\"", "[\"a\"]", "is an array", "counted from 0"),
    ("http.host[0] eq \"a\"", "[0]", "is a text", ""),
    ("http.request.headers.names[-1] eq \"a\"", "-1", "number, a text or `*`", "forwards"),
    ("http.request.headers.names[a] eq \"a\"", "a", "number, a text or `*`", "[\"name\"]"),
    ("http.request.headers.names[0 eq \"a\"", "[", "not closed", "]"),
    ("any(ssl)", "any(ssl)", "no array", "leave `any` out"),
    ("any(http.host eq \"a\")", "any(http.host eq \"a\")", "no array", ""),
    ("any eq 1", "any", "is a function", "any(field[*]"),
    (
        "ssl and http.request.headers[\"a\"][*] eq \"b\"",
        "http.request.headers[\"a\"][*]",
        "for each item",
        "any(",
    ),
    (
        "any(http.request.headers[\"a\"][*] eq \"b\" and http.request.headers[\"c\"][*] eq \"d\")",
        "http.request.headers[\"c\"][*]",
        "another array",
        "two `any(…)`",
    ),
    (
        "any(http.request.headers[\"a\"][*] eq \"b\" or ssl)",
        "http.request.headers[\"a\"][*]",
        "for each item",
        "",
    ),
    (
        "starts_with(http.host, http.request.headers.names[*])",
        "http.request.headers.names[*]",
        "first argument",
        "",
    ),
    ("starts_with(\"a\", \"a\")", "\"a\"", "must be a field", ""),
    ("url_decode(http.host, \"x\") eq \"a\"", "\"x\"", "options", "`r` decodes"),
    ("split(http.host, \"\", 3)[0] eq \"a\"", "\"\"", "must not be empty", ""),
    ("split(http.host, \".\", 129)[0] eq \"a\"", "129", "from 1 to 128", ""),
    ("split(http.host, http.referer, 3)[0] eq \"a\"", "http.referer", "double quotes", ""),
    ("len(ip.src) eq 1", "ip.src", "a text or an array", ""),
    ("len(http.request.headers) eq 1", "http.request.headers", "a text or an array", "[\"name\"]"),
    ("len() eq 1", "len()", "takes 1 argument, and here is none", ""),
    ("len(http.host, http.host) eq 1", "len(http.host, http.host)", "takes 1 argument, and here is 2", ""),
    ("concat() eq \"\"", "concat()", "at least 1 argument", ""),
    ("concat(ip.src) eq \"a\"", "ip.src", "takes texts and numbers", "to_string"),
    ("lower(http.host,) eq \"a\"", ")", "argument is missing", ""),
    ("lower(http.host eq \"a\")", "eq", "missing before this", ""),
    ("cidr(ip.src, 0, 1) eq 1.2.3.4", "0", "from 1 to 32", ""),
    ("cidr6(ip.src, 129) eq ::", "129", "from 1 to 128", ""),
    ("lookup_json_string(http.host, http.host) eq \"a\"", "http.host", "texts and numbers", ""),
    (
        "regex_replace(http.host, \"a\", \"b\") eq \"a\"",
        "regex_replace",
        "only where a text is made",
        "`matches`",
    ),
    ("is_timed_hmac_valid_v0(\"\", http.host, 1, 2)", "\"\"", "signs for everybody", ""),
    ("is_timed_hmac_valid_v0(http.host, http.host, 1, 2)", "http.host", "the key", ""),
    ("has_key(http.host, \"a\")", "http.host", "a map", ""),
    ("ip.src in $nowhere", "$nowhere", "no list called", "under `lists`"),
    ("ip.src in $office_netwrk", "$office_netwrk", "no list called", "`$office_network`"),
    ("ip.src in $cf.open_proxies", "$cf.open_proxies", "no list called", "Cloudflare keeps"),
    ("ip.src in $agents", "$agents", "has texts", ""),
    ("http.host in $office_network", "$office_network", "has addresses", ""),
    ("\"a\" eq http.host", "\"a\"", "on the left", "begin with a field"),
    ("5 eq 5", "5", "on the left", ""),
    ("ssl)", ")", "nothing was opened", ""),
    ("ssl ssl", "ssl", "no operator", ""),
    ("(ssl", "(", "not closed", "add `)`"),
    ("ssl and", "", "a comparison is missing", ""),
    ("and ssl", "and", "a field is missing", ""),
    ("ssl & ssl", "ssl", "neither a text", "`&&` joins"),
    ("http.host eq \"a\" & ssl", "&", "no operator", "`and`"),
    ("# comment\nssl", "#", "no comments", ""),
    ("http.host eq \"\\x4\"", "\\x", "two hexadecimal digits", ""),
    ("http.host eq \"\\400\"", "\\", "three octal digits", ""),
    ("http.host eq r#\"a\"", "r#\"a\"", "does not end", "\"#"),
    ("http.host eq 'a'", "'", "missing here", ""),
];

#[test]
fn a_person_is_told_what_to_mend_and_where() {
    let mut failed = Vec::new();
    for (text, shown, message, remedy) in WRONG {
        let fault = fault(text);
        let said = fault.message.contains(message) && !fault.message.ends_with('.');
        let mended = fault.remedy.as_deref().unwrap_or_default().contains(remedy);
        if !said || !mended || text.get(fault.span.clone()) != Some(shown) {
            failed.push(format!("{text}\n{fault:?} shows {:?}", text.get(fault.span.clone())));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn what_is_not_known_here_may_not_be_named() {
    let words = Words::new();
    let head = Vocabulary { responses: false, bodies: false, ..words.all() };
    for (text, said) in [
        ("http.response.code eq 400", "once the upstream answered"),
        ("http.request.body.size gt 5", "once the body was read"),
    ] {
        let fault = Condition::compile(text, &head).unwrap_err();
        assert!(fault.message.contains(said) && fault.span.start == 0, "{fault:?}");
    }
    assert!(Condition::compile("portcullis.user eq \"a\"", &head).is_ok());
}

#[test]
fn formulas_make_one_text() {
    let words = Words::new();
    for (text, said) in [
        ("http.request.headers[\"a\"]", "one value is needed"),
        ("http.request.headers", "one value is needed"),
        ("lower(http.request.headers.names[*])[*]", "one value is needed"),
        (
            "concat(regex_replace(http.host, \"a\", \"b\"), regex_replace(http.host, \"a\", \"b\"))",
            "only once",
        ),
        ("regex_replace(wildcard_replace(http.host, \"a\", \"b\"), \"a\", \"b\")", "cannot stand within"),
        ("wildcard_replace(regex_replace(http.host, \"a\", \"b\"), \"a\", \"b\")", "cannot stand within"),
        ("regex_replace(http.host, \"a\", \"${1}\")", "the pattern has 0"),
        ("regex_replace(http.host, \"(a)\", \"$1\")", "begins `${1}`"),
        ("regex_replace(http.host, \"(a)\", \"${9}\")", "begins `${1}`"),
        ("wildcard_replace(http.host, \"*a\", \"${2}\")", "the pattern has 1"),
        ("wildcard_replace(http.host, \"*a\", \"${1}\", \"x\")", "the only flag"),
        ("remove_query_args(http.host, \"a\")", "takes `http.request.uri.query`"),
        ("http.host eq \"a\"", "missing before this"),
    ] {
        let fault = Formula::compile(text, &words.all()).expect_err(text);
        assert!(fault.message.contains(said), "{text}: {fault:?}");
    }
    let both =
        "concat(regex_replace(http.host, \"a\", \"b\"), wildcard_replace(http.host, \"*a\", \"${1}\"))";
    assert!(Formula::compile(both, &words.all()).is_ok());
    let characteristic = Formula::characteristic("http.request.headers[\"a\"]", &words.all()).unwrap();
    assert_eq!(characteristic.text_of(&Request::to("/").facts()), None);
    let request = Request::to("/").header("a", "");
    assert_eq!(characteristic.text_of(&request.facts()).unwrap().as_ref(), b"");
}

#[test]
fn what_may_not_be_meant_is_told() {
    let words = Words::new();
    let nowhere = Vocabulary { geo: false, ..words.all() };
    for (text, said) in [
        ("cf.bot_management.score lt 30", &["always 99 here", "can never match"][..]),
        ("cf.threat_score eq 0", &["always 0", "matches every request"]),
        ("cf.zone.plan eq \"ENT\"", &["always \"ENT\"", "matches every request"]),
        ("any(cf.bot_management.detection_ids[*] eq 5)", &["always empty", "can never match"]),
        ("ip.src.country eq \"DE\"", &["no file of addresses", "can never match"]),
        ("ip.src.is_in_european_union or ssl", &["no file of addresses"]),
        ("http.request.headers[\"Content-Type\"][0] eq \"a\"", &["`[\"content-type\"]`", "can never match"]),
        ("any(http.request.headers.names[*] eq \"X-Id\")", &["upper case never matches"]),
        ("http.request.headers[\"a\"][0] ne \"a\"", &["`ne` is false where"]),
        ("all(http.request.headers[\"a\"][*] eq \"a\")", &["`all` is true where"]),
        ("http.request.jwt.claims[\"tc2\"][0] eq \"a\"", &["no identity is called `tc2`"]),
        ("ip.src in {10.0.0.1/8}", &["counts as `10.0.0.0/8`"]),
        ("http.host in {}", &["empty set"]),
        ("sha256(http.host) eq \"a\"", &["public reference"]),
    ] {
        let condition = Condition::compile(text, &nowhere).unwrap();
        let notices = condition.notices().join("\n");
        assert!(said.iter().all(|said| notices.contains(said)), "{text}\n{notices}");
        assert_eq!(condition.text(), text);
    }
    for text in [
        "true",
        "http.host eq \"a\"",
        "any(http.request.headers.names[*] eq \"x-id\")",
        "http.referer ne \"\"",
    ] {
        assert!(condition(text).notices().is_empty(), "{text}: {:?}", condition(text).notices());
    }
}

#[test]
fn limits_are_said() {
    let long = format!("http.host eq \"{}\"", "a".repeat(16 * 1024));
    assert!(fault(&long).message.contains("16384 is the most"), "{:?}", fault(&long));
    let nested = |depth| format!("{}ssl{}", "(".repeat(depth), ")".repeat(depth));
    assert!(holds(&nested(128), &Request::to("/")));
    assert!(fault(&nested(129)).message.contains("deeper than 128"));
    assert!(holds(&format!("{}ssl", "not ".repeat(128)), &Request::to("/")));
    assert!(fault(&format!("{}ssl", "!".repeat(129))).message.contains("deeper than 128"));
    let calls = format!("{}http.host{} eq \"www.example.com\"", "lower(".repeat(128), ")".repeat(128));
    assert!(holds(&calls, &Request::to("/")));
    let each =
        format!("any({}http.request.headers[\"a\"][*]{} eq \"x\")", "lower(".repeat(127), ")[*]".repeat(127));
    assert!(holds(&each, &Request::to("/").header("a", "X")));
    assert!(fault(&format!("http.host eq \"{}", "é".repeat(9000))).message.contains("is the most"));
}
