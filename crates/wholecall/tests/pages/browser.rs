//! A browser that is controlled line by line: `clients/browser.mjs`.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use serde_json::{Value, json};

use crate::harness::{Server, Tenant};

/// A browser with one window; closed when it is dropped.
pub(crate) struct Browser {
    process: Child,
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    base: String,
}

impl Browser {
    /// `None`, with a message, if there is no browser.
    pub(crate) fn start(server: &Server) -> Option<Self> {
        let clients = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../clients");
        let chromium = std::env::var("CHROMIUM").unwrap_or_else(|_| "/usr/bin/chromium".to_owned());
        if !clients.join("node_modules/puppeteer-core").exists() || !Path::new(&chromium).exists() {
            eprintln!(
                "skipped: no Chromium or no packages in clients/; scripts/prepare --with-clients installs them"
            );
            return None;
        }
        let mut process = Command::new("node")
            .arg(clients.join("browser.mjs"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let answers = BufReader::new(process.stdout.take().unwrap());
        let base = format!("http://{}", server.address());
        Some(Self { commands: process.stdin.take(), process, answers, base })
    }

    /// Runs a command that must succeed; returns its value.
    pub(crate) fn ask(&mut self, command: Value) -> Value {
        writeln!(self.commands.as_mut().unwrap(), "{command}").unwrap();
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        let mut answer: Value =
            serde_json::from_str(&line).unwrap_or_else(|error| panic!("{command}: {error}: {line}"));
        assert!(answer.get("error").is_none(), "{command}: {answer}");
        answer["value"].take()
    }

    /// Opens a page; returns its status.
    pub(crate) fn open(&mut self, path: &str) -> u64 {
        let url = format!("{}{path}", self.base);
        self.ask(json!({ "do": "open", "url": url })).as_u64().unwrap()
    }

    /// Opens a page in dark mode on a narrow screen.
    pub(crate) fn open_dark_and_narrow(&mut self, path: &str) {
        let url = format!("{}{path}", self.base);
        let status = self.ask(json!({ "do": "open", "url": url, "dark": true, "width": 390 }));
        assert_eq!(status, 200, "{path}");
    }

    /// Evaluates an expression in the page.
    pub(crate) fn run(&mut self, script: &str) -> Value {
        self.ask(json!({ "do": "run", "script": script }))
    }

    /// Waits until an expression in the page is truthy; returns its value.
    pub(crate) fn until(&mut self, script: &str) -> Value {
        self.ask(json!({ "do": "until", "script": script }))
    }

    pub(crate) fn press(&mut self, key: &str) {
        self.ask(json!({ "do": "press", "key": key }));
    }

    pub(crate) fn type_in(&mut self, text: &str) {
        self.ask(json!({ "do": "type", "text": text }));
    }

    pub(crate) fn click(&mut self, selector: &str) {
        self.ask(json!({ "do": "click", "selector": selector }));
    }

    /// Signs in on the page.
    pub(crate) fn sign_in(&mut self, tenant: &Tenant) {
        self.sign_in_with(&tenant.api_key);
        assert_eq!(self.run("location.pathname"), "/");
    }

    pub(crate) fn sign_in_with(&mut self, key: &str) {
        self.open("/sign-in");
        // A busy browser focuses the field some time after the page has loaded.
        self.until("document.activeElement?.id === 'key'");
        self.type_in(key);
        self.click("form button");
    }

    /// The path of the page and its parameters.
    pub(crate) fn address(&mut self) -> String {
        self.run("location.pathname + location.search").as_str().unwrap().to_owned()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // At the end of its input it closes the browser and exits.
        self.commands = None;
        let _ = self.process.wait();
    }
}
