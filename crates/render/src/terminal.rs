//! Text output for terminals: colours, width, and safe characters.

use unicode_width::UnicodeWidthStr;

/// What the terminal can show.
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
    /// A pipe or a file: no colours.
    pub const PLAIN: Self = Self { width: 100, color: false, unicode: true };

    /// Colours a text, if colours are shown.
    pub fn paint(self, text: &str, color: Color) -> String {
        match (self.color, color) {
            (false, _) | (_, Color::None) => text.to_owned(),
            (true, color) => format!("\x1b[{}m{text}\x1b[0m", color.code()),
        }
    }
}

/// A colour of the terminal's own palette, which is readable on light and dark backgrounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Color {
    /// The default colour.
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

/// Truncates or pads a text to a number of columns.
pub fn fit(text: &str, columns: usize, unicode: bool) -> String {
    if text.width() <= columns {
        return format!("{text}{}", " ".repeat(columns - text.width()));
    }
    let ellipsis = if unicode { "…" } else { "~" };
    let mut cut = String::new();
    for character in text.chars() {
        if cut.width() + unicode_width::UnicodeWidthChar::width(character).unwrap_or(0) + 1 > columns {
            break;
        }
        cut.push(character);
    }
    let padding = columns.saturating_sub(cut.width() + 1);
    format!("{cut}{ellipsis}{}", " ".repeat(padding))
}
