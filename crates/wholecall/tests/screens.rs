//! What people see of the example calls: `show` and `explain`, as they are written to a pipe.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "what a test cannot go on without fails it")]

use std::{path::Path, process::Command};

const EXAMPLES: [&str; 6] = ["direct", "menu", "warm-transfer", "conference", "queue", "park"];

fn screen(command: &str, example: &str) -> String {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let output = Command::new(env!("CARGO_BIN_EXE_wholecall"))
        .arg(command)
        .arg("--directory")
        .arg(examples.join("extensions.json"))
        .arg(examples.join(example).with_extension("ndjson"))
        .env("LC_ALL", "C.UTF-8")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn drawings() {
    for example in EXAMPLES {
        insta::assert_snapshot!(format!("show_{example}"), screen("show", example));
    }
}

#[test]
fn stories() {
    for example in EXAMPLES {
        insta::assert_snapshot!(format!("explain_{example}"), screen("explain", example));
    }
}
