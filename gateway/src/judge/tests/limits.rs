//! Several limits at once, against a model that is too simple to be wrong: all are asked, and none is charged when one
//! refuses.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::json;

use super::*;

const T: i64 = 1_800_000_000_000;

/// What limits count by, and what a request has there.
const SPOTS: [&str; 5] = ["ip", "user", "header.x-key", "path.thing", "body:/key"];

#[derive(Clone, Debug)]
struct Written {
    spots: Vec<usize>,
    each: bool,
    max: u32,
    seconds: u32,
    burst: Option<u32>,
    inherited: bool,
}

#[derive(Clone, Debug)]
struct Sent {
    wait_ms: i64,
    peer: u8,
    user: u8,
    /// As the client writes it; several fields, or none, are no value.
    keys: Vec<&'static str>,
    thing: u8,
    in_body: Option<u8>,
}

fn written() -> impl Strategy<Value = Written> {
    let spots = proptest::sample::subsequence((0..SPOTS.len()).collect::<Vec<_>>(), 1..=3);
    let burst = prop_oneof![2 => Just(None), 1 => (1..4_u32).prop_map(Some)];
    (spots, any::<bool>(), 1..6_u32, 1..20_u32, burst, any::<bool>()).prop_map(
        |(spots, each, max, seconds, burst, inherited)| Written {
            spots,
            each,
            max,
            seconds,
            burst,
            inherited,
        },
    )
}

fn sent() -> impl Strategy<Value = Sent> {
    let wait = prop_oneof![2 => Just(0), 3 => 0..2_000_i64, 1 => 0..20_000_i64];
    let keys =
        prop_oneof![Just(vec![]), Just(vec!["a"]), Just(vec![" A "]), Just(vec!["b"]), Just(vec!["a", "b"])];
    (wait, 1..4_u8, 0..2_u8, keys, 0..2_u8, proptest::option::of(0..2_u8)).prop_map(
        |(wait_ms, peer, user, keys, thing, in_body)| Sent { wait_ms, peer, user, keys, thing, in_body },
    )
}

fn snapshot_with(limits: &[Written]) -> Arc<Snapshot> {
    let mut all = serde_json::Map::new();
    let (mut outer, mut inner) = (Vec::new(), Vec::new());
    for (index, limit) in limits.iter().enumerate() {
        let name = format!("limit{index}");
        let spots: Vec<&str> = limit.spots.iter().map(|spot| SPOTS[*spot]).collect();
        let mut written = json!({ "allow": format!("{}/{}s", limit.max, limit.seconds) });
        written[if limit.each { "each" } else { "per" }] = json!(spots);
        if let Some(burst) = limit.burst {
            written["burst"] = json!(burst);
        }
        all.insert(name.clone(), written);
        if limit.inherited { &mut outer } else { &mut inner }.push(name);
    }
    let mut route = json!({ "name": "things", "match": "POST /things/{thing}" });
    if !inner.is_empty() {
        route["limits"] = json!(inner);
    }
    let mut defaults = json!({ "upstream": "chatbot", "identity": "session" });
    if !outer.is_empty() {
        defaults["limits"] = json!(outer);
    }
    let (before, _) = TEXT.split_once("defaults:").unwrap();
    load_text(&format!("{before}defaults: {defaults}\nlimits: {}\nroutes: [{route}]\n", json!(all)))
}

/// Every counter as the times at which it was charged, or as what is in its bucket.
#[derive(Default)]
struct Model {
    times: BTreeMap<String, Vec<i64>>,
    levels: BTreeMap<String, (i64, i64)>,
}

impl Model {
    /// Whether a request is admitted; if so, it is counted everywhere.
    fn admits(&mut self, limits: &[Written], sent: &Sent, now: i64) -> bool {
        let mut asked = Vec::new();
        for (index, limit) in limits.iter().enumerate() {
            let groups: Vec<Vec<usize>> = if limit.each {
                limit.spots.iter().map(|spot| vec![*spot]).collect()
            } else {
                vec![limit.spots.clone()]
            };
            for (nth, spots) in groups.iter().enumerate() {
                let values: Option<Vec<String>> = spots.iter().map(|spot| value(*spot, sent)).collect();
                let value =
                    values.map_or_else(|| format!("address {}", sent.peer), |values| format!("{values:?}"));
                asked.push((limit, format!("{index} {nth} {value}")));
            }
        }
        let admitted = asked.iter().all(|(limit, key)| self.has_room(limit, key, now));
        if admitted {
            for (limit, key) in asked {
                let span = i64::from(limit.seconds) * 1000;
                if limit.burst.is_some() {
                    let level = self.level(limit, &key, now);
                    self.levels.insert(key, (now, level + span));
                } else {
                    self.times.entry(key).or_default().push(now);
                }
            }
        }
        admitted
    }

    fn has_room(&self, limit: &Written, key: &str, now: i64) -> bool {
        let span = i64::from(limit.seconds) * 1000;
        match limit.burst {
            None => {
                let times = self.times.get(key).map(Vec::as_slice).unwrap_or_default();
                times.iter().filter(|time| now - **time < span).count() < limit.max as usize
            }
            Some(burst) => self.level(limit, key, now) + span <= i64::from(burst) * span,
        }
    }

    /// A unit weighs as many as the window has milliseconds.
    fn level(&self, limit: &Written, key: &str, now: i64) -> i64 {
        let (at, level) = self.levels.get(key).copied().unwrap_or((now, 0));
        (level - (now - at) * i64::from(limit.max)).max(0)
    }
}

fn value(spot: usize, sent: &Sent) -> Option<String> {
    match SPOTS[spot] {
        "ip" => Some(sent.peer.to_string()),
        "user" => Some(sent.user.to_string()),
        "header.x-key" => match sent.keys.as_slice() {
            [one] => Some(one.trim().to_lowercase()),
            _ => None,
        },
        "path.thing" => Some(sent.thing.to_string()),
        _ => sent.in_body.map(|key| key.to_string()),
    }
}

fn admitted(snapshot: &Arc<Snapshot>, sent: &Sent, now_ms: i64, memory: &Memory) -> bool {
    let mut fields = vec![("content-type".to_owned(), "application/json".to_owned())];
    fields.extend(sent.keys.iter().map(|key| ("x-key".to_owned(), (*key).to_owned())));
    let body = sent.in_body.map_or_else(|| json!({}), |key| json!({ "key": key.to_string() })).to_string();
    let target = format!("/things/{}", sent.thing);
    let facts = json!({ "user": sent.user.to_string() });
    let mut case = case(snapshot, &Method::POST, &target, &fields, body.as_bytes(), facts.as_object());
    case.arrival.peer = IpAddr::V4(Ipv4Addr::new(192, 0, 2, sent.peer));
    case.arrival.now_ms = now_ms;
    match judge(snapshot, &case, memory).end {
        End::Forward { .. } => true,
        End::Refuse(refusal, _) if refusal.code == Code::RateLimited => false,
        End::Refuse(refusal, _) => panic!("{refusal:?}"),
        End::Answer(answer) => panic!("{}", answer.status),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn all_are_asked_and_none_is_charged_when_one_refuses(
        limits in vec(written(), 1..5),
        requests in vec(sent(), 1..60),
    ) {
        let (snapshot, memory) = (snapshot_with(&limits), Memory::default());
        let (mut model, mut now) = (Model::default(), T);
        for (nth, request) in requests.iter().enumerate() {
            now += request.wait_ms;
            let expected = model.admits(&limits, request, now);
            prop_assert_eq!(admitted(&snapshot, request, now, &memory), expected, "request {} of {:#?}", nth, limits);
        }
    }
}
