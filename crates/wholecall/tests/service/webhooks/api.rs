//! What tenants do with their endpoints, and what receivers in other languages make of what they get.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    time::Duration,
};

use serde_json::{Value, json};

use super::{
    endpoint, path,
    receiver::{Answer, Foreign, Receiver},
    send, started, to,
};
use crate::{
    harness::{Client, Installation, SOON, eventually},
    traffic::{ACCOUNT, another, example, expect_settled},
};

/// The standard's example of a secret.
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

#[test]
fn the_official_libraries_verify_what_is_delivered() {
    let receivers: Vec<Foreign> = ["receiver.py", "receiver.mjs"]
        .iter()
        .filter_map(|program| Foreign::start(program, SECRET))
        .collect();
    let installation = Installation::new();
    let (server, tenant) = started(&installation, ACCOUNT);
    let client = server.client();
    for receiver in &receivers {
        let wanted = json!({ "url": receiver.url, "secret": SECRET, "events": ["call.completed"] });
        let added = endpoint(&client, &tenant, &wanted);
        // The old secret still signs, beside the new one.
        let rotated = send(&client, &tenant, "POST", &path(&added, "/rotate"), &json!({})).json();
        assert_ne!(rotated["secret"], SECRET);
    }
    example("warm-transfer").iter().for_each(|line| client.notify(&tenant, line));
    let ids: Vec<Value> = receivers
        .iter()
        .map(|receiver| {
            let told = receiver.next();
            assert_eq!(told["event"]["type"], "call.completed", "{told}");
            let call = &told["event"]["data"]["call"];
            let id = call["id"].as_str().unwrap();
            assert_eq!(*call, client.get(&tenant, &format!("/v1/calls/{id}")));
            told["id"].clone()
        })
        .collect();
    assert!(ids.windows(2).all(|pair| pair[0] == pair[1]), "one version, one id: {ids:?}");
    server.stop();
}

#[test]
fn node_verifies_with_the_public_key_what_is_signed_with_the_private_one() {
    let installation = Installation::new();
    let (server, tenant) = started(&installation, ACCOUNT);
    let client = server.client();
    // Whoever overhears what is told can tell it again.
    let overheard = Receiver::start(Answer::status(200));
    let wanted = json!({ "url": overheard.url(), "signing": "v1a", "events": ["call.completed"] });
    let added = endpoint(&client, &tenant, &wanted);
    let Some(receiver) = Foreign::start("receiver.mjs", added["publicKey"].as_str().unwrap()) else { return };
    let call = example("warm-transfer");
    call.iter().for_each(|line| client.notify(&tenant, line));
    let first = overheard.expect(1).remove(0);
    assert!(first.header("webhook-signature").starts_with("v1a,"));
    let moved = send(&client, &tenant, "PATCH", &path(&added, ""), &to(&receiver.url));
    assert_eq!(moved.status, 200, "{moved:?}");
    // Also while the key is followed by another, which the receiver does not know yet.
    let rotated = send(&client, &tenant, "POST", &path(&added, "/rotate"), &json!({})).json();
    assert_ne!(rotated["publicKey"], added["publicKey"]);
    another(&call, 1).iter().for_each(|line| client.notify(&tenant, line));
    let told = receiver.next();
    let call = &told["event"]["data"]["call"];
    let id = call["id"].as_str().unwrap_or_else(|| panic!("{told}"));
    assert_eq!(*call, client.get(&tenant, &format!("/v1/calls/{id}")));
    // What was changed on the way is not taken for what was signed.
    let host = receiver.url.trim_start_matches("http://").trim_end_matches('/');
    let headers =
        ["webhook-id", "webhook-timestamp", "webhook-signature"].map(|name| (name, first.header(name)));
    let repeat = |body: &str| Client::new(host).try_post("/", &headers, body.as_bytes()).unwrap().status;
    assert_eq!((repeat(&first.text), &receiver.next()["id"]), (204, &json!(first.id())));
    let forged = first.text.replace("Answered", "Missed");
    assert_ne!(forged, first.text);
    assert_eq!((repeat(&forged), &receiver.next()["error"]), (401, &json!("no signature fits")));
    server.stop();
}

#[test]
fn a_program_that_listens_is_forwarded_what_it_can_verify() {
    let installation = Installation::new();
    let (server, tenant) = started(&installation, ACCOUNT);
    let client = server.client();
    let receiver = Receiver::start(Answer::status(200));
    let mut listen = Command::new(env!("CARGO_BIN_EXE_wholecall"))
        .args([
            "listen",
            "--forward-to",
            &receiver.url(),
            "--server",
            &format!("http://{}", server.address()),
        ])
        .env("WHOLECALL_API_KEY", &tenant.api_key)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(listen.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.next().unwrap().starts_with("secret whsec_"));
    assert!(lines.next().unwrap().starts_with("listening at http://"));
    example("direct").iter().for_each(|line| client.notify(&tenant, line));
    let told = lines.find(|line| line.contains("call.completed")).unwrap();
    assert!(told.contains(" 200 in "), "{told}");
    let completed =
        receiver.requests().into_iter().find(|request| request.kind() == "call.completed").unwrap();
    assert!(told.contains(completed.id()) && completed.header("webhook-signature").starts_with("v1,"));
    let feed = client.changes(&tenant);
    assert!(feed.contains(&completed.body), "as it is in the feed");
    listen.kill().unwrap();
    listen.wait().unwrap();
    server.stop();
}

#[test]
fn endpoints_are_added_changed_and_removed() {
    let installation = Installation::new();
    let (server, tenant) = started(&installation, ACCOUNT);
    let other = installation.tenant("other", ["1"]);
    let client = server.client();
    let wanted = json!({ "url": "https://example.com/calls", "headers": { "Authorization": "Basic abc" }, "rateLimit": 5 });
    let added = endpoint(&client, &tenant, &wanted);
    assert!(added["secret"].as_str().unwrap().starts_with("whsec_"));
    assert_eq!(added["events"], json!(["call.completed", "call.merged", "call.revised"]));
    let one = client.get(&tenant, &path(&added, ""));
    assert_eq!((&one["secret"], &one["headers"]), (&Value::Null, &json!(["authorization"])));
    let change = json!({ "filter": { "result": "Missed" }, "rateLimit": null, "enabled": false });
    let changed = send(&client, &tenant, "PATCH", &path(&added, ""), &change).json();
    assert_eq!((&changed["rateLimit"], &changed["filter"]["result"]), (&Value::Null, &json!("Missed")));
    assert_eq!((&changed["enabled"], &changed["disabledReason"]), (&json!(false), &json!("owner")));
    let key = endpoint(&client, &tenant, &json!({ "url": "https://example.com/", "signing": "v1a" }));
    assert!(key["publicKey"].as_str().unwrap().starts_with("whpk_") && key["secret"].is_null());
    // Nothing of it is anybody else's.
    assert_eq!(client.get(&other, "/v1/endpoints"), json!({ "endpoints": [] }));
    for (method, below) in
        [("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/test"), ("GET", "/deliveries")]
    {
        let reply = send(&client, &other, method, &path(&added, below), &json!({}));
        assert_eq!(reply.status, 404, "{method} {below}: {reply:?}");
    }
    // Nor in the file in a form that can be read.
    let database = installation.database();
    let sealed: Vec<u8> = database.query_row("SELECT sealed FROM endpoints", [], |row| row.get(0)).unwrap();
    assert!(!sealed.windows(5).any(|part| part == b"whsec" || part == b"Basic"));
    assert_eq!(send(&client, &tenant, "DELETE", &path(&added, ""), &json!({})).status, 204);
    assert_eq!(send(&client, &tenant, "DELETE", &path(&added, ""), &json!({})).status, 404);
    server.stop();
}

#[test]
fn what_makes_no_endpoint_is_refused_with_the_reason() {
    let installation = Installation::new();
    let tenant = installation.tenant("acme", [ACCOUNT]);
    let server = installation.start();
    let client = server.client();
    let good = json!({ "url": "https://example.com" });
    let with = |name: &str, value: Value| {
        let mut wanted = good.clone();
        wanted[name] = value;
        wanted
    };
    let added = endpoint(&client, &tenant, &good);
    // Member, value, and what is said of it.
    let refused = [
        ("url", json!("ftp://example.com"), "http"),
        ("url", json!("example.com"), "http"),
        ("url", json!("https://"), "cannot be read"),
        ("url", json!("https://exa mple.com"), "cannot be read"),
        ("url", json!("https://example.com:70000/"), "port"),
        ("url", json!("https://me:secret@example.com/"), "header"),
        ("url", json!("http://127.0.0.1:9/"), "loopback"),
        ("url", json!("http://[::ffff:10.0.0.1]/"), "private"),
        ("url", json!(format!("https://example.com/{}", "x".repeat(2_000))), "2000"),
        ("url", json!(7), "string"),
        ("events", json!(["call.ended"]), "call.ended"),
        ("events", json!([]), "at least one"),
        ("events", json!("call.completed"), "sequence"),
        ("headers", json!({ "Host": "x" }), "Host"),
        ("headers", json!({ "Webhook-Signature": "x" }), "Webhook-Signature"),
        ("headers", json!({ "X Y": "x" }), "X Y"),
        ("headers", json!({ "X": "a\r\nY: b" }), "one line"),
        ("headers", json!({ "X": 1 }), "one line"),
        ("headers", json!(["X"]), "object"),
        ("filter", json!({ "result": "Great" }), "filter.result"),
        ("filter", json!({ "direction": "Up" }), "filter.direction"),
        ("filter", json!({ "number": "none" }), "filter.number"),
        ("filter", json!({ "endState": "gone" }), "filter.endState"),
        ("filter", json!({ "answeredBy": 104 }), "filter.answeredBy"),
        ("filter", json!({ "extension": 104 }), "filter.extension"),
        ("filter", json!({ "colour": "red" }), "colour"),
        ("rateLimit", json!(0), "1 to 100000"),
        ("rateLimit", json!("fast"), "u32"),
        ("batch", json!(101), "100"),
        ("batch", json!(-1), "u32"),
        ("redact", json!("yes"), "boolean"),
        ("enabled", json!("yes"), "true or false"),
        ("signing", json!("v2"), "v1a"),
        ("description", json!("x".repeat(1_001)), "1000"),
        ("secret", json!("whsec_c2hvcnQ="), "24 to 64"),
        ("colour", json!("red"), "colour"),
    ];
    for (name, value, reason) in refused {
        let wanted = with(name, value);
        let mut details = vec![send(&client, &tenant, "POST", "/v1/endpoints", &wanted).problem(400)];
        details.push(send(&client, &tenant, "PATCH", &path(&added, ""), &wanted).problem(400));
        // Of a signature, a change says that it is made otherwise.
        let is_rotated = matches!(name, "signing" | "secret");
        for (detail, reason) in details.iter().zip([reason, if is_rotated { "rotation" } else { reason }]) {
            assert!(detail.contains(name) && detail.contains(reason), "{wanted}: {detail}");
        }
    }
    assert!(send(&client, &tenant, "POST", "/v1/endpoints", &json!({})).problem(400).contains("url"));
    assert!(send(&client, &tenant, "POST", "/v1/endpoints", &json!([])).problem(400).contains("object"));
    let below = [
        ("/rotate", json!({ "signing": "v2" }), "signing"),
        ("/rotate", json!({ "secret": "short" }), "secret"),
        ("/replay", json!({ "since": "yesterday" }), "since"),
        ("/replay", json!({ "failed": "all" }), "failed"),
        ("/replay", json!({ "filter": { "result": "Great" } }), "filter.result"),
        ("/replay", json!({}), "since"),
    ];
    for (below, wanted, name) in below {
        let detail = send(&client, &tenant, "POST", &path(&added, below), &wanted).problem(400);
        assert!(detail.contains(name), "{below} {wanted}: {detail}");
    }
    assert_eq!(client.get(&tenant, "/v1/endpoints")["endpoints"].as_array().unwrap().len(), 1);
    assert_eq!(client.get(&tenant, &path(&added, ""))["url"], good["url"]);
    server.stop();
}

#[test]
fn a_name_that_leads_into_this_network_is_never_connected_to() {
    let receiver = Receiver::start(Answer::status(200));
    let installation = Installation::new();
    let tenant = installation.tenant("acme", [ACCOUNT]);
    let server = installation.start();
    let client = server.client();
    // Resolvers read numbers in many ways.
    for name in ["localhost", "127.1", "2130706433", "0x7f000001"] {
        let added = endpoint(&client, &tenant, &to(&receiver.url().replace("127.0.0.1", name)));
        send(&client, &tenant, "POST", &path(&added, "/test"), &json!({}));
        let problem = eventually(SOON, || {
            let page = client.get(&tenant, &path(&added, "/deliveries"));
            page["deliveries"][0]["attempts"][0]["problem"].as_str().map(str::to_owned)
        });
        assert_eq!(problem, Some(format!("no address that may be connected to was found for {name}")));
    }
    assert!(receiver.requests().is_empty());
    server.stop();
}

#[test]
fn what_was_sent_is_listed_and_sent_again_when_asked() {
    let receiver = Receiver::start(Answer::status(200));
    let installation = Installation::new();
    let (server, tenant) = started(&installation, ACCOUNT);
    let client = server.client();
    let added = endpoint(&client, &tenant, &to(&receiver.url()));
    let silent =
        endpoint(&client, &tenant, &json!({ "url": receiver.url(), "filter": { "result": "Busy" } }));
    example("direct").iter().for_each(|line| client.notify(&tenant, line));
    let first = receiver.expect(1).remove(0);
    // Waits until so many attempts are written down.
    let attempted = |count: usize| {
        let listed = eventually(SOON, || {
            let one = client.get(&tenant, &path(&added, "/deliveries"))["deliveries"][0].clone();
            let attempts = one["attempts"].as_array().map_or(0, Vec::len);
            (one["state"] == "delivered" && attempts == count).then_some(one)
        });
        listed.expect("it is listed")
    };
    let listed = attempted(1);
    assert_eq!(listed["id"], first.id());
    assert_eq!(
        (&listed["attempts"][0]["status"], &listed["attempts"][0]["response"]),
        (&json!(200), &json!("told"))
    );
    let of_call = client.get(&tenant, &format!("/v1/calls/{}/deliveries", first.version().0));
    assert_eq!(of_call["deliveries"], json!([listed]));

    let again = format!("/deliveries/{}/resend", first.id());
    assert_eq!(send(&client, &tenant, "POST", &path(&added, &again), &json!({})).status, 202);
    let second = receiver.expect(2).remove(1);
    assert_eq!((second.id(), &second.body), (first.id(), &first.body));
    attempted(2);
    let since = json!({ "since": "2020-01-01T00:00:00Z" });
    let replayed = send(&client, &tenant, "POST", &path(&added, "/replay"), &since).json();
    assert_eq!(replayed, json!({ "deliveries": 1 }));
    assert_eq!(receiver.expect(3)[2].id(), first.id());
    let none = send(&client, &tenant, "POST", &path(&silent, "/replay"), &since).json();
    assert_eq!(none, json!({ "deliveries": 0 }), "its own filter counts");
    let test = send(&client, &tenant, "POST", &path(&silent, "/test"), &json!({})).json();
    let told = receiver.expect(4).remove(3);
    assert_eq!((told.kind(), told.id()), ("endpoint.test", test["id"].as_str().unwrap()));
    server.stop();
}

#[test]
fn what_is_wanted_again_while_it_is_on_its_way_is_sent_again_afterwards() {
    let wait = Duration::from_millis(400);
    let receiver = Receiver::start(Answer::Late(wait));
    let installation = Installation::new();
    let (server, tenant) = started(&installation, ACCOUNT);
    let client = server.client();
    let added = endpoint(&client, &tenant, &to(&receiver.url()));
    example("direct").iter().for_each(|line| client.notify(&tenant, line));
    // The first is not written down anywhere yet; the second is a delivery that is sent once more.
    let id = receiver.expect(1)[0].id().to_owned();
    for count in 1..=2 {
        assert_eq!(receiver.expect(count).len(), count, "none before it is wanted");
        let again = path(&added, &format!("/deliveries/{id}/resend"));
        assert_eq!(send(&client, &tenant, "POST", &again, &json!({})).status, 202);
    }
    let told = receiver.expect(3);
    assert!(told.iter().all(|request| request.id() == id && request.body == told[0].body));
    let apart = told.windows(2).map(|pair| pair[1].at.duration_since(pair[0].at));
    assert!(apart.min() >= Some(wait), "each after the one before");
    // A replay means it too.
    let since = json!({ "since": "2020-01-01T00:00:00Z" });
    let replayed = send(&client, &tenant, "POST", &path(&added, "/replay"), &since);
    assert_eq!(replayed.json(), json!({ "deliveries": 1 }));
    receiver.expect(4);
    let done = eventually(SOON, || {
        let one = client.get(&tenant, &path(&added, "/deliveries"))["deliveries"][0].clone();
        (one["state"] == "delivered").then(|| one["attempts"].as_array().unwrap().len())
    });
    assert_eq!(done, Some(4));
    std::thread::sleep(2 * wait);
    assert_eq!(receiver.requests().len(), 4, "and not more often");
    server.stop();
}

#[test]
fn endpoints_are_looked_after_beside_the_running_service() {
    let receiver = Receiver::start(Answer::status(200));
    let installation = Installation::new();
    let (server, tenant) = started(&installation, ACCOUNT);
    let client = server.client();
    let url = receiver.url();
    let added = installation.command_json(&[
        "endpoint",
        "add",
        "acme",
        &url,
        "--batch",
        "10",
        "--redact",
        "--event",
        "call.completed",
    ]);
    let id = added["id"].as_str().unwrap();
    installation.command_json(&["endpoint", "test", "acme", id]);
    assert_eq!(receiver.expect(1)[0].body["data"][0]["type"], "endpoint.test");
    let call = example("direct");
    call.iter().for_each(|line| client.notify(&tenant, line));
    let told = receiver.expect(2).remove(1);
    let call_id = told.body["data"][0]["data"]["call"]["id"].as_str().unwrap().to_owned();
    let record = client.get(&tenant, &format!("/v1/calls/{call_id}"));
    let number = record["from"]["phoneNumber"].as_str().unwrap();
    assert!(number.len() > 7 && !told.body.to_string().contains(number), "{number}: {}", told.body);
    let filter = |options: &[&str]| -> Value {
        let set = [&["endpoint", "set", "acme", id], options].concat();
        installation.command_json(&set)["filter"].clone()
    };
    let wanted =
        ["--customer", "+14045550145", "--answered-by", "104", "--user", "105", "--end-state", "none"];
    let set = filter(&wanted);
    assert_eq!(
        [&set["customer"], &set["answeredBy"], &set["user"], &set["endState"]],
        [&json!("+14045550145"), &json!("104"), &json!("105"), &json!("none")]
    );
    let reset = ["--customer", "none", "--answered-by", "none", "--user", "none", "--end-state", "any"];
    assert!(filter(&reset).as_object().unwrap().values().all(Value::is_null));
    installation.command_json(&["endpoint", "set", "acme", id, "--enabled", "false"]);
    let ids: Vec<Value> = installation.command_json(&["endpoint", "list", "acme"])["endpoints"]
        .as_array()
        .unwrap()
        .iter()
        .map(|endpoint| endpoint["enabled"].clone())
        .collect();
    assert_eq!(ids, [false]);
    // What happens meanwhile is told when it is enabled again.
    std::thread::sleep(Duration::from_millis(1_500));
    another(&call, 1).iter().for_each(|line| client.notify(&tenant, line));
    expect_settled(&client, &tenant);
    assert_eq!(receiver.requests().len(), 2);
    installation.command_json(&["endpoint", "set", "acme", id, "--enabled", "true"]);
    receiver.expect(3);
    installation.command_json(&["endpoint", "remove", "acme", id]);
    assert_eq!(client.get(&tenant, "/v1/endpoints"), json!({ "endpoints": [] }));
    server.stop();
}
