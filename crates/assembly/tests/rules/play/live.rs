//! Calls as they happen: what is published when.

use wholecall_assembly::{Assembler, CallSnapshot, Change, Directory, Settings};
use wholecall_record::{Call, Time, call::State};

use super::{
    read,
    script::{Script, Sent, seconds},
};

/// An assembler in scripted time.
pub(crate) struct Live {
    assembler: Assembler,
    script: Script,
    received: Vec<Sent>,
    records: Vec<Call>,
}

impl Live {
    pub(crate) fn new() -> Self {
        Self::with(Settings::default())
    }

    pub(crate) fn with(settings: Settings) -> Self {
        let assembler = Assembler::new(settings);
        Self { assembler, script: Script::default(), received: Vec::new(), records: Vec::new() }
    }

    /// Sets the directory.
    pub(crate) fn set_directory(&mut self, directory: Directory) {
        self.assembler.set_directory(Some("1"), directory);
    }

    /// Replaces the assembler by another one, which restores the only call; `directory` is the one that its record
    /// refers to.
    pub(crate) fn restart(&mut self, session: &str, directory: Directory) {
        self.assembler = Assembler::new(self.assembler.settings().clone());
        let record = self.last(session).clone();
        let left = CallSnapshot {
            published_at: record.updated_at,
            is_completed: record.state != State::Live,
            record: Some(Box::new(record)),
            directory: Some(directory.into()),
        };
        let mut restoring = self.assembler.restore(left);
        for sent in &self.received {
            read(sent, |notification| restoring.add(sent.arrives, true, &notification));
        }
        restoring.finish();
    }

    /// Applies a part of a script; returns what is published: `0 started A 1` is time, change, call, version.
    pub(crate) fn receive(&mut self, script: &str) -> Vec<String> {
        let sent = self.script.read(script);
        sent.iter().flat_map(|sent| self.receive_one(sent)).collect()
    }

    fn receive_one(&mut self, sent: &Sent) -> Vec<String> {
        self.received.push(sent.clone());
        let mut published = self.run_until(sent.arrives);
        let changes = read(sent, |notification| self.assembler.receive(sent.arrives, &notification));
        published.extend(self.publish(sent.arrives, changes));
        published
    }

    /// Lets time pass.
    pub(crate) fn wait_until(&mut self, time: &str) -> Vec<String> {
        self.run_until(seconds(time))
    }

    fn run_until(&mut self, time: Time) -> Vec<String> {
        let mut published = Vec::new();
        while let Some(due) = self.assembler.next_due().filter(|due| *due <= time) {
            let changes = self.assembler.tick(due);
            published.extend(self.publish(due, changes));
        }
        published
    }

    /// The sessions to be looked up since the last call of this method.
    pub(crate) fn lookups(&mut self) -> Vec<String> {
        let questions = self.assembler.poll_lookups().into_iter();
        questions.map(|question| question.session[2..].to_owned()).collect()
    }

    /// The last published record of a call.
    pub(crate) fn last(&self, session: &str) -> &Call {
        let found = self.records.iter().rfind(|call| call.id[2..] == *session);
        found.unwrap_or_else(|| panic!("nothing was published of {session}"))
    }

    fn publish(&mut self, time: Time, changes: Vec<Change>) -> Vec<String> {
        assert_eq!(self.assembler.take_contradictions(), [], "nothing has to be taken out of a record");
        let time = super::when(time);
        let published = changes.iter().map(|change| match change {
            Change::Started(call) => format!("{time} started {}", name(call)),
            Change::Updated(call) => format!("{time} updated {}", name(call)),
            Change::Completed(call) => format!("{time} {} {}", state(call), name(call)),
            Change::Revised { from_version, call } => {
                format!("{time} revised {} from {from_version} {}", name(call), state(call))
            }
            Change::Merged { id, into, .. } => format!("{time} merged {} into {}", &id[2..], &into[2..]),
        });
        let published = published.collect();
        for call in changes.iter().filter_map(Change::call) {
            assert_eq!(call.violations(), Vec::<String>::new());
            self.records.push(call.clone());
        }
        published
    }
}

fn name(call: &Call) -> String {
    format!("{} {}", &call.id[2..], call.version)
}

fn state(call: &Call) -> String {
    match (call.state, call.completeness.reason) {
        (State::Incomplete, Some(reason)) => reason.as_str().to_owned(),
        (state, _) => state.as_str().to_owned(),
    }
}
