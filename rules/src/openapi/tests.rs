use std::net::{IpAddr, Ipv4Addr};
use std::sync::LazyLock;

use http::header::{CONTENT_TYPE, COOKIE};
use http::{HeaderMap, HeaderValue};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::path::Path;
use crate::strict_json::Limits;

/// A description with one parameter's description of `parameter` and the rest as it has to be.
fn with_parameter(parameter: &Value) -> Value {
    json!({ "openapi": "3.1.0", "paths": { "/a/{id}": { "get": { "parameters": [
        { "name": "id", "in": "path", "required": true, "schema": {} }, parameter,
    ] } } } })
}

fn with_body(body: &Value) -> Value {
    json!({ "openapi": "3.1.0", "paths": { "/a": { "post": { "requestBody": body } } },
        "components": { "schemas": {
            "Bad": { "properties": { "x": { "type": "objekt" } } },
            "Twisted": { "properties": { "x": { "pattern": "(a)\\1" } } },
            "Bridge": { "$ref": "#/components/schemas/Twisted" },
        } } })
}

fn query(schema: &Value) -> Value {
    with_parameter(&json!({ "name": "q", "in": "query", "schema": schema }))
}

fn json_body(schema: &Value) -> Value {
    with_body(&json!({ "content": { "application/json": { "schema": schema } } }))
}

fn paths(paths: &Value) -> Value {
    json!({ "openapi": "3.0.3", "paths": paths })
}

fn server(url: &str) -> Value {
    json!({ "openapi": "3.1.0", "servers": [{ "url": url }], "paths": { "/a": { "get": {} } } })
}

#[expect(clippy::too_many_lines, reason = "a table")]
fn flaws() -> Vec<(Value, &'static str)> {
    let (q, body) = ("at /paths/~1a~1{id}/get/parameters/1", "at /paths/~1a/post/requestBody");
    let second = with_parameter;
    let told =
        |place: &str, why: &str| -> &'static str { Box::leak(format!("{place}{why}").into_boxed_str()) };
    vec![
        (json!([]), "at its root: an OpenAPI description is an object"),
        (json!({}), "at /openapi: the version"),
        (json!({ "openapi": "2.0", "paths": {} }), "at /openapi: the version"),
        (json!({ "openapi": 3.1, "paths": {} }), "at /openapi: the version"),
        (
            json!({ "openapi": "3.1.0", "jsonSchemaDialect": "http://json-schema.org/draft-04/schema" }),
            "at /jsonSchemaDialect: only",
        ),
        (json!({ "openapi": "3.1.0" }), "at /paths: no operation"),
        (server("api/v1"), "at /servers/0: the base path of `api/v1`"),
        (server("//api.test/v1"), "at /servers/0: the base path"),
        (server("https://api.test/{v}"), "at /servers/0: `/{v}` is no base path"),
        (paths(&json!({ "a": { "get": {} } })), "at /paths/a: the path `a` does not begin"),
        (
            paths(&json!({ "/a/{x}.json": { "get": {} } })),
            "at /paths/~1a~1{x}.json/get: a capture is a whole segment",
        ),
        (paths(&json!({ "/a/{x}/{x}": { "get": {} } })), "at /paths/~1a~1{x}~1{x}: `{x}` is there twice"),
        (paths(&json!({ "/a?x=1": { "get": {} } })), "at /paths/~1a?x=1/get: only the path"),
        (paths(&json!({ "/a": { "trace": {} } })), "at /paths/~1a/trace: TRACE is never served"),
        (
            paths(&json!({ "/a/{x}": { "get": {} } })),
            "at /paths/~1a~1{x}/get: the path parameter `x` is not described",
        ),
        (paths(&json!({ "/a": { "get": {}, "servers": [] } })), "at /paths/~1a/servers: `servers` of a path"),
        (
            paths(&json!({ "/a": { "get": { "servers": [] } } })),
            "at /paths/~1a/get/servers: `servers` of an operation",
        ),
        (
            paths(&json!({ "/a": { "$ref": "other.yaml#/a" } })),
            "at /paths/~1a/$ref: the reference `other.yaml#/a` leads out",
        ),
        (paths(&json!({ "/a": { "$ref": "#/none" } })), "at /paths/~1a: `#/none` leads nowhere"),
        (paths(&json!({ "/a": { "$ref": "#/paths/~1a" } })), "at /paths/~1a: the references go in a circle"),
        (
            with_parameter(&json!({ "$ref": "https://example.com/x" })),
            told(q, "/$ref: the reference `https://example.com/x` leads out"),
        ),
        (second(&json!({ "in": "query", "schema": {} })), told(q, ": the parameter has no `name`")),
        (second(&json!({ "name": "q", "in": "body", "schema": {} })), told(q, ": `in` is not one of")),
        (second(&json!({ "name": "q", "in": "query" })), told(q, ": the parameter has no `schema`")),
        (
            second(&json!({ "name": "q", "in": "query", "content": {} })),
            told(q, ": a parameter with `content`"),
        ),
        (
            second(&json!({ "name": "q", "in": "query", "style": "deepObject", "schema": {} })),
            told(q, ": `style: deepObject`"),
        ),
        (second(&json!({ "name": "x", "in": "path", "schema": {} })), told(q, ": the path has no `{x}`")),
        (
            second(&json!({ "name": "x_y", "in": "header", "schema": {} })),
            told(q, ": no request has a header `x_y`"),
        ),
        (
            second(&json!({ "name": "c", "in": "cookie", "schema": { "type": "array" } })),
            told(q, ": a list in a cookie"),
        ),
        (query(&json!({ "type": "object" })), told(q, ": a parameter that is an object")),
        (query(&json!({ "allOf": [{ "properties": {} }] })), told(q, ": a parameter that is an object")),
        (
            query(&json!({ "type": ["array", "string"] })),
            told(q, ": a parameter that is a list or something else"),
        ),
        (query(&json!({ "type": "array", "items": { "type": "array" } })), told(q, ": a list of lists")),
        (query(&json!({ "minimum": "1" })), told(q, "/schema/minimum: ")),
        (query(&json!({ "pattern": "(" })), told(q, "/schema")),
        (query(&json!({ "$ref": "#/none" })), told(q, "/schema: `#/none` leads nowhere")),
        (with_body(&json!({})), told(body, ": the request body has no `content`")),
        (
            with_body(&json!({ "content": { "json": {} } })),
            told(body, "/content/json: `json` is not a media type"),
        ),
        (
            with_body(&json!({ "content": { "a/b": {}, "a/b; c=d": {} } })),
            told(body, "/content/a~1b; c=d: the media type is there twice"),
        ),
        (
            json_body(&json!({ "$ref": "#/components/schemas/Bad" })),
            "at /components/schemas/Bad/properties/x/type: ",
        ),
        (
            json_body(&json!({ "items": { "$ref": "#/components/schemas/Bridge" } })),
            "at /components/schemas/Twisted: ",
        ),
        (
            json_body(&json!({ "items": { "$ref": "#/components/schemas/None" } })),
            told(
                body,
                "/content/application~1json/schema/items/$ref: `#/components/schemas/None` leads nowhere",
            ),
        ),
        (
            json_body(&json!({ "items": { "$dynamicRef": "urn:x" } })),
            told(
                body,
                "/content/application~1json/schema/items/$dynamicRef: the reference `urn:x` leads out",
            ),
        ),
        (
            paths(&json!({
                "/a/{x}": { "get": { "parameters": [{ "name": "x", "in": "path", "schema": {} }] } },
                "/a/{y}": { "get": { "parameters": [{ "name": "y", "in": "path", "schema": {} }] } },
            })),
            "at /paths/~1a~1{y}/get: the same requests are described by /paths/~1a~1{x}/get",
        ),
    ]
}

#[test]
fn every_flaw_is_told_with_its_pointer() {
    for (description, told) in flaws() {
        let text = description.to_string();
        let found = Api::compile(description).map(|_| ()).unwrap_err();
        assert!(found.iter().any(|why| why.starts_with(told)), "{text}\nwanted {told}\ntold {found:#?}");
    }
}

/// The code, the faults and the `Allow` field that a request gets.
fn told(
    api: &Api,
    ask: &str,
    fields: &[(http::HeaderName, &str)],
    body: &[u8],
) -> Result<(), (Code, Vec<String>, String)> {
    let (method, target) = ask.split_once(' ').unwrap();
    let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
    let (method, path) = (method.parse().unwrap(), Path::parse(path.as_bytes()).unwrap());
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(name, HeaderValue::from_str(value).unwrap());
    }
    let view = view(&method, &path, query, &headers, !body.is_empty());
    let content = Content::plain(body, Limits::LOOSE);
    api.judge_head(&view).and_then(|()| api.judge_body(&view, &content)).map_err(|refusal| {
        let faults =
            refusal.faults.iter().map(|fault| format!("{} {}", fault.pointer, fault.keyword)).collect();
        let allow = refusal.fields.iter().map(|(_, value)| value.to_str().unwrap()).collect();
        (refusal.code, faults, allow)
    })
}

fn view<'v>(
    method: &'v Method,
    path: &'v Path<'_>,
    query: Option<&'v str>,
    headers: &'v HeaderMap,
    has_body: bool,
) -> View<'v> {
    View {
        method,
        path: path.as_str(),
        target: path.forward(),
        query,
        host: "app.test",
        authority: Some("app.test"),
        has_body,
        headers,
        secure: true,
        client: IpAddr::V4(Ipv4Addr::LOCALHOST),
        certificate: None,
        route: "route",
        webhook: None,
        captures: None,
        caller: None,
        via: None,
        now_ms: 0,
    }
}

fn everything() -> Api {
    Api::compile(json!({
        "openapi": "3.0.3", "servers": [{ "url": "https://{host}.test/{v}/", "variables": { "host": { "default": "a" }, "v": { "default": "v1" } } }],
        "paths": { "/a*b/{petId}/{x}": {
            "parameters": [
                { "name": "petId", "in": "path", "required": true, "schema": { "type": "integer", "minimum": 5, "exclusiveMinimum": true } },
                { "name": "x", "in": "path", "required": true, "schema": { "type": "array", "items": { "$ref": "#/components/schemas/Word" } } },
                { "$ref": "#/components/parameters/limit" },
                { "name": "deep", "in": "query", "required": true, "schema": { "type": "string" } },
            ],
            "post": {
                "parameters": [
                    { "name": "deep", "in": "query", "schema": { "oneOf": [{ "type": "integer" }, { "enum": ["all"] }] } },
                    { "name": "X-List", "in": "header", "schema": { "type": "array", "items": { "type": "number", "maximum": 9 } } },
                    { "name": "Authorization", "in": "header", "required": true, "schema": { "type": "object" } },
                    { "name": "empty", "in": "query", "allowEmptyValue": true, "schema": { "type": "integer" } },
                    { "name": "c", "in": "cookie", "schema": { "type": "string", "maxLength": 4 } },
                ],
                "requestBody": { "$ref": "#/components/requestBodies/Node" },
            },
        } },
        "components": {
            "parameters": { "limit": { "name": "limit", "in": "query", "schema": { "allOf": [{ "maximum": 3 }, { "type": "number" }] } } },
            "requestBodies": { "Node": { "content": { "application/json; charset=utf-8": { "schema": { "$ref": "#/components/schemas/Node" } } } } },
            "schemas": {
                "Word": { "type": "string", "enum": ["a", "b"] },
                "Node": { "type": "object", "properties": { "next": { "allOf": [{ "$ref": "#/components/schemas/Node" }] }, "name": { "type": "string", "nullable": true, "example": 1 } } },
            },
        },
    }))
    .unwrap()
}

#[test]
fn faults_name_their_parameter_and_never_a_value() {
    let api = everything();
    let list = http::HeaderName::from_static("x-list");
    let good = "POST /v1/a%2Ab/6/a,b?deep=all&limit=1.5&empty=";
    assert_eq!(
        told(&api, good, &[(list.clone(), "1, 2.5"), (list.clone(), "3"), (COOKIE, "c=%61")], b""),
        Ok(())
    );
    for (ask, fields, faults) in [
        ("POST /v1/a%2Ab/5/a", &[][..], &["path.petId exclusiveMinimum"][..]),
        ("POST /v1/a%2Ab/6/a,secret", &[], &["path.x/1 enum"]),
        ("POST /v1/a%2Ab/6/a?limit=4&deep=some", &[], &["query.deep oneOf", "query.limit maximum"]),
        ("POST /v1/a%2Ab/6/a?limit=1e999", &[], &["query.limit type"]),
        ("POST /v1/a%2Ab/6/a?empty=x", &[], &["query.empty type"]),
        ("POST /v1/a%2Ab/6/a", &[(list.clone(), "1, x")], &["header.x-list type"]),
        ("POST /v1/a%2Ab/6/a", &[(list.clone(), "1"), (list.clone(), "10")], &["header.x-list/1 maximum"]),
        ("POST /v1/a%2Ab/6/a", &[(COOKIE, "c=secret")], &["cookie.c maxLength"]),
        ("POST /v1/a%2Ab/6/a", &[(COOKIE, "c=a; C=b")], &["cookie.c ambiguous"]),
        ("POST /v1/a%2Ab/6/a?limit=1&limit=1", &[], &["query.limit ambiguous"]),
    ] {
        let (code, found, _) = told(&api, ask, fields, b"").unwrap_err();
        assert_eq!(
            (code, found),
            (Code::SchemaInvalid, faults.iter().map(|fault| (*fault).to_owned()).collect()),
            "{ask}"
        );
    }
}

#[test]
fn bodies_are_told_by_pointer_and_methods_by_name() {
    let api = everything();
    let (ask, json) = ("POST /v1/a%2Ab/6/a", [(CONTENT_TYPE, "application/json")]);
    assert_eq!(told(&api, ask, &json, br#"{"next":{"next":{"name":null}}}"#), Ok(()));
    let (code, faults, _) = told(&api, ask, &json, br#"{"next":{"next":{"name":1}}}"#).unwrap_err();
    assert_eq!((code, faults.as_slice()), (Code::SchemaInvalid, &["/next/next/name type".to_owned()][..]));
    assert_eq!(told(&api, ask, &[], b"{}").unwrap_err().0, Code::MediaType);
    assert_eq!(
        told(&api, "GET /v1/a%2Ab/6/a", &[], b"").unwrap_err(),
        (Code::MethodNotAllowed, vec![], "POST".to_owned())
    );
    assert_eq!(told(&api, "POST /v1/axb/6/a", &[], b"").unwrap_err().0, Code::NoRoute);
}

#[test]
fn an_operation_without_a_schema_reads_no_body() {
    let bare = json!({ "openapi": "3.1.0", "paths": { "/a": { "post": { "requestBody": { "content": { "image/*": { "schema": {} } } } } } } });
    assert!(!Api::compile(bare).unwrap().reads_bodies());
    assert!(everything().reads_bodies());
}

proptest! {
    #[test]
    fn whatever_comes_nothing_panics_and_what_passes_fits(
        path in "/v1/a\\*b/[0-9a,;%]{1,4}/[ab,%;]{1,6}",
        query in "((limit|deep|empty|Limit|tags\\[\\])[=+%;,]{0,2}[0-9.e+%a-]{0,5}[&;]?){0,4}",
        field in "[0-9, .%;\"]{0,12}",
        cookie in "(c|C|x)=[a-z%+\",;= ]{0,10}",
        body in proptest::collection::vec(any::<u8>(), 0..20),
    ) {
        static API: LazyLock<Api> = LazyLock::new(everything);
        let api = &*API;
        let (method, mut headers) = (Method::POST, HeaderMap::new());
        let Ok(path) = Path::parse(path.as_bytes()) else { return Ok(()) };
        headers.insert("x-list", HeaderValue::from_str(&field).unwrap());
        headers.insert(COOKIE, HeaderValue::from_str(&cookie).unwrap());
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let view = view(&method, &path, Some(&query), &headers, !body.is_empty());
        let passed = api.judge_head(&view).is_ok();
        let _ = api.judge_body(&view, &Content::plain(&body, Limits::LOOSE));
        let limit = query.split('&').find_map(|pair| pair.strip_prefix("limit="));
        if let Some(limit) = limit.filter(|_| passed) {
            prop_assert!(limit.parse::<f64>().is_ok_and(|limit| limit <= 3.0), "{query}");
        }
    }
}
