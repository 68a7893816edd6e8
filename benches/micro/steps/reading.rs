//! `head/…`: what is read of a request before its route is known.

use std::hint::black_box;

use rules::forwarding::Withheld;
use rules::framing::{Head, HeadLimits, inspect};
use rules::host::{Destination, Host, Hosts};
use rules::path::Path;

use crate::visit::{TARGET, fields};
use crate::{Fallible, Run, Step};

const LIMITS: HeadLimits = HeadLimits { bytes: 16_384, fields: 64, target_bytes: 8192 };

pub(crate) fn steps() -> Vec<Step> {
    vec![
        Step::sure("head/framing", || framing("")),
        Step::sure("head/framing refused", || framing("content-length: 1\r\ncontent-length: 2\r\n")),
        Step::new("head/host", host),
        Step::sure("head/path", || path("/v1/acme/conversations/4711/messages")),
        Step::sure("head/path with escapes", || path("/v1/acme/conversations/%C3%BCber%20uns/messages")),
        Step::sure("head/fields that are withheld", withheld),
    ]
}

fn framing(more: &str) -> Run {
    let mut head = format!("GET {TARGET} HTTP/1.1\r\n").into_bytes();
    for (name, value) in &fields() {
        head.extend_from_slice(name.as_str().as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(format!("{more}\r\n").as_bytes());
    let sound = more.is_empty();
    Box::new(move || match inspect(black_box(&head), &LIMITS) {
        Ok(Head::Complete { len }) => sound && len == head.len(),
        Ok(Head::Incomplete) => false,
        Err(refusal) => !sound && black_box(refusal).status().is_client_error(),
    })
}

fn host() -> Fallible<Run> {
    let served = ["app.example.com", "api.example.com"];
    let hosts = Hosts::compile(&served, &[("www.example.com", "app.example.com")]);
    let hosts = hosts.map_err(|errors| format!("{errors:?}"))?;
    Ok(Box::new(move || {
        let host = Host::parse(black_box("App.example.com:443"));
        host.is_some_and(|host| matches!(hosts.find(&host), Destination::Served))
    }))
}

fn path(text: &'static str) -> Run {
    Box::new(move || Path::parse(black_box(text.as_bytes())).is_ok_and(|path| path.as_str().len() > 9))
}

fn withheld() -> Run {
    let withheld = Withheld::new([http::HeaderName::from_static("x-user-id")]);
    let fields = fields();
    Box::new(move || !black_box(&fields).keys().any(|name| withheld.contains(name.as_str())))
}
