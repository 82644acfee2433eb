//! Labels of values, as people read them.

use wholecall_record::call::{EndState, MoveKind, Outcome, State};
use wholecall_render::humanize;

pub(super) fn result(result: Outcome) -> String {
    sentence_case(humanize::name_of_result(result))
}

pub(super) fn state(state: State) -> &'static str {
    match state {
        State::Live => "In progress",
        State::Complete => "Complete",
        State::Incomplete => "Incomplete",
    }
}

pub(super) fn end_state(state: EndState) -> String {
    sentence_case(humanize::name_of_end_state(state))
}

pub(super) fn move_kind(kind: MoveKind) -> String {
    sentence_case(humanize::name_of_move(kind))
}

fn sentence_case(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().map(|first| first.to_uppercase());
    first.into_iter().flatten().chain(characters).collect()
}

/// The words of a name like `transferTarget`: `transfer target`.
pub(super) fn spaced(name: &str) -> String {
    let mut words = String::new();
    for character in name.chars() {
        if character.is_ascii_uppercase() {
            words.push(' ');
        }
        words.push(character.to_ascii_lowercase());
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_values_become_words() {
        assert_eq!(spaced("transferTarget"), "transfer target");
        assert_eq!(result(Outcome::InProgress), "In progress");
        assert_eq!(move_kind(MoveKind::BlindTransfer), "Blind transfer");
    }
}
