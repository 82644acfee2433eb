//! Detects loss of durable data when a store is opened. A store that lost something, or is a copy of another,
//! continues under another name, so that readers of its feed recognize that it is not the one from before.

use std::path::Path;

use rusqlite::{Connection, config::DbConfig};

use crate::{
    Position, Store,
    arrivals::ArrivalsExtent,
    audit_log::{AuditAction, note},
    error::{Result, StoreError},
    external_ids::Incarnation,
    wal_tail,
};

/// The findings of opening a store.
#[derive(Debug, Default)]
pub(crate) struct StartupCheck {
    /// It is a copy that no service has run on.
    is_copy: bool,
    /// Descriptions of durable data that is missing.
    losses: Vec<String>,
    /// The position up to which missing data was reported before.
    reported: Position,
    /// The last position that was known to be durable in `arrivals.db` at the last commit.
    durable: Position,
    /// The last position in either file.
    known: Position,
}

impl StartupCheck {
    /// Examines the logs of a folder's files before any of them is opened, and lets SQLite recover them. SQLite
    /// recovers a log once, up to the first invalid frame, and overwrites the rest: what it found stays valid while
    /// the connections are open.
    pub(crate) fn examine_logs(files: &[&Path]) -> Result<(Self, Vec<Connection>)> {
        let mut found = Self::default();
        let mut connections = Vec::new();
        for file in files {
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            match wal_tail::tail(file) {
                Ok(tail) if tail.lost_commits > 0 => found.losses.push(format!(
                    "the log of {name} is damaged: {} transactions after the damaged place are lost",
                    tail.lost_commits
                )),
                Ok(tail) if tail.frames > 0 => connections.push(recover(file, tail.frames)?),
                Ok(_) => {}
                Err(error) => found.losses.push(format!("the log of {name} cannot be examined: {error}")),
            }
        }
        Ok((found, connections))
    }

    /// Reads the name and the marks in the main database.
    pub(crate) fn read_incarnation(&mut self, connection: &Connection) -> Result<Incarnation> {
        let row = "SELECT name, is_copy, is_renewed, reported_position FROM incarnation";
        let (name, is_copy, is_renewed, reported): (String, bool, bool, i64) =
            connection.query_row(row, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?;
        (self.is_copy, self.reported) = (is_copy, Position(reported));
        let durable =
            connection.query_row("SELECT durable_position FROM checkpoint", [], |row| row.get(0))?;
        self.durable = Position(durable);
        Ok(Incarnation::new(&name, is_renewed))
    }

    /// The last position that was known to be durable in `arrivals.db` at the last commit.
    pub(crate) fn durable(&self) -> Position {
        self.durable
    }

    /// Compares the two files: neither may end before a position that the other has recorded for it.
    pub(crate) fn compare_files(&mut self, journal: Position, arrivals: ArrivalsExtent) {
        let ArrivalsExtent { journaled, end } = arrivals;
        self.known = journal.max(journaled).max(end).max(self.durable);
        if journal.max(self.reported) < journaled {
            self.losses.push(format!(
                "wholecall.db ends at notification {}, but {} had been reached: it has lost its end, or is an older file",
                journal.0, journaled.0
            ));
        }
        // A copy consists of the main database alone, with the arrivals moved into it.
        if self.is_copy {
            return;
        }
        let reached = journal.max(self.durable);
        // Everything in the journal was durable in `arrivals.db` before. An empty file may have been created just
        // now.
        let is_older = end > Position::default() && end.max(self.reported) < journal;
        let is_missing = journal.max(end).max(self.reported) < self.durable;
        if is_older || is_missing {
            self.losses.push(format!(
                "arrivals.db ends at notification {}, but {} had been reached: it has lost its end, or is an older file",
                end.0, reached.0
            ));
        }
    }
}

/// Maximum number of attempts to recover a log, if fewer frames were read than the file has: a read may fail although
/// the file is intact.
const MAX_RECOVERY_ATTEMPTS: usize = 3;

/// Lets SQLite recover the log of a file, of which `frames` are expected.
fn recover(file: &Path, frames: u64) -> Result<Connection> {
    let mut read = 0;
    for _ in 0..MAX_RECOVERY_ATTEMPTS {
        let connection = Connection::open(file)?;
        // Otherwise the last connection that closes would checkpoint the log and remove it.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        let recovered = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()));
        let counted = recovered
            .and_then(|()| connection.query_row("PRAGMA wal_checkpoint(NOOP)", [], |row| row.get(1)));
        read = counted.map_or(0, |count: i64| count.unsigned_abs());
        if read >= frames {
            return Ok(connection);
        }
    }
    Err(StoreError::Damaged(format!(
        "the log of {} has {frames} pages, of which {read} can be read",
        file.file_name().unwrap_or_default().to_string_lossy()
    )))
}

impl Store {
    /// Descriptions of durable data that is missing, found now and before.
    pub fn losses(&self) -> Result<Vec<String>> {
        let mut losses = self.read(|connection| {
            let mut statement = connection.prepare_cached("SELECT description FROM losses ORDER BY loss")?;
            let rows = statement.query_map([], |row| row.get(0))?;
            Ok(rows.collect::<rusqlite::Result<Vec<String>>>()?)
        })?;
        let found = &self.shared.startup.losses;
        losses.extend(found.iter().filter(|loss| !losses.contains(loss)).cloned().collect::<Vec<_>>());
        Ok(losses)
    }

    /// Gives the store a new name if it is a copy or lost something, and stores the losses. Blocks.
    pub(crate) fn renew_if_needed(&self) -> Result<()> {
        let startup = &self.shared.startup;
        if !startup.is_copy && startup.losses.is_empty() {
            return Ok(());
        }
        let losses = startup.losses.clone();
        self.renew(move |transaction| {
            let mut insert = transaction.prepare_cached("INSERT INTO losses (description) VALUES (?1)")?;
            losses.iter().try_for_each(|loss| insert.execute([loss]).map(drop))?;
            Ok(())
        })
    }

    /// Gives the store a new name and forgets its losses: for a copy that was not made by a backup. Needs a store
    /// that no service runs on. Blocks.
    pub fn restore(&self) -> Result<()> {
        self.acquire_instance_lock()?;
        let who = self.who.clone();
        self.renew(move |transaction| {
            transaction.execute("DELETE FROM losses", [])?;
            note(transaction, &who, None, AuditAction::Restore, "")
        })
    }

    fn renew(
        &self,
        also: impl FnOnce(&rusqlite::Transaction<'_>) -> Result<()> + Send + 'static,
    ) -> Result<()> {
        let known = self.shared.startup.known.0;
        // Reported positions are not reported again, and are not assigned again.
        let journal = self.read(|connection| {
            let end =
                "SELECT max(position, (SELECT coalesce(max(position), 0) FROM journal)) FROM checkpoint";
            Ok(Position(connection.query_row(end, [], |row| row.get(0))?))
        })?;
        let unjournaled = self.shared.arrivals.stored_after(journal, usize::MAX >> 1, usize::MAX)?.len();
        let known = known.max(journal.0);
        let name = self.writer().run(move |transaction, _| {
            also(transaction)?;
            let missing =
                "UPDATE checkpoint SET removed_notifications = ?1 - ?2 - (SELECT count(*) FROM journal)";
            transaction.execute(missing, [known, unjournaled as i64])?;
            let renew =
                "UPDATE incarnation SET name = lower(hex(randomblob(4))), is_copy = 0, is_renewed = 1,
                     reported_position = max(reported_position, ?1) RETURNING name";
            Ok(transaction.query_row(renew, [known], |row| row.get::<_, String>(0))?)
        })?;
        *self.shared.incarnation.write().unwrap_or_else(std::sync::PoisonError::into_inner) =
            Incarnation::new(&name, true);
        Ok(())
    }

    /// A known text, encrypted with the store's key. `None` if there is no key yet.
    pub fn key_check(&self) -> Result<Option<Vec<u8>>> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached("SELECT sealed FROM key_check")?;
            let mut rows = statement.query([])?;
            Ok(rows.next()?.map(|row| row.get(0)).transpose()?)
        })
    }

    /// Stores it if there is none yet. Blocks.
    pub fn set_key_check(&self, sealed: Vec<u8>) -> Result<()> {
        self.writer().run(move |transaction, _| {
            transaction.execute("INSERT OR IGNORE INTO key_check VALUES (1, ?1)", [sealed])?;
            Ok(())
        })
    }

    /// Why writes fail. `None` if they succeed. Blocks.
    pub fn write_problem(&self) -> Option<StoreError> {
        if let Some(problem) = &*self.commit_failure() {
            return Some(problem.repeat());
        }
        self.shared.arrivals.write_problem()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Arrival, CommitBatch, Expiry, FILE_NAME, TenantId};

    fn receive(store: &Store, count: i64) {
        let arrival = |number| Arrival {
            tenant: TenantId(1),
            arrived_ms: number,
            session: format!("s-{number}").into(),
            body: "x".repeat(2_000).into(),
        };
        for number in 0..count {
            store.append(vec![arrival(number)]).unwrap().blocking_recv().unwrap().unwrap();
            let checkpoint = *store.watch_journal().borrow();
            store.commit(CommitBatch { checkpoint, changes: Vec::new() }).unwrap();
        }
    }

    fn name(store: &Store) -> String {
        store.of(TenantId(1)).cursor(Position(0))
    }

    #[test]
    fn clean_stop_checkpoints_everything() {
        let (folder, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let store = Store::open(folder.path()).unwrap();
        receive(&store, 50);
        drop(store);
        for log in ["wholecall.db-wal", "arrivals.db-wal"] {
            let left = std::fs::metadata(folder.path().join(log)).map_or(0, |about| about.len());
            assert_eq!(left, 0, "{log}");
        }
        std::fs::copy(folder.path().join(FILE_NAME), copy.path().join(FILE_NAME)).unwrap();
        let copied = Store::open(copy.path()).unwrap();
        assert_eq!(copied.counts().unwrap().0, 50);
        assert_eq!(copied.losses().unwrap(), [""; 0]);
        let again = Store::open(folder.path()).unwrap();
        assert_eq!(again.losses().unwrap(), [""; 0]);
    }

    /// Copies the files while they are being written, as a power failure leaves them.
    fn copy_files(from: &Path, to: &Path) {
        for file in std::fs::read_dir(from).unwrap() {
            let file = file.unwrap();
            let name = file.file_name();
            if !name.to_string_lossy().ends_with("-shm") {
                std::fs::copy(file.path(), to.join(name)).unwrap();
            }
        }
    }

    #[test]
    fn lost_end_is_detected_and_the_store_gets_a_new_name() {
        for log in ["wholecall.db-wal", "arrivals.db-wal"] {
            for percent in [5, 20, 60] {
                let (folder, crashed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
                let store = Store::open(folder.path()).unwrap();
                receive(&store, 50);
                copy_files(folder.path(), crashed.path());
                let before = name(&store);
                let path = crashed.path().join(log);
                let mut bytes = std::fs::read(&path).unwrap();
                let place = bytes.len() * percent / 100;
                bytes[place] ^= 16;
                std::fs::write(&path, bytes).unwrap();
                let damaged = Store::open(crashed.path()).unwrap();
                let losses = damaged.losses().unwrap();
                assert!(!losses.is_empty(), "{log}, {percent} %");
                damaged.acquire_instance_lock().unwrap();
                assert_ne!(name(&damaged), before, "{log}, {percent} %");
                drop(damaged);
                let again = Store::open(crashed.path()).unwrap();
                assert_eq!(again.losses().unwrap(), losses, "losses are stored");
                again.restore().unwrap();
                assert_eq!(again.losses().unwrap(), [""; 0]);
            }
        }
    }

    #[test]
    fn crash_without_loss_reports_none() {
        let (folder, crashed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let store = Store::open(folder.path()).unwrap();
        receive(&store, 50);
        copy_files(folder.path(), crashed.path());
        let after = Store::open(crashed.path()).unwrap();
        after.acquire_instance_lock().unwrap();
        assert_eq!((after.losses().unwrap(), name(&after)), (Vec::new(), name(&store)));
    }

    #[test]
    fn older_main_file_beside_newer_arrivals_is_detected() {
        let (folder, older) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let store = Store::open(folder.path()).unwrap();
        receive(&store, 10);
        drop(store);
        std::fs::copy(folder.path().join(FILE_NAME), older.path().join(FILE_NAME)).unwrap();
        let store = Store::open(folder.path()).unwrap();
        receive(&store, 10);
        let before = name(&store);
        drop(store);
        std::fs::copy(older.path().join(FILE_NAME), folder.path().join(FILE_NAME)).unwrap();
        let mixed = Store::open(folder.path()).unwrap();
        let losses = mixed.losses().unwrap();
        assert!(losses[0].contains("ends at notification 10, but 20"), "{losses:?}");
        mixed.acquire_instance_lock().unwrap();
        assert_ne!(name(&mixed), before);
        // Positions are never assigned twice.
        receive(&mixed, 1);
        assert_eq!(*mixed.watch_journal().borrow(), Position(21));
    }

    fn wait(store: &Store, count: i64) {
        let checkpoint = store.checkpoint().unwrap();
        let arrival = |number| Arrival {
            tenant: TenantId(1),
            arrived_ms: number,
            session: format!("s-{number}").into(),
            body: "x".repeat(2_000).into(),
        };
        for number in 0..count {
            store.append(vec![arrival(number)]).unwrap().blocking_recv().unwrap().unwrap();
        }
        store.commit(CommitBatch { checkpoint, changes: Vec::new() }).unwrap();
    }

    /// A folder in which one file was replaced by its earlier version.
    fn with_older(file: &str, between: impl Fn(&Store), after: impl Fn(&Store)) -> tempfile::TempDir {
        let (folder, older) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let store = Store::open(folder.path()).unwrap();
        between(&store);
        drop(store);
        std::fs::copy(folder.path().join(file), older.path().join(file)).unwrap();
        let store = Store::open(folder.path()).unwrap();
        after(&store);
        drop(store);
        std::fs::copy(older.path().join(file), folder.path().join(file)).unwrap();
        folder
    }

    fn expect_reported_once(folder: &Path, last: i64) {
        // Opening without the lock changes nothing.
        for _ in 0..2 {
            let losses = Store::open(folder).unwrap().losses().unwrap();
            assert!(losses.len() == 1 && losses[0].contains("arrivals.db ends at"), "{losses:?}");
        }
        let mixed = Store::open(folder).unwrap();
        let before = name(&mixed);
        mixed.acquire_instance_lock().unwrap();
        assert_ne!(name(&mixed), before);
        receive(&mixed, 1);
        assert!(*mixed.watch_journal().borrow() > Position(last), "positions are never assigned twice");
        let after = name(&mixed);
        drop(mixed);
        let again = Store::open(folder).unwrap();
        again.acquire_instance_lock().unwrap();
        assert_eq!(
            (again.losses().unwrap().len(), name(&again)),
            (1, after),
            "the same loss is reported once"
        );
    }

    #[test]
    fn older_arrivals_beside_a_newer_main_file_are_detected() {
        // Everything was assembled in between.
        let folder = with_older("arrivals.db", |store| receive(store, 10), |store| receive(store, 10));
        expect_reported_once(folder.path(), 20);
        // Some were still waiting.
        let folder = with_older("arrivals.db", |store| receive(store, 10), |store| wait(store, 5));
        expect_reported_once(folder.path(), 15);
    }

    #[test]
    fn older_arrivals_with_notifications_assembled_since_are_detected() {
        let (folder, older) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let store = Store::open(folder.path()).unwrap();
        wait(&store, 10);
        copy_files(folder.path(), older.path());
        receive(&store, 10);
        drop(store);
        for log in ["arrivals.db", "arrivals.db-wal"] {
            std::fs::copy(older.path().join(log), folder.path().join(log)).unwrap();
        }
        expect_reported_once(folder.path(), 20);
    }

    #[test]
    fn batch_missing_between_others_is_reported_permanently() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        receive(&store, 4);
        wait(&store, 6);
        drop(store);
        let arrivals = Connection::open(folder.path().join("arrivals.db")).unwrap();
        assert_eq!(arrivals.execute("DELETE FROM batches WHERE last_position IN (7, 8)", []).unwrap(), 2);
        drop(arrivals);
        let store = Store::open(folder.path()).unwrap();
        assert_eq!(store.journal_after(Position(4), 100).unwrap().len(), 4);
        let reported = store.take_unreported_damage();
        assert!(reported.len() == 1 && reported[0].place == "notifications 7 to 8", "{reported:?}");
        let checkpoint = *store.watch_journal().borrow();
        store.commit(CommitBatch { checkpoint, changes: Vec::new() }).unwrap();
        drop(store);
        let again = Store::open(folder.path()).unwrap();
        let problems = again.journal_problems().unwrap();
        assert_eq!(problems, ["10 notifications are expected, 8 were found: 2 are missing"]);
    }

    #[test]
    fn removed_notifications_are_not_missing() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        receive(&store, 10);
        wait(&store, 3);
        let all = Expiry { tenant: TenantId(1), before_ms: i64::MAX, quiet_since_ms: i64::MAX };
        assert_eq!(store.remove_unassigned(all, 4).unwrap(), 4);
        assert_eq!(store.journal_problems().unwrap(), [""; 0]);
    }

    #[test]
    fn missing_arrivals_file_is_detected_if_it_had_unassembled_notifications() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        receive(&store, 10);
        wait(&store, 5);
        drop(store);
        std::fs::remove_file(folder.path().join("arrivals.db")).unwrap();
        expect_reported_once(folder.path(), 15);
    }

    #[test]
    fn opening_a_crashed_store_without_the_lock_reports_no_loss() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        receive(&store, 10);
        wait(&store, 5);
        for _ in 0..2 {
            let crashed = tempfile::tempdir().unwrap();
            copy_files(folder.path(), crashed.path());
            for _ in 0..2 {
                assert_eq!(Store::open(crashed.path()).unwrap().losses().unwrap(), [""; 0]);
            }
            receive(&store, 5);
        }
    }

    #[test]
    fn started_backup_gets_a_new_name() {
        let (folder, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let store = Store::open(folder.path()).unwrap();
        receive(&store, 3);
        store.backup(&copy.path().join(FILE_NAME), 1).unwrap();
        let started = Store::open(copy.path()).unwrap();
        started.acquire_instance_lock().unwrap();
        let other = name(&started);
        assert_ne!(other, name(&store));
        drop(started);
        let again = Store::open(copy.path()).unwrap();
        again.acquire_instance_lock().unwrap();
        assert_eq!(name(&again), other, "the new name is stored");
    }
}
