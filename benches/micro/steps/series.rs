//! `metrics/…`: what counting a request costs, and what an exposition does.

use std::hint::black_box;
use std::time::Duration;

use http::Method;
use rules::verdict::Code;

use crate::gateway::metrics::{Decision, Outcome, Registry, RouteMetrics, UpstreamMetrics};
use crate::{Run, Step};

pub(crate) fn steps() -> Vec<Step> {
    vec![
        Step::sure("metrics/allowed", allowed),
        Step::sure("metrics/refused", refused),
        Step::sure("metrics/exposition of 100 routes", exposition).times(2),
    ]
}

fn allowed() -> Run {
    let registry = Registry::new();
    let (route, upstream) =
        (RouteMetrics::new(&registry, "messages"), UpstreamMetrics::new(&registry, "chat", "10.0.0.1:80"));
    Box::new(move || {
        let entered = route.enter();
        upstream.record(Outcome::Answered);
        let (total, own) = (Duration::from_micros(1_234), Duration::from_micros(56));
        route.record(black_box(&Method::GET), 200, Decision::Allow, total, own);
        drop(entered);
        true
    })
}

fn refused() -> Run {
    let registry = Registry::new();
    let route = RouteMetrics::new(&registry, "messages");
    Box::new(move || {
        let entered = route.enter();
        let time = Duration::from_micros(56);
        route.refuse(black_box(Code::RateLimited));
        route.record(black_box(&Method::GET), 429, Decision::Refuse, time, time);
        drop(entered);
        true
    })
}

fn exposition() -> Run {
    let registry = Registry::new();
    let routes: Vec<RouteMetrics> =
        (0..100).map(|nth| RouteMetrics::new(&registry, &format!("route-{nth}"))).collect();
    for route in &routes {
        for status in [200, 404, 429] {
            let time = Duration::from_micros(56);
            route.record(&Method::GET, status, Decision::Allow, time, time);
        }
    }
    Box::new(move || registry.render().len() > 1_000)
}
