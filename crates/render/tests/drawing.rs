//! Drawings of large calls: everything is drawn, and no label covers another. `WHOLECALL_DRAWINGS=folder`
//! stores the drawings.

#![allow(clippy::unwrap_used, reason = "a test fails without it")]

use std::{env, fs, path::Path};

use serde_json::{Value, json};
use wholecall_record::Call;
use wholecall_render::svg::Drawing;

fn time(second: usize) -> String {
    format!("2026-11-16T15:{:02}:{:02}.250Z", second / 60, second % 60)
}

fn participant(number: usize) -> Value {
    let name =
        ["Ada Moreno", "Ben Okafor", "Chloe Lindqvist-van der Meulen", "Dev Patel", "Eve <Quality & Co.>"];
    json!({
        "id": format!("ext:{number}"), "kind": "user", "phoneNumber": format!("{}", 100 + number),
        "extensionId": number.to_string(), "name": format!("{} {number}", name[number % name.len()]),
        "observed": true, "roles": [], "legs": [], "ringMs": 0, "talkMs": 0, "holdMs": 0,
    })
}

fn leg(number: usize, states: &[(&str, usize, usize)]) -> Value {
    let (first, last) = (states[0].1, states[states.len() - 1].2);
    let segments: Vec<Value> = states
        .iter()
        .map(|(state, from, to)| json!({ "state": state, "startTime": time(*from), "endTime": time(*to) }))
        .collect();
    json!({
        "id": format!("s-1/p-{number}"), "telephonySessionId": "s-1", "partyId": format!("p-{number}"),
        "participant": format!("ext:{number}"), "kind": "user", "direction": "Inbound", "from": {}, "to": {},
        "startTime": time(first), "ringTime": null, "answerTime": null, "endTime": time(last), "endReason": null,
        "outcome": "Answered", "ringMs": 0, "talkMs": 0, "holdMs": 0, "segments": segments, "queue": null,
        "deviceId": null,
    })
}

fn talk(from: usize, to: usize, who: impl IntoIterator<Item = usize>) -> Value {
    let who: Vec<String> = who.into_iter().map(|number| format!("ext:{number}")).collect();
    json!({ "startTime": time(from), "endTime": time(to), "participants": who })
}

fn step(kind: &str, at: usize, by: usize, target: usize) -> Value {
    json!({ "kind": kind, "time": time(at), "by": format!("ext:{by}"), "target": format!("ext:{target}"),
        "answered": true, "evidence": [] })
}

fn call(people: usize, end: usize, legs: Vec<Value>, talks: Vec<Value>, moves: Vec<Value>) -> Call {
    let participants: Vec<Value> = (0..people).map(participant).collect();
    serde_json::from_value(json!({
        "schema": "wholecall.call/1", "id": "s-1", "accountId": "1", "version": 1, "updatedAt": time(end),
        "state": "complete", "direction": "Internal", "result": "Answered",
        "from": { "participant": "ext:0", "phoneNumber": null, "name": null, "extensionId": null },
        "to": { "participant": "ext:1", "phoneNumber": null, "name": null, "extensionId": null },
        "answeredBy": "ext:1", "endState": "talking", "startTime": time(0), "answerTime": time(5), "endTime": time(end),
        "durations": { "totalMs": end * 1000, "waitMs": 5000, "talkMs": (end - 5) * 1000, "holdMs": 0, "parkedMs": 0,
            "voicemailMs": 0 },
        "participants": participants, "legs": legs, "links": [], "moves": moves, "conversations": talks, "queues": [],
        "monitors": [], "recordings": [], "sessions": [], "related": [],
        "completeness": { "missingSequences": [], "unseenSessions": [], "unlinkedGone": [], "reason": null },
    }))
    .unwrap()
}

/// Ten transfers, one after the other; the last three within four seconds.
fn chain() -> Call {
    let begins = |number: usize| if number <= 8 { 5 + 60 * (number - 1) } else { 425 + 2 * (number - 8) };
    let mut legs = vec![leg(0, &[("connected", 0, 480)])];
    let (mut talks, mut moves) = (Vec::new(), Vec::new());
    for number in 1..=11 {
        let (from, to) = (begins(number), if number == 11 { 480 } else { begins(number + 1) });
        legs.push(leg(number, &[("ringing", from - 4, from), ("connected", from, to)]));
        talks.push(talk(from, to, [0, number]));
        if number > 1 {
            moves.push(step("AttendedTransfer", from, number - 1, number));
        }
    }
    call(12, 480, legs, talks, moves)
}

/// Ten people, brought in within seconds of each other, who leave one by one.
fn conference() -> Call {
    let mut legs = Vec::new();
    let (mut talks, mut moves) = (vec![talk(5, 30, 0..2)], Vec::new());
    for number in 0..10 {
        legs.push(leg(number, &[("connected", number * 3, 300 - number * 10)]));
        if number > 1 {
            moves.push(step("Conference", 29 + number, 0, number));
            talks.push(talk(29 + number, 30 + number, 0..number + 1));
        }
    }
    talks.push(talk(39, 210, 0..10));
    talks.extend((2..10).rev().map(|number| talk(300 - number * 10, 310 - number * 10, 0..number)));
    call(10, 300, legs, talks, moves)
}

fn drawn(name: &str, call: &Call) -> String {
    let svg = Drawing::default().svg(call);
    if let Some(folder) = env::var_os("WHOLECALL_DRAWINGS") {
        fs::write(Path::new(&folder).join(format!("{name}.svg")), &svg).unwrap();
    }
    svg
}

/// Place, size and words of every text, by the attributes that are written for it.
fn texts(svg: &str) -> Vec<(f64, f64, f64, f64, String)> {
    let attribute = |element: &str, name: &str| -> Option<String> {
        let (_, rest) = element.split_once(&format!(" {name}=\""))?;
        Some(rest.split('"').next().unwrap().to_owned())
    };
    let mut found = Vec::new();
    for element in svg.split("<text").skip(1) {
        let (attributes, rest) = element.split_once('>').unwrap();
        let words =
            rest.split('<').next().unwrap().replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
        let number = |name: &str| attribute(attributes, name).unwrap().parse::<f64>().unwrap();
        let size = number("font-size");
        // Narrower than any typeface, so that a reported overlap is one.
        let width = words.chars().count() as f64 * size * 0.45;
        let left = if attributes.contains("text-anchor") { number("x") - width / 2.0 } else { number("x") };
        found.push((left, left + width, number("y") - size * 0.7, number("y"), words));
    }
    found
}

fn expect_no_overlap(svg: &str) {
    let texts = texts(svg);
    assert!(texts.len() > 40, "{} texts", texts.len());
    for (index, a) in texts.iter().enumerate() {
        assert!(a.0 >= 0.0 && a.1 <= 1080.0, "{:?} stands out of the drawing", a.4);
        for b in &texts[index + 1..] {
            let apart = a.1 <= b.0 || b.1 <= a.0 || a.3 <= b.2 || b.3 <= a.2;
            assert!(apart, "{:?} and {:?} cover each other", a.4, b.4);
        }
    }
}

#[test]
fn a_chain_of_ten_transfers_is_drawn_without_overlaps() {
    let svg = drawn("chain", &chain());
    expect_no_overlap(&svg);
    for (letter, number) in ('a'..='j').zip(2..) {
        assert!(svg.contains(&format!(">{letter}</text>")), "{letter}");
        assert!(svg.contains(&format!(">{} · user</text>", 100 + number)), "{number}");
    }
    assert_eq!(svg.matches("<polygon").count(), 10, "an arrow for each transfer");
}

#[test]
fn a_conference_of_ten_is_drawn_without_overlaps() {
    let svg = drawn("conference", &conference());
    expect_no_overlap(&svg);
    assert_eq!(svg.matches("into the conference</text>").count(), 8);
}

#[test]
fn names_in_a_drawing_are_never_markup() {
    let svg = drawn("names", &chain());
    assert!(svg.contains("Eve &lt;Quality &amp; Co.&gt;") && !svg.contains("<Quality"));
}

#[test]
fn the_description_says_what_the_picture_shows() {
    let svg = drawn("words", &chain());
    let description = svg.split("<desc id=\"wc-desc\">").nth(1).unwrap().split("</desc>").next().unwrap();
    for expected in [
        "Ben Okafor 1 answered at 15:00:05 UTC, 5.0 s after the start.",
        "From 15:00:05 to 15:01:05 Ada Moreno 0, Ben Okafor 1 hear each other.",
        "At 15:01:05 Ben Okafor 1 transfers the call to Chloe Lindqvist-van der Meulen 2 (attended).",
        "Ended at 15:08:00 UTC",
    ] {
        assert!(description.contains(expected), "{expected} is not in {description}");
    }
}
