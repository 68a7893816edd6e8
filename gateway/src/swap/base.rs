//! Where the deployment is.

use std::fmt;
use std::net::IpAddr;

use http::Uri;

/// A deployment's address: scheme, host, port, and what stands before every path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Base {
    scheme: String,
    authority: String,
    prefix: String,
}

impl Base {
    /// Reads `https://host[:port][/prefix]`.
    ///
    /// # Errors
    /// What is wrong with it, and what to write.
    pub fn parse(text: &str) -> Result<Self, (String, &'static str)> {
        const REMEDY: &str = "write `--base-url https://HOST[:PORT]`";
        let wrong = |why: &str| (format!("`{text}` is no address of a deployment: {why}"), REMEDY);
        let uri: Uri = text.parse().map_err(|_| wrong("it cannot be read"))?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(wrong("scheme or host is missing"));
        };
        if authority.as_str().contains('@') {
            // Not shown: it may have a password.
            return Err(("the address has a user's name in it, which nothing here uses".to_owned(), REMEDY));
        }
        if uri.query().is_some() {
            return Err(wrong("it has a query"));
        }
        match scheme {
            "https" => {}
            "http" if is_loopback(authority.host()) => {}
            "http" => return Err(wrong("over plain http everybody on the way would read the tokens")),
            _ => return Err(wrong("it is neither https:// nor http://")),
        }
        let prefix = uri.path().trim_end_matches('/').to_owned();
        Ok(Self { scheme: scheme.to_owned(), authority: authority.to_string(), prefix })
    }

    /// The address of a path and a query.
    pub(super) fn address(&self, path: &str, query: &str) -> String {
        let mark = if query.is_empty() { "" } else { "?" };
        format!("{self}{path}{mark}{query}")
    }
}

impl fmt::Display for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme, self.authority, self.prefix)
    }
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_scheme_a_host_and_a_prefix() {
        for (text, address) in [
            ("https://api.example.com", "https://api.example.com/v1?x=1"),
            ("https://api.example.com/", "https://api.example.com/v1?x=1"),
            ("https://api.example.com:8443/chat/", "https://api.example.com:8443/chat/v1?x=1"),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080/v1?x=1"),
            ("http://[::1]:8080", "http://[::1]:8080/v1?x=1"),
            ("http://localhost", "http://localhost/v1?x=1"),
        ] {
            assert_eq!(Base::parse(text).unwrap().address("/v1", "x=1"), address);
        }
        assert_eq!(Base::parse("https://h").unwrap().address("/v1", ""), "https://h/v1");
    }

    #[test]
    fn tokens_go_nowhere_in_the_clear() {
        for text in [
            "http://api.example.com",
            "http://10.0.0.1",
            "http://127.0.0.1.example.com",
            "http://localhost.example.com",
            "ftp://h",
            "api.example.com",
            "/v1",
            "https://",
            "https://h?x=1",
            "https://ada:geheim@h",
            "",
        ] {
            let (why, _) = Base::parse(text).expect_err(text);
            assert!(!why.contains("geheim"), "{why}");
        }
    }
}
