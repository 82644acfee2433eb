//! Writes SVG elements.

use std::fmt::Write;

use super::colors::Ink;
use wholecall_record::display::escape_control;

/// The elements so far, from back to front.
#[derive(Debug, Default)]
pub(super) struct Canvas {
    pub(super) svg: String,
}

/// The style of a text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Type {
    pub(super) size: f64,
    pub(super) bold: bool,
    pub(super) ink: Ink,
    pub(super) middle: bool,
}

impl Type {
    pub(super) const fn new(size: f64, ink: Ink) -> Self {
        Self { size, bold: false, ink, middle: false }
    }

    pub(super) const fn bold(self) -> Self {
        Self { bold: true, ..self }
    }

    pub(super) const fn middle(self) -> Self {
        Self { middle: true, ..self }
    }
}

impl Canvas {
    /// Appends markup; writing to a `String` cannot fail.
    pub(super) fn add(&mut self, markup: std::fmt::Arguments<'_>) {
        let _ = self.svg.write_fmt(markup);
    }

    pub(super) fn rect(&mut self, (x, y): (f64, f64), (width, height): (f64, f64), round: f64, ink: Ink) {
        self.add(format_args!(
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"{round}\" \
             class=\"wc-{}\" fill=\"{}\"/>",
            ink.name, ink.light
        ));
    }

    pub(super) fn circle(&mut self, (x, y): (f64, f64), radius: f64, ink: Ink) {
        self.add(format_args!(
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius}\" class=\"wc-{}\" fill=\"{}\"/>",
            ink.name, ink.light
        ));
    }

    /// A line through points.
    pub(super) fn line(&mut self, points: &[(f64, f64)], width: f64, ink: Ink) {
        let points: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        self.add(format_args!(
            "<polyline points=\"{}\" fill=\"none\" class=\"wc-l-{}\" stroke=\"{}\" stroke-width=\"{width}\"/>",
            points.join(" "),
            ink.name,
            ink.light
        ));
    }

    pub(super) fn polygon(&mut self, points: &[(f64, f64)], ink: Ink) {
        let points: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        self.add(format_args!(
            "<polygon points=\"{}\" class=\"wc-{}\" fill=\"{}\"/>",
            points.join(" "),
            ink.name,
            ink.light
        ));
    }

    pub(super) fn text(&mut self, (x, y): (f64, f64), set: Type, text: &str) {
        let weight = if set.bold { " font-weight=\"600\"" } else { "" };
        let anchor = if set.middle { " text-anchor=\"middle\"" } else { "" };
        self.add(format_args!(
            "<text x=\"{x:.1}\" y=\"{y:.1}\" font-size=\"{}\"{weight}{anchor} class=\"wc-{}\" fill=\"{}\">{}</text>",
            set.size,
            set.ink.name,
            set.ink.light,
            escape(text)
        ));
    }
}

/// Escapes a text for markup; control characters, which XML forbids, become dots.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in escape_control(text).chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            other => escaped.push(other),
        }
    }
    escaped
}

/// Widths of the characters from space to `~` in Inter SemiBold, in thousandths of the font size: wider than
/// most screen typefaces.
const WIDTHS: [u16; 95] = [
    252, 321, 523, 644, 650, 1004, 663, 326, 373, 373, 540, 673, 319, 465, 319, 379, 660, 423, 623, 636, 666,
    612, 640, 576, 640, 640, 319, 329, 673, 673, 673, 543, 999, 728, 659, 737, 722, 605, 588, 749, 746, 277,
    580, 703, 565, 922, 759, 769, 645, 773, 652, 650, 660, 736, 728, 1020, 720, 713, 652, 373, 379, 373, 481,
    469, 351, 574, 624, 583, 624, 591, 389, 625, 612, 262, 262, 569, 262, 900, 612, 609, 624, 624, 397, 549,
    353, 612, 587, 839, 569, 588, 566, 455, 359, 455, 673,
];

/// Estimated width of a text, rather too large.
pub(super) fn width(text: &str, size: f64) -> f64 {
    let of = |character: char| match character {
        '0'..='9' => 660.0,
        ' '..='~' => f64::from(WIDTHS[character as usize - 32]).max(280.0),
        '\u{80}'..'\u{1100}' => 680.0,
        _ => 1_050.0,
    };
    text.chars().map(of).sum::<f64>() * size / 1_000.0
}

/// Truncates a text to a width.
pub(super) fn cut(text: &str, size: f64, max_width: f64) -> String {
    if width(text, size) <= max_width {
        return text.to_owned();
    }
    let mut cut = String::new();
    for character in text.chars() {
        cut.push(character);
        if width(&cut, size) + width("…", size) > max_width {
            cut.pop();
            break;
        }
    }
    format!("{}…", cut.trim_end())
}

/// Breaks a text at blanks into lines that fit a width; a word that is too long is truncated.
pub(super) fn wrapped(text: &str, size: f64, max_width: f64) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if width(line, size) + width(word, size) + width(" ", size) <= max_width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(cut(word, size, max_width)),
        }
    }
    lines
}
