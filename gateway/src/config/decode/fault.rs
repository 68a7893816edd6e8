//! The decoder's error, and the wording of what it expected.

use std::fmt;

use serde::de::{Error, Expected, Unexpected};

/// Why a value could not be built.
#[derive(Debug)]
pub(super) enum Fault {
    /// Already recorded, or a consequence of what is.
    Placed,
    /// A stand-in was not accepted where something is missing.
    Unfillable,
    /// A required key is not there.
    Missing(&'static str),
    /// Not one of the words that are allowed.
    Word(&'static [&'static str]),
    /// Not what was wanted, in words for people.
    Expected(String),
    /// A type's own sentence, with a remedy after a line break.
    Custom(String),
}

impl Fault {
    pub(super) fn expected(expected: &dyn Expected) -> Self {
        Self::Expected(in_words(&expected.to_string()))
    }
}

impl Error for Fault {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::Custom(message.to_string())
    }

    fn invalid_type(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::expected(expected)
    }

    fn invalid_value(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::expected(expected)
    }

    fn invalid_length(len: usize, expected: &dyn Expected) -> Self {
        Self::Custom(format!("expected {}, found {len} items", in_words(&expected.to_string())))
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        Self::Word(expected)
    }

    fn unknown_field(_: &str, expected: &'static [&'static str]) -> Self {
        Self::Word(expected)
    }

    fn missing_field(name: &'static str) -> Self {
        Self::Missing(name)
    }

    fn duplicate_field(name: &'static str) -> Self {
        Self::Custom(format!("`{name}` is given under two names\nkeep one of the two"))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl std::error::Error for Fault {}

/// Serde's names for types, as a reader of configurations would say them.
fn in_words(expected: &str) -> String {
    let whole = |low: &str, high: &str| format!("a whole number from {low} to {high}");
    match expected {
        "u8" => whole("0", "255"),
        "u16" => whole("0", "65535"),
        "i8" => whole("-128", "127"),
        "i16" => whole("-32768", "32767"),
        "u32" | "u64" | "usize" | "u128" => "a whole number, not negative".to_owned(),
        "i32" | "i64" | "isize" | "i128" => "a whole number".to_owned(),
        "f32" | "f64" => "a number".to_owned(),
        "a boolean" => "`true` or `false`".to_owned(),
        "a string" | "string" | "a character" => "text".to_owned(),
        "unit" => "nothing".to_owned(),
        "a sequence" => "a list".to_owned(),
        "a map" => "a mapping".to_owned(),
        _ if expected.starts_with("a nonzero ") => "a whole number above zero".to_owned(),
        _ if expected.starts_with("struct ") => "a mapping".to_owned(),
        _ if expected.starts_with("enum ") || expected == "variant identifier" => "a word".to_owned(),
        _ if expected.starts_with("a tuple ") || expected.starts_with("an array ") => "a list".to_owned(),
        other => other.to_owned(),
    }
}
