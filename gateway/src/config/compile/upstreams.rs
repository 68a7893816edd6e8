//! `upstreams`: servers, what is injected, whom TLS trusts.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use http::{HeaderName, HeaderValue};
use pingora::protocols::tls::CaType;
use pingora::utils::tls::{WrappedX509, parse_x509};
use rules::policy::Library;
use rules::problem::{Place, Problem};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use super::Problems;
use crate::config::raw::{RawConfig, RawUpstream};
use crate::upstream::{Address, Parts, Scheme, Server, Upstream};

pub(super) fn compile(
    raw: &RawConfig,
    library: &dyn Library,
    problems: &mut Problems,
) -> BTreeMap<String, Arc<Upstream>> {
    let at = Place::root().key("upstreams");
    let mut upstreams = BTreeMap::new();
    for (name, upstream) in &raw.upstreams {
        let at = at.key(name);
        super::name(name, &at.itself(), "an upstream", problems);
        let servers = servers(upstream, &at, problems);
        let inject = inject(upstream, &at.key("inject"), library, problems);
        let ca = authorities(upstream, &servers, &at.key("tls"), library, problems);
        // Servers that are wrong have been reported one by one.
        if upstream.servers.is_empty() {
            problems.push(
                at.key("servers")
                    .problem(format!("the upstream `{name}` has no server"))
                    .remedy("write `servers: [\"http://127.0.0.1:3000\"]`"),
            );
        }
        if upstream.retries > 5 {
            problems.push(
                at.key("retries")
                    .problem("more than 5 retries only make an outage worse")
                    .remedy("write 0 to 5"),
            );
        }
        let parts = Parts {
            name: name.as_str().into(),
            servers,
            balance: upstream.balance,
            inject,
            ca,
            group: group(name, upstream, library),
            retries: usize::try_from(upstream.retries).unwrap_or_default(),
            keepalive: usize::try_from(upstream.keepalive).unwrap_or_default(),
        };
        upstreams.insert(name.clone(), Arc::new(Upstream::new(parts)));
    }
    upstreams
}

/// Pingora's pool does not look at whom a connection trusts, so upstreams with other authorities, of this
/// configuration or of the one before a reload, must not share one.
fn group(name: &str, upstream: &RawUpstream, library: &dyn Library) -> u64 {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    upstream.tls.server_name.hash(&mut hasher);
    upstream.tls.ca.as_ref().and_then(|path| library.file(path).ok()).hash(&mut hasher);
    hasher.finish()
}

fn servers(upstream: &RawUpstream, at: &Place, problems: &mut Problems) -> Vec<Arc<Server>> {
    let mut servers = Vec::new();
    for (index, text) in upstream.servers.iter().enumerate() {
        let place = at.key("servers").item(index);
        let server = server(text, upstream.tls.server_name.as_deref(), &place);
        servers.extend(problems.keep(server).map(Arc::new));
    }
    servers
}

fn server(text: &str, server_name: Option<&str>, place: &Place) -> Result<Server, Problem> {
    let wrong = |what: &str| {
        place
            .problem(format!("`{text}` {what}"))
            .remedy("write `http://host:port`, `https://host:port`, `h2c://host:port` or `unix:/path`")
    };
    let label = text.to_owned();
    if let Some(path) = text.strip_prefix("unix:") {
        if !path.starts_with('/') {
            return Err(wrong("is not the absolute path of a socket"));
        }
        let address = Address::Unix(PathBuf::from(path));
        return Ok(Server::new(label, address, Scheme::Http));
    }
    let (scheme, rest) = text.split_once("://").ok_or_else(|| wrong("is not a server's address"))?;
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    if rest.contains(['/', '?', '#', '@']) {
        return Err(wrong("has more than host and port; paths are forwarded as they come"));
    }
    let host = rules::host::Host::parse(rest).ok_or_else(|| wrong("has no valid host"))?;
    let bare = host.name().trim_start_matches('[').trim_end_matches(']').to_owned();
    let (scheme, default_port) = match scheme {
        "http" => (Scheme::Http, 80),
        "h2c" => (Scheme::H2c, 80),
        // An empty name would switch Pingora's verification off, so there always is one.
        "https" => (Scheme::Https(server_name.unwrap_or(&bare).to_owned()), 443),
        _ => return Err(wrong("has an unknown scheme")),
    };
    if matches!(&scheme, Scheme::Https(name) if name.is_empty()) {
        return Err(place
            .problem("a TLS upstream without a name to verify never loads")
            .remedy("set `tls: { server_name: … }`"));
    }
    // A name is what a certificate is for; an address in its place is more often a slip than a choice.
    if matches!(scheme, Scheme::Https(_)) && server_name.is_none() && bare.parse::<IpAddr>().is_ok() {
        let problem =
            place.problem(format!("`{text}` is an address, and a TLS upstream needs a name to verify"));
        return Err(problem.remedy("write the name in the server's certificate: `tls: { server_name: … }`"));
    }
    let port = host.port().unwrap_or(default_port);
    let address = match bare.parse::<IpAddr>() {
        Ok(ip) => Address::Fixed(SocketAddr::new(ip, port)),
        Err(_) => Address::Named { host: bare, port, found: ArcSwap::from_pointee(Vec::new()) },
    };
    Ok(Server::new(label, address, scheme))
}

/// Whether `text` is a server's address.
///
/// # Errors
/// Why not, with the remedy.
pub(crate) fn is_server(text: &str) -> Result<(), Problem> {
    server(text, None, &Place::root()).map(drop)
}

/// `{secret.NAME}` within `text`, filled.
fn fill(text: &str, place: &Place, library: &dyn Library) -> Result<Vec<u8>, Problem> {
    let mut filled = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        filled.extend_from_slice(before.as_bytes());
        let (name, tail) = after
            .split_once('}')
            .and_then(|(inner, tail)| inner.strip_prefix("secret.").map(|name| (name, tail)))
            .ok_or_else(|| {
                place.problem("only `{secret.NAME}` can stand in braces").remedy("name an entry of `secrets`")
            })?;
        filled.extend_from_slice(library.secret(name).map_err(|why| place.problem(why))?.expose());
        rest = tail;
    }
    filled.extend_from_slice(rest.as_bytes());
    Ok(filled)
}

/// Header fields that decide framing or routing are not for injection.
const NOT_INJECTABLE: &[&str] =
    &["host", "connection", "content-length", "transfer-encoding", "upgrade", "te", "trailer", "expect"];

fn inject(
    upstream: &RawUpstream,
    at: &Place,
    library: &dyn Library,
    problems: &mut Problems,
) -> Vec<(HeaderName, HeaderValue)> {
    let mut fields = Vec::new();
    for (header, text) in &upstream.inject {
        let place = at.key(header);
        let name = HeaderName::from_bytes(header.as_bytes())
            .ok()
            .filter(|name| !NOT_INJECTABLE.contains(&name.as_str()) && !header.contains('_'));
        let Some(name) = name else {
            problems.push(
                place
                    .itself()
                    .problem(format!("`{header}` is not a header field that can be injected"))
                    .remedy("use a field such as `authorization` or `x-api-key`"),
            );
            continue;
        };
        let Some(value) = problems.keep(fill(text, &place, library)) else { continue };
        match HeaderValue::from_bytes(&value) {
            Ok(mut value) => {
                // What holds a secret is shown nowhere.
                value.set_sensitive(text.contains("{secret."));
                fields.push((name, value));
            }
            Err(_) => problems.push(
                place
                    .problem("the value, once filled, is no header value")
                    .remedy("check the secret for line breaks"),
            ),
        }
    }
    fields
}

fn authorities(
    upstream: &RawUpstream,
    servers: &[Arc<Server>],
    at: &Place,
    library: &dyn Library,
    problems: &mut Problems,
) -> Option<Arc<CaType>> {
    let tls = servers.iter().any(|server| matches!(server.scheme, Scheme::Https(_)));
    for (key, written) in
        [("ca", upstream.tls.ca.is_some()), ("server_name", upstream.tls.server_name.is_some())]
    {
        // Which servers there are is not known while one of them is wrong.
        if written && !tls && servers.len() == upstream.servers.len() {
            problems.push(
                at.key(key)
                    .itself()
                    .problem(format!("`tls.{key}` has no effect: no server is `https://`"))
                    .remedy("remove it"),
            );
        }
    }
    if let Some(name) = &upstream.tls.server_name
        && rules::host::Host::parse(name).is_none_or(|host| host.port().is_some())
    {
        problems.push(
            at.key("server_name")
                .problem(format!("`{name}` is not a host name"))
                .remedy("write the name in the server's certificate"),
        );
    }
    let path = upstream.tls.ca.as_ref().filter(|_| tls)?;
    let at = at.key("ca");
    let pem = problems.keep(library.file(path).map_err(|why| at.problem(why)))?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match certificates {
        // Pingora panics on a certificate that does not parse, so each is parsed here first.
        Ok(list) if !list.is_empty() && list.iter().all(is_certificate) => Some(
            list.into_iter().map(|der| WrappedX509::new(der.to_vec(), parse_x509)).collect::<Vec<_>>().into(),
        ),
        _ => {
            problems.push(
                at.problem(format!("`{path}` holds no certificate in PEM"))
                    .remedy("give the CA's certificate"),
            );
            None
        }
    }
}

fn is_certificate(der: &CertificateDer<'_>) -> bool {
    x509_parser::parse_x509_certificate(der).is_ok_and(|(rest, _)| rest.is_empty())
}
