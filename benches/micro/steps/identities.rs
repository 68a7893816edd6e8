//! `tokens/…`: a token that is verified, and one that is remembered, by algorithm.

use rules::credential::Evidence;

use crate::gateway::identity::Memory;
use crate::shelf::{ALGORITHMS, Tokens};
use crate::visit::Request;
use crate::{Fallible, NOW_MS, Run, Step};

pub(crate) fn steps() -> Vec<Step> {
    let of = |algorithm: &'static str| {
        let step = |name: &str, cold| {
            Step::new(format!("tokens/{algorithm}/{name}"), move || make(algorithm, cold)).times(20)
        };
        [step("cold", true), step("remembered", false)]
    };
    ALGORITHMS.into_iter().flat_map(of).collect()
}

/// As the gateway does it: a token is found, looked up, and verified and remembered where it is not known. Cold is one
/// that was remembered with other keys: it costs a little more than one that was never seen, and can be done any number
/// of times with the same bytes.
fn make(algorithm: &str, cold: bool) -> Fallible<Run> {
    let tokens = Tokens::read()?;
    let def = tokens.identity(algorithm)?;
    let request = Request::new("/v1/acme/conversations", Vec::new()).bearer(tokens.token(algorithm)?)?;
    let memory = Memory::new();
    let mut keys = 0;
    Ok(Box::new(move || {
        keys += u64::from(cold);
        let view = request.view("/v1/acme/conversations", NOW_MS);
        let Ok(Some(credential)) = def.gate.presented(&view) else { return false };
        if let Some(caller) = memory.recall(&credential.text, view.now(), keys) {
            return caller.user.value().is_some();
        }
        let Ok(vouched) = def.gate.verify(&view, &credential, Evidence::default()) else { return false };
        let known = vouched.caller.user.value().is_some();
        memory.remember(&credential.text, vouched, keys);
        known
    }))
}

/// A memory that is full.
pub struct Filled {
    /// How many tokens are kept.
    pub kept: usize,
    /// How many bytes each of them has.
    pub length: usize,
    /// Kept, so that it is there when the process is measured.
    _memory: Memory,
}

/// Fills the memory of one identity many times over with callers of one kind.
///
/// # Errors
/// When the token cannot be verified that they are made of.
pub fn fill() -> Fallible<Filled> {
    const TOKENS: usize = 60_000;
    let tokens = Tokens::read()?;
    let (def, token) = (tokens.identity("HS256")?, tokens.token("HS256")?);
    let request = Request::new("/v1/acme/conversations", Vec::new()).bearer(token)?;
    let view = request.view("/v1/acme/conversations", NOW_MS);
    let memory = Memory::new();
    let credential = def.gate.presented(&view).ok().flatten().ok_or("no token is shown")?;
    // The end is what differs in tokens of one issuer, and what they are found by.
    let of = |nth: usize| format!("{}{nth:08}", token.get(..token.len() - 8).unwrap_or_default());
    for nth in 0..TOKENS {
        let vouched = def.gate.verify(&view, &credential, Evidence::default());
        memory.remember(of(nth).as_bytes(), vouched.map_err(|_| "the token is refused")?, 0);
    }
    let kept = (0..TOKENS).filter(|&nth| memory.recall(of(nth).as_bytes(), view.now(), 0).is_some()).count();
    Ok(Filled { kept, length: token.len(), _memory: memory })
}
