//! The pages, in a real browser, over a company that the simulator plays.
//!
//! They need Node, Chromium and the packages of `clients/` (`scripts/prepare --with-clients`); where those are absent
//! they say so and pass.

mod browser;
mod deliveries;
mod live;
mod looking;
mod signing_in;

pub(crate) use self::signing_in::cookie;
use serde_json::Value;
use wholecall_simulator::{Play, Scenario};

/// A call that the simulator plays, and the account it is of.
pub(crate) fn played(name: &str, seed: u64) -> (Play, String) {
    let play = Scenario::named(name).unwrap().play(seed);
    let account = play.notifications[0].account.to_string();
    (play, account)
}

/// The same, begun a minute ago: what is older and stays open is history, and closed.
pub(crate) fn played_now(name: &str, seed: u64) -> (Play, String) {
    let a_minute_ago = jiff::Timestamp::now().as_millisecond() - 60_000;
    let play = Scenario::named(name).unwrap().play_at(seed, a_minute_ago);
    let account = play.notifications[0].account.to_string();
    (play, account)
}

/// The notifications of a play, as they are posted.
pub(crate) fn posted(play: &Play) -> Vec<String> {
    play.notifications.iter().map(|notification| notification.to_json()).collect()
}

/// Nothing went wrong in the browser, and axe-core finds nothing serious.
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
