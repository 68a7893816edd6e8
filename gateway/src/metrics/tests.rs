use std::collections::HashSet;
use std::time::Duration;

use http::Method;
use rules::verdict::Code;

use super::*;

#[track_caller]
fn assert_line(registry: &Registry, line: &str) {
    let text = registry.render();
    assert!(text.lines().any(|found| found == line), "no line {line}\n{text}");
}

const MS: Duration = Duration::from_millis(1);

#[test]
fn names_are_unique_and_follow_the_conventions() {
    let names: HashSet<_> = Metric::ALL.iter().map(|metric| metric.name()).collect();
    assert_eq!(names.len(), Metric::ALL.len());
    for metric in Metric::ALL {
        let name = metric.name();
        assert!(name.starts_with("portcullis_"), "{name}");
        assert_eq!(metric.kind() == Kind::Counter, name.ends_with("_total"), "{name}");
        assert!(metric.kind() != Kind::Histogram || name.ends_with("_seconds"), "{name}");
    }
}

#[test]
fn a_new_registry_tells_its_build() {
    let registry = Registry::new();
    assert_line(&registry, &format!("portcullis_build_info{{version=\"{}\"}} 1", env!("CARGO_PKG_VERSION")));
    assert_line(&registry, "portcullis_config_reloads_total{outcome=\"applied\"} 0");
    assert_line(&registry, "portcullis_config_reloads_total{outcome=\"rejected\"} 0");
    assert_line(&registry, "portcullis_access_log_dropped_total 0");
    assert_line(&registry, "# TYPE portcullis_build_info gauge");
    assert_line(&registry, &format!("# HELP portcullis_build_info {}", Metric::BuildInfo.help()));
}

#[test]
fn a_request_is_counted_by_method_status_and_decision() {
    let registry = Registry::new();
    let route = RouteMetrics::new(&registry, "login");
    route.record(&Method::POST, 200, Decision::Allow, MS, MS);
    route.record(&Method::POST, 200, Decision::Allow, MS, MS);
    route.record(&Method::POST, 201, Decision::Allow, MS, MS);
    route.record(&Method::GET, 401, Decision::Refuse, MS, MS);
    route.record(&Method::PATCH, 599, Decision::Observe, MS, MS);
    route.record(&Method::from_bytes(b"BREW").unwrap(), 100, Decision::Allow, MS, MS);
    route.record(&Method::HEAD, 0, Decision::Refuse, MS, MS);
    route.record(&Method::HEAD, 999, Decision::Refuse, MS, MS);
    for (method, status, decision, count) in [
        ("POST", "200", "allow", 2),
        ("POST", "201", "allow", 1),
        ("GET", "401", "refuse", 1),
        ("PATCH", "599", "observe", 1),
        ("other", "100", "allow", 1),
        ("HEAD", "other", "refuse", 2),
    ] {
        let labels =
            format!("route=\"login\",method=\"{method}\",status=\"{status}\",decision=\"{decision}\"");
        assert_line(&registry, &format!("portcullis_requests_total{{{labels}}} {count}"));
    }
    let series =
        registry.render().lines().filter(|line| line.starts_with("portcullis_requests_total{")).count();
    assert_eq!(series, 6);
}

#[test]
fn every_method_has_its_label() {
    let registry = Registry::new();
    let route = RouteMetrics::new(&registry, "r");
    for name in ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"] {
        route.record(&name.parse().unwrap(), 200, Decision::Allow, MS, MS);
        let labels = format!("route=\"r\",method=\"{name}\",status=\"200\",decision=\"allow\"");
        assert_line(&registry, &format!("portcullis_requests_total{{{labels}}} 1"));
    }
}

#[test]
fn durations_fall_into_fixed_buckets() {
    let registry = Registry::new();
    let route = RouteMetrics::new(&registry, "r");
    route.record(&Method::GET, 200, Decision::Allow, Duration::from_millis(40), Duration::from_micros(70));
    route.record(&Method::GET, 200, Decision::Allow, Duration::from_secs(90), Duration::from_micros(4));
    for line in [
        "portcullis_request_duration_seconds_bucket{route=\"r\",le=\"0.025\"} 0",
        "portcullis_request_duration_seconds_bucket{route=\"r\",le=\"0.05\"} 1",
        "portcullis_request_duration_seconds_bucket{route=\"r\",le=\"60\"} 1",
        "portcullis_request_duration_seconds_bucket{route=\"r\",le=\"+Inf\"} 2",
        "portcullis_request_duration_seconds_sum{route=\"r\"} 90.04",
        "portcullis_gateway_duration_seconds_bucket{route=\"r\",le=\"0.000005\"} 1",
        "portcullis_gateway_duration_seconds_bucket{route=\"r\",le=\"0.0001\"} 2",
        "portcullis_gateway_duration_seconds_count{route=\"r\"} 2",
        "# TYPE portcullis_gateway_duration_seconds histogram",
    ] {
        assert_line(&registry, line);
    }
}

#[test]
fn a_refusal_is_counted_by_code() {
    let registry = Registry::new();
    let route = RouteMetrics::new(&registry, NO_ROUTE);
    for code in Code::ALL {
        route.refuse(*code);
    }
    route.refuse(Code::NoRoute);
    for code in Code::ALL {
        let count = if *code == Code::NoRoute { 2 } else { 1 };
        assert_line(&registry, &format!("portcullis_refusals_total{{route=\"-\",code=\"{code}\"}} {count}"));
    }
}

#[test]
fn a_reload_goes_on_counting() {
    let registry = Registry::new();
    RouteMetrics::new(&registry, "r").record(&Method::GET, 200, Decision::Allow, MS, MS);
    RouteMetrics::new(&registry, "r").record(&Method::GET, 200, Decision::Allow, MS, MS);
    let labels = "route=\"r\",method=\"GET\",status=\"200\",decision=\"allow\"";
    assert_line(&registry, &format!("portcullis_requests_total{{{labels}}} 2"));
}

#[test]
fn gauges_follow_what_lives() {
    let registry = Registry::new();
    let route = RouteMetrics::new(&registry, "chat");
    let (one, two) = (route.enter(), route.enter());
    assert_line(&registry, "portcullis_in_flight{route=\"chat\"} 2");
    drop(one);
    assert_line(&registry, "portcullis_in_flight{route=\"chat\"} 1");
    drop(two);
    assert_line(&registry, "portcullis_in_flight{route=\"chat\"} 0");
    let _connection = Counted::in_gauge(&registry.connections("https"));
    assert_line(&registry, "portcullis_connections{listener=\"https\"} 1");
}

#[test]
fn the_configuration_in_force_is_the_one_at_one() {
    let registry = Registry::new();
    registry.set_config_info("aaaaaaaaaaaa", "1");
    registry.set_config_info("aaaaaaaaaaaa", "1");
    assert_line(&registry, "portcullis_config_info{config=\"aaaaaaaaaaaa\",release=\"1\"} 1");
    registry.set_config_info("bbbbbbbbbbbb", "2");
    assert_line(&registry, "portcullis_config_info{config=\"aaaaaaaaaaaa\",release=\"1\"} 0");
    assert_line(&registry, "portcullis_config_info{config=\"bbbbbbbbbbbb\",release=\"2\"} 1");
}

#[test]
fn the_other_series_take_their_labels() {
    let registry = Registry::new();
    registry.set_certificate_expiry("app.example.com", 1_795_521_600);
    assert_line(&registry, "portcullis_certificate_expiry_seconds{host=\"app.example.com\"} 1795521600");
    registry.config_reloads(Reload::Rejected).increment(1);
    assert_line(&registry, "portcullis_config_reloads_total{outcome=\"rejected\"} 1");
    registry.access_log_dropped().absolute(7);
    assert_line(&registry, "portcullis_access_log_dropped_total 7");
    let server = UpstreamMetrics::new(&registry, "chatbot", "http://127.0.0.1:3000");
    server.record(Outcome::of_status(499));
    server.record(Outcome::of_status(500));
    server.record(Outcome::Timeout);
    for (outcome, count) in
        [("answered", 1), ("server_error", 1), ("unreachable", 0), ("timeout", 1), ("broken", 0)]
    {
        let labels = format!("upstream=\"chatbot\",server=\"http://127.0.0.1:3000\",outcome=\"{outcome}\"");
        assert_line(&registry, &format!("portcullis_upstream_requests_total{{{labels}}} {count}"));
    }
}

#[test]
fn an_identitys_keys_are_told_from_the_start() {
    let registry = Registry::new();
    let keys = KeyMetrics::new(&registry, "session");
    assert_line(&registry, "portcullis_jwks_age_seconds{identity=\"session\"} NaN");
    keys.record(Refresh::Unchanged);
    keys.tell_age(Some(7));
    for (outcome, count) in [("ok", 0), ("unchanged", 1), ("failed", 0)] {
        let labels = format!("identity=\"session\",outcome=\"{outcome}\"");
        assert_line(&registry, &format!("portcullis_jwks_refresh_total{{{labels}}} {count}"));
    }
    assert_line(&registry, "portcullis_jwks_age_seconds{identity=\"session\"} 7");
}

#[test]
fn odd_names_are_escaped() {
    let registry = Registry::new();
    let _connection = Counted::in_gauge(&registry.connections("a\"b\\c\nd"));
    assert_line(&registry, r#"portcullis_connections{listener="a\"b\\c\nd"} 1"#);
}

#[test]
fn two_registries_never_meet() {
    let (one, two) = (Registry::new(), Registry::new());
    one.config_reloads(Reload::Applied).increment(1);
    assert_line(&two, "portcullis_config_reloads_total{outcome=\"applied\"} 0");
}
