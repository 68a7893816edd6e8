//! Sends what there is to try, a request at a time.

use std::sync::Arc;
use std::time::Duration;

use http::Method;

use super::base::Base;
use super::parcel::Parcel;
use super::verdict::{Reply, Verdict, honest, swapped};
use super::{Bout, Party, Plan};
use crate::fetch::{Bounds, Fetcher};

/// What one answer may cost. A refusal has a few hundred bytes.
const BOUNDS: Bounds = Bounds { time: Duration::from_secs(10), bytes: 64 * 1024 };
/// After so many requests without an answer nobody is there.
const PATIENCE: usize = 3;

/// One try, with what came of it.
#[derive(Clone, Debug)]
pub struct Row {
    /// The route's place in the configuration.
    pub index: usize,
    /// Its name.
    pub route: Arc<str>,
    /// The method.
    pub method: Method,
    /// Whose token.
    pub letter: char,
    /// Their tenant.
    pub own: String,
    /// The place where another's tenant was named, and whose; none in an honest request.
    pub swap: Option<(String, String)>,
    /// What it shows.
    pub verdict: Verdict,
    /// The answer.
    pub reply: Reply,
    /// What is to be said about it.
    pub why: Option<String>,
}

/// Sends a plan's requests; `heard` is told how many were answered.
pub async fn attempt(
    plan: &Plan,
    parties: &[Party; 2],
    base: &Base,
    fetcher: &Fetcher,
    mut heard: impl FnMut(usize),
) -> Vec<Row> {
    let mut line = Line { base, fetcher, silent: 0 };
    let mut rows: Vec<Row> = Vec::with_capacity(plan.requests());
    for bout in &plan.bouts {
        let Some(party) = parties.get(bout.party) else { continue };
        let own = line.send(bout, party, &bout.honest).await;
        rows.push(row(bout, party, None, honest(&own), own.clone()));
        heard(rows.len());
        for (place, parcel) in &bout.swaps {
            let reply = line.send(bout, party, parcel).await;
            rows.push(row(bout, party, Some(place), swapped(&reply, &own), reply));
            heard(rows.len());
        }
    }
    rows
}

fn row(
    bout: &Bout,
    party: &Party,
    place: Option<&String>,
    (verdict, why): (Verdict, Option<String>),
    reply: Reply,
) -> Row {
    Row {
        index: bout.index,
        route: Arc::clone(&bout.route),
        method: bout.method.clone(),
        letter: party.letter,
        own: bout.own.clone(),
        swap: place.map(|place| (place.clone(), bout.other.clone())),
        verdict,
        reply,
        why,
    }
}

struct Line<'a> {
    base: &'a Base,
    fetcher: &'a Fetcher,
    /// How many requests in a row got no answer.
    silent: usize,
}

impl Line<'_> {
    async fn send(&mut self, bout: &Bout, party: &Party, parcel: &Parcel) -> Reply {
        if self.silent >= PATIENCE {
            return Reply::Silence("not tried: nobody answered before".to_owned());
        }
        let request = match parcel.request(self.base, &bout.method, &bout.carrier, &party.token) {
            Ok(request) => request,
            Err(error) => return Reply::Silence(format!("not sent: {error}")),
        };
        let asked = request.uri().clone();
        let reply = Reply::read(&bout.method, &asked, self.fetcher.glance(request, BOUNDS).await);
        self.silent = if matches!(reply, Reply::Silence(_)) { self.silent + 1 } else { 0 };
        reply
    }
}
