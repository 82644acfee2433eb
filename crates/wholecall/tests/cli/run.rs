//! Runs `wholecall` and keeps what it said.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;

/// Two calls: a customer whom 101 hands on to 102 after asking there, and one that 101 did not answer.
pub(crate) const CALLS: &str = include_str!("../data/calls.ndjson");

/// Their ids, in order of their start.
pub(crate) const IDS: [&str; 2] = ["s-aa01", "s-aa03"];

pub(crate) fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

/// What became of a run.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: Vec<u8>,
    pub(crate) err: String,
}

impl Ran {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.out).unwrap()
    }

    /// The documents it wrote, one on each line.
    pub(crate) fn lines(&self) -> Vec<Value> {
        self.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    pub(crate) fn ids(&self) -> Vec<String> {
        self.lines().iter().map(|call| call["id"].as_str().unwrap().to_owned()).collect()
    }

    /// Everything was read.
    pub(crate) fn assert_clean(&self) -> &Self {
        assert_eq!((self.code, self.err.as_str()), (0, ""));
        self
    }
}

pub(crate) fn wholecall() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wholecall"));
    command.env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs it with arguments as one would type them.
pub(crate) fn run(arguments: &str) -> Ran {
    run_with(arguments, &[], b"")
}

/// Runs it on files, and on what comes through standard input.
pub(crate) fn run_with(arguments: &str, files: &[&Path], stdin: &[u8]) -> Ran {
    let mut command = wholecall();
    command.args(arguments.split_whitespace()).args(files).stdin(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut pipe = child.stdin.take().unwrap();
    let input = stdin.to_owned();
    // It may stop reading before the end.
    let writer = std::thread::spawn(move || drop(pipe.write_all(&input)));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    Ran {
        code: output.status.code().expect("it was not killed"),
        out: output.stdout,
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Runs it on what comes through standard input.
pub(crate) fn pipe(arguments: &str, stdin: impl AsRef<[u8]>) -> Ran {
    run_with(arguments, &[], stdin.as_ref())
}

/// A folder of its own for a test; what an earlier run left there is removed.
pub(crate) fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    if folder.exists() {
        std::fs::remove_dir_all(&folder).unwrap();
    }
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// Writes a file into a folder.
pub(crate) fn file(folder: &Path, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, content).unwrap();
    path
}
