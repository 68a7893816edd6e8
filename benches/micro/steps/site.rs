//! One route with its policies, among others, and what the gateway remembers.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;

use rules::limit::Seed;
use rules::plan::Plan;
use rules::policies::{RawScope, Scope};
use rules::policy::{Ground, IdentityDef, Relaxed, RouteFacts};
use rules::problem::Place;
use rules::route::{Pattern, Table};
use serde_json::{Map, Value};

use crate::gateway::identity::Memory;
use crate::gateway::state::Table as Counters;
use crate::shelf::{Policies, Tokens};
use crate::{Fallible, plain};

/// The pattern of the route.
const PATTERN: &str = "* /v1/{tenant}/conversations/{conversation}/messages";
/// Others beside it.
const OTHERS: [&str; 9] = [
    "GET /health",
    "* /v1/{tenant}/conversations",
    "* /v1/{tenant}/conversations/{conversation}",
    "* /v1/{tenant}/files/{file}",
    "POST /v1/{tenant}/files",
    "GET /v1/models",
    "POST /v1/login",
    "GET /assets/**",
    "* /v1/{tenant}/members/{member}/roles",
];
/// Counters that the table has room for.
const COUNTERS: usize = 100_000;

/// A gateway as far as rules go.
pub(crate) struct Site {
    pub(crate) table: Table<Plan>,
    pub(crate) memory: Memory,
    /// The generation of the keys: what was verified with others is verified anew.
    pub(crate) keys: Cell<u64>,
    pub(crate) counters: Counters,
    pub(crate) seed: Seed,
    identities: Vec<Arc<IdentityDef>>,
}

macro_rules! raw_scope {
    ($($(#[$doc:meta])* $key:ident: $policy:ty, monotone $monotone:expr, why $why:literal;)*) => {
        fn raw_scope(mut written: Map<String, Value>) -> Fallible<RawScope> {
            let scope = RawScope {
                $($key: written.remove(stringify!($key)).map(plain::read).transpose()?,)*
            };
            match written.keys().next() {
                None => Ok(scope),
                Some(key) => Err(format!("`{key}` is no policy").into()),
            }
        }
    };
}

rules::with_policies!(raw_scope);

impl Site {
    /// A site whose route has these policies.
    pub(crate) fn new(policies: &Policies, tokens: &Tokens, scope: Map<String, Value>) -> Fallible<Self> {
        let def = Arc::new(tokens.identity("RS256")?);
        let identities = BTreeMap::from([("RS256".to_owned(), Arc::clone(&def))]);
        let limits = policies.limits()?;
        let relaxed = Relaxed::default();
        let ground = Ground {
            place: Place::root(),
            relaxed: &relaxed,
            identities: &identities,
            limits: &limits,
            library: policies,
        };
        let scope =
            Scope::default().settle(&raw_scope(scope)?, &ground).map_err(|problems| told(&problems))?;
        let identities = vec![def];
        let mut routes = vec![route(PATTERN, &scope, &identities)?];
        for pattern in OTHERS {
            routes.push(route(pattern, &Scope::default(), &[])?);
        }
        Ok(Self {
            table: Table::compile(routes).map_err(|problems| told(&problems))?,
            memory: Memory::new(),
            keys: Cell::new(0),
            counters: Counters::new(COUNTERS),
            seed: Seed::Secret(*b"a bench's secret"),
            identities,
        })
    }

    /// The plan of the route.
    pub(crate) fn plan(&self) -> Fallible<&Plan> {
        Ok(self.table.routes().first().ok_or("there is no route")?)
    }

    /// The identity that callers have.
    pub(crate) fn identity(&self) -> Fallible<&IdentityDef> {
        Ok(self.identities.first().ok_or("there is no identity")?)
    }
}

fn route(pattern: &str, scope: &Scope, identities: &[Arc<IdentityDef>]) -> Fallible<(Vec<Pattern>, Plan)> {
    let pattern = Pattern::parse(pattern).map_err(|error| error.message)?;
    let captures: Vec<String> = pattern.names().map(str::to_owned).collect();
    let facts = RouteFacts {
        captures: &captures,
        public: identities.is_empty(),
        place: Place::root(),
        identities,
        signed: false,
    };
    Ok((vec![pattern], scope.plan(&facts).map_err(|problems| told(&problems))?))
}

fn told<T: std::fmt::Debug>(problems: &[T]) -> String {
    format!("{problems:?}")
}
