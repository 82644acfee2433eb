//! Sign-in, sessions, and what operators and tenants may see.

use serde_json::json;

use super::{browser::Browser, expect_sound, played, posted};
use crate::harness::{Client, FORM, Installation, OPERATOR_KEY, Server, Tenant};

/// Signs in without a browser; returns the cookie.
pub(crate) fn cookie(client: &Client, tenant: &Tenant) -> String {
    let reply = client.post("/sign-in", &[FORM], format!("key={}&next=/calls", tenant.api_key).as_bytes());
    assert_eq!((reply.status, reply.header("location")), (303, Some("/calls")), "{reply:?}");
    let cookie = reply.header("set-cookie").unwrap();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    cookie.split(';').next().unwrap().to_owned()
}

#[test]
fn without_a_session_no_page_is_shown() {
    let installation = Installation::new();
    let server = installation.start();
    let tenant = installation.tenant("acme", ["1"]);
    let other = installation.tenant("zenith", ["2"]);
    let client = server.client();
    let get = |path: &str, headers: &[(&str, &str)]| client.try_get(&tenant, path, headers).unwrap();
    // An API key in a header opens no page.
    for path in
        ["/", "/calls", "/calls.csv", "/calls/s-1", "/numbers", "/health", "/live/rows", "/live/today"]
    {
        let reply = get(path, &[]);
        assert_eq!(reply.status, 303, "{path}");
        assert!(reply.header("location").unwrap().starts_with("/sign-in?next=%2F"), "{path}");
    }
    assert_eq!(get("/live/today", &[("Sec-Fetch-Dest", "empty")]).status, 401);
    // A strict cookie is not sent with a link from another site; our page reloads itself to send it.
    let again = get("/calls", &[("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Dest", "document")]);
    assert!(again.status == 200 && again.body.contains("http-equiv=\"refresh\""), "{again:?}");

    let session = cookie(&client, &tenant);
    let page = get("/calls", &[("Cookie", &session)]);
    assert_eq!(page.status, 200);
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    assert_eq!(get(&format!("/calls?tenant={}", other.name), &[("Cookie", &session)]).status, 404);

    let out = client.post("/sign-out", &[("Cookie", &session), ("Sec-Fetch-Site", "cross-site")], b"");
    assert_eq!(out.status, 403, "another site can sign users out");
    assert_eq!(get("/calls", &[("Cookie", &session)]).status, 200);
    assert_eq!(client.post("/sign-out", &[("Cookie", &session)], b"").status, 303);
    assert_eq!(get("/calls", &[("Cookie", &session)]).status, 303);
    let forged = [FORM, ("Origin", "https://evil.example")];
    assert_eq!(client.post("/sign-in", &forged, format!("key={}", tenant.api_key).as_bytes()).status, 403);
    server.stop();
}

#[test]
fn wrong_keys_are_refused_and_throttled_and_the_right_one_still_works() {
    let installation = Installation::new();
    let server = installation.start();
    let tenant = installation.tenant("acme", ["1"]);
    let client = server.client();
    for _ in 0..10 {
        assert_eq!(client.post("/sign-in", &[FORM], b"key=wck_wrong").status, 401);
    }
    let reply = client.post("/sign-in", &[FORM], b"key=wck_wrong");
    assert_eq!((reply.status, reply.header("retry-after")), (429, Some("60")));
    let reply = client.post("/sign-in", &[FORM], format!("key={}", tenant.api_key).as_bytes());
    assert_eq!(reply.status, 303);
    server.stop();
}

#[test]
fn an_operator_sees_every_tenant_and_a_tenant_only_itself() {
    let installation = Installation::new();
    let server = Server::start(installation.serve_with_operator()).unwrap();
    let Some(mut browser) = Browser::start(&server) else { return };
    let client = server.client();
    for (name, seed) in [("acme", 1), ("zenith", 2)] {
        let (play, account) = played("inbound", seed);
        let tenant = installation.tenant(name, [account]);
        posted(&play).iter().for_each(|notification| client.notify(&tenant, notification));
        client.post(
            &format!("/hooks/{name}"),
            &[("Verification-Token", &tenant.token)],
            b"{\"no\":\"call\"}",
        );
    }
    browser.sign_in_with(OPERATOR_KEY);
    assert_eq!(browser.address(), "/health");
    assert_eq!(
        browser.run("[...document.querySelectorAll('h2')].map((one) => one.id)"),
        json!(["t-acme", "t-zenith"])
    );
    // For each tenant: a count of rejected requests, and the rejected body.
    assert_eq!(browser.run("document.querySelectorAll('.refused li').length"), 4);
    expect_sound(&mut browser);
    for name in ["acme", "zenith"] {
        browser.open(&format!("/calls?tenant={name}"));
        assert_eq!(browser.run("document.querySelectorAll('#found tr').length"), 1, "{name}");
        let link = browser.run("document.querySelector('#found a').href");
        assert!(link.as_str().unwrap().ends_with(&format!("?tenant={name}")), "{link}");
        browser.click("#found a");
        assert_eq!(browser.run("document.querySelectorAll('svg.wc').length"), 1);
        expect_sound(&mut browser);
    }
    drop(browser);
    server.stop();
}

#[test]
fn the_page_shows_that_a_key_is_wrong() {
    let installation = Installation::new();
    let server = installation.start();
    let Some(mut browser) = Browser::start(&server) else { return };
    browser.open("/calls?q=1");
    expect_sound(&mut browser);
    assert!(browser.address().starts_with("/sign-in?next="));
    browser.type_in("wck_unknown");
    browser.click("form button");
    assert!(
        browser.run("document.querySelector('#problem').innerText").as_str().unwrap().contains("not valid")
    );
    // The browser itself logs the status of the answer.
    let troubles = browser.ask(json!({ "do": "troubles" }));
    assert_eq!(troubles.as_array().unwrap().len(), 1, "{troubles}");
    drop(browser);
    server.stop();
}
