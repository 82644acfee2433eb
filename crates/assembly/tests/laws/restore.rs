//! An assembler that is thrown away at any moment, and another that goes on from what was kept: all
//! notifications, and the last record that was told of each call.

use std::collections::{BTreeMap, BTreeSet};

use proptest::{prelude::*, test_runner::TestCaseError};
use wholecall_assembly::{Assembler, Change, Changes, Left, Settings};
use wholecall_record::{Call, Time, call::State};

use crate::{
    config,
    play::{DELAYS, Listener, as_if_read_from_files, collect, same, with},
    shuffled_streams,
    stream::{BEGIN, Note},
};

/// Delays after which what went before is still in memory.
const WITHIN_A_MINUTE: usize = 13;

type Id = (Option<String>, String);

/// The last that was told of a call.
#[derive(Debug)]
struct Told {
    record: Box<Call>,
    at: Time,
    completed: bool,
    /// How many notifications had arrived.
    arrived: usize,
}

/// What outlives an assembler.
#[derive(Debug, Default)]
struct Kept {
    journal: Vec<(Time, Note)>,
    calls: BTreeMap<Id, Told>,
    /// Which call a session was last told to be part of.
    claims: BTreeMap<Id, Id>,
    /// Ids that were merged away.
    merged: BTreeSet<Id>,
    /// One of them came back, since something late told that a link only listened.
    parted: bool,
}

impl Kept {
    fn keep(&mut self, now: Time, changes: &Changes) {
        for change in changes {
            let Some(call) = change.call() else {
                if let Change::Merged { account, id, .. } = change {
                    let gone = (account.as_deref().map(str::to_owned), id.to_string());
                    self.calls.remove(&gone);
                    self.merged.insert(gone);
                }
                continue;
            };
            let account = call.account_id.as_deref().map(str::to_owned);
            let id = (account.clone(), call.id.to_string());
            self.parted |= self.merged.contains(&id);
            for session in &call.sessions {
                let session_id = (account.clone(), session.telephony_session_id.to_string());
                if session.seen || !self.claims.contains_key(&session_id) {
                    self.claims.insert(session_id, id.clone());
                }
            }
            let is_over = matches!(change, Change::Completed(_) | Change::Revised { .. });
            let completed = is_over || self.calls.get(&id).is_some_and(|before| before.completed);
            let record = Box::new(call.clone());
            self.calls.insert(id, Told { record, at: now, completed, arrived: self.journal.len() });
        }
    }

    /// Brings the call of a session back, with those it looks related to.
    fn restore(&self, assembler: &mut Assembler, session: &Id) {
        let mut waiting = vec![session.clone()];
        while let Some(session) = waiting.pop() {
            if assembler.knows(session.0.as_deref(), &session.1) {
                continue;
            }
            let told = self.claims.get(&session).and_then(|id| self.calls.get(id));
            let sessions: BTreeSet<Id> = match told {
                Some(told) => {
                    let sessions = told.record.sessions.iter();
                    sessions
                        .map(|other| (session.0.clone(), other.telephony_session_id.to_string()))
                        .filter(|other| self.claims.get(other) == self.claims.get(&session))
                        .collect()
                }
                None => BTreeSet::from([session.clone()]),
            };
            let is_heard = self.journal.iter().any(|(_, note)| sessions.contains(&of(note)));
            if !is_heard || sessions.iter().any(|(account, id)| assembler.knows(account.as_deref(), id)) {
                continue;
            }
            let mut restoring = assembler.restore(Left {
                record: told.map(|told| told.record.clone()),
                made_at: told.map_or(Time::from_millis(0), |told| told.at),
                completed: told.is_some_and(|told| told.completed),
                directory: None,
            });
            for (number, (arrived, note)) in self.journal.iter().enumerate() {
                if sessions.contains(&of(note)) {
                    let is_told = told.is_some_and(|told| number < told.arrived);
                    with(note, |notification| restoring.add(*arrived, is_told, notification));
                }
            }
            let related = restoring.finish();
            waiting.extend(related.into_iter().map(|id| (session.0.clone(), id.to_string())));
        }
    }

    /// The sessions of what is not over, was heard of after it was told last, or ended a moment ago.
    fn open_sessions(&self, now: Time) -> BTreeSet<Id> {
        let is_open = |(number, (_, note)): (usize, &(Time, Note))| {
            let told = self.claims.get(&of(note)).and_then(|id| self.calls.get(id));
            let is_recent = |told: &Told| now - told.at <= 75_000;
            told.is_none_or(|told| {
                told.record.state == State::Live || told.arrived <= number || is_recent(told)
            })
            .then(|| of(note))
        };
        self.journal.iter().enumerate().filter_map(is_open).collect()
    }
}

fn of(note: &Note) -> Id {
    (note.account.map(str::to_owned), note.session.clone())
}

/// An assembler that may be replaced at any moment.
struct Replaced {
    assembler: Assembler,
    now: Time,
    listener: Listener,
    kept: Kept,
}

impl Replaced {
    fn new() -> Self {
        Self {
            assembler: Assembler::new(settings()),
            now: Time::from_millis(BEGIN),
            listener: Listener::default(),
            kept: Kept::default(),
        }
    }

    fn hear(&mut self, changes: Changes) {
        self.kept.keep(self.now, &changes);
        self.listener.hear(changes);
    }

    fn wait(&mut self, delay: u8) {
        self.now = self.now + DELAYS[usize::from(delay & 15) % WITHIN_A_MINUTE];
        while let Some(due) = self.assembler.next_due().filter(|due| *due <= self.now) {
            let changes = self.assembler.tick(due);
            self.hear(changes);
        }
    }

    fn receive(&mut self, note: &Note) {
        let unknown = with(note, |notification| self.assembler.unknown_sessions(notification));
        for session in unknown {
            let session = (note.account.map(str::to_owned), session.to_string());
            self.kept.restore(&mut self.assembler, &session);
        }
        self.kept.journal.push((self.now, note.clone()));
        let changes = with(note, |notification| self.assembler.receive(self.now, notification));
        self.hear(changes);
    }

    /// Another assembler goes on.
    fn replace(&mut self) {
        self.assembler = Assembler::new(settings());
        for session in self.kept.open_sessions(self.now) {
            self.kept.restore(&mut self.assembler, &session);
        }
    }

    fn finish(&mut self) {
        let changes = self.assembler.finish(self.now);
        self.hear(changes);
    }
}

fn settings() -> Settings {
    Settings { keep_closed_ms: i64::MAX / 4, ..Settings::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn whoever_goes_on_tells_the_same_in_the_end(
        (stream, order) in shuffled_streams(),
        replaced in prop::collection::vec(any::<bool>(), 96),
    ) {
        // Not yet true of two kinds: copies of a change that contradict each other, which may take back what was joined,
        // and supervision, where in one stream of 20,000 a merging is not told after a restart.
        prop_assume!(stream.copies_agree() && !stream.has_supervision());
        let mut live = Replaced::new();
        for ((at, delay), replaced) in order.iter().zip(replaced.iter().cycle()) {
            live.wait(*delay);
            live.receive(&stream.notes[*at]);
            if *replaced {
                live.replace();
            }
        }
        live.finish();
        // Not yet true where what was merged has parted again: its sessions are then claimed by both calls.
        if live.kept.parted {
            return Ok(());
        }
        same(&as_if_read_from_files(live.listener.last_records()), &collect(&stream.notes))
            .map_err(|differs| TestCaseError::fail(format!("{:?}: {differs}", live.listener.told)))?;
        prop_assert_eq!(&live.listener.complaints, &Vec::<String>::new());
    }
}
