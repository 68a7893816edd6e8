//! Cloudflare's phases, in the order in which a request meets them.

/// What becomes of a phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// Its rules become rules.
    Rules,
    /// Nothing here does what it does, for this reason.
    Nothing(&'static str),
    /// What it does is done without it, for this reason.
    Done(&'static str),
}

use Fate::{Done, Nothing, Rules};

/// The phases. The last ones see the answer.
const PHASES: &[(&str, Fate)] = &[
    ("http_request_sanitize", Done("paths are always normalised before the rules see them")),
    ("http_request_dynamic_redirect", Rules),
    ("http_request_transform", Rules),
    ("http_request_api_gateway_early", Nothing(API_SHIELD)),
    (
        "http_config_settings",
        Nothing("there are no such settings here; TLS and header fields have keys of their own"),
    ),
    (
        "http_request_origin",
        Nothing("another origin is another upstream here: give its paths a route with `upstream`"),
    ),
    (
        "ddos_l7",
        Nothing("floods are met by `limits` and `listen.limits`; there is no detection to configure"),
    ),
    (super::export::FIREWALL_RULES, Rules),
    ("http_request_firewall_custom", Rules),
    ("http_ratelimit", Rules),
    ("http_request_api_gateway_late", Nothing(API_SHIELD)),
    ("http_request_firewall_managed", Nothing(MANAGED)),
    ("http_request_sbfm", Nothing("nobody tells bots from people here")),
    ("http_request_redirect", Rules),
    ("http_request_late_transform", Rules),
    ("http_request_cache_settings", Nothing("nothing is cached here")),
    ("http_request_snippets", Nothing("no code of your own runs here")),
    (
        "http_request_cloud_connector",
        Nothing("another origin is another upstream here: give its paths a route with `upstream`"),
    ),
    ("http_custom_errors", Nothing("the upstream's error pages are passed on as they are")),
    ("http_response_headers_transform", Rules),
    ("http_response_compression", Nothing("answers are passed on as the upstream compressed them")),
    ("http_response_firewall_managed", Nothing(MANAGED)),
    (
        "http_log_custom_fields",
        Nothing("name the fields under `logs.access.headers` and `logs.access.query`"),
    ),
];

const API_SHIELD: &str = "describe the interface with `openapi` or `body.schema` on a route";
pub(super) const MANAGED: &str = "there are no managed rules here";

/// The phase's place in the order, and what becomes of it; the last place for one that is not known.
pub(super) fn phase(name: &str) -> (usize, Fate) {
    let unknown = (PHASES.len(), Nothing("this phase is not known"));
    PHASES
        .iter()
        .enumerate()
        .find(|(_, (known, _))| *known == name)
        .map_or(unknown, |(rank, (_, fate))| (rank, *fate))
}
