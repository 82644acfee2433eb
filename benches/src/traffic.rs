//! Notifications to measure with: the example calls, repeated with new ids and times.

use std::{cmp::Reverse, collections::BinaryHeap, fmt::Write as _, fs, path::Path, time::Duration};

use jiff::{SignedDuration, Timestamp};

/// The example calls, as text.
pub fn examples() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let mut files: Vec<_> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "ndjson"))
        .collect();
    files.sort();
    files
        .iter()
        .map(|file| fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display())))
        .collect()
}

/// `calls` calls, one starting every three seconds, line by line in the order in which they are sent.
pub fn mix(calls: usize) -> Vec<u8> {
    let plays = examples();
    let mut text = Vec::new();
    let mut pending: BinaryHeap<Reverse<(String, usize, String)>> = BinaryHeap::new();
    for call in 0..calls {
        let lines = replay(&plays[call % plays.len()], call);
        // Notifications that were sent before this call started are written first.
        let start = lines.first().map(|line| sent(line)).unwrap_or_default();
        while pending.peek().is_some_and(|Reverse((time, ..))| *time < start) {
            write_next(&mut pending, &mut text);
        }
        pending
            .extend(lines.into_iter().enumerate().map(|(place, line)| Reverse((sent(&line), place, line))));
    }
    while !pending.is_empty() {
        write_next(&mut pending, &mut text);
    }
    text
}

/// An endless series of calls, one starting after each `gap`: their notifications in the order in which they are sent. Ids
/// contain the number of the call ([`call_number`]), from 0. Each call has its own extensions, so that no person has two
/// calls at once, except as in the examples.
pub fn as_they_happen(plays: Vec<String>, gap: Duration) -> impl Iterator<Item = String> {
    let mut pending: BinaryHeap<Reverse<(Duration, usize, usize)>> = BinaryHeap::new();
    let plays: Vec<Vec<Sent>> = plays.iter().map(|play| offsets(play)).collect();
    let mut next = 0;
    std::iter::from_fn(move || {
        let start = gap * next as u32;
        if pending.peek().is_none_or(|Reverse((time, ..))| *time >= start) {
            pending.push(Reverse((start, next, 0)));
            next += 1;
        }
        let Reverse((_, call, place)) = pending.pop()?;
        let play = &plays[call % plays.len()];
        if let Some((after, _)) = play.get(place + 1) {
            pending.push(Reverse((gap * call as u32 + *after, call, place + 1)));
        }
        Some(renumber_people(&renumber(&play[place].1, call), call / plays.len()))
    })
}

/// The notifications of a number of calls, in batches to import.
pub fn fill(calls: usize) -> impl Iterator<Item = Vec<u8>> {
    const MAX_BATCH_LINES: usize = 20_000;
    let is_begun = move |line: &String| call_number(line).is_none_or(|call| call < calls);
    let mut lines = as_they_happen(examples(), Duration::from_secs(3)).take_while(is_begun);
    std::iter::from_fn(move || {
        let batch: Vec<String> = lines.by_ref().take(MAX_BATCH_LINES).collect();
        (!batch.is_empty()).then(|| batch.join("\n").into_bytes())
    })
}

/// A notification, and the delay after the first of its call at which it is sent.
type Sent = (Duration, String);

fn offsets(play: &str) -> Vec<Sent> {
    let time = |line: &str| sent(line).parse::<Timestamp>().unwrap_or_default();
    let mut lines: Vec<&str> = play.lines().collect();
    lines.sort_by_key(|line| sent(line));
    let began = lines.first().map(|line| time(line)).unwrap_or_default();
    lines
        .into_iter()
        .map(|line| (time(line).duration_since(began).try_into().unwrap_or_default(), line.to_owned()))
        .collect()
}

fn write_next(pending: &mut BinaryHeap<Reverse<(String, usize, String)>>, text: &mut Vec<u8>) {
    if let Some(Reverse((.., line))) = pending.pop() {
        text.extend_from_slice(line.as_bytes());
        text.push(b'\n');
    }
}

/// The time at which a notification was sent; sorts as text.
fn sent(line: &str) -> String {
    let at = line.find(TIMESTAMP).map_or(0, |at| at + TIMESTAMP.len());
    line[at..at + 24].to_owned()
}

/// The start of the first call.
fn morning() -> Timestamp {
    Timestamp::from_second(1_794_816_000).unwrap_or_default()
}

const TIMESTAMP: &str = "\"timestamp\":\"";

/// An example with new session ids, shifted to the start of the call.
fn replay(play: &str, call: usize) -> Vec<String> {
    let began: Timestamp =
        play.lines().next().map(sent).and_then(|time| time.parse().ok()).unwrap_or_default();
    let start = morning() + SignedDuration::from_secs(3 * call as i64);
    let shift = start.duration_since(began);
    play.lines().map(|line| shift_times(&renumber(line, call), shift)).collect()
}

/// Replaces the six digits after `s-a0d7` or `p-a0d7` in session and party ids with the call's number, and puts it before
/// each `uuid`.
fn renumber(line: &str, call: usize) -> String {
    let mut text = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find("-a0d7") {
        text.push_str(&rest[..at + 5]);
        let _ = write!(text, "{call:06x}");
        rest = &rest[at + 11..];
    }
    text.push_str(rest);
    text.replacen("{\"uuid\":\"", &format!("{{\"uuid\":\"{call}"), 1)
}

/// Replaces the middle of extension ids (`400131426` and three digits) with the company's number. Each company occurs once,
/// since the times of events are the same in all calls.
fn renumber_people(line: &str, company: usize) -> String {
    const EXTENSION: &str = "\"extensionId\":\"400131426";
    line.replace(EXTENSION, &format!("\"extensionId\":\"400{company:06}"))
}

/// The number of the call whose session id is in a text.
pub fn call_number(text: &str) -> Option<usize> {
    let at = text.find("\"s-a0d7")? + 7;
    usize::from_str_radix(text.get(at..at + 6)?, 16).ok()
}

fn shift_times(line: &str, by: SignedDuration) -> String {
    let mut text = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = ["\"timestamp\":\"", "\"eventTime\":\""]
        .into_iter()
        .filter_map(|key| rest.find(key).map(|at| at + key.len()))
        .min()
    {
        let (before, after) = rest.split_at(at);
        let (time, after) = after.split_at(24);
        text.push_str(before);
        match time.parse::<Timestamp>() {
            Ok(time) => {
                let _ = write!(text, "{:.3}", time + by);
            }
            Err(_) => text.push_str(time),
        }
        rest = after;
    }
    text.push_str(rest);
    text
}

/// One call that waits in a queue for an hour while `agents` agents are rung repeatedly.
pub fn long_queue(agents: usize) -> Vec<u8> {
    let start = morning();
    let mut text = String::new();
    let mut sequence = 1;
    let mut notify = |at_ms: i64, leg: usize, owner: usize, code: &str, reason: &str| {
        sequence += 1;
        let time = start + SignedDuration::from_millis(at_ms);
        let (direction, owner, queue_call) = match leg {
            1 => ("Outbound", String::new(), ""),
            2 => ("Inbound", "\"extensionId\":\"400131426002\",".to_owned(), ""),
            _ => ("Inbound", format!("\"extensionId\":\"4001314{owner:05}\","), ",\"queueCall\":true"),
        };
        let reason = if reason.is_empty() { String::new() } else { format!(",\"reason\":\"{reason}\"") };
        let _ = writeln!(
            text,
            "{{\"uuid\":\"77{sequence}\",\"event\":\"/restapi/v1.0/account/400131426008/telephony/sessions\",\
             \"timestamp\":\"{time:.3}\",\"body\":{{\"sequence\":{sequence},\"sessionId\":\"451234567008\",\
             \"telephonySessionId\":\"s-a0d7longqueue\",\"serverId\":\"10.14.1.2.ATL\",\"eventTime\":\"{time:.3}\",\
             \"parties\":[{{\"accountId\":\"400131426008\",{owner}\"id\":\"p-a0d7longqueue-{leg}\",\
             \"direction\":\"{direction}\",\"to\":{{\"phoneNumber\":\"+14045550120\",\"extensionId\":\"400131426002\"}},\
             \"from\":{{\"phoneNumber\":\"+14705550189\"}},\"status\":{{\"code\":\"{code}\"{reason},\"rcc\":false}},\
             \"missedCall\":false,\"standAlone\":false,\"muted\":false{queue_call}}}],\
             \"origin\":{{\"type\":\"Call\"}}}}}}"
        );
    };
    notify(0, 1, 0, "Setup", "");
    notify(40, 2, 0, "Setup", "");
    notify(110, 1, 0, "Answered", "");
    let mut leg = 2;
    for round in 0..3_600 / 20 {
        for agent in 0..agents {
            leg += 1;
            notify(1_000 + round * 20_000, leg, 10_000 + agent, "Proceeding", "");
            notify(1_000 + round * 20_000 + 15_000, leg, 10_000 + agent, "Disconnected", "AgentDropped");
        }
    }
    notify(3_600_000, 2, 0, "Disconnected", "CallerDropped");
    notify(3_600_010, 1, 0, "Disconnected", "");
    text.into_bytes()
}
