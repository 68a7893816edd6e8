//! What Cloudflare's documentation says, as data.

use super::*;

fn cases(text: &str) -> Vec<BTreeMap<String, Json>> {
    let document: Json = serde_json::from_str(text).unwrap();
    serde_json::from_value(document["cases"].clone()).unwrap()
}

#[test]
fn functions_give_what_the_documentation_says() {
    let words = Words::new();
    let request = Request::to("/");
    for case in cases(include_str!("../vectors/functions.json")) {
        let text = case["expression"].as_str().unwrap();
        let formula = Formula::compile_as(text, &words.all(), true, true)
            .unwrap_or_else(|fault| panic!("{text}\n{fault} at {:?}", fault.span));
        let facts = request.facts();
        let found = formula.text_of(&facts).unwrap();
        let wanted = match &case["value"] {
            Json::String(text) => text.clone(),
            Json::Array(items) => {
                items.iter().map(|item| item.as_str().unwrap()).collect::<Vec<_>>().join("\0")
            }
            other => other.to_string(),
        };
        assert_eq!(String::from_utf8_lossy(&found), wanted, "{text}");
    }
}

#[test]
fn invalid_expressions_are_refused_where_they_are_wrong() {
    let words = Words::new();
    for case in cases(include_str!("../vectors/invalid-expressions.json")) {
        let text = case["expression"].as_str().unwrap();
        let fault = Condition::compile(text, &words.all()).expect_err(text);
        println!("{text}\n{}{} {fault}\n", " ".repeat(fault.span.start), "^".repeat(fault.span.len().max(1)));
        assert!(fault.span.start <= fault.span.end && fault.span.end <= text.len(), "{text}: {fault:?}");
        assert!(!fault.message.is_empty() && !fault.message.ends_with('.'), "{text}: {fault:?}");
    }
}

#[test]
fn paths_are_normalised_as_the_documentation_says() {
    for case in cases(include_str!("../vectors/url-normalization.json")) {
        let kind = match case["type"].as_str().unwrap() {
            "rfc3986" => Normalisation::Rfc3986,
            _ => Normalisation::Cloudflare,
        };
        let path = case["in"].as_str().unwrap();
        assert_eq!(normalise(kind, path.as_bytes()), case["out"].as_str().unwrap(), "{kind:?} {path}");
    }
}

/// The rule sets' expressions, and for each request which of them hold; what a formula gives is the redirect's
/// location or the path for the upstream. A request that needs more than an expression is left out.
#[test]
fn rule_sets_say_what_their_cases_expect() {
    let sets: Vec<Json> = serde_json::from_str(include_str!("../vectors/rulesets.json")).unwrap();
    assert_eq!(sets.len(), 22);
    let words = Words::new();
    let mut asked = 0;
    for set in &sets {
        let compile = |text: &Json| {
            let text = text.as_str().unwrap();
            Condition::compile(text, &words.all())
                .unwrap_or_else(|fault| panic!("{text}\n{fault} at {:?}", fault.span))
        };
        let rules: BTreeMap<&str, Condition> = set["rules"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, text)| (name.as_str(), compile(text)))
            .collect();
        let formulas = set["formulas"].as_array().unwrap();
        for formula in formulas {
            let text = formula["expression"].as_str().unwrap();
            // Where requests are counted is no matter of the expression.
            Formula::characteristic(text, &words.all()).unwrap_or_else(|fault| panic!("{text}\n{fault}"));
        }
        for case in set["cases"].as_array().unwrap() {
            let name = format!("{} {}", set["id"], case["name"]);
            let asks = Asked::of(case);
            let facts = asks.request.facts().with_atlas(Some(&asks)).with_caller(asks.caller.as_ref());
            for (rule, expected) in case["holds"].as_object().unwrap() {
                assert_eq!(rules[rule.as_str()].holds(&facts), expected.as_bool().unwrap(), "{name}: {rule}");
                asked += 1;
            }
            let given = ["location", "origin_uri"].iter().find_map(|key| case[*key].as_str());
            let made = formulas
                .iter()
                .find(|formula| ["target_url", "path"].contains(&formula["of"].as_str().unwrap()));
            if let (Some(given), Some(made)) = (given, made) {
                let formula = Formula::compile(made["expression"].as_str().unwrap(), &words.all()).unwrap();
                let made = formula.text_of(&facts).unwrap();
                let given = given.split_once('?').map_or(given, |(path, _)| path);
                assert_eq!(String::from_utf8_lossy(&made), given, "{name}");
                asked += 1;
            }
        }
    }
    assert!(asked > 90, "{asked}");
}

/// A case's request and what the vectors tell of it besides.
struct Asked {
    request: Request,
    caller: Option<Caller>,
    country: String,
    network: u32,
}

impl Asked {
    fn of(case: &Json) -> Self {
        let (asked, context) = (&case["request"], &case["context"]);
        let text = |value: &Json| value.as_str().unwrap().to_owned();
        let mut request = Request::to(asked["target"].as_str().unwrap());
        for header in asked["headers"].as_array().unwrap() {
            request = request.header(header[0].as_str().unwrap(), header[1].as_str().unwrap());
        }
        request.method = asked["method"].as_str().unwrap().parse().unwrap();
        request.secure = asked["scheme"] == "https";
        request.host = text(&asked["host"]);
        request.client = asked["client_ip"].as_str().unwrap().parse().unwrap();
        let port = context["cf.edge.server_port"].as_u64().unwrap_or(if request.secure { 443 } else { 80 });
        request.port = u16::try_from(port).unwrap();
        request.now_ms = context["http.request.timestamp.sec"].as_i64().map_or(0, |seconds| seconds * 1000);
        let claims = context["http.request.jwt.claims"]["tc1"][0].as_str();
        Self {
            request,
            caller: claims.map(|claims| caller("tc1", claims)),
            country: context["ip.src.country"].as_str().unwrap_or_default().to_owned(),
            network: u32::try_from(context["ip.src.asnum"].as_u64().unwrap_or(0)).unwrap(),
        }
    }
}

impl Atlas for Asked {
    fn look(&self, _: IpAddr) -> Whereabouts<'_> {
        let country = Some(Cow::Borrowed(self.country.as_str()));
        Whereabouts { country, network: Some(self.network), ..Whereabouts::default() }
    }
}
