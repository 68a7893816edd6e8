//! Where an address is, as expressions ask for it. Whoever reads the file of addresses implements [`Atlas`].

use std::borrow::Cow;
use std::net::IpAddr;

/// Knows where addresses are.
pub trait Atlas {
    /// Where `address` is; nothing is known of most that are private.
    fn look(&self, address: IpAddr) -> Whereabouts<'_>;
}

/// Where an address is. What is not known is absent: expressions see an empty text, 0 or false.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Whereabouts<'g> {
    /// The country (ISO 3166-1, two letters).
    pub country: Option<Cow<'g, str>>,
    /// The continent: `AF`, `AN`, `AS`, `EU`, `NA`, `OC` or `SA`.
    pub continent: Option<Cow<'g, str>>,
    /// The city's English name.
    pub city: Option<Cow<'g, str>>,
    /// The English name of the largest part of the country that it is in.
    pub region: Option<Cow<'g, str>>,
    /// The code of that part (ISO 3166-2, what follows the country).
    pub region_code: Option<Cow<'g, str>>,
    /// The postal code.
    pub postal_code: Option<Cow<'g, str>>,
    /// The code of the metropolitan area, in the United States.
    pub metro_code: Option<Cow<'g, str>>,
    /// Degrees of latitude as text.
    pub latitude: Option<Cow<'g, str>>,
    /// Degrees of longitude as text.
    pub longitude: Option<Cow<'g, str>>,
    /// The time zone's name, `Europe/Berlin`.
    pub timezone: Option<Cow<'g, str>>,
    /// The number of the autonomous system.
    pub network: Option<u32>,
    /// The largest part of the country (ISO 3166-2, what follows the country).
    pub subdivision_1: Option<Cow<'g, str>>,
    /// The next smaller part.
    pub subdivision_2: Option<Cow<'g, str>>,
    /// Whether the country is in the European Union.
    pub european_union: bool,
}
