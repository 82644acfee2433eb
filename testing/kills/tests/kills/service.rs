//! An installation of the service on a failing disk.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Read, Seek},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;
use wholecall_faulty_disk::Fault;

const PROGRAM: &str = env!("CARGO_BIN_EXE_wholecall-on-faulty-disk");

pub(crate) struct Installation {
    folder: TempDir,
}

#[derive(Debug, Clone)]
pub(crate) struct Tenant {
    pub(crate) name: String,
    pub(crate) token: String,
}

impl Installation {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder().join("data")
    }

    /// The folder with what a power failure would leave.
    pub(crate) fn durable(&self) -> PathBuf {
        self.folder().join("durable")
    }

    /// The faults that occurred since the last start.
    pub(crate) fn struck(&self) -> Vec<String> {
        let log = fs::read_to_string(self.folder().join("struck")).unwrap_or_default();
        log.lines().map(str::to_owned).collect()
    }

    /// A copy of the data.
    pub(crate) fn copy(&self) -> TempDir {
        let copy = tempfile::tempdir().unwrap();
        for entry in fs::read_dir(self.data()).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
        }
        copy
    }

    pub(crate) fn tenant(&self, name: &str, accounts: impl Iterator<Item = String>) -> Tenant {
        let mut command = Command::new(PROGRAM);
        command.args(["tenant", "add", name, "--json"]);
        for account in accounts {
            command.args(["--account", &account]);
        }
        let output = command.arg("--data").arg(self.data()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let added: Value = serde_json::from_slice(&output.stdout).unwrap();
        Tenant { name: name.to_owned(), token: added["verificationToken"].as_str().unwrap().to_owned() }
    }

    fn serve(&self) -> Command {
        let mut command = Command::new(PROGRAM);
        command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(self.data());
        command
    }

    pub(crate) fn start(&self) -> Result<Server, String> {
        Server::start(self.serve())
    }

    pub(crate) fn start_on_faulty_disk(&self, faults: &[Fault]) -> Result<Server, String> {
        // The content at the start is durable.
        let _ = fs::remove_dir_all(self.durable());
        let struck = self.folder().join("struck");
        let _ = fs::remove_file(&struck);
        let faults: Vec<String> = faults.iter().map(Fault::to_string).collect();
        let mut command = self.serve();
        command
            .env("FAULTY_DISK_FOLDER", self.data())
            .env("FAULTY_DISK_DURABLE", self.durable())
            .env("FAULTY_DISK_FAULTS", faults.join(" "))
            .env("FAULTY_DISK_LOG", struck);
        Server::start(command)
    }
}

/// A running service; killed when dropped.
pub(crate) struct Server {
    process: Child,
    _stdout: BufReader<ChildStdout>,
    log: File,
    pub(crate) base: String,
}

impl Server {
    fn start(mut command: Command) -> Result<Self, String> {
        let log = tempfile::tempfile().unwrap();
        command.env("WHOLECALL_LOG", "warn").stdout(Stdio::piped()).stderr(log.try_clone().unwrap());
        let mut process = command.spawn().unwrap();
        let mut stdout = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        match line.trim().strip_prefix("Wholecall listens at ") {
            Some(addresses) => {
                let base = addresses.split(',').next().unwrap_or_default().to_owned();
                Ok(Self { process, _stdout: stdout, log, base })
            }
            None => {
                let status = process.wait().unwrap();
                Err(format!("{} ({status}) {line}", read_from_start(log)))
            }
        }
    }

    /// `kill -9`.
    pub(crate) fn kill(&self) {
        kill_process(Pid::from_child(&self.process), Signal::KILL).unwrap();
    }

    /// Waits for its end and returns its standard error.
    pub(crate) fn last_words(mut self) -> String {
        self.process.wait().unwrap();
        read_from_start(self.log.try_clone().unwrap())
    }

    /// Asks it to stop and expects success.
    pub(crate) fn stop(mut self) {
        kill_process(Pid::from_child(&self.process), Signal::TERM).unwrap();
        let status = self.process.wait().unwrap();
        assert!(status.success(), "{status}: {}", read_from_start(self.log.try_clone().unwrap()));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn read_from_start(mut file: File) -> String {
    let mut text = String::new();
    file.rewind().unwrap();
    file.read_to_string(&mut text).unwrap();
    text
}

/// The output of `wholecall check` if it finds anything.
pub(crate) fn check(data: &Path) -> String {
    let output = Command::new(PROGRAM).args(["check", "--data"]).arg(data).output().unwrap();
    if output.status.success() {
        return String::new();
    }
    let (out, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(!error.contains("panicked"), "{out}{error}");
    format!("{out}{error}")
}
