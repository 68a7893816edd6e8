//! Fields of Cloudflare's that mean something else here, or nothing.

/// What becomes of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It says the same.
    Known,
    /// It says the same for every request, for this reason.
    Constant(&'static str),
    /// It says the same once a file of addresses is configured.
    Place,
    /// It says the same, and an operator should know this.
    Told(&'static str),
}

use Standing::{Constant, Known, Place, Told};

const BOTS: &str = "nobody tells bots from people here";
const SCANS: &str = "bodies are not scanned here";
const HANDSHAKE: &str = "the handshake is not measured here";
const SITES: &str = "this is not one of many places";
const TIMES: &str = "times are not told to expressions here";
const CLAIMS: &str =
    "the claims of a token stand under the name of the identity that verified it: configure one of that name";
const BODY: &str = "rules that look at the body hold it back until it is read";

/// Beginnings of names; the first that fits counts.
const TABLE: &[(&str, Standing)] = &[
    ("cf.client.bot", Constant(BOTS)),
    ("cf.bot_management", Constant(BOTS)),
    ("cf.verified_bot_category", Constant(BOTS)),
    ("cf.threat_score", Told("`cf.threat_score` is 0 for every request, as it is at Cloudflare")),
    ("cf.waf.score", Constant("no model scores requests here")),
    ("cf.waf", Constant(SCANS)),
    ("cf.llm", Constant(SCANS)),
    ("cf.api_gateway", Constant("interfaces are described by a route's own keys here")),
    ("cf.response", Constant("the upstream's error pages are passed on as they are")),
    ("cf.tls_client_hello_length", Constant(HANDSHAKE)),
    ("cf.tls_client_extensions", Constant(HANDSHAKE)),
    ("cf.tls_ciphers", Constant(HANDSHAKE)),
    ("cf.tls_client_random", Constant(HANDSHAKE)),
    ("cf.timings", Constant(TIMES)),
    ("cf.edge.l4", Constant("connections are not measured here")),
    ("cf.edge.client_port", Constant("the client's port is not told to expressions here")),
    ("cf.worker", Constant("there are no Workers here")),
    ("cf.hostname.metadata", Constant("there is no metadata of hosts here")),
    ("cf.colo", Constant(SITES)),
    ("cf.metal", Constant(SITES)),
    ("ip.src.", Place),
    ("ip.geoip.", Place),
    ("http.request.jwt.claims", Told(CLAIMS)),
    ("http.request.body.", Told(BODY)),
];

/// What becomes of the field called `name`.
pub(super) fn standing(name: &str) -> Standing {
    TABLE.iter().find(|(start, _)| name.starts_with(start)).map_or(Known, |(_, standing)| *standing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_that_fits_counts() {
        assert_eq!(standing("ip.src"), Known);
        assert_eq!(standing("ip.src.country"), Place);
        assert_eq!(standing("cf.waf.score.sqli"), Constant("no model scores requests here"));
        assert_eq!(standing("cf.waf.content_scan.has_obj"), Constant(SCANS));
        assert_eq!(standing("cf.edge.server_port"), Known);
    }

    #[test]
    fn no_row_is_hidden_by_an_earlier_one() {
        for (index, (name, standing)) in TABLE.iter().enumerate() {
            let first = TABLE.iter().position(|(start, _)| name.starts_with(start));
            assert_eq!(first, Some(index), "{name}: {standing:?}");
        }
    }
}
