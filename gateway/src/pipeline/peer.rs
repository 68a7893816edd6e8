//! Which server is asked, and on which terms.

use std::time::Instant;

use pingora::prelude::HttpPeer;
use pingora::protocols::{ALPN, Digest};
use pingora::upstreams::peer::HttpUpstreamRequestPolicy;
use pingora::{Error, ErrorType, Result};

use super::{Passing, lost};
use crate::snapshot::Route;
use crate::upstream::{InFlight, Scheme, Server, Target, dial};

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

/// Starts the clock of the connection that was got; HTTP/2 has none, see [`terms`].
pub(super) fn watch(passing: &mut Passing, digest: Option<&Digest>) -> Result<()> {
    let route = passing.visit.route().ok_or_else(lost)?;
    let clock = digest.and_then(dial::clock);
    let h2c = passing.server.as_ref().is_some_and(|(server, _)| server.scheme == Scheme::H2c);
    if clock.is_none() && !h2c {
        return Error::e_explain(ErrorType::InternalError, "the connection has no clock");
    }
    passing.watch = clock.map(|clock| clock.watch(route.timeouts.first_byte, route.timeouts.stream_idle));
    Ok(())
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
    options.write_timeout = Some(timeouts.stream_idle);
    options.idle_timeout = Some(route.upstream.idle);
    options.ca.clone_from(&route.upstream.ca);
    if server.scheme == Scheme::H2c {
        options.alpn = ALPN::H2;
        options.max_h2_streams = 100;
        // Requests share a connection, so it cannot have a clock of one's own: only the longer one holds.
        options.read_timeout = Some(timeouts.first_byte.max(timeouts.stream_idle));
    } else {
        options.alpn = dial::timed();
    }
    if !upgrade {
        options.http_upstream_request_policy = HttpUpstreamRequestPolicy::deny_upgrades();
    }
    Ok(peer)
}
