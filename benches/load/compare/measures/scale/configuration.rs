//! Configurations with few or many routes and rules.

use std::net::SocketAddr;

use super::Much;

/// Counters that one request makes: of a field each.
pub(crate) const FIELDS: u32 = 50;

const TEMPLATE: &str = include_str!("../scale.yaml");

/// The gateway's file, with so much in it.
pub(crate) fn configuration(much: &Much, admin: SocketAddr, state: &str) -> String {
    let fields: Vec<String> = (0..FIELDS).map(|nth| format!("header.x-k{nth}")).collect();
    TEMPLATE
        .replace("<admin>", &admin.to_string())
        .replace("<state>", state)
        .replace("<fields>", &fields.join(", "))
        .replace("<rules>\n", &lines(much.rules, rule))
        .replace("<routes>\n", &lines(much.routes, route))
}

/// The name of a counter: as long as the identifiers that clients have.
pub(crate) fn key(nth: u32) -> String {
    // Spread, so that names that follow each other are not alike.
    format!("key-{:08x}{nth:08x}", nth.wrapping_mul(0x9e37_79b1))
}

fn lines(count: u32, one: fn(u32) -> String) -> String {
    let lines: Vec<String> = (0..count).map(one).collect();
    format!("  - {}\n", lines.join("\n  - "))
}

/// Routes beside the one that is asked, at every depth of it, and elsewhere.
fn route(nth: u32) -> String {
    let path = match nth % 4 {
        0 => format!("/rs256/{{tenant}}/things-{nth}"),
        1 => format!("/rs256/acme-{nth}/conversations"),
        2 => format!("/area-{nth}/{{tenant}}/conversations/{{conversation}}"),
        _ => format!("/static-{nth}/**"),
    };
    format!("{{ name: r{nth}, match: \"GET {path}\", public: \"one of many\" }}")
}

/// Rules as people have them, none of which the request meets.
fn rule(nth: u32) -> String {
    let when = match nth % 8 {
        0 => format!(r#"http.request.uri.path wildcard "/wp-{nth}-*""#),
        1 => format!(r#"http.request.uri.path contains "secret-{nth}""#),
        2 => format!(
            r#"starts_with(http.request.uri.path, "/old-{nth}/") and not ip.src in {{203.0.113.0/24}}"#
        ),
        3 => format!(r#"http.user_agent contains "scanner-{nth}""#),
        4 => format!("ip.src in {{10.{}.{}.0/24}}", nth / 256 % 256, nth % 256),
        5 => format!(r#"http.request.uri.path matches "^/(cgi|fcgi)-{nth}/.*[.]pl$""#),
        6 => format!(r#"http.request.uri.query contains "id={nth}'""#),
        _ => format!(r#"any(http.request.headers["x-tenant"][*] eq "t{nth}")"#),
    };
    // In YAML, a quote within quotes is written twice.
    format!("{{ name: w{nth}, when: '{}', action: block }}", when.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_has_as_much_as_was_asked_for() {
        let much = Much { routes: 12, rules: 9, keys: 10 };
        let text = configuration(&much, ([127, 0, 0, 1], 9).into(), "state-1");
        assert_eq!(text.matches("one of many").count(), 12);
        assert_eq!(text.matches("action: block").count(), 9);
        assert!(
            text.contains("admin: { bind: \"127.0.0.1:9\" }") && text.contains("header.x-k49]"),
            "{text}"
        );
        assert!(!text.lines().any(|line| line.starts_with('<')));
        assert_ne!(key(1), key(2));
    }
}
