//! The names that a certificate vouches for.

use std::net::IpAddr;

use x509_parser::extensions::GeneralName;
use x509_parser::prelude::X509Certificate;

/// The subject alternative names of a certificate, lower case. The common name is not one of them (RFC 6125).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// Host names, without wildcards.
    pub exact: Vec<String>,
    /// What follows the `*.` of each wildcard.
    pub wildcards: Vec<String>,
    /// Addresses.
    pub addresses: Vec<IpAddr>,
}

impl Names {
    /// The names in `certificate`; those that no client would accept (`w*.example.com`, `*`) are left out.
    pub(crate) fn of(certificate: &X509Certificate<'_>) -> Self {
        let mut names = Self::default();
        let Ok(Some(alternatives)) = certificate.subject_alternative_name() else {
            return names;
        };
        for name in &alternatives.value.general_names {
            match name {
                GeneralName::DNSName(host) => names.add_host(host),
                GeneralName::IPAddress(octets) => names.addresses.extend(address(octets)),
                _ => {}
            }
        }
        names
    }

    fn add_host(&mut self, host: &str) {
        let host = fold(host);
        let (list, host) = match host.strip_prefix("*.") {
            Some(parent) => (&mut self.wildcards, parent),
            None => (&mut self.exact, host.as_str()),
        };
        if !host.is_empty() && !host.contains('*') {
            list.push(host.to_owned());
        }
    }

    /// Whether there is no name at all.
    pub fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.wildcards.is_empty() && self.addresses.is_empty()
    }

    /// Every name as written in a certificate: hosts, wildcards, addresses.
    pub fn iter(&self) -> impl Iterator<Item = String> + '_ {
        let wildcards = self.wildcards.iter().map(|parent| format!("*.{parent}"));
        self.exact.iter().cloned().chain(wildcards).chain(self.addresses.iter().map(ToString::to_string))
    }
}

/// `host` as it is compared: lower case, without the root's dot.
pub(crate) fn fold(host: &str) -> String {
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
}

/// What a wildcard must name to cover `host`: it stands for exactly one label (RFC 6125, 6.4.3).
pub(crate) fn parent(host: &str) -> Option<&str> {
    host.split_once('.').filter(|(label, _)| !label.is_empty()).map(|(_, parent)| parent)
}

pub(crate) fn address(octets: &[u8]) -> Option<IpAddr> {
    <[u8; 4]>::try_from(octets)
        .map(IpAddr::from)
        .or_else(|_| <[u8; 16]>::try_from(octets).map(IpAddr::from))
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_stands_for_one_label() {
        let mut names = Names::default();
        for host in ["Example.com", "*.Example.com", "*", "*.", "w*.example.com", "*.*.example.com", ""] {
            names.add_host(host);
        }
        assert_eq!(names.iter().collect::<Vec<_>>(), ["example.com", "*.example.com"]);
        for (host, above) in [
            ("a.example.com", Some("example.com")),
            ("a.b.example.com", Some("b.example.com")),
            (".example.com", None),
            ("com", None),
        ] {
            assert_eq!(parent(host), above, "{host}");
        }
        assert_eq!(fold("EXAMPLE.com."), "example.com");
    }

    #[test]
    fn addresses_are_four_or_sixteen_octets() {
        assert_eq!(address(&[127, 0, 0, 1]), "127.0.0.1".parse().ok());
        assert_eq!(address(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]), "::1".parse().ok());
        assert_eq!(address(&[127, 0, 0]), None);
    }
}
