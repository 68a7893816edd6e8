//! The status page: one HTML document that loads nothing and runs nothing.

use std::fmt::{self, Write};
use std::sync::LazyLock;
use std::time::Duration;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;

/// The gateway's state, as a person wants to see it.
#[derive(Clone, Debug, Default)]
pub struct Status {
    /// The program's version.
    pub version: String,
    /// The configuration's `release`.
    pub release: String,
    /// The first 12 hex digits of the effective configuration's SHA-256.
    pub config: String,
    /// Since the start of the process.
    pub uptime: Duration,
    /// Where clients are served.
    pub listeners: Vec<Listener>,
    /// How many routes are in force.
    pub routes: usize,
    /// Every server of every upstream.
    pub servers: Vec<Server>,
}

/// A listener and its address.
#[derive(Clone, Debug)]
pub struct Listener {
    /// `http`, `https`.
    pub name: String,
    /// The address it is bound to.
    pub address: String,
}

/// A server of an upstream.
#[derive(Clone, Debug)]
pub struct Server {
    /// The upstream's name.
    pub upstream: String,
    /// The server as the configuration names it.
    pub address: String,
    /// What its health check says; none when it has no check, or none was made yet.
    pub healthy: Option<bool>,
}

const STYLE: &str = "
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 48rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; }
h2 { font-size: 1.1rem; margin-top: 2rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid #8885; overflow-wrap: anywhere; }
th { font-weight: 600; width: 12rem; }
.good { color: #1a7f37; }
.bad { color: #d1242f; }
";

/// Only our own style, known by its hash, may apply.
static POLICY: LazyLock<Option<HeaderValue>> = LazyLock::new(|| {
    let hash = STANDARD.encode(digest::digest(&digest::SHA256, STYLE.as_bytes()));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    HeaderValue::try_from(policy).ok()
});

/// The `Content-Security-Policy` of every answer.
pub(super) fn content_security_policy() -> HeaderValue {
    POLICY.clone().unwrap_or(HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"))
}

/// The page, with why the gateway is not ready, if it is not.
pub(super) fn render(status: &Status, not_ready: &[String]) -> String {
    let mut page = String::with_capacity(4096);
    // Writing to a string cannot fail.
    let _ = write(&mut page, status, not_ready);
    page
}

fn write(page: &mut String, status: &Status, not_ready: &[String]) -> fmt::Result {
    write!(
        page,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<meta http-equiv=\"refresh\" content=\"10\">\n\
         <title>portcullis</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<h1>portcullis</h1>\n"
    )?;
    if not_ready.is_empty() {
        page.push_str("<p class=\"good\">Ready.</p>\n");
    } else {
        page.push_str("<p class=\"bad\">Not ready:</p>\n<ul>\n");
        for reason in not_ready {
            writeln!(page, "<li>{}</li>", Escaped(reason))?;
        }
        page.push_str("</ul>\n");
    }
    page.push_str("<table>\n");
    row(page, "Version", &status.version)?;
    row(page, "Release", &status.release)?;
    row(page, "Configuration", &status.config)?;
    row(page, "Up for", &spoken(status.uptime))?;
    row(page, "Routes", &status.routes.to_string())?;
    page.push_str("</table>\n<h2>Listeners</h2>\n<table>\n");
    for listener in &status.listeners {
        row(page, &listener.name, &listener.address)?;
    }
    page.push_str("</table>\n<h2>Upstreams</h2>\n<table>\n");
    for server in &status.servers {
        let (class, state) = match server.healthy {
            Some(true) => ("good", "healthy"),
            Some(false) => ("bad", "unhealthy"),
            None => ("", "not checked"),
        };
        let (upstream, address) = (Escaped(&server.upstream), Escaped(&server.address));
        writeln!(page, "<tr><th>{upstream}</th><td>{address}</td><td class=\"{class}\">{state}</td></tr>")?;
    }
    page.push_str(
        "</table>\n<p><a href=\"/metrics\">metrics</a> · <a href=\"/config\">configuration</a> · \
         <a href=\"/readyz\">readiness</a></p>\n</body>\n</html>\n",
    );
    Ok(())
}

fn row(page: &mut String, name: &str, value: &str) -> fmt::Result {
    writeln!(page, "<tr><th>{}</th><td>{}</td></tr>", Escaped(name), Escaped(value))
}

/// Text that is safe between tags and in quoted attributes.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                _ => f.write_char(character)?,
            }
        }
        Ok(())
    }
}

/// `3 d 4 h 5 min 6 s`, from the first unit that counts.
fn spoken(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let units = [
        (seconds / 86_400, "d"),
        (seconds / 3600 % 24, "h"),
        (seconds / 60 % 60, "min"),
        (seconds % 60, "s"),
    ];
    let told = units.iter().skip_while(|(count, unit)| *count == 0 && *unit != "s");
    told.map(|(count, unit)| format!("{count} {unit}")).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_escaped() {
        let evil = "<script>alert(\"1\")</script>&'".to_owned();
        let server = |healthy| Server { upstream: evil.clone(), address: evil.clone(), healthy };
        let status = Status {
            version: evil.clone(),
            release: evil.clone(),
            config: evil.clone(),
            listeners: vec![Listener { name: evil.clone(), address: evil.clone() }],
            servers: vec![server(None)],
            ..Status::default()
        };
        let page = render(&status, std::slice::from_ref(&evil));
        assert!(!page.contains("<script"));
        let escaped = "&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&amp;&#39;";
        assert_eq!(page.matches(escaped).count(), 8);
    }

    #[test]
    fn the_page_tells_what_is_so() {
        let server =
            |address: &str, healthy| Server { upstream: "chatbot".into(), address: address.into(), healthy };
        let status = Status {
            uptime: Duration::from_secs(93_784),
            routes: 17,
            servers: vec![server("one", Some(true)), server("two", Some(false)), server("three", None)],
            ..Status::default()
        };
        let page = render(&status, &[]);
        for fact in [
            "Ready.",
            "1 d 2 h 3 min 4 s",
            "<td>17</td>",
            "<td>one</td><td class=\"good\">healthy",
            "<td>two</td><td class=\"bad\">unhealthy",
            "<td>three</td><td class=\"\">not checked",
        ] {
            assert!(page.contains(fact), "{fact}\n{page}");
        }
        assert!(render(&status, &["no keys".into()]).contains("Not ready:"));
    }

    #[test]
    fn durations_are_spoken() {
        assert_eq!(spoken(Duration::from_millis(900)), "0 s");
        assert_eq!(spoken(Duration::from_secs(3605)), "1 h 0 min 5 s");
    }

    #[test]
    fn the_policy_names_the_style() {
        let policy = content_security_policy();
        assert!(policy.to_str().unwrap().starts_with("default-src 'none'; style-src 'sha256-"));
    }
}
