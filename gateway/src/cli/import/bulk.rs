//! Lists of redirects → rules, in the order in which Cloudflare would choose among them.

use serde_json::{Map, Value};

use super::actions::Keys;
use super::export::{List, text_of};
use super::report::line;
use super::yaml::Yaml;

/// More than these belong into the application, or into a service of their own.
const MOST: usize = 1000;

/// One redirect: its condition, and the keys behind it.
pub(super) type Redirect = (String, Keys);

/// The redirects of a list; what is wrong with some goes to `lost`.
///
/// # Errors
/// Why none of them can become a rule.
pub(super) fn redirects(list: &List, lost: &mut Vec<String>) -> Result<Vec<Redirect>, String> {
    if list.items.len() > MOST {
        return Err(format!(
            "its list has {} redirects, and more than {MOST} do not become rules",
            list.items.len()
        ));
    }
    let mut sources = Vec::new();
    for item in &list.items {
        let object = item.get("redirect").unwrap_or(item).as_object();
        let shown = || line(&item.to_string());
        match object.and_then(Source::read) {
            Some(source) => sources.push(source),
            None => lost.push(format!("the redirect {} is not understood", shown())),
        }
    }
    // The longest path first, then the host itself before hosts above it, the longest host first, and a bound scheme.
    sources.sort_by_key(|source| {
        let length = |text: &str| usize::MAX - text.len();
        (
            length(&source.path),
            source.subdomains,
            length(&source.host),
            source.scheme.is_none(),
            source.subpaths,
        )
    });
    Ok(sources.iter().map(|source| (source.condition(), source.keys())).collect())
}

#[expect(clippy::struct_excessive_bools, reason = "as Cloudflare's list items have them")]
struct Source {
    scheme: Option<bool>,
    host: String,
    path: String,
    subdomains: bool,
    subpaths: bool,
    target: String,
    status: u64,
    keep_query: bool,
    keep_suffix: bool,
}

impl Source {
    fn read(redirect: &Map<String, Value>) -> Option<Self> {
        // Older versions of Terraform's provider write `enabled`.
        let flag = |key: &str, usual: bool| match redirect.get(key) {
            Some(Value::String(word)) => word == "enabled",
            Some(value) => value.as_bool().unwrap_or(usual),
            None => usual,
        };
        let url = text_of(redirect, "source_url")?;
        let (scheme, rest) = match url.split_once("://") {
            Some(("https", rest)) => (Some(true), rest),
            Some(("http", rest)) => (Some(false), rest),
            Some(_) => return None,
            None => (None, url),
        };
        let at = rest.find('/').unwrap_or(rest.len());
        let (host, path) = rest.split_at_checked(at)?;
        let plain = |text: &str| {
            text.chars().all(|letter| letter.is_ascii_graphic() && !matches!(letter, '"' | '\\' | '?' | '#'))
        };
        if host.is_empty() || !plain(host) || !plain(path) {
            return None;
        }
        Some(Self {
            scheme,
            host: host.to_ascii_lowercase(),
            path: if path.is_empty() { "/".to_owned() } else { path.to_owned() },
            subdomains: flag("include_subdomains", false),
            subpaths: flag("subpath_matching", false),
            target: text_of(redirect, "target_url")?.to_owned(),
            status: redirect.get("status_code").and_then(Value::as_u64).unwrap_or(301),
            keep_query: flag("preserve_query_string", false),
            keep_suffix: flag("preserve_path_suffix", true),
        })
    }

    /// The path without a slash at its end.
    fn stem(&self) -> &str {
        self.path.trim_end_matches('/')
    }

    fn condition(&self) -> String {
        let Self { host, path, .. } = self;
        let mut conditions = vec![if self.subdomains {
            format!("(http.host eq \"{host}\" or ends_with(http.host, \".{host}\"))")
        } else {
            format!("http.host eq \"{host}\"")
        }];
        match (self.subpaths, self.stem()) {
            (false, _) => conditions.push(format!("http.request.uri.path eq \"{path}\"")),
            (true, "") => {}
            (true, stem) => conditions.push(format!(
                "(http.request.uri.path eq \"{stem}\" or starts_with(http.request.uri.path, \"{stem}/\"))"
            )),
        }
        conditions.extend(self.scheme.map(|secure| if secure { "ssl" } else { "not ssl" }.to_owned()));
        conditions.join(" and ")
    }

    fn keys(&self) -> Keys {
        let target = if self.subpaths && self.keep_suffix {
            let base = self.target.trim_end_matches('/').replace('\\', "\\\\").replace('"', "\\\"");
            let path = "http.request.uri.path";
            let suffix = match self.stem().len() {
                0 => path.to_owned(),
                length => format!("substring({path}, {length})"),
            };
            ("to_expression", Yaml::text(format!("concat(\"{base}\", {suffix})")))
        } else {
            ("to", Yaml::text(&*self.target))
        };
        let mut keys = vec![("action", Yaml::text("redirect")), target, ("status", Yaml::word(self.status))];
        if self.keep_query {
            keys.push(("keep_query", Yaml::word(true)));
        }
        keys
    }
}
