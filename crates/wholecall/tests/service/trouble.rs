//! A full disk and unusable files: errors are clear, and nothing acknowledged is lost.

use std::{fs, os::unix::fs::PermissionsExt, process::Command};

use crate::{
    harness::{Installation, SOON, Server, eventually, without_root},
    traffic::{ACCOUNT, another, assembled, collected, example, examples, expect_calls, nameless, post_all},
};

/// The error of a service that does not start, which names the file.
fn refusal(installation: &Installation, command: Command) -> String {
    let error = Server::start(command).err().expect("the service does not start");
    assert!(error.contains("wholecall.db"), "{error}");
    assert!(error.contains(installation.data().to_str().unwrap()), "{error}");
    assert!(!error.contains("panicked"), "{error}");
    error
}

#[test]
fn on_a_full_disk_nothing_acknowledged_is_lost() {
    let installation = Installation::new();
    let tenant = installation.tenant("acme", [ACCOUNT]);
    // Files are limited to 4 MiB, beyond which writing fails as on a full disk.
    let mut limited = Command::new("bash");
    limited
        .args(["-c", r#"trap "" XFSZ; ulimit -f 4096; exec "$@""#, "bash", env!("CARGO_BIN_EXE_wholecall")])
        .args(["serve", "--listen", "127.0.0.1:0", "--data"])
        .arg(installation.data());
    let server = Server::start(limited).unwrap();
    let client = server.client();
    let direct = example("direct");
    let mut acknowledged = Vec::new();
    let mut refused = 0;
    for notification in (0..4_000).flat_map(|number| another(&direct, number)) {
        let reply = client.try_notify(&tenant, &notification).unwrap();
        if reply.status == 200 {
            acknowledged.push(notification);
            continue;
        }
        let detail = reply.problem(503);
        assert!(detail.contains("send it again"), "{detail}");
        assert!(reply.header("retry-after").is_some());
        refused += 1;
        if refused == 20 {
            break;
        }
    }
    assert_eq!(refused, 20, "it still writes after {}", acknowledged.len());
    // Stored calls can be read.
    assert!(!client.calls(&tenant, "", 10).is_empty());
    server.terminate();
    server.wait();
    let server = installation.start();
    let store = wholecall_store::Store::open(&installation.data()).unwrap();
    let journal = || store.journal_after(wholecall_store::Position(0), usize::MAX >> 1).unwrap();
    // Arrivals that were not assembled when the disk was full are moved to the journal after the start.
    let mut stored = journal();
    let is_idle = eventually(SOON, || {
        std::thread::sleep(std::time::Duration::from_secs(2));
        let before = std::mem::replace(&mut stored, journal()).len();
        (before == stored.len()).then_some(())
    });
    is_idle.expect("all arrivals are assembled");
    for notification in &acknowledged {
        assert!(
            stored.iter().any(|entry| entry.body == *notification),
            "acknowledged and lost: {notification}"
        );
    }
    let more = example("queue");
    post_all(&server, &tenant, &more, 1);
    let all = stored.iter().map(|entry| entry.body.as_str()).chain(more.iter().map(String::as_str));
    expect_live_and_closed(&server, &tenant, all);
    server.stop();
}

#[test]
fn the_service_resumes_when_the_store_can_be_written_again() {
    let installation = Installation::new();
    let server = installation.start();
    let tenant = installation.tenant("acme", [ACCOUNT]);
    let client = server.client();
    let notifications = examples();
    let (before, after) = notifications.split_at(notifications.len() / 2);
    before.iter().for_each(|notification| client.notify(&tenant, notification));
    eventually(SOON, || client.calls(&tenant, "", 1).pop()).expect("there is a call");
    // Now calls can neither be written nor be rebuilt from the store.
    let rename = |from: &str, to: &str| {
        installation.database().execute(&format!("ALTER TABLE {from} RENAME TO {to}"), []).unwrap();
    };
    rename("calls", "away");
    let refused = eventually(SOON, || {
        let reply = client.try_notify(&tenant, &after[0]).unwrap();
        (reply.status != 200).then_some(reply)
    });
    refused.expect("nothing more is received").problem(503);
    // Attempts to rebuild are one second apart.
    std::thread::sleep(std::time::Duration::from_secs(3));
    client.try_notify(&tenant, &after[0]).unwrap().problem(503);
    rename("away", "calls");
    eventually(SOON, || (client.try_notify(&tenant, &after[0]).unwrap().status == 200).then_some(()))
        .expect("it is received again");
    after.iter().for_each(|notification| client.notify(&tenant, notification));
    expect_calls(&client, &tenant, &assembled(&notifications));
    server.stop();
}

/// Compares completed calls only: the last call may be live, since some of its notifications were never accepted.
fn expect_live_and_closed<'a>(
    server: &Server,
    tenant: &crate::harness::Tenant,
    notifications: impl Iterator<Item = &'a str>,
) {
    let mut expected = collected(notifications);
    expected.retain(|_, call| call["state"] == "complete");
    let client = server.client();
    let same = eventually(SOON, || {
        let found = crate::traffic::by_id(client.calls(tenant, "state=complete", 1_000));
        (nameless(&found) == nameless(&expected)).then_some(())
    });
    if same.is_none() {
        expect_calls(&client, tenant, &expected);
    }
}

#[test]
fn an_unwritable_file_is_reported_by_name() {
    let installation = Installation::new();
    installation.tenant("acme", [ACCOUNT]);
    installation.start().stop();
    for entry in fs::read_dir(installation.data()).unwrap() {
        fs::set_permissions(entry.unwrap().path(), fs::Permissions::from_mode(0o444)).unwrap();
    }
    fs::set_permissions(installation.data(), fs::Permissions::from_mode(0o555)).unwrap();
    let mut command = installation.serve();
    without_root(&mut command, installation.data().parent().unwrap());
    let error = refusal(&installation, command);
    assert!(error.contains("cannot be written") || error.contains("readonly"), "{error}");
    fs::set_permissions(installation.data(), fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_file_that_is_not_a_database_is_reported_and_not_changed() {
    let installation = Installation::new();
    fs::create_dir_all(installation.data()).unwrap();
    let path = installation.data().join(wholecall_store::FILE_NAME);
    let text = "a letter to my aunt, who never answers\n".repeat(1_000);
    fs::write(&path, &text).unwrap();
    let error = refusal(&installation, installation.serve());
    assert!(error.contains("not a database"), "{error}");
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
}

#[test]
fn a_damaged_file_is_not_served() {
    let installation = Installation::new();
    let tenant = installation.tenant("acme", [ACCOUNT]);
    let server = installation.start();
    let direct = example("direct");
    let notifications: Vec<String> = (0..40).flat_map(|number| another(&direct, number)).collect();
    post_all(&server, &tenant, &notifications, 4);
    expect_calls(&server.client(), &tenant, &collected(notifications.iter().map(String::as_str)));
    server.stop();
    installation.database().execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    let path = installation.data().join(wholecall_store::FILE_NAME);
    let mut bytes = fs::read(&path).unwrap();
    // Damages everything but the first pages, which hold the schema.
    let from = bytes.len() / 8;
    bytes[from..].iter_mut().for_each(|byte| *byte ^= 0x5a);
    fs::write(&path, bytes).unwrap();
    match Server::start(installation.serve()) {
        Err(error) => assert!(!error.contains("panicked"), "{error}"),
        Ok(server) => {
            let client = server.client();
            let reply = client.try_get(&tenant, "/v1/calls?limit=1000", &[]).unwrap();
            assert_ne!(reply.status, 200, "{reply:?}");
        }
    }
}

#[test]
fn a_file_of_a_newer_version_is_not_changed() {
    let installation = Installation::new();
    installation.tenant("acme", [ACCOUNT]);
    installation.database().execute_batch("PRAGMA user_version = 99").unwrap();
    let error = refusal(&installation, installation.serve());
    assert!(error.contains("newer Wholecall") && error.contains("99"), "{error}");
    let version: i64 =
        installation.database().query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
    assert_eq!(version, 99);
}

#[test]
fn a_folder_that_cannot_be_created_is_reported_by_name() {
    let installation = Installation::new();
    fs::write(installation.data(), "in the way").unwrap();
    let error = Server::start(installation.serve()).err().expect("the service does not start");
    assert!(error.contains(installation.data().to_str().unwrap()), "{error}");
}

#[test]
fn an_address_in_use_is_reported() {
    let installation = Installation::new();
    let server = installation.start();
    let other = Installation::new();
    let mut command = Command::new(env!("CARGO_BIN_EXE_wholecall"));
    command.args(["serve", "--listen", server.address(), "--data"]).arg(other.data());
    let error = Server::start(command).err().expect("the service does not start");
    assert!(error.contains(server.address()), "{error}");
}
