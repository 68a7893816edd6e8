//! Problems as a person or a program reads them.

use std::ffi::OsStr;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use serde_json::{Value, json};

use super::mask;
use super::problem::Problem;
use super::source::{Source, floor};

/// Whether to colour a report: on a terminal, unless `NO_COLOR` is set and not empty (no-color.org).
pub fn wants_colour(terminal: bool, no_color: Option<&OsStr>) -> bool {
    terminal && no_color.is_none_or(OsStr::is_empty)
}

/// The problems of one file.
#[derive(Debug)]
pub struct Report<'a> {
    source: &'a Source,
    problems: &'a [Problem],
    /// The text to show: no secrets in it, and every offset as in the source.
    shown: String,
}

impl<'a> Report<'a> {
    /// A report of problems in the order in which they are given.
    pub fn new(source: &'a Source, problems: &'a [Problem]) -> Self {
        Self { source, problems, shown: mask::masked(source.text()) }
    }

    /// The report in the style of rustc, with a line that counts at the end; empty without problems.
    pub fn text(&self, colour: bool) -> String {
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        let path = self.source.path();
        let count = match self.problems.len() {
            0 => return String::new(),
            1 => format!("1 problem in {path}"),
            more => format!("{more} problems in {path}"),
        };
        let mut text = String::new();
        for problem in self.problems {
            text.push_str(&renderer.render(&[self.group(problem)]));
            text.push_str("\n\n");
        }
        text.push_str(&renderer.render(&[Group::with_title(Level::ERROR.primary_title(count))]));
        text.push('\n');
        text
    }

    /// The report as a list of `{ file, line, column, message, help }`; line and column are null for
    /// the whole file, help where there is none.
    pub fn json(&self) -> Value {
        let problems = self.problems.iter().map(|problem| {
            let place = problem.span.as_ref().map(|span| self.source.place(span.start));
            json!({
                "file": self.source.path(),
                "line": place.map(|place| place.line),
                "column": place.map(|place| place.column),
                "message": problem.message,
                "help": problem.remedy,
            })
        });
        problems.collect()
    }

    fn group<'p>(&'p self, problem: &'p Problem) -> Group<'p> {
        let title = Level::ERROR.primary_title(&problem.message);
        let mut group = match &problem.span {
            Some(span) if !self.shown.is_empty() => title.element(self.snippet(problem, span)),
            _ => title.element(Origin::path(self.source.path())),
        };
        if let Some(remedy) = &problem.remedy {
            group = group.element(Level::HELP.message(remedy));
        }
        group
    }

    fn snippet<'p>(
        &'p self,
        problem: &'p Problem,
        span: &Range<usize>,
    ) -> Snippet<'p, annotate_snippets::Annotation<'p>> {
        // Only the lines in question: rendering costs as much as the text that is handed over.
        let spans = std::iter::once(span).chain(problem.notes.iter().map(|note| &note.span));
        let (first, last) = spans.fold((usize::MAX, 0), |(first, last), span| {
            (first.min(span.start), last.max(self.one_line(span).end))
        });
        let first = floor(&self.shown, first);
        let start = self.shown.get(..first).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1);
        let end =
            self.shown.get(last..).and_then(|rest| rest.find('\n')).map_or(self.shown.len(), |at| last + at);
        let local = |span: &Range<usize>| {
            let span = self.one_line(span);
            span.start.saturating_sub(start)..span.end.saturating_sub(start)
        };
        let lines = self.shown.get(start..end).unwrap_or_default();
        let mut snippet = Snippet::source(lines)
            .path(self.source.path())
            .line_start(self.source.place(start).line)
            .annotation(AnnotationKind::Primary.span(local(span)));
        for note in &problem.notes {
            snippet = snippet.annotation(AnnotationKind::Context.span(local(&note.span)).label(&note.text));
        }
        snippet
    }

    /// A span inside the text, on character boundaries, cut off at the end of its first line.
    fn one_line(&self, span: &Range<usize>) -> Range<usize> {
        let start = floor(&self.shown, span.start);
        let end = floor(&self.shown, span.end).max(start);
        let within = self.shown.get(start..end).unwrap_or_default();
        let line = within.find(['\n', '\r']).map_or(end, |at| start + at);
        start..line
    }
}
