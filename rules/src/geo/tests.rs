//! The databases are those of `tests/corpus/geo`; `make.py` beside them wrote them.

use proptest::prelude::*;

use super::*;

const COUNTRIES: &[u8] = include_bytes!("../../../tests/corpus/geo/countries.mmdb");
const CITIES: &[u8] = include_bytes!("../../../tests/corpus/geo/cities.mmdb");
const NETWORKS: &[u8] = include_bytes!("../../../tests/corpus/geo/networks.mmdb");
const NETWORKS4: &[u8] = include_bytes!("../../../tests/corpus/geo/networks4.mmdb");
const DOMAINS: &[u8] = include_bytes!("../../../tests/corpus/geo/domains.mmdb");

fn atlas(files: &[&[u8]]) -> Atlas {
    files.iter().fold(Atlas::default(), |atlas, file| atlas.and(Atlas::read(file.to_vec()).unwrap()))
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn a_country_database_tells_countries() {
    let atlas = atlas(&[COUNTRIES]);
    let known = atlas.find(ip("192.0.2.2"));
    assert_eq!(
        known,
        Whereabouts { country: "FR", continent: "EU", in_european_union: true, ..Whereabouts::default() }
    );
    assert_eq!(atlas.find(ip("192.0.2.1")).country, "GB");
    assert!(!atlas.find(ip("192.0.2.1")).in_european_union);
    assert_eq!(atlas.find(ip("::ffff:192.0.2.1")).country, "GB", "an IPv4 address in IPv6 is IPv4");
    assert_eq!(atlas.find(ip("2001:db8:44::7")).country, "GB");
    for nowhere in ["192.0.2.99", "127.0.0.1", "::1", "2001:db8::1", "255.255.255.255"] {
        assert_eq!(atlas.find(ip(nowhere)), Whereabouts::default(), "{nowhere}");
    }
}

#[test]
fn a_city_database_tells_all_of_a_place() {
    let atlas = atlas(&[CITIES]);
    let known = atlas.find(ip("192.0.2.100"));
    let told = Whereabouts {
        country: "GB",
        continent: "EU",
        city: "Boxford",
        region: "England",
        subdivisions: ["ENG", "WBK"],
        postal_code: "OX1",
        metro_code: None,
        latitude: Some(51.75),
        longitude: Some(-1.25),
        timezone: "Europe/London",
        in_european_union: false,
        network: 0,
    };
    assert_eq!(known, told);
    assert_eq!([0, 1, 2].map(|level| known.subdivision(level)), ["GB-ENG", "GB-WBK", ""]);
    let known = atlas.find(ip("2001:db8:1::"));
    assert_eq!(
        (known.metro_code, known.subdivision(0).as_str(), known.subdivision(1).as_str()),
        (Some(819), "US-WA", "")
    );
    assert_eq!(Whereabouts::default().subdivision(0), "");
}

#[test]
fn several_databases_complete_each_other() {
    let both = atlas(&[CITIES, NETWORKS]);
    let known = both.find(ip("192.0.2.64"));
    assert_eq!((known.city, known.network), ("Boxford", 64500));
    let known = both.find(ip("192.0.2.5"));
    assert_eq!((known.country, known.network), ("", 54321));
    let turned = atlas(&[NETWORKS, CITIES]);
    assert_eq!(turned.find(ip("192.0.2.64")), both.find(ip("192.0.2.64")));
    let known = atlas(&[COUNTRIES, CITIES]).find(ip("192.0.2.128")).country.to_owned();
    assert_eq!(known, "JP", "whoever knows is believed");
    let old = atlas(&[NETWORKS4]);
    assert_eq!(old.find(ip("192.0.2.5")).network, 54321);
    assert_eq!(old.find(ip("2001:db8:1::")), Whereabouts::default(), "there are no IPv6 addresses in it");
}

#[test]
fn what_is_no_such_database_is_told() {
    let why = |bytes: &[u8]| Atlas::read(bytes.to_vec()).unwrap_err();
    assert!(why(b"").contains("not a MaxMind database"));
    assert!(why(b"<html>not found</html>").contains("not a MaxMind database"));
    assert!(why(&COUNTRIES[..COUNTRIES.len() - 40]).contains("not a MaxMind database"));
    assert_eq!(why(DOMAINS), "a database of the type `GeoIP2-Domain` tells neither countries nor networks");
}

#[test]
fn a_record_of_another_make_is_found_at_the_start() {
    // `iso_code` under `country` becomes a number: the type of the string before it is changed to `uint16`.
    let at = CITIES.windows(3).position(|bytes| bytes == b"\x42GB").unwrap();
    let mut spoilt = CITIES.to_vec();
    spoilt[at] = 0xa2;
    let why = Atlas::read(spoilt).unwrap_err();
    assert!(why.starts_with("the database is spoilt"), "{why}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn spoilt_files_do_not_panic(
        nth in 0_usize..4,
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
        cut in proptest::option::weighted(0.1, any::<prop::sample::Index>()),
        addresses in proptest::collection::vec(any::<u128>(), 4),
    ) {
        let mut bytes = [COUNTRIES, CITIES, NETWORKS, NETWORKS4][nth].to_vec();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        if let Ok(atlas) = Atlas::read(bytes) {
            for address in addresses {
                let _ = atlas.find(IpAddr::V6(address.into()));
                let [a, b, c, d, ..] = address.to_be_bytes();
                let _ = atlas.find(std::net::Ipv4Addr::new(a, b, c, d).into());
                let _ = atlas.find(std::net::Ipv4Addr::new(192, 0, 2, d).into()).subdivision(0);
            }
        }
    }
}
