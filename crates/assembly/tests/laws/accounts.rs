//! Accounts are independent of each other.

use proptest::prelude::*;
use wholecall_record::Call;

use crate::{
    config,
    play::{Live, collect, same, text},
    stream::{Note, Recipe},
};

/// Streams of two accounts that use the same ids.
fn streams_of_two_accounts() -> impl Strategy<Value = (Vec<Note>, Vec<Note>, Vec<bool>)> {
    let stream = || {
        let steps = prop::collection::vec(any::<[u8; 10]>(), 1..24);
        (any::<[u8; 16]>(), steps).prop_map(|(mut cast, steps)| {
            cast[1] = 0;
            Recipe { cast, steps }.stream().notes
        })
    };
    (stream(), stream(), prop::collection::vec(any::<bool>(), 96)).prop_map(|(first, mut second, turns)| {
        second.iter_mut().for_each(|note| note.account = Some("802"));
        (first, second, turns)
    })
}

/// Merges two streams.
fn mixed<'n>(first: &'n [Note], second: &'n [Note], turns: &[bool]) -> Vec<&'n Note> {
    let (mut first, mut second) = (first.iter(), second.iter());
    let mut mixed = Vec::new();
    for turn in turns.iter().copied().chain([true, false].into_iter().cycle()) {
        let next = if turn { first.next() } else { second.next() };
        mixed.extend(next);
        if first.len() == 0 && second.len() == 0 {
            break;
        }
    }
    mixed
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn an_account_s_records_do_not_know_of_another_account((first, second, turns) in streams_of_two_accounts()) {
        let together = collect(mixed(&first, &second, &turns));
        let of = |account: &str| -> Vec<Call> {
            together.iter().filter(|call| call.account_id.as_deref() == Some(account)).cloned().collect()
        };
        same(&of("801"), &collect(&first))?;
        same(&of("802"), &collect(&second))?;
    }

    #[test]
    fn nor_do_its_live_versions((first, second, turns) in streams_of_two_accounts()) {
        let versions = |notes: &[&Note]| {
            let mut live = Live::with_long_memory();
            notes.iter().for_each(|note| live.receive(note));
            live.finish();
            let records = live.listener.last_records();
            records.into_iter().map(|call| (call.account_id.clone(), call.version, text(&call))).collect::<Vec<_>>()
        };
        let together = versions(&mixed(&first, &second, &turns));
        let mut apart = versions(&first.iter().collect::<Vec<_>>());
        apart.extend(versions(&second.iter().collect::<Vec<_>>()));
        for one in &apart {
            prop_assert!(together.contains(one), "only alone: {:?}", one);
        }
        prop_assert_eq!(together.len(), apart.len());
    }
}
