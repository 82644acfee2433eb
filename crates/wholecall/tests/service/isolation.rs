//! Two tenants with the same sessions, numbers and account never see each other's data.

use std::{collections::BTreeMap, io::BufRead, net::Ipv4Addr};

use serde_json::Value;

use crate::{
    harness::{Client, Installation, SOON, Tenant, eventually},
    traffic::{ACCOUNT, assembled, example, examples, expect_calls, expect_settled, post_all},
    webhooks::{
        self,
        receiver::{Answer, Receiver},
    },
};

/// The same calls with other names of people.
fn renamed(notifications: &[String], name: &str) -> Vec<String> {
    let rename = |notification: &String| {
        let mut renamed = notification.clone();
        for known in ["Ben Okafor", "Ada Moreno", "Chloe Lindqvist", "Dev Patel"] {
            renamed = renamed.replace(known, name);
        }
        renamed
    };
    notifications.iter().map(rename).collect()
}

/// All kinds of queries, with the ids of both tenants.
fn queries(ids: &[&str]) -> Vec<String> {
    let mut paths: Vec<String> = [
        "",
        "?number=%2B14045550114",
        "?number=4045550145",
        "?extension=400131426104",
        "?name=a",
        "?name=hidden",
        "?direction=Inbound",
        "?result=Answered",
        "?state=complete",
        "?move=AttendedTransfer",
        "?queue=400131426002",
        "?from=2020-01-01T00:00:00Z",
        "?as_of=2100-01-01T00:00:00Z",
        "?format=csv",
        "?format=ndjson",
        "?format=vcon",
    ]
    .map(|query| format!("/v1/calls{query}"))
    .into();
    for id in ids {
        for part in ["", "/versions", "/notifications", "/explain", "?format=csv", "?format=vcon"] {
            paths.push(format!("/v1/calls/{id}{part}"));
        }
    }
    paths.push("/v1/changes?after=0&limit=1000".to_owned());
    paths
}

fn ids(client: &Client, tenant: &Tenant) -> Vec<String> {
    let calls = client.calls(tenant, "", 100);
    calls.iter().map(|call| call["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn tenants_never_see_each_other() {
    let installation = Installation::new();
    // Wrong keys are sent from many addresses, since their number per address and minute is limited.
    let server = installation.start_with(&[("WHOLECALL_TRUSTED_PROXIES", "127.0.0.1")]);
    let mut strangers =
        (0..=u16::MAX).map(|number| Ipv4Addr::from(0x0a00_0000 + u32::from(number)).to_string());
    let client = server.client();
    let (left, right) = (installation.tenant("left", [ACCOUNT]), installation.tenant("right", [ACCOUNT]));
    let direct = example("direct");
    let left_calls = renamed(&[direct.clone(), example("warm-transfer")].concat(), "Hidden Left");
    let right_calls = renamed(&[direct, example("queue"), example("park")].concat(), "Hidden Right");
    post_all(&server, &left, &left_calls, 4);
    post_all(&server, &right, &right_calls, 4);
    expect_calls(&client, &left, &assembled(&left_calls));
    expect_calls(&client, &right, &assembled(&right_calls));

    let (left_ids, right_ids) = (ids(&client, &left), ids(&client, &right));
    let all: Vec<&str> = left_ids.iter().chain(&right_ids).map(String::as_str).collect();
    for (tenant, own, others_name) in
        [(&left, &left_ids, "Hidden Right"), (&right, &right_ids, "Hidden Left")]
    {
        let mut seen = 0;
        for path in queries(&all) {
            let reply = client.try_get(tenant, &path, &[]).unwrap();
            assert!(!reply.body.contains(others_name), "{} sees {path}: {}", tenant.name, reply.body);
            let foreign = all.iter().any(|id| path.contains(id) && !own.iter().any(|other| other == id));
            if foreign {
                reply.problem(404);
            } else {
                assert_eq!(reply.status, 200, "{path}: {reply:?}");
                seen += usize::from(reply.body.contains("Hidden"));
            }
            let stranger = tenant.with_key(&tenant.token);
            let from = strangers.next().unwrap();
            client.try_get(&stranger, &path, &[("X-Forwarded-For", &from)]).unwrap().problem(401);
        }
        assert!(seen > 10, "{} sees its own in {seen} answers", tenant.name);
        let own_changes = client.changes(tenant);
        let mut events = client.stream(tenant, "/v1/stream?after=0", &[]).lines();
        for change in &own_changes {
            let data = events.by_ref().map(Result::unwrap).find(|line| line.starts_with("data:")).unwrap();
            let event: Value = serde_json::from_str(data.trim_start_matches("data:")).unwrap();
            assert_eq!(event, *change);
        }
    }
    let crossed = Tenant { token: right.token.clone(), ..left.clone() };
    client.try_notify(&crossed, &left_calls[0]).unwrap().problem(401);
    server.stop();
}

#[test]
fn a_removed_tenant_loses_access_and_all_data() {
    let installation = Installation::new();
    let server = installation.start();
    let client = server.client();
    let (gone, stays) = (installation.tenant("gone", [ACCOUNT]), installation.tenant("stays", [ACCOUNT]));
    let calls = example("direct");
    for tenant in [&gone, &stays] {
        post_all(&server, tenant, &calls, 2);
        expect_calls(&client, tenant, &assembled(&calls));
    }
    installation.command_json(&["tenant", "remove", "gone", "--yes"]);
    let is_refused =
        eventually(SOON, || (client.try_get(&gone, "/v1/calls", &[]).unwrap().status == 401).then_some(()));
    assert!(is_refused.is_some(), "the key of a removed tenant still works");
    client.try_notify(&gone, &calls[0]).unwrap().problem(401);
    expect_calls(&client, &stays, &assembled(&calls));
    let again = installation.tenant("gone", [ACCOUNT]);
    assert_eq!(client.calls(&again, "", 10).len(), 0);
    assert_eq!(client.changes(&again).len(), 0);
    server.stop();
}

/// The non-empty tables with their numbers of rows.
fn filled(installation: &Installation) -> BTreeMap<String, i64> {
    let database = installation.database();
    let mut tables = database.prepare("SELECT name FROM sqlite_master WHERE type = 'table'").unwrap();
    let names: Vec<String> = tables.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let rows = |name: &String| -> i64 {
        database.query_row(&format!("SELECT count(*) FROM {name}"), [], |row| row.get(0)).unwrap()
    };
    names
        .into_iter()
        .map(|name| (rows(&name), name))
        .filter(|(rows, _)| *rows > 0)
        .map(|(rows, name)| (name, rows))
        .collect()
}

#[test]
fn nothing_is_left_of_a_removed_tenant_in_any_table() {
    let (installation, server, tenant) = webhooks::started(ACCOUNT);
    // Tables with rows that belong to no tenant; `sqlite_sequence` only counts.
    let empty = Installation::new();
    empty.start().stop();
    let mut common = filled(&empty);
    common.insert("sqlite_sequence".to_owned(), 0);
    // The audit log retains who removed the tenant, without data of calls.
    common.extend(["audit", "audit_counts"].map(|table| (table.to_owned(), 0)));
    let client = server.client();
    let receivers = [Receiver::start(Answer::status(200)), Receiver::start(Answer::status(500))];
    for receiver in &receivers {
        let added = webhooks::endpoint(&client, &tenant, &webhooks::to(&receiver.url()));
        webhooks::send(&client, &tenant, "POST", &webhooks::path(&added, "/test"), &Value::Null);
    }
    client.try_notify(&tenant, "no notification").unwrap();
    post_all(&server, &tenant, &examples(), 2);
    expect_settled(&client, &tenant);
    let calls = client.calls(&tenant, "", 100).len();
    receivers[0].expect(calls + 1);
    let number =
        client.calls(&tenant, "", 1)[0]["participants"][0]["phoneNumber"].as_str().unwrap().to_owned();
    webhooks::send(&client, &tenant, "DELETE", &format!("/v1/numbers/{number}"), &Value::Null);
    let before = filled(&installation);
    for table in ["endpoints", "deliveries", "attempts", "notices", "rejected", "erasures", "calls"] {
        assert!(before.contains_key(table), "{table} is empty: {before:?}");
    }
    installation.command_json(&["tenant", "remove", &tenant.name, "--yes"]);
    let left: Vec<String> =
        filled(&installation).into_keys().filter(|table| !common.contains_key(table)).collect();
    assert!(left.is_empty(), "{left:?}");
    server.stop();
}

#[test]
fn data_stored_during_the_removal_of_a_tenant_is_removed_too() {
    let installation = Installation::new();
    let tenant = installation.tenant("stays", [ACCOUNT]);
    let server = installation.start();
    post_all(&server, &tenant, &example("direct"), 2);
    expect_calls(&server.client(), &tenant, &assembled(&example("direct")));
    server.stop();
    // As if the data had been stored for a tenant that another process had just removed.
    let rows = |database: &rusqlite::Connection| -> i64 {
        ["sessions", "journal", "changes", "calls"]
            .map(|table| {
                let count = format!("SELECT count(*) FROM {table} WHERE tenant = 4711");
                database.query_row(&count, [], |row| row.get::<_, i64>(0)).unwrap()
            })
            .iter()
            .sum()
    };
    for table in ["sessions", "journal", "changes", "calls"] {
        installation.database().execute(&format!("UPDATE {table} SET tenant = 4711"), []).unwrap();
    }
    assert!(rows(&installation.database()) > 4);
    let server = installation.start();
    let is_removed = eventually(SOON, || (rows(&installation.database()) == 0).then_some(()));
    assert!(is_removed.is_some());
    server.stop();
}
