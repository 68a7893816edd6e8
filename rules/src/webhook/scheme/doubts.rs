//! What a scheme leaves open, and what it needs to be told.

use super::super::extract::Extract;
use super::super::filter::Filter;
use super::super::replay::Member;
use super::super::sns::Sns;
use super::super::source::Source;
use super::super::template::{Template, What};
use super::super::terms::Setting;
use super::{Proof, Scheme, Signature};

/// In sentences for people.
pub(super) fn doubts(scheme: &Scheme) -> Vec<&'static str> {
    let mut doubts = Vec::new();
    match &scheme.proof {
        Proof::Token(_) => doubts.push("the token is sent as it is, and covers nothing of the message"),
        Proof::Jwt(jwt) if !jwt.covers_body() => {
            doubts.push("the token does not cover the body, and may be used again until it expires");
        }
        Proof::Signature(signature) if !signature.covers_body() && scheme.body_digest.is_none() => {
            doubts.push("the signature does not cover the body");
        }
        Proof::Signature(signature) if !signature.covers_whole_body() && scheme.body_digest.is_none() => {
            doubts.push("the signature covers only parts of the body");
        }
        _ => {}
    }
    if let Proof::Signature(signature) = &scheme.proof
        && signature.payloads.iter().any(|payload| payload.filters().any(|filter| filter == Filter::Crc32Dec))
    {
        doubts.push("of the body only a checksum is signed, which is easily forged");
    }
    if let Proof::Signature(signature) = &scheme.proof
        && let Some(stamp) = &signature.stamp
        && (stamp.window.past_ms.is_none() || stamp.window.future_ms.is_none())
    {
        doubts.push("the timestamp is not checked on both sides");
    }
    if !scheme.replay.members.iter().any(|member| scheme.is_signed(member)) {
        doubts.push("what repetitions are known by is not signed");
    }
    if scheme.handshakes.iter().any(super::Handshake::passes_unsigned) {
        doubts.push("requests without a signature may reach the upstream as handshakes");
    }
    doubts
}

impl Scheme {
    /// Whether a sender cannot change a member of the replay list without signing anew.
    pub(super) fn is_signed(&self, member: &Member) -> bool {
        let signature = match &self.proof {
            Proof::Signature(signature) => signature,
            Proof::Jwt(jwt) => {
                return match member {
                    Member::Signed => true,
                    Member::Value { extract, .. } => jwt.covers_body() && extract.source().is_of_body(),
                };
            }
            Proof::Sns(_) => {
                return match member {
                    Member::Signed => true,
                    Member::Value { extract, .. } => Sns::signs(extract.source()),
                };
            }
            Proof::Token(_) => return false,
        };
        match member {
            Member::Signed => true,
            Member::Value { extract, .. } => {
                let body = self.body_digest.is_some() || signature.covers_whole_body();
                body && extract.source().is_of_body() || signature.has(extract)
            }
        }
    }
}

impl Signature {
    /// Whether all payloads have the whole body in some form.
    pub(super) fn covers_whole_body(&self) -> bool {
        self.payloads.iter().all(|payload| payload.whats().any(|what| *what == What::Body))
    }

    /// Whether all payloads have something of the body.
    pub(super) fn covers_body(&self) -> bool {
        self.payloads.iter().all(|payload| {
            payload.whats().any(|what| match what {
                What::Body => true,
                What::Source(source) => source.is_of_body(),
                What::Var(name) => self.taken(name).is_some_and(|taken| taken.source().is_of_body()),
                _ => false,
            })
        })
    }

    /// Whether a value stands in all payloads: all of its source, or just what is taken of it. Another part of the same
    /// header may be nobody's.
    fn has(&self, wanted: &Extract) -> bool {
        self.payloads.iter().all(|payload| {
            payload.whats().any(|what| match what {
                What::Source(source) => source == wanted.source(),
                What::Var(name) => self.taken(name).is_some_and(|taken| taken.takes_the_same(wanted)),
                What::Ts => self.stamp.as_ref().is_some_and(|stamp| stamp.from.takes_the_same(wanted)),
                _ => false,
            })
        })
    }

    fn taken(&self, wanted: &str) -> Option<&Extract> {
        self.vars.iter().find(|(name, _)| name == wanted).map(|(_, extract)| extract)
    }
}

/// The settings that a scheme reads.
pub(super) fn settings(scheme: &Scheme) -> Vec<Setting<'_>> {
    let mut settings: Vec<Setting<'_>> = Vec::new();
    let mut add = |name, needed| match settings.iter_mut().find(|known| known.name == name) {
        Some(known) => known.needed |= needed,
        None => settings.push(Setting { name, needed }),
    };
    match &scheme.proof {
        Proof::Signature(signature) => {
            for (name, needed) in signature.payloads.iter().flat_map(Template::settings) {
                add(name, needed);
            }
            for (_, extract) in &signature.vars {
                if let Source::Config(name) = extract.source() {
                    add(name, !extract.is_optional());
                }
            }
        }
        Proof::Jwt(jwt) => jwt.settings().for_each(|name| add(name, true)),
        Proof::Sns(_) => add(super::super::sns::TOPIC, true),
        Proof::Token(_) => {}
    }
    for name in scheme.handshakes.iter().flat_map(super::Handshake::settings) {
        add(name, false);
    }
    settings
}
