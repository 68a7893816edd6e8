//! The checks: every place of one request names the same tenant, and it is one of the caller's.

use std::borrow::Cow;
use std::sync::Arc;

use http::header::CONTENT_TYPE;
use serde_json::Value;

use super::{Tenant, Wanted};
use crate::content::{self, Content};
use crate::policy::{BodyGate, HeadGate, Policy, Verdict};
use crate::query;
use crate::spot::Spot;
use crate::strict_json::{self, Kind};
use crate::verdict::{Code, Refusal};
use crate::view::{Reading, View};

/// The places of one route, by the stage at which they can be read.
pub(super) struct Places {
    head: Vec<Wanted>,
    body: Vec<Wanted>,
    /// The query's parameters: Rack, PHP and servlet containers put a form's fields beside them or before them.
    parameters: Vec<Wanted>,
}

impl Places {
    pub(super) fn new(wanted: &[Wanted]) -> Arc<Self> {
        let (body, head): (Vec<_>, Vec<_>) =
            wanted.iter().cloned().partition(|wanted| matches!(wanted.spot, Spot::Body(_)));
        let parameters =
            head.iter().filter(|wanted| matches!(wanted.spot, Spot::Query(_))).cloned().collect();
        Arc::new(Self { head, body, parameters })
    }

    /// The place that stands for those in the head, and for those in the body.
    pub(super) fn stages(&self) -> (Option<&Wanted>, Option<&Wanted>) {
        (self.head.first(), self.body.first().or(self.parameters.first()))
    }

    fn ask_head(&self, view: &View<'_>, agreement: &mut Agreement<'_>) -> Verdict {
        if !self.parameters.is_empty() && is_of(view, b"multipart/") {
            return Err(mismatch("a multipart body could name another tenant than the query"));
        }
        for wanted in &self.head {
            let named = wanted.spot.in_head(view);
            let named = named.map_err(|why| mismatch(format!("{}: {why}", wanted.spot)))?;
            agreement.hear(&wanted.spot, wanted.optional, named.as_deref())?;
        }
        Ok(())
    }

    fn read<'b>(&self, view: &View<'_>, content: &'b Content<'_>) -> Result<Document<'b>, Refusal> {
        if content.bytes().is_empty() && self.body.iter().all(|wanted| wanted.optional) {
            return Ok(Document::Nothing);
        }
        match strict_json::kind(view.headers, content.is_unpacked()).map_err(invalid)? {
            Kind::Json => {
                let document = content.json().map_err(|why| invalid(why.to_owned()))?;
                strict_json::check_prototypes(document).map_err(invalid)?;
                Ok(Document::Json(document))
            }
            Kind::Form => match query::find(content.bytes(), "_charset_").map_err(|why| invalid(why.0))? {
                Some(charset) if !charset.eq_ignore_ascii_case("utf-8") => {
                    Err(invalid("the form says that it is not UTF-8"))
                }
                _ => Ok(Document::Form(content.bytes())),
            },
            Kind::Other => Err(invalid("the body's Content-Type is neither application/json nor a form's")),
        }
    }
}

/// Judges the places in the head.
pub(super) struct InHead(pub(super) Arc<Places>);

impl HeadGate for InHead {
    fn judge(&self, view: &View<'_>) -> Verdict {
        self.0.ask_head(view, &mut Agreement::begin(view)?)
    }
}

/// Judges the places in the body, and that they agree with those in the head.
pub(super) struct InBody(pub(super) Arc<Places>);

impl BodyGate for InBody {
    /// A form's fields may be taken for the query's parameters. Rack takes a body without a type, or with an empty
    /// one, for a form; PHP and others read the beginning of a type that is none.
    fn needs(&self, view: &View<'_>) -> bool {
        let untyped = || view.has_body && !matches!(content::media_type(view.headers), Ok(Some(_)));
        !self.0.body.is_empty() || untyped() || is_of(view, b"application/x-www-form-urlencoded")
    }

    fn judge(&self, view: &View<'_>, content: &Content<'_>) -> Verdict {
        if !self.needs(view) {
            return Ok(());
        }
        let mut agreement = Agreement::begin(view)?;
        // Whoever has one tenant only has named it in the head.
        if agreement.own.len() > 1 {
            self.0.ask_head(view, &mut agreement)?;
        }
        let document = self.0.read(view, content)?;
        for wanted in &self.0.body {
            let Spot::Body(pointer) = &wanted.spot else { continue };
            if let Document::Form(_) = document {
                // Some readers look into the query first.
                let spot = Spot::Query(field(pointer)?);
                let named = spot.in_head(view).map_err(|why| mismatch(format!("{spot}: {why}")))?;
                agreement.hear(&spot, true, named.as_deref())?;
            }
            agreement.hear(&wanted.spot, wanted.optional, document.find(pointer)?.as_deref())?;
        }
        if let Document::Form(body) = document {
            for Wanted { spot, .. } in &self.0.parameters {
                let Spot::Query(name) = spot else { continue };
                let named = query::find(body, name).map_err(|why| invalid(why.0))?;
                agreement.hear(spot, true, named.as_deref())?;
            }
        }
        Ok(())
    }
}

enum Document<'b> {
    Json(&'b Value),
    Form(&'b [u8]),
    Nothing,
}

impl Document<'_> {
    fn find(&self, pointer: &str) -> Result<Option<Cow<'_, str>>, Refusal> {
        match self {
            Self::Nothing => Ok(None),
            Self::Form(body) => query::find(body, &field(pointer)?).map_err(|why| invalid(why.0)),
            Self::Json(document) => match strict_json::find(document, pointer).map_err(invalid)? {
                Some(Value::String(named)) => Ok(Some(Cow::Borrowed(named))),
                Some(_) => Err(mismatch(format!("body:{pointer} is not a string"))),
                None => Ok(None),
            },
        }
    }
}

/// The field of a form that a pointer means.
fn field(pointer: &str) -> Result<String, Refusal> {
    match pointer.strip_prefix('/') {
        Some(name) if !name.contains('/') => Ok(name.replace("~1", "/").replace("~0", "~")),
        _ => Err(invalid("a form has no members within members")),
    }
}

fn is_of(view: &View<'_>, kind: &[u8]) -> bool {
    let start = view.headers.get(CONTENT_TYPE).and_then(|field| field.as_bytes().get(..kind.len()));
    start.is_some_and(|start| start.eq_ignore_ascii_case(kind))
}

/// What the places of one request have named so far.
struct Agreement<'v> {
    own: &'v [String],
    named: Option<&'v str>,
}

impl<'v> Agreement<'v> {
    /// A caller without a tenant may not even name none: the backend would have nothing to go by.
    fn begin(view: &View<'v>) -> Result<Self, Refusal> {
        let Some(caller) = view.caller else {
            let private = "there is no caller to compare the tenant with";
            return Err(Refusal::new(Code::TokenMissing, Tenant::KEY, private));
        };
        match &caller.tenants {
            Reading::Value(own) if !own.is_empty() => Ok(Self { own, named: None }),
            Reading::Value(_) | Reading::Absent => Err(mismatch("the token has no tenant")),
            Reading::Unreadable => Err(mismatch("the token's tenant cannot be read")),
        }
    }

    fn hear(&mut self, spot: &Spot, optional: bool, named: Option<&str>) -> Verdict {
        let Some(named) = named else {
            let absent = || mismatch(format!("{spot} is not in the request"));
            return if optional { Ok(()) } else { Err(absent()) };
        };
        // Bytes are compared as they are: no case folding, no trimming, no normal form.
        let Some(own) = self.own.iter().find(|own| *own == named) else {
            return Err(mismatch(format!("{spot} names a tenant that is not the caller's")));
        };
        match self.named.replace(own) {
            Some(before) if before != own => {
                Err(mismatch(format!("{spot} names another of the caller's tenants than the place before")))
            }
            _ => Ok(()),
        }
    }
}

fn mismatch(private: impl Into<Cow<'static, str>>) -> Refusal {
    Refusal::new(Code::TenantMismatch, Tenant::KEY, private)
}

fn invalid(why: impl Into<Cow<'static, str>>) -> Refusal {
    Refusal::new(Code::BodyInvalid, Tenant::KEY, why)
}
