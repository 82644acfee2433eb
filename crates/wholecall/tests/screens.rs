//! Snapshots of `show` and `explain` for the example calls, as written to a pipe.

#![allow(clippy::unwrap_used, reason = "what a test cannot go on without fails it")]

use std::{path::Path, process::Command};

const EXAMPLES: [&str; 6] = ["direct", "menu", "warm-transfer", "conference", "queue", "park"];

fn output(command: &str, example: &str) -> String {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let process = Command::new(env!("CARGO_BIN_EXE_wholecall"))
        .arg(command)
        .arg("--directory")
        .arg(examples.join("extensions.json"))
        .arg(examples.join(example).with_extension("ndjson"))
        .env("LC_ALL", "C.UTF-8")
        .output()
        .unwrap();
    assert!(process.status.success(), "{}", String::from_utf8_lossy(&process.stderr));
    String::from_utf8(process.stdout).unwrap()
}

#[test]
fn drawings_of_the_examples() {
    for example in EXAMPLES {
        insta::assert_snapshot!(format!("show_{example}"), output("show", example));
    }
}

#[test]
fn explanations_of_the_examples() {
    for example in EXAMPLES {
        insta::assert_snapshot!(format!("explain_{example}"), output("explain", example));
    }
}
