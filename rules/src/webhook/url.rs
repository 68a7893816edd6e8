//! The external address in the spellings that providers sign. Bytes are moved, never decoded and encoded again.

/// The address without its port.
pub(super) fn without_port(url: &str) -> String {
    match parts(url) {
        Some(Parts { before, host, after, .. }) => format!("{before}{host}{after}"),
        None => url.to_owned(),
    }
}

/// The address with its scheme's own port where it has none.
pub(super) fn with_port(url: &str) -> String {
    let Some(Parts { before, host, port, after }) = parts(url) else { return url.to_owned() };
    let port = match port {
        Some(port) => port,
        None if before.starts_with("https:") => "443",
        None => "80",
    };
    format!("{before}{host}:{port}{after}")
}

/// The path and the query of an address.
pub(super) fn target(url: &str) -> &str {
    match parts(url).map(|parts| parts.after) {
        Some("") | None => "/",
        Some(after) => after,
    }
}

/// Twelve escapes of the query decoded, as `HubSpot` signs it.
pub(super) fn hubspot(url: &str) -> String {
    const PLAIN: [(&str, char); 12] = [
        ("3A", ':'),
        ("2F", '/'),
        ("3F", '?'),
        ("40", '@'),
        ("21", '!'),
        ("24", '$'),
        ("27", '\''),
        ("28", '('),
        ("29", ')'),
        ("2A", '*'),
        ("2C", ','),
        ("3B", ';'),
    ];
    let Some((before, query)) = url.split_once('?') else { return url.to_owned() };
    let mut pieces = query.split('%');
    let mut plain = format!("{before}?{}", pieces.next().unwrap_or_default());
    for piece in pieces {
        let (code, rest) = piece.split_at_checked(2).unwrap_or((piece, ""));
        match PLAIN.iter().find(|(known, _)| known.eq_ignore_ascii_case(code)) {
            Some((_, letter)) => plain.extend([letter.to_string().as_str(), rest]),
            None => plain.extend(["%", piece]),
        }
    }
    plain
}

struct Parts<'a> {
    /// Scheme, slashes, and the user with an `@`.
    before: &'a str,
    host: &'a str,
    port: Option<&'a str>,
    /// Path and query.
    after: &'a str,
}

fn parts(url: &str) -> Option<Parts<'_>> {
    let start = url.find("://")? + 3;
    let (_, rest) = url.split_at_checked(start)?;
    let end = start + rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (front, after) = url.split_at_checked(end)?;
    let host_from = front.rfind('@').map_or(start, |at| (at + 1).max(start));
    let (before, host) = front.split_at_checked(host_from)?;
    // The colons within brackets are the address's own.
    let colon = host.rfind(':').filter(|colon| host.rfind(']').is_none_or(|bracket| bracket < *colon));
    let (host, port) = match colon.and_then(|colon| host.split_at_checked(colon)) {
        Some((host, port)) => (host, port.strip_prefix(':')),
        None => (host, None),
    };
    Some(Parts { before, host, port: port.filter(|port| !port.is_empty()), after })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_port_comes_and_goes() {
        for (url, without, with) in [
            ("https://a.example/x?y=%7e", "https://a.example/x?y=%7e", "https://a.example:443/x?y=%7e"),
            ("http://a.example", "http://a.example", "http://a.example:80"),
            ("https://a.example:8443?q=1:2", "https://a.example?q=1:2", "https://a.example:8443?q=1:2"),
            ("https://u:p@a.example:1/@:2", "https://u:p@a.example/@:2", "https://u:p@a.example:1/@:2"),
            ("https://u:p@a.example/", "https://u:p@a.example/", "https://u:p@a.example:443/"),
            ("https://[::1]/", "https://[::1]/", "https://[::1]:443/"),
            ("https://[::1]:8/", "https://[::1]/", "https://[::1]:8/"),
            ("https://a.example:/", "https://a.example/", "https://a.example:443/"),
        ] {
            assert_eq!(without_port(url), without);
            assert_eq!(with_port(url), with);
        }
        assert_eq!(target("https://a.example:1/x/../y?z"), "/x/../y?z");
        assert_eq!(target("https://a.example"), "/");
        assert_eq!(without_port("nothing"), "nothing");
    }

    #[test]
    fn twelve_escapes_are_decoded_in_the_query() {
        assert_eq!(
            hubspot("https://x/a%40b?c=jo%40x.y&n=https%3a%2F%2Fx&s=a%20b%&t=%2"),
            "https://x/a%40b?c=jo@x.y&n=https://x&s=a%20b%&t=%2"
        );
        assert_eq!(hubspot("https://x/a%40b"), "https://x/a%40b");
        assert_eq!(hubspot("https://x/?%é%3A"), "https://x/?%é:");
    }
}
