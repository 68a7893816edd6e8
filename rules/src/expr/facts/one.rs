//! The fields that have one value.

use std::borrow::Cow;

use aws_lc_rs::hmac;
use http::header::{HeaderName, REFERER, USER_AGENT};

use super::super::fields::{Field, GeoFact};
use super::super::geo_facts::Whereabouts;
use super::super::value::Value;
use super::head::extension;
use super::{Facts, body, certificate};

impl Facts<'_> {
    /// The value of a field; nothing, if it is missing.
    pub(in super::super) fn one(&self, field: Field) -> Option<Value<'_>> {
        let head = &self.head;
        Some(match field {
            Field::Host => Value::text(head.host),
            Field::FullUri => Value::text(self.full_uri()),
            Field::Uri => Value::text(self.uri()),
            Field::Path => Value::text(head.path),
            Field::Extension => Value::Text(extension(head.path.as_bytes())),
            Field::Query => Value::text(head.query.unwrap_or_default()),
            Field::RawFullUri => Value::text(self.raw_full_uri()),
            Field::RawUri => Value::text(self.raw_uri()),
            Field::RawPath => Value::text(head.raw_path),
            Field::RawExtension => Value::Text(extension(head.raw_path)),
            Field::RawQuery => Value::text(head.raw_query.unwrap_or_default()),
            Field::Method => Value::text(head.method.as_str()),
            Field::Version => Value::text(head.version()),
            Field::Cookie => Value::text(self.cookie()),
            Field::Referer => Value::text(self.header(&REFERER)),
            Field::UserAgent => Value::text(self.header(&USER_AGENT)),
            Field::ForwardedFor => Value::text(self.forwarded_for()),
            Field::Second => Value::Integer(head.now_ms.div_euclid(1000)),
            Field::Millisecond => Value::Integer(head.now_ms.rem_euclid(1000)),
            Field::Client => Value::Address(head.client),
            Field::Secure => Value::Flag(head.secure),
            Field::ServerPort => Value::Integer(head.port.into()),
            Field::ServerAddress => Value::Address(head.server?),
            Field::RequestId => Value::text(head.request_id),
            Field::Seed => Value::text(self.seed()),
            Field::TlsVersion => Value::text(head.tls_version.unwrap_or_default()),
            Field::TlsCipher => Value::text(head.tls_cipher.unwrap_or_default()),
            Field::Certificate(fact) => certificate::fact(head.certificate, fact),
            Field::Geo(fact) => self.place(fact),
            Field::BodyRaw | Field::BodySize | Field::BodyTruncated | Field::BodyMime => {
                return self.of_body(field);
            }
            Field::ReplyCode => Value::Integer(self.reply?.status.into()),
            Field::ReplyMediaType => Value::Text(lower(body::essence(self.reply?.headers))),
            Field::Route => Value::text(self.route?),
            Field::User => Value::text(self.caller?.user.value()?),
            Field::Tenant => match self.caller?.tenants.value()?.as_slice() {
                [only] => Value::text(only),
                // Which of several is meant is not for us to say.
                _ => return None,
            },
        })
    }

    fn of_body(&self, field: Field) -> Option<Value<'_>> {
        let body = self.body?;
        Some(match field {
            Field::BodySize => Value::Integer(i64::try_from(body.size).unwrap_or(i64::MAX)),
            Field::BodyTruncated => Value::Flag(body.truncated),
            Field::BodyMime => Value::Text(lower(body::essence(self.head.headers))),
            _ => Value::text(body.bytes),
        })
    }

    fn header(&self, name: &HeaderName) -> &[u8] {
        self.head.headers.get(name).map_or(&[], |value| value.as_bytes())
    }

    /// Random to whoever does not know the process's secret, and the same whenever one request asks.
    fn seed(&self) -> &[u8; 32] {
        self.kept.seed.get_or_init(|| {
            let key = hmac::Key::new(hmac::HMAC_SHA256, self.head.seed);
            let mut context = hmac::Context::with_key(&key);
            context.update(&self.head.now_ms.to_be_bytes());
            context.update(self.head.request_id.as_bytes());
            let mut seed = [0; 32];
            for (to, from) in seed.iter_mut().zip(context.sign().as_ref()) {
                *to = *from;
            }
            seed
        })
    }

    fn place(&self, fact: GeoFact) -> Value<'_> {
        let place = self.kept.whereabouts.get_or_init(|| match self.atlas {
            Some(atlas) => atlas.look(self.head.client.to_canonical()),
            None => Whereabouts::default(),
        });
        let text = match fact {
            GeoFact::Network => return Value::Integer(place.network.unwrap_or(0).into()),
            GeoFact::EuropeanUnion => return Value::Flag(place.european_union),
            GeoFact::Country => &place.country,
            GeoFact::Continent => &place.continent,
            GeoFact::City => &place.city,
            GeoFact::Region => &place.region,
            GeoFact::RegionCode => &place.region_code,
            GeoFact::PostalCode => &place.postal_code,
            GeoFact::MetroCode => &place.metro_code,
            GeoFact::Latitude => &place.latitude,
            GeoFact::Longitude => &place.longitude,
            GeoFact::Timezone => &place.timezone,
            GeoFact::Subdivision1 => &place.subdivision_1,
            GeoFact::Subdivision2 => &place.subdivision_2,
        };
        Value::text(text.as_deref().unwrap_or_default())
    }
}

fn lower(text: &[u8]) -> Cow<'_, [u8]> {
    if text.iter().any(u8::is_ascii_uppercase) {
        Cow::Owned(text.to_ascii_lowercase())
    } else {
        Cow::Borrowed(text)
    }
}
