//! `secrets`: where values come from, and what production refuses.

use rules::problem::Place;

use super::Problems;
use crate::config::raw::{Environment, RawConfig, RawSecret};

/// Each secret has one source, and no value is written into the file outside development.
pub(super) fn check(raw: &RawConfig, problems: &mut Problems) {
    for (name, secrets) in &raw.secrets {
        let at = Place::root().key("secrets").key(name);
        super::name(name, &at.itself(), "a secret", problems);
        if secrets.is_empty() {
            let problem = at.problem(format!("the secret `{name}` has no value"));
            problems.push(problem.remedy("write `{ env: NAME }` or `{ file: PATH }`"));
        }
        let mut signing =
            raw.webhooks.iter().flat_map(|webhook| webhook.secret.iter().flat_map(|all| all.iter()));
        let is_for_webhook = signing.any(|used| used == name);
        for (index, secret) in secrets.iter().enumerate() {
            let at = if secrets.len() == 1 { at.clone() } else { at.item(index) };
            one(secret, name, raw.environment, &at, problems);
            if !is_for_webhook {
                unheeded(secret, name, &at, problems);
            }
        }
    }
}

/// Whoever writes `until` would believe that the secret ends by itself.
fn unheeded(secret: &RawSecret, name: &str, at: &Place, problems: &mut Problems) {
    let written =
        [("id", secret.id.is_some()), ("slot", secret.slot.is_some()), ("until", secret.until.is_some())];
    for (key, _) in written.into_iter().filter(|(_, written)| *written) {
        let what = format!("only webhooks heed `{key}`, and none names the secret `{name}`");
        problems
            .push(at.key(key).itself().problem(what).remedy("name the secret in a webhook, or remove it"));
    }
}

/// One secret, called `name`.
pub(super) fn one(
    secret: &RawSecret,
    name: &str,
    environment: Environment,
    at: &Place,
    problems: &mut Problems,
) {
    let sources = [&secret.env, &secret.file, &secret.value].into_iter().flatten().count();
    if sources != 1 {
        problems.push(
            at.problem(format!("the secret `{name}` needs exactly one source"))
                .remedy("write `{ env: NAME }` or `{ file: PATH }`"),
        );
    }
    if secret.value.is_some() && environment != Environment::Development {
        problems.push(
            at.key("value")
                .itself()
                .problem("a secret's value stands in the file, which production and staging refuse")
                .remedy("move it to the environment or a file: `{ env: NAME }`, `{ file: PATH }`"),
        );
    }
}
