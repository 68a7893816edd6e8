//! Names of servers, resolved in the background: Pingora resolves within the request and panics when a name
//! cannot be found (its issue #570).

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::task::JoinSet;
use tracing::{info, warn};

use super::{Address, Server, Upstream};

/// How often names are resolved again.
const EVERY: Duration = Duration::from_secs(10);
/// How often while a name has never been found.
const SOON: Duration = Duration::from_secs(1);

/// Resolves every name once; what is not found yet stays empty, and its requests are refused.
pub async fn first(upstreams: &[Arc<Upstream>]) {
    let mut lookups = JoinSet::new();
    for server in upstreams.iter().flat_map(|upstream| &upstream.servers) {
        let server = Arc::clone(server);
        lookups.spawn(async move { tokio::time::timeout(SOON, look_up(&server)).await.unwrap_or(false) });
    }
    while lookups.join_next().await.is_some() {}
}

/// Keeps names resolved until the upstreams are no longer in force.
pub fn keep(upstreams: &[Arc<Upstream>]) {
    for server in upstreams.iter().flat_map(|upstream| &upstream.servers) {
        if matches!(server.address, Address::Named { .. }) {
            tokio::spawn(renew(Arc::downgrade(server)));
        }
    }
}

async fn renew(server: Weak<Server>) {
    let mut pause = EVERY;
    loop {
        tokio::time::sleep(pause).await;
        let Some(server) = server.upgrade() else { return };
        pause = if look_up(&server).await { EVERY } else { SOON };
    }
}

/// Whether the server has an address. A failed look-up keeps the addresses found before.
async fn look_up(server: &Server) -> bool {
    let Address::Named { host, port, found } = &server.address else { return true };
    let before = found.load();
    match tokio::net::lookup_host((host.as_str(), *port)).await {
        Ok(addresses) => {
            let mut addresses: Vec<_> = addresses.collect();
            addresses.sort_unstable();
            addresses.dedup();
            if addresses.is_empty() {
                return !before.is_empty();
            }
            if addresses != **before {
                info!(server = server.label, ?addresses, "resolved");
                found.store(Arc::new(addresses));
            }
            true
        }
        Err(error) => {
            warn!(server = server.label, %error, "the server's name cannot be resolved");
            !before.is_empty()
        }
    }
}
