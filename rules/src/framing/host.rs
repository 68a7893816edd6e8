//! The host a request names.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::bytes::is_host;

/// Longest host name (RFC 1035 section 2.3.4).
const NAME_BYTES: usize = 253;

/// Whether `host` is `name[:port]`, `IPv4[:port]` or `[IPv6][:port]` and nothing else.
///
/// Narrower than RFC 3986: no userinfo, no escapes, no sub-delimiters, no zone id, no empty label, no
/// empty port; a name that ends in a number must be an IPv4 address, as the URL Standard has it.
pub fn valid_host(host: &str) -> bool {
    if let Some(rest) = host.strip_prefix('[') {
        let Some((address, port)) = rest.split_once(']') else {
            return false;
        };
        return address.parse::<Ipv6Addr>().is_ok()
            && (port.is_empty() || port.strip_prefix(':').is_some_and(valid_port));
    }
    match host.split_once(':') {
        Some((name, port)) => valid_name(name) && valid_port(port),
        None => valid_name(host),
    }
}

fn valid_port(port: &str) -> bool {
    port.len() <= 5 && port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok()
}

fn valid_name(name: &str) -> bool {
    let rooted = name.strip_suffix('.').unwrap_or(name);
    if rooted.is_empty() || rooted.len() > NAME_BYTES || !rooted.bytes().all(is_host) {
        return false;
    }
    let mut last = "";
    for label in rooted.split('.') {
        if label.is_empty() || label.len() > 63 {
            return false;
        }
        last = label;
    }
    !last.bytes().all(|byte| byte.is_ascii_digit()) || rooted.parse::<Ipv4Addr>().is_ok()
}
