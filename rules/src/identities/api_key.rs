//! `kind: api_key`: the caller shows a key of which a file has the hash, and says whose it is.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use http::HeaderName;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::mapping::{Mapping, NOT_FORWARDABLE, SPOKEN_OF};
use super::{GATE, Making};
use crate::credential::{Carrier, Credential, Doubt, Evidence, Via, Vouched};
use crate::key_file::{Listed, Name, RawKey, Sha256, Word};
use crate::policy::{IdentityDef, IdentityGate, Tells};
use crate::problem::{Place, Problem};
use crate::verdict::{Code, Refusal};
use crate::view::{Caller, View};

/// Bytes of a key: longer ones are refused before anything is computed of them.
const LONGEST: usize = 512;

/// What stands where somebody meant to put a key later.
const PLACEHOLDERS: &[&str] =
    &["", "\n", "changeme", "change-me", "secret", "password", "test", "example", "key", "apikey", "api-key"];

/// The kind, as it is written.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ApiKeyKind {
    /// A key that the gateway knows by its hash.
    ApiKey,
}

/// An identity of this kind as written.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawApiKey {
    /// What kind of credential it is.
    pub kind: ApiKeyKind,
    /// The header field that carries the key. It is not forwarded, on no route: the key is for the gateway alone.
    pub header: String,
    /// Where the keys are.
    pub keys: RawKeyFile,
    /// Header fields for the upstream, each with the fact it carries: `user`, `tenant`, `roles` or `scopes`.
    /// Clients' own copies are removed.
    #[serde(default)]
    pub forward: BTreeMap<String, String>,
}

/// Where the keys are.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawKeyFile {
    /// A YAML or JSON list of entries: `sha256` of the key, `user`, and if need be `name`, `tenant`, `roles`,
    /// `scopes`, `expires`, `claims`. `portcullis key new` makes one.
    pub file: String,
}

/// Compiles an identity.
///
/// # Errors
/// Every problem of it.
pub(super) fn compile(raw: &RawApiKey, making: &Making<'_>) -> Result<IdentityDef, Vec<Problem>> {
    let mut problems = Vec::new();
    let mapping = Mapping::given(making.name, &raw.forward, &making.at, &mut problems);
    let header = header(&raw.header, &making.at.key("header")).map_err(|problem| problems.push(problem));
    let at = making.at.key("keys").key("file");
    let listed = making.library.keys(&raw.keys.file).unwrap_or_else(|wrong| {
        problems.extend(wrong.into_iter().map(|wrong| {
            let problem = at.problem(wrong.what);
            Problem { remedy: wrong.remedy, ..problem }
        }));
        Vec::new()
    });
    let notes = if listed.is_empty() { vec!["its file has no key".to_owned()] } else { Vec::new() };
    let keys = known(listed, &mapping, &at, &mut problems);
    let Some(header) = header.ok().filter(|_| problems.is_empty()) else { return Err(problems) };
    Ok(IdentityDef {
        // Whatever the entries say now: were a fact untold because its last entry went, the routes that ask for it
        // would not load, and the key that was just revoked would go on working.
        tells: Tells { tenant: true, roles: true, scopes: true },
        owns: mapping.owns(),
        carriers: vec![header.clone()],
        notes,
        ..making.def(Arc::new(ApiKey { header, keys, mapping }))
    })
}

fn header(text: &str, at: &Place) -> Result<HeaderName, Problem> {
    let name = HeaderName::from_bytes(text.as_bytes()).ok().filter(|_| !text.contains('_'));
    let name = name.ok_or_else(|| {
        at.problem(format!("`{text}` cannot be the name of the field with the key"))
            .remedy("use letters, digits and `-`")
    })?;
    let taken = NOT_FORWARDABLE.contains(&name.as_str())
        || ["x-forwarded-", "portcullis-", "proxy-"].iter().any(|family| name.as_str().starts_with(family));
    if taken {
        return Err(at
            .problem(format!("`{text}` has a meaning of its own, so it cannot carry a key"))
            .remedy("use a field of your own, such as `x-api-key`"));
    }
    Ok(name)
}

/// The keys, by the beginning of their hashes.
type Known = HashMap<[u8; 8], Vec<Key>>;

/// A key that is known.
struct Key {
    hash: Sha256,
    called: String,
    caller: Arc<Caller>,
    until: i64,
}

fn known(listed: Vec<Listed>, mapping: &Mapping, at: &Place, problems: &mut Vec<Problem>) -> Known {
    let mut known = Known::new();
    let mut places: HashMap<[u8; 32], String> = HashMap::new();
    let placeholders: Vec<Sha256> = PLACEHOLDERS.iter().map(|word| Sha256::of(word.as_bytes())).collect();
    for Listed { at: line, key } in listed {
        let hash = key.sha256;
        if let Some(first) = places.get(hash.bytes()) {
            let what = format!("{line}: the same key is at {first}");
            problems.push(at.problem(what).remedy("keep one of the two"));
            continue;
        }
        if placeholders.contains(&hash) {
            let what = format!("{line}: this is the hash of nothing, or of a word that anybody would try");
            problems.push(at.problem(what).remedy("make a key with `portcullis key new`"));
        }
        for name in key.claims.keys().filter(|name| SPOKEN_OF.contains(&name.as_str())) {
            let what = format!("{line}: `claims` cannot say `{name}`, which is a key of the entry itself");
            problems.push(at.problem(what).remedy(format!("write `{name}` beside `claims`")));
        }
        let until = key.expires.map_or(i64::MAX, |moment| moment.0);
        let called = key.name.as_ref().unwrap_or(&key.user).0.clone();
        let caller = Arc::new(Caller { key: Some(*hash.bytes()), ..mapping.caller(claims(key)) });
        if let Some(header) = &caller.unforwardable {
            let what = format!("{line}: what `forward` puts into `{header}` cannot stand in a header field");
            problems.push(at.problem(what).remedy("use printable ASCII, and no commas in a list"));
        }
        places.insert(*hash.bytes(), line);
        known.entry(beginning(&hash)).or_default().push(Key { hash, called, caller, until });
    }
    known
}

/// What an entry says, as the claims of a credential.
fn claims(key: RawKey) -> Map<String, Value> {
    let names = |names: Vec<Name>| names.into_iter().map(|name| Value::String(name.0)).collect::<Vec<_>>();
    let words = |words: Vec<Word>| words.into_iter().map(|word| word.0).collect::<Value>();
    let mut claims = key.claims;
    claims.insert("user".to_owned(), Value::String(key.user.0));
    let mut tenants = names(key.tenant.0);
    if tenants.len() > 1 {
        claims.insert("tenant".to_owned(), Value::Array(tenants));
    } else {
        claims.extend(tenants.pop().map(|tenant| ("tenant".to_owned(), tenant)));
    }
    for (fact, held) in [("roles", key.roles), ("scopes", key.scopes)] {
        if !held.is_empty() {
            claims.insert(fact.to_owned(), words(held));
        }
    }
    claims
}

/// The table is searched by eight bytes only, hashed with a seed of its own: how long that takes tells nobody how
/// much of a stored hash they have guessed. The rest is compared in constant time.
fn beginning(hash: &Sha256) -> [u8; 8] {
    hash.bytes().first_chunk().copied().unwrap_or_default()
}

/// The gate of an identity by API key.
struct ApiKey {
    header: HeaderName,
    keys: Known,
    mapping: Mapping,
}

fn refusal(why: impl Into<std::borrow::Cow<'static, str>>) -> Refusal {
    Refusal::new(Code::KeyInvalid, GATE, why)
}

impl IdentityGate for ApiKey {
    fn presented<'v>(&self, view: &View<'v>) -> Result<Option<Credential<'v>>, Refusal> {
        let mut found = None;
        for (name, value) in view.headers {
            if !is_twin(name.as_str(), self.header.as_str()) {
                continue;
            }
            // Backends that read `-` and `_` as one would take either for the key.
            if *name != self.header {
                return Err(refusal("a field with another spelling of the key's name is beside it"));
            }
            if found.replace(value).is_some() {
                return Err(refusal("there is more than one field with a key"));
            }
        }
        let Some(value) = found else { return Ok(None) };
        if value.len() > LONGEST {
            return Err(refusal(format!("the key has more than {LONGEST} bytes")));
        }
        Ok(Some(Credential { text: value.as_bytes().into(), via: Via::Header }))
    }

    fn verify(
        &self,
        view: &View<'_>,
        credential: &Credential<'_>,
        _: Evidence<'_>,
    ) -> Result<Vouched, Doubt> {
        let hash = Sha256::of(&credential.text);
        let alike = self.keys.get(&beginning(&hash)).map(Vec::as_slice).unwrap_or_default();
        let Some(key) = alike.iter().find(|key| key.hash == hash) else {
            return Err(Doubt::Refused(refusal("nobody has this key")));
        };
        if view.now() >= key.until {
            return Err(Doubt::Refused(refusal(format!("the key of `{}` has expired", key.called))));
        }
        Ok(Vouched { caller: Arc::clone(&key.caller), from: i64::MIN, until: key.until })
    }

    fn missing(&self) -> Refusal {
        refusal("the request has no key")
    }

    fn assume(&self, facts: &Map<String, Value>) -> Result<Arc<Caller>, Refusal> {
        Ok(Arc::new(self.mapping.assume(facts)))
    }

    fn carrier(&self) -> Option<Carrier> {
        Some(Carrier::Header(self.header.clone()))
    }
}

/// Whether a field's name (in lower case) is `header`, or is to somebody who takes `_` for `-`.
fn is_twin(name: &str, header: &str) -> bool {
    let fold = |byte: u8| if byte == b'_' { b'-' } else { byte };
    name.len() == header.len() && name.bytes().map(fold).eq(header.bytes())
}
