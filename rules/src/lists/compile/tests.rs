use std::time::Instant;

use proptest::prelude::*;

use super::*;
use crate::key_file::{Listed, Wrong as WrongKey};
use crate::secret::Secret;

/// One file, whatever it is asked for.
struct One(Vec<u8>);

impl Library for One {
    fn secret(&self, name: &str) -> Result<Secret, String> {
        Err(name.to_owned())
    }

    fn file(&self, path: &str) -> Result<Vec<u8>, String> {
        if path == "gone" { Err("the file `gone` cannot be read".to_owned()) } else { Ok(self.0.clone()) }
    }

    fn keys(&self, _: &str) -> Result<Vec<Listed>, Vec<WrongKey>> {
        Ok(Vec::new())
    }
}

type Compiled = Result<(Lists, Vec<String>), Vec<Problem>>;

fn compiled(name: &str, list: RawList, file: &[u8]) -> Compiled {
    compile(&BTreeMap::from([(name.to_owned(), list)]), &Place::root().key("lists"), &One(file.to_vec()))
}

fn of(items: &[&str]) -> Compiled {
    compiled("a", RawList::of(items.iter().copied()), b"")
}

fn filed(kind: Option<Kind>, text: &str) -> Compiled {
    compiled("a", RawList { kind, file: Some("lists/a.txt".to_owned()), items: None }, text.as_bytes())
}

fn kind(compiled: Compiled) -> Kind {
    compiled.unwrap().0["a"].kind()
}

fn told(compiled: Compiled) -> Vec<String> {
    compiled
        .unwrap_err()
        .into_iter()
        .map(|problem| format!("{}: {}", problem.place, problem.message))
        .collect()
}

#[test]
fn the_entries_tell_what_they_are() {
    assert_eq!(kind(of(&["203.0.113.0/24", "2001:db8::/32", "::1", "10.0.0.1"])), Kind::Ip);
    assert_eq!(kind(of(&["AS64500", "as64501", "64502"])), Kind::Asn);
    assert_eq!(kind(of(&["curl/8", "64502"])), Kind::String);
    assert_eq!(kind(of(&["example.com", "*", "*.mp3", "1.2.3"])), Kind::String);
    assert_eq!(kind(filed(None, r#"[{"hostname": {"url_hostname": "A.example"}}]"#)), Kind::Host);
    assert_eq!(kind(filed(Some(Kind::String), "64500\n10.0.0.1\ncurl\n")), Kind::String);
    assert_eq!(kind(filed(Some(Kind::Ip), "[]")), Kind::Ip);
}

#[test]
fn what_looks_like_a_slip_is_told() {
    for (items, why) in [
        (&["10.0.0.0/8", "curl"][..], "`10.0.0.0/8` looks like an address, and `curl` does not"),
        (&["10.0.0.256", "AS64500"], "`10.0.0.256` looks like an address"),
        (&["*.example.com"], "`*.example.com` looks like a host"),
        (&[], "it is empty"),
    ] {
        let compiled = of(items);
        assert!(compiled.as_ref().unwrap_err()[0].remedy.as_ref().unwrap().contains("`kind: ip`"));
        assert!(
            told(compiled)[0].starts_with(&format!("lists.a: the list `a`: {why}")),
            "{:?}",
            told(of(items))
        );
    }
}

#[test]
fn every_wrong_entry_has_its_place() {
    assert_eq!(
        told(of(&["10.0.0.0/8", "10.0.0.0/33", "10.0/8", "1.2.3.04", "fe80::g::", "::1%eth0"])).len(),
        1,
        "the last two are no addresses at all",
    );
    let wrong = told(of(&["10.0.0.0/8", "10.0.0.0/33", "10.0/8", "1.2.3.04", "fe80:::1"]));
    assert_eq!(wrong[0], "lists.a[1]: the list `a`: `10.0.0.0/33` is neither an address nor a network");
    assert_eq!(wrong.len(), 4, "{wrong:#?}");
    let wrong = told(filed(Some(Kind::Ip), "# x\n10.0.0.1\n\nten\n"));
    assert_eq!(
        wrong,
        ["lists.a.file: the list `a`: lists/a.txt:4: `ten` is neither an address nor a network"]
    );
    let wrong = told(filed(None, "[{\"ip\": \"10.0.0.1\"},\n {\"ip\": \"10.0.0.1/40\"}]"));
    assert!(wrong[0].contains("lists/a.txt:2: `10.0.0.1/40`"), "{wrong:#?}");
    let wrong = told(filed(Some(Kind::Asn), "AS4294967295\nAS4294967296\nAS\n+5\n-5\n"));
    assert_eq!(wrong.len(), 4, "{wrong:#?}");
    let wrong =
        told(filed(Some(Kind::Host), "a.example\n*.b.example\n*\na..b\nc.example:80\nbücher.example\n"));
    assert_eq!(wrong.len(), 4, "{wrong:#?}");
    let wrong = told(filed(Some(Kind::Ip), &"x\n".repeat(100)));
    assert_eq!((wrong.len(), wrong[MOST].contains("88 more entries")), (MOST + 1, true), "{wrong:#?}");
    let long = RawList { kind: Some(Kind::Ip), items: Some(vec!["é".repeat(1000)]), file: None };
    let wrong = told(compiled("a", long, b""));
    assert!(wrong[0].starts_with("lists.a.items[0]: ") && wrong[0].chars().count() < 200, "{wrong:#?}");
}

#[test]
fn a_list_comes_from_one_place() {
    let list = |items: Option<&str>, file: Option<&str>, kind| RawList {
        items: items.map(|item| vec![item.to_owned()]),
        file: file.map(str::to_owned),
        kind,
    };
    for (list, why) in [
        (list(None, None, None), "has no entries"),
        (list(Some("x"), Some("f"), None), "both"),
        (list(None, Some("gone"), None), "cannot be read"),
        (list(None, Some("f"), Some(Kind::Host)), "its file is of kind `asn`"),
        (list(Some(""), None, None), "is empty"),
    ] {
        let wrong = told(compiled("a", list, br#"[{"asn": 5}]"#));
        assert!(wrong.len() == 1 && wrong[0].contains(why), "{wrong:#?}");
    }
}

#[test]
fn rules_can_say_the_name() {
    for (name, good) in [
        ("office", true),
        ("office_2", true),
        ("cf.open_proxies", true),
        ("", false),
        ("Office", false),
        ("my-office", false),
        (".a", false),
        ("a..b", false),
        ("bücher", false),
    ] {
        let compiled = compiled(name, RawList::of(["x"]), b"");
        assert_eq!(compiled.is_ok(), good, "{name}");
        assert!(compiled.map_or_else(|problems| problems[0].place.on_key, |_| true));
    }
}

#[test]
fn bits_beyond_the_prefix_are_masked_and_told() {
    let (lists, notices) = of(&["10.1.2.3/8", "2001:db8::1/32", "192.0.2.0/24"]).unwrap();
    assert_eq!(notices, ["the list `a`: `10.1.2.3/8` is taken as `10.0.0.0/8`, and one more like it"]);
    let List::Addresses(addresses) = &*lists["a"] else { panic!() };
    assert!(addresses.contains("10.255.0.1".parse().unwrap()));
    let (_, notices) = filed(None, "# x\n10.1.2.3/8\n").unwrap();
    assert_eq!(notices, ["the list `a`: lists/a.txt:2: `10.1.2.3/8` is taken as `10.0.0.0/8`"]);
    let (_, notices) = filed(Some(Kind::Asn), "").unwrap();
    assert_eq!(notices, ["the list `a`: it is empty"]);
}

#[test]
fn a_million_addresses_are_read() {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(20 << 20);
    for number in 0..1_050_000_u32 {
        // Far apart, so that none of them merge.
        let _ = writeln!(text, "{}", std::net::Ipv4Addr::from(number.wrapping_mul(2_654_435_761)));
    }
    let start = Instant::now();
    let (lists, _) = filed(None, &text).unwrap();
    println!("{:?}", start.elapsed());
    let List::Addresses(addresses) = &*lists["a"] else { panic!() };
    assert!(addresses.ranges().count() > 1_000_000);
}

#[test]
fn it_is_written_as_it_was_read() {
    for written in [
        serde_json::json!(["10.0.0.0/8"]),
        serde_json::json!({"file": "a.txt"}),
        serde_json::json!({"kind": "host", "items": ["a.example"]}),
    ] {
        let read = |value: &serde_json::Value| match value {
            serde_json::Value::Array(_) => RawList::of(["10.0.0.0/8"]),
            other => serde_json::from_value::<RawList>(other.clone()).unwrap(),
        };
        assert_eq!(serde_json::to_value(read(&written)).unwrap(), written);
    }
    assert!(serde_json::from_value::<RawList>(serde_json::json!({"files": "a"})).is_err());
}

proptest! {
    #[test]
    fn any_bytes_end_in_a_list_or_a_problem(bytes in proptest::collection::vec(any::<u8>(), 0..200), nth in 0_usize..5) {
        let kind = [None, Some(Kind::Ip), Some(Kind::String), Some(Kind::Host), Some(Kind::Asn)][nth];
        let list = RawList { kind, items: None, file: Some("f".to_owned()) };
        match compiled("a", list, &bytes) {
            Ok((lists, _)) => prop_assert!(kind.is_none_or(|kind| lists["a"].kind() == kind)),
            Err(problems) => prop_assert!(!problems.is_empty()),
        }
    }

    #[test]
    fn nearly_good_files_end_in_a_list_or_a_problem(text in r#"([0-9./:a-f#* \n\[\]{}",]|"ip"|"asn":|AS){0,60}"#) {
        let _ = filed(None, &text);
    }

    #[test]
    fn inline_filed_and_json_lists_are_the_same(
        networks in proptest::collection::vec((any::<u128>(), any::<bool>(), 0_u8..=128), 1..20),
    ) {
        let networks: Vec<String> = networks
            .iter()
            .map(|(bits, v4, length)| {
                let bytes = bits.to_be_bytes();
                let address: IpAddr = if *v4 {
                    std::net::Ipv4Addr::new(bytes[0], bytes[1], bytes[2], bytes[3]).into()
                } else {
                    std::net::Ipv6Addr::from(*bits).into()
                };
                IpNet::new(address, if *v4 { length / 4 } else { *length }).unwrap().trunc().to_string()
            })
            .collect();
        let set = |compiled: Compiled| match &*compiled.unwrap().0["a"] {
            List::Addresses(addresses) => addresses.clone(),
            other => panic!("{other:?}"),
        };
        let inline = set(compiled("a", RawList::of(networks.iter().cloned()), b""));
        prop_assert_eq!(&inline, &set(filed(None, &networks.join(" # x\n"))));
        let items: Vec<_> = networks.iter().map(|network| serde_json::json!({ "ip": network })).collect();
        prop_assert_eq!(&inline, &set(filed(None, &serde_json::Value::from(items).to_string())));
        prop_assert_eq!(&inline, &AddressSet::new(networks.iter().map(|network| network.parse().unwrap())));
    }
}
