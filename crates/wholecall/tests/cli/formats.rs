//! Output formats of records.

use serde_json::Value;

use crate::run::{CALLS, IDS, pipe, run, wholecall};

#[test]
fn the_default_format_of_a_pipe_is_ndjson() {
    let ran = pipe("assemble", CALLS);
    assert_eq!(ran.assert_clean().ids(), IDS);
    assert_eq!(ran.text(), pipe("assemble -f ndjson", CALLS).text());
    let [transferred, missed] = &ran.lines()[..] else { panic!("two calls") };
    assert_eq!((&transferred["result"], &missed["result"]), (&"Answered".into(), &"Missed".into()));
    assert_eq!(transferred["moves"][0]["kind"], "AttendedTransfer");
    assert_eq!(transferred["moves"][0]["target"], "ext:700102");
    assert_eq!(transferred["durations"]["talkMs"], 14_000 + 8_900 + 30_000);
}

#[test]
fn json_is_a_list_of_the_same_records() {
    let ran = pipe("assemble --format json", CALLS);
    let list: Vec<Value> = serde_json::from_slice(&ran.assert_clean().out).unwrap();
    assert_eq!(list, pipe("assemble", CALLS).lines());
    assert_eq!(pipe("assemble --format json", "").text(), "[]\n");
}

#[test]
fn table_of_two_calls() {
    let ran = pipe("assemble --format table", CALLS);
    insta::assert_snapshot!(ran.assert_clean().text());
}

#[test]
fn csv_has_a_row_for_each_call() {
    let ran = pipe("assemble --format csv", CALLS);
    let rows: Vec<&str> = ran.assert_clean().text().lines().collect();
    assert_eq!(rows.len(), 3);
    let columns = rows[0].split(',').count();
    assert!(rows[0].starts_with("id,") && columns > 5, "{}", rows[0]);
    assert!(rows[1].starts_with("s-aa01,") && rows[2].starts_with("s-aa03,"), "{rows:?}");
    assert_eq!(pipe("assemble --format csv", "").text().lines().count(), 1);
}

#[test]
fn empty_input_is_reported() {
    for format in ["ndjson", "table", "vcon"] {
        let ran = pipe(&format!("assemble --format {format}"), "");
        assert_eq!((ran.code, ran.text()), (0, ""), "{format}");
        assert!(ran.err.contains("the input holds no telephony session notifications"), "{}", ran.err);
    }
}

#[test]
fn exit_codes() {
    assert_eq!(pipe("assemble", CALLS).code, 0);
    assert_eq!(run("--version").code, 0);
    assert_eq!(pipe("assemble", format!("{CALLS}oops\n")).code, 2);
    assert_eq!(run("assemble --directory /nonexistent").code, 1);
    // clap's exit code for a wrong command line is 2 as well.
    assert_eq!(run("assemble --format xml").code, 2);
    assert_eq!(run("assemble --settle 5s").code, 2);
}

#[test]
fn a_closed_output_pipe_is_not_an_error() {
    use std::io::{Read, Write};
    for format in ["ndjson", "json", "csv", "vcon", "table"] {
        let mut child = wholecall()
            .args(["assemble", "--format", format])
            .stdin(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        // The pipe is closed before anything is read.
        drop(child.stdout.take());
        let mut stdin = child.stdin.take().unwrap();
        for session in 0..500 {
            let _ = stdin.write_all(CALLS.replace("aa0", &format!("{session:03}-")).as_bytes());
        }
        drop(stdin);
        let status = child.wait().unwrap();
        let mut errors = String::new();
        child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
        assert_eq!((status.code(), errors.as_str()), (Some(0), ""), "{format}");
    }
}
