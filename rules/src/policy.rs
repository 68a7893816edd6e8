//! What a policy is, and the stages at which its gates stand.
//!
//! A stage is a type: a gate that reads a body cannot be registered where only the head is known.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::content::{Coding, Content};
use crate::credential::{Carrier, Credential, Doubt, Evidence, KeySource, Login, Vouched};
use crate::key_file::{Listed, Wrong};
use crate::limit::{Limit, Limits as Counted};
use crate::origin::Origins;
use crate::problem::{Place, Problem};
use crate::secret::Secret;
use crate::spot::Spot;
use crate::strict_json::Limits;
use crate::verdict::Refusal;
use crate::view::{Caller, View};

/// A gate's answer at the head and body stages.
pub type Verdict = Result<(), Refusal>;

/// Says who calls. A route has at least one, or a written reason why it has none.
pub trait IdentityGate: Send + Sync {
    /// The credential of this kind that the request shows, if it shows one.
    ///
    /// # Errors
    /// When it shows several, or one that cannot be read: another identity must not be asked instead.
    fn presented<'v>(&self, view: &View<'v>) -> Result<Option<Credential<'v>>, Refusal>;

    /// Whom the credential shows.
    ///
    /// # Errors
    /// Why nobody, or what has to be found out first.
    fn verify(
        &self,
        view: &View<'_>,
        credential: &Credential<'_>,
        evidence: Evidence<'_>,
    ) -> Result<Vouched, Doubt>;

    /// The refusal of a request that shows nothing.
    fn missing(&self) -> Refusal;

    /// The caller that a credential with these facts (`user`, `tenant`, `roles`, `scopes`, other claims) would
    /// tell: for `portcullis test` and `explain`, never for a request.
    fn assume(&self, facts: &Map<String, Value>) -> Result<Arc<Caller>, Refusal>;

    /// Where a client puts its credential: for `portcullis swap`. None where it is no text that can be handed
    /// over, such as a certificate.
    fn carrier(&self) -> Option<Carrier> {
        None
    }

    /// Whom the credential claims to show, nothing of it verified: for `portcullis swap`, never for a request.
    /// None where the credential itself does not say.
    fn claimed(&self, _credential: &str) -> Option<Caller> {
        None
    }
}

/// Judges what is known before the body is read.
pub trait HeadGate: Send + Sync {
    /// Passes or refuses.
    fn judge(&self, view: &View<'_>) -> Verdict;
}

/// Judges the whole body, before the upstream is touched.
pub trait BodyGate: Send + Sync {
    /// Whether it has to see the body of this request; a body that nobody has to see is never held.
    fn needs(&self, _view: &View<'_>) -> bool {
        true
    }

    /// Passes or refuses.
    fn judge(&self, view: &View<'_>, content: &Content<'_>) -> Verdict;
}

/// Answers a CORS preflight, before anybody is identified: browsers send it without credentials.
pub trait PreflightGate: Send + Sync {
    /// The fields of the 204. The request's own method is `OPTIONS`; the one it asks for has a route with this gate.
    ///
    /// # Errors
    /// When the origin, the method or a field is not allowed.
    fn preflight(&self, view: &View<'_>) -> Result<HeaderMap, Refusal>;
}

/// Edits the header fields of an answer: the upstream's, or the gateway's own.
pub trait ReplyGate: Send + Sync {
    /// Edits them.
    fn edit(&self, view: &View<'_>, speaker: Speaker, fields: &mut dyn ReplyFields);
}

/// Who answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaker {
    /// The upstream.
    Upstream,
    /// The gateway itself.
    Gateway,
}

/// The header fields of an answer, wherever they are kept.
pub trait ReplyFields {
    /// All of them.
    fn all(&self) -> &HeaderMap;
    /// Makes `value` the only field called `name`.
    fn set(&mut self, name: HeaderName, value: HeaderValue);
    /// Adds a field.
    fn append(&mut self, name: HeaderName, value: HeaderValue);
    /// Removes every field called `name`.
    fn remove(&mut self, name: &HeaderName);
}

impl ReplyFields for HeaderMap {
    fn all(&self) -> &HeaderMap {
        self
    }

    fn set(&mut self, name: HeaderName, value: HeaderValue) {
        self.insert(name, value);
    }

    fn append(&mut self, name: HeaderName, value: HeaderValue) {
        HeaderMap::append(self, name, value);
    }

    fn remove(&mut self, name: &HeaderName) {
        HeaderMap::remove(self, name);
    }
}

/// A policy: a configured unit, compiled to gates. One file and one row of [`crate::policies`].
pub trait Policy: Sized + Clone {
    /// The configuration key, which is also the gate's name in logs and metrics.
    const KEY: &'static str;
    /// What is written under the key.
    type Raw: DeserializeOwned + Serialize + JsonSchema + Clone;

    /// What is in force at a scope that says `raw` inside a scope where `outer` is in force.
    ///
    /// Must not widen: what the result admits, `outer` admits, unless `ground.relaxed` names the key.
    fn settle(outer: Option<&Self>, raw: &Self::Raw, ground: &Ground<'_>) -> Result<Self, Vec<Problem>>;

    /// Adds this policy's gates for one route.
    fn stand(&self, route: &RouteFacts<'_>, gates: &mut Gates) -> Result<(), Vec<Problem>>;
}

/// What a policy may look at while it is compiled.
#[derive(Clone)]
pub struct Ground<'a> {
    /// Where the policy's value stands.
    pub place: Place,
    /// The `relax` entries of the scope.
    pub relaxed: &'a Relaxed,
    /// The configured identities.
    pub identities: &'a BTreeMap<String, Arc<IdentityDef>>,
    /// The configured limits.
    pub limits: &'a BTreeMap<String, Arc<Limit>>,
    /// Secrets and files.
    pub library: &'a dyn Library,
}

impl Ground<'_> {
    /// The same ground, one key further down.
    #[must_use]
    pub fn within(&self, key: &str) -> Self {
        Self { place: self.place.key(key), ..*self }
    }
}

/// What a route is, for the policies that stand on it.
pub struct RouteFacts<'a> {
    /// The names that its pattern captures.
    pub captures: &'a [String],
    /// Whether the route has a written reason to be open to everybody.
    pub public: bool,
    /// Where the route stands in the configuration.
    pub place: Place,
    /// The identities in force, unless public.
    pub identities: &'a [Arc<IdentityDef>],
    /// Whether a signature proves the body's bytes: they go on as they came, packed or not.
    pub signed: bool,
}

/// A configured identity.
pub struct IdentityDef {
    /// Its name in the configuration.
    pub name: Arc<str>,
    /// Its place among the identities.
    pub index: usize,
    /// The gate that verifies its credentials.
    pub gate: Arc<dyn IdentityGate>,
    /// Which facts of a caller it can tell.
    pub tells: Tells,
    /// Header fields that only the gateway may set: clients' copies are removed on every route.
    pub owns: Vec<HeaderName>,
    /// Header fields that carry nothing but its credential: never forwarded and never logged.
    pub carriers: Vec<HeaderName>,
    /// Query parameters that carry its credential: never forwarded and never logged.
    pub hides: Vec<String>,
    /// The keys that have to be fetched for it.
    pub keys: Option<KeySource>,
    /// The login service that has to be asked for it.
    pub login: Option<Login>,
    /// Whether its credential may come in a cookie: browsers show it by themselves, whoever's page makes the request.
    pub ambient: bool,
    /// Whether it reads `Authorization: Bearer`. Where another identity decides, that field was not verified.
    pub bearer: bool,
    /// Whether a verified credential is worth remembering.
    pub remembers: bool,
    /// What an operator should know of it: sentences, without key material.
    pub notes: Vec<String>,
}

/// An identity that a route accepts.
pub struct Accepted {
    /// The configuration that named it.
    pub place: Place,
    /// The identity.
    pub def: Arc<IdentityDef>,
}

/// The facts of a caller that an identity's `claims` map.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tells {
    /// `tenant`
    pub tenant: bool,
    /// `roles`
    pub roles: bool,
    /// `scopes`
    pub scopes: bool,
}

/// The `relax` entries of a scope: which keys may be widened, each with its reason. It remembers which were
/// needed, since an entry that relaxes nothing is a mistake.
#[derive(Debug, Default)]
pub struct Relaxed {
    entries: Vec<(String, std::cell::Cell<bool>)>,
}

impl Relaxed {
    /// From the keys that the scope names.
    pub fn new(keys: impl IntoIterator<Item = String>) -> Self {
        Self { entries: keys.into_iter().map(|key| (key, std::cell::Cell::new(false))).collect() }
    }

    /// Whether `key` may be widened here. Asked only where it would be.
    pub fn permits(&self, key: &str) -> bool {
        self.entries.iter().any(|(known, used)| {
            let same = known == key;
            if same {
                used.set(true);
            }
            same
        })
    }

    /// The entries that nothing needed.
    pub fn unused(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().filter(|(_, used)| !used.get()).map(|(key, _)| key.as_str())
    }
}

/// A gate with the policy it belongs to and the place that made it.
pub struct Standing<G: ?Sized> {
    /// The policy's key.
    pub policy: &'static str,
    /// The configuration that made the gate.
    pub place: Place,
    /// The gate.
    pub gate: Arc<G>,
}

/// The gates of one route, collected in the registry's order.
#[derive(Default)]
pub struct Gates {
    /// Who calls: the first to which the request shows a credential decides. Empty on a public route.
    pub identities: Vec<Accepted>,
    /// The origins whose pages may use a caller's cookies, besides the service's own.
    pub origins: Option<Arc<Origins>>,
    /// Before everybody, for preflights.
    pub preflight: Option<Standing<dyn PreflightGate>>,
    /// Before the body.
    pub head: Vec<Standing<dyn HeadGate>>,
    /// Over the whole body.
    pub body: Vec<Standing<dyn BodyGate>>,
    /// Over the answer.
    pub reply: Vec<Standing<dyn ReplyGate>>,
    /// The largest body in bytes, for the shell that reads it.
    pub body_max: Option<u64>,
    /// What is counted, and how much of it may be.
    pub limits: Counted,
    /// The configuration that says which limits hold, for each of them.
    pub limit_places: Vec<Place>,
    /// The first place in the head where the request names its tenant.
    pub(crate) tenant: Option<Spot>,
    /// What a JSON body may be at most.
    pub json: Limits,
    /// The content codings that are accepted, and unpacked for gates.
    pub encodings: Vec<Coding>,
}

/// Key material and files by name: how compilation stays free of I/O.
pub trait Library {
    /// The secret called `name`, or why it cannot be had.
    fn secret(&self, name: &str) -> Result<Secret, String>;
    /// All values of the secret called `name`, likewise: several are a rotation.
    fn secrets(&self, name: &str) -> Result<Vec<Secret>, String> {
        self.secret(name).map(|secret| vec![secret])
    }
    /// The file at `path`, relative to the configuration, or why it cannot be had.
    fn file(&self, path: &str) -> Result<Vec<u8>, String>;
    /// The YAML or JSON file at `path`, likewise, read strictly: a key that is there twice is an error.
    fn document(&self, path: &str) -> Result<Value, String> {
        Err(format!("{path}: documents are not to be had here"))
    }
    /// The entries of the key file at `path`, likewise, or all that is wrong with it.
    fn keys(&self, path: &str) -> Result<Vec<Listed>, Vec<Wrong>>;
}
