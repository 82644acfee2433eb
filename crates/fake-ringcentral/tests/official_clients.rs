//! RingCentral's own clients, unchanged, with the simulated platform: they log in, subscribe by webhook and by
//! WebSocket, receive the notifications of a transfer, read the call log by pages and by synchronization, and recover
//! from a 429.

#![allow(clippy::expect_used, reason = "a test fails without it")]

use std::{path::Path, process::Command, time::Duration};

use wholecall_fake_ringcentral::{Config, Fake};

/// Runs a program of `clients/` with a platform on which calls are thirty times as fast as in reality.
fn run(program: &str, file: &str) {
    let clients = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../clients");
    let installed = clients.join(if file.ends_with("py") { ".venv" } else { "node_modules" });
    assert!(
        installed.is_dir(),
        "{} is missing: scripts/prepare --with-clients installs it",
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
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && stdout.ends_with("ok\n"), "{file}: {stdout}{stderr}");
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
