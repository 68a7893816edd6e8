//! What an operator should know of a configuration that is sound.

use std::net::SocketAddr;
use std::sync::Arc;

use rules::plan::Plan;
use rules::policies::csrf::Csrf;
use rules::policy::{IdentityDef, Policy as _};

use super::raw::Mode;
use crate::snapshot::Snapshot;

/// A sentence for each thing that is allowed and may surprise.
pub(super) fn notices(snapshot: &Snapshot) -> Vec<String> {
    let exposed = snapshot.site.admin.as_deref().filter(|admin| !is_local(admin));
    let exposed =
        exposed.map(|admin| format!("admin listens on {admin}, where it answers everybody who reaches it"));
    let observing = snapshot.table.routes().iter().filter(|route| route.mode == Mode::Observe);
    let observing =
        observing.map(|route| format!("the route {} only observes: nobody is refused there", route.name));
    let noted = snapshot.identities.iter().flat_map(|identity| {
        identity.def.notes.iter().map(|note| format!("the identity {}: {note}", identity.def.name))
    });
    let unguarded =
        snapshot.table.routes().iter().filter(|route| is_unguarded(&route.identities, &route.plan));
    let unguarded = unguarded.map(|route| {
        format!(
            "the route {} takes a session from a cookie, which browsers send whoever's page makes the request; \
             write `csrf: cookie_sessions`, or see to it in the backend",
            route.name
        )
    });
    let ruled = snapshot.notices.iter().cloned();
    observing.chain(unguarded).chain(noted).chain(ruled).chain(exposed).collect()
}

/// Whether a page of another site can act in a visitor's session, as far as the gateway is concerned.
fn is_unguarded(identities: &[Arc<IdentityDef>], plan: &Plan) -> bool {
    identities.iter().any(|identity| identity.ambient) && !plan.steps().any(|step| step.policy() == Csrf::KEY)
}

/// Whether only this machine reaches the address.
fn is_local(bind: &str) -> bool {
    bind.starts_with("localhost:")
        || bind.parse::<SocketAddr>().is_ok_and(|address| address.ip().is_loopback())
}
