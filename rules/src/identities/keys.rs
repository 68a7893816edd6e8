//! `keys` of a JWT identity: written down, or to be fetched.

use std::net::IpAddr;
use std::time::Duration;

use http::Uri;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Making;
use super::jwt::is_plain;
use crate::credential::{KeySource, KeysAt};
use crate::host::Host;
use crate::problem::{Place, Problem};
use crate::token::{Algorithm, KeySet};
use crate::units::Time;

/// How often keys are fetched unless the configuration says otherwise.
const REFRESH: Duration = Duration::from_mins(10);
/// The most frequent and the rarest: a key that the issuer withdrew goes on admitting until the next fetch, and
/// nobody should have to wait for that longer than an hour.
const REFRESHES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_hours(1));
/// How long an issuer may be down unless the configuration says otherwise.
const STALE_FOR: Duration = Duration::from_hours(24);

/// Where the keys are: exactly one of `secret`, `pem`, `file`, `url` and `discover`.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawKeys {
    /// The name of a secret: a key for HS256, HS384 or HS512.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// A file with a public key or a certificate in PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pem: Option<String>,
    /// A file with a JSON Web Key Set (RFC 7517).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The address of a JSON Web Key Set, which is fetched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// `true`: the key set is where the issuer's `OpenID` configuration says (`/.well-known/openid-configuration`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub discover: Option<bool>,
    /// How often a fetched set is fetched again: 1s to 1h, by default 10m. The issuer's `Cache-Control` may shorten
    /// that, to a minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh: Option<Time>,
    /// How long fetched keys are used while the issuer cannot be reached; by default 24h.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stale_for: Option<Time>,
}

/// An identity's keys.
pub(super) enum Keys {
    /// They are known.
    Given(KeySet),
    /// They are fetched.
    Fetched(KeySource),
}

/// Reads `keys` of an identity with this issuer and these algorithms.
pub(super) fn compile(
    raw: &RawKeys,
    issuer: &str,
    algorithms: &[Algorithm],
    making: &Making<'_>,
) -> Result<Keys, Vec<Problem>> {
    let at = making.at.key("keys");
    let sources = [&raw.secret, &raw.pem, &raw.file, &raw.url].into_iter().flatten().count();
    if sources + usize::from(raw.discover.is_some()) != 1 {
        return Err(vec![at.problem("`keys` needs exactly one source").remedy(
            "write one of `secret: NAME`, `pem: FILE`, `file: JWKS`, `url: https://…`, `discover: true`",
        )]);
    }
    if raw.url.is_some() || raw.discover.is_some() {
        return fetched(raw, issuer, algorithms, making).map(Keys::Fetched);
    }
    let mut problems = Vec::new();
    for (key, written) in [("refresh", raw.refresh), ("stale_for", raw.stale_for)] {
        if written.is_some() {
            let problem = at.key(key).itself().problem(format!("`{key}` is for keys that are fetched"));
            problems.push(problem.remedy("remove it: a changed file is noticed by itself"));
        }
    }
    let given = given(raw, algorithms, making).map_err(|problem| problems.push(problem)).ok();
    given.filter(|_| problems.is_empty()).map(Keys::Given).ok_or(problems)
}

fn fetched(
    raw: &RawKeys,
    issuer: &str,
    algorithms: &[Algorithm],
    making: &Making<'_>,
) -> Result<KeySource, Vec<Problem>> {
    let (at, mut problems) = (making.at.key("keys"), Vec::new());
    let from = if let Some(url) = &raw.url {
        address(url, making.production, &at.key("url"), &mut problems);
        KeysAt::Url(url.clone())
    } else {
        if raw.discover == Some(false) {
            let problem = at.key("discover").problem("`discover: false` says nothing of where the keys are");
            problems.push(problem.remedy("write `discover: true`, or `url: https://…`"));
        }
        discoverable(issuer, making, &mut problems);
        KeysAt::Issuer(issuer.to_owned())
    };
    let (refresh, stale_for) = times(raw, &at, &mut problems);
    if let Some(other) = algorithms.iter().find(|algorithm| algorithm.is_symmetric()) {
        let at = making.at.key("algorithms");
        problems.push(
            at.problem(format!("fetched keys are public and cannot verify {other}"))
                .remedy("take it off the algorithms"),
        );
    }
    let algorithms = if algorithms.is_empty() { public() } else { algorithms.to_vec() };
    let source = KeySource { from, refresh, stale_for, algorithms };
    if problems.is_empty() { Ok(source) } else { Err(problems) }
}

/// Whether the issuer's name is an address that its configuration can be below.
fn discoverable(issuer: &str, making: &Making<'_>, problems: &mut Vec<Problem>) {
    let at = making.at.key("issuer");
    let told_of = issuer.is_empty() || (making.production && is_plain(issuer));
    if !told_of {
        address(issuer, making.production, &at, problems);
    }
    if issuer.contains('?') {
        let problem = at.problem("an issuer with a query has no OpenID configuration");
        problems.push(problem.remedy("write the key set's address: `keys: { url: https://… }`"));
    }
}

/// A public key says by its kind what it can verify.
fn public() -> Vec<Algorithm> {
    Algorithm::ALL.iter().copied().filter(|algorithm| !algorithm.is_symmetric()).collect()
}

fn given(raw: &RawKeys, algorithms: &[Algorithm], making: &Making<'_>) -> Result<KeySet, Problem> {
    let (at, library) = (making.at.key("keys"), making.library);
    // A secret takes the algorithm that everybody means.
    let algorithms = match (algorithms, &raw.secret) {
        ([], Some(_)) => vec![Algorithm::Hs256],
        ([], None) => public(),
        (written, _) => written.to_vec(),
    };
    if let Some(name) = &raw.secret {
        let at = at.key("secret");
        let secret = library.secret(name).map_err(|why| at.problem(why))?;
        return KeySet::from_secret(secret.expose(), &algorithms).map_err(|why| at.problem(why.to_string()));
    }
    let (at, path) = match (&raw.pem, &raw.file) {
        (Some(path), _) => (at.key("pem"), path.as_str()),
        (None, path) => (at.key("file"), path.as_deref().unwrap_or_default()),
    };
    let bytes = library.file(path).map_err(|why| at.problem(why))?;
    let set = match raw.pem {
        Some(_) => KeySet::from_pem(&bytes, &algorithms),
        None => KeySet::from_jwks(&bytes, &algorithms, false),
    };
    set.map_err(|why| at.problem(why.to_string()))
}

/// `refresh` and `stale_for`.
fn times(raw: &RawKeys, at: &Place, problems: &mut Vec<Problem>) -> (Duration, Duration) {
    let refresh = raw.refresh.unwrap_or(Time(REFRESH));
    let (least, most) = REFRESHES;
    if !(least..=most).contains(&refresh.0) {
        let problem = at.key("refresh").problem(format!("`refresh: {refresh}` is not between 1s and 1h"));
        problems.push(problem.remedy("a withdrawn key admits until the next fetch: `10m` is a good time"));
    }
    let stale_for = raw.stale_for.unwrap_or(Time(STALE_FOR));
    if stale_for < refresh {
        let problem = at.key("stale_for").problem(format!(
            "`stale_for: {stale_for}` is shorter than `refresh: {refresh}`: the keys would lapse between two fetches"
        ));
        problems.push(problem.remedy("write at least as long; `24h` outlasts most outages"));
    }
    (refresh.0, stale_for.0)
}

/// Whether keys may be fetched from there.
fn address(text: &str, production: bool, at: &Place, problems: &mut Vec<Problem>) {
    let Some((scheme, host)) = parts(text) else {
        problems.push(
            at.problem(format!("`{text}` is not an address that keys can be fetched from"))
                .remedy("write `https://host/path`, without user name and fragment"),
        );
        return;
    };
    if production && scheme == "http" {
        problems.push(
            at.problem("a key set over plain http is refused in production")
                .remedy("write its https:// address: whoever can change the answer could sign tokens"),
        );
    }
    if production && is_loopback(&host) {
        problems.push(
            at.problem("a key set on this machine itself is refused in production")
                .remedy("write the issuer's public name, or `environment: staging`"),
        );
    }
}

/// Scheme and host of an address of ours: http or https, and nothing that a client would not send.
fn parts(text: &str) -> Option<(&'static str, String)> {
    let uri: Uri = text.parse().ok()?;
    let scheme = match uri.scheme_str()? {
        "http" => "http",
        "https" => "https",
        _ => return None,
    };
    let authority = uri.authority()?.as_str();
    let host = Host::parse(authority)?.name().to_owned();
    // `127.1` and `2130706433` are addresses to resolvers and names to everybody else.
    let numeric = host
        .rsplit('.')
        .next()
        .is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()) || last.starts_with("0x"));
    let misread = numeric && host.parse::<IpAddr>().is_err();
    (!misread && !text.contains('#')).then_some((scheme, host))
}

/// Whether a host, as [`Host::name`] has it, means the machine itself.
pub fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    match bare.parse::<IpAddr>().map(|address| address.to_canonical()) {
        Ok(address) => address.is_loopback() || address.is_unspecified(),
        Err(_) => host == "localhost" || host.ends_with(".localhost"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(url: &str, production: bool) -> Vec<String> {
        let mut problems = Vec::new();
        address(url, production, &Place::root(), &mut problems);
        problems.into_iter().map(|problem| problem.message).collect()
    }

    #[test]
    fn production_fetches_over_tls_from_elsewhere() {
        for url in [
            "https://issuer.test/jwks",
            "https://issuer.test:8443",
            "HTTPS://ISSUER.TEST/a?b=c",
            "https://10.0.0.7/k",
        ] {
            assert_eq!(told(url, true), Vec::<String>::new(), "{url}");
        }
        for host in [
            "localhost",
            "LocalHost",
            "localhost.",
            "a.localhost",
            "127.0.0.1",
            "127.8.9.10:81",
            "[::1]",
            "0.0.0.0",
            "[::]",
            "[::ffff:127.0.0.1]",
            "[::ffff:7f00:1]",
            "[0:0:0:0:0:0:0:1]:8443",
        ] {
            assert_eq!(told(&format!("https://{host}/jwks"), true).len(), 1, "{host}");
            assert_eq!(told(&format!("http://{host}/jwks"), true).len(), 2, "{host}");
            assert_eq!(told(&format!("http://{host}/jwks"), false), Vec::<String>::new(), "{host}");
        }
        for url in ["http://issuer.test/jwks", "HTTP://issuer.test/jwks"] {
            assert!(told(url, true)[0].contains("plain http"), "{url}");
        }
    }

    #[test]
    fn what_could_be_read_otherwise_is_no_address() {
        for url in [
            "",
            "issuer.test/jwks",
            "/jwks",
            "file:///etc/keys",
            "ftp://issuer.test/",
            "https://",
            "https:///jwks",
            "https://ada@issuer.test/",
            "https://ada:b@issuer.test/",
            "https://issuer.test/#a",
            "https://issuer test/",
            "https://issuer.test:0/",
            "https://127.1/",
            "https://2130706433/",
            "https://0x7f.0.0.1/",
            "https://0x7f000001/",
            "https://1.2.3.4.5/",
            "https://0177.0.0.1/",
        ] {
            for production in [true, false] {
                assert!(told(url, production)[0].contains("not an address"), "{url}");
            }
        }
    }
}
