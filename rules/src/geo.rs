//! Where addresses are: `MaxMind` databases, held in memory.
//!
//! Reads the records of `GeoIP2` and `GeoLite2`, and of databases that are made like them: `Country`, `City`, `Enterprise`
//! for places, `ASN` and `ISP` for networks.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;

use maxminddb::{Reader, WithinOptions};

mod record;

use record::Record;

/// Records that are looked at when a database is opened, so that one of another make is found then.
const SAMPLE: usize = 1000;
/// Words of a database's type that say that it tells something of use.
const KINDS: [&str; 5] = ["country", "city", "enterprise", "asn", "isp"];

/// Databases, in the order in which they are asked.
#[derive(Default)]
pub struct Atlas {
    books: Vec<Reader<Vec<u8>>>,
}

impl fmt::Debug for Atlas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.books.iter().map(|book| &book.metadata().database_type)).finish()
    }
}

impl Atlas {
    /// The database in the bytes of a file.
    ///
    /// # Errors
    /// When it cannot be read, or tells nothing of use: a sentence without its full stop.
    pub fn read(bytes: Vec<u8>) -> Result<Self, String> {
        let book = Reader::from_source(bytes)
            .map_err(|error| format!("this is not a MaxMind database that can be read: {error}"))?;
        let kind = book.metadata().database_type.to_ascii_lowercase();
        if !KINDS.iter().any(|word| kind.contains(word)) {
            let kind = &book.metadata().database_type;
            return Err(format!("a database of the type `{kind}` tells neither countries nor networks"));
        }
        let spoilt = |error| format!("the database is spoilt: {error}");
        for found in book.networks(WithinOptions::default()).map_err(spoilt)?.take(SAMPLE) {
            found.and_then(|found| found.decode::<Record<'_>>()).map_err(spoilt)?;
        }
        Ok(Self { books: vec![book] })
    }

    /// The databases of both. Where both know something, what `self` says is believed.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.books.extend(other.books);
        self
    }

    /// What is known of `address`. An IPv4 address within IPv6 counts as IPv4. A record that cannot be read tells
    /// nothing.
    pub fn find(&self, address: IpAddr) -> Whereabouts<'_> {
        let address = address.to_canonical();
        let mut known = Whereabouts::default();
        for book in &self.books {
            let record = book.lookup(address).and_then(|found| found.decode::<Record<'_>>());
            if let Ok(Some(record)) = record {
                known.learn(&record);
            }
        }
        known
    }
}

/// What is known of an address. Texts are empty where nothing is known.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Whereabouts<'a> {
    /// ISO 3166-1: `GB`.
    pub country: &'a str,
    /// `AF`, `AN`, `AS`, `EU`, `NA`, `OC` or `SA`.
    pub continent: &'a str,
    /// The name in English.
    pub city: &'a str,
    /// The name of the largest subdivision, in English: `England`.
    pub region: &'a str,
    /// The subdivisions from the largest down, as ISO 3166-2 has them behind the country: `ENG`.
    pub subdivisions: [&'a str; 2],
    /// As it is written there.
    pub postal_code: &'a str,
    /// The market area, in the United States.
    pub metro_code: Option<u32>,
    /// Degrees north.
    pub latitude: Option<f64>,
    /// Degrees east.
    pub longitude: Option<f64>,
    /// As the IANA calls it: `Europe/London`.
    pub timezone: &'a str,
    /// Whether the country is a member of the European Union.
    pub in_european_union: bool,
    /// The number of the autonomous system, or 0.
    pub network: u32,
}

impl<'a> Whereabouts<'a> {
    /// ISO 3166-2 with the country: `GB-ENG` for the first level, 0. Empty where nothing is known.
    pub fn subdivision(&self, level: usize) -> String {
        match self.subdivisions.get(level) {
            Some(code) if !code.is_empty() && !self.country.is_empty() => format!("{}-{code}", self.country),
            _ => String::new(),
        }
    }

    /// Takes what is not known yet. Places are taken together: half of one and half of another would be nowhere.
    fn learn(&mut self, record: &Record<'a>) {
        if self.network == 0 {
            let told = record.autonomous_system_number.or(record.traits.autonomous_system_number);
            self.network = told.map_or(0, |number| number.0);
        }
        if self.country.is_empty() && self.continent.is_empty() {
            let level = |level: usize| record.subdivisions.get(level).cloned().unwrap_or_default();
            let (first, second) = (level(0), level(1));
            *self = Self {
                country: record.country.iso_code,
                continent: record.continent.code,
                city: record.city.names.en,
                region: first.names.en,
                subdivisions: [first.iso_code, second.iso_code],
                postal_code: record.postal.code,
                metro_code: record.location.metro_code.map(|number| number.0),
                latitude: record.location.latitude.map(|degrees| degrees.0),
                longitude: record.location.longitude.map(|degrees| degrees.0),
                timezone: record.location.time_zone,
                in_european_union: record.country.is_in_european_union,
                network: self.network,
            };
        }
    }
}

impl crate::expr::Atlas for Atlas {
    fn look(&self, address: IpAddr) -> crate::expr::Whereabouts<'_> {
        let found = self.find(address);
        let text = |text: &'_ str| (!text.is_empty()).then(|| Cow::Owned(text.to_owned()));
        let made = |text: String| (!text.is_empty()).then_some(Cow::Owned(text));
        crate::expr::Whereabouts {
            country: text(found.country),
            continent: text(found.continent),
            city: text(found.city),
            region: text(found.region),
            region_code: text(found.subdivisions.first().copied().unwrap_or_default()),
            postal_code: text(found.postal_code),
            metro_code: found.metro_code.map(|code| Cow::Owned(code.to_string())),
            latitude: found.latitude.map(|degrees| Cow::Owned(degrees.to_string())),
            longitude: found.longitude.map(|degrees| Cow::Owned(degrees.to_string())),
            timezone: text(found.timezone),
            network: (found.network > 0).then_some(found.network),
            subdivision_1: made(found.subdivision(0)),
            subdivision_2: made(found.subdivision(1)),
            european_union: found.in_european_union,
        }
    }
}

#[cfg(test)]
mod tests;
