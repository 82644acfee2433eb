//! Limits of a tenant's endpoints.

use serde_json::{Value, json};

use super::{
    endpoint, path,
    receiver::{Answer, Receiver},
    send, started, to,
};
use crate::traffic::ACCOUNT;

/// L7: endpoints that are added at the same time.
#[test]
fn a_tenant_has_at_most_a_hundred_endpoints() {
    let (_installation, server, tenant) = started(ACCOUNT);
    let client = server.client();
    let settings = to("http://127.0.0.1:9/");
    std::thread::scope(|scope| {
        for _ in 0..15 {
            scope.spawn(|| {
                for _ in 0..8 {
                    let status = send(&client, &tenant, "POST", "/v1/endpoints", &settings).status;
                    assert!(matches!(status, 201 | 400), "{status}");
                }
            });
        }
    });
    let listed = client.get(&tenant, "/v1/endpoints");
    assert_eq!(listed["endpoints"].as_array().unwrap().len(), 100);
    server.stop();
}

/// L16: tests that are requested in a loop.
#[test]
fn tests_of_an_endpoint_are_limited() {
    let (_installation, server, tenant) = started(ACCOUNT);
    let client = server.client();
    let receiver = Receiver::start(Answer::status(200));
    let (tested, other) =
        (endpoint(&client, &tenant, &to(&receiver.url())), endpoint(&client, &tenant, &to(&receiver.url())));
    let test = |endpoint: &Value| send(&client, &tenant, "POST", &path(endpoint, "/test"), &json!({})).status;
    let statuses: Vec<u16> = (0..12).map(|_| test(&tested)).collect();
    assert_eq!(
        (statuses[..10].iter().all(|status| *status == 202), &statuses[10..]),
        (true, &[429, 429][..])
    );
    assert_eq!(test(&other), 202, "another endpoint has its own limit");
    receiver.expect(11);
    server.stop();
}

/// L2: values of a filter have the maximum length of ids and numbers.
#[test]
fn overlong_filter_values_are_refused() {
    let (_installation, server, tenant) = started(ACCOUNT);
    let client = server.client();
    for member in ["extension", "queue", "customer", "answeredBy", "user", "number"] {
        let filter = json!({ member: "1".repeat(100_000) });
        let settings = json!({ "url": "http://127.0.0.1:9/", "filter": filter });
        let reply = send(&client, &tenant, "POST", "/v1/endpoints", &settings);
        assert_eq!(reply.status, 400, "{member}");
    }
    for (max_bytes, status) in [(100, 400), (100_000, 201)] {
        let settings = json!({ "url": "http://127.0.0.1:9/", "maxBytes": max_bytes, "payload": "thin" });
        assert_eq!(send(&client, &tenant, "POST", "/v1/endpoints", &settings).status, status);
    }
    server.stop();
}
