//! A notification id in compact form.

use std::cmp::Ordering;

use wholecall_record::ShortText;

/// A notification id. RingCentral's ids are decimal numbers of up to 19 digits, which need no string of their own;
/// any other id is stored as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Uuid {
    Number(u64),
    #[expect(clippy::box_collection, reason = "rare, and the enum is in every event")]
    Text(Box<String>),
}

impl Uuid {
    pub(crate) fn new(text: &str) -> Self {
        Self::number(text).map_or_else(|| Self::Text(Box::new(text.to_owned())), Self::Number)
    }

    /// The number if formatting it gives the same text.
    fn number(text: &str) -> Option<u64> {
        let digits = text.as_bytes();
        // Nineteen digits cannot overflow.
        if !(1..=19).contains(&digits.len()) || (digits[0] == b'0') {
            return None;
        }
        digits.iter().try_fold(0u64, |value, byte| {
            let digit = byte.wrapping_sub(b'0');
            (digit <= 9).then(|| value * 10 + u64::from(digit))
        })
    }

    pub(crate) fn text(&self) -> ShortText {
        match self {
            Self::Number(number) => ShortText::of(number),
            Self::Text(text) => ShortText::from(text.as_str()),
        }
    }
}

/// Ids are opaque text, so the smallest is the first in text order.
impl Ord for Uuid {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Number(a), Self::Number(b)) if a == b => Ordering::Equal,
            (a, b) => a.text().cmp(&b.text()),
        }
    }
}

impl PartialOrd for Uuid {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The precedence of deliveries of one change: by id; those without an id are last.
pub(crate) fn delivery_order(a: Option<&Uuid>, b: Option<&Uuid>) -> Ordering {
    match (a, b) {
        (Some(a), Some(b)) => a.cmp(b),
        (a, b) => b.is_some().cmp(&a.is_some()),
    }
}

/// Adopts another delivery's id if that one takes precedence; returns whether it does.
pub(crate) fn adopt_smaller(ours: &mut Option<Uuid>, theirs: Option<&Uuid>) -> bool {
    let is_first = delivery_order(ours.as_ref(), theirs) == Ordering::Greater;
    if is_first {
        *ours = theirs.cloned();
    }
    is_first
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_come_back_as_they_were_written() {
        for text in [
            "0",
            "007",
            "7",
            "18446744073709551615",
            "18446744073709551616",
            "",
            "a-b",
            "+5",
            "4654793329359724763",
        ] {
            assert_eq!(Uuid::new(text).text(), text);
        }
    }

    #[test]
    fn ids_are_in_the_order_of_their_text() {
        let mut ids: Vec<Uuid> = ["9", "10", "a", "1", "01"].map(Uuid::new).into();
        ids.sort();
        let texts: Vec<ShortText> = ids.iter().map(Uuid::text).collect();
        assert_eq!(texts, ["01", "1", "10", "9", "a"]);
    }
}
