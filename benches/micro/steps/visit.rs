//! A request, and its way through the rules as the gateway's pipeline leads it.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use rules::content::Content;
use rules::credential::{Doubt, Evidence, Via};
use rules::limit::{self, Asked, Need, Refused};
use rules::meter::Ask;
use rules::path::Path;
use rules::plan::Plan;
use rules::policy::{ReplyFields, Speaker, Verdict};
use rules::route::{Captures, Lookup};
use rules::verdict::{Code, Refusal};
use rules::view::{Caller, View};

use crate::gateway::state::Denied;
use crate::site::Site;
use crate::{Fallible, NOW_MS};

/// What a browser sends.
const FIELDS: [(&str, &str); 8] = [
    ("host", "app.example.com"),
    ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
    ("accept", "application/json"),
    ("accept-language", "de,en;q=0.8"),
    ("accept-encoding", "gzip, deflate, br"),
    ("cookie", "session=f2c51c1e4b7a4d0f8e9b6a5c4d3e2f10; theme=dark"),
    ("referer", "https://app.example.com/conversations"),
    ("x-request-id", "0193b3d2-7c4e-7a51-9a53-1b6c0a1f2e3d"),
];

/// The address that most requests ask for.
pub(crate) const TARGET: &str = "/v1/acme/conversations/4711/messages?page=2&order=desc";

/// A request.
pub(crate) struct Request {
    method: Method,
    path: String,
    query: Option<String>,
    pub(crate) headers: HeaderMap,
    body: Vec<u8>,
    /// Who is known to call before the plan is asked.
    pub(crate) caller: Option<Arc<Caller>>,
    pub(crate) via: Option<Via>,
    /// What the upstream answers.
    reply: HeaderMap,
}

/// The fields of a browser's request.
pub(crate) fn fields() -> HeaderMap {
    let field = |(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value));
    FIELDS.into_iter().map(field).collect()
}

impl Request {
    /// A `POST` with this body, or a `GET` without one.
    pub(crate) fn new(target: &str, body: Vec<u8>) -> Self {
        let mut headers = fields();
        if !body.is_empty() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        }
        let (path, query) =
            target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
        let reply = [
            ("content-type", "application/json"),
            ("content-length", "200"),
            ("date", "Fri, 15 Jan 2027 08:00:00 GMT"),
            ("set-cookie", "theme=light; Path=/"),
            ("vary", "accept-encoding"),
        ];
        let field = |(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value));
        Self {
            method: if body.is_empty() { Method::GET } else { Method::POST },
            path: path.to_owned(),
            query: query.map(str::to_owned),
            headers,
            body,
            caller: None,
            via: None,
            reply: reply.into_iter().map(field).collect(),
        }
    }

    /// With this field.
    pub(crate) fn field(mut self, name: &str, value: &str) -> Fallible<Self> {
        self.headers.insert(HeaderName::from_bytes(name.as_bytes())?, HeaderValue::from_str(value)?);
        Ok(self)
    }

    /// With this bearer token.
    pub(crate) fn bearer(mut self, token: &str) -> Fallible<Self> {
        self.headers.insert(AUTHORIZATION, format!("Bearer {token}").parse()?);
        Ok(self)
    }

    pub(crate) fn view<'a>(&'a self, path: &'a str, now_ms: i64) -> View<'a> {
        View {
            method: &self.method,
            path,
            target: path,
            query: self.query.as_deref(),
            host: "app.example.com",
            authority: None,
            has_body: !self.body.is_empty(),
            headers: &self.headers,
            secure: true,
            client: IpAddr::V4(Ipv4Addr::new(198, 51, 100, 7)),
            certificate: None,
            route: "messages",
            webhook: None,
            captures: None,
            caller: self.caller.as_deref(),
            via: self.via,
            now_ms,
        }
    }
}

/// A body of about so many bytes, as `message.json` describes it.
pub(crate) fn body(size: usize) -> Vec<u8> {
    let mut text = String::from(r#"{"text":"What did we say about the third paragraph?","parts":["#);
    let kinds = ["question", "answer", "note"];
    for (id, kind) in kinds.iter().cycle().enumerate().take_while(|_| size > 0) {
        let comma = if id == 0 { "" } else { "," };
        let part = format!(
            r#"{comma}{{"id":{id},"kind":"{kind}","text":"The third paragraph is \"too long\", we said.","tags":["draft","second-reading"],"score":0.{id}5}}"#
        );
        if text.len() + part.len() + 2 > size {
            break;
        }
        text.push_str(&part);
    }
    if size == 0 {
        return Vec::new();
    }
    text.push_str("]}");
    text.into_bytes()
}

/// A request's way.
pub(crate) struct Visit<'a> {
    pub(crate) site: &'a Site,
    pub(crate) request: &'a Request,
    pub(crate) now_ms: i64,
}

impl Visit<'_> {
    /// From the path to the answer's fields: the route, then its plan.
    pub(crate) fn whole(&self) -> Verdict {
        let path = Path::parse(self.request.path.as_bytes())?;
        match self.site.table.find(&self.request.method, &path) {
            Lookup::Found(found) => self.plan(found.route, path.as_str(), Some(found.captures)),
            Lookup::MethodNotAllowed { .. } => Err(Refusal::new(Code::MethodNotAllowed, "dispatch", "")),
            Lookup::Ambiguous => Err(Refusal::new(Code::BadRequest, "dispatch", "")),
            Lookup::NoRoute => Err(Refusal::new(Code::NoRoute, "dispatch", "no route matches the path")),
        }
    }

    /// The plan alone, with what the route's pattern captures known before.
    pub(crate) fn plan(&self, plan: &Plan, path: &str, captures: Option<Captures<'_>>) -> Verdict {
        let view = View { captures, ..self.request.view(path, self.now_ms) };
        let verdict = self.judge(plan, &view);
        let speaker = if verdict.is_ok() { Speaker::Upstream } else { Speaker::Gateway };
        plan.reply(&view, speaker, &mut Told(&self.request.reply));
        verdict
    }

    fn judge(&self, plan: &Plan, view: &View<'_>) -> Verdict {
        let mut asks = Vec::new();
        self.look(plan, view, None, Need::Address, &mut asks)?;
        let known = self.identify(plan, view)?;
        let caller = known.as_ref().map(|(caller, via)| (&**caller, *via));
        let view = View {
            caller: caller.map(|(caller, _)| caller).or(view.caller),
            via: caller.map(|(_, via)| via).or(view.via),
            ..*view
        };
        plan.judge_head(&view, |_, _| false)?;
        self.look(plan, &view, None, Need::Caller, &mut asks)?;
        if plan.needs_body(&view) {
            let content = plan.open(&view, &self.request.body)?;
            plan.judge_body(&view, &content, |_, _| false)?;
            self.look(plan, &view, Some(&content), Need::Body, &mut asks)?;
        }
        if asks.is_empty() {
            return Ok(());
        }
        match self.site.counters.charge(&asks, self.now_ms) {
            Ok(_) => Ok(()),
            Err(Denied::Limit(denial)) => denied(plan, &asks, denial.index, denial.retry_after_ms),
            Err(_) => Err(Refusal::new(Code::Overloaded, limit::GATE, "")),
        }
    }

    /// As the gateway does it: a credential is found, looked up, and verified and remembered where it is not known.
    fn identify(&self, plan: &Plan, view: &View<'_>) -> Result<Option<(Arc<Caller>, Via)>, Refusal> {
        let Some((def, credential)) = plan.presented(view)? else { return Ok(None) };
        let (memory, keys) = (&self.site.memory, self.site.keys.get());
        if let Some(caller) = memory.recall(&credential.text, view.now(), keys) {
            return Ok(Some((caller, credential.via)));
        }
        if let Some(refusal) = memory.refused(&credential.text, view.now(), keys) {
            return Err(refusal);
        }
        match def.gate.verify(view, &credential, Evidence::default()) {
            Ok(vouched) => {
                let caller = Arc::clone(&vouched.caller);
                memory.remember(&credential.text, vouched, keys);
                Ok(Some((caller, credential.via)))
            }
            Err(Doubt::Final(never)) => {
                let refusal = never.refusal.clone();
                memory.refuse(&credential.text, *never, keys);
                Err(refusal)
            }
            Err(Doubt::Refused(refusal) | Doubt::UnknownKey(refusal)) => Err(refusal),
            Err(Doubt::Ask(_)) => Err(Refusal::new(Code::Internal, "identity", "")),
        }
    }

    fn look(
        &self,
        plan: &Plan,
        view: &View<'_>,
        content: Option<&Content<'_>>,
        need: Need,
        asks: &mut Vec<Ask>,
    ) -> Verdict {
        if plan.limits().is_empty() {
            return Ok(());
        }
        let mut asked: Vec<Asked> = Vec::new();
        plan.limits().ask(need, view, content, self.site.seed, &mut asked);
        let from = asks.len();
        asks.extend(asked.iter().map(|asked| asked.ask));
        match self.site.counters.peek(asks.get(from..).unwrap_or_default(), self.now_ms) {
            None => Ok(()),
            Some(denial) => denied(plan, asks, from + denial.index, denial.retry_after_ms),
        }
    }
}

fn denied(plan: &Plan, asks: &[Ask], index: usize, retry_after_ms: u64) -> Verdict {
    let lost = || Refusal::new(Code::Internal, limit::GATE, "");
    let ask = asks.get(index).ok_or_else(lost)?;
    // Each limit of these plans has one counter.
    let limit = plan.limits().get(index).ok_or_else(lost)?;
    Err(limit::refusal(&limit.name, Refused { meter: ask.meter, retry_after_ms }))
}

/// An answer's fields: what a plan says of them is heard and forgotten, so that the next request finds the same.
struct Told<'a>(&'a HeaderMap);

impl ReplyFields for Told<'_> {
    fn all(&self) -> &HeaderMap {
        self.0
    }

    fn set(&mut self, name: HeaderName, value: HeaderValue) {
        std::hint::black_box((name, value));
    }

    fn append(&mut self, name: HeaderName, value: HeaderValue) {
        std::hint::black_box((name, value));
    }

    fn remove(&mut self, name: &HeaderName) {
        std::hint::black_box(name);
    }
}

/// A clock that goes on by a fifth of a second with every request, or stands still.
pub(crate) struct Clock {
    now_ms: i64,
    by_ms: i64,
}

impl Clock {
    pub(crate) fn new(frozen: bool) -> Self {
        Self { now_ms: NOW_MS, by_ms: if frozen { 0 } else { 200 } }
    }

    pub(crate) fn tick(&mut self) -> i64 {
        self.now_ms += self.by_ms;
        self.now_ms
    }
}
