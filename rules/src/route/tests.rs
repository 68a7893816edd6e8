use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;

fn pattern(text: &str) -> Pattern {
    Pattern::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn table(patterns: &[&str]) -> Table<String> {
    let routes = patterns.iter().map(|text| (vec![pattern(text)], (*text).to_owned())).collect();
    Table::compile(routes).unwrap_or_else(|clashes| panic!("{clashes:?}"))
}

/// What a table says, as one line: `pattern name=value`, `405 GET, HEAD` or `404`.
fn said(table: &Table<String>, request: &str) -> String {
    let (method, raw) = request.split_once(' ').unwrap();
    let path = Path::parse(raw.as_bytes()).unwrap();
    match table.find(&method.parse().unwrap(), &path) {
        Lookup::NoRoute => "404".to_owned(),
        Lookup::Ambiguous => "400".to_owned(),
        Lookup::MethodNotAllowed { allow } => {
            format!("405 {}", allow.iter().map(Method::as_str).collect::<Vec<_>>().join(", "))
        }
        Lookup::Found(found) => {
            assert_eq!(&table.routes()[found.index], found.route);
            let mut line = found.route.clone();
            for (name, value) in found.captures.iter() {
                assert_eq!(found.captures.get(name), Some(value));
                write!(line, " {name}={value}").unwrap();
            }
            if let Some(rest) = found.captures.rest() {
                write!(line, " **={rest}").unwrap();
            }
            line
        }
    }
}

/// Patterns, then requests with what is said of them.
type Case = (&'static [&'static str], &'static [(&'static str, &'static str)]);

const CASES: &[Case] = &[
    (&[], &[("GET /", "404")]),
    (&["GET /"], &[("GET /", "GET /"), ("GET //", "GET /"), ("GET /a", "404")]),
    (
        &["GET /a", "GET /a/"],
        &[("GET /a", "GET /a"), ("GET /a/", "GET /a/"), ("GET /A", "404"), ("GET /a//", "GET /a/")],
    ),
    (
        &["GET /a/b/{y}/z", "GET /a/{x}/c"],
        &[
            ("GET /a/b/c", "GET /a/{x}/c x=b"),
            ("GET /a/b/c/z", "GET /a/b/{y}/z y=c"),
            ("GET /a/b/c/d", "404"),
            ("GET /a//c", "404"),
        ],
    ),
    (
        &["GET /a/b/{y}", "GET /a/{x}/c"],
        &[("GET /a/b/c", "GET /a/b/{y} y=c"), ("GET /a/d/c", "GET /a/{x}/c x=d")],
    ),
    (
        &["* /**", "* /a/**", "* /a/{x}/**", "GET /a/{x}", "GET /a"],
        &[
            ("GET /", "* /** **=/"),
            ("PURGE /b/c", "* /** **=/b/c"),
            ("GET /a", "GET /a"),
            ("GET /a/", "400"),
            ("GET /a/b", "GET /a/{x} x=b"),
            ("GET /a/b/", "400"),
            ("GET /a/b/c/", "* /a/{x}/** x=b **=/c/"),
            ("GET /A/b/c/", "400"),
            ("GET /a/b/c/d", "* /a/{x}/** x=b **=/c/d"),
        ],
    ),
    (&["* /a/**"], &[("GET /a", "* /a/** **="), ("GET /ab", "404"), ("GET /a;x/b", "404")]),
    // A captured prefix that is given up leaves no capture behind.
    (
        &["GET /{a}/{b}/{c}/end", "GET /{a}/**"],
        &[
            ("GET /1/2/3/4", "GET /{a}/** a=1 **=/2/3/4"),
            ("GET /1/2/3/end", "GET /{a}/{b}/{c}/end a=1 b=2 c=3"),
        ],
    ),
    // The path decides first: no falling to the weaker route.
    (
        &["GET /v1/{tenant}/x", "* /v1/**"],
        &[("POST /v1/a/x", "405 GET, HEAD"), ("POST /v1/a/y", "* /v1/** **=/a/y")],
    ),
    // One shape is one group, whatever the names.
    (
        &["GET /a/{x}", "POST|PATCH /a/{y}", "DELETE /a/{y}/"],
        &[
            ("GET /a/1", "GET /a/{x} x=1"),
            ("HEAD /a/1", "GET /a/{x} x=1"),
            ("PATCH /a/1", "POST|PATCH /a/{y} y=1"),
            ("PUT /a/1", "405 GET, HEAD, PATCH, POST"),
            ("get /a/1", "405 GET, HEAD, PATCH, POST"),
            ("GET /a/1/", "405 DELETE"),
        ],
    ),
    (
        &["GET /a", "HEAD /a", "* /a", "HEAD /b", "* /b"],
        &[
            ("GET /a", "GET /a"),
            ("HEAD /a", "HEAD /a"),
            ("OPTIONS /a", "* /a"),
            ("HEAD /b", "HEAD /b"),
            ("GET /b", "* /b"),
        ],
    ),
    (&["GET /a", "* /a"], &[("HEAD /a", "GET /a"), ("POST /a", "* /a")]),
    // What a lax backend takes for another route's is nobody's.
    (
        &[
            "* /**",
            "* /admin/**",
            "GET /v1/{tenant}/x",
            "POST /v1/me/x",
            "GET /Exact",
            "GET /slash/",
            "GET /",
        ],
        &[
            ("GET /admin", "* /admin/** **="),
            ("GET /admin/", "* /admin/** **=/"),
            ("GET /admin/Users;x", "* /admin/** **=/Users;x"),
            ("GET /Admin", "400"),
            ("GET /%41dmin", "400"),
            ("GET /admin;x", "400"),
            ("GET /admin%3Bx/y", "400"),
            ("GET /ADMIN;x/", "400"),
            ("GET /;/admin", "400"),
            ("GET /;x=1/;y/admin/users", "400"),
            ("GET /adm%C4%B1n", "400"),
            ("GET /other/Path;x/", "* /** **=/other/Path;x/"),
            ("GET /", "GET /"),
            ("GET /;x", "400"),
            // The lax reading is of a route that does not take the method.
            ("DELETE /V1/acme/x", "400"),
            ("GET /v1/Acme;a/x", "GET /v1/{tenant}/x tenant=Acme;a"),
            ("GET /v1/Me/x", "400"),
            ("GET /v1/;me/x", "400"),
            ("GET /Exact", "GET /Exact"),
            ("GET /exact", "* /** **=/exact"),
            ("GET /EXACT", "400"),
            ("GET /slash/", "GET /slash/"),
            ("GET /slash;/", "400"),
        ],
    ),
    // Patterns that differ only in what is ignored were told apart on purpose.
    (
        &["GET /a", "GET /a/", "GET /A", "* /**"],
        &[("GET /a/", "GET /a/"), ("GET /A", "GET /A"), ("GET /A/", "400"), ("GET /a;x", "400")],
    ),
    // Compared decoded; path parameters belong to the segment.
    (
        &["GET /caf%C3%A9", "GET /a%20b/{x}", "GET /naïve", "GET /admin", "GET /%2A"],
        &[
            ("GET /caf%c3%a9", "GET /caf%C3%A9"),
            ("GET /cafe%CC%81", "404"),
            ("GET /na%C3%AFve", "GET /naïve"),
            ("GET /a%20b/acme;x=y", "GET /a%20b/{x} x=acme;x=y"),
            ("GET /a%20b/%252e", "GET /a%20b/{x} x=%2e"),
            ("GET /admin;x", "404"),
            ("GET /%61dmin", "GET /admin"),
            ("GET /*", "GET /%2A"),
        ],
    ),
];

#[test]
fn finds() {
    for (patterns, requests) in CASES {
        let mut backwards = patterns.to_vec();
        backwards.reverse();
        for table in [table(patterns), table(&backwards)] {
            for (request, expected) in *requests {
                assert_eq!(said(&table, request), *expected, "{request} in {patterns:?}");
            }
        }
    }
}

/// The pattern, the marked part, words of the message or remedy.
const BROKEN: &[(&str, &str, &str)] = &[
    ("", "", "write it as `GET /path`"),
    ("GET", "GET", "write it as `GET /path`"),
    ("GET healthz", "GET healthz", "write `GET /healthz`"),
    ("/healthz", "/healthz", "write `GET /healthz`, or `* /healthz`"),
    ("GET/a", "GET/a", "write `GET /a`"),
    ("get /a", "get", "write `GET`"),
    ("GET|get /a", "get", "upper case"),
    ("GET| /a", "", "not a method"),
    ("GET POST /a", "GET POST", "`GET|POST /path`"),
    ("GET, POST,GET /a", "GET", "twice"),
    ("GET|* /a", "*", "alone"),
    ("GET|TRACE /a", "TRACE", "never served"),
    ("G@T /a", "G@T", "not a method"),
    ("GET /a/**/b", "**", "at the end"),
    ("GET /a/*", "*", "{name}"),
    ("GET /a/f*o/b", "f*o", "%2A"),
    ("GET /a/x{y}", "x{y}", "whole segment"),
    ("GET /a/{x", "{x", "whole segment"),
    ("GET /{}", "{}", "not a name"),
    ("GET /{Tenant}", "{Tenant}", "lower-case"),
    ("GET /{1}", "{1}", "digit"),
    ("GET /{x}/{y}/{x}", "{x}", "twice"),
    ("GET /a//b", "", "one slash"),
    ("GET //", "", "one slash"),
    ("GET /a/../b", "..", "dot segment"),
    ("GET /a/%2e%2e", "%2e%2e", "dot segment"),
    ("GET /a%2fb", "a%2fb", "encoded slash"),
    ("GET /a%zz", "a%zz", "broken"),
    ("GET /a%00", "a%00", "control"),
    ("GET /a\\b", "a\\b", "backslash"),
    ("GET /a?x=1", "a?x=1", "query"),
    ("GET /a b", "a b", "%20"),
    ("GET /a ", "a ", "space"),
    ("GET /é/{Ü}", "{Ü}", "not a name"),
];

#[test]
fn tells_what_is_wrong_and_where() {
    for (text, marked, words) in BROKEN {
        let error = Pattern::parse(text).expect_err(text);
        assert_eq!(text.get(error.range.clone()), Some(*marked), "{text}: {error}");
        assert!(error.to_string().contains(words), "{text}: {error}");
    }
    let second = Pattern::parse("GET /{x}/{x}").unwrap_err();
    assert_eq!(second.range, 9..12);
}

#[test]
fn bounds_what_a_pattern_holds() {
    let names = |n: usize| (0..n).fold("GET ".to_owned(), |text, i| text + &format!("/{{n{i}}}"));
    let full = pattern(&names(MAX_CAPTURES));
    assert_eq!(full.names().count(), MAX_CAPTURES);
    assert!(Pattern::parse(&names(MAX_CAPTURES + 1)).unwrap_err().message.contains("at most 16"));

    let values = (0..MAX_CAPTURES).fold(String::new(), |text, i| text + &format!("/v{i}"));
    let path = Path::parse(values.as_bytes()).unwrap();
    let table = Table::compile(vec![(vec![full], ())]).unwrap();
    let Lookup::Found(found) = table.find(&Method::GET, &path) else { panic!("no route") };
    assert_eq!(found.captures.get("n15"), Some("v15"));

    let deep = |n: usize| format!("GET {}", "/a".repeat(n));
    assert!(Pattern::parse(&deep(MAX_SEGMENTS)).is_ok());
    assert!(Pattern::parse(&deep(MAX_SEGMENTS + 1)).is_err());
}

#[test]
fn methods_may_be_spaced() {
    assert_eq!(pattern("GET, POST  /a").methods(), pattern("POST | GET /a").methods());
    assert_eq!(pattern("*   /a").methods(), &Methods::Any);
    assert!(pattern("GET /{a}/{b}").captures("b"));
    assert!(!pattern("GET /{a}/b").captures("b"));
}

#[test]
fn captures_survive_their_request() {
    let table = table(&["GET /{tenant}/files/**"]);
    let (path, spans) = {
        let raw = b"/ac%6De/files/a/b".to_vec();
        let path = Path::parse(&raw).unwrap();
        let Lookup::Found(found) = table.find(&Method::GET, &path) else { panic!("no route") };
        let spans = found.captures.spans();
        (path.into_owned(), spans)
    };
    let captures = table.captures(spans, &path).unwrap();
    assert_eq!((captures.get("tenant"), captures.get("other")), (Some("acme"), None));
    assert_eq!(captures.rest(), Some("/a/b"));
    assert_eq!(captures.pattern().as_str(), "GET /{tenant}/files/**");
}

#[test]
fn a_route_may_have_several_patterns() {
    let table = Table::compile(vec![(vec![pattern("GET /a/{x}"), pattern("POST /b/{y}/{x}")], "r")]).unwrap();
    let path = Path::parse(b"/b/1/2").unwrap();
    let Lookup::Found(found) = table.find(&Method::POST, &path) else { panic!("no route") };
    assert_eq!((found.index, found.captures.get("x")), (0, Some("2")));
}

type Clash = (usize, usize, &'static str);

/// Patterns, then (left, right, example) of each ambiguity.
const AMBIGUOUS: &[(&[&str], &[Clash])] = &[
    (&["GET /a/{x}", "GET /a/{y}"], &[(0, 1, "GET /a/y")]),
    (&["GET /a/{x}", "GET /a/x", "GET|POST /a/{x}"], &[(0, 2, "GET /a/x_")]),
    (&["* /a/**", "* /a/**", "GET /a/**"], &[(0, 1, "POST /a")]),
    (&["GET /a/**", "GET /a", "GET /a/**"], &[(0, 2, "GET /a/")]),
    (&["GET /**", "GET /**"], &[(0, 1, "GET /")]),
    (&["GET /caf%C3%A9", "GET /café"], &[(0, 1, "GET /caf%C3%A9")]),
    (&["GET|POST /a", "POST|GET /a", "DELETE|POST /a"], &[(0, 1, "GET /a"), (0, 2, "POST /a")]),
    (&["GET /a", "POST /a", "GET|POST /a"], &[(0, 2, "GET /a"), (1, 2, "POST /a")]),
];

#[test]
fn ambiguity_is_an_error_with_an_example() {
    for (patterns, expected) in AMBIGUOUS {
        let routes = patterns.iter().map(|text| (vec![pattern(text)], ())).collect();
        let clashes = Table::compile(routes).expect_err(patterns[0]);
        let shown: Vec<_> = clashes.iter().map(|c| (c.left, c.right, c.example.as_str())).collect();
        assert_eq!(shown, *expected, "{patterns:?}");
    }
    let twice = vec![(vec![pattern("GET /a"), pattern("GET /%61")], ())];
    assert_eq!(Table::compile(twice).unwrap_err()[0].right, 0);
}

#[test]
fn one_route_may_have_a_path_in_several_spellings() {
    let patterns = |texts: &[&str]| texts.iter().map(|text| pattern(text)).collect::<Vec<_>>();
    let routes = vec![(patterns(&["GET /a", "* /**"]), "one"), (patterns(&["POST /a"]), "two")];
    let table = Table::compile(routes).unwrap();
    let find = |method: Method, path: &str| match table.find(&method, &Path::parse(path.as_bytes()).unwrap())
    {
        Lookup::Found(found) => *found.route,
        _ => "none",
    };
    assert_eq!(find(Method::GET, "/A/"), "one");
    assert_eq!(find(Method::POST, "/A/"), "none");
    assert_eq!(find(Method::PUT, "/A/"), "none");
}

mod reference;

#[test]
fn a_pattern_filled_in_is_matched_with_what_was_filled_in() {
    for (pattern, path) in [
        ("GET /", "/"),
        ("GET /a/", "/a/"),
        ("GET /v1/{tenant}/x/{y}", "/v1/a%20c/x/%25"),
        ("GET /%7Bv%7D/{tenant}/**", "/%7Bv%7D/a%20c/rest/of"),
        ("GET /**", "/rest/of"),
    ] {
        let pattern = Pattern::parse(pattern).unwrap();
        let filled = pattern.fill(|name| if name == "tenant" { "a c" } else { "%" }, "rest/of");
        assert_eq!(filled, path);
        let table = Table::compile(vec![(vec![pattern.clone()], ())]).unwrap();
        assert_eq!(table.patterns(0).collect::<Vec<_>>(), [&pattern]);
        let path = Path::parse(filled.as_bytes()).unwrap();
        let Lookup::Found(found) = table.find(&Method::GET, &path) else { panic!("{filled}") };
        if pattern.captures("tenant") {
            assert_eq!(found.captures.get("tenant"), Some("a c"));
        }
    }
}
