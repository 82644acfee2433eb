//! Runs the program and reads files.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use serde_json::Value;

/// The subfolders of a folder, by name.
pub(crate) fn folders(of: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(of).unwrap_or_else(|error| panic!("{}: {error}", of.display()));
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut folders: Vec<PathBuf> = paths.filter(|path| path.is_dir()).collect();
    folders.sort();
    folders
}

pub(crate) fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub(crate) fn millis(time: &Value) -> i64 {
    let time: jiff::Timestamp = time.as_str().unwrap().parse().unwrap();
    time.as_millisecond()
}

/// Runs the program with arguments and an input.
pub(crate) fn run(arguments: &[&str], input: &str) -> Output {
    let mut wholecall = Command::new(env!("CARGO_BIN_EXE_wholecall"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = wholecall.stdin.take().unwrap();
    let input = input.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()).unwrap());
    let output = wholecall.wait_with_output().unwrap();
    writer.join().unwrap();
    output
}

pub(crate) fn assemble(options: &[&str], input: &str) -> Output {
    run(&[&["assemble"], options].concat(), input)
}

/// The output of the program for a fully readable input.
pub(crate) fn printed(arguments: &[&str], input: &str) -> String {
    let output = run(arguments, input);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The records of a fully readable input.
pub(crate) fn records(options: &[&str], input: &str) -> Vec<Value> {
    let text = printed(&[&["assemble", "--format", "json"], options].concat(), input);
    serde_json::from_str(&text).unwrap()
}

/// Every version that `--stream` writes, and the ids of calls that were merged into others.
pub(crate) fn versions(options: &[&str], input: &str) -> Vec<Value> {
    let text = printed(&[&["assemble", "--stream", "--format", "ndjson"], options].concat(), input);
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}
