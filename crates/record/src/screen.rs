//! What a screen can show, and writing on it.

use unicode_width::UnicodeWidthStr;

/// How to write for people: in colour or not, how wide, with which characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Screen {
    /// Columns.
    pub width: usize,
    /// Whether colours are shown.
    pub color: bool,
    /// Whether characters beyond ASCII are shown.
    pub unicode: bool,
}

impl Screen {
    /// For a pipe or a file: no colours.
    pub const PLAIN: Self = Self { width: 100, color: false, unicode: true };

    /// A text in a colour, if there are colours.
    pub fn paint(self, text: &str, color: Color) -> String {
        match (self.color, color) {
            (false, _) | (_, Color::None) => text.to_owned(),
            (true, color) => format!("\x1b[{}m{text}\x1b[0m", color.code()),
        }
    }
}

/// A colour of the terminal's own palette, which is readable on light and on dark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Color {
    /// As it is.
    None,
    /// Bold.
    Strong,
    /// Less important.
    Faint,
    /// Red.
    Red,
    /// Green.
    Green,
    /// Yellow.
    Yellow,
    /// Blue.
    Blue,
    /// Magenta.
    Magenta,
    /// Cyan.
    Cyan,
}

impl Color {
    fn code(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Strong => 1,
            Self::Faint => 2,
            Self::Red => 31,
            Self::Green => 32,
            Self::Yellow => 33,
            Self::Blue => 34,
            Self::Magenta => 35,
            Self::Cyan => 36,
        }
    }
}

/// Cuts or fills a text to a number of columns.
pub fn fit(text: &str, columns: usize, unicode: bool) -> String {
    if text.width() <= columns {
        return format!("{text}{}", " ".repeat(columns - text.width()));
    }
    let more = if unicode { "…" } else { "~" };
    let mut cut = String::new();
    for character in text.chars() {
        if cut.width() + unicode_width::UnicodeWidthChar::width(character).unwrap_or(0) + 1 > columns {
            break;
        }
        cut.push(character);
    }
    let filling = columns.saturating_sub(cut.width() + 1);
    format!("{cut}{more}{}", " ".repeat(filling))
}

/// Control characters in names would move the cursor, and signs of direction would turn what follows around: they are shown
/// as a dot.
pub fn harmless(text: &str) -> String {
    text.chars().map(|character| if is_harmful(character) { '·' } else { character }).collect()
}

/// Whether a character changes how others are shown instead of being shown.
pub(crate) fn is_harmful(character: char) -> bool {
    character.is_control() || matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_is_shown_changes_what_is_around_it() {
        let text = "a\u{1b}[31mb\rc\u{9b}2Jd\u{202e}e\u{2066}f\0g\u{7f}";
        assert_eq!(harmless(text), "a·[31mb·c·2Jd·e·f·g·");
        assert_eq!(harmless("Zoë – עברית"), "Zoë – עברית");
    }
}
