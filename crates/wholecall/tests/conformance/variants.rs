//! The same notifications as they may arrive otherwise.

use serde_json::Value;

/// Every way in which a case is played, with its name.
pub(crate) fn all(events: &str) -> Vec<(String, String)> {
    let twice = with_second_subscription(events);
    let mut inputs = vec![
        ("in order".to_owned(), events.to_owned()),
        ("backwards".to_owned(), events.lines().rev().map(|line| format!("{line}\n")).collect()),
        ("doubled".to_owned(), format!("{events}\n{events}")),
        ("two subscriptions".to_owned(), twice.clone()),
    ];
    for seed in 1..=4 {
        inputs.push((format!("shuffled {seed}"), shuffled(events, seed)));
        inputs.push((format!("two subscriptions, shuffled {seed}"), shuffled(&twice, seed)));
    }
    inputs
}

/// The same lines in another order, always the same for a seed.
fn shuffled(input: &str, seed: u64) -> String {
    let mut state = seed;
    let mut keyed: Vec<(u64, &str)> = input
        .lines()
        .map(|line| {
            // Knuth's linear congruential generator; its upper bits are random enough.
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 16, line)
        })
        .collect();
    keyed.sort_unstable();
    keyed.into_iter().map(|(_, line)| format!("{line}\n")).collect()
}

/// What a second subscription would have delivered besides: the same under other ids.
fn with_second_subscription(input: &str) -> String {
    let again = |line: &str| {
        let mut notification: Value = serde_json::from_str(line).unwrap();
        let uuid: String = notification["uuid"].as_str().unwrap().chars().rev().collect();
        notification["uuid"] = uuid.into();
        notification["subscriptionId"] = "e0f2ad1c-5d8b-4c5b-8d94-0d2f6b1f8f11".into();
        format!("{line}\n{notification}\n")
    };
    input.lines().map(again).collect()
}
