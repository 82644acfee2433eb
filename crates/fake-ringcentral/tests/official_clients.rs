//! RingCentral's own clients, unchanged, against the fake platform: they log in, subscribe by webhook and by
//! WebSocket, are told of a transfer, read the call log by pages and by synchronization, and get over a 429.

#![allow(clippy::expect_used, reason = "what a test cannot go on without fails it")]

use std::{path::Path, process::Command, time::Duration};

use wholecall_fake_ringcentral::{Config, Fake};

/// Runs a program of `clients/` against a platform of its own, on which a minute takes a second.
fn run(program: &str, file: &str) {
    let clients = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../clients");
    let installed = clients.join(if file.ends_with("py") { ".venv" } else { "node_modules" });
    assert!(
        installed.is_dir(),
        "{} is not there: scripts/prepare --with-clients installs it",
        installed.display()
    );
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let config =
        Config { calls_per_user: 0.0, speed: 30.0, rate_window: Duration::from_secs(2), ..Config::default() };
    let fake = runtime.block_on(Fake::start(config)).expect("it starts");
    let output = Command::new(clients.join(program))
        .arg(clients.join("ringcentral").join(file))
        .env("FAKE_URL", fake.url())
        .output()
        .or_else(|_| {
            Command::new(program)
                .arg(clients.join("ringcentral").join(file))
                .env("FAKE_URL", fake.url())
                .output()
        })
        .expect("the program can be run");
    let (said, complaint) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.ends_with("ok\n"), "{file}: {said}{complaint}");
}

#[test]
fn ringcentral_sdk_and_subscriptions() {
    run("node", "sdk.mjs");
}

#[test]
fn rc_ex_core_and_ws() {
    run("node", "rc-ex.mjs");
}

#[test]
fn ringcentral_for_python() {
    run(".venv/bin/python", "sdk.py");
}
