mod facts;

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::{id::SessionId, notification::Code};

fn plays() -> impl Iterator<Item = (Scenario, u64, Play)> {
    Scenario::all().flat_map(|scenario| (0..20).map(move |seed| (scenario, seed, scenario.play(seed))))
}

#[test]
fn names_are_unique_and_sentences_end() {
    let names: BTreeSet<&str> = Scenario::all().map(|scenario| scenario.name).collect();
    assert_eq!(names.len(), Scenario::all().count());
    assert!(Scenario::all().all(|scenario| scenario.about.ends_with('.')));
    assert!(Scenario::named("no such").is_none());
}

#[test]
fn the_same_seed_plays_the_same_and_another_plays_another() {
    for scenario in Scenario::all() {
        assert_eq!(scenario.play(1), scenario.play(1), "{}", scenario.name);
        assert_ne!(scenario.play(1), scenario.play(2), "{}", scenario.name);
    }
}

#[test]
fn sequences_run_from_two_without_a_gap_and_times_never_go_back() {
    for (scenario, seed, play) in plays() {
        let mut sessions: BTreeMap<SessionId, Vec<_>> = BTreeMap::new();
        for notification in &play.notifications {
            sessions
                .entry(notification.body.session)
                .or_default()
                .push((notification.body.sequence, notification.body.event_time));
            let delay = notification.timestamp - notification.body.event_time;
            assert!((14..=113).contains(&delay), "{} {seed}: sent after {delay} ms", scenario.name);
        }
        for mut changes in sessions.into_values() {
            changes.sort_unstable();
            let sequences: Vec<u32> = changes.iter().map(|(sequence, _)| *sequence).collect();
            let expected: Vec<u32> = (2..).take(sequences.len()).collect();
            assert_eq!(sequences, expected, "{} {seed}", scenario.name);
            assert!(changes.is_sorted_by_key(|(_, time)| *time), "{} {seed}", scenario.name);
        }
    }
}

#[test]
fn every_leg_ends_and_every_play_has_a_truth() {
    for (scenario, seed, play) in plays() {
        let mut last: BTreeMap<_, Code> = BTreeMap::new();
        let mut notifications = play.notifications.clone();
        notifications.sort_by_key(|one| (one.body.session, one.body.sequence));
        for notification in &notifications {
            last.insert(notification.body.party.id, notification.body.party.status.code);
        }
        for (party, code) in last {
            let is_late_text = scenario.name == "text_reply" && code == Code::Setup;
            let ended = matches!(code, Code::Disconnected | Code::Gone) || is_late_text;
            assert!(ended, "{} {seed}: {party} is left {code:?}", scenario.name);
        }
        assert!(!play.truths.is_empty(), "{} {seed}", scenario.name);
    }
}

#[test]
fn everyone_who_talks_takes_part_and_conversations_lie_within_the_call() {
    for (scenario, seed, play) in plays() {
        for truth in &play.truths {
            for talk in &truth.conversations {
                assert!(
                    talk.start_time >= truth.start_time && talk.end_time <= truth.end_time,
                    "{} {seed}",
                    scenario.name
                );
                assert!(
                    talk.participants.iter().all(|who| truth.participants.contains(who)),
                    "{} {seed}",
                    scenario.name
                );
            }
        }
    }
}

#[test]
fn the_documentation_names_every_scenario_and_no_other() {
    let document = include_str!("../../../../docs/simulator.md");
    let played = document.split_once("## What is played").map(|(_, played)| played).unwrap();
    let rows = played.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").nth(1));
    let named: BTreeSet<&str> = rows.flat_map(|row| row.split('`').skip(1).step_by(2)).collect();
    let named: BTreeSet<&str> = named.into_iter().filter(|name| !name.starts_with("--")).collect();
    assert_eq!(named, Scenario::all().map(|scenario| scenario.name).collect());
}
