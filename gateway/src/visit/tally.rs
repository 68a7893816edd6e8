//! What is counted of a request.

use http::HeaderValue;
use rules::limit::Learns;
use rules::meter::Ask;

/// A request's questions to counters, and what has become of them.
#[derive(Default)]
pub struct Tally {
    asks: Vec<Ask>,
    sources: Vec<Source>,
    end: End,
    /// What the client is told of limits that are announced: policy and what is left.
    pub announced: Vec<(HeaderValue, HeaderValue)>,
}

/// Who asks.
#[derive(Clone, Copy)]
pub enum Source {
    /// The limit at this place among the route's.
    Limit(usize, Learns),
    /// The rule at this place in the file.
    Rule(usize),
}

/// What has become of the questions.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum End {
    /// They were looked at, at most.
    #[default]
    Open,
    /// They are counted.
    Charged,
    /// One refused, so none is counted.
    Denied,
}

impl Tally {
    /// Adds a question.
    pub fn push(&mut self, ask: Ask, source: Source) {
        self.asks.push(ask);
        self.sources.push(source);
    }

    /// The questions, in order.
    pub fn asks(&self) -> &[Ask] {
        &self.asks
    }

    /// The questions with who asks them.
    pub fn asked(&self) -> impl Iterator<Item = (&Ask, Source)> {
        self.asks.iter().zip(self.sources.iter().copied())
    }

    /// Whether there is something left to charge.
    pub fn is_open(&self) -> bool {
        self.end == End::Open && !self.asks.is_empty()
    }

    /// Whether the request was counted.
    pub fn is_charged(&self) -> bool {
        self.end == End::Charged
    }

    /// Everything is counted.
    pub fn charged(&mut self) {
        self.end = End::Charged;
    }

    /// One refused, so none is counted.
    pub fn denied(&mut self) {
        self.end = End::Denied;
    }
}
