//! Signatures over payloads: every key that may have made one, every alternative of what was signed.

use std::borrow::Cow;

use super::super::certificate::{Fetched, Want};
use super::super::delivery::{MAX_CANDIDATES, Reading, crowded};
use super::super::key::{Key, Keyring, Material};
use super::super::pointer::{self, Found};
use super::super::refused::{Reason, Refused};
use super::super::scheme::{Each, Signature};
use super::super::stamp::{Instant, Window};
use super::super::template::{Bound, Chunk};
use super::super::terms::Terms;
use super::{Halt, Proven};

/// More messages than anybody puts into one body.
const MAX_ITEMS: usize = 1000;

/// A signature that a delivery carries.
struct Candidate {
    slot: usize,
    bytes: Vec<u8>,
}

/// One message whose signer is looked for.
struct Search<'s, 'a> {
    signature: &'s Signature,
    reading: &'s Reading<'a>,
    /// The id that the message names.
    named: Option<String>,
    payloads: Vec<Vec<Chunk<'a>>>,
}

impl Signature {
    /// What is extracted before the signature is checked.
    pub(in super::super) fn bind<'a>(&'a self, reading: &Reading<'a>) -> Result<Bound<'a>, Refused> {
        let mut bound = Bound::default();
        if let Some(stamp) = self.stamp.as_ref().filter(|stamp| !stamp.after) {
            bound.ts = stamp.read(reading)?.map(|(text, _)| text);
        }
        for (name, extract) in &self.vars {
            if let Some(value) = extract.one(reading)? {
                bound.vars.insert(name, value);
            }
        }
        Ok(bound)
    }

    pub(super) fn verify<'a>(
        &'a self,
        reading: &Reading<'a>,
        bound: &Bound<'a>,
        keys: &Keyring,
        fetched: Option<&Fetched>,
    ) -> Result<Proven<'a>, Halt> {
        let (mut signer, mut signed) = (None, Vec::new());
        match &self.each {
            None => {
                let (key, payload) = self.search(reading, bound, keys, fetched)?;
                signer = Some(key);
                signed.push(payload);
            }
            Some(each) => {
                for item in each.items(reading)? {
                    let reading = Reading { item: Some(item), ..*reading };
                    let (key, payload) = self.search(&reading, bound, keys, fetched)?;
                    signer = signer.or(Some(key));
                    signed.push(payload);
                }
            }
        }
        let sent = self.check_time(reading)?;
        Ok(Proven { key: signer.flatten(), sent, signed })
    }

    pub(super) fn span_ms(&self, terms: &Terms) -> i64 {
        let Some(stamp) = &self.stamp else { return 0 };
        let (past_ms, future_ms) = terms.tolerance(stamp.window.past_ms, stamp.window.future_ms);
        Window { past_ms, future_ms }.span_ms()
    }

    fn check_time(&self, reading: &Reading<'_>) -> Result<Option<Instant>, Refused> {
        let Some(stamp) = &self.stamp else { return Ok(None) };
        let Some((_, sent)) = stamp.read(reading)? else { return Ok(None) };
        let (past_ms, future_ms) = reading.terms.tolerance(stamp.window.past_ms, stamp.window.future_ms);
        Window { past_ms, future_ms }.check(sent, reading.delivery.now_ms)?;
        Ok(Some(sent))
    }

    /// The index of the key that signed a message, none if it was fetched, and what it signed.
    fn search<'a>(
        &'a self,
        reading: &Reading<'a>,
        bound: &Bound<'a>,
        keys: &Keyring,
        fetched: Option<&Fetched>,
    ) -> Result<(Option<usize>, Vec<Chunk<'a>>), Halt> {
        let named = match &self.key_by {
            Some(by) => by.one(reading)?.map(|id| String::from_utf8_lossy(&id).into_owned()),
            None => None,
        };
        // Signatures are counted, and read, before anything is computed.
        let common = if self.is_by_key() { None } else { Some(self.candidates(reading, None)?) };
        let payloads = self.payloads(reading, bound)?;
        let mut search = Search { signature: self, reading, named, payloads };
        search.run(common.as_deref(), keys, fetched)
    }

    fn is_by_key(&self) -> bool {
        self.signatures.iter().any(super::super::extract::Extract::is_by_key)
    }

    /// The signatures that a delivery carries, decoded: at least one.
    fn candidates(&self, reading: &Reading<'_>, key_id: Option<&str>) -> Result<Vec<Candidate>, Refused> {
        let (mut texts, mut missing) = (Vec::new(), None);
        for (slot, extract) in self.signatures.iter().enumerate() {
            match extract.all(reading, key_id) {
                Ok(values) => texts.extend(values.into_iter().map(|value| (slot, value))),
                Err(refused) if refused.reason == Reason::Missing => missing = missing.or(Some(refused)),
                Err(refused) => return Err(refused),
            }
            if texts.len() > MAX_CANDIDATES {
                return Err(crowded(extract.source()));
            }
        }
        let Some((slot, _)) = texts.first() else {
            return Err(missing.unwrap_or_else(|| Refused::missing(&"the signature")));
        };
        let malformed = self.signatures.get(*slot).map(|extract| format!("{extract} is not a signature"));
        let decode = |(slot, text): &(usize, Cow<'_, [u8]>)| {
            Some(Candidate { slot: *slot, bytes: self.encoding.decode(text)? })
        };
        let candidates: Vec<Candidate> = texts.iter().filter_map(decode).collect();
        if candidates.is_empty() {
            return Err(Refused::malformed(malformed.unwrap_or_default()));
        }
        Ok(candidates)
    }

    /// Every alternative of what was signed that the delivery has the values for.
    fn payloads<'a>(
        &'a self,
        reading: &Reading<'a>,
        bound: &Bound<'a>,
    ) -> Result<Vec<Vec<Chunk<'a>>>, Refused> {
        let (mut payloads, mut refused) = (Vec::new(), None);
        for template in &self.payloads {
            match template.render(reading, bound) {
                Ok(payload) => payloads.push(payload),
                Err(why) => refused = refused.or(Some(why)),
            }
        }
        match refused {
            Some(refused) if payloads.is_empty() => Err(refused),
            _ => Ok(payloads),
        }
    }
}

impl<'a> Search<'_, 'a> {
    fn run(
        &mut self,
        common: Option<&[Candidate]>,
        keys: &Keyring,
        fetched: Option<&Fetched>,
    ) -> Result<(Option<usize>, Vec<Chunk<'a>>), Halt> {
        let now_ms = self.reading.delivery.now_ms;
        if let (Some(allowed), Some(url)) = (&self.signature.certificates, &self.named)
            && !allowed.permits(url)
        {
            return Err(Refused::new(Reason::UnknownKey, "the certificate's address is not allowed").into());
        }
        let (mut known, mut unread) = (false, None);
        for (index, key) in keys.active(now_ms).filter(|(_, key)| self.may_be(key)) {
            known = true;
            match self.attempt(key, common)? {
                Attempt::Made(payload) => return Ok((Some(index), self.payloads.swap_remove(payload))),
                Attempt::Other => {}
                Attempt::Unread(refused) => unread = unread.or(Some(refused)),
            }
        }
        if keys.is_empty()
            && let (Some(_), Some(url)) = (&self.signature.certificates, &self.named)
        {
            return self.fetched(Want::Certificate(url.clone()), common, fetched);
        }
        for (_, key) in keys.retired(now_ms).filter(|(_, key)| self.may_be(key)) {
            if let Ok(Attempt::Made(_)) = self.attempt(key, common) {
                return Err(Refused::new(
                    Reason::RetiredKey,
                    "the signature is that of a key whose time is over",
                )
                .into());
            }
        }
        Err(Halt::Refused(match (unread, known) {
            (Some(refused), _) => refused,
            (None, false) if self.named.is_some() => {
                Refused::new(Reason::UnknownKey, "the message names a key that is not known")
            }
            (None, _) => Refused::mismatch("no key made this signature over this message"),
        }))
    }

    fn may_be(&self, key: &Key) -> bool {
        self.named.is_none() || self.named == key.id
    }

    /// Which payload a key signed.
    fn attempt(&self, key: &Key, common: Option<&[Candidate]>) -> Result<Attempt, Refused> {
        let own;
        let candidates = match common {
            Some(candidates) => candidates,
            None => match self.signature.candidates(self.reading, key.id.as_deref()) {
                Ok(candidates) => {
                    own = candidates;
                    &own
                }
                // The message is signed by others.
                Err(refused) if refused.reason == Reason::Malformed => return Ok(Attempt::Unread(refused)),
                Err(refused) => return Err(refused),
            },
        };
        let fits = |candidate: &&Candidate| {
            key.slot.is_none_or(|slot| slot == candidate.slot || self.signature.signatures.len() == 1)
        };
        let signatures: Vec<&[u8]> =
            candidates.iter().filter(fits).map(|candidate| candidate.bytes.as_slice()).collect();
        let made = |payload: &Vec<Chunk<'a>>| key.made(self.signature.hash, payload, &signatures);
        Ok(self.payloads.iter().position(made).map_or(Attempt::Other, Attempt::Made))
    }

    fn fetched(
        &mut self,
        want: Want,
        common: Option<&[Candidate]>,
        fetched: Option<&Fetched>,
    ) -> Result<(Option<usize>, Vec<Chunk<'a>>), Halt> {
        let Some(fetched) = fetched.filter(|fetched| *fetched.want() == want) else {
            return Err(Halt::Want(want));
        };
        let candidates = common.unwrap_or_default();
        for key in fetched.keys().iter().filter(|key| key.counts(self.reading.delivery.now_ms)) {
            let Material::Public(public) = &key.material else { continue };
            let made = |payload: &Vec<Chunk<'a>>| {
                let message = super::super::key::joined(payload);
                candidates.iter().any(|candidate| public.verify_sig(&message, &candidate.bytes).is_ok())
            };
            if let Some(payload) = self.payloads.iter().position(made) {
                return Ok((None, self.payloads.swap_remove(payload)));
            }
        }
        Err(Refused::mismatch("the certificate did not make this signature").into())
    }
}

/// What a key has to do with a message.
enum Attempt {
    /// It signed the payload with this index.
    Made(usize),
    /// Nothing.
    Other,
    /// The message has no signature that this key could have made.
    Unread(Refused),
}

impl Each {
    /// The messages of the body: at least one.
    pub(in super::super) fn items<'a>(
        &self,
        reading: &Reading<'a>,
    ) -> Result<Vec<&'a serde_json::value::RawValue>, Refused> {
        let document = pointer::document(reading.delivery.body);
        let document = document.ok_or_else(|| Refused::malformed("the body is not JSON"))?;
        let twice = || Refused::new(Reason::Ambiguous, "a member of the body is there more than once");
        let entries = match self.array.find(document) {
            Found::Nothing => return Err(Refused::missing(&format!("the body's `{}`", self.array))),
            Found::Twice => return Err(twice()),
            Found::Value(list) => pointer::entries(list).filter(|entries| !entries.is_empty()),
        };
        let wrong = || Refused::malformed(format!("the body's `{}` is not a list of messages", self.array));
        let item = |entry| match self.item.find(entry) {
            Found::Value(item) => Ok(item),
            Found::Twice => Err(twice()),
            Found::Nothing => Err(wrong()),
        };
        let entries = entries.ok_or_else(wrong)?;
        if entries.len() > MAX_ITEMS {
            return Err(Refused::new(
                Reason::Oversized,
                format!("the body has more than {MAX_ITEMS} messages"),
            ));
        }
        entries.into_iter().map(item).collect()
    }
}
