//! Backend, issuer, certificates and the gateway, put up in one call.

use serde_json::json;

use crate::{Ask, Backend, Certificates, Client, Configuration, Gateway, Issuer, Reply, Site};

/// Everything that a test needs.
pub struct Stage {
    /// The upstream behind the gateway.
    pub backend: Backend,
    /// The authority behind the gateway's certificates.
    pub certificates: Certificates,
    /// Who mints tokens.
    pub issuer: Issuer,
    /// The gateway's folder.
    pub site: Site,
    /// The configuration in the folder.
    pub configuration: Configuration,
    /// The gateway.
    pub gateway: Gateway,
}

/// A stage whose configuration is the complete one with `change` made to it.
pub async fn stage(change: impl FnOnce(&mut Configuration)) -> Stage {
    let certificates = Certificates::new();
    let site = Site::furnished(&certificates);
    stage_with(Backend::http().await, certificates, site, change).await
}

/// The same, with a backend, an authority and a folder of the test's own.
pub async fn stage_with(
    backend: Backend,
    certificates: Certificates,
    site: Site,
    change: impl FnOnce(&mut Configuration),
) -> Stage {
    let mut configuration = Configuration::complete(backend.url());
    change(&mut configuration);
    site.configure(&configuration);
    let gateway = Gateway::start(&site).await;
    Stage { backend, certificates, issuer: Issuer, site, configuration, gateway }
}

impl Stage {
    /// HTTP/1.1 over TLS.
    pub fn http1(&self) -> Client {
        Client::http1(self.gateway.https(), &self.certificates)
    }

    /// HTTP/2 over TLS.
    pub fn http2(&self) -> Client {
        Client::http2(self.gateway.https(), &self.certificates)
    }

    /// The plain listener.
    pub fn plain(&self) -> Client {
        Client::plain(self.gateway.http())
    }

    /// Sends over HTTP/1.1 and TLS.
    pub async fn send(&self, ask: Ask) -> Reply {
        self.http1().send(ask).await
    }

    /// A good token of `ada` at `acme`.
    pub fn token(&self) -> String {
        self.issuer.token(&json!({}))
    }

    /// Asks the admin listener.
    pub async fn admin(&self, path: &str) -> Reply {
        let address = self.gateway.admin();
        Client::plain(address).send(Ask::get(path).host(&address.to_string())).await
    }

    /// The sum of a metric's series that carry these labels; 0 where there is none yet.
    pub async fn metric(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let text = self.admin("/metrics").await.text();
        let labels: Vec<String> = labels.iter().map(|(key, value)| format!("{key}=\"{value}\"")).collect();
        text.lines()
            .filter(|line| line.split(['{', ' ']).next() == Some(name))
            .filter(|line| labels.iter().all(|label| line.contains(label)))
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum()
    }

    /// Nothing that was refused so far has reached the backend, and the gateway still serves.
    ///
    /// A good request goes through first: whatever leaked before it had the time of a round trip to be recorded.
    pub async fn assert_untouched(&self) {
        let fence = self.send(Ask::get("/healthz?fence=1")).await;
        assert_eq!(fence.status, 200, "the gateway no longer serves: {}", fence.text());
        self.backend.assert_untouched();
    }
}
