//! Header fields that only the gateway may set, whoever calls: a client's own are removed on every route.

use http::HeaderName;
use http::header::FORWARDED;

/// Fields by which applications learn about the client, or about another method or address than the one that
/// the gates judged. `x-forwarded…` is removed as a family.
pub const FORWARDING: [HeaderName; 13] = [
    HeaderName::from_static("x-real-ip"),
    HeaderName::from_static("x-client-ip"),
    HeaderName::from_static("x-cluster-client-ip"),
    HeaderName::from_static("true-client-ip"),
    HeaderName::from_static("x-host"),
    HeaderName::from_static("x-original-host"),
    HeaderName::from_static("x-original-forwarded-for"),
    HeaderName::from_static("x-original-url"),
    HeaderName::from_static("x-rewrite-url"),
    HeaderName::from_static("x-http-method"),
    HeaderName::from_static("x-http-method-override"),
    HeaderName::from_static("x-method-override"),
    FORWARDED,
];

/// Families of which the gateway sets members or means to.
pub const FAMILIES: [&str; 2] = ["portcullis-", "x-forwarded"];

/// Whether a client's own field of this name is removed on every route.
pub fn is_removed(name: &HeaderName) -> bool {
    FORWARDING.contains(name) || FAMILIES.iter().any(|family| name.as_str().starts_with(family))
}
