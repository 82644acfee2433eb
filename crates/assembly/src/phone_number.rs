//! Normal form of phone numbers, so that two spellings of one number compare equal.

use wholecall_record::ShortText;

/// E.164 numbers have up to 15 digits with the country code. Without `+`, only a number of at least 11 digits is
/// taken to include it; a shorter one may be a national number or an extension number.
const INTERNATIONAL_DIGITS: std::ops::RangeInclusive<usize> = 11..=15;

/// A public phone number as `+` and digits. `None` if the text is a short number, a star code, a national number or a
/// word.
pub fn normalized_phone_number(text: &str) -> Option<ShortText> {
    let (has_plus, digits) = match text.trim().strip_prefix('+') {
        Some(rest) => (true, rest),
        None => (false, text.trim()),
    };
    // The most frequent spelling.
    if has_plus && !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(ShortText::from(text.trim()));
    }
    let mut number = ShortText::const_new("+");
    for character in digits.chars() {
        match character {
            '0'..='9' => number.push(character),
            ' ' | '-' | '.' | '(' | ')' | '/' | '\u{a0}' => {}
            _ => return None,
        }
    }
    let count = number.len() - 1;
    let is_public = if has_plus { count > 0 } else { INTERNATIONAL_DIGITS.contains(&count) };
    is_public.then_some(number)
}

#[cfg(test)]
mod tests {
    use super::normalized_phone_number;

    #[test]
    fn spellings_of_one_number_are_equal() {
        for spelling in
            ["+14045550123", "14045550123", "+1 404-555-0123", "+1 (404) 555.0123", " +1404\u{a0}5550123 "]
        {
            assert_eq!(normalized_phone_number(spelling).as_deref(), Some("+14045550123"), "{spelling}");
        }
    }

    #[test]
    fn what_is_no_public_number_has_no_form() {
        for other in [
            "",
            "+",
            "104",
            "4045550123",
            "*67",
            "*6714045550123",
            "anonymous",
            "+1404x",
            "1".repeat(16).as_str(),
        ] {
            assert_eq!(normalized_phone_number(other), None, "{other}");
        }
    }
}
