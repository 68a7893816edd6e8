//! Amazon SNS: fields of the body in a fixed order, signed with a certificate whose address the message names.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::certificate::{Allowed, Fetched, Want};
use super::delivery::Reading;
use super::encoding::Encoding;
use super::key::{Keyring, Material};
use super::pointer::{self, Found, Pointer};
use super::raw::TimeFormat;
use super::refused::{Reason, Refused};
use super::source::Source;
use super::stamp::{self, Window};
use super::template::Chunk;
use super::verify::{Halt, Proven};

/// The setting that holds the topic. Everybody can have Amazon sign messages of a topic of their own.
pub(super) const TOPIC: &str = "topic_arn";

/// How SNS messages are judged.
pub(super) struct Sns {
    pub(super) versions: Vec<Version>,
    pub(super) allowed: Allowed,
    pub(super) window: Window,
}

/// A version of the signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    /// RSA with SHA-1.
    One,
    /// RSA with SHA-256.
    Two,
}

impl Version {
    pub(super) fn parse(text: &str) -> Option<Self> {
        match text {
            "1" => Some(Self::One),
            "2" => Some(Self::Two),
            _ => None,
        }
    }
}

const NOTIFICATION: [&str; 6] = ["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"];
const CONFIRMATION: [&str; 7] =
    ["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"];

impl Sns {
    /// Whether a value is one of those that are signed in messages of any type.
    pub(super) fn signs(source: &Source) -> bool {
        let Source::Json(pointer) = source else { return false };
        let [name] = pointer.steps() else { return false };
        NOTIFICATION.contains(&name.as_str()) && CONFIRMATION.contains(&name.as_str())
    }

    pub(super) fn verify<'a>(
        &self,
        reading: &Reading<'a>,
        keys: &Keyring,
        fetched: Option<&Fetched>,
    ) -> Result<Proven<'a>, Halt> {
        let document = pointer::document(reading.delivery.body)
            .ok_or_else(|| Refused::malformed("the body is not JSON"))?;
        let message = Message(document);
        let signed_names: &[&str] = match &*message.text("Type")? {
            "Notification" => &NOTIFICATION,
            "SubscriptionConfirmation" | "UnsubscribeConfirmation" => &CONFIRMATION,
            _ => return Err(Refused::malformed("the message is of no known type").into()),
        };
        let version = Version::parse(&message.text("SignatureVersion")?);
        let version = version.filter(|version| self.versions.contains(version));
        let version =
            version.ok_or_else(|| Refused::malformed("the signature's version is none of the scheme's"))?;
        let signature = Encoding::Base64.decode(message.text("Signature")?.as_bytes());
        let signature = signature.ok_or_else(|| Refused::malformed("the signature is not base64"))?;
        let sent = stamp::parse(message.text("Timestamp")?.as_bytes(), TimeFormat::Rfc3339);
        let sent = sent.ok_or_else(|| Refused::malformed("the body's `/Timestamp` is not a time"))?;
        let mut text = String::new();
        for name in signed_names {
            if let Some(value) = message.find(name)? {
                text.extend([*name, "\n", &value, "\n"]);
            } else if *name != "Subject" {
                return Err(Refused::missing(&format!("the body's `/{name}`")).into());
            }
        }
        let url = message.text("SigningCertURL")?;
        let seal = Seal { version, text: &text, signature: &signature };
        let key = self.signer(&seal, &url, reading, keys, fetched)?;
        if reading.terms.setting(TOPIC) != Some(message.text("TopicArn")?.as_bytes()) {
            return Err(Refused::mismatch("the message is of another topic").into());
        }
        let (past_ms, future_ms) = reading.terms.tolerance(self.window.past_ms, self.window.future_ms);
        Window { past_ms, future_ms }.check(sent, reading.delivery.now_ms)?;
        let signed = vec![Chunk::Bytes(Cow::Owned(text.into_bytes()))];
        Ok(Proven { key, sent: Some(sent), signed: vec![signed] })
    }

    /// The index of the configured certificate that sealed the message; none if it was a fetched one.
    fn signer(
        &self,
        seal: &Seal<'_>,
        url: &str,
        reading: &Reading<'_>,
        keys: &Keyring,
        fetched: Option<&Fetched>,
    ) -> Result<Option<usize>, Halt> {
        if !self.allowed.permits(url) {
            return Err(
                Refused::new(Reason::UnknownKey, "the certificate's address is not one of Amazon's").into()
            );
        }
        let now_ms = reading.delivery.now_ms;
        let mut known = keys.active(now_ms).filter(|(_, key)| key.id.as_deref() == Some(url)).peekable();
        if known.peek().is_some() {
            let found = known.find(|(_, key)| seal.is_of(&key.material));
            return found.map(|(index, _)| Some(index)).ok_or_else(|| Halt::Refused(unsealed()));
        }
        if !keys.is_empty() {
            return Err(Refused::new(
                Reason::UnknownKey,
                "the message names a certificate that is not known",
            )
            .into());
        }
        let want = Want::Certificate(url.to_owned());
        let Some(fetched) = fetched.filter(|fetched| *fetched.want() == want) else {
            return Err(Halt::Want(want));
        };
        let mut keys = fetched.keys().iter().filter(|key| key.counts(now_ms));
        if keys.any(|key| seal.is_of(&key.material)) { Ok(None) } else { Err(unsealed().into()) }
    }
}

fn unsealed() -> Refused {
    Refused::mismatch("the certificate did not make this signature")
}

/// A signature whose maker is looked for.
struct Seal<'s> {
    version: Version,
    text: &'s str,
    signature: &'s [u8],
}

impl Seal<'_> {
    fn is_of(&self, material: &Material) -> bool {
        let Material::Sns([sha1, sha256]) = material else { return false };
        let key = match self.version {
            Version::One => sha1,
            Version::Two => sha256,
        };
        key.verify_sig(self.text.as_bytes(), self.signature).is_ok()
    }
}

/// A message's members, which must be strings.
struct Message<'a>(&'a RawValue);

impl<'a> Message<'a> {
    fn find(&self, name: &str) -> Result<Option<Cow<'a, str>>, Refused> {
        let pointer = Pointer::parse(&format!("/{name}"));
        match pointer.map(|pointer| pointer.find(self.0)) {
            Some(Found::Value(value)) if value.get().trim_ascii().starts_with('"') => {
                Ok(pointer::scalar(value).filter(|text| !text.is_empty()))
            }
            Some(Found::Value(value)) if value.get().trim_ascii() == "null" => Ok(None),
            Some(Found::Value(_)) => Err(Refused::malformed(format!("the body's `/{name}` is not a string"))),
            Some(Found::Twice) => {
                Err(Refused::new(Reason::Ambiguous, format!("the body's `/{name}` is there more than once")))
            }
            Some(Found::Nothing) | None => Ok(None),
        }
    }

    fn text(&self, name: &str) -> Result<Cow<'a, str>, Refused> {
        self.find(name)?.ok_or_else(|| Refused::missing(&format!("the body's `/{name}`")))
    }
}
