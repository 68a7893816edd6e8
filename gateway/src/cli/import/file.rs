//! The result: rules and lists alone, or a complete configuration.

use super::Options;
use super::report::line;
use super::translate::Made;
use super::yaml::Yaml;

const HEAD: &str = "\
# Imported from Cloudflare. What next:
#   1. Read what the import said: some of what Cloudflare did may have no counterpart here.
#   2. Check it with `portcullis test`, and play a request through it with `portcullis explain 'GET /'`.
#   3. Where the end of TLS moves here, too, replace `listen.http` as it says there.
version: 1

listen:
  http:
    bind: \"127.0.0.1:8080\"
    plaintext: \"TLS ends in front of it, as it did at Cloudflare: replace by listen.https with your hosts and certificates\"
  # http:  { bind: \"0.0.0.0:80\", redirect: https }
  # https: { bind: \"0.0.0.0:443\", hosts: [www.example.com], certificates: [{ cert: tls/site.pem, key: tls/site.key }] }
  # The networks of the proxies in front, whose X-Forwarded-For and X-Forwarded-Proto are believed. Without them, `ip.src`
  # is the proxy's address.
  client_ip: { trust: [] }

# For operators: /healthz /readyz /metrics /config. Keep it off the public network.
admin: { bind: \"127.0.0.1:9464\" }

upstreams:
";

const ROUTES: &str = "
defaults:
  upstream: origin

# Cloudflare passes on whatever no rule stops, and so does this one route. Give paths routes of their own, with an
# `identity`, `limits` and a `body`, and say here only what is really for everybody.
routes:
  - name: everything
    match: \"* /**\"
    public: \"Cloudflare's rules know no callers: whoever may do what is still for the application to decide\"
    # Cloudflare lets WebSockets through. Here an upgrade is refused on every route that does not say so.
    # websocket: true
";

/// The configuration.
pub(super) fn write(rules: &[Made], lists: &str, options: &Options) -> String {
    let mut parts = Vec::new();
    if let Some(upstream) = &options.upstream {
        let servers = Yaml::Map(vec![("servers".to_owned(), Yaml::texts([upstream.clone()]))]);
        parts.push(format!("{HEAD}  {}\n", servers.entry(2, "origin")));
    }
    if !options.geo.is_empty() {
        let geo = Yaml::texts(options.geo.iter().map(String::as_str));
        parts.push(format!("# Where addresses are.\n{}\n", geo.entry(0, "geo")));
    }
    if !lists.is_empty() {
        parts.push(format!("lists:\n{lists}\n"));
    }
    let none = if rules.iter().any(|made| made.enabled) { "" } else { " []" };
    parts.push(format!(
        "# In the order in which Cloudflare runs them. A rewrite is seen by later groups.\nrules:{none}\n"
    ));
    parts.extend(rules.iter().map(rule));
    if options.upstream.is_some() {
        parts.push(ROUTES.to_owned());
    }
    parts.concat()
}

/// A rule; as a comment if it is disabled.
pub(super) fn rule(made: &Made) -> String {
    let about = made.comment.as_deref().map(line).unwrap_or_default();
    let mut lines = match (made.enabled, about.as_str()) {
        (true, "") => Vec::new(),
        (true, about) => vec![format!("  # {about}")],
        (false, "") => vec!["  # Disabled:".to_owned()],
        (false, about) => vec![format!("  # Disabled: {about}")],
    };
    let mark = if made.enabled { "" } else { "# " };
    let own = [
        ("name", Yaml::text(&*made.name)),
        ("group", Yaml::text(&*made.group)),
        ("when", Yaml::text(&*made.when)),
    ];
    for (index, (key, value)) in own.iter().chain(&made.keys).enumerate() {
        let dash = if index == 0 { "- " } else { "  " };
        let entry = format!("{dash}{}", value.entry(2, key));
        lines.extend(entry.lines().map(|line| format!("  {mark}{line}").trim_end().to_owned()));
    }
    lines.push(String::new());
    lines.join("\n")
}
