//! What is published while calls happen.

use proptest::prelude::*;
use wholecall_assembly::Settings;

use crate::{
    config,
    play::{Live, as_if_read_from_files, collect, same},
    shuffled_streams,
    stream::Note,
};

fn play(live: &mut Live, notes: &[Note], order: &[(usize, u8)]) {
    for (at, delay) in order {
        live.wait(*delay);
        live.receive(&notes[*at]);
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn in_the_end_live_records_are_those_of_the_set((stream, order) in shuffled_streams()) {
        let mut live = Live::with_long_memory();
        play(&mut live, &stream.notes, &order);
        live.finish();
        same(&as_if_read_from_files(live.listener.last_records()), &collect(&stream.notes))?;
        prop_assert!(live.listener.never_published().is_empty(), "merged into silence: {:?}", live.listener.never_published());
    }

    #[test]
    fn in_order_too((stream, delays) in shuffled_streams()) {
        let mut live = Live::with_long_memory();
        let order: Vec<(usize, u8)> = delays.iter().enumerate().map(|(at, (_, delay))| (at, *delay)).collect();
        play(&mut live, &stream.notes, &order);
        live.finish();
        same(&as_if_read_from_files(live.listener.last_records()), &collect(&stream.notes))?;
    }

    #[test]
    fn published_changes_are_consistent((stream, order) in shuffled_streams()) {
        let mut live = Live::with_long_memory();
        play(&mut live, &stream.notes, &order);
        live.finish();
        prop_assert_eq!(&live.listener.complaints, &Vec::<String>::new());
    }

    #[test]
    fn published_changes_are_consistent_without_live_versions((stream, order) in shuffled_streams()) {
        let mut live = Live::new(Settings { closed_call_ttl_ms: i64::MAX / 4, publish_live_versions: false, ..Settings::default() });
        play(&mut live, &stream.notes, &order);
        live.finish();
        prop_assert_eq!(&live.listener.complaints, &Vec::<String>::new());
        same(&as_if_read_from_files(live.listener.last_records()), &collect(&stream.notes))?;
    }

    #[test]
    fn everything_is_evicted_in_the_end((stream, order) in shuffled_streams()) {
        let mut live = Live::new(Settings::default());
        play(&mut live, &stream.notes, &order);
        live.run_out();
        prop_assert_eq!(live.in_memory(), 0);
    }
}
