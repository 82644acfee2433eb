//! The loop of a program that assembles calls while they happen: receive, publish, look up what is missing, and wait until
//! the next deadline. The time is played here; a real program passes the time of its clock.

use std::{collections::VecDeque, error::Error};

use wholecall_assembly::{
    Assembler, Change, Settings,
    notification::{Document, Message},
    record::Time,
};

const SAMPLE: &str = include_str!("call.ndjson");

/// Ends the ids of the sample's session, and those of a second call that is made from it.
const FIRST: &str = "000000010000";
const SECOND: &str = "000000020000";

/// The second call. The notifications with the sequence numbers 5, 9 and 10 are lost: of the call's end nothing is known.
fn second_call() -> impl Iterator<Item = String> {
    let is_lost = |line: &&str| [5, 9, 10].iter().any(|lost| line.contains(&format!("\"sequence\":{lost},")));
    SAMPLE.lines().filter(move |line| !is_lost(line)).map(|line| line.replace(FIRST, SECOND))
}

/// RingCentral's answer to a lookup of a session, in an envelope whose `event` is the requested path.
fn look_up(session: &str) -> String {
    let party = session.replacen('s', "p", 1);
    format!(
        r#"{{"event": "/restapi/v1.0/account/400131426008/telephony/sessions/{session}",
            "timestamp": "2026-11-16T14:07:00.000Z", "body": {{"telephonySessionId": "{session}", "parties": [
            {{"id": "{party}-1", "accountId": "400131426008", "direction": "Outbound",
                "status": {{"code": "Disconnected"}}}},
            {{"id": "{party}-2", "accountId": "400131426008", "extensionId": "400131426104",
                "direction": "Inbound", "status": {{"code": "Disconnected"}}}}]}}}}"#
    )
}

fn main() -> Result<(), Box<dyn Error>> {
    println!("{} changes", run()?);
    Ok(())
}

/// Returns the number of changes.
fn run() -> Result<usize, Box<dyn Error>> {
    let settings = Settings { lookup_after_ms: Some(60_000), ..Settings::default() };
    let mut assembler = Assembler::new(settings);
    let mut inbox: VecDeque<String> = SAMPLE.lines().map(str::to_owned).collect();
    inbox.extend(second_call());
    let (mut now, mut count) = (Time::from_millis(1_794_837_731_300), 0);
    loop {
        let changes = match inbox.pop_front() {
            // A notification that arrived is received at once.
            Some(text) => {
                let document = Document::parse(&text)?;
                match document.message()? {
                    Message::Session(notification) => assembler.receive(now, &notification),
                    _ => continue,
                }
            }
            // Nothing has arrived: wait until the next deadline.
            None => match assembler.next_due() {
                Some(due) => {
                    now = due;
                    assembler.tick(now)
                }
                None => break,
            },
        };
        count += changes.len();
        changes.iter().for_each(publish);
        // A session that lacks a notification is looked up; the answer is received like a notification.
        for lookup in assembler.poll_lookups() {
            println!("look up {}", lookup.session);
            inbox.push_back(look_up(&lookup.session));
        }
        now = now + 100;
    }
    Ok(count)
}

fn publish(change: &Change) {
    let what = match change {
        Change::Started(_) => "started",
        Change::Updated(_) => "updated",
        Change::Completed(_) => "completed",
        Change::Revised { .. } => "revised",
        Change::Merged { id, into, .. } => return println!("{id} is part of {into}"),
    };
    if let Some(call) = change.call() {
        println!("{} {what}: version {}, {}", call.id, call.version, call.result.as_str());
    }
}

#[test]
fn the_example_runs() {
    assert!(run().is_ok_and(|changes| changes > 5));
}
