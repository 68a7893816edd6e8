//! `identities`: the kinds of caller. Each kind is one file; what a route accepts of them, the policy `identity`
//! says.

use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::{Deserialize, Deserializer, EnumAccess, VariantAccess as _, Visitor};
use serde_json::{Map, Value};

use crate::credential::{Credential, Doubt, Evidence, Vouched};
use crate::policy::{IdentityDef, IdentityGate, Library, Tells};
use crate::problem::{Place, Problem};
use crate::shapes::BY_KIND;
use crate::verdict::{Code, Refusal};
use crate::view::{Caller, View};

pub mod api_key;
pub mod forward_auth;
pub mod jwt;
pub mod keys;
mod mapping;
pub mod mtls;
mod revoked;
mod token_from;

/// The gate's name in logs, whatever the kind.
const GATE: &str = "identity";

/// Hands the kinds to whoever needs a case per kind: a new one is one file and one row.
macro_rules! kinds {
    ($($(#[$doc:meta])* $name:literal $variant:ident: $module:ident::$raw:ident;)*) => {
        /// An identity as written; `kind` says what the rest means.
        #[derive(Clone, Debug, Serialize, JsonSchema)]
        #[serde(untagged)]
        pub enum RawIdentity { $($(#[$doc])* $variant($module::$raw),)* }

        /// The names of the kinds.
        const KINDS: &[&str] = &[$($name,)*];

        impl<'de> Visitor<'de> for KindVisitor {
            type Value = RawIdentity;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an identity")
            }

            fn visit_enum<A: EnumAccess<'de>>(self, data: A) -> Result<RawIdentity, A::Error> {
                let (kind, rest): (String, _) = data.variant()?;
                match kind.as_str() {
                    $($name => rest.newtype_variant().map(RawIdentity::$variant),)*
                    other => Err(serde::de::Error::unknown_variant(other, KINDS)),
                }
            }
        }

        /// Compiles an identity.
        ///
        /// # Errors
        /// Every problem of it.
        pub fn compile(raw: &RawIdentity, making: &Making<'_>) -> Result<IdentityDef, Vec<Problem>> {
            match raw { $(RawIdentity::$variant(raw) => $module::compile(raw, making),)* }
        }
    };
}

struct KindVisitor;

kinds! {
    /// A signed token.
    "jwt" Jwt: jwt::RawJwt;
    /// A login service that is asked.
    "forward_auth" ForwardAuth: forward_auth::RawForwardAuth;
    /// A client's certificate.
    "mtls" Mtls: mtls::RawMtls;
    /// A key that the gateway knows by its hash.
    "api_key" ApiKey: api_key::RawApiKey;
}

impl<'de> Deserialize<'de> for RawIdentity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_enum(BY_KIND, KINDS, KindVisitor)
    }
}

/// What an identity is made with besides what is written under its name.
pub struct Making<'a> {
    /// Its name in the configuration.
    pub name: &'a str,
    /// Its place among the identities.
    pub index: usize,
    /// Where it stands.
    pub at: Place,
    /// Secrets and files.
    pub library: &'a dyn Library,
    /// Whether what only a trial may have is refused: plain http, loopback.
    pub production: bool,
    /// Whether clients are asked for certificates.
    pub client_ca: bool,
}

impl Making<'_> {
    /// An identity that tells the user and nothing else, needs nothing and remembers nothing.
    fn def(&self, gate: Arc<dyn IdentityGate>) -> IdentityDef {
        IdentityDef {
            name: self.name.into(),
            index: self.index,
            gate,
            tells: Tells::default(),
            owns: Vec::new(),
            carriers: Vec::new(),
            hides: Vec::new(),
            keys: None,
            login: None,
            ambient: false,
            bearer: false,
            remembers: false,
            notes: Vec::new(),
        }
    }
}

/// Stands in for an identity that does not compile, so that whoever names it is not reported too. It lets nobody
/// in, and its configuration never comes into force.
pub fn broken(making: &Making<'_>) -> IdentityDef {
    let tells = Tells { tenant: true, roles: true, scopes: true };
    IdentityDef { tells, ..making.def(Arc::new(Closed)) }
}

struct Closed;

impl Closed {
    fn refusal() -> Refusal {
        Refusal::new(Code::Internal, GATE, "the identity did not compile")
    }
}

impl IdentityGate for Closed {
    fn presented<'v>(&self, _: &View<'v>) -> Result<Option<Credential<'v>>, Refusal> {
        Err(Self::refusal())
    }

    fn verify(&self, _: &View<'_>, _: &Credential<'_>, _: Evidence<'_>) -> Result<Vouched, Doubt> {
        Err(Doubt::Refused(Self::refusal()))
    }

    fn missing(&self) -> Refusal {
        Self::refusal()
    }

    fn assume(&self, _: &Map<String, Value>) -> Result<Arc<Caller>, Refusal> {
        Err(Self::refusal())
    }
}
