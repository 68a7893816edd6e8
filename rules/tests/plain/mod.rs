//! JSON read as the configuration is: where one value or a list may stand, a list gives its items.

use rules::shapes::{BY_KIND, ONE_OR_MANY, TEXT_OR_MAP};
use serde::de::value::{MapAccessDeserializer, MapDeserializer, SeqDeserializer};
use serde::de::{Deserialize, Deserializer, Error as _, IntoDeserializer, Visitor};
use serde_json::{Error, Value};

/// What is written under a key, as its raw type.
pub(crate) fn read<'de, T: Deserialize<'de>>(value: Value) -> Result<T, Error> {
    T::deserialize(Plain(value))
}

struct Plain(Value);

impl IntoDeserializer<'_, Error> for Plain {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Plain {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Array(items) => visitor.visit_seq(SeqDeserializer::new(items.into_iter().map(Plain))),
            Value::Object(members) => visitor
                .visit_map(MapDeserializer::new(members.into_iter().map(|(key, value)| (key, Plain(value))))),
            scalar => scalar.deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.0.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        if name == ONE_OR_MANY && self.0.is_array() || name == TEXT_OR_MAP && self.0.is_string() {
            self.deserialize_any(visitor)
        } else {
            visitor.visit_newtype_struct(self)
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.0 {
            Value::Object(members) if name == BY_KIND => {
                let kind = members.get("kind").cloned().unwrap_or_default();
                let pair = std::iter::once((Plain(kind), Plain(Value::Object(members))));
                visitor.visit_enum(MapAccessDeserializer::new(MapDeserializer::new(pair)))
            }
            Value::String(variant) => visitor.visit_enum(variant.into_deserializer()),
            other => Err(Error::custom(format!("{other} is not a word"))),
        }
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        seq tuple tuple_struct map struct identifier ignored_any
    }
}
