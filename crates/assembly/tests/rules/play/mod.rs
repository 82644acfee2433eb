//! Played calls: a script of notifications, the resulting records, and short forms of what they contain.

mod live;
mod scenes;
mod script;
mod words;

use wholecall_assembly::{Assembler, Change, Collection, Directory, Settings};
use wholecall_notification::{Document, Message, Notification};
use wholecall_record::{Call, Time, call::State};

use self::script::Script;
pub(crate) use self::{
    live::Live,
    scenes::{ANSWERED, BRIDGED, CONSULTING, PARKED},
    script::{Sent, seconds},
    words::{at, leg, links, moves, participants, person, segments, talks, when},
};

/// Notifications, and a directory.
pub(crate) struct Play {
    pub(crate) sent: Vec<Sent>,
    pub(crate) directory: Option<Directory>,
}

/// Plays a script.
pub(crate) fn play(script: &str) -> Play {
    Play { sent: Script::default().read(script), directory: None }
}

/// The record of a script that plays one call.
pub(crate) fn call(script: &str) -> Call {
    play(script).call()
}

impl Play {
    /// Reduces it to the view of a subscription to some extensions' own legs.
    pub(crate) fn seen_by(mut self, extensions: &[&str]) -> Self {
        self.sent.retain(|sent| {
            sent.json["body"]["parties"][0]["extensionId"]
                .as_str()
                .is_some_and(|owner| extensions.contains(&owner))
        });
        self
    }

    /// Loses the notifications of some legs, written `A/1`.
    pub(crate) fn without(mut self, legs: &[&str]) -> Self {
        self.sent.retain(|sent| {
            let body = &sent.json["body"];
            let (session, party) = (body["telephonySessionId"].as_str(), body["parties"][0]["id"].as_str());
            let (Some(session), Some(party)) = (session, party) else { return true };
            !legs.contains(&&*format!("{}/{}", &session[2..], &party[2..]))
        });
        self
    }

    pub(crate) fn with_directory(mut self, directory: Directory) -> Self {
        self.directory = Some(directory);
        self
    }

    /// The only call.
    pub(crate) fn call(&self) -> Call {
        let mut calls = self.calls();
        assert_eq!(calls.len(), 1, "calls: {:?}", calls.iter().map(|call| &call.id).collect::<Vec<_>>());
        calls.remove(0)
    }

    /// The call of that root session, of several.
    pub(crate) fn call_of(&self, session: &str) -> Call {
        let id = format!("s-{session}");
        let found = self.calls().into_iter().find(|call| *call.id == *id);
        found.unwrap_or_else(|| panic!("no call {id}"))
    }

    /// The records. Every one is free of contradictions, and the same for any order, with duplicates, and whether
    /// assembled at once or live.
    pub(crate) fn calls(&self) -> Vec<Call> {
        let calls = self.collect(&self.sent);
        for call in &calls {
            assert_eq!(call.violations(), Vec::<String>::new(), "{}", talks(call).join(", "));
        }
        let mut again: Vec<Sent> = self.sent.iter().rev().cloned().collect();
        again.extend(self.sent.iter().map(under_a_second_subscription));
        assert_same(&self.collect(&again), &calls, "in reverse order and with duplicates");
        assert_same(&self.live(), &timeless(calls.clone()), "live");
        calls
    }

    fn collect(&self, sent: &[Sent]) -> Vec<Call> {
        let mut collection = Collection::default();
        if let Some(directory) = &self.directory {
            collection.set_directory(None, directory.clone());
        }
        for sent in sent {
            read(sent, |notification| collection.add(&notification));
        }
        let calls = collection.finish();
        let records = calls.records().collect();
        assert_eq!(calls.take_contradictions(), [], "nothing has to be taken out of a record");
        records
    }

    fn live(&self) -> Vec<Call> {
        const NEVER: i64 = 1 << 40;
        let settings = Settings {
            settle_ms: NEVER,
            gap_settle_ms: NEVER,
            last_leg_idle_timeout_ms: NEVER,
            idle_timeout_ms: NEVER,
            ..Settings::default()
        };
        let mut assembler = Assembler::new(settings);
        if let Some(directory) = &self.directory {
            assembler.set_directory(None, directory.clone());
        }
        for sent in &self.sent {
            read(sent, |notification| {
                assembler.receive(sent.arrives, &notification);
            });
        }
        let changes = assembler.finish(seconds("1e6"));
        let closed = changes.iter().filter_map(Change::call).filter(|call| call.state != State::Live);
        let mut calls: Vec<Call> = closed.cloned().collect();
        calls.sort_by(|a, b| (a.start_time, &a.id, &a.account_id).cmp(&(b.start_time, &b.id, &b.account_id)));
        timeless(calls)
    }
}

/// Reads a notification as it arrives.
fn read<T>(sent: &Sent, with: impl FnOnce(Notification<'_, '_>) -> T) -> T {
    let json = sent.json.to_string();
    let document = Document::parse(&json).expect("a document");
    match document.message().expect("a message") {
        Message::Session(notification) => with(notification),
        other => panic!("a {}", other.kind()),
    }
}

/// Compares line by line, so that a failure shows the difference.
fn assert_same(actual: &[Call], expected: &[Call], how: &str) {
    let lines = |calls: &[Call]| serde_json::to_string_pretty(calls).expect("records can be written");
    let (actual, expected) = (lines(actual), lines(expected));
    if let Some((actual, expected)) =
        actual.lines().zip(expected.lines()).find(|(actual, expected)| actual != expected)
    {
        panic!("{how}:{actual}, not{expected}");
    }
    assert_eq!(actual.len(), expected.len(), "{how}: other calls");
}

/// The same notification under an id that takes less precedence.
fn under_a_second_subscription(sent: &Sent) -> Sent {
    let mut delivery = sent.clone();
    if let Some(uuid) = delivery.json["uuid"].as_str().map(|uuid| format!("z{uuid}")) {
        delivery.json["uuid"] = uuid.into();
    }
    delivery
}

fn timeless(mut calls: Vec<Call>) -> Vec<Call> {
    for call in &mut calls {
        (call.version, call.updated_at) = (0, Time::from_millis(0));
    }
    calls
}
