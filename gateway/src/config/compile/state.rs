//! `state`: where counters and replay ids are kept.

use std::time::Duration;

use rules::policy::Library;
use rules::problem::Place;

use super::Problems;
use crate::config::raw::{OnFailure, RawConfig, Store};
use crate::snapshot::{Kept, Remote};
use crate::state::{self, Shared};

/// The longest that it may be told to.
const MOST: Duration = Duration::from_secs(5);
/// The fewest and the most counters that may be kept.
const KEYS: (u32, u32) = (1_000, 100_000_000);
/// The name by which [`Library::secret`] has the address of Redis: no secret can be called so.
pub(crate) const URL: &str = "state.url/";

pub(super) fn compile(raw: &RawConfig, library: &dyn Library, problems: &mut Problems) -> Kept {
    let (at, state) = (Place::root().key("state"), &raw.state);
    if state.path.trim().is_empty() {
        let problem = at.key("path").problem("the folder for what outlasts a restart has no name");
        problems.push(problem.remedy("write `state: { path: state }`, or remove it"));
    }
    if state.keys < KEYS.0 || state.keys > KEYS.1 {
        let problem = at.key("keys").problem("`keys` is out of range");
        problems.push(problem.remedy(format!("write a number from {} to {}", KEYS.0, KEYS.1)));
    }
    let remote = match state.store {
        Store::Redis => remote(raw, &at, library, problems),
        Store::Embedded => {
            let written = [
                ("url", state.url.is_some()),
                ("ca", state.ca.is_some()),
                ("timeout", state.timeout.is_some()),
            ];
            for (key, _) in written.into_iter().filter(|(_, written)| *written) {
                let problem = at.key(key).itself().problem(format!("`{key}` has no effect without Redis"));
                problems.push(problem.remedy("write `store: redis`, or remove it"));
            }
            None
        }
    };
    Kept { path: state.path.clone(), keys: state.keys, on_failure: state.on_failure, remote }
}

fn remote(raw: &RawConfig, at: &Place, library: &dyn Library, problems: &mut Problems) -> Option<Remote> {
    let state = &raw.state;
    let timeout = state.timeout.map_or(Shared::TIMEOUT, |time| time.0);
    if timeout.is_zero() || timeout > MOST {
        let problem = at.key("timeout").problem("`timeout` is out of range");
        problems.push(problem.remedy("write a time above 0 and at most 5s"));
    }
    let Some(written) = &state.url else {
        let problem = at.problem("`store: redis` needs the address of the server");
        problems.push(
            problem.remedy("write `url: { env: REDIS_URL }`, with `redis://host:6379/0` in the variable"),
        );
        return None;
    };
    super::secrets::one(&written.secret(), "url", raw.environment, &at.key("url"), problems);
    let url = problems.keep(library.secret(URL).map_err(|why| at.key("url").problem(why)))?;
    let ca = state.ca.as_ref().map(|path| library.file(path).map_err(|why| at.key("ca").problem(why)));
    let ca = match ca.transpose() {
        Ok(ca) => ca,
        Err(problem) => {
            problems.push(problem);
            return None;
        }
    };
    let on_failure = match state.on_failure {
        OnFailure::Local => state::OnFailure::Local,
        OnFailure::Deny => state::OnFailure::Deny,
        OnFailure::Allow => state::OnFailure::Allow,
    };
    // What it says shows nothing of the address, which may hold a password.
    let shared = Shared::compile(&url, ca.as_deref(), timeout, on_failure).map_err(|why| {
        let at = at.key(if ca.is_some() && why.contains("authority") { "ca" } else { "url" });
        match why.split_once(": ") {
            Some((what, remedy)) => at.problem(what).remedy(remedy),
            None => at.problem(why),
        }
    });
    Some(Remote { shared: problems.keep(shared)?, url, ca, timeout })
}
