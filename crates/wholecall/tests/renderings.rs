//! Renderings of records state only what the fields of the record state, for every scenario of the simulator, while the
//! call is live and after it has ended.

#![allow(clippy::unwrap_used, reason = "what a test cannot go on without fails it")]

use std::collections::BTreeMap;

use serde_json::Value;
use wholecall_assembly::{Assembler, Change, Collection, Settings};
use wholecall_notification::{Document, Message};
use wholecall_record::{
    Call, ParticipantId, Time,
    call::{Outcome, State},
    explanation::WordedExplanation,
};
use wholecall_render::{
    csv::CsvWriter, drawing::draw, explanation, svg::Drawing, table::Table, terminal::Screen, vcon::vcon,
};
use wholecall_simulator::{Notification, Scenario};

/// Wide enough for every column.
const SCREEN: Screen = Screen { width: 200, ..Screen::PLAIN };

fn read(json: &str, mut take: impl FnMut(&wholecall_notification::Notification<'_, '_>)) {
    let document = Document::parse(json).unwrap();
    match document.message().unwrap() {
        Message::Session(notification) => take(&notification),
        other => panic!("not a telephony notification: {other:?}"),
    }
}

fn collected(documents: &[String]) -> wholecall_assembly::AssembledCalls {
    let mut collection = Collection::default();
    documents.iter().for_each(|json| read(json, |notification| collection.add(notification)));
    collection.finish()
}

/// All renderings of a call, by format.
fn renderings(call: &Call, story: &WordedExplanation) -> BTreeMap<&'static str, String> {
    let mut table = Table::new(SCREEN);
    table.add(call);
    BTreeMap::from([
        ("table", table.text()),
        ("drawing", draw(call, SCREEN)),
        ("svg", text_of(&Drawing::default().svg(call))),
        ("csv", csv(call)),
        ("vcon", vcon(call).to_string()),
        ("story", explanation::text(story, SCREEN)),
    ])
}

fn csv(call: &Call) -> String {
    let mut out = Vec::new();
    let mut writer = CsvWriter::new(&mut out).unwrap();
    writer.write(call).unwrap();
    writer.flush().unwrap();
    drop(writer);
    String::from_utf8(out).unwrap()
}

/// The text of an SVG, without tags.
fn text_of(svg: &str) -> String {
    svg.split('<').filter_map(|part| part.split_once('>')).map(|(_, text)| text).collect::<Vec<_>>().join(" ")
}

fn row(call: &Call) -> BTreeMap<String, String> {
    let text = csv(call);
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let names = reader.headers().unwrap().clone();
    let row = reader.records().next().unwrap().unwrap();
    assert_eq!(names.len(), row.len());
    names.iter().zip(&row).map(|(name, cell)| (name.to_owned(), cell.to_owned())).collect()
}

/// The notifications of each scenario with each seed.
fn plays(seeds: u64) -> impl Iterator<Item = (String, Vec<Notification>)> {
    Scenario::all().flat_map(move |scenario| {
        (0..seeds).map(move |seed| (format!("{} {seed}", scenario.name), scenario.play(seed).notifications))
    })
}

#[test]
fn no_rendering_says_who_hung_up() {
    let mut seen = 0;
    for (name, notifications) in plays(4) {
        let documents: Vec<String> = notifications.iter().map(Notification::to_json).collect();
        let calls = collected(&documents);
        for call in calls.records() {
            let story = explanation::worded(&calls.explanation(&call.id).unwrap());
            for (kind, text) in renderings(&call, &story) {
                let lower = text.to_lowercase();
                for words in ["hung up", "hung-up", "hangs up", "hang up"] {
                    assert!(!lower.contains(words), "{name}, {kind}: {words}\n{text}");
                }
                seen += 1;
            }
        }
    }
    assert!(seen > 1_000, "{seen} renderings");
}

#[test]
fn a_csv_row_has_the_values_of_the_fields() {
    for (name, notifications) in plays(2) {
        let documents: Vec<String> = notifications.iter().map(Notification::to_json).collect();
        for call in collected(&documents).records() {
            let row = row(&call);
            let record: Value = serde_json::to_value(&call).unwrap();
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            for field in ["id", "state", "view", "direction", "result", "endState", "answeredBy", "customer"]
            {
                assert_eq!(row[field], text(&record[field]), "{name}: {field}");
            }
            for field in ["totalMs", "waitMs", "talkMs", "holdMs", "parkedMs", "voicemailMs"] {
                assert_eq!(row[field], record["durations"][field].to_string(), "{name}: {field}");
            }
            for field in ["lastWith", "users", "missedBy"] {
                let ids: Vec<String> = record[field].as_array().unwrap().iter().map(text).collect();
                assert_eq!(row[field], ids.join(" "), "{name}: {field}");
            }
            for (side, numbers) in [("from", &record["from"]), ("to", &record["to"])] {
                assert_eq!(row[side], text(&numbers["participant"]), "{name}: {side}");
                let number = [&numbers["phoneNumber"], &numbers["extensionNumber"]]
                    .into_iter()
                    .find(|one| !one.is_null());
                assert_eq!(
                    row[&format!("{side}Number")],
                    number.map(text).unwrap_or_default(),
                    "{name}: {side}"
                );
            }
            for who in ["answeredBy", "customer"] {
                let id = Some(&row[who]).filter(|id| !id.is_empty());
                let Some(known) = id.and_then(|id| call.participant(&ParticipantId::from(id.as_str())))
                else {
                    continue;
                };
                let own = |text: &Option<wholecall_record::ShortText>| {
                    text.as_deref().unwrap_or_default().to_owned()
                };
                assert!(
                    [own(&known.name), String::new()].contains(&row[&format!("{who}Name")]),
                    "{name}: {row:?}"
                );
                let numbers = [own(&known.phone_number), own(&known.extension_number), String::new()];
                assert!(numbers.contains(&row[&format!("{who}Number")]), "{name}: {row:?}");
            }
            let outcomes: Vec<String> = call
                .queues
                .iter()
                .map(|visit| visit.outcome.map_or("-", |outcome| outcome.as_str()).to_owned())
                .collect();
            assert_eq!(row["queueOutcomes"], outcomes.join("; "), "{name}");
        }
    }
}

/// Words for how a call that is over came out.
fn final_results() -> impl Iterator<Item = &'static str> {
    let results = Outcome::ALL.iter().copied().filter(|result| *result != Outcome::InProgress);
    results.map(|result| result.as_str())
}

#[test]
fn no_rendering_of_a_live_call_says_that_it_ended() {
    let mut seen = 0;
    for (name, notifications) in plays(1) {
        let settings = Settings { min_version_interval_ms: 0, ..Settings::default() };
        let mut assembler = Assembler::new(settings);
        let mut documents: Vec<String> = Vec::new();
        for notification in &notifications {
            let json = notification.to_json();
            let now = Time::from_millis(notification.body.event_time.as_millis());
            let mut changes = assembler.tick(now);
            seen += expect_all_live(&name, &changes, &documents);
            documents.push(json);
            let json = documents.last().unwrap();
            read(json, |notification| changes = assembler.receive(now, notification));
            seen += expect_all_live(&name, &changes, &documents);
        }
    }
    assert!(seen > 500, "{seen} versions");
}

/// Checks the live versions among changes; returns their number.
fn expect_all_live(name: &str, changes: &[Change], documents: &[String]) -> usize {
    let live = changes.iter().filter_map(Change::call).filter(|call| call.state == State::Live);
    live.map(|call| {
        expect_live(name, call, &explanation::worded(&collected(documents).explain(call).unwrap()))
    })
    .count()
}

fn expect_live(name: &str, call: &Call, story: &WordedExplanation) {
    for (kind, text) in renderings(call, story) {
        for words in [
            "Ended",
            "ended at",
            "endOfInput",
            "closed because",
            "last state of",
            "Last state of",
            "incomplete",
        ] {
            // A vCon's dialog with a transfer target who did not answer has the type `incomplete`.
            let is_allowed = kind == "vcon" && words == "incomplete";
            assert!(is_allowed || !text.contains(words), "{name}, {kind}: {words}\n{text}");
        }
    }
    let row = row(call);
    assert_eq!((&*row["state"], &*row["endState"], &*row["endTime"]), ("live", "", ""), "{name}");
    let of_result = story.conclusions.iter().filter(|one| one.text.starts_with("the result is"));
    let concluded: Vec<&str> = of_result.map(|one| one.text.rsplit(' ').next().unwrap()).collect();
    let other = |word: &&str| *word != call.result.as_str();
    for word in final_results().filter(other) {
        assert!(!concluded.contains(&word), "{name}: {word}\n{}", explanation::text(story, SCREEN));
        let stated = story.title.rsplit(": ").next().unwrap();
        assert!(!stated.eq_ignore_ascii_case(word), "{name}: {}", story.title);
    }
    let vcon = vcon(call);
    let dialogs = vcon["dialog"].as_array().unwrap();
    let talks = dialogs.iter().filter(|dialog| dialog["type"] == "recording").count();
    assert_eq!(talks, call.conversations.len(), "{name}: {vcon:#}");
    assert!(talks > 0 || !call.moves.is_empty() || dialogs.is_empty(), "{name}: {vcon:#}");
    let is_failed = |dialog: &Value| !dialog["disposition"].is_null();
    assert!(!call.moves.is_empty() || !dialogs.iter().any(is_failed), "{name}: {vcon:#}");
}
