//! The order of work: handshakes that nobody signs, required fields, extraction, signature, time, handshakes that are
//! signed, and what repetitions are known by.

use std::borrow::Cow;
use std::time::Duration;

use super::certificate::{Fetched, Want};
use super::delivery::{Delivery, Reading};
use super::handshake::Greeting;
use super::key::Keyring;
use super::mac;
use super::raw::Phase;
use super::refused::{Reason, Refused};
use super::replay::{ReplayKey, SignedBytes};
use super::scheme::{Proof, Scheme};
use super::stamp::Instant;
use super::template::{Bound, Chunk};
use super::terms::Terms;

mod signature;

/// What became of a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It comes from who says so. Whether it came before is for the store to say.
    Verified(Verified),
    /// It is no delivery but a request that sets the webhook up.
    Handshake(Greeting),
    /// A key has to be fetched first; then [`Scheme::verify`] is asked again.
    Wants(Want),
    /// It is not believed.
    Refused(Refused),
}

/// A delivery that comes from who says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// The index of the key in the ring; none if the key was fetched.
    pub key: Option<usize>,
    /// The id by which the sender knows the event, if it has one that can be shown. It may be unsigned.
    pub event: Option<String>,
    /// When it was sent, in milliseconds since the Unix epoch, if a signed value says so.
    pub sent_ms: Option<i64>,
    /// What repetitions are known by: one of these that is remembered makes it a repetition. Never empty.
    pub replay: Vec<ReplayKey>,
    /// How long they are to be remembered.
    pub ttl: Duration,
}

/// What a proof found.
pub(super) struct Proven<'a> {
    pub(super) key: Option<usize>,
    pub(super) sent: Option<Instant>,
    /// What was signed, message by message.
    pub(super) signed: SignedBytes<'a>,
}

/// Why a proof could not be finished.
pub(super) enum Halt {
    Refused(Refused),
    Want(Want),
}

impl From<Refused> for Halt {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl Scheme {
    /// Judges a delivery. `fetched` is what an earlier [`Outcome::Wants`] asked for.
    pub fn verify(
        &self,
        keys: &Keyring,
        terms: &Terms,
        delivery: &Delivery<'_>,
        fetched: Option<&Fetched>,
    ) -> Outcome {
        let reading = Reading::new(delivery, terms);
        match self.judge(&reading, keys, fetched) {
            Ok(outcome) => outcome,
            Err(Halt::Refused(refused)) => Outcome::Refused(refused),
            Err(Halt::Want(want)) => Outcome::Wants(want),
        }
    }

    fn judge<'a>(
        &'a self,
        reading: &Reading<'a>,
        keys: &Keyring,
        fetched: Option<&Fetched>,
    ) -> Result<Outcome, Halt> {
        if let Some(greeting) = self.greet(Phase::Before, reading, &Bound::default(), keys, None) {
            return Ok(Outcome::Handshake(greeting));
        }
        for requirement in &self.require {
            requirement.check(reading)?;
        }
        if let Some(digest) = &self.body_digest {
            digest.check(reading)?;
        }
        let mut bound = Bound::default();
        let proven = match &self.proof {
            Proof::Signature(signature) => {
                bound = signature.bind(reading)?;
                signature.verify(reading, &bound, keys, fetched)?
            }
            Proof::Token(_) => self.check_token(reading, keys)?,
            Proof::Jwt(jwt) => jwt.verify(reading, keys, fetched)?,
            Proof::Sns(sns) => sns.verify(reading, keys, fetched)?,
        };
        if let Some(greeting) = self.greet(Phase::After, reading, &bound, keys, proven.key) {
            return Ok(Outcome::Handshake(greeting));
        }
        let (replay, event) = self.replay.keys(reading, &proven.signed)?;
        Ok(Outcome::Verified(Verified {
            key: proven.key,
            event,
            sent_ms: proven.sent.map(Instant::ms),
            replay,
            ttl: self.ttl(reading.terms),
        }))
    }

    fn greet<'a>(
        &'a self,
        phase: Phase,
        reading: &Reading<'a>,
        bound: &Bound<'a>,
        keys: &Keyring,
        key: Option<usize>,
    ) -> Option<Greeting> {
        let mut active = keys.active(reading.delivery.now_ms);
        let key = active.find(|(index, _)| key.is_none_or(|key| key == *index)).map(|(_, key)| key);
        let mut handshakes = self.handshakes.iter().filter(|handshake| handshake.phase == phase);
        handshakes.find_map(|handshake| handshake.greet(reading, bound, key))
    }

    fn check_token<'a>(&self, reading: &Reading<'a>, keys: &Keyring) -> Result<Proven<'a>, Refused> {
        let Proof::Token(place) = &self.proof else {
            return Err(Refused::mismatch("the scheme has no token"));
        };
        let token = place.one(reading)?.ok_or_else(|| Refused::missing(place))?;
        let now_ms = reading.delivery.now_ms;
        // All of them, so that the time does not tell which one it is.
        let matching = keys.active(now_ms).filter(|(_, key)| mac::same(key.bytes(), &token));
        let Some(index) = matching.map(|(index, _)| index).last() else {
            let retired = keys.retired(now_ms).any(|(_, key)| mac::same(key.bytes(), &token));
            return Err(if retired {
                Refused::new(Reason::RetiredKey, "the token is one whose time is over")
            } else {
                Refused::mismatch("the token is not the one that is configured")
            });
        };
        let Delivery { method, target, body, .. } = reading.delivery;
        let signed = [method.as_str().as_bytes(), b" ", target.as_bytes(), b"\n", body]
            .map(|piece| Chunk::Bytes(Cow::Borrowed(piece)));
        Ok(Proven { key: Some(index), sent: None, signed: vec![signed.to_vec()] })
    }

    /// Long enough for what the timestamp lets live.
    fn ttl(&self, terms: &Terms) -> Duration {
        let span = match &self.proof {
            Proof::Signature(signature) => signature.span_ms(terms),
            Proof::Sns(sns) => {
                let (past, future) = terms.tolerance(sns.window.past_ms, sns.window.future_ms);
                past.unwrap_or(0).saturating_add(future.unwrap_or(0))
            }
            Proof::Jwt(jwt) => jwt.span_ms(),
            Proof::Token(_) => 0,
        };
        let own = Duration::from_secs(self.replay.ttl_s.into());
        own.max(Duration::from_millis(u64::try_from(span).unwrap_or(0)))
    }
}
