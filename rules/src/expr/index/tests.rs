//! What an index finds, and above all what it does not.

use std::net::IpAddr;

use proptest::prelude::*;

use super::super::tests::{Request, Words};
use super::super::{Atlas, Condition, Whereabouts};
use super::{Candidates, Index};

fn compile(texts: &[&str]) -> Vec<Condition> {
    let words = Words::new();
    texts.iter().map(|text| Condition::compile(text, &words.all()).unwrap()).collect()
}

struct Berlin;

impl Atlas for Berlin {
    fn look(&self, _: IpAddr) -> Whereabouts<'_> {
        Whereabouts { country: Some("DE".into()), network: Some(7), ..Whereabouts::default() }
    }
}

fn found(index: &Index, request: &Request) -> Vec<usize> {
    let mut candidates = Candidates::default();
    index.candidates(&request.facts().with_atlas(Some(&Berlin)), &mut candidates);
    candidates.iter().collect()
}

/// Rules as people write them, with a request that each holds of; no other may be a candidate for that one.
#[test]
fn each_is_found_by_what_it_needs_and_by_nothing_else() {
    let needs: &[(&str, Request)] = &[
        (r#"http.host eq "a.test""#, {
            let mut request = Request::to("/");
            request.host = "a.test".to_owned();
            request
        }),
        (
            r#"http.request.uri.path wildcard "/WP-*" and http.host eq "www.example.com""#,
            Request::to("/wp-login"),
        ),
        (r#"http.request.uri.path contains ".php""#, Request::to("/x.php5")),
        (
            r#"starts_with(http.request.uri.path, "/admin") and not ip.src in $office_network"#,
            Request::to("/admin/x"),
        ),
        (r#"ends_with(http.request.uri.path, ".bak")"#, Request::to("/x.bak")),
        (r#"lower(http.request.uri.path) contains "/phpmyadmin""#, Request::to("/PHPMyAdmin")),
        (r#"lower(http.request.uri.path) eq "/shell""#, Request::to("/Shell")),
        (r#"http.request.uri.path matches "^/(cgi|fcgi)-bin/""#, Request::to("/fcgi-bin/x")),
        (r#"http.request.uri.path matches r"\.(sql|tar\.gz)$""#, Request::to("/dump.tar.gz")),
        (r#"http.request.uri.query matches "(?i)union.+select" and ssl"#, Request::to("/?q=UNION%20Select")),
        (r#"http.user_agent in {"zgrab" "masscan"}"#, Request::to("/").header("user-agent", "masscan")),
        (r"http.user_agent in $agents", Request::to("/").header("user-agent", "wget")),
        (r#"any(http.request.headers["x-scan"][*] contains "nikto")"#, {
            Request::to("/").header("x-scan", "no").header("x-scan", "a nikto")
        }),
        (
            r#"any(lower(http.request.headers["x-low"][*])[*] eq "yes")"#,
            Request::to("/").header("x-low", "YES"),
        ),
        (
            r#"any(starts_with(http.request.headers["x-key"][*], "sk_"))"#,
            Request::to("/").header("x-key", "sk_1"),
        ),
        (r#"http.request.headers["x-one"][0] eq "1""#, Request::to("/").header("x-one", "1")),
        (
            r#"http.cookie contains "debug=1" or http.referer eq "evil""#,
            Request::to("/").header("referer", "evil"),
        ),
        (r#"ip.src in {203.0.113.0/24 2001:db8::/32} and http.request.method in {"GET"}"#, {
            let mut request = Request::to("/");
            request.client = "2001:db8::7".parse().unwrap();
            request
        }),
        ("ip.src eq 192.0.2.77", {
            let mut request = Request::to("/");
            request.client = "::ffff:192.0.2.77".parse().unwrap();
            request
        }),
        ("cf.edge.server_port in {8000..8010 9000}", {
            let mut request = Request::to("/");
            request.port = 8003;
            request
        }),
        ("not ssl", {
            let mut request = Request::to("/");
            request.secure = false;
            request
        }),
        (r#"not (not http.request.uri.path eq "/x" or not ssl) or http.host eq "b.test""#, {
            let mut request = Request::to("/x");
            request.host = "b.test".to_owned();
            request
        }),
    ];
    let texts: Vec<&str> = needs.iter().map(|(text, _)| *text).collect();
    let conditions = compile(&texts);
    let index = Index::new(&conditions);
    assert!(found(&index, &Request::to("/")).is_empty(), "{index:?}");
    for (place, (text, request)) in needs.iter().enumerate() {
        assert!(conditions[place].holds(&request.facts()), "{text}");
        let found: Vec<usize> = found(&index, request);
        assert_eq!(found, [place], "{text}");
    }
}

#[test]
fn what_cannot_be_looked_up_is_always_asked() {
    let conditions = compile(&[
        r#"http.host ne "a""#,
        r#"http.request.uri.path contains "/""#,
        r#"not http.host eq "a""#,
        "cf.edge.server_port gt 5",
        "cf.edge.server_port in {1..60000}",
        r"len(http.user_agent) eq 0",
        r#"all(http.request.headers["a"][*] eq "b")"#,
        r#"http.host eq "a" or len(http.host) gt 3"#,
        r#"http.user_agent matches "^$""#,
        "true",
        "false",
        r#"http.request.headers["X"][0] eq "never""#,
        "ip.src in {}",
    ]);
    assert_eq!(found(&Index::new(&conditions), &Request::to("/")), (0..10).collect::<Vec<_>>());
}

/// A fact that all rules need is no use: each is found by what is its own.
#[test]
fn what_tells_them_apart_is_looked_up() {
    let texts: Vec<String> = (0..1000)
        .map(|rule| format!(r#"http.host eq "www.example.com" and http.request.uri.path contains "/secret-{rule}/" and ssl"#))
        .collect();
    let conditions = compile(&texts.iter().map(String::as_str).collect::<Vec<_>>());
    let index = Index::new(&conditions);
    assert!(found(&index, &Request::to("/some/page")).is_empty());
    assert_eq!(found(&index, &Request::to("/secret-512/x")), [512]);
    let texts: Vec<String> = (0..1000)
        .map(|rule| {
            format!(r#"http.host eq "{rule}.example.com" and http.request.uri.path contains "/admin""#)
        })
        .collect();
    let conditions = compile(&texts.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(found(&Index::new(&conditions), &Request::to("/admin")).is_empty());
}

#[test]
fn where_a_client_is_can_be_looked_up() {
    let conditions = compile(&[
        r#"ip.src.country eq "DE""#,
        r#"ip.src.country in {"FR" "GB"}"#,
        "ip.src.asnum in {7 8}",
        "ip.src.asnum in $networks",
    ]);
    assert_eq!(found(&Index::new(&conditions), &Request::to("/")), [0, 2]);
}

#[test]
fn hosts_of_a_list_are_looked_up() {
    let index = Index::new(&compile(&["http.host in $hosts"]));
    for (host, wanted) in [("www.example.com", 1), ("example.org", 1), ("www.example.org", 0), ("x", 0)] {
        let mut request = Request::to("/");
        request.host = host.to_owned();
        assert_eq!(found(&index, &request).len(), wanted, "{host}");
    }
}

/// A path that has every part over and over: everybody is asked rather than every match looked at.
#[test]
fn hostile_values_cost_no_more_than_asking_everybody() {
    let texts: Vec<String> =
        (2..200).map(|length| format!(r#"http.user_agent contains "{}""#, "a".repeat(length))).collect();
    let conditions = compile(&texts.iter().map(String::as_str).collect::<Vec<_>>());
    let index = Index::new(&conditions);
    let request = Request::to("/").header("user-agent", &"a".repeat(100_000));
    assert_eq!(found(&index, &request).len(), conditions.len());
}

proptest! {
    /// An index of sets of addresses names exactly those that have the address.
    #[test]
    fn intervals_say_what_the_sets_say(
        sets in prop::collection::vec(prop::collection::vec((any::<u8>(), any::<u8>()), 1..6), 1..12),
        last in any::<u8>(),
    ) {
        let texts: Vec<String> = sets
            .iter()
            .map(|set| {
                let ranges: Vec<String> = set
                    .iter()
                    .map(|(one, other)| format!("10.0.0.{}..10.0.0.{}", one.min(other), one.max(other)))
                    .collect();
                format!("ip.src in {{{}}}", ranges.join(" "))
            })
            .collect();
        let conditions = compile(&texts.iter().map(String::as_str).collect::<Vec<_>>());
        let mut request = Request::to("/");
        request.client = format!("10.0.0.{last}").parse().unwrap();
        let holds: Vec<usize> = (0..sets.len()).filter(|place| conditions[*place].holds(&request.facts())).collect();
        prop_assert_eq!(found(&Index::new(&conditions), &request), holds);
    }

    /// Whatever a regular expression matches has one of the texts that it was said to need.
    #[test]
    fn required_texts_are_in_every_match(
        pattern in "(a|b|c|\\.|[ab]|\\(a\\|bc\\)|\\(b|\\)|\\+|\\?|\\*|\\{2\\}|\\^|\\$|\\|){0,8}",
        texts in prop::collection::vec("[abcAB]{0,12}", 1..20),
        insensitive in any::<bool>(),
    ) {
        let pattern = if insensitive { format!("(?i){pattern}") } else { pattern };
        let Ok(regex) = super::super::pattern::compile(&pattern, &(0..0)) else { return Ok(()) };
        let Some(required) = super::literals::required(&pattern) else { return Ok(()) };
        for text in texts.iter().filter(|text| regex.is_match(text.as_bytes())) {
            let low = text.to_ascii_lowercase();
            prop_assert!(
                required.iter().any(|part| low.contains(std::str::from_utf8(part).unwrap())),
                "{pattern} matches {text} without {required:?}"
            );
        }
    }
}
