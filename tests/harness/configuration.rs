//! A complete good configuration, and ways to change one thing in it.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use crate::issuer::{AUDIENCE, ISSUER};

/// A configuration as a tree; written as block YAML, so that problems have lines.
#[derive(Clone, Debug)]
pub struct Configuration {
    /// The whole file.
    pub root: Value,
}

impl Configuration {
    /// The stage's configuration, in front of one backend.
    pub fn complete(upstream: &str) -> Self {
        Self {
            root: json!({
                "version": 1, "environment": "production", "release": "test-release",
                "listen": {
                    "http": { "bind": "127.0.0.1:0", "redirect": "https" },
                    "https": {
                        "bind": "127.0.0.1:0",
                        "hosts": ["app.example.test", "api.example.test", "localhost"],
                        "redirect_hosts": { "www.example.test": "app.example.test" },
                        "certificates": [
                            { "cert": "tls/app.pem", "key": "tls/app.key" },
                            { "cert": "tls/api.pem", "key": "tls/api.key" },
                        ],
                        "min_version": "1.2",
                        "hsts": { "max_age": "365d", "include_subdomains": true, "preload": false },
                    },
                },
                "admin": { "bind": "127.0.0.1:0" },
                "secrets": { "session": { "env": "SESSION_SECRET" }, "model_key": { "env": "MODEL_KEY" } },
                "upstreams": { "chatbot": {
                    "servers": [upstream], "inject": { "x-model-key": "Bearer {secret.model_key}" },
                } },
                "identities": { "session": {
                    "kind": "jwt", "issuer": ISSUER, "audience": [AUDIENCE], "algorithms": ["HS256"],
                    "keys": { "secret": "session" }, "leeway": "5s",
                    "claims": { "user": "sub", "tenant": "org_id", "roles": "roles", "scopes": "scope" },
                    "forward": { "x-user-id": "user", "x-tenant-id": "tenant", "x-roles": "roles" },
                } },
                "defaults": {
                    "upstream": "chatbot", "identity": "session", "body": { "max": "64KiB" },
                    "timeouts": { "connect": "2s", "first_byte": "20s", "stream_idle": "60s" },
                },
                "routes": routes(),
                "logs": {
                    "access": { "format": "json", "to": "stdout", "headers": ["user-agent"], "query": ["page"] },
                    "redact": ["bearer", "email"],
                },
            }),
        }
    }

    /// Sets `listen.limits.idle` and the like, making the maps on the way.
    pub fn set(&mut self, path: &str, value: impl Into<Value>) -> &mut Self {
        let mut at = &mut self.root;
        for key in path.split('.') {
            if !at.is_object() {
                *at = Value::Object(Map::new());
            }
            at = at.as_object_mut().unwrap().entry(key).or_insert(Value::Null);
        }
        *at = value.into();
        self
    }

    /// Takes a key away.
    pub fn remove(&mut self, path: &str) -> &mut Self {
        let (parent, key) = path.rsplit_once('.').unwrap_or(("", path));
        let pointer: String =
            parent.split('.').filter(|part| !part.is_empty()).fold(String::new(), |p, part| p + "/" + part);
        let map = self.root.pointer_mut(&pointer).and_then(Value::as_object_mut).expect(path);
        map.shift_remove(key).unwrap_or_else(|| panic!("{path} is not in the configuration"));
        self
    }

    /// One more route.
    pub fn add_route(&mut self, route: Value) -> &mut Self {
        self.root["routes"].as_array_mut().unwrap().push(route);
        self
    }

    /// The route of this name.
    pub fn route(&mut self, name: &str) -> &mut Value {
        let routes = self.root["routes"].as_array_mut().unwrap();
        routes.iter_mut().find(|route| route["name"] == name).unwrap_or_else(|| panic!("no route {name}"))
    }

    /// The file's text.
    pub fn yaml(&self) -> String {
        let mut text = String::new();
        block(&self.root, 0, &mut text);
        text
    }
}

fn routes() -> Value {
    let both = json!(["path.tenant", "body:/tenant_id"]);
    let large = json!({ "body.max": "documents up to 10 MiB" });
    json!([
        { "name": "health", "match": "GET /healthz", "public": "the uptime monitor has no account" },
        { "name": "assets", "match": "GET /assets/**", "public": "static files" },
        { "name": "login", "match": "POST /auth/login", "public": "this is where a session begins", "body": { "max": "4KiB" } },
        { "name": "list", "match": "GET /v1/{tenant}/conversations", "tenant": "path.tenant" },
        { "name": "create", "match": "POST /v1/{tenant}/conversations", "tenant": both },
        { "name": "documents", "match": "POST /v1/{tenant}/documents", "tenant": both,
          "body": { "max": "10MiB" }, "relax": large },
        { "name": "files", "match": "POST /v1/{tenant}/files", "tenant": "path.tenant",
          "body": { "max": "10MiB" }, "relax": large },
        { "name": "events", "match": "GET /v1/{tenant}/events/{stream}", "tenant": "path.tenant" },
        { "name": "chat", "match": "POST /openai/v1/chat/completions" },
        { "name": "anything", "match": "* /any/**" },
        { "name": "admin", "match": "* /admin/**", "require": { "roles": ["admin"] } },
        { "name": "writers", "match": "POST /writers/**", "require": { "scopes": ["chat:write"] } },
        { "name": "careful", "match": "GET /careful/**", "require": { "claims": { "mfa": true } } },
        { "name": "socket", "match": "GET /ws", "websocket": true },
    ])
}

fn block(value: &Value, indent: usize, text: &mut String) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                let _ = write!(text, "{:indent$}{}:", "", plain(key));
                nested(value, indent, text);
            }
        }
        Value::Array(items) => {
            for item in items {
                let from = text.len();
                if scalar(item) {
                    let _ = writeln!(text, "{:indent$}- {item}", "");
                } else {
                    block(item, indent + 2, text);
                    text.replace_range(from + indent..from + indent + 2, "- ");
                }
            }
        }
        scalar => {
            let _ = writeln!(text, "{:indent$}{scalar}", "");
        }
    }
}

fn nested(value: &Value, indent: usize, text: &mut String) {
    if scalar(value) {
        let _ = writeln!(text, " {value}");
    } else {
        text.push('\n');
        block(value, indent + 2, text);
    }
}

/// What fits behind a key: JSON's scalars and empty collections are YAML's.
fn scalar(value: &Value) -> bool {
    match value {
        Value::Object(map) => map.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => true,
    }
}

fn plain(key: &str) -> String {
    let simple = key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte));
    if simple && !key.is_empty() { key.to_owned() } else { Value::from(key).to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_block_yaml() {
        let tree = json!({ "a": { "b": [1, { "c": "x", "d": [] }], "/p": "q: r" }, "e": true });
        let text = Configuration { root: tree }.yaml();
        assert_eq!(text, "a:\n  b:\n    - 1\n    - c: \"x\"\n      d: []\n  \"/p\": \"q: r\"\ne: true\n");
    }

    #[test]
    fn one_thing_can_be_changed() {
        let mut configuration = Configuration::complete("http://127.0.0.1:1");
        configuration.set("listen.limits.idle", "1s").remove("upstreams.chatbot.inject");
        configuration.route("list")["public"] = json!("why");
        assert_eq!(configuration.root["listen"]["limits"]["idle"], "1s");
        assert_eq!(configuration.root["upstreams"]["chatbot"].get("inject"), None);
        assert!(configuration.yaml().contains("public: \"why\""));
    }
}
