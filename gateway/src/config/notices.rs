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
    observing.chain(unguarded).chain(noted).chain(exposed).collect()
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rules::identities::{Making, broken};
    use rules::policies::csrf::RawCsrf;
    use rules::policies::{RawScope, Scope};
    use rules::policy::{Ground, Library, Relaxed, RouteFacts};
    use rules::problem::Place;
    use rules::secret::Secret;

    use super::*;

    struct Nothing;

    impl Library for Nothing {
        fn secret(&self, _: &str) -> Result<Secret, String> {
            Err(String::new())
        }

        fn file(&self, _: &str) -> Result<Vec<u8>, String> {
            Err(String::new())
        }

        fn keys(&self, _: &str) -> Result<Vec<rules::key_file::Listed>, Vec<rules::key_file::Wrong>> {
            Err(Vec::new())
        }
    }

    #[test]
    fn a_session_in_a_cookie_is_guarded_or_told() {
        let at = Place::root();
        let making = Making {
            name: "s",
            index: 0,
            at: at.clone(),
            library: &Nothing,
            production: true,
            client_ca: false,
        };
        let identity = |ambient| [Arc::new(IdentityDef { ambient, ..broken(&making) })];
        let plan = |csrf| {
            let (relaxed, identities) = (Relaxed::default(), BTreeMap::new());
            let ground =
                Ground { place: at.clone(), relaxed: &relaxed, identities: &identities, library: &Nothing };
            let scope = Scope::default().settle(&RawScope { csrf, ..RawScope::default() }, &ground).unwrap();
            let facts =
                RouteFacts { captures: &[], public: false, place: at.clone(), identities: &identity(true) };
            scope.plan(&facts).ok().unwrap()
        };
        let (open, guarded) = (plan(None), plan(Some(RawCsrf::CookieSessions)));
        assert!(is_unguarded(&identity(true), &open));
        assert!(!is_unguarded(&identity(true), &guarded));
        assert!(!is_unguarded(&identity(false), &open));
        assert!(!is_unguarded(&[], &open));
    }
}
