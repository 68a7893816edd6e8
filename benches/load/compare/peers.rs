//! How the peers are started.

use crate::Fallible;
use crate::contender::Server;
use crate::stage::{Addresses, Stage};

/// The command line of a peer, whose configuration is written beside the keys.
pub(crate) fn words(server: Server, _: &Stage, _: &Addresses) -> Fallible<Vec<String>> {
    Err(format!("{} is not installed", server.name()).into())
}
