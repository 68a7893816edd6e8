//! The parts of lists, mappings and words; here errors get their place.

use serde::de::value::StrDeserializer;
use serde::de::{DeserializeSeed, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor};

use super::super::tree::Node;
use super::fault::Fault;
use super::node::Decoder;
use super::session::Session;
use super::stand_in::StandIn;

/// The items of a list that were not dropped.
pub(super) struct Items<'a> {
    pub(super) rest: std::slice::Iter<'a, Node>,
    pub(super) session: &'a Session,
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Fault;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Fault> {
        let Some(item) = self.rest.by_ref().find(|item| !self.session.is_dropped(item)) else {
            return Ok(None);
        };
        seed.deserialize(Decoder::new(item, self.session))
            .map(Some)
            .map_err(|fault| self.session.place(item, None, fault))
    }
}

/// The entries of a mapping that were not dropped, then stand-ins for what it lacks.
pub(super) struct Pairs<'a> {
    pub(super) owner: &'a Node,
    pub(super) rest: std::slice::Iter<'a, (Node, Node)>,
    /// The keys of a struct; any key will do for a map.
    pub(super) fields: Option<&'static [&'static str]>,
    pub(super) lacking: std::vec::IntoIter<&'static str>,
    pub(super) current: Option<&'a (Node, Node)>,
    pub(super) session: &'a Session,
}

impl<'a> Pairs<'a> {
    pub(super) fn new(
        owner: &'a Node,
        fields: Option<&'static [&'static str]>,
        session: &'a Session,
    ) -> Self {
        let lacking = session.lacking(owner).into_iter();
        Self { owner, rest: owner.entries().iter(), fields, lacking, current: None, session }
    }

    fn is_known(&self, key: &Node) -> bool {
        let known = self.fields.is_none_or(|fields| key.text().is_some_and(|name| fields.contains(&name)));
        if let (false, Some(fields)) = (known, self.fields) {
            self.session.unknown_key(key, self.owner, fields);
        }
        known
    }
}

impl<'de> MapAccess<'de> for Pairs<'_> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Fault> {
        while let Some(entry) = self.rest.next() {
            let (key, value) = entry;
            if self.session.is_dropped(key) || self.session.is_dropped(value) || !self.is_known(key) {
                continue;
            }
            self.current = Some(entry);
            return seed
                .deserialize(Decoder::new(key, self.session))
                .map(Some)
                .map_err(|fault| self.session.place(key, None, fault));
        }
        self.current = None;
        let Some(name) = self.lacking.next() else {
            return Ok(None);
        };
        seed.deserialize(StrDeserializer::<Fault>::new(name)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Fault> {
        match self.current {
            Some((key, value)) => seed
                .deserialize(Decoder::new(value, self.session))
                .map_err(|fault| self.session.place(value, Some(key), fault)),
            None => seed.deserialize(StandIn::new()).map_err(|_| Fault::Unfillable),
        }
    }
}

/// A word, or a word with a value (`{ word: … }`).
pub(super) struct Word<'a> {
    pub(super) name: &'a Node,
    pub(super) value: Option<&'a Node>,
    /// Whether the value is the mapping in which the word stands, whose faults get their place further out.
    pub(super) whole: bool,
    pub(super) session: &'a Session,
}

impl<'de, 'a> EnumAccess<'de> for Word<'a> {
    type Error = Fault;
    type Variant = Word<'a>;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Fault> {
        let name = self.name.text().unwrap_or_default();
        let variant = seed.deserialize(StrDeserializer::<Fault>::new(name))?;
        Ok((variant, self))
    }
}

impl Word<'_> {
    /// The value; without one, or without one that could be read, the word cannot stand either.
    fn value(&self) -> Result<&Node, Fault> {
        match self.value {
            Some(value) if self.session.is_dropped(value) => Err(Fault::Unfillable),
            Some(value) => Ok(value),
            None => self.bare(),
        }
    }

    fn bare<T>(&self) -> Result<T, Fault> {
        let word = self.name.text().unwrap_or_default();
        Err(Fault::Custom(format!("`{word}` needs a value\nwrite `{{ {word}: … }}`")))
    }
}

impl<'de> VariantAccess<'de> for Word<'_> {
    type Error = Fault;

    fn unit_variant(self) -> Result<(), Fault> {
        match self.value {
            None => Ok(()),
            Some(_) => Err(Fault::Expected("a word".to_owned())),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Fault> {
        let value = self.value()?;
        if self.whole {
            return seed.deserialize(Decoder::new(value, self.session));
        }
        seed.deserialize(Decoder::new(value, self.session))
            .map_err(|fault| self.session.place(value, Some(self.name), fault))
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Fault> {
        use serde::Deserializer as _;
        let value = self.value()?;
        Decoder::new(value, self.session)
            .deserialize_tuple(len, visitor)
            .map_err(|fault| self.session.place(value, Some(self.name), fault))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        use serde::Deserializer as _;
        let value = self.value()?;
        Decoder::new(value, self.session)
            .deserialize_struct("", fields, visitor)
            .map_err(|fault| self.session.place(value, Some(self.name), fault))
    }
}
