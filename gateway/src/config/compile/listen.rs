//! `listen` and `admin`: listeners, hosts, certificates, whom to believe.

use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;

use http::HeaderValue;
use ipnet::IpNet;
use rules::host::{HostError, Hosts};
use rules::identities::RawIdentity;
use rules::policy::Library;
use rules::problem::{Place, Problem};
use rules::route::Table;

use super::Problems;
use crate::client_ca::ClientCa;
use crate::config::raw::{Environment, RawCertificate, RawConfig, RawHsts, RawHttps, RawLimits};
use crate::edge::EdgeLimits;
use crate::snapshot::{CertificateSource, HttpListener, HttpsListener, Route, Site};

pub(super) fn compile(raw: &RawConfig, library: &dyn Library, problems: &mut Problems) -> Site {
    let at = Place::root().key("listen");
    let listen = &raw.listen;
    if listen.http.is_none() && listen.https.is_none() {
        problems.push(
            at.problem("there is no listener")
                .remedy("write `https: { bind: …, hosts: […], certificates: […] }`"),
        );
    }
    let http = http(raw, &at.key("http"), problems);
    let https = listen.https.as_ref().map(|https| {
        let at = at.key("https");
        bind(&https.bind, &at.key("bind"), problems);
        let certificates = certificates(raw, https, &at.key("certificates"), problems);
        let client_ca = client_ca(https, library, &at.key("client_ca"), problems);
        HttpsListener {
            bind: https.bind.clone(),
            min_version: https.min_version,
            client_ca: client_ca.map(Arc::new),
            certificates,
        }
    });
    let hosts = listen.https.as_ref().and_then(|https| hosts(https, &at.key("https"), problems));
    let hsts =
        listen.https.as_ref().and_then(|https| hsts(&https.hsts, &at.key("https").key("hsts"), problems));
    let trust = trust(&listen.client_ip.trust, &at.key("client_ip").key("trust"), problems);
    let limits = limits(&listen.limits, &at.key("limits"), problems);
    if let Some(admin) = &raw.admin {
        bind(&admin.bind, &Place::root().key("admin").key("bind"), problems);
    }
    Site {
        http,
        https,
        hosts,
        served: listen.https.as_ref().map_or_else(Vec::new, |https| https.hosts.clone()),
        hsts,
        trust,
        limits,
        buffered_bytes: usize::try_from(listen.limits.buffered_bytes.0).unwrap_or(usize::MAX),
        body_timeout: listen.limits.body_timeout.0,
        admin: raw.admin.as_ref().map(|admin| admin.bind.clone()),
    }
}

fn http(raw: &RawConfig, at: &Place, problems: &mut Problems) -> Option<HttpListener> {
    let http = raw.listen.http.as_ref()?;
    bind(&http.bind, &at.key("bind"), problems);
    match (&http.redirect, &http.plaintext) {
        (Some(_), None) if raw.listen.https.is_none() => problems.push(
            at.key("redirect")
                .problem("there is no https listener to redirect to")
                .remedy("add `listen.https`"),
        ),
        (Some(_), None) => {}
        (None, Some(reason)) => super::reason(reason, &at.key("plaintext"), problems),
        (None, None) => problems.push(
            at.problem("`listen.http` neither redirects nor has a reason to be served in the clear")
                .remedy("write `redirect: https`, or `plaintext: \"<reason>\"` where TLS ends elsewhere"),
        ),
        (Some(_), Some(_)) => problems.push(
            at.key("plaintext")
                .itself()
                .problem("plain http is both redirected and served")
                .remedy("keep one of the two"),
        ),
    }
    Some(HttpListener { bind: http.bind.clone(), redirect: http.redirect.is_some() })
}

fn bind(text: &str, place: &Place, problems: &mut Problems) {
    let local = text.parse::<SocketAddr>().is_ok()
        || text.strip_prefix("localhost:").is_some_and(|_| text.to_socket_addrs().is_ok());
    if !local {
        problems.push(
            place
                .problem(format!("`{text}` is not an address to listen on"))
                .remedy("write address and port: `0.0.0.0:443`, `\"[::]:443\"`"),
        );
    }
}

fn hosts(https: &RawHttps, at: &Place, problems: &mut Problems) -> Option<Hosts> {
    if https.hosts.is_empty() {
        problems.push(
            at.key("hosts")
                .problem("no host is served")
                .remedy("list the names that clients use: `hosts: [api.example.com]`"),
        );
    }
    let served: Vec<&str> = https.hosts.iter().map(String::as_str).collect();
    let redirected: Vec<(&str, &str)> =
        https.redirect_hosts.iter().map(|(from, to)| (from.as_str(), to.as_str())).collect();
    for (from, to) in &redirected {
        let name = to.split(':').next().unwrap_or_default();
        if !served.iter().any(|host| host.eq_ignore_ascii_case(name)) {
            problems.push(
                at.key("redirect_hosts")
                    .key(*from)
                    .problem(format!("`{to}` is not a host that is served here"))
                    .remedy("name one of `hosts`"),
            );
        }
    }
    let place = |error: &HostError| {
        let index = https.hosts.iter().rposition(|host| *host == error.entry);
        let from = https.redirect_hosts.keys().find(|from| **from == error.entry);
        match (index, from) {
            (Some(index), _) => at.key("hosts").item(index),
            (None, Some(from)) => at.key("redirect_hosts").key(from).itself(),
            (None, None) => at.key("redirect_hosts"),
        }
    };
    let found = Hosts::compile(&served, &redirected).map_err(|errors| {
        let problem = |error: HostError| {
            place(&error).problem(format!("`{}` {}", error.entry, error.message)).remedy(error.remedy)
        };
        errors.into_iter().map(problem).collect::<Vec<Problem>>()
    });
    problems.keep_all(found)
}

fn certificates(
    raw: &RawConfig,
    https: &RawHttps,
    at: &Place,
    problems: &mut Problems,
) -> Vec<CertificateSource> {
    if https.certificates.is_empty() {
        problems.push(at.problem("there is no certificate").remedy("write `- { cert: FILE, key: FILE }`"));
    }
    let mut sources = Vec::new();
    for (index, certificate) in https.certificates.iter().enumerate() {
        let at = at.item(index);
        match certificate {
            RawCertificate { cert: Some(cert), key: Some(key), self_signed: None } => {
                sources.push(CertificateSource::Files { cert: cert.clone(), key: key.clone() });
            }
            RawCertificate { cert: None, key: None, self_signed: Some(names) } => {
                if raw.environment != Environment::Development {
                    problems.push(
                        at.key("self_signed")
                            .itself()
                            .problem("a self-signed certificate is refused in production and staging")
                            .remedy("use a certificate that clients trust: `{ cert: FILE, key: FILE }`"),
                    );
                }
                sources.push(CertificateSource::SelfSigned(names.clone()));
            }
            _ => problems.push(
                at.problem("a certificate needs `cert` and `key`, or `self_signed` alone")
                    .remedy("write `{ cert: FILE, key: FILE }`"),
            ),
        }
    }
    sources
}

fn client_ca(
    https: &RawHttps,
    library: &dyn Library,
    at: &Place,
    problems: &mut Problems,
) -> Option<ClientCa> {
    let path = https.client_ca.as_ref()?;
    let remedy = "name a PEM file with the authorities that sign your clients' certificates";
    let pem = problems.keep(library.file(path).map_err(|why| at.problem(why).remedy(remedy)))?;
    let read = ClientCa::from_pem(&pem);
    problems.keep(read.map_err(|error| {
        at.problem(format!("the file `{path}` cannot be used: {error}")).remedy(error.remedy())
    }))
}

/// Clients who are asked for certificates that no route looks at would be bothered for nothing.
pub(super) fn client_ca_is_used(raw: &RawConfig, routes: &Table<Route>, problems: &mut Problems) {
    let Some(https) = &raw.listen.https else { return };
    let by_certificate = |name: &str| matches!(raw.identities.get(name), Some(RawIdentity::Mtls(_)));
    let used = routes
        .routes()
        .iter()
        .any(|route| route.identities.iter().any(|identity| by_certificate(&identity.name)));
    if https.client_ca.is_some() && !used {
        let place = Place::root().key("listen").key("https").key("client_ca").itself();
        problems.push(
            place
                .problem("clients are asked for certificates, and no route looks at one")
                .remedy("remove it, or name an identity of `kind: mtls` on a route"),
        );
    }
}

fn hsts(raw: &RawHsts, at: &Place, problems: &mut Problems) -> Option<HeaderValue> {
    let seconds = raw.max_age.0.as_secs();
    // The preload list's own terms (hstspreload.org).
    if raw.preload && (seconds < 365 * 24 * 3600 || !raw.include_subdomains) {
        problems.push(
            at.key("preload")
                .problem("preloading needs a year of `max_age` and `include_subdomains: true`")
                .remedy("set both, or `preload: false`"),
        );
    }
    if seconds == 0 {
        return None;
    }
    let mut text = format!("max-age={seconds}");
    if raw.include_subdomains {
        text.push_str("; includeSubDomains");
    }
    if raw.preload {
        text.push_str("; preload");
    }
    HeaderValue::from_str(&text).ok()
}

fn trust(networks: &[String], at: &Place, problems: &mut Problems) -> Vec<IpNet> {
    let mut trusted = Vec::new();
    for (index, text) in networks.iter().enumerate() {
        let at = at.item(index);
        let network = text
            .parse::<IpNet>()
            .ok()
            .or_else(|| text.parse().ok().map(|address: std::net::IpAddr| IpNet::from(address)));
        match network {
            Some(network) if network.prefix_len() == 0 => problems.push(
                at.problem(format!("`{text}` is everybody: any client could claim any address"))
                    .remedy("list your proxies' networks"),
            ),
            Some(IpNet::V6(network)) if network.addr().to_ipv4_mapped().is_some() => problems.push(
                at.problem(format!("`{text}` never matches: IPv4 peers are compared as IPv4"))
                    .remedy("write it as IPv4: `10.0.0.0/8`"),
            ),
            Some(network) => trusted.push(network),
            None => problems.push(
                at.problem(format!("`{text}` is not a network"))
                    .remedy("write an address or a CIDR block: `10.0.0.0/8`"),
            ),
        }
    }
    trusted
}

fn limits(raw: &RawLimits, at: &Place, problems: &mut Problems) -> EdgeLimits {
    let mut within = |key: &str, value: u64, least: u64, most: u64, shown: String| {
        if !(least..=most).contains(&value) {
            problems.push(
                at.key(key)
                    .problem(format!("`{key}: {shown}` is out of range"))
                    .remedy(format!("write a value from {least} to {most}")),
            );
        }
    };
    let size = raw.header_bytes.0;
    within("header_bytes", size, 1024, 256 * 1024, raw.header_bytes.to_string());
    within("headers", raw.headers.into(), 8, 255, raw.headers.to_string());
    within(
        "connections_per_ip",
        raw.connections_per_ip.into(),
        1,
        1_000_000,
        raw.connections_per_ip.to_string(),
    );
    within(
        "requests_per_connection",
        raw.requests_per_connection.into(),
        1,
        1_000_000,
        raw.requests_per_connection.to_string(),
    );
    within("h2_streams", raw.h2_streams.into(), 1, 10_000, raw.h2_streams.to_string());
    let buffered = raw.buffered_bytes;
    within("buffered_bytes", buffered.0, 64 * 1024, 1 << 40, buffered.to_string());
    for (key, time) in
        [("header_timeout", raw.header_timeout), ("body_timeout", raw.body_timeout), ("idle", raw.idle)]
    {
        if time.0.is_zero() || time.0.as_secs() > 3600 {
            problems.push(
                at.key(key)
                    .problem(format!("`{key}: {time}` is out of range"))
                    .remedy("write a duration above 0 and at most 1h"),
            );
        }
    }
    EdgeLimits {
        header_bytes: usize::try_from(size).unwrap_or(usize::MAX),
        headers: usize::try_from(raw.headers).unwrap_or(usize::MAX),
        header_timeout: raw.header_timeout.0,
        idle: raw.idle.0,
        connections_per_ip: usize::try_from(raw.connections_per_ip).unwrap_or(usize::MAX),
        requests_per_connection: raw.requests_per_connection.into(),
        h2_streams: raw.h2_streams,
        handshake_timeout: raw.header_timeout.0,
    }
}
