//! What is wrong with a configuration, and where.
//!
//! Compilation knows places as paths (`routes[3].tenant`); whoever read the text turns a place into a
//! line and a caret. So no raw type has to carry positions.

use std::fmt;
use std::ops::Range;

/// One step down the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A key of a mapping.
    Key(String),
    /// An item of a list, from 0.
    Item(usize),
}

/// A place in the configuration, from the root.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The steps from the root.
    pub steps: Vec<Step>,
    /// Whether the key itself is meant rather than its value.
    pub on_key: bool,
}

/// What people write to switch a key off or on: `public: false` must not make a route public.
const NO_REASONS: [&str; 14] =
    ["true", "false", "yes", "no", "on", "off", "y", "n", "null", "none", "nil", "~", "0", "1"];

impl Place {
    /// The whole file.
    pub fn root() -> Self {
        Self::default()
    }

    /// The value under `key`.
    #[must_use]
    pub fn key(&self, key: impl Into<String>) -> Self {
        self.step(Step::Key(key.into()))
    }

    /// The item at `index`.
    #[must_use]
    pub fn item(&self, index: usize) -> Self {
        self.step(Step::Item(index))
    }

    /// The last key itself, where the fault is that it is there.
    #[must_use]
    pub fn itself(&self) -> Self {
        Self { on_key: true, ..self.clone() }
    }

    fn step(&self, step: Step) -> Self {
        let mut steps = self.steps.clone();
        steps.push(step);
        Self { steps, on_key: false }
    }

    /// What is wrong with the reason that is written here, if it says nothing.
    pub fn weigh_reason(&self, text: &str) -> Option<Problem> {
        if NO_REASONS.iter().any(|word| word.eq_ignore_ascii_case(text.trim())) {
            let problem = self.problem(format!("`{text}` is not a reason, and any reason switches this on"));
            return Some(problem.remedy("say in a few words why, or remove the key"));
        }
        let empty =
            || self.problem("the reason is empty").remedy("say in a few words why; reviewers will read it");
        text.trim().is_empty().then(empty)
    }

    /// A problem here.
    pub fn problem(&self, message: impl Into<String>) -> Problem {
        Problem { place: self.clone(), message: message.into(), remedy: None, within: None }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, step) in self.steps.iter().enumerate() {
            match step {
                Step::Key(key) if index == 0 => write!(f, "{key}")?,
                Step::Key(key) => write!(f, ".{key}")?,
                Step::Item(item) => write!(f, "[{item}]")?,
            }
        }
        Ok(())
    }
}

/// One thing that is wrong, said so that a person can mend it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// What is wrong: a sentence without its full stop.
    pub message: String,
    /// What to do about it.
    pub remedy: Option<String>,
    /// Which bytes of the text at the place are meant: the text as it was decoded, and not as it is written. None
    /// for the whole of it.
    pub within: Option<Range<usize>>,
}

impl Problem {
    /// The problem with its remedy.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    /// The problem of these bytes of the text, and not of the whole.
    #[must_use]
    pub fn within(mut self, bytes: Range<usize>) -> Self {
        self.within = Some(bytes);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::Place;

    #[test]
    fn a_place_reads_as_people_write_it() {
        assert_eq!(Place::root().key("routes").item(3).key("tenant").to_string(), "routes[3].tenant");
    }
}
