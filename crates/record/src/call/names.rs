//! Names of participants and sides.

use super::{Call, Kind, Participant, Side};
use crate::ParticipantId;

/// The name to display: the name, else the number, else the extension, else `Anonymous`.
pub fn display_name(name: Option<&str>, number: Option<&str>, extension: Option<&str>) -> String {
    match (name, number, extension) {
        (Some(name), ..) => name.to_owned(),
        (None, Some(number), _) => phone_number(number),
        (None, None, Some(extension)) => format!("Extension {extension}"),
        (None, None, None) => "Anonymous".to_owned(),
    }
}

/// A phone number with groups: `+1 212 555 0147`. Only numbers of the North American Numbering Plan are
/// grouped, because grouping differs between countries.
pub fn phone_number(number: &str) -> String {
    match number.strip_prefix("+1") {
        Some(rest) if rest.len() == 10 && rest.bytes().all(|byte| byte.is_ascii_digit()) => {
            format!("+1 {} {} {}", &rest[..3], &rest[3..6], &rest[6..])
        }
        _ => number.to_owned(),
    }
}

/// The name to display. Records of earlier versions have no `displayName`: then the name, else the number,
/// else the kind.
pub fn name_of(participant: &Participant) -> String {
    if !participant.display_name.is_empty() {
        return participant.display_name.to_string();
    }
    let number = participant.phone_number.as_deref();
    match (participant.name.as_deref(), number, &*participant.id) {
        (Some(name), ..) => name.to_owned(),
        (None, Some(number), _) => number.to_owned(),
        (None, None, id) if id.starts_with("anon:") => "anonymous".to_owned(),
        (None, None, _) => match (participant.kind, participant.extension_id.as_deref()) {
            (Kind::Router, Some(extension)) => format!("menu or rule {extension}"),
            (_, Some(extension)) => format!("extension {extension}"),
            (_, None) => participant.id.to_string(),
        },
    }
}

/// The name, with the number if that adds something.
pub fn name_and_number(participant: &Participant) -> String {
    match (&participant.name, &participant.phone_number) {
        (Some(name), Some(number)) if !is_same_number(name, number) => {
            format!("{name} ({})", phone_number(number))
        }
        _ => name_of(participant),
    }
}

/// Whether a name only repeats a number, in any spelling: `+1 212-555-0147`, `(212) 555-0147`.
pub fn is_same_number(name: &str, number: &str) -> bool {
    let is_number_like = |text: &str| text.chars().all(|c| c.is_ascii_digit() || "+-(). /".contains(c));
    let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
    let (name_digits, number_digits) = (digits(name), digits(number));
    // A national number is a suffix of its international form.
    const MIN_NATIONAL_DIGITS: usize = 7;
    name == number
        || is_number_like(name)
            && (name_digits == number_digits
                || name_digits.len() >= MIN_NATIONAL_DIGITS && number_digits.ends_with(&name_digits))
}

impl Call {
    /// The participant with an id; `None` if it is not in the record.
    pub fn participant(&self, id: &ParticipantId) -> Option<&Participant> {
        self.participants.iter().find(|participant| participant.id == *id)
    }

    /// The name to display for a participant of the call.
    pub fn name(&self, id: Option<&ParticipantId>) -> String {
        let Some(id) = id else { return "an unknown party".to_owned() };
        self.participant(id).map_or_else(|| id.to_string(), name_of)
    }

    /// The same with the user for whom an outside telephone rings: `+1 917-555-0166 (for Ben Booth)`.
    pub fn name_and_user(&self, id: &ParticipantId) -> String {
        let user = self.participant(id).and_then(|participant| participant.on_behalf_of.as_ref());
        match user {
            Some(user) => format!("{} (for {})", self.name(Some(id)), self.name(Some(user))),
            None => self.name(Some(id)),
        }
    }

    /// `rings for …`, for an outside telephone; `None` for any other participant.
    pub fn rings_for(&self, participant: &Participant) -> Option<String> {
        let user = participant.on_behalf_of.as_ref()?;
        let inferred = if participant.inferred { " (inferred)" } else { "" };
        Some(format!("rings for {}{inferred}", self.name(Some(user))))
    }

    /// Name and number of the caller, or of what was dialled.
    pub fn side_in_full(&self, side: &Side) -> String {
        match side.participant.as_ref().and_then(|id| self.participant(id)) {
            Some(participant) => name_and_number(participant),
            None => name_of_side(side),
        }
    }

    /// The participant whose activity and end state the record states: the customer, else the caller.
    pub fn served(&self) -> Option<&ParticipantId> {
        self.customer.as_ref().or(self.from.participant.as_ref())
    }

    /// Whether the talk time is an upper bound: a conversation includes a party that was not observed
    /// on the line.
    pub fn is_talk_inferred(&self) -> bool {
        self.conversations.iter().any(|talk| talk.inferred)
    }
}

/// The name to display for a side of a call without a known participant.
pub fn name_of_side(side: &Side) -> String {
    let displayed = Some(&*side.display_name).filter(|name| !name.is_empty());
    let known =
        [displayed, side.name.as_deref(), side.phone_number.as_deref(), side.extension_number.as_deref()];
    known.into_iter().flatten().next().unwrap_or("unknown").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_not_a_name() {
        for name in ["+12125550147", "12125550147", "+1 212-555-0147", "(212) 555-0147"] {
            assert!(is_same_number(name, "+12125550147"), "{name}");
        }
        for name in ["Ann Avery", "47", "", "+1 212-555-0148"] {
            assert!(!is_same_number(name, "+12125550147"), "{name}");
        }
    }
}
