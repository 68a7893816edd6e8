//! The rows, in the order of Cloudflare's reference. `docs` on what is missing speaks to whoever moves here.

use super::super::Stage::{Body, Caller, Head, Reply};
use super::Constant as C;
use super::Standing::{Known, Located, Neutral, Unavailable};
use super::{CertificateFact, Claim, Field, GeoFact, ListField, ListsField, MapField, Row, Scalar, Source};

const fn row(name: &'static str, standing: super::Standing) -> Row {
    Row { name, standing }
}

const fn text(name: &'static str, field: Field, stage: super::Stage) -> Row {
    row(name, Known(Source::One(field, Scalar::Text), stage))
}

const fn integer(name: &'static str, field: Field, stage: super::Stage) -> Row {
    row(name, Known(Source::One(field, Scalar::Integer), stage))
}

const fn flag(name: &'static str, field: Field, stage: super::Stage) -> Row {
    row(name, Known(Source::One(field, Scalar::Flag), stage))
}

const fn address(name: &'static str, field: Field) -> Row {
    row(name, Known(Source::One(field, Scalar::Address), Head))
}

const fn list(name: &'static str, field: ListField, stage: super::Stage) -> Row {
    row(name, Known(Source::List(field, Scalar::Text), stage))
}

const fn map(name: &'static str, field: MapField, stage: super::Stage) -> Row {
    row(name, Known(Source::Map(field, Scalar::Text), stage))
}

const fn times(name: &'static str, claim: Claim) -> Row {
    row(name, Known(Source::Map(MapField::Claim(claim), Scalar::Integer), Caller))
}

const fn lists(name: &'static str, field: ListsField) -> Row {
    row(name, Known(Source::Lists(field), Body))
}

const fn certificate(name: &'static str, fact: CertificateFact) -> Row {
    text(name, Field::Certificate(fact), Head)
}

const fn geo(name: &'static str, fact: GeoFact, scalar: Scalar) -> Row {
    row(name, Located(fact, scalar))
}

const fn neutral(name: &'static str, constant: C, why: &'static str) -> Row {
    row(name, Neutral(Source::Constant(constant), why))
}

const fn unavailable(name: &'static str, why: &'static str) -> Row {
    row(name, Unavailable(why))
}

/// Whom nothing is, for want of whoever would tell.
const fn none(name: &'static str, scalar: Scalar, why: &'static str) -> Row {
    row(name, Neutral(Source::List(ListField::Nothing, scalar), why))
}

/// What the request, its reply and its caller say.
pub(super) const REQUEST: &[Row] = &[
    text("http.host", Field::Host, Head),
    text("http.request.full_uri", Field::FullUri, Head),
    text("http.request.uri", Field::Uri, Head),
    text("http.request.uri.path", Field::Path, Head),
    text("http.request.uri.path.extension", Field::Extension, Head),
    text("http.request.uri.query", Field::Query, Head),
    map("http.request.uri.args", MapField::Args, Head),
    list("http.request.uri.args.names", ListField::Names(MapField::Args), Head),
    list("http.request.uri.args.values", ListField::Values(MapField::Args), Head),
    text("raw.http.request.full_uri", Field::RawFullUri, Head),
    text("raw.http.request.uri", Field::RawUri, Head),
    text("raw.http.request.uri.path", Field::RawPath, Head),
    text("raw.http.request.uri.path.extension", Field::RawExtension, Head),
    text("raw.http.request.uri.query", Field::RawQuery, Head),
    map("raw.http.request.uri.args", MapField::RawArgs, Head),
    list("raw.http.request.uri.args.names", ListField::Names(MapField::RawArgs), Head),
    list("raw.http.request.uri.args.values", ListField::Values(MapField::RawArgs), Head),
    text("http.request.method", Field::Method, Head),
    text("http.request.version", Field::Version, Head),
    map("http.request.headers", MapField::Headers, Head),
    list("http.request.headers.names", ListField::Names(MapField::Headers), Head),
    list("http.request.headers.values", ListField::Values(MapField::Headers), Head),
    neutral("http.request.headers.truncated", C::Flag(false), "header fields are never truncated here"),
    map("http.request.cookies", MapField::Cookies, Head),
    list("http.request.accepted_languages", ListField::Languages, Head),
    text("http.cookie", Field::Cookie, Head),
    text("http.referer", Field::Referer, Head),
    text("http.user_agent", Field::UserAgent, Head),
    text("http.x_forwarded_for", Field::ForwardedFor, Head),
    integer("http.request.timestamp.sec", Field::Second, Head),
    integer("http.request.timestamp.msec", Field::Millisecond, Head),
    text("http.request.body.raw", Field::BodyRaw, Body),
    integer("http.request.body.size", Field::BodySize, Body),
    flag("http.request.body.truncated", Field::BodyTruncated, Body),
    text("http.request.body.mime", Field::BodyMime, Body),
    map("http.request.body.form", MapField::Form, Body),
    list("http.request.body.form.names", ListField::Names(MapField::Form), Body),
    list("http.request.body.form.values", ListField::Values(MapField::Form), Body),
    map("http.request.body.multipart", MapField::Multipart, Body),
    list("http.request.body.multipart.values", ListField::Values(MapField::Multipart), Body),
    lists("http.request.body.multipart.names", ListsField::Names),
    lists("http.request.body.multipart.filenames", ListsField::Filenames),
    lists("http.request.body.multipart.content_types", ListsField::ContentTypes),
    lists("http.request.body.multipart.content_dispositions", ListsField::ContentDispositions),
    lists("http.request.body.multipart.content_transfer_encodings", ListsField::ContentTransferEncodings),
    map("http.request.jwt.claims", MapField::Claims, Caller),
    map("http.request.jwt.claims.aud", MapField::Claim(Claim::Audience), Caller),
    list("http.request.jwt.claims.aud.names", ListField::Names(MapField::Claim(Claim::Audience)), Caller),
    list("http.request.jwt.claims.aud.values", ListField::Values(MapField::Claim(Claim::Audience)), Caller),
    map("http.request.jwt.claims.iss", MapField::Claim(Claim::Issuer), Caller),
    list("http.request.jwt.claims.iss.names", ListField::Names(MapField::Claim(Claim::Issuer)), Caller),
    list("http.request.jwt.claims.iss.values", ListField::Values(MapField::Claim(Claim::Issuer)), Caller),
    map("http.request.jwt.claims.sub", MapField::Claim(Claim::Subject), Caller),
    list("http.request.jwt.claims.sub.names", ListField::Names(MapField::Claim(Claim::Subject)), Caller),
    list("http.request.jwt.claims.sub.values", ListField::Values(MapField::Claim(Claim::Subject)), Caller),
    map("http.request.jwt.claims.jti", MapField::Claim(Claim::Id), Caller),
    list("http.request.jwt.claims.jti.names", ListField::Names(MapField::Claim(Claim::Id)), Caller),
    list("http.request.jwt.claims.jti.values", ListField::Values(MapField::Claim(Claim::Id)), Caller),
    times("http.request.jwt.claims.iat.sec", Claim::IssuedAt),
    list("http.request.jwt.claims.iat.sec.names", ListField::Names(MapField::Claim(Claim::IssuedAt)), Caller),
    row(
        "http.request.jwt.claims.iat.sec.values",
        Known(Source::List(ListField::Values(MapField::Claim(Claim::IssuedAt)), Scalar::Integer), Caller),
    ),
    times("http.request.jwt.claims.nbf.sec", Claim::NotBefore),
    list(
        "http.request.jwt.claims.nbf.sec.names",
        ListField::Names(MapField::Claim(Claim::NotBefore)),
        Caller,
    ),
    row(
        "http.request.jwt.claims.nbf.sec.values",
        Known(Source::List(ListField::Values(MapField::Claim(Claim::NotBefore)), Scalar::Integer), Caller),
    ),
    integer("http.response.code", Field::ReplyCode, Reply),
    map("http.response.headers", MapField::ReplyHeaders, Reply),
    list("http.response.headers.names", ListField::Names(MapField::ReplyHeaders), Reply),
    list("http.response.headers.values", ListField::Values(MapField::ReplyHeaders), Reply),
    map("raw.http.response.headers", MapField::ReplyHeaders, Reply),
    list("raw.http.response.headers.names", ListField::Names(MapField::ReplyHeaders), Reply),
    list("raw.http.response.headers.values", ListField::Values(MapField::ReplyHeaders), Reply),
    text("http.response.content_type.media_type", Field::ReplyMediaType, Reply),
    text("portcullis.route", Field::Route, Caller),
    text("portcullis.user", Field::User, Caller),
    text("portcullis.tenant", Field::Tenant, Caller),
    list("portcullis.tenants", ListField::Tenants, Caller),
    list("portcullis.roles", ListField::Roles, Caller),
    list("portcullis.scopes", ListField::Scopes, Caller),
];

/// What the connection says: the client's address, where that is, TLS and the client's certificate.
pub(super) const CONNECTION: &[Row] = &[
    address("ip.src", Field::Client),
    geo("ip.src.country", GeoFact::Country, Scalar::Text),
    geo("ip.src.continent", GeoFact::Continent, Scalar::Text),
    geo("ip.src.city", GeoFact::City, Scalar::Text),
    geo("ip.src.region", GeoFact::Region, Scalar::Text),
    geo("ip.src.region_code", GeoFact::RegionCode, Scalar::Text),
    geo("ip.src.postal_code", GeoFact::PostalCode, Scalar::Text),
    geo("ip.src.metro_code", GeoFact::MetroCode, Scalar::Text),
    geo("ip.src.lat", GeoFact::Latitude, Scalar::Text),
    geo("ip.src.lon", GeoFact::Longitude, Scalar::Text),
    geo("ip.src.timezone.name", GeoFact::Timezone, Scalar::Text),
    geo("ip.src.asnum", GeoFact::Network, Scalar::Integer),
    geo("ip.src.subdivision_1_iso_code", GeoFact::Subdivision1, Scalar::Text),
    geo("ip.src.subdivision_2_iso_code", GeoFact::Subdivision2, Scalar::Text),
    geo("ip.src.is_in_european_union", GeoFact::EuropeanUnion, Scalar::Flag),
    geo("ip.geoip.country", GeoFact::Country, Scalar::Text),
    geo("ip.geoip.continent", GeoFact::Continent, Scalar::Text),
    geo("ip.geoip.asnum", GeoFact::Network, Scalar::Integer),
    geo("ip.geoip.subdivision_1_iso_code", GeoFact::Subdivision1, Scalar::Text),
    geo("ip.geoip.subdivision_2_iso_code", GeoFact::Subdivision2, Scalar::Text),
    geo("ip.geoip.is_in_european_union", GeoFact::EuropeanUnion, Scalar::Flag),
    flag("ssl", Field::Secure, Head),
    integer("cf.edge.server_port", Field::ServerPort, Head),
    address("cf.edge.server_ip", Field::ServerAddress),
    text("cf.ray_id", Field::RequestId, Head),
    text("cf.random_seed", Field::Seed, Head),
    text("cf.tls_version", Field::TlsVersion, Head),
    text("cf.tls_cipher", Field::TlsCipher, Head),
    flag("cf.tls_client_auth.cert_presented", Field::Certificate(CertificateFact::Presented), Head),
    flag("cf.tls_client_auth.cert_verified", Field::Certificate(CertificateFact::Presented), Head),
    neutral(
        "cf.tls_client_auth.cert_revoked",
        C::Flag(false),
        "a revoked certificate is refused in the handshake",
    ),
    certificate("cf.tls_client_auth.cert_issuer_dn", CertificateFact::Issuer),
    certificate("cf.tls_client_auth.cert_issuer_dn_rfc2253", CertificateFact::Issuer),
    certificate("cf.tls_client_auth.cert_issuer_dn_legacy", CertificateFact::IssuerLegacy),
    certificate("cf.tls_client_auth.cert_subject_dn", CertificateFact::Subject),
    certificate("cf.tls_client_auth.cert_subject_dn_rfc2253", CertificateFact::Subject),
    certificate("cf.tls_client_auth.cert_subject_dn_legacy", CertificateFact::SubjectLegacy),
    certificate("cf.tls_client_auth.cert_serial", CertificateFact::Serial),
    certificate("cf.tls_client_auth.cert_fingerprint_sha256", CertificateFact::Sha256),
    certificate("cf.tls_client_auth.cert_not_before", CertificateFact::NotBefore),
    certificate("cf.tls_client_auth.cert_not_after", CertificateFact::NotAfter),
    unavailable("cf.tls_client_auth.cert_fingerprint_sha1", NOT_KEPT),
    unavailable("cf.tls_client_auth.cert_issuer_serial", NOT_KEPT),
    unavailable("cf.tls_client_auth.cert_ski", NOT_KEPT),
    unavailable("cf.tls_client_auth.cert_issuer_ski", NOT_KEPT),
    unavailable("cf.tls_client_auth.cert_rfc9440", NOT_KEPT),
    unavailable("cf.tls_client_auth.cert_rfc9440_too_large", NOT_KEPT),
    unavailable("cf.tls_client_auth.cert_chain_rfc9440", NOT_KEPT),
    unavailable("cf.tls_client_auth.cert_chain_rfc9440_too_large", NOT_KEPT),
];

/// What only Cloudflare's network, its scanners and its models know.
pub(super) const KNOWN_TO_CLOUDFLARE: &[Row] = &[
    neutral("cf.client.bot", C::Flag(false), NO_BOTS),
    neutral("cf.bot_management.score", C::Integer(99), NO_BOTS),
    neutral("cf.bot_management.verified_bot", C::Flag(false), NO_BOTS),
    neutral("cf.bot_management.static_resource", C::Flag(false), NO_BOTS),
    neutral("cf.bot_management.corporate_proxy", C::Flag(false), NO_BOTS),
    neutral("cf.bot_management.signed_agent", C::Flag(false), NO_BOTS),
    neutral("cf.bot_management.js_detection.passed", C::Flag(false), NO_BOTS),
    neutral("cf.bot_management.ja3_hash", C::Text(""), NO_BOTS),
    neutral("cf.bot_management.ja4", C::Text(""), NO_BOTS),
    none("cf.bot_management.detection_ids", Scalar::Integer, NO_BOTS),
    neutral("cf.verified_bot_category", C::Text(""), NO_BOTS),
    neutral("cf.threat_score", C::Integer(0), "it is always 0 at Cloudflare too"),
    neutral("cf.waf.score", C::Integer(100), NO_SCORES),
    neutral("cf.waf.score.sqli", C::Integer(100), NO_SCORES),
    neutral("cf.waf.score.xss", C::Integer(100), NO_SCORES),
    neutral("cf.waf.score.rce", C::Integer(100), NO_SCORES),
    neutral("cf.waf.score.class", C::Text(""), NO_SCORES),
    neutral("cf.waf.auth_detected", C::Flag(false), NO_SCANS),
    neutral("cf.waf.credential_check.password_leaked", C::Flag(false), NO_SCANS),
    neutral("cf.waf.credential_check.username_and_password_leaked", C::Flag(false), NO_SCANS),
    neutral("cf.waf.credential_check.username_leaked", C::Flag(false), NO_SCANS),
    neutral("cf.waf.credential_check.username_password_similar", C::Flag(false), NO_SCANS),
    neutral("cf.waf.content_scan.has_obj", C::Flag(false), NO_SCANS),
    neutral("cf.waf.content_scan.has_malicious_obj", C::Flag(false), NO_SCANS),
    neutral("cf.waf.content_scan.has_failed", C::Flag(false), NO_SCANS),
    neutral("cf.waf.content_scan.num_obj", C::Integer(0), NO_SCANS),
    neutral("cf.waf.content_scan.num_malicious_obj", C::Integer(0), NO_SCANS),
    none("cf.waf.content_scan.obj_sizes", Scalar::Integer, NO_SCANS),
    none("cf.waf.content_scan.obj_types", Scalar::Text, NO_SCANS),
    none("cf.waf.content_scan.obj_results", Scalar::Text, NO_SCANS),
    neutral("cf.llm.prompt.detected", C::Flag(false), NO_SCANS),
    neutral("cf.llm.prompt.pii_detected", C::Flag(false), NO_SCANS),
    neutral("cf.llm.prompt.unsafe_topic_detected", C::Flag(false), NO_SCANS),
    none("cf.llm.prompt.pii_categories", Scalar::Text, NO_SCANS),
    none("cf.llm.prompt.unsafe_topic_categories", Scalar::Text, NO_SCANS),
    neutral("cf.llm.prompt.injection_score", C::Integer(99), NO_SCANS),
    neutral("cf.api_gateway.auth_id_present", C::Flag(false), NO_API_SHIELD),
    neutral("cf.api_gateway.fallthrough_detected", C::Flag(false), NO_API_SHIELD),
    neutral("cf.api_gateway.request_violates_schema", C::Flag(false), NO_API_SHIELD),
    neutral("cf.response.error_type", C::Text(""), "error pages of Cloudflare are not made here"),
    neutral("cf.response.1xxx_code", C::Integer(0), "error pages of Cloudflare are not made here"),
    neutral("cf.tls_client_hello_length", C::Integer(0), "the handshake is not measured here"),
    neutral("cf.tls_client_extensions_sha1", C::Text(""), "the handshake is not measured here"),
    neutral("cf.tls_client_extensions_sha1_le", C::Text(""), "the handshake is not measured here"),
    neutral("cf.tls_ciphers_sha1", C::Text(""), "the handshake is not measured here"),
    neutral("cf.tls_client_random", C::Text(""), "the handshake is not measured here"),
    neutral("cf.timings.client_tcp_rtt_msec", C::Integer(0), "times are not told to expressions here"),
    neutral("cf.timings.edge_msec", C::Integer(0), "times are not told to expressions here"),
    neutral("cf.timings.origin_ttfb_msec", C::Integer(0), "times are not told to expressions here"),
    neutral("cf.timings.worker_msec", C::Integer(0), "times are not told to expressions here"),
    neutral("cf.timings.client_quic_rtt_msec", C::Integer(0), "times are not told to expressions here"),
    neutral("cf.edge.l4.delivery_rate", C::Integer(0), "the connection is not measured here"),
    neutral("cf.edge.client_tcp", C::Flag(true), "every client comes by TCP here"),
    neutral("cf.edge.client_port", C::Integer(0), "the client's port is not told to expressions here"),
    neutral("cf.zone.plan", C::Text("ENT"), "there are no plans here, and nothing is kept back"),
    neutral("cf.worker.upstream_zone", C::Text(""), "there are no Workers here"),
    neutral("cf.hostname.metadata", C::Text(""), "there is no metadata of hosts here"),
    neutral("cf.colo.id", C::Integer(0), "this is not one of many places"),
    neutral("cf.colo.name", C::Text(""), "this is not one of many places"),
    neutral("cf.colo.region", C::Text(""), "this is not one of many places"),
    neutral("cf.metal.id", C::Text(""), "this is not one of many places"),
    unavailable("cf.zone.name", "there are no zones here: compare `http.host`"),
    unavailable("cf.unique_visitor_id", "visitors are not told apart by a cookie here: use `ip.src`"),
    unavailable("ip.dst", PACKETS),
    unavailable("ip.proto", PACKETS),
    unavailable("ip.len", PACKETS),
    unavailable("ip.ttl", PACKETS),
    unavailable("ip.hdr_len", PACKETS),
    unavailable("tcp.dstport", PACKETS),
    unavailable("tcp.srcport", PACKETS),
    unavailable("tcp.flags", PACKETS),
    unavailable("udp.dstport", PACKETS),
    unavailable("udp.srcport", PACKETS),
    unavailable("icmp.type", PACKETS),
];

const NO_BOTS: &str = "nobody tells bots from people here";
const NO_SCORES: &str = "no model scores requests here";
const NO_SCANS: &str = "bodies are not scanned here";
const NO_API_SHIELD: &str = "schemas and identities are checked by a route's own policies here";
const NOT_KEPT: &str = "the certificate itself is not kept after the handshake";
const PACKETS: &str = "packets are not seen here, only requests";
