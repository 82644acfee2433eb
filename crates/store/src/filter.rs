//! The filter of call queries.

use wholecall_record::{
    Call, ParticipantId,
    call::{Direction, EndState, MoveKind, Outcome, State},
};

use crate::search_index::{self, TermKind};

/// Conditions that a call must match. `None` in a field: not limited by it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// The end of a participant's number in any spelling, or a whole short number of an extension.
    pub number: Option<String>,
    /// A participant's extension id.
    pub extension: Option<String>,
    /// A part of a participant's name, in any case.
    pub name: Option<String>,
    /// A queue's extension id.
    pub queue: Option<String>,
    /// A kind of move.
    pub move_kind: Option<MoveKind>,
    /// The direction.
    pub direction: Option<Direction>,
    /// The result.
    pub result: Option<Outcome>,
    /// The state.
    pub state: Option<State>,
    /// The customer: participant id, extension id, or number in any spelling.
    pub customer: Option<String>,
    /// The participant who answered first: id, extension id or number.
    pub answered_by: Option<String>,
    /// A person of the account who talked: id, extension id or number.
    pub user: Option<String>,
    /// The customer's state when the call ended.
    pub end_state: Option<EndState>,
    /// Started at this time or later, milliseconds since 1970.
    pub from_ms: Option<i64>,
    /// Started before this time.
    pub to_ms: Option<i64>,
}

impl Filter {
    /// The digits that the number must end with, last digit first. `None` without a number.
    pub(crate) fn number_digits(&self) -> Option<String> {
        digits_of(self.number.as_deref()?)
    }

    /// Whether the filter's number matches a full number.
    pub fn names(&self, number: &str) -> bool {
        let (digits, number) = (self.number_digits(), search_index::reversed_digits(number));
        digits.zip(number).is_some_and(|(digits, number)| number_matches(&number, &digits))
    }

    /// The terms that a call must have, except names and numbers, which may match in part.
    pub(crate) fn exact_terms(&self) -> Vec<(TermKind, &str)> {
        let mut terms = Vec::new();
        terms.extend(self.extension.as_deref().map(|value| (TermKind::Extension, value)));
        terms.extend(self.queue.as_deref().map(|value| (TermKind::Queue, value)));
        terms.extend(self.move_kind.map(|kind| (TermKind::Move, kind.as_str())));
        terms
    }

    /// The persons whose role must be checked in the record, because terms do not contain roles.
    pub(crate) fn people(&self) -> impl Iterator<Item = &str> {
        [&self.customer, &self.answered_by, &self.user].into_iter().filter_map(Option::as_deref)
    }

    fn matches_people(&self, call: &Call) -> bool {
        let is = |wanted: &Option<String>, ids: &[ParticipantId]| {
            wanted.as_deref().is_none_or(|wanted| ids.iter().any(|id| is_named_by(call, id, wanted)))
        };
        is(&self.customer, call.customer.as_slice())
            && is(&self.answered_by, call.answered_by.as_slice())
            && is(&self.user, &call.users)
    }

    /// Whether a record matches.
    pub fn matches(&self, call: &Call) -> bool {
        let start_ms = call.start_time.as_millis();
        let terms = search_index::terms_of(call);
        let has = |kind: TermKind, is: &dyn Fn(&str) -> bool| {
            terms.keys().any(|(other, value)| *other == kind && is(value))
        };
        self.direction.is_none_or(|direction| call.direction == direction)
            && self.result.is_none_or(|result| call.result == result)
            && self.state.is_none_or(|state| call.state == state)
            && self.end_state.is_none_or(|state| call.end_state == Some(state))
            && self.matches_people(call)
            && self.from_ms.is_none_or(|from| start_ms >= from)
            && self.to_ms.is_none_or(|to| start_ms < to)
            && self.exact_terms().into_iter().all(|(kind, value)| has(kind, &|other| other == value))
            && self.number.is_none()
                | self
                    .number_digits()
                    .is_some_and(|digits| has(TermKind::Number, &|number| number_matches(number, &digits)))
            && self.name.as_deref().is_none_or(|name| {
                let name = name.to_lowercase();
                has(TermKind::Name, &|other| other.contains(&name))
            })
    }
}

/// The digits that a number must end with, last digit first. `None` if the text has no digits.
///
/// What people write before the significant digits is dropped: `+`, the international prefix `00`, a trunk `0` as in
/// `020 7946 0000` or `+44 (0)20`.
pub(crate) fn digits_of(number: &str) -> Option<String> {
    let digits = search_index::reversed_digits(&number.replace("(0)", ""))?;
    let significant = digits.trim_end_matches('0');
    Some(if significant.is_empty() || digits.len() <= 6 { digits } else { significant.to_owned() })
}

/// Whether a text is a participant's id, extension id or number.
fn is_named_by(call: &Call, id: &ParticipantId, text: &str) -> bool {
    if **id == *text || id.extension_id() == Some(text) {
        return true;
    }
    let Some(digits) = digits_of(text).filter(|_| !text.contains(':') || text.starts_with("tel:")) else {
        return false;
    };
    let participant = call.participant(id);
    let known = participant.and_then(|one| one.phone_number.as_deref()).into_iter().chain(id.number());
    let short = participant.and_then(|one| one.extension_number.as_deref());
    known
        .chain(short)
        .filter_map(search_index::reversed_digits)
        .any(|number| number_matches(&number, &digits))
}

/// Whether a number ends with some digits, both last digit first; up to six digits are an extension and must match as
/// a whole.
pub(crate) fn number_matches(number: &str, digits: &str) -> bool {
    match digits.len() {
        ..=6 => number == digits,
        _ => number.starts_with(digits),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digits(number: &str) -> String {
        let filter = Filter { number: Some(number.to_owned()), ..Filter::default() };
        filter.number_digits().unwrap().chars().rev().collect()
    }

    #[test]
    fn all_spellings_of_a_number_have_the_same_end() {
        for spelling in ["+1 404 555 0145", "(404) 555-0145", "404.555.0145", "4045550145", "0014045550145"] {
            let wanted = digits(spelling);
            assert!("14045550145".ends_with(&wanted), "{spelling}: {wanted}");
        }
        for spelling in ["+44 20 7946 0000", "020 7946 0000", "+44 (0)20 7946 0000", "0044 20 7946 0000"] {
            let wanted = digits(spelling);
            assert!("442079460000".ends_with(&wanted), "{spelling}: {wanted}");
        }
        assert_eq!(digits("104"), "104");
        assert!(!number_matches("5401", "401"));
    }
}
