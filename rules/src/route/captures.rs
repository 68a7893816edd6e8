//! What a pattern's `{name}` and `**` stood for in a path.

use super::pattern::Pattern;

/// The most names a pattern may capture: their places are kept without allocation.
pub const MAX_CAPTURES: usize = 16;

/// Where in a path the captured values are; to keep beside an owned path. See [`super::Table::captures`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spans {
    pub(super) leaf: usize,
    len: usize,
    places: [(u32, u32); MAX_CAPTURES],
    rest: Option<u32>,
}

impl Spans {
    pub(super) fn new() -> Self {
        Self { leaf: 0, len: 0, places: [(0, 0); MAX_CAPTURES], rest: None }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// A place that does not fit is lost, and its name then reads as absent: closed.
    pub(super) fn push(&mut self, start: usize, end: usize) {
        if let (Some(place), Ok(start), Ok(end)) =
            (self.places.get_mut(self.len), u32::try_from(start), u32::try_from(end))
        {
            *place = (start, end);
            self.len += 1;
        }
    }

    pub(super) fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    pub(super) fn rest_from(&mut self, start: usize) {
        self.rest = u32::try_from(start).ok();
    }
}

/// The values that the matched pattern captured, decoded.
#[derive(Clone, Copy, Debug)]
pub struct Captures<'a> {
    pattern: &'a Pattern,
    text: &'a str,
    spans: Spans,
}

impl<'a> Captures<'a> {
    pub(super) fn new(pattern: &'a Pattern, text: &'a str, spans: Spans) -> Self {
        Self { pattern, text, spans }
    }

    /// The value of `{name}`: one decoded segment, never empty, path parameters (`;x`) included.
    pub fn get(&self, name: &str) -> Option<&'a str> {
        self.iter().find_map(|(own, value)| (own == name).then_some(value))
    }

    /// Names with their values, from the left.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        let Self { pattern, text, spans } = *self;
        let values = spans.places.into_iter().take(spans.len);
        pattern.names.iter().zip(values).filter_map(move |(name, (start, end))| {
            Some((&**name, text.get(usize::try_from(start).ok()?..usize::try_from(end).ok()?)?))
        })
    }

    /// What `**` stood for, its leading slash included: for `/files/**` and `/files/a/b` it is `/a/b`, for
    /// `/files` it is empty. `None` if the pattern has no `**`.
    pub fn rest(&self) -> Option<&'a str> {
        self.text.get(usize::try_from(self.spans.rest?).ok()?..)
    }

    /// The pattern that matched.
    pub fn pattern(&self) -> &'a Pattern {
        self.pattern
    }

    /// The places alone, to keep beside an owned path.
    pub fn spans(&self) -> Spans {
        self.spans
    }
}
