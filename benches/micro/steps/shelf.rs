//! The benches' own data: policies, files that they name, and tokens with the keys that verify them.

use std::collections::BTreeMap;
use std::sync::Arc;

use rules::identities::{Making, RawIdentity, compile};
use rules::key_file::{Listed, Wrong};
use rules::limit::{self, Limit};
use rules::policy::{IdentityDef, Library};
use rules::problem::Place;
use rules::secret::Secret;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{Fallible, plain};

/// Algorithms, each with a token and an identity that believes it.
pub(crate) const ALGORITHMS: [&str; 6] = ["HS256", "RS256", "PS256", "ES256", "ES384", "EdDSA"];

/// `policies.json`.
#[derive(Deserialize)]
pub(crate) struct Policies {
    limits: BTreeMap<String, Value>,
    files: BTreeMap<String, Value>,
    pub(crate) rows: Vec<Row>,
    pub(crate) whole: Whole,
}

/// A row of the registry.
#[derive(Deserialize)]
pub(crate) struct Row {
    /// Its key.
    pub(crate) of: String,
    pub(crate) policies: Map<String, Value>,
    /// Why it never refuses.
    pub(crate) never: Option<String>,
    pub(crate) cases: Vec<Case>,
}

/// All rows together.
#[derive(Deserialize)]
pub(crate) struct Whole {
    /// Header fields of all its requests.
    pub(crate) fields: BTreeMap<String, String>,
    pub(crate) cases: Vec<Case>,
}

/// A request, and how it ends.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) target: Option<String>,
    #[serde(default)]
    pub(crate) fields: BTreeMap<String, String>,
    /// Policies of its own, instead of the row's.
    #[serde(default)]
    pub(crate) policies: Map<String, Value>,
    /// The facts of the caller.
    pub(crate) caller: Option<Map<String, Value>>,
    /// Whether the caller's credential came in a cookie.
    #[serde(default)]
    pub(crate) cookie: bool,
    #[serde(default)]
    pub(crate) sizes: Vec<usize>,
    #[serde(default)]
    pub(crate) spoilt: bool,
    #[serde(default)]
    pub(crate) frozen: bool,
    pub(crate) expect: Option<String>,
}

/// `tokens.json`.
#[derive(Deserialize)]
pub(crate) struct Tokens {
    secret: String,
    tokens: BTreeMap<String, Signed>,
}

#[derive(Deserialize)]
struct Signed {
    token: String,
    public: Option<String>,
}

impl Policies {
    pub(crate) fn read() -> Fallible<Self> {
        Ok(serde_json::from_str(include_str!("../policies.json"))?)
    }

    pub(crate) fn limits(&self) -> Fallible<BTreeMap<String, Arc<Limit>>> {
        let compile = |(name, raw): (&String, &Value)| -> Fallible<_> {
            let limit = limit::compile(name, &plain::read(raw.clone())?, &Place::root());
            Ok((name.clone(), Arc::new(limit.map_err(|problems| format!("{problems:?}"))?)))
        };
        self.limits.iter().map(compile).collect()
    }
}

impl Tokens {
    pub(crate) fn read() -> Fallible<Self> {
        Ok(serde_json::from_str(include_str!("../tokens.json"))?)
    }

    /// The token that is signed with this algorithm.
    pub(crate) fn token(&self, algorithm: &str) -> Fallible<&str> {
        Ok(self.tokens.get(algorithm).map(|signed| signed.token.as_str()).ok_or("no such token")?)
    }

    /// The text with `{RS256}` and its like in place, and `{forged}`.
    pub(crate) fn fill(&self, text: &str) -> Fallible<String> {
        let mut text = text.to_owned();
        for algorithm in ALGORITHMS {
            text = text.replace(&format!("{{{algorithm}}}"), self.token(algorithm)?);
        }
        Ok(text.replace("{forged}", &forged(self.token("RS256")?)))
    }

    /// The identity that believes this algorithm's token, under the algorithm's name.
    pub(crate) fn identity(&self, algorithm: &str) -> Fallible<IdentityDef> {
        let asymmetric = self.tokens.get(algorithm).is_some_and(|signed| signed.public.is_some());
        let keys = if asymmetric { json!({ "pem": algorithm }) } else { json!({ "secret": algorithm }) };
        let raw = plain::read(json!({
            "kind": "jwt", "issuer": "https://auth.example.com/", "audience": "api.example.com", "keys": keys,
            "claims": { "user": "sub", "tenant": "org_id", "roles": "roles", "scopes": "scope" },
            "forward": { "x-user-id": "user", "x-tenant-id": "tenant", "x-roles": "roles" },
        }))?;
        let making = Making {
            name: algorithm,
            index: 0,
            at: Place::root(),
            library: self,
            production: true,
            client_ca: false,
        };
        compile(&RawIdentity::Jwt(raw), &making).map_err(|problems| format!("{problems:?}").into())
    }
}

/// The token with another signature of the same form.
fn forged(token: &str) -> String {
    let (signed, signature) = token.rsplit_once('.').unwrap_or((token, ""));
    // Of the first bytes, so that it stays below the modulus.
    let first = if signature.starts_with('A') { 'B' } else { 'A' };
    format!("{signed}.{first}{}", signature.get(1..).unwrap_or_default())
}

impl Library for Tokens {
    fn secret(&self, _: &str) -> Result<Secret, String> {
        Ok(Secret::new(self.secret.clone().into_bytes()))
    }

    fn file(&self, path: &str) -> Result<Vec<u8>, String> {
        let public = self.tokens.get(path).and_then(|signed| signed.public.clone());
        public.map(String::into_bytes).ok_or_else(|| format!("there is no key {path}"))
    }

    fn keys(&self, _: &str) -> Result<Vec<Listed>, Vec<Wrong>> {
        Err(Vec::new())
    }
}

impl Library for Policies {
    fn secret(&self, name: &str) -> Result<Secret, String> {
        Err(format!("there is no secret {name}"))
    }

    fn file(&self, path: &str) -> Result<Vec<u8>, String> {
        self.document(path).map(|document| document.to_string().into_bytes())
    }

    fn document(&self, path: &str) -> Result<Value, String> {
        self.files.get(path).cloned().ok_or_else(|| format!("there is no file {path}"))
    }

    fn keys(&self, _: &str) -> Result<Vec<Listed>, Vec<Wrong>> {
        Err(Vec::new())
    }
}
