//! Horizontal bars as SVG, by hand: groups of bars, a value at each, an axis with its unit.

use std::fmt::{self, Write as _};

/// One bar.
pub(crate) struct Bar {
    /// Whose.
    pub(crate) name: String,
    /// How long, in the axis' unit.
    pub(crate) value: f64,
    /// From where to where it moved over the rounds.
    pub(crate) spread: Option<(f64, f64)>,
}

/// Bars that belong together.
pub(crate) struct Group {
    /// Above them.
    pub(crate) name: String,
    /// In this order.
    pub(crate) bars: Vec<Bar>,
}

/// A picture.
pub(crate) struct Picture<'a> {
    /// Above it.
    pub(crate) title: &'a str,
    /// What the axis says: quantity, unit, and which way is better.
    pub(crate) axis: &'a str,
    /// What a reader who does not see it is told.
    pub(crate) alt: &'a str,
    /// The bars.
    pub(crate) groups: &'a [Group],
}

const WIDTH: f64 = 800.0;
/// Where bars begin; names stand left of it.
const LEFT: f64 = 190.0;
/// The room that bars have; values stand right of it.
const LONGEST: f64 = 520.0;
const TOP: f64 = 48.0;
const ROW: f64 = 20.0;
const BAR: f64 = 14.0;
const HEADING: f64 = 28.0;
const FOOT: f64 = 58.0;

/// Text and ground change with the reader's scheme. The picture brings its own ground: a page may follow another
/// setting than the browser does.
const STYLE: &str = "\
.ground{fill:#fff}.text{fill:#1f2430}.quiet{fill:#5b6472}.line{stroke:#d5d9e0}.spread{stroke:#1f2430}\
.own{fill:#2463c9}.floor{fill:#8d95a3}.peer{fill:#c9a24b}\
@media(prefers-color-scheme:dark){.ground{fill:#14171d}.text{fill:#e8ebf0}.quiet{fill:#a3acba}\
.line{stroke:#343a45}.spread{stroke:#e8ebf0}.own{fill:#6ba4ff}.floor{fill:#6d7685}.peer{fill:#b48a2e}}\
text{font-family:system-ui,sans-serif;font-size:12px}";

impl Picture<'_> {
    /// The file's text.
    pub(crate) fn svg(&self) -> Result<String, fmt::Error> {
        let step = step(self.most());
        let scale = LONGEST / (step * (self.most() / step).ceil().max(1.0));
        let rows: f64 = self.groups.iter().map(|group| HEADING + ROW * count(group.bars.len())).sum();
        let (bottom, height) = (TOP + rows + 4.0, TOP + rows + FOOT);
        let mut text = String::new();
        write!(
            text,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height:.0}\" width=\"{WIDTH}\" \
             height=\"{height:.0}\" role=\"img\" aria-labelledby=\"title alt\">\n<title id=\"title\">{}</title>\n\
             <desc id=\"alt\">{}</desc>\n<style>{STYLE}</style>\n\
             <rect class=\"ground\" width=\"{WIDTH}\" height=\"{height:.0}\" rx=\"8\"/>\n\
             <text class=\"text\" x=\"20\" y=\"30\" style=\"font-size:16px;font-weight:600\">{}</text>\n",
            plain(self.title),
            plain(self.alt),
            plain(self.title)
        )?;
        self.ticks(&mut text, step, scale, bottom)?;
        let mut y = TOP;
        for group in self.groups {
            let name = plain(&group.name);
            let middle = y + 18.0;
            writeln!(
                text,
                "<text class=\"text\" x=\"20\" y=\"{middle}\" style=\"font-weight:600\">{name}</text>"
            )?;
            y += HEADING;
            for bar in &group.bars {
                bar.draw(&mut text, y, scale)?;
                y += ROW;
            }
        }
        text.push_str("</svg>\n");
        Ok(text)
    }

    fn most(&self) -> f64 {
        let bars = self.groups.iter().flat_map(|group| &group.bars);
        bars.map(|bar| bar.spread.map_or(bar.value, |(_, most)| most.max(bar.value))).fold(0.0, f64::max)
    }

    /// The axis: lines with their values, and what they count.
    fn ticks(&self, text: &mut String, step: f64, scale: f64, bottom: f64) -> fmt::Result {
        let mut value = 0.0;
        while value * scale <= LONGEST + 0.5 {
            let (x, below, shown) = (LEFT + value * scale, bottom + 16.0, number(value));
            writeln!(
                text,
                "<line class=\"line\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{TOP}\" y2=\"{bottom:.1}\"/>\
                 <text class=\"quiet\" x=\"{x:.1}\" y=\"{below:.1}\" text-anchor=\"middle\">{shown}</text>"
            )?;
            value += step;
        }
        let (middle, below) = (LEFT + LONGEST / 2.0, bottom + 38.0);
        writeln!(
            text,
            "<text class=\"quiet\" x=\"{middle}\" y=\"{below:.1}\" text-anchor=\"middle\">{}</text>",
            plain(self.axis)
        )
    }
}

impl Bar {
    fn draw(&self, text: &mut String, y: f64, scale: f64) -> fmt::Result {
        let (width, baseline) = ((self.value * scale).max(1.0), y + 11.5);
        let weight = if self.kind() == "own" { "600" } else { "400" };
        let (name, before) = (plain(&self.name), LEFT - 8.0);
        writeln!(
            text,
            "<text class=\"text\" x=\"{before}\" y=\"{baseline:.1}\" text-anchor=\"end\" \
             style=\"font-weight:{weight}\">{name}</text>\
             <rect class=\"{}\" x=\"{LEFT}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{BAR}\" rx=\"2\"/>",
            self.kind()
        )?;
        let mut end = LEFT + width;
        if let Some((least, most)) = self.spread.filter(|(least, most)| least < most) {
            let (from, to, middle) = (LEFT + least * scale, LEFT + most * scale, y + BAR / 2.0);
            writeln!(
                text,
                "<line class=\"spread\" x1=\"{from:.1}\" x2=\"{to:.1}\" y1=\"{middle:.1}\" y2=\"{middle:.1}\"/>"
            )?;
            end = end.max(to);
        }
        let (after, value) = (end + 6.0, number(self.value));
        writeln!(
            text,
            "<text class=\"text\" x=\"{after:.1}\" y=\"{baseline:.1}\" style=\"font-weight:{weight}\">{value}</text>"
        )
    }

    /// Its colour's name: ours, the floor's or a peer's.
    fn kind(&self) -> &'static str {
        if self.name.starts_with("portcullis") {
            "own"
        } else if self.name.starts_with("bare") || self.name.starts_with("floor") {
            "floor"
        } else {
            "peer"
        }
    }
}

/// A round distance between ticks, for about five of them.
fn step(most: f64) -> f64 {
    if most <= 0.0 {
        return 1.0;
    }
    let power = 10_f64.powf((most / 5.0).log10().floor());
    let part = most / 5.0 / power;
    power * [1.0, 2.0, 2.5, 5.0].into_iter().find(|round| part <= *round).unwrap_or(10.0)
}

/// Three digits that count, with commas: 0.52, 6.3, 98, 2,882.
pub(crate) fn number(value: f64) -> String {
    let digits = match value.abs() {
        below if below == 0.0 || below >= 20.0 => 0,
        below if below >= 2.0 => 1,
        _ => 2,
    };
    let text = format!("{value:.digits$}");
    let (whole, rest) = text.split_once('.').map_or((text.as_str(), None), |(a, b)| (a, Some(b)));
    let mut shown = String::new();
    for (nth, digit) in whole.chars().enumerate() {
        if nth > 0 && digit.is_ascii_digit() && (whole.len() - nth).is_multiple_of(3) && !shown.ends_with('-')
        {
            shown.push(',');
        }
        shown.push(digit);
    }
    match rest.map(|rest| rest.trim_end_matches('0')).filter(|rest| !rest.is_empty()) {
        Some(rest) => format!("{shown}.{rest}"),
        None => shown,
    }
}

fn plain(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn count(number: usize) -> f64 {
    f64::from(u16::try_from(number).unwrap_or(u16::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_ticks_round() {
        assert_eq!([0.0, 0.517, 6.3, 98.4, 2_882.2].map(number), ["0", "0.52", "6.3", "98", "2,882"]);
        assert_eq!(number(1_234_567.0), "1,234,567");
        assert_eq!(number(1.0), "1");
        for (most, expected) in [(487.0, 100.0), (92.0, 20.0), (2_882.0, 1_000.0), (6.3, 2.0), (0.0, 1.0)] {
            assert!((step(most) - expected).abs() < 1e-9, "{most}: {}", step(most));
        }
    }

    #[test]
    fn a_bar_is_as_long_as_its_value_and_text_is_escaped() {
        let bar =
            |name: &str, value, spread| Bar { name: name.to_owned(), value, spread: Some((value, spread)) };
        let groups = [Group {
            name: "TLS <h1>".to_owned(),
            bars: vec![bar("portcullis", 50.0, 50.0), bar("nginx", 100.0, 100.0)],
        }];
        let picture =
            Picture { title: "a & b", axis: "µs, less is better", alt: "\"bars\"", groups: &groups };
        let svg = picture.svg().unwrap();
        assert!(svg.contains("width=\"260.0\"") && svg.contains("width=\"520.0\""), "{svg}");
        assert!(svg.contains("TLS &lt;h1&gt;") && svg.contains("a &amp; b") && svg.contains("&quot;bars"));
        assert!(
            svg.contains("class=\"own\"")
                && svg.contains("class=\"peer\"")
                && !svg.contains("x1=\"450.0\" x2=\"450.0\" y1=\"83")
        );
    }
}
