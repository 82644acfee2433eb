//! The live page shows calls as they start, are transferred and end.

use super::{browser::Browser, expect_sound, played_now, posted};
use crate::harness::Installation;

#[test]
fn the_live_page_follows_a_call_to_its_end() {
    let installation = Installation::new();
    let server = installation.start();
    let Some(mut browser) = Browser::start(&server) else { return };
    let (play, account) = played_now("attended", 3);
    let truth = &play.truths[0];
    let tenant = installation.tenant("acme", [account]);
    let client = server.client();
    browser.sign_in(&tenant);
    browser.until("document.querySelector('#connection').textContent === '0 active calls · Live'");
    assert_eq!(browser.run("document.querySelector('#none').hidden"), false);

    // Up to the first talk, then up to the transfer, then to the end.
    let talk = truth.conversations[0].start_time;
    let moved = truth.moves[0].time.unwrap();
    let times: Vec<_> = play.notifications.iter().map(|notification| notification.body.event_time).collect();
    let notifications = posted(&play);
    let (first, rest): (Vec<_>, Vec<_>) =
        notifications.iter().zip(&times).partition(|(_, time)| **time <= talk);
    let (second, third): (Vec<_>, Vec<_>) = rest.into_iter().partition(|(_, time)| **time <= moved + 100);
    assert!(!first.is_empty() && !second.is_empty() && !third.is_empty());

    first.iter().for_each(|(notification, _)| client.notify(&tenant, notification));
    // It appears without a reload.
    let row = browser.until("document.querySelector('#rows .s-talking')?.closest('tr').innerText");
    let before = row.as_str().unwrap().to_owned();
    expect_sound(&mut browser);

    second.iter().for_each(|(notification, _)| client.notify(&tenant, notification));
    let script = format!(
        "document.querySelectorAll('#rows tr').length === 1 && document.querySelector('#rows .s-talking') \
         && document.querySelector('#rows .with').innerText !== {} && document.querySelector('#rows .with').innerText",
        serde_json::json!(before.split('\t').nth(2).unwrap())
    );
    assert!(!browser.until(&script).as_str().unwrap().is_empty());

    third.iter().for_each(|(notification, _)| client.notify(&tenant, notification));
    browser.until("document.querySelectorAll('#rows tr').length === 0");
    assert_eq!(browser.run("document.querySelector('#none').hidden"), false);
    expect_sound(&mut browser);
    drop(browser);
    server.stop();
}

#[test]
fn a_caller_in_a_queue_is_counted_as_waiting() {
    let installation = Installation::new();
    let server = installation.start();
    let Some(mut browser) = Browser::start(&server) else { return };
    let (play, account) = played_now("queue_together", 5);
    let tenant = installation.tenant("acme", [account]);
    let client = server.client();
    browser.sign_in(&tenant);
    let talk = play.truths[0].conversations[0].start_time;
    let early = play.notifications.iter().filter(|notification| notification.body.event_time < talk);
    early.for_each(|notification| client.notify(&tenant, &notification.to_json()));
    browser.until("document.querySelector('#rows .s-queue')");
    browser.until("document.querySelector('#today .all .waits')?.textContent === '1'");
    posted(&play).iter().for_each(|notification| client.notify(&tenant, notification));
    browser.until("!document.querySelector('#today .waits')");
    expect_sound(&mut browser);
    drop(browser);
    server.stop();
}

#[test]
fn the_page_of_a_live_call_does_not_say_that_it_ended() {
    let installation = Installation::new();
    let server = installation.start();
    let Some(mut browser) = Browser::start(&server) else { return };
    let (play, account) = played_now("queue_together", 5);
    let tenant = installation.tenant("acme", [account]);
    let client = server.client();
    browser.sign_in(&tenant);
    let talk = play.truths[0].conversations[0].start_time;
    let early = play.notifications.iter().filter(|notification| notification.body.event_time < talk);
    early.for_each(|notification| client.notify(&tenant, &notification.to_json()));
    browser.until("document.querySelector('#rows .s-queue')");
    let call = client.calls(&tenant, "state=live", 1).remove(0);
    assert_eq!(browser.open(&format!("/calls/{}", call["id"].as_str().unwrap())), 200);
    let text = browser.run("document.querySelector('main').innerText");
    let text = text.as_str().unwrap();
    assert!(text.contains("in progress") && text.contains("In progress"), "{text}");
    for words in ["endOfInput", "closed because", "abandoned", "missed", "voicemail", "Last state"] {
        assert!(!text.to_lowercase().contains(&words.to_lowercase()), "{words}: {text}");
    }
    expect_sound(&mut browser);
    drop(browser);
    server.stop();
}
