//! Request bodies: of a described type, and of the form that the type's schema asks for.

use super::document::{Document, Part};
use crate::content::{self, is_json};
use crate::schema::Schema;
use crate::view::View;

/// What an operation says of its body.
#[derive(Debug)]
pub(super) struct Body {
    pub(super) required: bool,
    /// The most exact first.
    types: Vec<(Range, Option<Schema>)>,
}

/// A media type, or several.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Range {
    Type(String),
    /// With its slash.
    Family(String),
    Any,
}

impl Range {
    fn covers(&self, essence: &str) -> bool {
        match self {
            Self::Type(own) => own == essence,
            Self::Family(family) => essence.starts_with(family.as_str()),
            Self::Any => true,
        }
    }

    /// Whether JSON can be of it.
    fn takes_json(&self) -> bool {
        match self {
            Self::Type(own) => is_json(own),
            Self::Family(family) => matches!(family.as_str(), "application/" | "text/"),
            Self::Any => true,
        }
    }
}

impl Body {
    pub(super) fn compile(document: &Document, part: &Part<'_>) -> Result<Self, String> {
        let part = document.follow(part)?;
        let content = part
            .get("content")
            .filter(|content| content.value.as_object().is_some_and(|map| !map.is_empty()));
        let content = content.ok_or_else(|| part.flaw("the request body has no `content`"))?;
        let mut types = Vec::new();
        for (name, media) in content.members() {
            let essence = name.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
            let range = match essence.split_once('/') {
                Some(("*", "*")) => Range::Any,
                Some((family, "*")) if !family.is_empty() => Range::Family(format!("{family}/")),
                Some((family, kind)) if !essence.contains('*') && !family.is_empty() && !kind.is_empty() => {
                    Range::Type(essence)
                }
                _ => return Err(media.flaw(format!("`{name}` is not a media type"))),
            };
            let media = document.follow(&media)?;
            let schema = media.get("schema").filter(|_| range.takes_json());
            let schema = schema.map(|schema| document.schema(&schema)).transpose()?;
            if types.iter().any(|(known, _)| *known == range) {
                return Err(media.flaw("the media type is there twice but for its parameters"));
            }
            types.push((range, schema));
        }
        types.sort_by(|(left, _), (right, _)| left.cmp(right));
        Ok(Self { required: part.says("required"), types })
    }

    pub(super) fn has_schema(&self) -> bool {
        self.types.iter().any(|(_, schema)| schema.is_some())
    }

    /// The schema for the request's body, if it needs to fit one.
    ///
    /// # Errors
    /// When its type is not described: a sentence for the log.
    pub(super) fn schema(&self, view: &View<'_>) -> Result<Option<&Schema>, &'static str> {
        let essence =
            content::media_type(view.headers)?.ok_or("a body without a Content-Type is anything")?;
        let found = self.types.iter().find(|(range, _)| range.covers(&essence));
        let (_, schema) = found.ok_or("the operation does not take a body of this Content-Type")?;
        Ok(schema.as_ref().filter(|_| is_json(&essence)))
    }
}
