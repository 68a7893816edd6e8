//! How the shared store is reached, and what happens when it is not.

use std::time::Duration;

use redis::{Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo as _, TlsCertificates};
use rules::secret::Secret;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

/// What happens to a request while the shared store does not answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFailure {
    /// This process counts by itself: each replica admits as much as is allowed to all.
    #[default]
    Local,
    /// It is refused.
    Deny,
    /// It is admitted, and nothing is counted.
    Allow,
}

/// A store that several gateways share.
#[derive(Clone)]
pub struct Shared {
    pub(super) client: Client,
    /// How long a request waits for it at most.
    pub(super) timeout: Duration,
    pub(super) on_failure: OnFailure,
}

impl Shared {
    /// How long a request waits, unless configured otherwise.
    pub const TIMEOUT: Duration = Duration::from_millis(50);

    /// Takes the store's URL, `redis[s]://[user[:password]@]host[:port][/database]` or `redis+unix:///path`; and the authority
    /// that vouches for its certificate, if that is not one of the system's, as PEM.
    ///
    /// # Errors
    /// What is wrong with them, and behind a colon what to do: no part of the URL occurs in it.
    pub fn compile(
        url: &Secret,
        ca: Option<&[u8]>,
        timeout: Duration,
        on_failure: OnFailure,
    ) -> Result<Self, String> {
        let wrong = || {
            "this is not the address of a Redis server: write `redis://[user[:password]@]host[:port][/database]`, or \
             `rediss://…` for TLS"
                .to_owned()
        };
        let text = std::str::from_utf8(url.expose()).map_err(|_| wrong())?.trim();
        if text.ends_with("#insecure") {
            return Err(
                "the address turns off the check of the server's certificate: remove `#insecure`".to_owned()
            );
        }
        if text.contains('#') {
            return Err("the address has a `#`: write it as `%23` in a password".to_owned());
        }
        // What the library says may quote the URL.
        let info = text.into_connection_info().map_err(|_| wrong())?;
        let redis = info.redis_settings().clone().set_skip_set_lib_name();
        let tcp = info.tcp_settings().clone().set_nodelay(true);
        let info = info.set_redis_settings(redis).set_tcp_settings(tcp);
        Ok(Self { client: client(info, ca)?, timeout, on_failure })
    }

    /// Where it is, for logs: without user and password.
    pub fn address(&self) -> String {
        self.client.get_connection_info().addr().to_string()
    }
}

fn client(info: ConnectionInfo, ca: Option<&[u8]>) -> Result<Client, String> {
    let unusable = |_| "the address of the Redis server cannot be used".to_owned();
    match (ca, info.addr()) {
        (Some(ca), ConnectionAddr::TcpTls { .. }) => {
            let unreadable = || "the authority for the Redis server is not a certificate in PEM".to_owned();
            // The library takes a file without any for one that trusts nobody.
            let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(ca).collect();
            if found.map_or(0, |found| found.len()) == 0 {
                return Err(unreadable());
            }
            let certificates = TlsCertificates { client_tls: None, root_cert: Some(ca.to_vec()) };
            Client::build_with_tls(info, certificates).map_err(|_| unreadable())
        }
        (Some(_), _) => {
            Err("an authority has no effect without TLS: begin the address with `rediss://`, or remove it"
                .to_owned())
        }
        (None, _) => Client::open(info).map_err(unusable),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compile(url: &str, ca: Option<&[u8]>) -> Result<Shared, String> {
        Shared::compile(&Secret::new(url.into()), ca, Shared::TIMEOUT, OnFailure::Local)
    }

    #[test]
    fn every_form_of_a_url_is_taken() {
        for (url, address) in [
            ("redis://cache.internal", "cache.internal:6379"),
            ("redis://gate:hunter2@cache.internal:7000/3\n", "cache.internal:7000"),
            ("rediss://:hunter2@cache.internal", "cache.internal:6379"),
            ("valkeys://gate:hunter2@[2001:db8::1]:1", "2001:db8::1:1"),
            ("redis+unix:///run/redis.sock?db=2&user=gate&pass=hunter2", "/run/redis.sock"),
        ] {
            assert_eq!(compile(url, None).unwrap().address(), address, "{url}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_without_the_secret() {
        for url in [
            "http://gate:hunter2@cache",
            "hunter2",
            "redis://gate:hunter2@:99999999",
            "redis://gate:hunter2@cache/hunter2",
            "rediss://gate:hunter2@cache/#insecure",
            "redis://gate:hunter2@cache#hunter2",
            "redis://gate:hunter2@cache/?protocol=hunter2",
        ] {
            let Err(why) = compile(url, None) else { panic!("{url} is taken") };
            assert!(!why.contains("hunter2"), "{why}");
        }
        assert!(compile("redis://cache", Some(b"")).is_err_and(|why| why.contains("rediss://")));
        assert!(compile("rediss://cache", Some(b"no PEM")).is_err_and(|why| why.contains("PEM")));
    }
}
