//! The configuration as written: serde and nothing else. These types die in `compile`.

use std::collections::BTreeMap;
use std::time::Duration;

use rules::identities::RawIdentity;
use rules::limit::RawLimit;
use rules::lists::RawList;
use rules::ruleset::RawRule;
use rules::shapes::{OneOrMany, TEXT_OR_MAP};
use rules::units::{Size, Time};
use rules::webhook::{RawPublicKey, RawReplay, RawScheme};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A portcullis configuration.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawConfig {
    /// The version of the configuration's form: 1.
    pub version: u32,
    /// How strict loading is.
    #[serde(default)]
    pub environment: Environment,
    /// The release of what runs behind the gateway; it stands in every log line.
    #[serde(default = "unknown")]
    pub release: String,
    /// Where the gateway listens.
    pub listen: RawListen,
    /// The listener for operators: health, metrics, the effective configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admin: Option<RawAdmin>,
    /// What outlasts a restart.
    #[serde(default)]
    pub state: RawState,
    /// Secret values by name. For webhooks, several of one name are a rotation: each of them verifies.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<String, OneOrMany<RawSecret>>,
    /// The backends.
    pub upstreams: BTreeMap<String, RawUpstream>,
    /// Who may call, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub identities: BTreeMap<String, RawIdentity>,
    /// How much one caller, address or thing may ask for, by name; `limits` of a route says which hold there.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub limits: BTreeMap<String, RawLimit>,
    /// Lists of addresses, words, hosts or numbers, by name; rules look them up as `$name`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub lists: BTreeMap<String, RawList>,
    /// `MaxMind` DB files that say where addresses are: countries, cities, autonomous systems.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub geo: Option<OneOrMany<String>>,
    /// Expressions over the request, each with what to do where it holds: the first that decides ends the request.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<RawRule>,
    /// What every route inherits. Routes may tighten it, or widen it with a reason under `relax`.
    #[serde(default)]
    pub defaults: RawDefaults,
    /// The routes. A request that none matches is refused.
    pub routes: Vec<RawRoute>,
    /// Webhooks: verified by their signature, each delivery forwarded once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub webhooks: Vec<RawWebhook>,
    /// What is logged, and where.
    #[serde(default)]
    pub logs: RawLogs,
    /// Whether gates refuse or only say what they would have refused.
    #[serde(default)]
    pub mode: Mode,
    /// Requests with the expected verdict; `portcullis test` runs them, and so does every reload.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tests: Vec<RawTest>,
}

fn unknown() -> String {
    "unknown".to_owned()
}

/// How strict loading is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Environment {
    /// Refuses literal secrets, test keys, self-signed certificates and http:// issuers.
    #[default]
    Production,
    /// As production.
    Staging,
    /// Allows what makes trying easy.
    Development,
}

/// Whether gates refuse.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Gates refuse.
    #[default]
    Enforce,
    /// Gates decide and log, and let pass.
    Observe,
}

/// A time in seconds.
fn secs(seconds: u64) -> Time {
    Time(Duration::from_secs(seconds))
}

/// `listen:`
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawListen {
    /// Plain HTTP: redirects, or serves with a written reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<RawHttp>,
    /// HTTPS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub https: Option<RawHttps>,
    /// Whose word on the client's address is believed.
    #[serde(default)]
    pub client_ip: RawClientIp,
    /// Bounds on connections and requests.
    #[serde(default)]
    pub limits: RawLimits,
}

/// `listen.http:` needs `redirect: https`, or `plaintext` with a reason.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawHttp {
    /// Address and port.
    pub bind: String,
    /// Answers every request with 308 to https.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redirect: Option<Redirect>,
    /// Serves without TLS, for this written reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plaintext: Option<String>,
}

/// Where plain HTTP is redirected.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Redirect {
    /// The same address over https.
    Https,
}

/// `listen.https:`
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawHttps {
    /// Address and port.
    pub bind: String,
    /// The hosts that are served; any other is answered 421.
    pub hosts: Vec<String>,
    /// Hosts that are redirected (308) to one of `hosts`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub redirect_hosts: BTreeMap<String, String>,
    /// Certificates, chosen by the names in them.
    pub certificates: Vec<RawCertificate>,
    /// The oldest TLS version that is spoken: "1.2" or "1.3".
    #[serde(default)]
    pub min_version: TlsVersion,
    /// A PEM file of authorities: clients are asked for a certificate that one of them signed (mutual TLS).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_ca: Option<String>,
    /// Strict-Transport-Security.
    #[serde(default)]
    pub hsts: RawHsts,
}

/// A TLS version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum TlsVersion {
    /// TLS 1.2 (RFC 5246).
    #[default]
    #[serde(rename = "1.2")]
    V12,
    /// TLS 1.3 (RFC 8446).
    #[serde(rename = "1.3")]
    V13,
}

/// A certificate: files, or self-signed for development.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawCertificate {
    /// The chain in PEM, the server's own certificate first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cert: Option<String>,
    /// The key in PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Names for a certificate that nobody vouches for: development only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub self_signed: Option<Vec<String>>,
}

/// `hsts:` (RFC 6797)
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawHsts {
    /// How long browsers remember to use https only.
    pub max_age: Time,
    /// Whether subdomains are meant too.
    pub include_subdomains: bool,
    /// Whether browsers may ship the rule.
    pub preload: bool,
}

impl Default for RawHsts {
    fn default() -> Self {
        Self { max_age: Time(Duration::from_hours(365 * 24)), include_subdomains: false, preload: false }
    }
}

/// `client_ip:`
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawClientIp {
    /// Networks of proxies whose forwarding header fields are believed.
    #[serde(default)]
    pub trust: Vec<String>,
}

/// `listen.limits:`
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawLimits {
    /// The largest request header block.
    pub header_bytes: Size,
    /// The most header fields.
    pub headers: u32,
    /// How long a TLS handshake, and then a request's header, may take as a whole.
    pub header_timeout: Time,
    /// How long a pause within a request's body may last.
    pub body_timeout: Time,
    /// How long a connection may be without a request.
    pub idle: Time,
    /// The most connections from one address (IPv6: one /64).
    pub connections_per_ip: u32,
    /// The most requests on one HTTP/1.1 connection.
    pub requests_per_connection: u32,
    /// The most concurrent requests on one HTTP/2 connection.
    pub h2_streams: u32,
    /// The most bytes of request bodies held in memory at once, for gates that need a whole body.
    pub buffered_bytes: Size,
}

impl Default for RawLimits {
    fn default() -> Self {
        Self {
            header_bytes: Size(32 * 1024),
            headers: 100,
            header_timeout: secs(10),
            body_timeout: secs(30),
            idle: secs(75),
            connections_per_ip: 256,
            requests_per_connection: 1000,
            h2_streams: 100,
            buffered_bytes: Size(256 * 1024 * 1024),
        }
    }
}

/// `admin:`
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawAdmin {
    /// Address and port; keep it off the public network.
    pub bind: String,
}

/// `state:`
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawState {
    /// Where it is kept.
    pub store: Store,
    /// The folder, relative to this file, for copies of fetched keys and for quotas that outlast a restart; made when
    /// it is needed.
    pub path: String,
    /// How many counters are kept in memory at most.
    pub keys: u32,
    /// For `redis`: its address, `redis://user:password@host:port/0` or `rediss://…` for TLS, in a variable or a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<RawAddress>,
    /// For `redis`: a PEM file with the authorities to trust, instead of the system's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<String>,
    /// For `redis`: how long a request waits for it at most; by default 50ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Time>,
    /// What happens while Redis cannot be reached: `local` counts in this process, `deny` refuses (503), `allow` lets
    /// pass uncounted. Where a counter has no room, `allow` lets pass as well, and the others refuse.
    pub on_failure: OnFailure,
}

impl Default for RawState {
    fn default() -> Self {
        Self {
            store: Store::Embedded,
            path: "state".to_owned(),
            keys: 1_000_000,
            url: None,
            ca: None,
            timeout: None,
            on_failure: OnFailure::Local,
        }
    }
}

/// Where state is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Store {
    /// By this process, in a folder.
    #[default]
    Embedded,
    /// By Redis or Valkey, shared by every replica.
    Redis,
}

/// What happens while counting is not possible.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// Each process counts for itself.
    #[default]
    Local,
    /// Requests with limits are refused (503).
    Deny,
    /// Requests pass uncounted.
    Allow,
}

/// Where a secret's value is: exactly one of these.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawSecret {
    /// The environment variable that holds it.
    #[serde(default)]
    pub env: Option<String>,
    /// The file that holds it; one newline at its end is dropped.
    #[serde(default)]
    pub file: Option<String>,
    /// The value itself: development only.
    #[serde(default)]
    pub value: Option<String>,
    /// For webhooks: the id by which messages may name it.
    #[serde(default)]
    pub id: Option<String>,
    /// For webhooks: the only entry of the scheme's list of signatures that it may have made, from 0.
    #[serde(default)]
    pub slot: Option<u32>,
    /// For webhooks only: from when on it no longer verifies, `2027-01-15` or `2027-01-15T09:30:00Z`.
    #[serde(default)]
    pub until: Option<String>,
}

/// Where the address of a server is, with the password in it: exactly one of these.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "`{ env: NAME }` or `{ file: PATH }`")]
pub struct RawAddress {
    /// The environment variable that holds it.
    #[serde(default)]
    pub env: Option<String>,
    /// The file that holds it; one newline at its end is dropped.
    #[serde(default)]
    pub file: Option<String>,
    /// The address itself: development only.
    #[serde(default)]
    pub value: Option<String>,
}

impl RawAddress {
    /// The same as a secret.
    pub fn secret(&self) -> RawSecret {
        let Self { env, file, value } = self.clone();
        RawSecret { env, file, value, id: None, slot: None, until: None }
    }
}

impl std::fmt::Debug for RawAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.secret().fmt(f)
    }
}

/// Says where the address is and never what it is.
impl Serialize for RawAddress {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.secret().serialize(serializer)
    }
}

impl std::fmt::Debug for RawSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RawSecret").field("env", &self.env).field("file", &self.file).finish_non_exhaustive()
    }
}

/// Says where the value is and never what it is.
impl Serialize for RawSecret {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let slot = self.slot.map(|slot| slot.to_string());
        let mut shown = BTreeMap::new();
        shown.extend(self.env.as_deref().map(|name| ("env", name)));
        shown.extend(self.file.as_deref().map(|path| ("file", path)));
        shown.extend(self.value.as_ref().map(|_| ("value", "[hidden]")));
        shown.extend(self.id.as_deref().map(|id| ("id", id)));
        shown.extend(slot.as_deref().map(|slot| ("slot", slot)));
        shown.extend(self.until.as_deref().map(|until| ("until", until)));
        shown.serialize(serializer)
    }
}

/// A backend.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawUpstream {
    /// Its servers: `http://host:port`, `https://…`, `h2c://…` or `unix:/path`.
    pub servers: Vec<String>,
    /// Which server is asked next.
    #[serde(default)]
    pub balance: Balance,
    /// Header fields that are set on every request; `{secret.NAME}` stands for a secret.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub inject: BTreeMap<String, String>,
    /// For https servers.
    #[serde(default)]
    pub tls: RawUpstreamTls,
    /// How many idle connections are kept.
    #[serde(default = "keepalive")]
    pub keepalive: u32,
    /// How often a request with an idempotent method is tried again when no connection can be had.
    #[serde(default = "retries")]
    pub retries: u32,
}

fn keepalive() -> u32 {
    128
}

fn retries() -> u32 {
    1
}

/// Which server is asked next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Balance {
    /// One after the other.
    #[default]
    RoundRobin,
    /// The one with the fewest requests in progress.
    LeastRequests,
}

/// `tls:` of an upstream.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawUpstreamTls {
    /// The name that the server's certificate must have; by default the host in its address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_name: Option<String>,
    /// A file with the certificate authorities to trust, in PEM; by default the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<String>,
}

/// `timeouts:`; what is left out is inherited.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawTimeouts {
    /// Until a connection to the upstream stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect: Option<Time>,
    /// Until the upstream's answer begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_byte: Option<Time>,
    /// The longest pause within an answer or a WebSocket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream_idle: Option<Time>,
}

/// `logs:`
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawLogs {
    /// One line a request.
    #[serde(default)]
    pub access: RawAccess,
    /// What is blotted out of logged text; by default all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redact: Option<Vec<crate::redact::Kind>>,
}

/// `logs.access:`
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawAccess {
    /// The form of a line.
    pub format: Format,
    /// `stdout`, `stderr` or a file.
    pub to: String,
    /// Request header fields to log; no others are.
    pub headers: Vec<String>,
    /// Query parameters to log; no others are.
    pub query: Vec<String>,
}

impl Default for RawAccess {
    fn default() -> Self {
        Self { format: Format::Json, to: "stdout".to_owned(), headers: Vec::new(), query: Vec::new() }
    }
}

/// The form of an access log line.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// One JSON object a line.
    #[default]
    Json,
}

/// A request with the expected verdict.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawTest {
    /// Who sends it: `user`, `tenant`, `roles`, `scopes` or claims, by the identity that `identity` names or the
    /// route's first. Without it the request has no credential.
    #[serde(default, rename = "as", skip_serializing_if = "Option::is_none")]
    pub caller: Option<serde_json::Map<String, serde_json::Value>>,
    /// The origin of the page that sends it, as browsers write it into the field `Origin`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// Method and path with query.
    pub send: String,
    /// Header fields.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// The body: JSON unless `headers` gives another `content-type`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// `allow`, or a status, or a status and a code: `403 tenant_mismatch`.
    pub expect: String,
}

/// A webhook: who calls is told by the signature over the bytes of the request.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawWebhook {
    /// Its name in logs and metrics.
    pub name: String,
    /// The path at which the provider calls.
    pub path: String,
    /// The provider, as `portcullis webhooks` lists it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// How it signs, where the provider is not known by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheme: Option<Box<RawScheme>>,
    /// The name of its secret, or several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<OneOrMany<String>>,
    /// Public keys, for schemes that sign with a private one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub public_keys: Vec<RawPublicKey>,
    /// How old and how early a message may be; by default what the provider says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tolerance: Option<Time>,
    /// The external address as the provider calls it, without the path, for schemes that sign it:
    /// `https://hooks.example.com`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
    /// What the scheme reads as `config:NAME`: a text, or `{ secret: NAME }`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub settings: BTreeMap<String, RawSetting>,
    /// What a repetition is known by, and how long; by default what the provider's scheme says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replay: Option<RawReplay>,
    /// How a repetition is answered: `ok` (200), or `conflict` (409).
    #[serde(default)]
    pub on_duplicate: OnDuplicate,
    /// Limits, added to those of `defaults`. They may count by `webhook` and `event`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<OneOrMany<String>>,
    /// The largest delivery; by default what `defaults` says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<Size>,
    /// The upstream that deliveries go to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream: Option<String>,
    /// How long the upstream may take.
    #[serde(default)]
    pub timeouts: RawTimeouts,
    /// Whether deliveries are refused, or only logged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
}

/// How a repetition is answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnDuplicate {
    /// 200: the provider is content, and the upstream hears nothing.
    #[default]
    Ok,
    /// 409.
    Conflict,
}

/// A value that a webhook's scheme reads: a text, or a secret's name.
#[derive(Clone, Debug)]
pub enum RawSetting {
    /// As it is.
    Text(String),
    /// The secret of this name.
    Secret(String),
}

#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SecretSetting {
    /// The name of a secret.
    secret: String,
}

impl<'de> Deserialize<'de> for RawSetting {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> serde::de::Visitor<'de> for Either {
            type Value = RawSetting;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a text, or `{ secret: NAME }`")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<RawSetting, E> {
                Ok(RawSetting::Text(text.to_owned()))
            }

            fn visit_newtype_struct<D: serde::Deserializer<'de>>(
                self,
                inner: D,
            ) -> Result<RawSetting, D::Error> {
                SecretSetting::deserialize(inner).map(|setting| RawSetting::Secret(setting.secret))
            }
        }

        deserializer.deserialize_newtype_struct(TEXT_OR_MAP, Either)
    }
}

/// Never shows a text: it may be a token.
impl Serialize for RawSetting {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(_) => "[hidden]".serialize(serializer),
            Self::Secret(name) => SecretSetting { secret: name.clone() }.serialize(serializer),
        }
    }
}

impl JsonSchema for RawSetting {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "RawSetting".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let (text, secret) = (generator.subschema_for::<String>(), SecretSetting::json_schema(generator));
        schemars::json_schema!({ "anyOf": [text, { "type": "boolean" }, secret] })
    }
}

macro_rules! scopes {
    ($(#[doc = $about:literal] $key:ident: $policy:ty, monotone $monotone:expr, why $why:literal;)*) => {
        /// `defaults:`
        #[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        pub struct RawDefaults {
            /// The upstream that requests go to.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub upstream: Option<String>,
            /// How long the upstream may take.
            #[serde(default)]
            pub timeouts: RawTimeouts,
            $(#[doc = $about]
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub $key: Option<<$policy as rules::policy::Policy>::Raw>,)*
        }

        /// A route.
        #[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        pub struct RawRoute {
            /// Its name in logs and metrics.
            pub name: String,
            /// Method and path: `GET /v1/{tenant}/files`, `* /admin/**`.
            #[serde(rename = "match")]
            pub pattern: OneOrMany<String>,
            /// Why everybody may call it.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub public: Option<String>,
            /// The upstream that requests go to.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub upstream: Option<String>,
            /// How long the upstream may take.
            #[serde(default)]
            pub timeouts: RawTimeouts,
            /// Whether it may become a WebSocket.
            #[serde(default)]
            pub websocket: bool,
            /// Whether its gates refuse.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub mode: Option<Mode>,
            /// The keys that this route widens, each with the reason.
            #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
            pub relax: BTreeMap<String, String>,
            $(#[doc = $about]
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub $key: Option<<$policy as rules::policy::Policy>::Raw>,)*
        }

        impl RawDefaults {
            /// What this scope says about policies.
            pub fn scope(&self) -> rules::policies::RawScope {
                rules::policies::RawScope { $($key: self.$key.clone(),)* }
            }
        }

        impl RawRoute {
            /// What this scope says about policies.
            pub fn scope(&self) -> rules::policies::RawScope {
                rules::policies::RawScope { $($key: self.$key.clone(),)* }
            }
        }
    };
}

rules::with_policies!(scopes);
