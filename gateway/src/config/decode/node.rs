//! `serde::Deserializer` over one node.

use serde::Deserializer;
use serde::de::{Expected, Visitor};

use rules::shapes::{BY_KIND, ONE_OR_MANY, TEXT_OR_MAP};

use super::super::tree::{Node, Origin, Value};
use super::super::{scalar, suggest};
use super::access::{Items, Pairs, Word};
use super::fault::Fault;
use super::session::Session;

#[derive(Clone, Copy)]
pub(super) struct Decoder<'a> {
    node: &'a Node,
    session: &'a Session,
}

impl<'a> Decoder<'a> {
    pub(super) fn new(node: &'a Node, session: &'a Session) -> Self {
        Self { node, session }
    }

    fn items<'de, V: Visitor<'de>>(self, items: &'a [Node], visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_seq(Items { rest: items.iter(), session: self.session })
    }

    fn pairs<'de, V: Visitor<'de>>(
        self,
        fields: Option<&'static [&'static str]>,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_map(Pairs::new(self.node, fields, self.session))
    }

    /// The text of a scalar that may become a number or a boolean.
    fn plain(self) -> Option<&'a str> {
        match &self.node.value {
            Value::Scalar(scalar) if scalar.origin != Origin::Quoted => Some(&scalar.text),
            _ => None,
        }
    }

    /// A mapping whose `kind` says what it is.
    fn by_kind<'de, V: Visitor<'de>>(
        self,
        kinds: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let Some(kind) = self.node.get("kind") else {
            let told = self.session.lacking(self.node).contains(&"kind");
            return Err(if told { Fault::Unfillable } else { Fault::Missing("kind") });
        };
        if self.session.is_dropped(kind) {
            return Err(Fault::Unfillable);
        }
        if !kind.text().is_some_and(|name| kinds.contains(&name)) {
            return Err(self.session.place(kind, None, Fault::Word(kinds)));
        }
        visitor.visit_enum(Word { name: kind, value: Some(self.node), whole: true, session: self.session })
    }

    fn number<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let Some(number) = self.plain().and_then(scalar::integer) else {
            return Err(Fault::expected(&visitor as &dyn Expected));
        };
        if let Ok(number) = u64::try_from(number) {
            visitor.visit_u64(number)
        } else if let Ok(number) = i64::try_from(number) {
            visitor.visit_i64(number)
        } else {
            Err(Fault::expected(&visitor as &dyn Expected))
        }
    }
}

macro_rules! numbers {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> { self.number(visitor) })*
    };
}

macro_rules! texts {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
            match self.node.text() {
                Some(text) => visitor.visit_str(text),
                None => Err(Fault::expected(&visitor as &dyn Expected)),
            }
        })*
    };
}

macro_rules! lists {
    ($($method:ident($($argument:ident: $type:ty),*))*) => {
        $(fn $method<V: Visitor<'de>>(self, $($argument: $type,)* visitor: V) -> Result<V::Value, Fault> {
            match &self.node.value {
                Value::Seq(items) => self.items(items, visitor),
                _ => Err(Fault::expected(&visitor as &dyn Expected)),
            }
        })*
    };
}

impl<'de> Deserializer<'de> for Decoder<'_> {
    type Error = Fault;

    numbers! { deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
    deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128 }
    texts! { deserialize_str deserialize_string deserialize_char deserialize_identifier }
    lists! { deserialize_seq() deserialize_tuple(_len: usize) deserialize_tuple_struct(_name: &'static str, _len: usize) }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let scalar = match &self.node.value {
            Value::Null => return visitor.visit_unit(),
            Value::Seq(items) => return self.items(items, visitor),
            Value::Map(_) => return self.pairs(None, visitor),
            Value::Scalar(scalar) => scalar,
        };
        // What the environment filled in stays text until a type asks for more.
        if scalar.origin == Origin::Plain {
            if let Some(boolean) = scalar::boolean(&scalar.text) {
                return visitor.visit_bool(boolean);
            }
            if scalar::integer(&scalar.text)
                .is_some_and(|n| i64::try_from(n).is_ok() || u64::try_from(n).is_ok())
            {
                return self.number(visitor);
            }
            if let Some(number) = scalar::float(&scalar.text) {
                return visitor.visit_f64(number);
            }
        }
        visitor.visit_str(&scalar.text)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.plain().and_then(scalar::boolean) {
            Some(boolean) => visitor.visit_bool(boolean),
            None => Err(Fault::expected(&visitor as &dyn Expected)),
        }
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.plain().and_then(scalar::float) {
            Some(number) => visitor.visit_f64(number),
            None => Err(Fault::expected(&visitor as &dyn Expected)),
        }
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_str(visitor)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.node.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.node.value {
            Value::Null => visitor.visit_unit(),
            _ => Err(Fault::expected(&visitor as &dyn Expected)),
        }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match &self.node.value {
            Value::Seq(items) if name == ONE_OR_MANY => self.items(items, visitor),
            Value::Scalar(scalar) if name == TEXT_OR_MAP => visitor.visit_str(&scalar.text),
            Value::Seq(_) | Value::Null if name == TEXT_OR_MAP => {
                Err(Fault::expected(&visitor as &dyn Expected))
            }
            _ => visitor.visit_newtype_struct(self),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.node.value {
            Value::Map(_) => self.pairs(None, visitor),
            _ => Err(Fault::expected(&visitor as &dyn Expected)),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match &self.node.value {
            Value::Map(_) => self.pairs(Some(fields), visitor),
            _ => Err(Fault::expected(&visitor as &dyn Expected)),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let (name, value) = match &self.node.value {
            Value::Map(_) if name == BY_KIND => return self.by_kind(variants, visitor),
            _ if name == BY_KIND => return Err(Fault::expected(&visitor as &dyn Expected)),
            Value::Scalar(_) => (self.node, None),
            Value::Map(entries) => match entries.as_slice() {
                [(name, value)] => (name, Some(value)),
                _ => {
                    return Err(Fault::Custom(format!("expected one key of {}", suggest::list(variants))));
                }
            },
            _ => return Err(Fault::expected(&visitor as &dyn Expected)),
        };
        visitor.visit_enum(Word { name, value, whole: false, session: self.session })
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_unit()
    }
}
