use proptest::prelude::*;

use super::*;

#[test]
fn reads_hosts() {
    for (text, name, port) in [
        ("example.com", "example.com", None),
        ("Example.COM:8443", "example.com", Some(8443)),
        ("example.com.", "example.com", None),
        ("example.com.:443", "example.com", Some(443)),
        ("localhost", "localhost", None),
        ("127.0.0.1:65535", "127.0.0.1", Some(65535)),
        ("[::1]", "[::1]", None),
        ("[0:0::0001]:8443", "[::1]", Some(8443)),
        ("[2001:DB8::A]", "[2001:db8::a]", None),
        ("my_service.internal", "my_service.internal", None),
        ("xn--bcher-kva.example", "xn--bcher-kva.example", None),
    ] {
        let host = Host::parse(text).unwrap_or_else(|| panic!("{text}"));
        assert_eq!((host.name(), host.port()), (name, port), "{text}");
    }
}

#[test]
fn refuses_what_is_no_host() {
    let long_label = "a".repeat(64);
    let long_name = format!("{}a", "a.".repeat(127));
    for text in [
        "",
        ".",
        "..",
        ":443",
        "a..b",
        ".a",
        "a..",
        "a:",
        "a:0",
        "a:00443",
        "a:+443",
        "a:65536",
        "a:4 3",
        "a:b",
        "a:1:2",
        "::1",
        "[::1",
        "[::1]x",
        "[::1]:",
        "[::1%25eth0]",
        "[]",
        "[127.0.0.1]",
        "user@a",
        "a b",
        " a",
        "a\t",
        "a/b",
        "a?b",
        "a#b",
        "a\\b",
        "a%2eb",
        "bücher.example",
        "*.example.com",
        "https://a",
        "-a",
        "a-",
        "a,b",
        "a\0",
        &long_label,
        &long_name,
    ] {
        assert_eq!(Host::parse(text), None, "{text}");
    }
}

#[test]
fn finds_hosts_by_name_alone() {
    let hosts = Hosts::compile(
        &["App.example.com", "api.example.com."],
        &[("www.example.com", "app.example.com"), ("old.example", "New.example:8443")],
    )
    .unwrap();
    for (text, destination) in [
        ("app.example.com", Destination::Served),
        ("APP.example.com.:8443", Destination::Served),
        ("api.example.com", Destination::Served),
        ("www.example.com:80", Destination::Redirect("app.example.com")),
        ("old.example", Destination::Redirect("new.example:8443")),
        ("example.com", Destination::Unknown),
        ("x.app.example.com", Destination::Unknown),
        ("new.example", Destination::Unknown),
    ] {
        assert_eq!(hosts.find(&Host::parse(text).unwrap()), destination, "{text}");
    }
    assert_eq!(Hosts::default().find(&Host::parse("a").unwrap()), Destination::Unknown);
}

#[test]
fn reports_every_bad_entry() {
    let problems = Hosts::compile(
        &["a.example", "*.example", "A.example.", "b.example:443"],
        &[
            ("a.example", "c.example"),
            ("d.example", "https://x"),
            ("e.example", "f.example"),
            ("f.example", "E.example"),
        ],
    )
    .unwrap_err();
    let shown: Vec<_> =
        problems.iter().map(|problem| format!("{} {}", problem.entry, problem.message)).collect();
    assert_eq!(
        shown,
        [
            "*.example is not a host",
            "A.example. is there twice",
            "b.example:443 has a port",
            "a.example is there twice",
            "https://x is not a host",
            "f.example is redirected itself",
            "E.example is redirected itself",
        ]
    );
}

proptest! {
    #[test]
    fn what_is_shown_reads_again(text in prop_oneof![any::<String>(), "[aA0._:\\[\\]-]{0,9}"]) {
        if let Some(host) = Host::parse(&text) {
            let shown = host.to_string();
            prop_assert_eq!(Host::parse(&shown), Some(host));
        }
    }
}
