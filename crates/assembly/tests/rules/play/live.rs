//! Calls as they happen: what is told when.

use wholecall_assembly::{Assembler, Change, Directory, Left, Settings};
use wholecall_record::{Call, Time, call::State};

use super::{
    read,
    script::{Script, Sent, seconds},
};

/// An assembler in scripted time.
pub(crate) struct Live {
    assembler: Assembler,
    script: Script,
    heard: Vec<Sent>,
    records: Vec<Call>,
}

impl Live {
    pub(crate) fn new() -> Self {
        Self::with(Settings::default())
    }

    pub(crate) fn with(settings: Settings) -> Self {
        let assembler = Assembler::new(settings);
        Self { assembler, script: Script::default(), heard: Vec::new(), records: Vec::new() }
    }

    /// Names extensions from now on.
    pub(crate) fn set_directory(&mut self, directory: Directory) {
        self.assembler.set_directory(Some("1"), directory);
    }

    /// Another assembler goes on with the only call there was; `directory` is the one that its record names.
    pub(crate) fn restart(&mut self, session: &str, directory: Directory) {
        self.assembler = Assembler::new(self.assembler.settings().clone());
        let record = self.last(session).clone();
        let left = Left {
            made_at: record.updated_at,
            completed: record.state != State::Live,
            record: Some(Box::new(record)),
            directory: Some(directory.into()),
        };
        let mut restoring = self.assembler.restore(left);
        for sent in &self.heard {
            read(sent, |notification| restoring.add(sent.arrives, true, &notification));
        }
        restoring.finish();
    }

    /// Hears a part of a script; tells what is told of it: `0 started A 1` is time, what, call, version.
    pub(crate) fn hear(&mut self, script: &str) -> Vec<String> {
        let sent = self.script.read(script);
        sent.iter().flat_map(|sent| self.hear_one(sent)).collect()
    }

    fn hear_one(&mut self, sent: &Sent) -> Vec<String> {
        self.heard.push(sent.clone());
        let mut told = self.run_until(sent.arrives);
        let changes = read(sent, |notification| self.assembler.receive(sent.arrives, &notification));
        told.extend(self.tell(sent.arrives, changes));
        told
    }

    /// Lets time pass.
    pub(crate) fn wait_until(&mut self, time: &str) -> Vec<String> {
        self.run_until(seconds(time))
    }

    fn run_until(&mut self, time: Time) -> Vec<String> {
        let mut told = Vec::new();
        while let Some(due) = self.assembler.next_due().filter(|due| *due <= time) {
            let changes = self.assembler.tick(due);
            told.extend(self.tell(due, changes));
        }
        told
    }

    /// The sessions that were asked for since this was last called.
    pub(crate) fn asked(&mut self) -> Vec<String> {
        let questions = self.assembler.take_questions().into_iter();
        questions.map(|question| question.session[2..].to_owned()).collect()
    }

    /// The record of a call as it was told last.
    pub(crate) fn last(&self, session: &str) -> &Call {
        let found = self.records.iter().rfind(|call| call.id[2..] == *session);
        found.unwrap_or_else(|| panic!("nothing was told of {session}"))
    }

    fn tell(&mut self, time: Time, changes: Vec<Change>) -> Vec<String> {
        assert_eq!(self.assembler.take_contradictions(), [], "nothing has to be taken out of a record");
        let time = super::when(time);
        let told = changes.iter().map(|change| match change {
            Change::Started(call) => format!("{time} started {}", name(call)),
            Change::Updated(call) => format!("{time} updated {}", name(call)),
            Change::Completed(call) => format!("{time} {} {}", state(call), name(call)),
            Change::Revised { from_version, call } => {
                format!("{time} revised {} from {from_version} {}", name(call), state(call))
            }
            Change::Merged { id, into, .. } => format!("{time} merged {} into {}", &id[2..], &into[2..]),
        });
        let told = told.collect();
        for call in changes.iter().filter_map(Change::call) {
            assert_eq!(call.violations(), Vec::<String>::new());
            self.records.push(call.clone());
        }
        told
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
