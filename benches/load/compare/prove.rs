//! Who does not refuse a bad token would be measured with an open door.

use crate::Fallible;
use crate::ask::Request;
use crate::contender::{Ask, Contender, FULL_HS256, FULL_RS256, Policy, Scenario, Server, TLS_H1};
use crate::stage::Stage;
use crate::wire::Wire;

/// Whether a server answers at all, and, if it has any policy, lets good tokens pass and nothing else, with both
/// algorithms.
pub(crate) fn policy(stage: &Stage, server: Server) -> Fallible<()> {
    if server.plays(&TLS_H1) {
        let door = stage.open(&Contender { server, scenario: TLS_H1 })?;
        door.connect()?.exchange(&door.request)?;
    }
    for scenario in [FULL_HS256, FULL_RS256] {
        if server.plays(&scenario) {
            one(stage, server, scenario)
                .map_err(|error| format!("{} in {}: {error}", server.name(), scenario.name))?;
        }
    }
    Ok(())
}

fn one(stage: &Stage, server: Server, scenario: Scenario) -> Fallible<()> {
    let door = stage.open(&Contender { server, scenario })?;
    let other = if scenario.policy == Policy::Hs256 { Policy::Rs256 } else { Policy::Hs256 };
    let token = |policy, ask| stage.keys.token(policy, ask).map(Some);
    let tries = [
        ("a good token", token(scenario.policy, Ask::Get)?, true),
        ("no token", None, false),
        ("a forged token", token(scenario.policy, Ask::Forged)?, false),
        ("a token that is over", token(scenario.policy, Ask::Expired)?, false),
        ("a token of the other algorithm", token(other, Ask::Get)?, false),
    ];
    for (what, token, passes) in tries {
        let request = Request::new(&scenario, token.as_deref()).bytes();
        // A connection each: some close it after a refusal.
        let mut wire = Wire::connect(door.address, door.tls.as_ref())?;
        let status = wire.status(&request)?;
        let fine = if passes { status == 200 } else { status == 401 || status == 403 };
        if !fine {
            return Err(format!("{what} is answered {status}").into());
        }
        let cors = wire.answered("access-control-allow-origin");
        if passes && cors.as_deref() != Some("https://shop.example.test") {
            return Err(format!("CORS is not applied: {cors:?}").into());
        }
    }
    Ok(())
}
