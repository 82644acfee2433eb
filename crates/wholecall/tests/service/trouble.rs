//! A disk that is full, files that cannot be used: a clear word, and nothing acknowledged is lost.

use std::{fs, os::unix::fs::PermissionsExt, process::Command};

use crate::{
    harness::{Installation, SOON, Server, as_nobody, eventually},
    traffic::{ACCOUNT, another, assembled, collected, example, examples, expect_calls, nameless, post_all},
};

/// What it says when it does not start; the complaint names the file.
fn refusal(installation: &Installation, command: Command) -> String {
    let complaint = Server::start(command).err().expect("it does not start");
    assert!(complaint.contains("wholecall.db"), "{complaint}");
    assert!(complaint.contains(installation.data().to_str().unwrap()), "{complaint}");
    assert!(!complaint.contains("panicked"), "{complaint}");
    complaint
}

#[test]
fn on_a_full_disk_nothing_acknowledged_is_lost() {
    let installation = Installation::new();
    let tenant = installation.tenant("acme", [ACCOUNT]);
    // No file may have more than 4 MiB; who writes on gets an error, as on a full disk.
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
    assert_eq!(refused, 20, "after {} it still writes", acknowledged.len());
    // What is there can be read, full or not.
    assert!(!client.calls(&tenant, "", 10).is_empty());
    server.terminate();
    server.wait();
    let server = installation.start();
    let store = wholecall_store::Store::open(&installation.data()).unwrap();
    let journal = || store.journal_after(wholecall_store::Position(0), usize::MAX >> 1).unwrap();
    // What waited to be assembled when the disk was full comes into the journal after the start.
    let mut kept = journal();
    let rests = eventually(SOON, || {
        std::thread::sleep(std::time::Duration::from_secs(2));
        let before = std::mem::replace(&mut kept, journal()).len();
        (before == kept.len()).then_some(())
    });
    rests.expect("everything that waited is assembled");
    for notification in &acknowledged {
        assert!(
            kept.iter().any(|entry| entry.body == *notification),
            "acknowledged and lost: {notification}"
        );
    }
    let more = example("queue");
    post_all(&server, &tenant, &more, 1);
    let all = kept.iter().map(|entry| entry.body.as_str()).chain(more.iter().map(String::as_str));
    expect_live_and_closed(&server, &tenant, all);
    server.stop();
}

#[test]
fn what_cannot_be_kept_nor_read_back_goes_on_when_it_can() {
    let installation = Installation::new();
    let server = installation.start();
    let tenant = installation.tenant("acme", [ACCOUNT]);
    let client = server.client();
    let notifications = examples();
    let (before, after) = notifications.split_at(notifications.len() / 2);
    before.iter().for_each(|notification| client.notify(&tenant, notification));
    eventually(SOON, || client.calls(&tenant, "", 1).pop()).expect("there is a call");
    // Neither can what comes of notifications be written now, nor what is in memory be made anew.
    let rename = |from: &str, to: &str| {
        installation.database().execute(&format!("ALTER TABLE {from} RENAME TO {to}"), []).unwrap();
    };
    rename("calls", "away");
    let refused = eventually(SOON, || {
        let reply = client.try_notify(&tenant, &after[0]).unwrap();
        (reply.status != 200).then_some(reply)
    });
    refused.expect("nothing more is received").problem(503);
    // A failed attempt to begin anew is a second from the next.
    std::thread::sleep(std::time::Duration::from_secs(3));
    client.try_notify(&tenant, &after[0]).unwrap().problem(503);
    rename("away", "calls");
    eventually(SOON, || (client.try_notify(&tenant, &after[0]).unwrap().status == 200).then_some(()))
        .expect("it is received again");
    after.iter().for_each(|notification| client.notify(&tenant, notification));
    expect_calls(&client, &tenant, &assembled(&notifications));
    server.stop();
}

/// The last call may still be under way: what it lacks was never taken.
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
fn a_file_that_cannot_be_written_is_named() {
    let installation = Installation::new();
    installation.tenant("acme", [ACCOUNT]);
    installation.start().stop();
    for entry in fs::read_dir(installation.data()).unwrap() {
        fs::set_permissions(entry.unwrap().path(), fs::Permissions::from_mode(0o444)).unwrap();
    }
    fs::set_permissions(installation.data(), fs::Permissions::from_mode(0o555)).unwrap();
    let mut command = installation.serve();
    as_nobody(&mut command, installation.data().parent().unwrap());
    let complaint = refusal(&installation, command);
    assert!(complaint.contains("cannot be written") || complaint.contains("readonly"), "{complaint}");
    fs::set_permissions(installation.data(), fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_file_that_is_no_database_is_named_and_left_alone() {
    let installation = Installation::new();
    fs::create_dir_all(installation.data()).unwrap();
    let path = installation.data().join(wholecall_store::FILE_NAME);
    let text = "a letter to my aunt, who never answers\n".repeat(1_000);
    fs::write(&path, &text).unwrap();
    let complaint = refusal(&installation, installation.serve());
    assert!(complaint.contains("not a database"), "{complaint}");
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
}

#[test]
fn a_damaged_file_is_not_served_as_if_it_were_whole() {
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
    // Everything but the first pages, where the tables are named.
    let from = bytes.len() / 8;
    bytes[from..].iter_mut().for_each(|byte| *byte ^= 0x5a);
    fs::write(&path, bytes).unwrap();
    match Server::start(installation.serve()) {
        Err(complaint) => assert!(!complaint.contains("panicked"), "{complaint}"),
        Ok(server) => {
            let client = server.client();
            let reply = client.try_get(&tenant, "/v1/calls?limit=1000", &[]).unwrap();
            assert_ne!(reply.status, 200, "{reply:?}");
        }
    }
}

#[test]
fn a_file_of_a_newer_version_is_left_alone() {
    let installation = Installation::new();
    installation.tenant("acme", [ACCOUNT]);
    installation.database().execute_batch("PRAGMA user_version = 99").unwrap();
    let complaint = refusal(&installation, installation.serve());
    assert!(complaint.contains("newer Wholecall") && complaint.contains("99"), "{complaint}");
    let version: i64 =
        installation.database().query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
    assert_eq!(version, 99);
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let installation = Installation::new();
    fs::write(installation.data(), "in the way").unwrap();
    let complaint = Server::start(installation.serve()).err().expect("it does not start");
    assert!(complaint.contains(installation.data().to_str().unwrap()), "{complaint}");
}

#[test]
fn an_address_that_is_taken_is_named() {
    let installation = Installation::new();
    let server = installation.start();
    let other = Installation::new();
    let mut command = Command::new(env!("CARGO_BIN_EXE_wholecall"));
    command.args(["serve", "--listen", server.address(), "--data"]).arg(other.data());
    let complaint = Server::start(command).err().expect("it does not start");
    assert!(complaint.contains(server.address()), "{complaint}");
}
