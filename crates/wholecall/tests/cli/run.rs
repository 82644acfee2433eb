//! Runs `wholecall` and captures its output.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;

/// Two calls: in one, extension 101 transfers a customer to 102 after a consultation; the other one 101 did not answer.
pub(crate) const CALLS: &str = include_str!("../data/calls.ndjson");

/// The ids of [`CALLS`], in order of their start.
pub(crate) const IDS: [&str; 2] = ["s-aa01", "s-aa03"];

pub(crate) fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

/// The result of a run.
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

    /// The JSON documents in the output, one per line.
    pub(crate) fn lines(&self) -> Vec<Value> {
        self.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    pub(crate) fn ids(&self) -> Vec<String> {
        self.lines().iter().map(|call| call["id"].as_str().unwrap().to_owned()).collect()
    }

    /// Asserts that all input was read without problems.
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

/// Runs it with arguments separated by spaces.
pub(crate) fn run(arguments: &str) -> Ran {
    run_with(arguments, &[], b"")
}

/// Runs it with files and standard input.
pub(crate) fn run_with(arguments: &str, files: &[&Path], stdin: &[u8]) -> Ran {
    let mut command = wholecall();
    command.args(arguments.split_whitespace()).args(files).stdin(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut pipe = child.stdin.take().unwrap();
    let input = stdin.to_owned();
    // Fails if the program stops reading before the end.
    let writer = std::thread::spawn(move || drop(pipe.write_all(&input)));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    Ran {
        code: output.status.code().expect("not killed"),
        out: output.stdout,
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Runs it with standard input.
pub(crate) fn pipe(arguments: &str, stdin: impl AsRef<[u8]>) -> Ran {
    run_with(arguments, &[], stdin.as_ref())
}

/// An empty folder for a test.
pub(crate) fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    if folder.exists() {
        std::fs::remove_dir_all(&folder).unwrap();
    }
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// Writes a file to a folder.
pub(crate) fn file(folder: &Path, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, content).unwrap();
    path
}
