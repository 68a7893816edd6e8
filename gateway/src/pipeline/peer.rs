//! Which server is asked, and on which terms.

use std::time::Instant;

use pingora::prelude::HttpPeer;
use pingora::protocols::ALPN;
use pingora::upstreams::peer::HttpUpstreamRequestPolicy;
use pingora::{Error, ErrorType, Result};

use super::{Passing, lost};
use crate::snapshot::Route;
use crate::upstream::{InFlight, Scheme, Server, Target};

/// The next server of the request's upstream.
pub(super) fn choose(passing: &mut Passing) -> Result<Box<HttpPeer>> {
    let route = passing.visit.route().ok_or_else(lost)?;
    let none =
        || Error::explain(ErrorType::HTTPStatus(503), "no server of the upstream has an address").into_up();
    let (server, target) =
        route.upstream.choose(passing.server.as_ref().map(|(server, _)| server)).ok_or_else(none)?;
    let peer = terms(route, &server, target, passing.visit.upgrade)?;
    passing.tries += 1;
    passing.upstream_began.get_or_insert_with(Instant::now);
    let in_flight = InFlight::at(&server);
    passing.server = Some((server, in_flight));
    Ok(Box::new(peer))
}

fn terms(route: &Route, server: &Server, target: Target, upgrade: bool) -> Result<HttpPeer> {
    let (tls, name) = match &server.scheme {
        Scheme::Https(name) => (true, name.clone()),
        Scheme::Http | Scheme::H2c => (false, String::new()),
    };
    let mut peer = match target {
        Target::Tcp(address) => HttpPeer::new(address, tls, name),
        Target::Unix(path) => HttpPeer::new_uds(&path.to_string_lossy(), tls, name)?,
    };
    peer.group_key = route.upstream.group;
    let timeouts = route.timeouts;
    let options = &mut peer.options;
    options.connection_timeout = Some(timeouts.connect);
    options.total_connection_timeout = Some(timeouts.connect);
    options.read_timeout = Some(timeouts.first_byte.max(timeouts.stream_idle));
    options.write_timeout = Some(timeouts.stream_idle);
    options.idle_timeout = Some(route.upstream.idle);
    options.ca.clone_from(&route.upstream.ca);
    options.alpn = if server.scheme == Scheme::H2c { ALPN::H2 } else { ALPN::H1 };
    if server.scheme == Scheme::H2c {
        options.max_h2_streams = 100;
    }
    if !upgrade {
        options.http_upstream_request_policy = HttpUpstreamRequestPolicy::deny_upgrades();
    }
    Ok(peer)
}
