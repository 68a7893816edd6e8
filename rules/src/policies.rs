//! The registry: every policy with the order of application as data, and a reason per row.
//!
//! A new policy is one file in `policies/` and one row here. The row makes its configuration key known to
//! `defaults` and to every route, puts its gates in order, and names it in logs, metrics and `explain`.

pub mod body;
pub mod cookies;
pub mod cors;
pub mod csrf;
pub mod headers;
pub mod identity;
pub mod limits;
pub mod openapi;
pub mod require;
pub mod tenant;

use crate::plan::Plan;
use crate::policy::{Gates, Ground, Policy, RouteFacts};
use crate::problem::{Place, Problem};

/// Hands the registry's rows to the macro called `$receiver`: whoever needs a field or a case per policy
/// writes it once, and a new row reaches it by itself. The rows' order is the order of application.
#[macro_export]
macro_rules! with_policies {
    ($receiver:ident) => {
        $receiver! {
            /// Who may call.
            identity: $crate::policies::identity::IdentityRef,
                monotone ["identity"],
                why "all that follows speaks of the caller, so the caller comes first";
            /// Where the request names a tenant, which must be the caller's own.
            tenant: $crate::policies::tenant::Tenant,
                monotone ["tenant"],
                why "another tenant's data is the worst leak, so it is checked before anything finer; its place in the body waits for the body";
            /// What the caller must have: roles, scopes, claims.
            require: $crate::policies::require::Require,
                monotone ["require"],
                why "needs the caller and nothing else, and costs less than reading a body";
            /// Which other sites' pages may use this address, and what they may send and read.
            cors: $crate::policies::cors::Cors,
                monotone ["cors.origins", "cors.credentials"],
                why "a page that is not welcome is told so before its request is weighed any further";
            /// Whether a request with a session cookie must come from a page of the service's own.
            csrf: $crate::policies::csrf::Csrf,
                monotone ["csrf"],
                why "needs to know how the credential came, and which origins `cors` trusts with it";
            /// How much one caller, address or thing may ask for: names of `limits`, added to the inherited ones.
            limits: $crate::policies::limits::Limits,
                monotone [],
                why "counts what would be forwarded: those by address are looked at before anybody is identified";
            /// What a request body may be.
            body: $crate::policies::body::Body,
                monotone ["body.max", "body.types", "body.json_depth", "body.json_keys", "body.encodings"],
                why "a body is read only for callers who passed everything that can be known without it";
            /// A file with the API's OpenAPI description (3.0 or 3.1): only what it describes may pass.
            openapi: $crate::policies::openapi::OpenApi,
                monotone [],
                why "reads the body as `body` let it in; what a scope adds holds besides what it inherits";
            /// How the upstream's cookies are handed on.
            cookies: $crate::policies::cookies::Cookies,
                monotone ["cookies"],
                why "an answer's cookies do not depend on its other fields";
            /// The response header fields that protect a browser: `strict`, `api` or `none`.
            headers: $crate::policies::headers::Headers,
                monotone [],
                why "last, since it adds only what nobody before it has said";
        }
    };
}

/// A policy's row.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The configuration key.
    pub key: &'static str,
    /// The monotone keys that it brings: what `relax` may name.
    pub monotone: &'static [&'static str],
    /// What it is for, in a sentence.
    pub about: &'static str,
    /// Why it stands where it stands.
    pub why: &'static str,
}

macro_rules! registry {
    ($(#[doc = $about:literal] $key:ident: $policy:ty, monotone $monotone:expr, why $why:literal;)*) => {
        /// The policies in the order in which a request meets them.
        pub const REGISTRY: &[Row] = &[$(
            Row { key: <$policy as Policy>::KEY, monotone: &$monotone, about: $about, why: $why },
        )*];

        /// What a scope says about policies, as written.
        #[derive(Clone, Default)]
        pub struct RawScope { $(#[doc = $about] pub $key: Option<<$policy as Policy>::Raw>,)* }

        /// The policies in force at a scope.
        #[derive(Clone, Default)]
        pub struct Scope { $(#[doc = $about] pub $key: Option<$policy>,)* }

        impl Scope {
            /// What is in force where `raw` is written inside a scope where `self` is in force.
            pub fn settle(&self, raw: &RawScope, ground: &Ground<'_>) -> Result<Scope, Vec<Problem>> {
                let mut problems = Vec::new();
                let mut scope = self.clone();
                $(if let Some(raw) = &raw.$key {
                    let ground = ground.within(<$policy as Policy>::KEY);
                    match <$policy as Policy>::settle(self.$key.as_ref(), raw, &ground) {
                        Ok(settled) => scope.$key = Some(settled),
                        Err(found) => problems.extend(found),
                    }
                })*
                if problems.is_empty() { Ok(scope) } else { Err(problems) }
            }

            /// The plan of a route: its gates in the registry's order.
            pub fn plan(&self, route: &RouteFacts<'_>) -> Result<Plan, Vec<Problem>> {
                let mut problems = Vec::new();
                let mut gates = Gates::default();
                $(if let Some(policy) = &self.$key && let Err(found) = policy.stand(route, &mut gates) {
                    problems.extend(found);
                })*
                if problems.is_empty() { Ok(Plan::new(gates)) } else { Err(problems) }
            }
        }
    };
}

with_policies!(registry);

/// The keys that `relax` may name.
pub fn monotone_keys() -> impl Iterator<Item = &'static str> {
    REGISTRY.iter().flat_map(|row| row.monotone.iter().copied())
}

/// The problem of a scope that admits more than the one around it.
pub(crate) fn widening(place: &Place, key: &str, what: &str) -> Problem {
    place
        .problem(format!("{what}, which widens what `defaults` allows"))
        .remedy(format!("tighten it, or say why under the route: `relax: {{ {key}: \"<reason>\" }}`"))
}

#[cfg(test)]
mod tests {
    use super::REGISTRY;

    #[test]
    fn every_monotone_key_belongs_to_its_policy() {
        for row in REGISTRY {
            for key in row.monotone {
                assert!(
                    *key == row.key || key.starts_with(&format!("{}.", row.key)),
                    "{key} is not under {}",
                    row.key
                );
            }
        }
    }
}
