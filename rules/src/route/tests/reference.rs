//! The table against a matcher that tries every pattern, over random routes and paths.

use super::*;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(&'static str),
    Name(String),
}

#[derive(Clone, Debug)]
struct Model {
    methods: Vec<&'static str>,
    parts: Vec<Part>,
    rest: bool,
}

/// Better compares greater. A pattern that ends beats one that goes on with `**`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Rest,
    Name,
    Literal,
    End,
}

impl Model {
    fn text(&self) -> String {
        let mut text = self.methods.join("|") + " ";
        for part in &self.parts {
            match part {
                Part::Literal(literal) => write!(text, "/{literal}").unwrap(),
                Part::Name(name) => write!(text, "/{{{name}}}").unwrap(),
            }
        }
        text + if self.rest { "/**" } else { "" }
    }

    fn has_trailing_slash(&self) -> bool {
        self.parts.len() > 1 && self.parts.last() == Some(&Part::Literal(""))
    }

    /// The rank of each part, if the path matches.
    fn ranks(&self, segments: &[&str]) -> Option<Vec<Rank>> {
        let fits =
            if self.rest { segments.len() >= self.parts.len() } else { segments.len() == self.parts.len() };
        let mut ranks = Vec::new();
        for (part, segment) in self.parts.iter().zip(segments) {
            ranks.push(match part {
                Part::Literal(literal) if literal == segment => Rank::Literal,
                Part::Name(_) if !segment.is_empty() => Rank::Name,
                _ => return None,
            });
        }
        ranks.push(if self.rest { Rank::Rest } else { Rank::End });
        fits.then_some(ranks)
    }

    fn clashes(&self, other: &Self) -> bool {
        let shape = |model: &Self| {
            let literals = model.parts.iter().map(|part| match part {
                Part::Literal(literal) => Some(*literal),
                Part::Name(_) => None,
            });
            (literals.collect::<Vec<_>>(), model.rest)
        };
        shape(self) == shape(other) && self.methods.iter().any(|method| other.methods.contains(method))
    }
}

fn joined(segments: &[&str]) -> String {
    segments.iter().fold(String::new(), |text, segment| text + "/" + segment)
}

fn naive(models: &[Model], request: &str) -> String {
    let (method, path) = request.split_once(' ').unwrap();
    let segments: Vec<_> = path.split('/').skip(1).collect();
    let ranked = models.iter().filter_map(|model| Some((model.ranks(&segments)?, model)));
    let Some(best) = ranked.clone().map(|(ranks, _)| ranks).max() else {
        return "404".to_owned();
    };
    let group: Vec<_> = ranked.filter(|(ranks, _)| *ranks == best).map(|(_, model)| model).collect();
    let serving = |wanted: &str| group.iter().find(|model| model.methods.contains(&wanted));
    let implied = || if method == "HEAD" { serving("GET") } else { None };
    let Some(model) = serving(method).or_else(implied).or_else(|| serving("*")) else {
        let mut allow: Vec<_> = group.iter().flat_map(|model| model.methods.clone()).collect();
        if allow.contains(&"GET") {
            allow.push("HEAD");
        }
        allow.sort_unstable();
        allow.dedup();
        return format!("405 {}", allow.join(", "));
    };
    let mut line = model.text();
    for (part, segment) in model.parts.iter().zip(&segments) {
        if let Part::Name(name) = part {
            write!(line, " {name}={segment}").unwrap();
        }
    }
    if model.rest {
        let rest = joined(&segments[model.parts.len()..]);
        write!(line, " **={rest}").unwrap();
    }
    line
}

/// Few words, so that patterns and paths meet.
fn models() -> impl Strategy<Value = Vec<Model>> {
    let methods =
        prop::sample::select(vec![vec!["*"], vec!["GET"], vec!["POST"], vec!["HEAD"], vec!["GET", "POST"]]);
    let part = prop::option::of(prop::sample::select(vec!["a", "b", "c"]));
    let model = (methods, prop::collection::vec(part, 0..5), any::<bool>(), any::<bool>(), "[p-z]");
    let model = model.prop_map(|(methods, parts, rest, slash, prefix)| {
        let mut parts: Vec<_> = (0..)
            .zip(parts)
            .map(|(i, literal): (usize, _)| {
                literal.map_or_else(|| Part::Name(format!("{prefix}{i}")), Part::Literal)
            })
            .collect();
        if !rest && (slash || parts.is_empty()) {
            parts.push(Part::Literal(""));
        }
        Model { methods, parts, rest }
    });
    prop::collection::vec(model, 0..14)
}

fn requests() -> impl Strategy<Value = Vec<String>> {
    let method = prop::sample::select(vec!["GET", "HEAD", "POST", "PUT"]);
    let segments = prop::collection::vec(prop::sample::select(vec!["a", "b", "c", "d"]), 0..6);
    let request = (method, segments, any::<bool>()).prop_map(|(method, segments, slash)| {
        let path = joined(&segments);
        format!("{method} {path}{}", if slash || path.is_empty() { "/" } else { "" })
    });
    prop::collection::vec(request, 1..20)
}

/// A request that every backend reads alike.
fn plain_request() -> impl Strategy<Value = String> {
    let method = prop::sample::select(vec!["GET", "HEAD", "POST", "PUT"]);
    let segments = prop::collection::vec(prop::sample::select(vec!["a", "b", "c", "d"]), 0..6);
    (method, segments).prop_map(|(method, segments)| {
        format!("{method} {}", if segments.is_empty() { "/".to_owned() } else { joined(&segments) })
    })
}

/// What is done to the segments, in turn.
fn disguises() -> impl Strategy<Value = Vec<&'static str>> {
    prop::collection::vec(prop::sample::select(vec!["", "upper", ";", ";x=a", "before", "slash"]), 1..6)
}

fn disguise(request: &str, disguises: &[&str]) -> String {
    let (method, path) = request.split_once(' ').unwrap();
    let mut text = format!("{method} ");
    for (segment, how) in path.split('/').skip(1).zip(disguises.iter().cycle()) {
        match *how {
            "upper" => write!(text, "/{}", segment.to_uppercase()).unwrap(),
            "before" => write!(text, "/;a/{segment}").unwrap(),
            "slash" => write!(text, "//{segment}").unwrap(),
            suffix => write!(text, "/{segment}{suffix}").unwrap(),
        }
    }
    if disguises.last() == Some(&"slash") { text + "/" } else { text }
}

/// The model that a line is about.
fn route(models: &[Model], line: &str) -> Option<usize> {
    models.iter().position(|model| {
        line.strip_prefix(&model.text()).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
    })
}

fn compile(models: &[Model]) -> Result<Table<String>, Vec<Ambiguity>> {
    Table::compile(models.iter().map(|model| (vec![pattern(&model.text())], model.text())).collect())
}

/// The models without those that clash with an earlier one.
fn distinct(models: &[Model]) -> Vec<Model> {
    models.iter().fold(Vec::new(), |mut kept: Vec<Model>, model| {
        if !kept.iter().any(|other| other.clashes(model)) {
            kept.push(model.clone());
        }
        kept
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn agrees_with_trying_every_pattern(models in models(), requests in requests()) {
        let models = distinct(&models);
        let table = compile(&models).unwrap();
        for request in requests {
            let (said, naive_said) = (said(&table, &request), naive(&models, &request));
            if said == "400" {
                let other = naive(&models, request.trim_end_matches('/'));
                prop_assert_ne!(route(&models, &naive_said), route(&models, &other), "{}", request);
                prop_assert!(request.ends_with('/'), "{}", request);
            } else {
                prop_assert_eq!(said, naive_said, "{}", request);
            }
        }
    }

    /// However a path is disguised, it does not get to another route than a lax backend sees in it.
    #[test]
    fn a_disguise_leads_nowhere_else(models in models(), request in plain_request(), disguises in disguises()) {
        let lax: Vec<_> = distinct(&models).into_iter().filter(|model| !model.has_trailing_slash()).collect();
        let table = compile(&lax).unwrap();
        let disguised = disguise(&request, &disguises);
        let found = said(&table, &disguised);
        if !["400", "404", "405"].contains(&found.get(..3).unwrap()) {
            let plainly = said(&table, &request);
            prop_assert_eq!(route(&lax, &found), route(&lax, &plainly), "{} as {}", request, disguised);
        }
        prop_assert_ne!(said(&table, &request), "400");
    }

    #[test]
    fn order_does_not_matter(
        (models, shuffled) in models().prop_map(|models| distinct(&models))
            .prop_flat_map(|models| (Just(models.clone()), Just(models).prop_shuffle())),
        requests in requests(),
    ) {
        let (table, other) = (compile(&models).unwrap(), compile(&shuffled).unwrap());
        for request in requests {
            prop_assert_eq!(said(&table, &request), said(&other, &request), "{}", request);
        }
    }

    #[test]
    fn ambiguity_is_what_clashes(models in models()) {
        let clash = models.iter().enumerate().any(|(i, model)| models[..i].iter().any(|other| other.clashes(model)));
        let compiled = compile(&models);
        prop_assert_eq!(compiled.is_err(), clash);
        for Ambiguity { left, right, example } in compiled.err().unwrap_or_default() {
            prop_assert!(models[left].clashes(&models[right]));
            let (_, path) = example.split_once(' ').unwrap();
            let segments: Vec<_> = path.split('/').skip(1).collect();
            for model in [&models[left], &models[right]] {
prop_assert!(model.ranks(&segments).is_some(), "{} {}", example, model.text());
            }
        }
    }

    #[test]
    fn captures_reassemble_the_path(models in models(), requests in requests()) {
        let table = compile(&distinct(&models)).unwrap();
        for request in requests {
            let (method, raw) = request.split_once(' ').unwrap();
            let path = Path::parse(raw.as_bytes()).unwrap();
            let Lookup::Found(found) = table.find(&method.parse().unwrap(), &path) else { continue };
            let written = found.captures.pattern().as_str().split_once(' ').unwrap().1;
            let filled = found.captures.iter().fold(written.to_owned(), |text, (name, value)| {
                text.replace(&format!("{{{name}}}"), value)
            });
            let whole = match found.captures.rest() {
                Some(rest) => filled.replace("/**", rest),
                None => filled,
            };
            prop_assert_eq!(whole, path.as_str());
        }
    }

    #[test]
    fn no_pattern_text_panics(text in prop_oneof![any::<String>(), "(GET|\\*|,|\\|| |/|\\{|\\}|a|%2|%41|é|\\*\\*){0,12}"]) {
        match Pattern::parse(&text) {
            Ok(pattern) => prop_assert_eq!(pattern.as_str(), text),
            Err(error) => prop_assert!(text.get(error.range.clone()).is_some(), "{:?}", error),
        }
    }
}
