//! How much a tenant may ask for.

use serde_json::{Value, json};

use super::{
    endpoint, path,
    receiver::{Answer, Receiver},
    send, started, to,
};
use crate::{harness::Installation, traffic::ACCOUNT};

/// L7: many at once.
#[test]
fn a_tenant_has_a_hundred_endpoints_at_most() {
    let installation = Installation::new();
    let (server, tenant) = started(&installation, ACCOUNT);
    let client = server.client();
    let wanted = to("http://127.0.0.1:9/");
    std::thread::scope(|scope| {
        for _ in 0..15 {
            scope.spawn(|| {
                for _ in 0..8 {
                    let status = send(&client, &tenant, "POST", "/v1/endpoints", &wanted).status;
                    assert!(matches!(status, 201 | 400), "{status}");
                }
            });
        }
    });
    let listed = client.get(&tenant, "/v1/endpoints");
    assert_eq!(listed["endpoints"].as_array().unwrap().len(), 100);
    server.stop();
}

/// L16: in a loop.
#[test]
fn tests_of_an_endpoint_are_limited() {
    let installation = Installation::new();
    let (server, tenant) = started(&installation, ACCOUNT);
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
    assert_eq!(test(&other), 202, "another is another's");
    receiver.expect(11);
    server.stop();
}

/// L2: what is stored of a filter is as long as ids and numbers are.
#[test]
fn a_filter_has_a_limit() {
    let installation = Installation::new();
    let (server, tenant) = started(&installation, ACCOUNT);
    let client = server.client();
    for member in ["extension", "queue", "customer", "answeredBy", "user", "number"] {
        let filter = json!({ member: "1".repeat(100_000) });
        let wanted = json!({ "url": "http://127.0.0.1:9/", "filter": filter });
        let reply = send(&client, &tenant, "POST", "/v1/endpoints", &wanted);
        assert_eq!(reply.status, 400, "{member}");
    }
    for (max_bytes, status) in [(100, 400), (100_000, 201)] {
        let wanted = json!({ "url": "http://127.0.0.1:9/", "maxBytes": max_bytes, "payload": "thin" });
        assert_eq!(send(&client, &tenant, "POST", "/v1/endpoints", &wanted).status, status);
    }
    server.stop();
}
