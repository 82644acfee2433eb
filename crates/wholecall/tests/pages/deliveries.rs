//! Deliveries on the page of a call.

use serde_json::json;

use super::sign_in::cookie;
use crate::{
    harness::{SOON, eventually},
    traffic::{ACCOUNT, example},
    webhooks::{
        endpoint,
        receiver::{Answer, Receiver},
        started,
    },
};

#[test]
fn a_delivery_is_shown_and_redelivered() {
    let receiver = Receiver::start(Answer::status(200));
    let (installation, server, tenant) = started(ACCOUNT);
    let stranger = installation.tenant("zenith", ["2"]);
    let client = server.client();
    let added = endpoint(&client, &tenant, &json!({ "url": receiver.url() }));
    example("direct").iter().for_each(|line| client.notify(&tenant, line));
    let first = receiver.expect(1).remove(0);
    let session = cookie(&client, &tenant);
    let page = format!("/calls/{}", first.version().0);
    let sent = eventually(SOON, || {
        let page = client.try_get(&tenant, &page, &[("Cookie", &session)]).unwrap();
        page.body.contains(">delivered<").then_some(page)
    });
    let sent = sent.expect("the delivery is on the page");
    let again = format!("{page}/deliveries/{}/{}/resend", added["id"].as_str().unwrap(), first.id());
    assert!(sent.body.contains(&format!("action=\"{again}\"")), "{}", sent.body);
    let health = client.try_get(&tenant, "/health", &[("Cookie", &session)]).unwrap();
    assert!(health.body.contains("Healthy"), "{}", health.body);

    let forged = [("Cookie", session.as_str()), ("Sec-Fetch-Site", "cross-site")];
    assert_eq!(client.post(&again, &forged, b"").status, 403);
    let other = cookie(&client, &stranger);
    assert_eq!(client.post(&again, &[("Cookie", &other)], b"").status, 404);
    let ids: Vec<_> = receiver.requests().iter().map(|request| request.id().to_owned()).collect();
    assert_eq!(ids.len(), 1, "{ids:?}");
    let reply = client.post(&again, &[("Cookie", &session)], b"");
    assert_eq!((reply.status, reply.header("location")), (303, Some(&*format!("{page}#deliveries"))));
    assert_eq!(receiver.expect(2)[1].id(), first.id());
    server.stop();
}
