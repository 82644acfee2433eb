//! The pages search, draw and count calls.

use std::time::Duration;

use super::{browser::Browser, expect_sound, played, posted};
use crate::{
    harness::{Client, Installation, Tenant, eventually},
    traffic::{ACCOUNT, collected, company_day, examples, expect_settled, golden},
};

fn import(client: &Client, tenant: &Tenant, notifications: &[String]) {
    let key = format!("Bearer {}", tenant.api_key);
    let reply =
        client.post("/v1/notifications", &[("Authorization", &key)], notifications.join("\n").as_bytes());
    assert_eq!(reply.status, 200, "{reply:?}");
    let expected = collected(notifications.iter().map(String::as_str)).len();
    let made = || (client.calls(tenant, "", 500).len() == expected).then_some(());
    eventually(Duration::from_secs(60), made).expect("every call is assembled");
    expect_settled(client, tenant);
}

#[test]
fn a_search_is_in_the_address_and_loads_more_on_scrolling() {
    let installation = Installation::new();
    let server = installation.start();
    let Some(mut browser) = Browser::start(&server) else { return };
    let mut day = company_day(12, 5);
    day.notifications.extend(examples());
    let tenant = installation.tenant("acme", day.accounts.iter().cloned().chain([ACCOUNT.to_owned()]));
    let client = server.client();
    import(&client, &tenant, &day.notifications);
    let all = client.calls(&tenant, "", 500).len();
    assert!(all > 60, "{all} calls");
    browser.sign_in(&tenant);
    browser.open("/calls");
    assert_eq!(browser.run("document.querySelectorAll('#found tr').length"), 50);
    let scroll = format!(
        "document.querySelector('#next')?.scrollIntoView(), document.querySelectorAll('#found tr').length === {all}"
    );
    browser.until(&scroll);
    let ids =
        browser.run("new Set([...document.querySelectorAll('#found a')].map((link) => link.href)).size");
    assert_eq!(ids, all, "a call is listed twice");

    // With the keyboard alone.
    browser.press("/");
    browser.type_in("(404) 555-0145");
    browser.ask(serde_json::json!({ "do": "submit" }));
    let address = browser.address();
    assert!(address.starts_with("/calls?q=%28404%29+555-0145"), "{address}");
    let found = client.calls(&tenant, "number=4045550145", 100).len();
    assert_eq!(browser.run("document.querySelectorAll('#found tr').length"), found);
    assert_eq!(browser.run("document.querySelector('#search').value"), "(404) 555-0145");
    expect_sound(&mut browser);
    browser.press("j");
    let id = browser.run("document.activeElement.href.split('/').pop()").as_str().unwrap().to_owned();
    assert!(id.starts_with("s-"), "{id}");

    // The CSV has the calls found, and pages are small.
    let rows = "fetch(document.querySelector('.head a').href).then((answer) => answer.text()).then((text) => \
                text.trim().split('\\n').length)";
    assert_eq!(browser.run(rows), found + 1);
    let bytes = browser.run(
        "Promise.all(['/', ...[...document.querySelectorAll('link, script')].map((one) => one.href || one.src)].map((url) => \
         fetch(url).then((answer) => answer.arrayBuffer()))).then((all) => all.reduce((sum, one) => sum + one.byteLength, 0))",
    );
    assert!(bytes.as_u64().unwrap() < 100_000, "{bytes} bytes");

    for path in
        ["/numbers", "/numbers?from=2026-06-01&to=2026-06-01&by=hour&zone=America/New_York", "/health"]
    {
        assert_eq!(browser.open(path), 200, "{path}");
        expect_sound(&mut browser);
    }
    for path in ["/", "/calls", "/numbers?from=2026-06-01&to=2026-06-03", "/health", &format!("/calls/{id}")]
    {
        browser.open_dark_and_narrow(path);
        assert!(
            browser.run("document.documentElement.scrollWidth <= innerWidth").as_bool().unwrap(),
            "{path}"
        );
        expect_sound(&mut browser);
    }
    assert_eq!(browser.open("/calls?q=no+such+name"), 200);
    assert!(browser.run("document.querySelector('.empty').innerText").as_str().unwrap().contains("No call"));
    drop(browser);
    server.stop();
}

#[test]
fn the_example_call_has_three_lanes_and_one_transfer() {
    let text = std::fs::read_to_string(golden().join("seed_question/events.ndjson")).unwrap();
    let notifications: Vec<String> = text.lines().map(str::to_owned).collect();
    let account = notifications[0].split("/account/").nth(1).unwrap().split('/').next().unwrap().to_owned();
    let installation = Installation::new();
    let server = installation.start();
    let Some(mut browser) = Browser::start(&server) else { return };
    let tenant = installation.tenant("acme", [account]);
    let client = server.client();
    import(&client, &tenant, &notifications);
    let call = client.calls(&tenant, "", 10).remove(0);
    browser.sign_in(&tenant);
    assert_eq!(browser.open(&format!("/calls/{}?zone=UTC", call["id"].as_str().unwrap())), 200);

    let time = |time: &serde_json::Value| time.as_str().unwrap()[11..19].to_owned();
    let hints =
        browser.run("[...document.querySelectorAll('.wc-hint title')].map((title) => title.textContent)");
    let hints: Vec<&str> = hints.as_array().unwrap().iter().map(|hint| hint.as_str().unwrap()).collect();
    let names: std::collections::BTreeSet<&str> =
        hints.iter().filter_map(|hint| hint.split_once(": ")).map(|(name, _)| name).collect();
    assert_eq!(names.len(), 3, "{names:?}");
    let moves: Vec<&&str> = hints.iter().filter(|hint| hint.contains("transfers the call")).collect();
    assert_eq!(moves.len(), 1, "{hints:?}");
    assert!(
        moves[0].starts_with(&time(&call["moves"][0]["time"])) && moves[0].contains("(attended)"),
        "{moves:?}"
    );
    for talk in call["conversations"].as_array().unwrap() {
        let hint_text = format!("talking from {} to {}", time(&talk["startTime"]), time(&talk["endTime"]));
        assert!(hints.iter().any(|hint| hint.contains(&hint_text)), "{hint_text} is not in {hints:?}");
    }

    // The drawing describes what has the focus; each notification that is evidence shows for what.
    let is_shown = "(() => {
        const part = document.querySelector('.wc-hint');
        part.blur();
        part.focus();
        return document.querySelector('#hint').textContent === part.querySelector('title').textContent;
    })()";
    browser.until(is_shown);
    let notifications = notifications.len();
    assert_eq!(browser.run("document.querySelectorAll('.notifications > li').length"), notifications);
    let proof = browser.run(
        "document.querySelector('.timeline a.proof[href=\"#n-A-8\"]') && document.querySelector('#n-A-8 .proves').innerText",
    );
    assert!(proof.as_str().unwrap().contains("transfers the call"), "{proof}");
    expect_sound(&mut browser);
    let picture = browser.run(&format!(
        "fetch('/calls/{}/drawing.png').then((answer) => answer.arrayBuffer()).then((bytes) => [...new Uint8Array(bytes)].slice(1, 4))",
        call["id"].as_str().unwrap()
    ));
    assert_eq!(picture, serde_json::json!([80, 78, 71]));
    drop(browser);
    server.stop();
}

#[test]
fn calls_with_several_moves_are_drawn() {
    let installation = Installation::new();
    let server = installation.start();
    let Some(mut browser) = Browser::start(&server) else { return };
    for (index, name) in ["chain", "conference_grows", "parked_twice"].into_iter().enumerate() {
        let (play, account) = played(name, 11);
        let tenant = installation.tenant(&format!("acme-{index}"), [account]);
        let client = server.client();
        import(&client, &tenant, &posted(&play));
        let call = client
            .calls(&tenant, "", 10)
            .into_iter()
            .max_by_key(|call| call["moves"].as_array().unwrap().len());
        let call = call.unwrap();
        browser.sign_in(&tenant);
        assert_eq!(browser.open(&format!("/calls/{}", call["id"].as_str().unwrap())), 200, "{name}");
        let moves = call["moves"].as_array().unwrap().len();
        assert!(moves > 1, "{name}");
        let drawn = "[...document.querySelectorAll('svg.wc .wc-hint circle.wc-door')].length > 0 && \
                     document.querySelectorAll('svg.wc g.wc-hint:has(circle)').length";
        assert_eq!(browser.run(drawn), moves, "{name}");
        expect_sound(&mut browser);
    }
    drop(browser);
    server.stop();
}
