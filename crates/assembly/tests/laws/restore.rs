//! An assembler that is dropped at any moment, and another that restores the calls from what was stored: all
//! notifications, and the last published record of each call.

use std::collections::{BTreeMap, BTreeSet};

use proptest::{prelude::*, test_runner::TestCaseError};
use wholecall_assembly::{Assembler, CallSnapshot, Change, Changes, Settings};
use wholecall_record::{Call, Time, call::State};

use crate::{
    config,
    play::{DELAYS, Listener, as_if_read_from_files, collect, same, with},
    shuffled_streams,
    stream::{BEGIN, Note},
};

/// Delays after which the previous state is still in memory.
const WITHIN_A_MINUTE: usize = 13;

type Id = (Option<String>, String);

/// The last published version of a call.
#[derive(Debug)]
struct Published {
    record: Box<Call>,
    at: Time,
    completed: bool,
    /// Number of notifications that had arrived.
    arrived: usize,
}

/// What outlives an assembler.
#[derive(Debug, Default)]
struct Stored {
    journal: Vec<(Time, Note)>,
    calls: BTreeMap<Id, Published>,
    /// The call that a session was last published as part of.
    claims: BTreeMap<Id, Id>,
    /// Ids that were merged away.
    merged: BTreeSet<Id>,
    /// One of them was published again, since a late notification showed that a link only listened.
    parted: bool,
}

impl Stored {
    fn store(&mut self, now: Time, changes: &Changes) {
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
            self.calls.insert(id, Published { record, at: now, completed, arrived: self.journal.len() });
        }
    }

    /// Restores the call of a session, with its related calls.
    fn restore(&self, assembler: &mut Assembler, session: &Id) {
        let mut waiting = vec![session.clone()];
        while let Some(session) = waiting.pop() {
            if assembler.contains_session(session.0.as_deref(), &session.1) {
                continue;
            }
            let published = self.claims.get(&session).and_then(|id| self.calls.get(id));
            let sessions: BTreeSet<Id> = match published {
                Some(published) => {
                    let sessions = published.record.sessions.iter();
                    sessions
                        .map(|other| (session.0.clone(), other.telephony_session_id.to_string()))
                        .filter(|other| self.claims.get(other) == self.claims.get(&session))
                        .collect()
                }
                None => BTreeSet::from([session.clone()]),
            };
            let is_known = self.journal.iter().any(|(_, note)| sessions.contains(&of(note)));
            if !is_known
                || sessions.iter().any(|(account, id)| assembler.contains_session(account.as_deref(), id))
            {
                continue;
            }
            let mut restoring = assembler.restore(CallSnapshot {
                record: published.map(|published| published.record.clone()),
                published_at: published.map_or(Time::from_millis(0), |published| published.at),
                is_completed: published.is_some_and(|published| published.completed),
                directory: None,
            });
            for (number, (arrived, note)) in self.journal.iter().enumerate() {
                if sessions.contains(&of(note)) {
                    let is_published = published.is_some_and(|published| number < published.arrived);
                    with(note, |notification| restoring.add(*arrived, is_published, notification));
                }
            }
            let related = restoring.finish();
            waiting.extend(related.into_iter().map(|id| (session.0.clone(), id.to_string())));
        }
    }

    /// The sessions of calls that are open, that received something after their last version, or that ended a moment
    /// ago.
    fn open_sessions(&self, now: Time) -> BTreeSet<Id> {
        let is_open = |(number, (_, note)): (usize, &(Time, Note))| {
            let published = self.claims.get(&of(note)).and_then(|id| self.calls.get(id));
            let is_recent = |published: &Published| now - published.at <= 75_000;
            published
                .is_none_or(|published| {
                    published.record.state == State::Live
                        || published.arrived <= number
                        || is_recent(published)
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
struct Replaceable {
    assembler: Assembler,
    now: Time,
    listener: Listener,
    stored: Stored,
}

impl Replaceable {
    fn new() -> Self {
        Self {
            assembler: Assembler::new(settings()),
            now: Time::from_millis(BEGIN),
            listener: Listener::default(),
            stored: Stored::default(),
        }
    }

    fn record(&mut self, changes: Changes) {
        self.stored.store(self.now, &changes);
        self.listener.record(changes);
    }

    fn wait(&mut self, delay: u8) {
        self.now = self.now + DELAYS[usize::from(delay & 15) % WITHIN_A_MINUTE];
        while let Some(due) = self.assembler.next_due().filter(|due| *due <= self.now) {
            let changes = self.assembler.tick(due);
            self.record(changes);
        }
    }

    fn receive(&mut self, note: &Note) {
        let unknown = with(note, |notification| self.assembler.unknown_sessions(notification));
        for session in unknown {
            let session = (note.account.map(str::to_owned), session.to_string());
            self.stored.restore(&mut self.assembler, &session);
        }
        self.stored.journal.push((self.now, note.clone()));
        let changes = with(note, |notification| self.assembler.receive(self.now, notification));
        self.record(changes);
    }

    /// Replaces the assembler.
    fn replace(&mut self) {
        self.assembler = Assembler::new(settings());
        for session in self.stored.open_sessions(self.now) {
            self.stored.restore(&mut self.assembler, &session);
        }
    }

    fn finish(&mut self) {
        let changes = self.assembler.finish(self.now);
        self.record(changes);
    }
}

fn settings() -> Settings {
    Settings { closed_call_ttl_ms: i64::MAX / 4, ..Settings::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_restored_assembler_publishes_the_same_in_the_end(
        (stream, order) in shuffled_streams(),
        replaced in prop::collection::vec(any::<bool>(), 96),
    ) {
        // Not yet true for two kinds: deliveries of a change that contradict each other, which may undo a join, and
        // supervision, where in one stream of 20,000 a merge is not published after a restart.
        prop_assume!(stream.deliveries_agree() && !stream.has_supervision());
        let mut live = Replaceable::new();
        for ((at, delay), replaced) in order.iter().zip(replaced.iter().cycle()) {
            live.wait(*delay);
            live.receive(&stream.notes[*at]);
            if *replaced {
                live.replace();
            }
        }
        live.finish();
        // Not yet true where merged calls were separated again: both calls then claim the sessions.
        if live.stored.parted {
            return Ok(());
        }
        same(&as_if_read_from_files(live.listener.last_records()), &collect(&stream.notes))
            .map_err(|differs| TestCaseError::fail(format!("{:?}: {differs}", live.listener.published)))?;
        prop_assert_eq!(&live.listener.complaints, &Vec::<String>::new());
    }
}
