//! Input formats of notifications.

use std::io::Write;

use serde_json::Value;

use crate::run::{CALLS, IDS, Ran, data, file, folder, pipe, run_with};

const ASSEMBLE: &str = "assemble --format ndjson";

fn assert_same_calls(ran: &Ran) {
    let expected = pipe(ASSEMBLE, CALLS);
    assert_eq!(ran.assert_clean().text(), expected.text());
    assert_eq!(ran.ids(), IDS);
}

fn notifications() -> Vec<Value> {
    CALLS.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packer.write_all(bytes).unwrap();
    packer.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).unwrap()
}

#[test]
fn ndjson_lists_and_concatenated_json_give_the_same_calls() {
    let list = serde_json::to_string(&notifications()).unwrap();
    let pretty = serde_json::to_string_pretty(&notifications()).unwrap();
    let concatenated: String = CALLS.lines().collect();
    let spread: String =
        notifications().iter().map(|value| serde_json::to_string_pretty(value).unwrap()).collect();
    let windows = CALLS.replace('\n', "\r\n");
    let with_bom = format!("\u{feff}{CALLS}");
    let with_blank_lines = CALLS.replace('\n', "\n\n \n");
    for input in [list, pretty, concatenated, spread, windows, with_bom, with_blank_lines] {
        assert_same_calls(&pipe(ASSEMBLE, input));
    }
}

#[test]
fn any_order_and_duplicates_give_the_same_calls() {
    let backwards: String = CALLS.lines().rev().flat_map(|line| [line, "\n"]).collect();
    assert_same_calls(&pipe(ASSEMBLE, &backwards));
    assert_same_calls(&pipe(ASSEMBLE, format!("{CALLS}{backwards}")));
}

#[test]
fn bodies_without_envelopes_are_notifications() {
    let bare: String = notifications().iter().map(|value| format!("{}\n", value["body"])).collect();
    let ran = pipe(ASSEMBLE, bare);
    assert_eq!(ran.assert_clean().ids(), IDS);
    assert_eq!(ran.lines()[0]["moves"][0]["target"], "ext:700102");
    assert_eq!(ran.lines()[0]["accountId"], "700100200");
}

#[test]
fn compressed_files_are_decompressed() {
    let folder = folder("packed");
    let gz = file(&folder, "calls.ndjson.gz", gzip(CALLS.as_bytes()));
    let zst = file(&folder, "calls.ndjson.zst", zstd(CALLS.as_bytes()));
    // The magic number counts, not the file's name.
    let unnamed = file(&folder, "calls", gzip(CALLS.as_bytes()));
    for path in [&gz, &zst, &unnamed] {
        assert_same_calls(&run_with(ASSEMBLE, &[path], b""));
    }
    assert_same_calls(&pipe(ASSEMBLE, gzip(CALLS.as_bytes())));
    assert_same_calls(&pipe(ASSEMBLE, zstd(CALLS.as_bytes())));
    let two_members = [gzip(&CALLS.as_bytes()[..2_000]), gzip(&CALLS.as_bytes()[2_000..])].concat();
    assert_same_calls(&pipe(ASSEMBLE, two_members));
    let two_frames = [zstd(&CALLS.as_bytes()[..2_000]), zstd(&CALLS.as_bytes()[2_000..])].concat();
    assert_same_calls(&pipe(ASSEMBLE, two_frames));
}

#[test]
fn several_files_are_one_input() {
    let folder = folder("several");
    let half = CALLS.match_indices('\n').nth(8).unwrap().0 + 1;
    let late = file(&folder, "late.ndjson", &CALLS[half..]);
    let early = file(&folder, "early.ndjson.gz", gzip(&CALLS.as_bytes()[..half]));
    assert_same_calls(&run_with(ASSEMBLE, &[&late, &early], b""));
    assert_same_calls(&run_with(&format!("{ASSEMBLE} -"), &[&late], &CALLS.as_bytes()[..half]));
}

#[test]
fn names_come_from_the_directory() {
    let arguments = format!("{ASSEMBLE} --directory {}", data("extensions.json").display());
    let ran = pipe(&arguments, CALLS);
    let call = &ran.assert_clean().lines()[0];
    assert_eq!(call["to"]["name"], "ADA BYRON");
    let unreadable = pipe(&format!("{ASSEMBLE} --directory {}", data("calls.ndjson").display()), CALLS);
    assert_eq!((unreadable.code, unreadable.out.len()), (1, 0));
    assert!(
        unreadable.err.contains("calls.ndjson is not RingCentral's extension list"),
        "{}",
        unreadable.err
    );
}

#[test]
fn documents_that_are_not_about_calls_are_counted() {
    let reminder = r#"{"event": "/restapi/v1.0/subscription/~?threshold=60&interval=15", "body": {}}"#;
    let ran = pipe(ASSEMBLE, format!("{reminder}\n{CALLS}{reminder}\n{{}}\n"));
    assert_eq!((ran.code, ran.ids()), (0, IDS.map(str::to_owned).to_vec()));
    assert!(ran.err.contains("skipped 2 subscription reminders"), "{}", ran.err);
    assert!(ran.err.contains("skipped 1 validation probe"), "{}", ran.err);
}
