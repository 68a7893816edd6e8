//! An API's description is held to: what it does not describe has not reached the backend.

use harness::stage::stage_with;
use harness::{Ask, Backend, Certificates, Site, Stage, json};

/// A shop, as OpenAPI 3.0 in JSON.
fn pets() -> String {
    json!({
        "openapi": "3.0.3", "info": { "title": "Pets", "version": "1" },
        "servers": [{ "url": "https://{host}/any/{version}", "variables": {
            "host": { "default": "api.example.test" }, "version": { "default": "v1" },
        } }],
        "paths": {
            "/pets": {
                "get": { "operationId": "listPets", "parameters": [
                    { "name": "limit", "in": "query", "schema": { "type": "integer", "minimum": 0, "maximum": 100, "exclusiveMinimum": true } },
                    { "name": "status", "in": "query", "schema": { "type": "array", "items": { "type": "string", "enum": ["sold", "free"] } } },
                    { "$ref": "#/components/parameters/Trace" },
                    { "name": "theme", "in": "cookie", "schema": { "type": "string", "enum": ["dark"] } },
                ], "responses": { "200": { "description": "pets" } } },
                "post": { "operationId": "createPet", "requestBody": { "required": true, "content": {
                    "application/json": { "schema": { "$ref": "#/components/schemas/Pet" } },
                } }, "responses": { "201": { "description": "made" } } },
            },
            "/pets/{petId}": {
                "parameters": [{ "name": "petId", "in": "path", "required": true, "schema": { "type": "integer", "format": "int64" } }],
                "get": { "responses": {} }, "delete": { "responses": {} },
            },
            "/pets/{petId}/photo": {
                "parameters": [{ "name": "petId", "in": "path", "required": true, "schema": { "type": "integer" } }],
                "put": { "requestBody": { "content": { "image/*": { "schema": { "type": "string", "format": "binary" } } } }, "responses": {} },
            },
        },
        "components": {
            "parameters": { "Trace": { "name": "X-Trace", "in": "header", "schema": { "type": "string", "pattern": "^[0-9a-f]{4}$" } } },
            "schemas": { "Pet": {
                "type": "object", "required": ["name"], "additionalProperties": false,
                "discriminator": { "propertyName": "kind" }, "xml": { "name": "pet" },
                "properties": {
                    "name": { "type": "string", "maxLength": 9, "example": "rex" }, "kind": { "type": "string", "nullable": true },
                    "kin": { "type": "array", "items": { "$ref": "#/components/schemas/Pet" } },
                },
            } },
        },
    })
    .to_string()
}

/// A chatbot, as OpenAPI 3.1 in YAML.
const CHAT: &str = r##"
openapi: 3.1.0
info: { title: Chat, version: "1" }
servers:
  - url: /openai/v1
paths:
  /chat/completions:
    post:
      requestBody:
        required: true
        content:
          application/json:
            schema: { $ref: "#/components/schemas/Request" }
      responses:
        "200": { description: an answer }
components:
  schemas:
    Request:
      type: object
      required: [model, messages]
      properties:
        model: { type: string }
        temperature: { type: [number, "null"], minimum: 0, maximum: 2 }
        messages:
          type: array
          minItems: 1
          items: { $ref: "#/components/schemas/Message" }
    Message:
      oneOf:
        - type: object
          required: [role, content]
          properties: { role: { const: user }, content: { type: string, maxLength: 20 } }
        - type: object
          required: [role]
          properties: { role: { const: assistant } }
"##;

/// The whole of it, for a route that has a description of its own.
const ALL: &str = r#"{ "openapi": "3.1.0", "paths": {
    "/healthz": { "get": { "parameters": [{ "name": "fence", "in": "query", "schema": { "type": "integer" } }] } },
    "/openai/v1/chat/completions": { "post": { "requestBody": { "content": { "*/*": {} } },
        "parameters": [{ "name": "trace", "in": "query", "schema": { "type": "boolean" } }] } },
    "/any/v1/pets": { "get": {}, "post": { "requestBody": { "content": { "*/*": {} } } }, "patch": {} },
    "/any/v1/pets/{id}": { "parameters": [{ "name": "id", "in": "path", "schema": {} }], "get": {}, "delete": {} },
    "/any/v1/pets/{id}/photo": { "parameters": [{ "name": "id", "in": "path", "schema": {} }], "put": { "requestBody": { "content": { "*/*": {} } } } }
} }"#;

async fn staged() -> Stage {
    let certificates = Certificates::new();
    let site = Site::furnished(&certificates);
    site.write("apis/pets.json", &pets());
    site.write("apis/chat.yaml", CHAT);
    site.write("apis/all.json", ALL);
    stage_with(Backend::http().await, certificates, site, |c| {
        c.set("defaults.openapi", "apis/all.json");
        c.route("anything")["openapi"] = json!("apis/pets.json");
        c.route("chat")["openapi"] = json!("apis/chat.yaml");
    })
    .await
}

fn ask(method: &str, path: &str) -> Ask {
    Ask::new(method, path)
}

fn send(method: &str, path: &str, kind: &str, body: &'static str) -> Ask {
    Ask::new(method, path).header("content-type", kind).body(body)
}

fn rows() -> Vec<(Ask, &'static str)> {
    let (pets, chat, json) = ("/any/v1/pets", "/openai/v1/chat/completions", "application/json");
    let query = |query: &str| ask("GET", &format!("{pets}?{query}"));
    vec![
        (ask("GET", pets), "200"),
        (query("limit=7&status=sold&status=free&other=x"), "200"),
        (ask("GET", pets).header("x-trace", "00ff").header("cookie", "theme=dark"), "200"),
        (ask("HEAD", "/any/v1/pets/7"), "200"),
        (ask("DELETE", "/any/v1/pets/7"), "200"),
        (send("POST", pets, json, r#"{"name":"rex","kind":null,"kin":[{"name":"max"}]}"#), "200"),
        (send("PUT", "/any/v1/pets/7/photo", "image/gif", "GIF89a"), "200"),
        (
            send(
                "POST",
                chat,
                json,
                r#"{"model":"m","messages":[{"role":"user","content":"hi"}],"temperature":null}"#,
            ),
            "200",
        ),
        (query("limit=0"), "422 schema_invalid"),
        (query("limit=7&limit=8"), "422 schema_invalid"),
        (query("limit=7&Limit=800"), "422 schema_invalid"),
        (query("status=lost"), "422 schema_invalid"),
        (ask("GET", pets).header("x-trace", "zz"), "422 schema_invalid"),
        (ask("GET", pets).header("cookie", "theme=light"), "422 schema_invalid"),
        (ask("GET", "/any/v1/pets/rex"), "422 schema_invalid"),
        (send("POST", pets, json, r#"{"name":"0123456789"}"#), "422 schema_invalid"),
        (send("POST", pets, json, r#"{"name":"rex","kin":[{}]}"#), "422 schema_invalid"),
        (send("POST", pets, json, r#"{"name":"rex","name":"max"}"#), "400 body_invalid"),
        (send("POST", pets, "text/plain", "rex"), "415 media_type"),
        (send("PUT", "/any/v1/pets/7/photo", json, "{}"), "415 media_type"),
        (send("DELETE", "/any/v1/pets/7", json, "{}"), "415 media_type"),
        (send("POST", chat, json, r#"{"model":"m","messages":[]}"#), "422 schema_invalid"),
        (send("POST", chat, json, r#"{"model":"m","messages":[{"role":"system"}]}"#), "422 schema_invalid"),
        (
            send(
                "POST",
                &format!("{chat}?trace=maybe"),
                json,
                r#"{"model":"m","messages":[{"role":"assistant"}]}"#,
            ),
            "422 schema_invalid",
        ),
        (ask("GET", "/any/v1/users"), "404 no_route"),
        (ask("GET", "/any/pets"), "404 no_route"),
        (ask("PATCH", pets), "405 method_not_allowed"),
        (ask("GET", "/assets/app.js"), "404 no_route"),
    ]
}

#[tokio::test]
async fn only_what_is_described_arrives() {
    let stage = staged().await;
    let token = stage.token();
    for client in [stage.http1(), stage.http2()] {
        for (ask, verdict) in rows() {
            let before = stage.backend.requests().len();
            let (what, reply) =
                (format!("{} {}", ask.method, ask.target), client.send(ask.bearer(&token)).await);
            // A HEAD has no body in which a code could stand.
            assert_eq!(reply.verdict(), verdict, "{what}, {:?}: {}", reply.version, reply.text());
            let arrived = stage.backend.requests().len() - before;
            assert_eq!(arrived, usize::from(verdict == "200"), "{what}");
        }
    }
}

#[tokio::test]
async fn a_refusal_says_what_to_mend_and_no_value() {
    let stage = staged().await;
    let token = stage.token();
    let told = async |ask: Ask| {
        let reply = stage.send(ask.bearer(&token)).await;
        assert!(!reply.text().contains("secret"), "values stay with the client: {}", reply.text());
        reply
    };
    let reply = told(ask("GET", "/any/v1/pets?limit=secret&status=free&status=secret")).await;
    assert_eq!(
        reply.json()["errors"],
        json!([{ "pointer": "query.limit", "keyword": "type" }, { "pointer": "query.status/1", "keyword": "enum" }])
    );
    let body = r#"{"name":"rex","kin":[{"name":"a secret name"}]}"#;
    let reply = told(send("POST", "/any/v1/pets", "application/json", body)).await;
    assert_eq!(reply.json()["errors"], json!([{ "pointer": "/kin/0/name", "keyword": "maxLength" }]));
    let reply = told(Ask::new("POST", "/any/v1/pets").header("content-length", "0")).await;
    assert_eq!(reply.json()["errors"], json!([{ "pointer": "", "keyword": "required" }]));
    let reply = told(ask("PATCH", "/any/v1/pets")).await;
    assert_eq!(reply.header("allow"), "GET, HEAD, POST");
    stage.assert_untouched().await;
}
