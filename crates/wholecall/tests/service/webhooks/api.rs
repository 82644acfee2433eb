//! Tenants manage endpoints, and receivers in other languages verify deliveries.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    time::Duration,
};

use serde_json::{Value, json};

use super::{
    endpoint, path,
    receiver::{Answer, ForeignReceiver, Receiver},
    send, started, to,
};
use crate::{
    harness::{Client, Installation, SOON, eventually},
    traffic::{ACCOUNT, another, example, expect_settled},
};

/// The example secret of the Standard Webhooks specification.
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

#[test]
fn the_official_libraries_verify_deliveries() {
    let receivers: Vec<ForeignReceiver> = ["receiver.py", "receiver.mjs"]
        .iter()
        .filter_map(|program| ForeignReceiver::start(program, SECRET))
        .collect();
    let (_installation, server, tenant) = started(ACCOUNT);
    let client = server.client();
    for receiver in &receivers {
        let settings = json!({ "url": receiver.url, "secret": SECRET, "events": ["call.completed"] });
        let added = endpoint(&client, &tenant, &settings);
        // The old secret signs too, beside the new one.
        let rotated = send(&client, &tenant, "POST", &path(&added, "/rotate"), &json!({})).json();
        assert_ne!(rotated["secret"], SECRET);
    }
    example("warm-transfer").iter().for_each(|line| client.notify(&tenant, line));
    let ids: Vec<Value> = receivers
        .iter()
        .map(|receiver| {
            let report = receiver.next();
            assert_eq!(report["event"]["type"], "call.completed", "{report}");
            let call = &report["event"]["data"]["call"];
            let id = call["id"].as_str().unwrap();
            assert_eq!(*call, client.get(&tenant, &format!("/v1/calls/{id}")));
            report["id"].clone()
        })
        .collect();
    assert!(ids.windows(2).all(|pair| pair[0] == pair[1]), "one version, one id: {ids:?}");
    server.stop();
}

#[test]
fn node_verifies_ed25519_signatures_with_the_public_key() {
    let (_installation, server, tenant) = started(ACCOUNT);
    let client = server.client();
    // Records a delivery, so that it can be repeated.
    let recorder = Receiver::start(Answer::status(200));
    let settings = json!({ "url": recorder.url(), "signing": "v1a", "events": ["call.completed"] });
    let added = endpoint(&client, &tenant, &settings);
    let Some(receiver) = ForeignReceiver::start("receiver.mjs", added["publicKey"].as_str().unwrap()) else {
        return;
    };
    let call = example("warm-transfer");
    call.iter().for_each(|line| client.notify(&tenant, line));
    let first = recorder.expect(1).remove(0);
    assert!(first.header("webhook-signature").starts_with("v1a,"));
    let moved = send(&client, &tenant, "PATCH", &path(&added, ""), &to(&receiver.url));
    assert_eq!(moved.status, 200, "{moved:?}");
    // Also after a rotation to a key that the receiver does not know yet.
    let rotated = send(&client, &tenant, "POST", &path(&added, "/rotate"), &json!({})).json();
    assert_ne!(rotated["publicKey"], added["publicKey"]);
    another(&call, 1).iter().for_each(|line| client.notify(&tenant, line));
    let report = receiver.next();
    let call = &report["event"]["data"]["call"];
    let id = call["id"].as_str().unwrap_or_else(|| panic!("{report}"));
    assert_eq!(*call, client.get(&tenant, &format!("/v1/calls/{id}")));
    // A changed body does not match the signature.
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
fn forward_posts_signed_events_to_a_local_program() {
    let (_installation, server, tenant) = started(ACCOUNT);
    let client = server.client();
    let receiver = Receiver::start(Answer::status(200));
    let mut forward = Command::new(env!("CARGO_BIN_EXE_wholecall"))
        .args([
            "forward",
            "--forward-to",
            &receiver.url(),
            "--server",
            &format!("http://{}", server.address()),
        ])
        .env("WHOLECALL_API_KEY", &tenant.api_key)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(forward.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.next().unwrap().starts_with("secret whsec_"));
    assert!(lines.next().unwrap().starts_with("forwarding events from http://"));
    example("direct").iter().for_each(|line| client.notify(&tenant, line));
    let line = lines.find(|line| line.contains("call.completed")).unwrap();
    assert!(line.contains(" 200 in "), "{line}");
    let completed =
        receiver.requests().into_iter().find(|request| request.kind() == "call.completed").unwrap();
    assert!(line.contains(completed.id()) && completed.header("webhook-signature").starts_with("v1,"));
    let feed = client.changes(&tenant);
    assert!(feed.contains(&completed.body), "it differs from the event in the feed");
    forward.kill().unwrap();
    forward.wait().unwrap();
    server.stop();
}

#[test]
fn endpoints_are_added_changed_and_removed() {
    let (installation, server, tenant) = started(ACCOUNT);
    let other = installation.tenant("other", ["1"]);
    let client = server.client();
    let settings = json!({ "url": "https://example.com/calls", "headers": { "Authorization": "Basic abc" }, "rateLimit": 5 });
    let added = endpoint(&client, &tenant, &settings);
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
    // Other tenants cannot access it.
    assert_eq!(client.get(&other, "/v1/endpoints"), json!({ "endpoints": [] }));
    for (method, suffix) in
        [("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/test"), ("GET", "/deliveries")]
    {
        let reply = send(&client, &other, method, &path(&added, suffix), &json!({}));
        assert_eq!(reply.status, 404, "{method} {suffix}: {reply:?}");
    }
    // The database holds secrets only encrypted.
    let database = installation.database();
    let sealed: Vec<u8> = database.query_row("SELECT sealed FROM endpoints", [], |row| row.get(0)).unwrap();
    assert!(!sealed.windows(5).any(|part| part == b"whsec" || part == b"Basic"));
    assert_eq!(send(&client, &tenant, "DELETE", &path(&added, ""), &json!({})).status, 204);
    assert_eq!(send(&client, &tenant, "DELETE", &path(&added, ""), &json!({})).status, 404);
    server.stop();
}

#[test]
fn invalid_endpoints_are_refused_with_the_reason() {
    let installation = Installation::new();
    let tenant = installation.tenant("acme", [ACCOUNT]);
    let server = installation.start();
    let client = server.client();
    let good = json!({ "url": "https://example.com" });
    let with = |name: &str, value: Value| {
        let mut settings = good.clone();
        settings[name] = value;
        settings
    };
    let added = endpoint(&client, &tenant, &good);
    // Member, value, and a word of the reason.
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
        let settings = with(name, value);
        let mut details = vec![send(&client, &tenant, "POST", "/v1/endpoints", &settings).problem(400)];
        details.push(send(&client, &tenant, "PATCH", &path(&added, ""), &settings).problem(400));
        // A change of the signature is refused with a hint at rotation.
        let is_rotated = matches!(name, "signing" | "secret");
        for (detail, reason) in details.iter().zip([reason, if is_rotated { "rotation" } else { reason }]) {
            assert!(detail.contains(name) && detail.contains(reason), "{settings}: {detail}");
        }
    }
    assert!(send(&client, &tenant, "POST", "/v1/endpoints", &json!({})).problem(400).contains("url"));
    assert!(send(&client, &tenant, "POST", "/v1/endpoints", &json!([])).problem(400).contains("object"));
    let requests = [
        ("/rotate", json!({ "signing": "v2" }), "signing"),
        ("/rotate", json!({ "secret": "short" }), "secret"),
        ("/replay", json!({ "since": "yesterday" }), "since"),
        ("/replay", json!({ "failed": "all" }), "failed"),
        ("/replay", json!({ "filter": { "result": "Great" } }), "filter.result"),
        ("/replay", json!({}), "since"),
    ];
    for (suffix, settings, name) in requests {
        let detail = send(&client, &tenant, "POST", &path(&added, suffix), &settings).problem(400);
        assert!(detail.contains(name), "{suffix} {settings}: {detail}");
    }
    assert_eq!(client.get(&tenant, "/v1/endpoints")["endpoints"].as_array().unwrap().len(), 1);
    assert_eq!(client.get(&tenant, &path(&added, ""))["url"], good["url"]);
    server.stop();
}

#[test]
fn a_host_name_with_a_private_address_is_never_connected_to() {
    let receiver = Receiver::start(Answer::status(200));
    let installation = Installation::new();
    let tenant = installation.tenant("acme", [ACCOUNT]);
    let server = installation.start();
    let client = server.client();
    // Resolvers accept many notations of an address.
    for name in ["localhost", "127.1", "2130706433", "0x7f000001"] {
        let added = endpoint(&client, &tenant, &to(&receiver.url().replace("127.0.0.1", name)));
        send(&client, &tenant, "POST", &path(&added, "/test"), &json!({}));
        let problem = eventually(SOON, || {
            let page = client.get(&tenant, &path(&added, "/deliveries"));
            page["deliveries"][0]["attempts"][0]["problem"].as_str().map(str::to_owned)
        });
        assert_eq!(problem, Some(format!("no allowed address was found for {name}")));
    }
    assert!(receiver.requests().is_empty());
    server.stop();
}

#[test]
fn deliveries_are_listed_and_redelivered_on_request() {
    let receiver = Receiver::start(Answer::status(200));
    let (_installation, server, tenant) = started(ACCOUNT);
    let client = server.client();
    let added = endpoint(&client, &tenant, &to(&receiver.url()));
    let filtered =
        endpoint(&client, &tenant, &json!({ "url": receiver.url(), "filter": { "result": "Busy" } }));
    example("direct").iter().for_each(|line| client.notify(&tenant, line));
    let first = receiver.expect(1).remove(0);
    // Waits until a number of attempts is recorded.
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
        (&json!(200), &json!("done"))
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
    let none = send(&client, &tenant, "POST", &path(&filtered, "/replay"), &since).json();
    assert_eq!(none, json!({ "deliveries": 0 }), "its own filter applies");
    let test = send(&client, &tenant, "POST", &path(&filtered, "/test"), &json!({})).json();
    let event = receiver.expect(4).remove(3);
    assert_eq!((event.kind(), event.id()), ("endpoint.test", test["id"].as_str().unwrap()));
    server.stop();
}

#[test]
fn redelivery_requested_in_flight_runs_after_the_current_attempt() {
    let wait = Duration::from_millis(400);
    let receiver = Receiver::start(Answer::Late(wait));
    let (_installation, server, tenant) = started(ACCOUNT);
    let client = server.client();
    let added = endpoint(&client, &tenant, &to(&receiver.url()));
    example("direct").iter().for_each(|line| client.notify(&tenant, line));
    // The first redelivery is requested before the delivery is stored, the second during a redelivery.
    let id = receiver.expect(1)[0].id().to_owned();
    for count in 1..=2 {
        assert_eq!(receiver.expect(count).len(), count, "no redelivery before it is requested");
        let again = path(&added, &format!("/deliveries/{id}/resend"));
        assert_eq!(send(&client, &tenant, "POST", &again, &json!({})).status, 202);
    }
    let requests = receiver.expect(3);
    assert!(requests.iter().all(|request| request.id() == id && request.body == requests[0].body));
    let intervals = requests.windows(2).map(|pair| pair[1].at.duration_since(pair[0].at));
    assert!(intervals.min() >= Some(wait), "attempts overlap");
    // A replay includes it too.
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
    assert_eq!(receiver.requests().len(), 4, "too many attempts");
    server.stop();
}

#[test]
fn endpoints_are_managed_while_the_service_runs() {
    let receiver = Receiver::start(Answer::status(200));
    let (installation, server, tenant) = started(ACCOUNT);
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
    let request = receiver.expect(2).remove(1);
    let call_id = request.body["data"][0]["data"]["call"]["id"].as_str().unwrap().to_owned();
    let record = client.get(&tenant, &format!("/v1/calls/{call_id}"));
    let number = record["from"]["phoneNumber"].as_str().unwrap();
    assert!(number.len() > 7 && !request.body.to_string().contains(number), "{number}: {}", request.body);
    let filter = |options: &[&str]| -> Value {
        let set = [&["endpoint", "set", "acme", id], options].concat();
        installation.command_json(&set)["filter"].clone()
    };
    let settings =
        ["--customer", "+14045550145", "--answered-by", "104", "--user", "105", "--end-state", "none"];
    let set = filter(&settings);
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
    // Events in the meantime are delivered when it is enabled again.
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
