//! The fields that an expression may name: what each is, and when it is known.

use super::Stage;

mod table;

/// What a single value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scalar {
    /// Bytes, most often a text.
    Text,
    Integer,
    Address,
    Flag,
}

impl Scalar {
    /// The word for it, for people.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Text => "a text",
            Self::Integer => "a number",
            Self::Address => "an address",
            Self::Flag => "true or false",
        }
    }
}

/// A field with one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Field {
    Host,
    FullUri,
    Uri,
    Path,
    Extension,
    Query,
    RawFullUri,
    RawUri,
    RawPath,
    RawExtension,
    RawQuery,
    Method,
    Version,
    Cookie,
    Referer,
    UserAgent,
    ForwardedFor,
    BodyRaw,
    BodySize,
    BodyTruncated,
    BodyMime,
    Second,
    Millisecond,
    Client,
    Secure,
    ServerPort,
    ServerAddress,
    RequestId,
    Seed,
    TlsVersion,
    TlsCipher,
    Certificate(CertificateFact),
    Geo(GeoFact),
    ReplyCode,
    ReplyMediaType,
    Route,
    User,
    Tenant,
}

impl Field {
    /// What it costs to have it beside others: what is at hand is 1.
    pub(super) fn cost(self) -> u32 {
        match self {
            Self::Client | Self::Secure | Self::ServerPort | Self::ServerAddress | Self::Method => 1,
            Self::Host | Self::Path | Self::RawPath | Self::Query | Self::RawQuery | Self::Version => 2,
            Self::Second | Self::Millisecond | Self::RequestId | Self::TlsVersion | Self::TlsCipher => 3,
            Self::ReplyCode | Self::Route | Self::User | Self::Tenant => 4,
            Self::Referer | Self::UserAgent | Self::Cookie | Self::ForwardedFor => 12,
            Self::Extension | Self::RawExtension | Self::ReplyMediaType => 14,
            Self::BodyRaw | Self::BodySize | Self::BodyTruncated | Self::BodyMime => 15,
            Self::Uri | Self::FullUri | Self::RawUri | Self::RawFullUri => 20,
            Self::Certificate(_) => 30,
            Self::Geo(_) => 60,
            Self::Seed => 500,
        }
    }
}

/// What a field tells of the client's certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum CertificateFact {
    Presented,
    Issuer,
    IssuerLegacy,
    Subject,
    SubjectLegacy,
    Serial,
    Sha256,
    NotBefore,
    NotAfter,
}

/// What a field tells of where the client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum GeoFact {
    Country,
    Continent,
    City,
    Region,
    RegionCode,
    PostalCode,
    MetroCode,
    Latitude,
    Longitude,
    Timezone,
    Network,
    Subdivision1,
    Subdivision2,
    EuropeanUnion,
}

/// A field with several values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum ListField {
    /// The keys of a map, in order and with repetitions.
    Names(MapField),
    /// The values of a map, in the order of its names.
    Values(MapField),
    Languages,
    Roles,
    Scopes,
    Tenants,
    /// What Cloudflare would know and nobody here does.
    Nothing,
}

/// A field with lists under names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum MapField {
    Headers,
    Args,
    RawArgs,
    Cookies,
    Form,
    Multipart,
    /// All claims of a caller, as JSON, under the identity's name.
    Claims,
    /// One claim.
    Claim(Claim),
    ReplyHeaders,
}

/// A registered claim (RFC 7519, section 4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Claim {
    Audience,
    Issuer,
    Subject,
    Id,
    IssuedAt,
    NotBefore,
}

impl Claim {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Audience => "aud",
            Self::Issuer => "iss",
            Self::Subject => "sub",
            Self::Id => "jti",
            Self::IssuedAt => "iat",
            Self::NotBefore => "nbf",
        }
    }
}

/// A field with a list for each part of a multipart body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum ListsField {
    Names,
    Filenames,
    ContentTypes,
    ContentDispositions,
    ContentTransferEncodings,
}

/// Where a field's value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    One(Field, Scalar),
    List(ListField, Scalar),
    Map(MapField, Scalar),
    Lists(ListsField),
    /// The same for every request.
    Constant(Constant),
}

/// What a field is for every request, where nobody here can know better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Constant {
    Text(&'static str),
    Integer(i64),
    Flag(bool),
}

impl Constant {
    pub(super) fn scalar(self) -> Scalar {
        match self {
            Self::Text(_) => Scalar::Text,
            Self::Integer(_) => Scalar::Integer,
            Self::Flag(_) => Scalar::Flag,
        }
    }
}

/// What became of a field's name.
#[derive(Clone, Copy, Debug)]
pub(super) enum Standing {
    /// It is known from this stage on.
    Known(Source, Stage),
    /// It is where a client is: known where a file of addresses is configured.
    Located(GeoFact, Scalar),
    /// It is the same for every request, for this reason.
    Neutral(Source, &'static str),
    /// It cannot be had, for this reason.
    Unavailable(&'static str),
}

/// A field's name and what became of it.
#[derive(Debug)]
pub(super) struct Row {
    pub name: &'static str,
    pub standing: Standing,
}

/// The row of the field called `name`.
pub(super) fn find(name: &str) -> Option<&'static Row> {
    rows().find(|row| row.name == name)
}

/// Every field.
pub(super) fn rows() -> impl Iterator<Item = &'static Row> + Clone {
    table::REQUEST.iter().chain(table::CONNECTION).chain(table::KNOWN_TO_CLOUDFLARE)
}
