//! API keys: the permissions of each scope on every route, expiry, and the time of the last use.

use std::{
    fs,
    io::{BufRead, Read},
    thread,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use serde_json::{Value, json};
use wholecall_server::security::secret;

use crate::{
    harness::{FORM, Installation, OPERATOR_KEY, SOON, Server, Tenant, eventually},
    pages::cookie,
    traffic::{ACCOUNT, assembled, example, expect_calls},
    webhooks::{
        endpoint,
        receiver::{Answer, Receiver},
        started,
    },
};

const SCOPES: [&str; 4] = ["read", "export", "write", "admin"];

/// The tenant with a new key of a scope.
pub(crate) fn scoped(installation: &Installation, tenant: &Tenant, scope: &str) -> Tenant {
    let arguments = ["key", "add", "--tenant", &tenant.name, "--name", scope, "--scope", scope];
    let added = installation.command_json(&arguments);
    assert_eq!(
        (&added["scope"], &added["expiresAt"], &added["lastUsedAt"]),
        (&json!(scope), &Value::Null, &Value::Null)
    );
    tenant.with_key(added["apiKey"].as_str().unwrap())
}

fn path(template: &str, endpoint: &str, call: &str) -> String {
    let id = match template {
        path if path.starts_with("/v1/endpoints") => endpoint,
        path if path.starts_with("/v1/rejected") || path.starts_with("/v1/keys") => "999999",
        _ => call,
    };
    let path = template.replace("{id}", id).replace("{message}", "msg_0").replace("{name}", "acme");
    path.replace("{number}", "+14045550123")
}

#[test]
fn each_scope_permits_on_each_route_what_the_document_states() {
    let installation = Installation::new();
    let server = Server::start(installation.serve_with_operator()).unwrap();
    let client = server.client();
    let tenant = installation.tenant("acme", [ACCOUNT]);
    let notifications = example("direct");
    notifications.iter().for_each(|notification| client.notify(&tenant, notification));
    expect_calls(&client, &tenant, &assembled(&notifications));
    let call = client.calls(&tenant, "", 1)[0]["id"].as_str().unwrap().to_owned();
    let to = endpoint(&client, &tenant, &json!({ "url": "https://example.com/", "enabled": false }));
    let keys = SCOPES.map(|scope| (scope, scoped(&installation, &tenant, scope)));
    let document = client.get(&tenant, "/openapi.json");
    let mut tried = 0;
    for (template, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let security = operation["security"].as_array();
            let security = security.unwrap_or_else(|| panic!("{method} {template} has no security"));
            let needed = security.iter().find_map(|one| one.get("apiKey")).map(|scopes| {
                let word = scopes[0].as_str().unwrap();
                SCOPES.iter().position(|scope| *scope == word).unwrap()
            });
            let path = path(template, to["id"].as_str().unwrap(), &call);
            if needed.is_none() && security.is_empty() {
                continue;
            }
            for (rank, (scope, holder)) in keys.iter().enumerate() {
                tried += 1;
                let about = format!("{scope}: {method} {path}");
                let is_enough = needed.is_some_and(|needed| rank >= needed);
                if is_enough && path == "/v1/stream" {
                    drop(client.stream(holder, &path, &[]));
                    continue;
                }
                // A body that is not read closes the connection, so queries have none.
                let reply = match method.as_str() {
                    "get" => client.try_get(holder, &path, &[]),
                    _ => client.send(holder, &method.to_uppercase(), &path, &json!({})),
                };
                let reply = reply.unwrap_or_else(|error| panic!("{about}: {error}"));
                match needed {
                    None => assert_eq!(reply.status, 401, "{about}: {reply:?}"),
                    Some(_) if is_enough => {
                        assert!(!matches!(reply.status, 401 | 403 | 500..), "{about}: {reply:?}");
                    }
                    Some(needed) => {
                        let detail = reply.problem(403);
                        assert!(detail.contains(&format!("`{}`", SCOPES[needed])), "{about}: {detail}");
                        assert!(detail.contains(&format!("`{scope}`")), "{about}: {detail}");
                    }
                }
            }
        }
    }
    assert!(tried > 4 * 35, "{tried}");
    // Some queries need more than `read`.
    for path in [
        "/v1/calls?format=csv",
        "/v1/calls?format=vcon",
        "/v1/stats?format=csv",
        &format!("/v1/calls/{call}?format=vcon"),
    ] {
        for (rank, (_, holder)) in keys.iter().enumerate() {
            let reply = client.try_get(holder, path, &[]).unwrap();
            assert_eq!(reply.status, if rank == 0 { 403 } else { 200 }, "{path}: {reply:?}");
        }
    }
    let accepting = [("Accept", "text/csv")];
    assert!(client.try_get(&keys[0].1, "/v1/calls", &accepting).unwrap().problem(403).contains("`export`"));
    server.stop();
}

#[test]
fn keys_are_managed_by_admin_keys_operators_and_at_the_command_line() {
    let installation = Installation::new();
    let server = Server::start(installation.serve_with_operator()).unwrap();
    let client = server.client();
    let tenant = installation.tenant("acme", [ACCOUNT]);
    let other = installation.tenant("bob", ["500000000001"]);
    let listed = |holder: &Tenant| client.get(holder, "/v1/keys")["keys"].as_array().unwrap().clone();
    let [first] = &listed(&tenant)[..] else { panic!("a new tenant has one key") };
    assert_eq!(
        (&first["name"], &first["scope"], &first["expiresAt"]),
        (&json!("default"), &json!("admin"), &Value::Null)
    );
    assert!(tenant.api_key.starts_with(first["hint"].as_str().unwrap().trim_end_matches('…')), "{first}");
    let used: Timestamp = first["lastUsedAt"].as_str().unwrap().parse().unwrap();
    assert!(Timestamp::now().duration_since(used).as_secs() < 60, "{first}");

    let add = |holder: &Tenant, path: &str, body: Value| client.send(holder, "POST", path, &body).unwrap();
    let added = add(
        &tenant,
        "/v1/keys",
        json!({ "name": "wallboard 2", "scope": "read", "expiresAt": "2100-01-01T00:00:00Z" }),
    );
    assert_eq!(
        (added.status, &added.json()["expiresAt"]),
        (201, &json!("2100-01-01T00:00:00.000Z")),
        "{added:?}"
    );
    let board = tenant.with_key(added.json()["apiKey"].as_str().unwrap());
    client.get(&board, "/v1/calls");
    let shown = client.try_get(&tenant, "/v1/keys", &[]).unwrap().body;
    assert!(!shown.contains(&board.api_key) && !shown.contains("apiKey"), "{shown}");
    for (wrong, why) in [
        (json!({ "name": "x", "scope": "all" }), "read, export, write, admin"),
        (json!({ "name": "x", "scope": "read", "expiresAt": "2020-01-01T00:00:00Z" }), "future"),
        (json!({ "name": "+1 404-555-0145", "scope": "read" }), "telephone"),
        (json!({ "name": "", "scope": "read" }), "name"),
        (json!({ "name": "x" }), "scope"),
    ] {
        let detail = add(&tenant, "/v1/keys", wrong).problem(400);
        assert!(detail.contains(why), "{detail}");
    }
    // A tenant cannot remove another tenant's key.
    let id = added.json()["id"].as_str().unwrap().to_owned();
    let remove = |holder: &Tenant, path: &str| client.send(holder, "DELETE", path, &json!({})).unwrap();
    remove(&other, &format!("/v1/keys/{id}")).problem(404);
    assert_eq!(remove(&tenant, &format!("/v1/keys/{id}")).status, 204);
    remove(&tenant, &format!("/v1/keys/{id}")).problem(404);
    client.try_get(&board, "/v1/calls", &[]).unwrap().problem(401);

    let operator = tenant.with_key(OPERATOR_KEY);
    let added = add(&operator, "/v1/tenants/acme/keys", json!({ "name": "crm", "scope": "write" })).json();
    assert_eq!(client.get(&operator, "/v1/tenants/acme/keys")["keys"].as_array().unwrap().len(), 2);
    client.try_get(&operator, "/v1/tenants/unknown/keys", &[]).unwrap().problem(404);
    let of_other = format!("/v1/tenants/bob/keys/{}", added["id"].as_str().unwrap());
    remove(&operator, &of_other).problem(404);
    // At the command line while the service runs.
    let text = installation.command(&["key", "list", "--tenant", "acme"]);
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    assert!(text.lines().count() == 2 && text.contains("crm") && text.contains("expires never"), "{text}");
    let unclear = installation.command(&["key", "remove", "--tenant", "acme", "--name", "nothing"]);
    assert!(!unclear.status.success());
    let removed = installation.command_json(&["key", "remove", "--tenant", "acme", "--name", "crm"]);
    assert_eq!(removed["id"], added["id"]);
    let crm = tenant.with_key(added["apiKey"].as_str().unwrap());
    let ends =
        eventually(SOON, || (client.try_get(&crm, "/v1/calls", &[]).unwrap().status == 401).then_some(()));
    assert!(ends.is_some());
    // Rotation replaces the default key only.
    scoped(&installation, &tenant, "read");
    installation.command_json(&["tenant", "rotate", "acme", "api-key"]);
    assert_eq!(installation.command_json(&["tenant", "rotate", "acme", "api-key", "--finish"])["removed"], 1);
    let keys = installation.command_json(&["key", "list", "--tenant", "acme"]);
    let names: Vec<&str> =
        keys["keys"].as_array().unwrap().iter().map(|key| key["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["read", "default"]);
    server.stop();
}

#[test]
fn open_requests_end_when_their_key_expires() {
    let installation = Installation::new();
    let tenant = installation.tenant("acme", [ACCOUNT]);
    let server = installation.start();
    let client = server.client();
    client.get(&tenant, "/v1/calls");
    let arguments =
        ["key", "add", "--tenant", "acme", "--name", "short", "--scope", "read", "--expires", "4s"];
    let added = installation.command_json(&arguments);
    let expires: Timestamp = added["expiresAt"].as_str().unwrap().parse().unwrap();
    let short = tenant.with_key(added["apiKey"].as_str().unwrap());
    let session = cookie(&client, &short);
    let mut stream = client.stream(&short, "/v1/stream", &[]);
    let mut rows = client.stream(&short, "/live/rows", &[("Cookie", &session)]);
    let waiting = {
        let (client, short) = (client.clone(), short.clone());
        thread::spawn(move || {
            (client.try_get(&short, "/v1/changes?after=now&wait=60", &[]).unwrap().status, Timestamp::now())
        })
    };
    let rows = thread::spawn(move || {
        let _ = rows.read_to_end(&mut Vec::new());
        Timestamp::now()
    });
    // The stream ends without an event.
    let mut line = String::new();
    while stream.read_line(&mut line).unwrap() > 0 {}
    let (status, answered) = waiting.join().unwrap();
    assert_eq!(status, 401);
    for ended in [Timestamp::now(), answered, rows.join().unwrap()] {
        let late = ended.duration_since(expires).as_millis();
        assert!((-50..2_000).contains(&late), "{late} ms");
    }
    assert!(!line.contains("event:"), "{line}");
    client.try_get(&short, "/v1/calls", &[]).unwrap().problem(401);
    assert_eq!(client.try_get(&short, "/calls", &[("Cookie", &session)]).unwrap().status, 303);
    let sign_in = format!("key={}", short.api_key);
    assert_eq!(client.post("/sign-in", &[FORM], sign_in.as_bytes()).status, 401);
    client.get(&tenant, "/v1/calls");
    server.stop();
}

#[test]
fn the_last_use_is_stored_without_a_write_per_request() {
    let installation = Installation::new();
    let tenant = installation.tenant("acme", [ACCOUNT]);
    let used =
        || installation.command_json(&["key", "list", "--tenant", "acme"])["keys"][0]["lastUsedAt"].clone();
    assert_eq!(used(), Value::Null);
    let server = installation.start();
    let client = server.client();
    let database = installation.database();
    let version = |database: &rusqlite::Connection| -> i64 {
        database.query_row("PRAGMA data_version", [], |row| row.get(0)).unwrap()
    };
    let (before, started) = (version(&database), Instant::now());
    (0..300).for_each(|_| drop(client.get(&tenant, "/v1/calls?limit=1")));
    if started.elapsed() < Duration::from_secs(15) {
        assert_eq!(version(&database), before, "the database was written");
    }
    server.stop();
    let last: Timestamp = used().as_str().unwrap().parse().unwrap();
    assert!(Timestamp::now().duration_since(last).as_secs() < 60);
}

#[test]
fn pages_offer_and_permit_what_the_scope_allows() {
    let receiver = Receiver::start(Answer::status(200));
    let (installation, server, tenant) = started(ACCOUNT);
    let client = server.client();
    let added = endpoint(&client, &tenant, &json!({ "url": receiver.url() }));
    example("direct").iter().for_each(|line| client.notify(&tenant, line));
    let first = receiver.expect(1).remove(0);
    let call = format!("/calls/{}", first.version().0);
    let again = format!("{call}/deliveries/{}/{}/resend", added["id"].as_str().unwrap(), first.id());
    let holders = SCOPES.map(|scope| scoped(&installation, &tenant, scope));
    for (rank, holder) in holders.iter().enumerate() {
        let session = cookie(&client, holder);
        let headers = [("Cookie", session.as_str())];
        let get = |path: &str| client.try_get(holder, path, &headers).unwrap();
        let is_delivered = eventually(SOON, || get(&call).body.contains(">delivered<").then_some(()));
        assert!(is_delivered.is_some());
        for page in ["/", "/calls", "/numbers", "/health", &call] {
            assert_eq!(get(page).status, 200, "{page}");
        }
        let (may_export, may_write) = (rank >= 1, rank >= 2);
        assert_eq!(get("/calls").body.contains("calls.csv"), may_export);
        assert_eq!(get("/numbers?from=2026-11-10&to=2026-11-20").body.contains("numbers.csv"), may_export);
        assert_eq!(get(&call).body.contains("Resend"), may_write);
        for file in ["/calls.csv", "/numbers.csv?by=day"] {
            let reply = get(file);
            assert_eq!(reply.status, if may_export { 200 } else { 403 }, "{reply:?}");
            assert!(may_export || reply.body.contains("scope `export`"), "{reply:?}");
        }
        let sent = client.post(&again, &headers, b"");
        assert_eq!(sent.status, if may_write { 303 } else { 403 }, "{sent:?}");
    }
    receiver.expect(3);
    server.stop();
}

#[test]
fn a_short_token_is_warned_of_and_a_random_one_is_the_default() {
    let installation = Installation::new();
    let add = |name: &str, token: &[&str]| {
        let arguments = [&["tenant", "add", name, "--account", ACCOUNT, "--json"], token].concat();
        let output = installation.command(&arguments);
        assert!(output.status.success(), "{output:?}");
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        (answer, String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (answer, warning) = add("short", &["--verification-token", "let-me-in"]);
    assert!(
        answer["warning"].as_str().unwrap().contains("16 characters") && warning.contains("16 characters"),
        "{warning}"
    );
    assert!(!warning.contains("let-me-in"), "{warning}");
    let (answer, warning) = add("long", &["--verification-token", "let-me-in-let-me-in"]);
    assert!(answer.get("warning").is_none() && warning.is_empty(), "{answer} {warning}");
    let (answer, warning) = add("random", &[]);
    assert!(
        answer["verificationToken"].as_str().unwrap().len() > 40 && warning.is_empty(),
        "{answer} {warning}"
    );
    let rotated = installation.command_json(&[
        "tenant",
        "rotate",
        "random",
        "verification-token",
        "--token",
        "short-one",
    ]);
    assert!(rotated["warning"].is_string(), "{rotated}");
    let server = Server::start(installation.serve_with_operator()).unwrap();
    let operator = Tenant::operator();
    let body = json!({ "name": "web", "accounts": ["1"], "verificationToken": "let-me-in" });
    let added = server.client().send(&operator, "POST", "/v1/tenants", &body).unwrap();
    assert_eq!(added.status, 201);
    assert!(added.json()["warning"].is_string(), "{added:?}");
    server.stop();
}

#[test]
fn keys_older_than_scopes_permit_everything() {
    let installation = Installation::new();
    fs::create_dir_all(installation.data()).unwrap();
    let old = installation.database();
    old.pragma_update(None, "journal_mode", "WAL").unwrap();
    let schema = concat!(env!("CARGO_MANIFEST_DIR"), "/../store/src/schema");
    let steps = [1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12];
    for step in steps {
        old.execute_batch(&fs::read_to_string(format!("{schema}/{step}.sql")).unwrap()).unwrap();
    }
    old.execute_batch("INSERT INTO tenants VALUES (1, 'acme', 5, '{}', zeroblob(32)); INSERT INTO accounts VALUES (1, '1');")
        .unwrap();
    for (number, kind, text) in [(3, "verification", "wcv_old"), (7, "key", "wck_old")] {
        let insert = "INSERT INTO secrets VALUES (?1, 1, ?2, ?3, ?4, 5)";
        old.execute(insert, rusqlite::params![number, kind, secret::hash(text), text]).unwrap();
    }
    old.pragma_update(None, "user_version", steps.len() as i64).unwrap();
    drop(old);
    let server = installation.start();
    let client = server.client();
    let tenant =
        Tenant { name: "acme".to_owned(), api_key: "wck_old".to_owned(), token: "wcv_old".to_owned() };
    let keys = client.get(&tenant, "/v1/keys");
    let key = &keys["keys"][0];
    assert_eq!(
        (&key["id"], &key["name"], &key["scope"], &key["createdAt"], &key["expiresAt"]),
        (&json!("7"), &json!("default"), &json!("admin"), &json!("1970-01-01T00:00:00.005Z"), &Value::Null),
        "{keys}"
    );
    assert_eq!(client.try_notify(&tenant, "{}").unwrap().status, 200);
    let erased = client.send(&tenant, "DELETE", "/v1/numbers/+14045550123", &json!({})).unwrap();
    assert_eq!(erased.status, 200, "{erased:?}");
    let added = client.send(&tenant, "POST", "/v1/keys", &json!({ "name": "new", "scope": "read" })).unwrap();
    assert_eq!(added.json()["id"], "8", "{added:?}");
    server.stop();
}
