//! What an import tells its operator: nothing is dropped silently.

use std::fmt;

/// How much a remark matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weight {
    /// It is not in the result.
    Lost,
    /// It is in the result, and does something else than it did.
    Changed,
    /// It is in the result and does the same, or there is nothing that it would have to do.
    Told,
}

/// One thing that an operator should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Remark {
    pub(super) weight: Weight,
    /// The rule, list or ruleset.
    pub(super) about: String,
    /// The reason: a sentence without its full stop.
    pub(super) what: String,
}

/// What was found, in the order in which it was found.
#[derive(Clone, Debug, Default)]
pub(super) struct Report {
    remarks: Vec<Remark>,
    /// How many rules are in the result.
    pub(super) rules: usize,
    /// How many of the export are disabled.
    pub(super) disabled: usize,
}

impl Report {
    pub(super) fn lost(&mut self, about: impl Into<String>, what: impl Into<String>) {
        self.add(Weight::Lost, about, what);
    }

    pub(super) fn changed(&mut self, about: impl Into<String>, what: impl Into<String>) {
        self.add(Weight::Changed, about, what);
    }

    pub(super) fn told(&mut self, about: impl Into<String>, what: impl Into<String>) {
        self.add(Weight::Told, about, what);
    }

    fn add(&mut self, weight: Weight, about: impl Into<String>, what: impl Into<String>) {
        let remark = Remark { weight, about: line(&about.into()), what: line(&what.into()) };
        let mut same = self.remarks.iter().rev().take_while(|seen| seen.about == remark.about);
        if !same.any(|seen| *seen == remark) {
            self.remarks.push(remark);
        }
    }

    /// Takes back what was said of something that is lost after all.
    pub(super) fn forget(&mut self, about: &str) {
        let about = line(about);
        self.remarks.retain(|remark| remark.about != about);
    }

    /// Whether everything that did something still does it.
    pub(super) fn is_complete(&self) -> bool {
        self.remarks.iter().all(|remark| remark.weight == Weight::Told)
    }

    #[cfg(test)]
    pub(super) fn remarks(&self) -> &[Remark] {
        &self.remarks
    }
}

/// A name from an export, on one line.
pub(super) fn line(text: &str) -> String {
    text.split(|letter: char| letter.is_control() || letter.is_whitespace())
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (weight, title) in [
            (Weight::Lost, "Not carried over"),
            (Weight::Changed, "Carried over, and not the same"),
            (Weight::Told, "Good to know"),
        ] {
            let remarks = self.remarks.iter().filter(|remark| remark.weight == weight);
            let lines: Vec<_> =
                remarks.map(|remark| format!("  {}: {}\n", remark.about, remark.what)).collect();
            if !lines.is_empty() {
                write!(f, "{title}:\n{}\n", lines.concat())?;
            }
        }
        let plural = |count: usize| if count == 1 { "rule" } else { "rules" };
        write!(f, "{} {} carried over", self.rules, plural(self.rules))?;
        let is_lost = |remark: &&Remark| remark.weight == Weight::Lost && remark.about.starts_with("rule ");
        let lost = self.remarks.iter().filter(is_lost).count();
        if lost > 0 {
            write!(f, ", {lost} not")?;
        }
        if self.disabled > 0 {
            write!(f, ", {} disabled and left as comments", self.disabled)?;
        }
        writeln!(f)
    }
}
