//! Characters that must not reach a terminal or a page as they are.

/// Replaces control characters and bidirectional controls by a dot: in names they would move the cursor or
/// reverse the text that follows.
pub fn escape_control(text: &str) -> String {
    text.chars().map(|character| if alters_display(character) { '·' } else { character }).collect()
}

/// Whether a character alters how others are displayed instead of being displayed.
pub fn alters_display(character: char) -> bool {
    character.is_control() || matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn displayed_text_never_alters_the_text_around_it() {
        let text = "a\u{1b}[31mb\rc\u{9b}2Jd\u{202e}e\u{2066}f\0g\u{7f}";
        assert_eq!(escape_control(text), "a·[31mb·c·2Jd·e·f·g·");
        assert_eq!(escape_control("Zoë – עברית"), "Zoë – עברית");
    }
}
