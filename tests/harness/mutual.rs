//! A stage that clients show certificates on.

use crate::certificates::{CertificateParams, DnType, Pair, SanType};
use crate::curl::{Curl, curl};
use crate::stage::stage_with;
use crate::{Backend, Certificates, Client, Configuration, Site, Stage, Value, json};

/// A stage that asks for certificates of an authority that it shares with nobody.
pub struct Mutual {
    /// The stage.
    pub stage: Stage,
    /// The clients' authority.
    pub clients: Certificates,
}

impl Mutual {
    /// A stage with identities by certificate and routes for them.
    pub async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// The same with `change` made to its configuration.
    pub async fn with(change: impl FnOnce(&mut Configuration)) -> Self {
        let (certificates, clients) = (Certificates::new(), Certificates::new());
        let site = Site::furnished(&certificates);
        site.write("tls/clients.pem", &clients.ca_pem());
        let stage = stage_with(Backend::http().await, certificates, site, |c| {
            ask(c);
            change(c);
        })
        .await;
        Self { stage, clients }
    }

    /// A certificate of `worker-7` at `acme`.
    pub fn worker(&self) -> Pair {
        self.clients.issue_client("worker-7", acme)
    }

    /// `curl --cert --key`.
    pub async fn curl(&self, path: &str, pair: &Pair, args: &[&str]) -> Curl {
        self.stage.site.write("client.pem", &pair.cert);
        self.stage.site.write("client.key", &pair.key);
        let [cert, key] = ["client.pem", "client.key"].map(|name| self.stage.site.path(name));
        let shown = ["--cert", cert.to_str().unwrap(), "--key", key.to_str().unwrap()];
        curl(&self.stage, path, &[&shown, args].concat()).await
    }

    /// HTTP/1.1, showing a certificate.
    pub fn http1(&self, pair: &Pair) -> Client {
        self.stage.http1().showing(&self.stage.certificates, pair)
    }

    /// HTTP/2, showing a certificate.
    pub fn http2(&self, pair: &Pair) -> Client {
        self.stage.http2().showing(&self.stage.certificates, pair)
    }
}

/// Asks for certificates, and has routes for whoever shows one.
pub fn ask(c: &mut Configuration) {
    let claims = json!({ "tenant": "/subject/o", "roles": "/subject/ou", "name": "/san/uri/0" });
    let forward = json!({ "x-worker": "user", "x-worker-tenant": "tenant", "x-worker-id": "name" });
    let relax = json!({ "identity": "machines hold certificates, not sessions" });
    c.set("listen.https.client_ca", "tls/clients.pem");
    c.set("identities.worker", json!({ "kind": "mtls", "claims": claims, "forward": forward }));
    for (name, pattern, identity, require) in [
        ("machines", "* /machines/**", json!("worker"), Value::Null),
        ("paying", "GET /paying", json!("worker"), json!({ "claims": { "/subject/ou": "payments" } })),
        ("on-call", "GET /on-call", json!("worker"), json!({ "roles": ["on-call"] })),
    ] {
        let mut route = json!({ "name": name, "match": pattern, "identity": identity, "relax": relax });
        if require.is_object() {
            route["require"] = require;
        }
        c.add_route(route);
    }
    c.add_route(json!({
        "name": "either", "match": "GET /either/{tenant}", "identity": ["worker", "session"],
        "tenant": "path.tenant", "relax": relax,
    }));
}

/// A certificate of somebody at `acme`.
pub fn acme(params: &mut CertificateParams) {
    params.distinguished_name.push(DnType::OrganizationName, "acme");
    params.distinguished_name.push(DnType::OrganizationalUnitName, "payments");
    params.subject_alt_names = vec![SanType::URI("spiffe://acme/worker-7".try_into().unwrap())];
}
