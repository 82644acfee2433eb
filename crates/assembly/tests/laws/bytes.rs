//! All laws at once on any bytes, as the fuzzer runs them.

use wholecall_assembly::Settings;

use crate::{
    play::{Live, as_if_read_from_files, collect, same, violations},
    stream::{Note, Recipe},
};

/// Maximum number of steps; more are only slower.
const MOST_STEPS: usize = 64;

/// Makes a stream from bytes and checks the laws on it.
pub(crate) fn check(data: &[u8]) {
    let Some((cast, steps)) = data.split_first_chunk() else { return };
    let steps = steps.as_chunks().0.iter().take(MOST_STEPS).copied().collect();
    let notes = Recipe { cast: *cast, steps }.stream().notes;
    let records = collect(&notes);
    assert_eq!(violations(&records), Vec::<String>::new());
    let mut order: Vec<&Note> = notes.iter().collect();
    order.sort_by_key(|note| note.turn[0]);
    let assert_same = |others: &[&Note]| same(&records, &collect(others.iter().copied())).unwrap();
    assert_same(&order);
    let again: Vec<Note> = notes.iter().filter(|note| note.turn[1] & 1 == 0).map(Note::again).collect();
    let single: Vec<Note> = notes.iter().flat_map(Note::split).collect();
    assert_same(&again.iter().chain(order.iter().copied()).collect::<Vec<_>>());
    assert_same(&single.iter().rev().collect::<Vec<_>>());
    let bare: Vec<Note> = notes.iter().map(Note::bare).collect();
    same(&collect(&bare), &collect(bare.iter().rev())).unwrap();
    check_live(&order, &records);
}

fn check_live(order: &[&Note], records: &[wholecall_record::Call]) {
    let mut patient = Live::with_long_memory();
    let mut forgetful = Live::new(Settings::default());
    for note in order {
        for live in [&mut patient, &mut forgetful] {
            live.wait(note.turn[1]);
            live.receive(note);
        }
    }
    patient.finish();
    assert_eq!(patient.listener.complaints, Vec::<String>::new());
    assert!(patient.listener.never_published().is_empty());
    same(&as_if_read_from_files(patient.listener.last_records()), records).unwrap();
    forgetful.run_out();
    assert_eq!(forgetful.in_memory(), 0);
}

#[cfg(test)]
#[test]
fn random_bytes_keep_the_laws() {
    let mut state: u64 = 0x2545_f491_4f6c_dd1d;
    let mut byte = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    for round in 0..1_000 {
        let length = 16 + 10 * (round % 40);
        check(&(0..length).map(|_| byte()).collect::<Vec<u8>>());
    }
}
