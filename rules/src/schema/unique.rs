//! `uniqueItems`, by hashes that tell every two values apart. The library's are alike for all lists of empty lists, and
//! for integers that one float stands for: comparing what they do not tell apart takes time quadratic in the body.

use std::collections::HashSet;
use std::hash::{BuildHasher, Hash, Hasher, RandomState};

use jsonschema::paths::Location;
use jsonschema::{Keyword, ValidationError};
use serde_json::{Map, Number, Value};

/// Where the keyword is `true`.
struct Unique;

pub(super) const KEYWORD: &str = "uniqueItems";

#[expect(clippy::unnecessary_wraps, reason = "the library's own form")]
pub(super) fn keyword<'a>(
    _: &'a Map<String, Value>,
    wanted: &'a Value,
    _: Location,
) -> Result<Box<dyn for<'i> Keyword<'i>>, ValidationError<'a>> {
    if wanted.as_bool() == Some(true) { Ok(Box::new(Unique)) } else { Ok(Box::new(Any)) }
}

impl<'i> Keyword<'i> for Unique {
    fn validate(&self, value: &'i Value) -> Result<(), ValidationError<'i>> {
        if self.is_valid(value) { Ok(()) } else { Err(ValidationError::custom("there are equal items")) }
    }

    fn is_valid(&self, value: &'i Value) -> bool {
        let Some(items) = value.as_array() else { return true };
        let state = RandomState::new();
        let mut seen = HashSet::with_capacity_and_hasher(items.len(), state.clone());
        items.iter().all(|item| seen.insert(Item(item, &state)))
    }
}

/// Where it is `false`.
struct Any;

impl<'i> Keyword<'i> for Any {
    fn validate(&self, _: &'i Value) -> Result<(), ValidationError<'i>> {
        Ok(())
    }

    fn is_valid(&self, _: &'i Value) -> bool {
        true
    }
}

/// A value by JSON Schema's equality: `1` is `1.0`, and the order of members does not count.
struct Item<'v>(&'v Value, &'v RandomState);

/// A number, whole where it can be.
#[derive(PartialEq, Eq, Hash)]
enum Amount {
    Whole(i128),
    Float(u64),
}

impl Amount {
    fn of(number: &Number) -> Self {
        if let Some(whole) = number.as_i128() {
            return Self::Whole(whole);
        }
        let float = number.as_f64().unwrap_or_default();
        // Every float below 2^96 without a fraction is a whole number that an i128 holds exactly.
        #[expect(clippy::cast_possible_truncation, reason = "whole and within bounds")]
        if float.fract() == 0.0 && float.abs() < 2_f64.powi(96) {
            return Self::Whole(float as i128);
        }
        Self::Float(float.to_bits())
    }
}

impl Hash for Item<'_> {
    fn hash<H: Hasher>(&self, into: &mut H) {
        let Self(value, state) = *self;
        std::mem::discriminant(value).hash(into);
        match value {
            Value::Null => {}
            Value::Bool(flag) => flag.hash(into),
            Value::Number(number) => Amount::of(number).hash(into),
            Value::String(text) => text.hash(into),
            Value::Array(items) => {
                items.len().hash(into);
                for item in items {
                    Item(item, state).hash(into);
                }
            }
            Value::Object(members) => {
                members.len().hash(into);
                let member = |(name, value)| state.hash_one((name, Item(value, state)));
                members.iter().map(member).fold(0_u64, u64::wrapping_add).hash(into);
            }
        }
    }
}

impl PartialEq for Item<'_> {
    fn eq(&self, other: &Self) -> bool {
        let same = |one, two| Item(one, self.1) == Item(two, self.1);
        match (self.0, other.0) {
            (Value::Number(one), Value::Number(two)) => Amount::of(one) == Amount::of(two),
            (Value::Array(one), Value::Array(two)) => {
                one.len() == two.len() && one.iter().zip(two).all(|(one, two)| same(one, two))
            }
            (Value::Object(one), Value::Object(two)) => {
                let found = |(name, value)| two.get(name).is_some_and(|other| same(value, other));
                one.len() == two.len() && one.iter().all(found)
            }
            (one, two) => one == two,
        }
    }
}

impl Eq for Item<'_> {}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn items_are_equal_as_json_schema_says() {
        for (items, unique) in [
            (json!([1, 1.0]), false),
            (json!([0, -0.0]), false),
            (json!([1e30, 1.5, 1e25]), true),
            (json!([1, true, "1", null, [1], { "1": 1 }]), true),
            (json!([false, 0, "", [], {}, null]), true),
            (json!([[[]], [], [[], []], [[[]]]]), true),
            (json!([[[], []], [[]], [[], []]]), false),
            (json!([{ "a": 1, "b": [2] }, { "b": [2.0], "a": 1 }]), false),
            (json!([{ "a": 1, "b": 2 }, { "a": 2, "b": 1 }]), true),
            (json!([9_007_199_254_740_993_u64, 9_007_199_254_740_992_u64]), true),
            (json!([u64::MAX, u64::MAX - 1, i64::MIN]), true),
            (json!([["a", "b"], ["ab"]]), true),
            (json!("aa"), true),
        ] {
            assert_eq!(Unique.is_valid(&items), unique, "{items}");
            assert_eq!(Unique.validate(&items).is_ok(), unique, "{items}");
        }
    }
}
