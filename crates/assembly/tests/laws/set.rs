//! A record is a function of the set of notifications.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::Value;

use crate::{
    config,
    play::{collect, same, violations},
    shuffled_streams,
    stream::Note,
    streams,
};

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_order_makes_the_same_records((stream, order) in shuffled_streams()) {
        let shuffled = order.iter().map(|(at, _)| &stream.notes[*at]);
        same(&collect(&stream.notes), &collect(shuffled))?;
        same(&collect(&stream.notes), &collect(stream.notes.iter().rev()))?;
    }

    #[test]
    fn duplicates_change_nothing((stream, again) in shuffled_streams()) {
        let again = again.iter().filter(|(_, number)| number % 3 > 0).map(|(at, _)| &stream.notes[*at]);
        let doubled = stream.notes.iter().chain(again);
        same(&collect(&stream.notes), &collect(doubled))?;
    }

    #[test]
    fn a_second_subscription_changes_nothing((stream, second) in shuffled_streams()) {
        let second: Vec<Note> = second.iter().filter(|(_, n)| n % 4 > 0).map(|(at, _)| stream.notes[*at].again()).collect();
        let alone = collect(&stream.notes);
        same(&alone, &collect(stream.notes.iter().chain(&second)))?;
        same(&alone, &collect(second.iter().chain(&stream.notes)))?;
    }

    #[test]
    fn batching_changes_nothing(stream in streams()) {
        let single: Vec<Note> = stream.notes.iter().flat_map(Note::split).collect();
        same(&collect(&stream.notes), &collect(&single))?;
    }

    #[test]
    fn bare_bodies_make_the_same_records_in_any_order((stream, order) in shuffled_streams()) {
        let bare: Vec<Note> = stream.notes.iter().map(Note::bare).collect();
        let shuffled = order.iter().map(|(at, _)| &bare[*at]);
        same(&collect(&bare), &collect(shuffled))?;
    }

    #[test]
    fn no_record_contradicts_itself(stream in streams()) {
        prop_assert_eq!(violations(&collect(&stream.notes)), Vec::<String>::new());
    }

    #[test]
    fn every_leg_is_in_one_call(stream in streams()) {
        let mut places: BTreeMap<(String, String), u32> = BTreeMap::new();
        for call in &collect(&stream.notes) {
            let account = call.account_id.as_deref().unwrap_or_default();
            for leg in &call.legs {
                *places.entry((account.to_owned(), leg.id.to_string())).or_default() += 1;
            }
        }
        let legs = || stream.notes.iter().flat_map(|note| note.parties.iter().map(move |party| (note, party)));
        let text_replies: BTreeSet<(String, String)> =
            legs().filter(|(_, party)| is_text_reply(party)).map(|(note, party)| leg(note, party)).collect();
        for leg in legs().map(|(note, party)| leg(note, party)) {
            // A text reply begins no leg.
            let expected: &[Option<&u32>] = if text_replies.contains(&leg) { &[Some(&1), None] } else { &[Some(&1)] };
            prop_assert!(expected.contains(&places.get(&leg)), "{:?}: {:?}", leg, places.get(&leg));
        }
    }
}

/// A leg's account and id.
fn leg(note: &Note, party: &Value) -> (String, String) {
    let party = party["id"].as_str().unwrap_or_default();
    (note.account.unwrap_or_default().to_owned(), format!("{}/{party}", note.session))
}

fn is_text_reply(party: &Value) -> bool {
    party["status"]["reason"] == "CallReplied"
}
