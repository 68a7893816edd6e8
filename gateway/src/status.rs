//! What the admin listener tells of the running gateway.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;
use serde_json::Value;
use tokio::sync::watch;

use crate::access_log::AccessLog;
use crate::admin::{self, Listener, Server, Status};
use crate::identity::Identity;
use crate::metrics::Registry;
use crate::pipeline::{Live, now_ms};

/// The addresses that were bound.
#[derive(Clone, Debug, Default)]
pub struct Bound {
    /// `listen.http`.
    pub http: Option<SocketAddr>,
    /// `listen.https`.
    pub https: Option<SocketAddr>,
    /// `admin`.
    pub admin: Option<SocketAddr>,
}

/// The running gateway, as far as operators see it.
pub(crate) struct Facts {
    /// What is in force.
    pub(crate) live: Arc<ArcSwap<Live>>,
    /// The metrics.
    pub(crate) registry: Registry,
    /// The access log.
    pub(crate) log: Arc<AccessLog>,
    /// When the gateway started.
    pub(crate) started: Instant,
    /// Where it listens.
    pub(crate) bound: Bound,
    /// Whether it is stopping.
    pub(crate) stopping: watch::Receiver<bool>,
}

impl admin::Facts for Facts {
    fn not_ready(&self) -> Vec<String> {
        let mut reasons = Vec::new();
        if *self.stopping.borrow() {
            reasons.push("the gateway is stopping".to_owned());
        }
        for upstream in &self.live.load().snapshot.upstreams {
            if upstream.choose(None).is_none() {
                reasons.push(format!("no server of the upstream {} has an address", upstream.name));
            }
        }
        for identity in &self.live.load().snapshot.identities {
            if identity.ring().is_some_and(|ring| !ring.has_held()) {
                reasons.push(format!("the identity {} has no keys yet", identity.def.name));
            }
        }
        reasons
    }

    fn metrics(&self) -> String {
        self.registry.access_log_dropped().absolute(self.log.dropped());
        for ring in self.live.load().snapshot.identities.iter().filter_map(Identity::ring) {
            ring.tell_age(now_ms().div_euclid(1000));
        }
        self.registry.render()
    }

    fn config(&self) -> Value {
        self.live.load().snapshot.effective.clone()
    }

    fn status(&self) -> Status {
        let live = self.live.load();
        let snapshot = &live.snapshot;
        let bound = [("http", self.bound.http), ("https", self.bound.https), ("admin", self.bound.admin)];
        let listener = |(name, address): (&str, Option<SocketAddr>)| {
            Some(Listener { name: name.to_owned(), address: address?.to_string() })
        };
        let servers = snapshot.upstreams.iter().flat_map(|upstream| {
            upstream.servers.iter().map(|server| Server {
                upstream: upstream.name.to_string(),
                address: server.label.clone(),
                healthy: None,
            })
        });
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            release: snapshot.release.clone(),
            config: snapshot.hash.clone(),
            uptime: self.started.elapsed(),
            listeners: bound.into_iter().filter_map(listener).collect(),
            routes: snapshot.table.routes().len(),
            servers: servers.collect(),
        }
    }
}
