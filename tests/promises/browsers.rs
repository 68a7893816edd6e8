//! What pages can do in a real browser is what the gates say: each page does everything, and a table says
//! what it learns and what reaches the backend.
//!
//! A cell is `LEARNED/BECAME`. Learned: the status of an answer whose body the page could read, `echo`, `event`, `shown`
//! or `ran`, or `-` for nothing. Became: `in` where the backend was reached, else the code of the refusal, in brackets
//! where the browser asked first and then sent nothing. `include` and `omit` are what the page asks for; where it has
//! no say the column has `-`. There is no 429 among the answers as long as nothing counts requests.

use harness::backend::Canned;
use harness::browser::{Browser, Page};
use harness::certificates::pin;
use harness::stage::stage_with;
use harness::{Backend, Certificates, Configuration, Site, Stage, Value, json, within};

const ACT: &str = include_str!("browsers/act.js");

/// Pages, in the order of the tables' columns.
const PAGES: [&str; 8] = ["own", "sandboxed", "port", "allowed", "plain", "sibling", "foreign", "null"];

/// The service that pages act on, and where the pages come from.
struct World {
    stage: Stage,
    pages: Backend,
    plain: Backend,
    browser: Browser,
}

fn routes() -> Value {
    json!([
        { "name": "pages", "match": "GET /assets/**", "public": "static files" },
        { "name": "login", "match": "POST /auth/login", "public": "this is where a session begins" },
        { "name": "things", "match": "* /v1/**" },
        { "name": "socket", "match": "GET /ws/**", "websocket": true },
        { "name": "admin", "match": "* /admin/**", "require": { "roles": ["admin"] } },
    ])
}

impl World {
    async fn build(change: impl FnOnce(&mut Configuration)) -> Self {
        let certificates = Certificates::new();
        let names =
            certificates.issue(&["app.example.test", "blog.example.test", "api.example.test", "evil.test"]);
        let (pages, plain) = (Backend::https_as(&names).await, Backend::http().await);
        let site = Site::furnished(&certificates);
        let api = std::fs::read_to_string(site.path("tls/api.key")).unwrap();
        let allowed = format!("https://app.example.test:{}", pages.address().port());
        let stage = stage_with(Backend::http().await, certificates, site, |c| {
            c.set("identities.session.token_from", json!(["header", "cookie:__Host-session"]));
            c.set("routes", routes()).set("defaults.body.max", "4KiB");
            c.set("defaults.cors", json!({ "origins": [allowed], "credentials": true,
                "methods": ["GET", "POST", "DELETE"], "headers": ["authorization", "content-type", "x-asked"], "expose": ["x-kept"] }));
            c.set("defaults.csrf", "cookie_sessions").set("defaults.headers", "strict");
            c.set("defaults.cookies", json!({ "secure": true, "http_only": true, "same_site": "lax" }));
            change(c);
        })
        .await;
        let page = |headers| Canned { status: 200, headers, body: "<!doctype html><title>page</title>" };
        let html = ("content-type", "text/html");
        let sandbox = ("content-security-policy", "sandbox allow-scripts allow-forms allow-popups");
        pages.answer("/page", page(vec![html]));
        plain.answer("/page", page(vec![html]));
        stage.backend.answer("/assets/page", page(vec![html]));
        stage.backend.answer("/assets/sandboxed", page(vec![html, sandbox]));
        let cookie = format!("__Host-session={}; Path=/", stage.token());
        let headers = vec![("set-cookie", &*cookie.leak())];
        stage.backend.answer("/auth/login", Canned { status: 204, headers, body: "" });
        let browser = Browser::start(&[pin(&names.key), pin(&api)]).await;
        let mut world = Self { stage, pages, plain, browser };
        let mut own = world.open("own").await;
        let login = format!(
            "fetch('{}', {{ method: 'POST' }}).then((answer) => answer.status)",
            world.api("/auth/login")
        );
        assert_eq!(own.evaluate(&login).await, 204);
        assert_eq!(own.evaluate("document.cookie").await, "", "no script reads the session");
        world
    }

    fn api(&self, path: &str) -> String {
        format!("https://api.example.test:{}{path}", self.stage.gateway.https().port())
    }

    async fn open(&mut self, page: &str) -> Page {
        let elsewhere = |host: &str| format!("https://{host}:{}/page", self.pages.address().port());
        let url = match page {
            "own" => self.api("/assets/page"),
            "sandboxed" => self.api("/assets/sandboxed"),
            "port" => elsewhere("api.example.test"),
            "allowed" => elsewhere("app.example.test"),
            "sibling" => elsewhere("blog.example.test"),
            "plain" => format!("http://app.example.test:{}/page", self.plain.address().port()),
            "foreign" => self.evil("/page"),
            _ => "data:text/html,<title>nobody's</title>".to_owned(),
        };
        self.browser.open(&url).await
    }

    fn evil(&self, path: &str) -> String {
        format!("https://evil.test:{}{path}", self.pages.address().port())
    }

    /// Prepares the backend for what `action` asks at `path`.
    fn expect(&self, action: &str, path: &str) {
        let (kind, body) = match action {
            "events" => ("text/event-stream", "data: hello\n\n"),
            "image" | "image-cors" => {
                ("image/svg+xml", "<svg xmlns='http://www.w3.org/2000/svg' width='1' height='1'/>")
            }
            "script" => ("text/javascript", "0"),
            _ => return,
        };
        self.stage.backend.answer(path, Canned { status: 200, headers: vec![("content-type", kind)], body });
    }

    /// Does it, and returns what the page learned.
    async fn act(&self, page: &mut Page, action: &str, credentials: &str, path: &str) -> Value {
        self.expect(action, path);
        let mut url = self.api(path);
        if action == "form-bounce" {
            // Redirected with its body by a third party, whoever's page sent it.
            let headers = vec![("location", &*url.leak())];
            self.pages.answer(path, Canned { status: 307, headers, body: "" });
            url = self.evil(path);
        }
        let token = self.stage.token();
        page.evaluate(&format!("({ACT})('{action}', '{credentials}', '{url}', '{token}')")).await
    }

    /// What became of it at the gateway, and that the backend's record says the same.
    async fn outcome(&self, path: &str) -> String {
        let quoted = format!("\"{path}\"");
        let ended = |line: &str| {
            // Reading every line for every cell would take longer than all that the browser does.
            let line: Value = serde_json::from_str(line.contains(&quoted).then_some(line)?).ok()?;
            let last = line["method"] != "OPTIONS" || line["decision"] == "refuse";
            (line["path"] == path && last).then_some(line)
        };
        let line = within(path, self.stage.gateway.out.first(ended)).await.expect("the gateway runs");
        let seen: Vec<_> =
            self.stage.backend.requests().into_iter().filter(|seen| seen.target == path).collect();
        let (allowed, code) = (line["decision"] == "allow", line["code"].as_str().unwrap_or_default());
        assert_eq!(seen.len(), usize::from(allowed), "{path}: {line} {seen:#?}");
        match (allowed, line["method"] == "OPTIONS") {
            (true, _) => "in".to_owned(),
            (false, true) => format!("({code})"),
            (false, false) => code.to_owned(),
        }
    }

    async fn cell(&self, page: &mut Page, action: &str, credentials: &str, path: &str) -> String {
        let learned = self.act(page, action, credentials, path).await;
        let outcome = self.outcome(path).await;
        match learned["status"].as_u64() {
            None => format!("{}/{outcome}", learned.as_str().unwrap()),
            Some(status) => {
                assert_eq!(learned["own"], true, "another body: {path}");
                format!("{status}/{outcome}")
            }
        }
    }

    /// Reads an answer with these fields, and returns the names of those that the page sees.
    async fn fields(&self, page: &mut Page, credentials: &str, path: &str) -> Vec<String> {
        let headers = vec![("x-kept", "1"), ("x-secret", "1"), ("set-cookie", "a=b")];
        self.stage.backend.answer(path, Canned { status: 200, headers, body: "" });
        let learned = self.act(page, "get", credentials, path).await;
        let names = learned["fields"].as_array().unwrap_or_else(|| panic!("{path}: {learned}"));
        let ours = ["x-kept", "x-secret", "set-cookie", "x-request-id", "www-authenticate"];
        names.iter().filter_map(Value::as_str).filter(|name| ours.contains(name)).map(str::to_owned).collect()
    }

    /// Plays a table: a line for each action and whether it carries cookies, a column for each page.
    async fn play(&mut self, table: &str) {
        let mut lines = table.lines().filter(|line| !line.trim().is_empty());
        let head: Vec<&str> = lines.next().unwrap().split_whitespace().collect();
        assert_eq!(head[2..], PAGES);
        let rows: Vec<Vec<&str>> = lines.map(|line| line.split_whitespace().collect()).collect();
        let mut opened = Vec::new();
        for page in PAGES {
            opened.push(self.open(page).await);
        }
        let mut found = Vec::new();
        let mut wrong = 0;
        for (number, row) in rows.iter().enumerate() {
            assert_eq!(row.len(), 2 + PAGES.len(), "{row:?}");
            let (action, credentials) = (row[0], row[1]);
            let under = match action {
                "socket" => "ws",
                "admin" => "admin",
                _ => "v1",
            };
            let mut cells = Vec::new();
            for (page, (name, expected)) in opened.iter_mut().zip(PAGES.iter().zip(&row[2..])) {
                let cell = self.cell(page, action, credentials, &format!("/{under}/{number}-{name}")).await;
                wrong += usize::from(cell != **expected);
                cells.push(format!("{cell:18}"));
            }
            found.push(format!("{action:12} {credentials:7} {}", cells.join(" ").trim_end()));
        }
        assert_eq!(wrong, 0, "{wrong} cells differ; this is what happened:\n{}", found.join("\n"));
    }
}

/// Cookies go wherever the browser takes them: what holds then is the gates' doing.
fn everywhere(c: &mut Configuration) {
    let login = c.route("login");
    login["cookies"] = json!({ "same_site": "none" });
    login["relax"] = json!({ "cookies": "the session belongs into pages of other sites too" });
}

#[tokio::test]
async fn pages_do_what_the_browser_and_the_gates_let_them() {
    let mut world = World::build(|_| {}).await;
    world.play(include_str!("browsers/lax.txt")).await;
    world.browser.close().await;
}

#[tokio::test]
async fn where_the_session_comes_from_everywhere_the_gates_hold_alone() {
    let mut world = World::build(everywhere).await;
    world.play(include_str!("browsers/everywhere.txt")).await;
    world.browser.close().await;
}

#[tokio::test]
async fn without_cors_only_the_services_own_pages_act_and_read() {
    let mut world = World::build(|c| {
        everywhere(c);
        c.remove("defaults.cors");
    })
    .await;
    world.play(include_str!("browsers/without_cors.txt")).await;
    world.browser.close().await;
}

/// What needs no reading: an image and a script are kept out of other sites' pages by the preset alone.
#[tokio::test]
async fn an_allowed_page_sees_what_is_exposed_and_no_preset_means_no_walls() {
    let mut world = World::build(|c| {
        everywhere(c);
        c.remove("defaults.headers");
    })
    .await;
    let (mut own, mut allowed) = (world.open("own").await, world.open("allowed").await);
    let kept = world.fields(&mut allowed, "include", "/v1/fields").await;
    assert_eq!(kept, ["x-kept"], "the gateway's own fields are for its own answers");
    let kept = world.fields(&mut allowed, "omit", "/v1/fields").await;
    assert_eq!(kept, ["www-authenticate", "x-request-id"], "it may say why it was refused");
    let kept = world.fields(&mut own, "include", "/v1/fields").await;
    assert_eq!(kept, ["x-kept", "x-request-id", "x-secret"], "cookies are for nobody's script");
    world.play(include_str!("browsers/without_preset.txt")).await;
    world.browser.close().await;
}
