//! What a delivery is known by, so that the same one does not count twice.

use aws_lc_rs::digest;

use super::delivery::Reading;
use super::extract::Extract;
use super::refused::Refused;
use super::template::Chunk;

/// How long a delivery is remembered where a scheme does not say it, in seconds: longer than providers try again.
pub(super) const USUAL_TTL_S: u32 = 3 * 24 * 3600;

/// What repetitions are known by.
pub(super) struct Replay {
    pub(super) members: Vec<Member>,
    pub(super) ttl_s: u32,
}

/// One thing that repetitions are known by.
#[derive(Debug)]
pub(super) enum Member {
    /// The digest of the signed bytes. Never of the signature's text: that has several spellings.
    Signed,
    /// A value.
    Value {
        /// As it is written, so that values of different sources do not meet.
        name: String,
        extract: Box<Extract>,
    },
}

impl Member {
    /// A value, which may be absent.
    pub(super) fn value(name: &str, extract: Extract) -> Self {
        Self::Value { name: name.to_owned(), extract: Box::new(extract.or_nothing()) }
    }
}

/// What a delivery is known by: remember all of them once the upstream took it, and refuse it if one is known.
/// A digest, so that a store holds nothing of the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplayKey(pub [u8; 32]);

/// The bytes that were signed, for each message of the delivery.
pub(super) type SignedBytes<'a> = Vec<Vec<Chunk<'a>>>;

impl Replay {
    /// What a delivery is known by, and the id by which its sender knows it.
    pub(super) fn keys(
        &self,
        reading: &Reading<'_>,
        signed: &SignedBytes<'_>,
    ) -> Result<(Vec<ReplayKey>, Option<String>), Refused> {
        let (mut keys, mut event) = (Vec::new(), None);
        let webhook = reading.terms.name();
        for member in &self.members {
            match member {
                Member::Signed => keys.extend(digests(webhook, signed)),
                Member::Value { name, extract } => {
                    let Some(value) = extract.one(reading)? else { continue };
                    keys.push(key(webhook, name, [value.as_ref()]));
                    event = event.or_else(|| shown(&value));
                }
            }
        }
        // Without any value that it could be known by, it is known by all of it.
        if keys.is_empty() {
            keys.extend(digests(webhook, signed));
        }
        keys.sort_unstable();
        keys.dedup();
        Ok((keys, event))
    }
}

fn digests(webhook: &str, signed: &SignedBytes<'_>) -> impl Iterator<Item = ReplayKey> {
    signed.iter().map(move |message| {
        // The secret is left out: a store shall hold nothing that depends on it, and a new key changes no message.
        let pieces = message.iter().filter_map(|chunk| match chunk {
            Chunk::Bytes(bytes) => Some(bytes.as_ref()),
            Chunk::Secret => None,
        });
        key(webhook, "signed", pieces)
    })
}

fn key<'a>(webhook: &str, name: &str, pieces: impl IntoIterator<Item = &'a [u8]>) -> ReplayKey {
    let mut context = digest::Context::new(&digest::SHA256);
    for label in ["portcullis webhook", webhook, name] {
        context.update(&u64::try_from(label.len()).unwrap_or(u64::MAX).to_be_bytes());
        context.update(label.as_bytes());
    }
    pieces.into_iter().for_each(|piece| context.update(piece));
    let mut bytes = [0; 32];
    for (byte, digested) in bytes.iter_mut().zip(context.finish().as_ref()) {
        *byte = *digested;
    }
    ReplayKey(bytes)
}

/// An id that can stand in a header and in a log.
fn shown(value: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(value).ok()?;
    (text.len() <= 256 && text.bytes().all(|byte| byte.is_ascii_graphic())).then(|| text.to_owned())
}
