//! Variants of a stream: other orders of arrival, and duplicates.

use serde_json::Value;

/// All variants of a case, with their names.
pub(crate) fn all(events: &str) -> Vec<(String, String)> {
    let twice = with_second_subscription(events);
    let mut inputs = vec![
        ("in order".to_owned(), events.to_owned()),
        ("backwards".to_owned(), events.lines().rev().map(|line| format!("{line}\n")).collect()),
        ("duplicated".to_owned(), format!("{events}\n{events}")),
        ("two subscriptions".to_owned(), twice.clone()),
    ];
    for seed in 1..=4 {
        inputs.push((format!("shuffled {seed}"), shuffled(events, seed)));
        inputs.push((format!("two subscriptions, shuffled {seed}"), shuffled(&twice, seed)));
    }
    inputs
}

/// Shuffles lines, reproducibly by seed.
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

/// Adds the copies of a second subscription, which have other ids.
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
