//! `kind: mtls`: the caller proves who they are with a certificate in the TLS handshake (RFC 8446, section 4.4.2).
//!
//! That an authority of `listen.https.client_ca` vouches for it, the handshake has verified; what it says is
//! mapped here. Its times are looked at with every request: a connection may outlive its certificate.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::mapping::Mapping;
use super::{GATE, Making};
use crate::credential::{Credential, Doubt, Evidence, Via, Vouched};
use crate::policy::{IdentityDef, IdentityGate};
use crate::problem::Problem;
use crate::verdict::{Code, Refusal};
use crate::view::{Caller, View};

/// The kind, as it is written.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MtlsKind {
    /// A client's certificate (mutual TLS).
    Mtls,
}

/// An identity of this kind as written.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawMtls {
    /// What kind of credential it is.
    pub kind: MtlsKind,
    /// Where in the certificate the user, the tenant, the roles, the scopes, or another fact to be forwarded is
    /// told: JSON pointers such as `/subject/o` or `/san/uri/0`. The user is at `/subject/cn` by default.
    #[serde(default)]
    pub claims: BTreeMap<String, String>,
    /// Header fields for the upstream, each with the fact it carries. Clients' own copies are removed.
    #[serde(default)]
    pub forward: BTreeMap<String, String>,
}

/// Compiles an identity.
///
/// # Errors
/// Every problem of it.
pub(super) fn compile(raw: &RawMtls, making: &Making<'_>) -> Result<IdentityDef, Vec<Problem>> {
    let (mut problems, at) = (Vec::new(), &making.at);
    let mapping = Mapping::compile(making.name, "/subject/cn", &raw.claims, &raw.forward, at, &mut problems);
    for (fact, path) in raw.claims.iter().filter(|(_, path)| !path.is_empty() && !is_told(path)) {
        problems.push(
            at.key("claims")
                .key(fact)
                .problem(format!("`{path}` is nothing that a certificate tells"))
                .remedy("write a JSON pointer: `/subject/cn`, `/subject/o`, `/issuer/cn`, `/san/uri/0`, `/san/dns/0`, `/serial`, `/fingerprint`"),
        );
    }
    if !making.client_ca {
        problems.push(
            at.key("kind")
                .problem("no client is asked for a certificate, so nobody could pass")
                .remedy("name the authorities that sign them: `listen.https.client_ca: FILE`"),
        );
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    // A certificate's organisation may have a space in its name, and is one all the same.
    let mapping = mapping.unsplit();
    Ok(IdentityDef {
        tells: mapping.tells(),
        owns: mapping.owns(),
        remembers: true,
        ..making.def(Arc::new(Mtls { mapping }))
    })
}

/// Whether a claim's path leads into a certificate at all: everything in it is known beforehand but the
/// attributes of a name.
fn is_told(path: &str) -> bool {
    let Some(pointer) = path.strip_prefix('/') else { return matches!(path, "serial" | "fingerprint") };
    let mut steps = pointer.split('/');
    match steps.next() {
        Some("subject" | "issuer") => steps.next().is_some_and(|attribute| !attribute.is_empty()),
        Some("san") => matches!(steps.next(), Some("dns" | "email" | "uri" | "ip")),
        Some("serial" | "fingerprint") => steps.next().is_none(),
        _ => false,
    }
}

/// The gate of an identity by certificate.
struct Mtls {
    mapping: Mapping,
}

impl IdentityGate for Mtls {
    fn presented<'v>(&self, view: &View<'v>) -> Result<Option<Credential<'v>>, Refusal> {
        let text = |fingerprint: &'v [u8; 32]| fingerprint.as_slice().into();
        Ok(view.certificate.map(|shown| Credential { text: text(&shown.fingerprint), via: Via::Certificate }))
    }

    fn verify(
        &self,
        view: &View<'_>,
        credential: &Credential<'_>,
        _: Evidence<'_>,
    ) -> Result<Vouched, Doubt> {
        let refused = |why: &'static str| Doubt::Refused(Refusal::new(Code::CertificateRequired, GATE, why));
        let shown = view.certificate.filter(|shown| shown.fingerprint.as_slice() == &*credential.text);
        let shown = shown.ok_or_else(|| refused("the certificate is not the connection's"))?;
        if view.now() < shown.from {
            return Err(refused("the client's certificate is not valid yet"));
        }
        if view.now() >= shown.until {
            return Err(refused("the client's certificate has expired"));
        }
        let caller = Arc::new(self.mapping.caller(shown.claims.clone()));
        Ok(Vouched { caller, from: shown.from, until: shown.until })
    }

    fn missing(&self) -> Refusal {
        Refusal::new(Code::CertificateRequired, GATE, "the client showed no certificate that is trusted")
    }

    fn assume(&self, facts: &Map<String, Value>) -> Result<Arc<Caller>, Refusal> {
        Ok(Arc::new(self.mapping.assume(facts)))
    }
}
