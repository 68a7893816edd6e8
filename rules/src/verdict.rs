//! What a gate may answer.
//!
//! Two sentences belong to every no. The public one is static, so it cannot carry anything of the
//! request; the private one goes to the log and to `portcullis explain`, never to the client.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode};

/// Why the gateway said no: the stable name that clients, logs and metrics see.
///
/// One row a code, so that status, title and the default public sentence cannot drift apart.
macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $status:ident, $title:literal, $public:literal;)*) => {
        /// A refusal's stable name (RFC 9457 extension member `code`).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Code { $($(#[$doc])* $variant,)* }

        impl Code {
            /// Every code, in the order of the reference.
            pub const ALL: &'static [Code] = &[$(Code::$variant,)*];

            /// The name on the wire, in the log and in metric labels.
            pub const fn name(self) -> &'static str {
                match self { $(Code::$variant => $name,)* }
            }

            /// The status that goes with the code.
            pub const fn status(self) -> StatusCode {
                match self { $(Code::$variant => StatusCode::$status,)* }
            }

            /// RFC 9457 `title`.
            pub const fn title(self) -> &'static str {
                match self { $(Code::$variant => $title,)* }
            }

            /// The public sentence where the gate has none of its own.
            pub const fn public(self) -> &'static str {
                match self { $(Code::$variant => $public,)* }
            }
        }
    };
}

codes! {
    /// Malformed or ambiguous framing, bad path encoding, an upgrade where none is allowed.
    BadRequest = "bad_request", BAD_REQUEST, "Bad request", "The request is malformed or ambiguous.";
    /// No route matches the path.
    NoRoute = "no_route", NOT_FOUND, "Not found", "There is nothing at this address.";
    /// The path has routes, none for this method.
    MethodNotAllowed = "method_not_allowed", METHOD_NOT_ALLOWED, "Method not allowed", "This address does not accept the request's method; see the Allow header.";
    /// The host is not served here.
    UnknownHost = "unknown_host", MISDIRECTED_REQUEST, "Unknown host", "This server does not serve the requested host.";
    /// The request target is too long.
    UriTooLong = "uri_too_long", URI_TOO_LONG, "Address too long", "The request's address is longer than this server accepts.";
    /// The header block is too large or has too many fields.
    HeaderTooLarge = "header_too_large", REQUEST_HEADER_FIELDS_TOO_LARGE, "Request header too large", "The request's header is larger than this server accepts.";
    /// The body is larger than the route allows.
    BodyTooLarge = "body_too_large", PAYLOAD_TOO_LARGE, "Request body too large", "The request's body is larger than this address accepts.";
    /// Header or body arrived too slowly.
    RequestTimeout = "request_timeout", REQUEST_TIMEOUT, "Request timeout", "The request did not arrive in time.";
    /// No credential was presented.
    TokenMissing = "token_missing", UNAUTHORIZED, "Authentication required", "Send a valid bearer token in the Authorization header.";
    /// The credential does not verify.
    TokenInvalid = "token_invalid", UNAUTHORIZED, "Invalid token", "The token is not valid here; sign in again.";
    /// The credential is past its time.
    TokenExpired = "token_expired", UNAUTHORIZED, "Token expired", "The token has expired; sign in again.";
    /// No certificate that is trusted was shown in the TLS handshake.
    CertificateRequired = "certificate_required", UNAUTHORIZED, "Certificate required", "This address needs a valid client certificate; connect again with one.";
    /// No API key, or one that nobody has any more.
    KeyInvalid = "key_invalid", UNAUTHORIZED, "Invalid API key", "Send a valid API key.";
    /// The identity's keys were never obtained.
    KeysUnavailable = "keys_unavailable", SERVICE_UNAVAILABLE, "Service unavailable", "Sign-in cannot be checked at the moment; try again shortly.";
    /// The request names a tenant that is not the caller's.
    TenantMismatch = "tenant_mismatch", FORBIDDEN, "Forbidden", "The request is for another tenant than the token's.";
    /// The caller lacks a role.
    RoleRequired = "role_required", FORBIDDEN, "Forbidden", "The caller's role does not permit this.";
    /// The token lacks a scope.
    ScopeRequired = "scope_required", FORBIDDEN, "Forbidden", "The token's scope does not permit this.";
    /// The token lacks a claim or has another value.
    ClaimRequired = "claim_required", FORBIDDEN, "Forbidden", "The token lacks a property that this address requires.";
    /// A rule of the configuration.
    Blocked = "blocked", FORBIDDEN, "Forbidden", "The request was blocked.";
    /// More requests than a limit allows.
    RateLimited = "rate_limited", TOO_MANY_REQUESTS, "Too many requests", "There were too many requests; try again later, see the Retry-After header.";
    /// Too many failures.
    LockedOut = "locked_out", TOO_MANY_REQUESTS, "Too many failures", "There were too many failed attempts; try again later, see the Retry-After header.";
    /// More requests in progress than a limit allows.
    TooManyInFlight = "too_many_in_flight", TOO_MANY_REQUESTS, "Too many requests in progress", "Too many requests are in progress; wait for one of them to end.";
    /// The delivery has no signature.
    SignatureMissing = "signature_missing", UNAUTHORIZED, "Signature required", "The request has no signature, or lacks what is signed with it.";
    /// The signature, or what belongs to it, cannot be read in one way only.
    SignatureMalformed = "signature_malformed", UNAUTHORIZED, "Malformed signature", "The request's signature cannot be read.";
    /// The signature is not that of the sender over this request.
    SignatureInvalid = "signature_invalid", UNAUTHORIZED, "Invalid signature", "The request's signature is not valid here.";
    /// The signature is too old, or from the future.
    SignatureExpired = "signature_expired", UNAUTHORIZED, "Signature expired", "The request's signature is not of this time; send it anew.";
    /// The delivery was accepted before, or is being delivered.
    WebhookDuplicate = "webhook_duplicate", CONFLICT, "Duplicate delivery", "This delivery was accepted before, or is in progress.";
    /// The body's type or coding is not accepted.
    MediaType = "media_type", UNSUPPORTED_MEDIA_TYPE, "Unsupported media type", "The request's body is of a type that this address does not accept.";
    /// The body does not fit its schema.
    SchemaInvalid = "schema_invalid", UNPROCESSABLE_ENTITY, "Invalid content", "The request does not have the form that this address requires; see `errors`.";
    /// A page of an origin that is not allowed makes the request.
    OriginDenied = "origin_denied", FORBIDDEN, "Forbidden", "This address does not accept requests from that page's origin.";
    /// It cannot be told that the caller's own page makes the request.
    CsrfFailed = "csrf_failed", FORBIDDEN, "Forbidden", "The request did not come from a page of this service; open the page again and repeat it there.";
    /// The body is not what its type says.
    BodyInvalid = "body_invalid", BAD_REQUEST, "Invalid body", "The request's body could not be read as its type.";
    /// The process or the upstream is at its ceiling.
    Overloaded = "overloaded", SERVICE_UNAVAILABLE, "Service overloaded", "The service is at its limit; try again shortly.";
    /// No connection to the upstream, or it broke before an answer.
    UpstreamUnreachable = "upstream_unreachable", BAD_GATEWAY, "Bad gateway", "The service behind this address gave no valid answer.";
    /// The upstream did not answer in time.
    UpstreamTimeout = "upstream_timeout", GATEWAY_TIMEOUT, "Gateway timeout", "The service behind this address did not answer in time.";
    /// No server of the upstream can be used.
    NoHealthyUpstream = "no_healthy_upstream", SERVICE_UNAVAILABLE, "Service unavailable", "The service behind this address is not available; try again shortly.";
    /// A fault of the gateway's own: doubt closes the gate.
    Internal = "internal", INTERNAL_SERVER_ERROR, "Internal error", "The request could not be checked and was not forwarded.";
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A verdict that says no, with the gate that said it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The stable name.
    pub code: Code,
    /// The gate: a policy's key, or the part of the edge that refused.
    pub gate: &'static str,
    /// What the client reads. Static: it cannot carry request data.
    pub public: &'static str,
    /// What the operator reads, in the log and in `explain`. May name claims and places, never secrets.
    pub private: Cow<'static, str>,
    /// Header fields that belong to the answer, such as `Allow`.
    pub fields: Vec<(HeaderName, HeaderValue)>,
    /// What is wrong where in the request, for clients that can mend it.
    pub faults: Vec<Fault>,
    /// The rule that decided, where one did.
    pub by: Option<Box<ByRule>>,
}

/// A rule that refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ByRule {
    /// Its name.
    pub rule: Arc<str>,
    /// What the operator says instead of us.
    pub words: Option<Arc<Words>>,
}

/// What a client reads whom a rule refuses. From the configuration: nothing of the request is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words {
    /// The status.
    pub status: StatusCode,
    /// A body of the operator's own, with its type; otherwise the gateway's.
    pub body: Option<(Bytes, HeaderValue)>,
}

/// One thing that is wrong with a request's body or parameters: where, and which rule says so. Never a value.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Fault {
    /// A JSON pointer (RFC 6901) into the body, or the name of a parameter.
    pub pointer: String,
    /// The keyword of the schema that is not met.
    pub keyword: String,
}

impl Refusal {
    /// A refusal with the code's own public sentence.
    pub fn new(code: Code, gate: &'static str, private: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            gate,
            public: code.public(),
            private: private.into(),
            fields: Vec::new(),
            faults: Vec::new(),
            by: None,
        }
    }

    /// The status of the answer.
    pub fn status(&self) -> StatusCode {
        self.words().map_or(self.code.status(), |words| words.status)
    }

    /// The same refusal as a rule's, in the operator's words.
    #[must_use]
    pub fn by_rule(mut self, rule: Arc<str>, words: Option<Arc<Words>>) -> Self {
        self.by = Some(Box::new(ByRule { rule, words }));
        self
    }

    /// The rule that decided, where one did.
    pub fn rule(&self) -> Option<&Arc<str>> {
        self.by.as_ref().map(|by| &by.rule)
    }

    /// What the operator says instead of us.
    pub fn words(&self) -> Option<&Words> {
        self.by.as_ref().and_then(|by| by.words.as_deref())
    }

    /// The same refusal with another header field in its answer.
    #[must_use]
    pub fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.fields.push((name, value));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_statuses_are_errors() {
        let mut names: Vec<_> = Code::ALL.iter().map(|code| code.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Code::ALL.len());
        for code in Code::ALL {
            assert!(code.status().is_client_error() || code.status().is_server_error(), "{code}");
        }
    }
}
