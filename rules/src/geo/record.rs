//! The records of a database, as far as they are of use.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, Visitor};

/// A record, as far as it is of use.
#[derive(Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct Record<'a> {
    #[serde(borrow)]
    pub(super) country: Country<'a>,
    #[serde(borrow)]
    pub(super) continent: Continent<'a>,
    #[serde(borrow)]
    pub(super) city: Named<'a>,
    #[serde(borrow)]
    pub(super) subdivisions: Vec<Subdivision<'a>>,
    #[serde(borrow)]
    pub(super) postal: Postal<'a>,
    #[serde(borrow)]
    pub(super) location: Location<'a>,
    pub(super) traits: Traits,
    pub(super) autonomous_system_number: Option<Number>,
}

#[derive(Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct Country<'a> {
    #[serde(borrow)]
    pub(super) iso_code: &'a str,
    pub(super) is_in_european_union: bool,
}

#[derive(Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct Continent<'a> {
    #[serde(borrow)]
    pub(super) code: &'a str,
}

#[derive(Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct Named<'a> {
    #[serde(borrow)]
    pub(super) names: Names<'a>,
}

#[derive(Clone, Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct Names<'a> {
    #[serde(borrow)]
    pub(super) en: &'a str,
}

#[derive(Clone, Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct Subdivision<'a> {
    #[serde(borrow)]
    pub(super) iso_code: &'a str,
    #[serde(borrow)]
    pub(super) names: Names<'a>,
}

#[derive(Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct Postal<'a> {
    #[serde(borrow)]
    pub(super) code: &'a str,
}

#[derive(Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct Location<'a> {
    pub(super) metro_code: Option<Number>,
    pub(super) latitude: Option<Degrees>,
    pub(super) longitude: Option<Degrees>,
    #[serde(borrow)]
    pub(super) time_zone: &'a str,
}

#[derive(Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct Traits {
    pub(super) autonomous_system_number: Option<Number>,
}

/// A whole number. Writers of databases choose among its widths.
#[derive(Clone, Copy)]
pub(super) struct Number(pub(super) u32);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Whole;

        impl Visitor<'_> for Whole {
            type Value = Number;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number of 32 bits")
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Number, E> {
                u32::try_from(number).map(Number).map_err(E::custom)
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Number, E> {
                u32::try_from(number).map(Number).map_err(E::custom)
            }
        }

        deserializer.deserialize_any(Whole)
    }
}

/// Degrees. Writers of databases choose between two widths.
#[derive(Clone, Copy)]
pub(super) struct Degrees(pub(super) f64);

impl<'de> Deserialize<'de> for Degrees {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Float;

        impl Visitor<'_> for Float {
            type Value = Degrees;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number")
            }

            fn visit_f64<E: Error>(self, number: f64) -> Result<Degrees, E> {
                Ok(Degrees(number))
            }
        }

        deserializer.deserialize_any(Float)
    }
}
