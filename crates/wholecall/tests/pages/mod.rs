//! The pages in a real browser, with simulated calls.
//!
//! These tests need Node, Chromium and the packages of `clients/` (`scripts/prepare --with-clients`); without them they
//! print a message and pass.

mod browser;
mod deliveries;
mod live;
mod search;
mod sign_in;

pub(crate) use self::sign_in::cookie;
use serde_json::Value;
use wholecall_simulator::{Play, Scenario};

/// A simulated call and its account.
pub(crate) fn played(name: &str, seed: u64) -> (Play, String) {
    let play = Scenario::named(name).unwrap().play(seed);
    let account = play.notifications[0].account.to_string();
    (play, account)
}

/// A simulated call that started a minute ago: an older one without an end would be closed as imported history.
pub(crate) fn played_now(name: &str, seed: u64) -> (Play, String) {
    let a_minute_ago = jiff::Timestamp::now().as_millisecond() - 60_000;
    let play = Scenario::named(name).unwrap().play_at(seed, a_minute_ago);
    let account = play.notifications[0].account.to_string();
    (play, account)
}

/// The notifications of a play as JSON.
pub(crate) fn posted(play: &Play) -> Vec<String> {
    play.notifications.iter().map(|notification| notification.to_json()).collect()
}

/// Expects no errors in the browser, and no serious findings of axe-core.
pub(crate) fn expect_sound(browser: &mut browser::Browser) {
    let violations = browser.ask(serde_json::json!({ "do": "axe" }));
    let serious: Vec<&Value> = violations
        .as_array()
        .unwrap()
        .iter()
        .filter(|violation| violation["impact"] == "serious" || violation["impact"] == "critical")
        .collect();
    assert!(serious.is_empty(), "axe-core: {serious:#?}");
    let troubles = browser.ask(serde_json::json!({ "do": "troubles" }));
    assert_eq!(troubles, serde_json::json!([]));
}
