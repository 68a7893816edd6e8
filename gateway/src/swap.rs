//! Tries two users' tokens against each other's tenant, at every place of a running deployment where a request names
//! one: what `portcullis swap` prints. What there is to try, and what an answer shows, is found out without a wire.
//!
//! Each try has an honest twin, the same request for the token's own tenant: a gateway that refuses everybody does
//! not keep tenants apart.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::Method;
use rules::credential::Carrier;
use rules::path::Path;
use rules::policies::tenant::Tenant;
use rules::route::{Lookup, Methods, Pattern};
use zeroize::Zeroizing;

use self::parcel::Parcel;
use self::place::Place;
use crate::snapshot::{Route, Snapshot};

pub mod attempt;
pub mod base;
mod parcel;
mod place;
#[cfg(test)]
mod tests;
pub mod verdict;

/// What `**`, and a captured name that is no tenant, stand for unless the operator says otherwise.
const PROBE: &str = "probe";
/// What any-method routes are tried with where something may be changed.
const CHANGING: [Method; 4] = [Method::POST, Method::PUT, Method::PATCH, Method::DELETE];

/// One of the two whose tokens are tried.
pub struct Party {
    /// `A` or `B`.
    pub letter: char,
    /// What shows who they are.
    pub token: Zeroizing<String>,
    /// Their tenant, where it is not to be read from the token.
    pub tenant: Option<String>,
}

/// How it is tried.
#[derive(Debug, Default)]
pub struct Wishes {
    /// Values of names in patterns; `**` is one.
    pub captures: BTreeMap<String, String>,
    /// Whether methods are tried that may change something.
    pub active: bool,
}

/// What there is to try.
#[derive(Debug, Default)]
pub struct Plan {
    /// In the order of the routes.
    pub bouts: Vec<Bout>,
    /// What is not tried.
    pub skipped: Vec<Skipped>,
    /// The routes that have callers and bind no tenant.
    pub unbound: Vec<Arc<str>>,
}

/// One token at one route, with one method.
#[derive(Debug)]
pub struct Bout {
    /// The route's place in the configuration.
    pub index: usize,
    /// Its name.
    pub route: Arc<str>,
    /// The method.
    pub method: Method,
    /// Whose token: 0 or 1.
    pub party: usize,
    /// Their tenant.
    pub own: String,
    /// The other's.
    pub other: String,
    carrier: Carrier,
    honest: Parcel,
    swaps: Vec<(String, Parcel)>,
}

/// What is not tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// The route's place in the configuration.
    pub index: usize,
    /// Its name.
    pub route: Arc<str>,
    /// Why.
    pub why: String,
}

impl Plan {
    /// How many requests it takes.
    pub fn requests(&self) -> usize {
        self.bouts.iter().map(|bout| bout.swaps.len() + 1).sum()
    }
}

/// Finds out what there is to try.
pub fn plan(snapshot: &Snapshot, parties: &[Party; 2], wishes: &Wishes) -> Plan {
    let mut planner = Planner { snapshot, parties, wishes, plan: Plan::default() };
    for route in snapshot.table.routes() {
        planner.route(route);
    }
    planner.plan
}

struct Planner<'a> {
    snapshot: &'a Snapshot,
    parties: &'a [Party; 2],
    wishes: &'a Wishes,
    plan: Plan,
}

/// What the tries of one route have in common.
struct Door {
    places: Vec<Place>,
    carrier: Carrier,
    /// Each party's own tenant, and the other's.
    tenants: [(String, String); 2],
}

impl Planner<'_> {
    fn route(&mut self, route: &Route) {
        let written: Vec<String> =
            route.tenant.iter().flat_map(Tenant::places).map(|place| place.to_string()).collect();
        if written.is_empty() {
            self.plan.unbound.extend((!route.identities.is_empty()).then(|| Arc::clone(&route.name)));
            return;
        }
        let places: Vec<Place> = written.iter().filter_map(|text| Place::parse(text)).collect();
        if places.len() < written.len() {
            return self.skip(route, "it names a tenant where no client is known to".to_owned());
        }
        let (carrier, tenants) = match self.callers(route) {
            Ok(callers) => callers,
            Err(why) => return self.skip(route, why),
        };
        let door = Door { places, carrier, tenants };
        let snapshot = self.snapshot;
        for pattern in snapshot.table.patterns(route.index) {
            let (methods, changing) = methods(pattern.methods(), self.wishes.active);
            if !changing.is_empty() {
                let names: Vec<_> = changing.iter().map(Method::as_str).collect();
                self.skip(route, format!("{} may change something: `--active` tries it", names.join(", ")));
            }
            for method in methods {
                self.method(route, pattern, &method, &door);
            }
        }
    }

    fn skip(&mut self, route: &Route, why: String) {
        let skipped = Skipped { index: route.index, route: Arc::clone(&route.name), why };
        if self.plan.skipped.last() != Some(&skipped) {
            self.plan.skipped.push(skipped);
        }
    }

    /// How the route's tokens are shown, and whose tenants are tried against each other.
    fn callers(&self, route: &Route) -> Result<(Carrier, [(String, String); 2]), String> {
        let shown = route.identities.iter().find_map(|def| Some((def, def.gate.carrier()?)));
        let (def, carrier) = shown.ok_or("its identity takes no token that could be handed over")?;
        let tenants = |party: &Party| {
            if let Some(named) = &party.tenant {
                return Ok(vec![named.clone()]);
            }
            let claimed = def.gate.claimed(&party.token).and_then(|caller| caller.tenants.value().cloned());
            claimed.filter(|tenants| !tenants.is_empty()).ok_or_else(|| {
                let (letter, name) = (party.letter, &def.name);
                format!("token {letter} tells the identity `{name}` no tenant: say which with `--tenant {letter}=NAME`")
            })
        };
        let [left, right] = self.parties;
        let (left, right) = (tenants(left)?, tenants(right)?);
        let only =
            |these: &[String], those: &[String]| these.iter().find(|tenant| !those.contains(tenant)).cloned();
        let (Some(a), Some(b)) = (only(&left, &right), only(&right, &left)) else {
            return Err("one of the tokens may act in every tenant of the other".to_owned());
        };
        Ok((carrier, [(a.clone(), b.clone()), (b, a)]))
    }

    fn method(&mut self, route: &Route, pattern: &Pattern, method: &Method, door: &Door) {
        for (party, (own, other)) in door.tenants.iter().enumerate() {
            match self.parcels(route, pattern, method, &door.places, own, other) {
                Ok((honest, swaps)) => self.plan.bouts.push(Bout {
                    index: route.index,
                    route: Arc::clone(&route.name),
                    method: method.clone(),
                    party,
                    own: own.clone(),
                    other: other.clone(),
                    carrier: door.carrier.clone(),
                    honest,
                    swaps,
                }),
                Err(why) => return self.skip(route, format!("{method}: {why}")),
            }
        }
    }

    /// The honest request, and those that name the other's tenant: at each place alone, then at all of them.
    fn parcels(
        &self,
        route: &Route,
        pattern: &Pattern,
        method: &Method,
        places: &[Place],
        own: &str,
        other: &str,
    ) -> Result<(Parcel, Vec<(String, Parcel)>), String> {
        let parcel = |is_swapped: &dyn Fn(usize) -> bool| {
            let named = places.iter().enumerate();
            let named: Vec<_> =
                named.map(|(nth, place)| (place, if is_swapped(nth) { other } else { own })).collect();
            let parcel = Parcel::pack(pattern, &named, &self.wishes.captures)?;
            self.leads_to(route, method, &parcel.path)?;
            Ok::<_, String>(parcel)
        };
        let honest = parcel(&|_| false)?;
        let mut swaps = Vec::new();
        for (nth, place) in places.iter().enumerate() {
            swaps.push((place.to_string(), parcel(&|at| at == nth)?));
        }
        if places.len() > 1 {
            swaps.push(("every place".to_owned(), parcel(&|_| true)?));
        }
        Ok((honest, swaps))
    }

    /// A tenant's name may be a literal of a more specific route, which would be tried instead.
    fn leads_to(&self, route: &Route, method: &Method, path: &str) -> Result<(), String> {
        let parsed = Path::parse(path.as_bytes())
            .map_err(|refusal| format!("`{path}` is no path that is ever let in: {}", refusal.private))?;
        match self.snapshot.table.find(method, &parsed) {
            Lookup::Found(found) if found.index == route.index => Ok(()),
            Lookup::Found(found) => Err(format!("`{path}` goes to the route `{}`", found.route.name)),
            _ => Err(format!("`{path}` goes to no route")),
        }
    }
}

/// The methods to try, and those that are left out because they may change something.
fn methods(written: &Methods, active: bool) -> (Vec<Method>, Vec<Method>) {
    let mut methods = vec![Method::GET, Method::HEAD];
    let changing: Vec<Method> = match written {
        Methods::Any => CHANGING.to_vec(),
        Methods::These(these) => {
            methods.retain(|method| these.contains(method) || these.contains(&Method::GET));
            these.iter().filter(|method| !matches!(**method, Method::GET | Method::HEAD)).cloned().collect()
        }
    };
    if active {
        methods.extend(changing);
        return (methods, Vec::new());
    }
    (methods, changing)
}
