//! What a request shows to prove who calls, and what may be concluded from it.
//!
//! An identity's gate first finds its credential in the request, then says whom it shows. What it needs beyond the
//! request (fetched keys, a login service's answer) the shell gets and hands in as [`Evidence`].

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, StatusCode};

use crate::token::{Algorithm, KeySet};
use crate::verdict::Refusal;
use crate::view::Caller;
pub use crate::view::Via;

/// Where a client that has a credential as text puts it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// `Authorization: Bearer` (RFC 6750, section 2.1).
    Bearer,
    /// This header field, alone.
    Header(HeaderName),
    /// The cookie of this name.
    Cookie(String),
    /// The query parameter of this name.
    Query(String),
}

/// A credential as the request shows it: nothing of it is believed yet.
#[derive(Clone, Debug)]
pub struct Credential<'v> {
    /// All that the verdict depends on: two credentials of one identity with the same text show the same caller.
    pub text: Cow<'v, [u8]>,
    /// How it came.
    pub via: Via,
}

/// What the shell knows that the request does not say.
#[derive(Clone, Copy, Default)]
pub struct Evidence<'a> {
    /// The keys that were fetched for the identity, if any ever were.
    pub keys: Option<&'a KeySet>,
    /// What the login service said to the identity's [`Question`].
    pub answer: Option<&'a LoginAnswer>,
}

/// A caller, and for how long the credential vouches for them.
#[derive(Clone, Debug)]
pub struct Vouched {
    /// Who calls.
    pub caller: Arc<Caller>,
    /// The first second (Unix time) in which the credential holds.
    pub from: i64,
    /// The first second in which it no longer does.
    pub until: i64,
}

impl Vouched {
    /// Whether it holds at `now` (Unix seconds).
    pub fn holds(&self, now: i64) -> bool {
        (self.from..self.until).contains(&now)
    }
}

/// Why a credential does not show a caller, or not yet.
#[derive(Clone, Debug)]
pub enum Doubt {
    /// It does not.
    Refused(Refusal),
    /// It does not, and never will with the same keys.
    Final(Box<Never>),
    /// No key has the name that the token asks for. Fresher keys may; without, the refusal stands.
    UnknownKey(Refusal),
    /// The login service has to be asked.
    Ask(Question),
}

/// A refusal that stands for as long as the keys are the same.
#[derive(Clone, Debug)]
pub struct Never {
    /// The refusal.
    pub refusal: Refusal,
    /// The first second (Unix time) in which it does.
    pub from: i64,
}

/// What a login service is asked.
#[derive(Clone, Debug)]
pub struct Question {
    /// The header fields of the question.
    pub fields: HeaderMap,
}

/// What a login service answered.
#[derive(Clone, Debug)]
pub struct LoginAnswer {
    /// The status: 2xx means yes.
    pub status: StatusCode,
    /// Its header fields, which tell who it is.
    pub fields: HeaderMap,
}

/// Keys that are fetched: what an identity asks of the shell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySource {
    /// Where they are.
    pub from: KeysAt,
    /// How often they are fetched again.
    pub refresh: Duration,
    /// How long keys are used after the last fetch that succeeded.
    pub stale_for: Duration,
    /// What they may verify.
    pub algorithms: Vec<Algorithm>,
}

/// Where keys are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeysAt {
    /// A JSON Web Key Set (RFC 7517) at this address.
    Url(String),
    /// Wherever the issuer's `OpenID` configuration says (`OpenID` Connect Discovery 1.0, section 4).
    Issuer(String),
}

/// A login service: whom the shell asks an identity's [`Question`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// Its address.
    pub url: String,
    /// How long it may take.
    pub timeout: Duration,
}
