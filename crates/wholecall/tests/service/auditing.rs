//! The audit log as operators, tenants and the command line see it, and its protection against flooding.

use std::{collections::BTreeSet, net::Ipv4Addr};

use serde_json::{Value, json};
use wholecall_ringcentral::Credentials;
use wholecall_server::{connection, security::SecretKey};
use wholecall_store::{AuditActor, Store};

use crate::{
    harness::{FORM, Installation, OPERATOR_KEY, SOON, Server, Tenant, eventually},
    keys::scoped,
    pages::cookie,
    traffic::{ACCOUNT, example, expect_settled},
    webhooks::{
        endpoint, path,
        receiver::{Answer, Receiver},
        send, started,
    },
};

/// The entries that `wholecall audit` prints, oldest first.
fn entries(installation: &Installation, more: &[&str]) -> Vec<Value> {
    let output = installation.command(&[&["audit", "--json", "--limit", "10000"], more].concat());
    assert!(output.status.success(), "{output:?}");
    let lines = String::from_utf8(output.stdout).unwrap();
    let mut entries: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    entries.reverse();
    entries
}

fn found<'e>(entries: &'e [Value], what: &str, result: &str) -> &'e Value {
    let found = entries.iter().find(|entry| entry["action"] == what && entry["result"] == result);
    found.unwrap_or_else(|| panic!("{what} {result} is missing: {entries:#?}"))
}

#[test]
fn each_use_of_a_key_is_entered_without_secrets_and_numbers() {
    let receiver = Receiver::start(Answer::status(200));
    let (installation, server, tenant) = started(ACCOUNT);
    let client = server.client();
    let to = endpoint(&client, &tenant, &json!({ "url": receiver.url() }));
    example("direct").iter().for_each(|line| client.notify(&tenant, line));
    let first = receiver.expect(1).remove(0);
    let request = |method: &str, path: &str, body: Value| send(&client, &tenant, method, path, &body);
    for (method, path, body) in [
        ("PATCH", path(&to, ""), json!({ "description": "other" })),
        ("POST", path(&to, "/rotate"), json!({})),
        ("POST", path(&to, "/test"), json!({})),
        ("POST", path(&to, "/replay"), json!({ "since": "2020-01-01T00:00:00Z" })),
    ] {
        let reply = request(method, &path, body);
        assert!((200..300).contains(&reply.status), "{path}: {reply:?}");
    }
    let resend = path(&to, &format!("/deliveries/{}/resend", first.id()));
    let is_sent = eventually(SOON, || (request("POST", &resend, json!({})).status == 202).then_some(()));
    assert!(is_sent.is_some());
    let reader = scoped(&installation, &tenant, "read");
    client.try_get(&reader, "/v1/calls?format=csv", &[]).unwrap().problem(403);
    client.send(&reader, "DELETE", "/v1/numbers/+14045550145", &json!({})).unwrap().problem(403);
    assert_eq!(client.try_get(&tenant, "/v1/calls?format=csv&number=4045550145", &[]).unwrap().status, 200);
    let guess = tenant.with_key("wck_a-guess");
    client.send(&guess, "DELETE", "/v1/numbers/+14045550145", &json!({})).unwrap().problem(401);
    client.try_get(&guess, "/v1/calls?number=4045550145", &[]).unwrap().problem(401);
    let guessed = Tenant { token: "a-guessed-token".to_owned(), ..tenant.clone() };
    assert_eq!(client.try_notify(&guessed, "{}").unwrap().status, 401);
    let session = cookie(&client, &tenant);
    assert_eq!(client.post("/sign-in", &[FORM], b"key=wck_a-guess").status, 401);
    assert_eq!(client.post("/sign-out", &[("Cookie", &session)], b"").status, 303);
    let added = request("POST", "/v1/keys", json!({ "name": "crm", "scope": "write" })).json();
    let removed = request("DELETE", &format!("/v1/keys/{}", added["id"].as_str().unwrap()), json!({}));
    assert_eq!(removed.status, 204);
    let erased = request("DELETE", "/v1/numbers/+14045550145", json!({}));
    assert_eq!(erased.status, 200, "{erased:?}");
    let pseudonym = erased.json()["pseudonym"].as_str().unwrap().to_owned();
    assert_eq!(request("DELETE", &path(&to, ""), json!({})).status, 204);
    server.stop();

    let all = entries(&installation, &["--tenant", "acme"]);
    let id = to["id"].as_str().unwrap();
    for (what, object) in [
        ("endpoint.add", id.to_owned()),
        ("endpoint.change", id.to_owned()),
        ("endpoint.rotate", id.to_owned()),
        ("endpoint.test", id.to_owned()),
        ("endpoint.replay", id.to_owned()),
        ("endpoint.remove", id.to_owned()),
        ("delivery.resend", format!("{id} {}", first.id())),
        ("export", "calls as CSV".to_owned()),
        ("signIn", String::new()),
        ("signOut", String::new()),
        ("person.erase", pseudonym),
    ] {
        let entry = found(&all, what, "done");
        assert_eq!((&entry["actor"], &entry["object"]), (&json!("key"), &json!(object)), "{entry}");
        assert_eq!(
            (&entry["key"]["name"], &entry["address"]),
            (&json!("default"), &json!("127.0.0.1")),
            "{entry}"
        );
        assert!(
            tenant.api_key.starts_with(entry["key"]["hint"].as_str().unwrap().trim_end_matches('…')),
            "{entry}"
        );
        assert_eq!(entry["tenant"], "acme");
    }
    let of_crm = |what: &str| {
        let is_it = |entry: &&Value| {
            entry["action"] == what && entry["object"].as_str().unwrap().contains("crm (write)")
        };
        all.iter().any(|entry| is_it(&entry))
    };
    assert!(of_crm("key.add") && of_crm("key.remove"), "{all:#?}");
    assert_eq!(found(&all, "key.use", "refused")["key"]["name"], "read");
    assert_eq!(found(&all, "token.use", "refused")["actor"], "unknown");
    let everywhere = entries(&installation, &[]);
    assert_eq!(found(&everywhere, "signIn", "refused")["tenant"], Value::Null);
    let guesses: Vec<&Value> = everywhere
        .iter()
        .filter(|entry| {
            entry["action"] == "key.use" && entry["actor"] == "unknown" && entry["address"] == "127.0.0.1"
        })
        .collect();
    assert_eq!(
        guesses.iter().map(|entry| entry["count"].as_i64().unwrap()).sum::<i64>(),
        2,
        "{everywhere:#?}"
    );
    // Everything stored, beyond what the command shows.
    let stored: String = installation
        .database()
        .query_row(
            "SELECT group_concat(concat_ws(' ', tenant_name, key_hint, key_name, address, action, object), '\n') FROM audit",
            [],
            |row| row.get(0),
        )
        .unwrap();
    let shown = json!(everywhere).to_string();
    for secret in
        [&*tenant.api_key, &tenant.token, "wck_a-guess", "a-guessed-token", "4045550145", OPERATOR_KEY]
    {
        assert!(!stored.contains(secret) && !shown.contains(secret), "the log contains {secret}");
    }
    let lines = installation.command(&["audit", "--tenant", "acme", "--what", "person.erase"]);
    let lines = String::from_utf8_lossy(&lines.stdout).into_owned();
    assert!(
        lines.lines().count() == 1 && lines.contains("default (wck_") && lines.contains("127.0.0.1"),
        "{lines}"
    );
}

#[test]
fn changes_by_operators_and_the_command_line_are_entered_and_each_tenant_sees_its_own() {
    let installation = Installation::new();
    let server = Server::start(installation.serve_with_operator()).unwrap();
    let client = server.client();
    let acme = installation.tenant("acme", [ACCOUNT]);
    let bob = installation.tenant("bob", ["500000000001"]);
    installation.command_json(&["tenant", "set", "acme", "--settle", "2s"]);
    installation.command_json(&["tenant", "rotate", "acme", "verification-token"]);
    installation.command_json(&["tenant", "rotate", "acme", "verification-token", "--finish"]);
    installation.command_json(&["rejected", "retry", "acme", "--all"]);
    let operator = acme.with_key(OPERATOR_KEY);
    let added =
        client.send(&operator, "POST", "/v1/tenants", &json!({ "name": "gone", "accounts": ["7"] })).unwrap();
    assert_eq!(added.status, 201);
    let changed = client.send(&operator, "PATCH", "/v1/tenants/gone", &json!({ "accounts": ["8"] })).unwrap();
    assert_eq!(changed.status, 200);
    let key = json!({ "name": "crm", "scope": "read" });
    assert_eq!(client.send(&operator, "POST", "/v1/tenants/acme/keys", &key).unwrap().status, 201);
    let copy = installation.data().with_file_name("copy.db");
    assert!(installation.command(&["backup", copy.to_str().unwrap()]).status.success());
    assert!(installation.command(&["tenant", "remove", "gone", "--yes"]).status.success());
    {
        // Like `wholecall connect` and `disconnect`, after RingCentral's answer.
        let store = Store::open_existing(&installation.data()).unwrap().acting_as(AuditActor::command_line());
        let sealing = SecretKey::of_store(&store, None).unwrap();
        let credentials = Credentials {
            server: "http://127.0.0.1:1".to_owned(),
            client_id: "id".to_owned(),
            client_secret: "a-client-secret-that-must-not-leak".to_owned(),
            jwt: "a-jwt".to_owned(),
        };
        connection::connect(&store, &sealing, "bob", "500000000001", credentials).unwrap();
        connection::disconnect(&store, &sealing, "bob", None).unwrap();
    }
    let all = entries(&installation, &[]);
    for what in [
        "tenant.add",
        "tenant.change",
        "token.add",
        "token.remove",
        "rejected.retry",
        "backup",
        "tenant.remove",
    ] {
        let is_by_command = |entry: &&Value| entry["action"] == what && entry["actor"] == "commandLine";
        assert!(all.iter().any(|entry| is_by_command(&entry)), "{what}: {all:#?}");
    }
    for (what, account) in
        [("connection.add", "account 500000000001"), ("connection.remove", "account 500000000001")]
    {
        let entry = found(&all, what, "done");
        assert_eq!((&entry["object"], &entry["tenant"]), (&json!(account), &json!("bob")), "{entry}");
    }
    for (what, tenant) in [("tenant.add", "gone"), ("tenant.change", "gone"), ("key.add", "acme")] {
        let is_operators = |entry: &&Value| {
            entry["action"] == what && entry["actor"] == "operator" && entry["tenant"] == tenant
        };
        let entry =
            all.iter().find(|entry| is_operators(entry)).unwrap_or_else(|| panic!("{what}: {all:#?}"));
        assert_eq!(entry["address"], "127.0.0.1");
    }
    assert!(!json!(all).to_string().contains("must-not-leak"));
    // An operator can read all entries, page by page.
    let (mut seen, mut next) = (Vec::new(), String::new());
    loop {
        let page = client.get(&operator, &format!("/v1/audit?limit=5{next}"));
        seen.extend(page["entries"].as_array().unwrap().iter().cloned());
        match page["next"].as_str() {
            Some(cursor) => next = format!("&cursor={cursor}"),
            None => break,
        }
    }
    let ids = |entries: &[Value]| -> BTreeSet<String> {
        entries.iter().map(|entry| entry["id"].as_str().unwrap().to_owned()).collect()
    };
    assert!(ids(&seen).is_superset(&ids(&all)) && ids(&seen).len() == seen.len());
    let gone = client.get(&operator, "/v1/audit?tenant=gone&action=tenant.remove");
    assert_eq!(gone["entries"].as_array().unwrap().len(), 1, "{gone}");
    let none = client.get(&operator, "/v1/audit?until=2020-01-01T00:00:00Z");
    assert_eq!(none["entries"], json!([]));
    let some = client.get(&operator, "/v1/audit?since=2020-01-01T00:00:00Z&tenant=acme");
    assert!(some["entries"].as_array().unwrap().iter().all(|entry| entry["tenant"] == "acme"));
    client.try_get(&operator, "/v1/audit?action=nonsense", &[]).unwrap().problem(400);
    // A tenant can read its own entries, without the addresses of operators.
    for tenant in [&acme, &bob] {
        let own = client.get(tenant, "/v1/audit?limit=1000");
        let own = own["entries"].as_array().unwrap();
        assert!(!own.is_empty() && own.iter().all(|entry| entry["tenant"] == *tenant.name), "{own:#?}");
        let by_operators = own.iter().filter(|entry| entry["actor"] == "operator");
        assert!(by_operators.clone().all(|entry| entry["address"].is_null()));
        client.try_get(tenant, "/v1/audit?tenant=acme", &[]).unwrap().problem(400);
    }
    client.try_get(&scoped(&installation, &acme, "write"), "/v1/audit", &[]).unwrap().problem(403);
    server.stop();
}

#[test]
fn a_flood_of_wrong_keys_adds_few_entries_with_exact_counts() {
    let installation = Installation::new();
    let tenant = installation.tenant("acme", [ACCOUNT]);
    let server = installation.start_with(&[("WHOLECALL_TRUSTED_PROXIES", "127.0.0.1")]);
    let client = server.client();
    let before = entries(&installation, &[]).len();
    let mut wrong = 0;
    for number in 0..600_u32 {
        // Half of the requests come from one address, the others from one address each.
        let number = if number % 2 == 0 { 0 } else { number };
        let from = Ipv4Addr::from(0x0a00_0000 + number).to_string();
        // A request that is refused before its body is read may close the connection.
        let headers = [("X-Forwarded-For", from.as_str()), ("Connection", "close")];
        let with_token = [&headers[..], &[("Verification-Token", "a-guess")]].concat();
        let status = match number % 3 {
            0 => client.post("/hooks/acme", &with_token, b"{}").status,
            1 => client.post("/hooks/no-tenant-at-all", &with_token, b"{}").status,
            _ => client.try_get(&tenant.with_key("wck_guess"), "/v1/calls", &headers).unwrap().status,
        };
        assert!(matches!(status, 401 | 429), "{status}");
        wrong += 1;
    }
    // The right token and the right key still work.
    client.notify(&tenant, &example("direct")[0]);
    client.get(&tenant, "/v1/calls");
    server.stop();
    let all = entries(&installation, &[]);
    let refused: Vec<&Value> = all.iter().filter(|entry| entry["result"] == "refused").collect();
    let count: u64 = refused.iter().map(|entry| entry["count"].as_u64().unwrap()).sum();
    assert_eq!(count, wrong, "each attempt is counted");
    // An entry for each of the first hundred addresses per minute, and one per kind for all others.
    assert!(refused.len() <= 250 && all.len() - refused.len() <= before + 1, "{}", refused.len());
    let text = json!(all).to_string();
    assert!(
        !text.contains("no-tenant-at-all") && !text.contains("guess"),
        "it contains text sent by clients"
    );
}

#[test]
fn a_repair_is_entered() {
    let (installation, server, tenant) = Installation::running(ACCOUNT);
    let client = server.client();
    example("direct").iter().for_each(|line| client.notify(&tenant, line));
    expect_settled(&client, &tenant);
    server.stop();
    let changed = installation.database().execute("UPDATE calls SET terms = x''", []).unwrap();
    assert_eq!(changed, 1);
    let repaired = installation.command(&["check", "--repair"]);
    assert!(repaired.status.success(), "{repaired:?}");
    let entries = entries(&installation, &[]);
    let entry = found(&entries, "store.repair", "done");
    assert_eq!((&entry["actor"], &entry["tenant"]), (&json!("commandLine"), &Value::Null), "{entry}");
    // Nothing is repaired, so nothing is entered.
    assert!(installation.command(&["check", "--repair"]).status.success());
    assert_eq!(self::entries(&installation, &["--what", "store.repair"]).len(), 1);
}
