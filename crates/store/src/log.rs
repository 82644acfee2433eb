//! The write-ahead log is kept short, beside the writer, so that nobody who waits for a transaction waits for that.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, SyncSender},
    },
    thread::{self, JoinHandle},
};

use rusqlite::Connection;

use crate::{
    error::{Result, StoreError},
    priority::step_back,
};

/// After so many pages (4 MB) what is in the log is brought into the file. A page that was written often since is
/// brought there once; but who waits for the disk meanwhile, waits for all of them.
const WORTH_IT: i64 = 1_000;

/// So few pages are brought there by the writer itself: only it can finish, and then begin the log anew, while
/// others would always find something that came in between.
const FEW: i64 = 250;

/// With so many pages in the log (128 MB) the writer brings them there however many they are: it is faster than the
/// disk.
const FAR_TOO_MANY: i64 = 32_000;

/// Brings what is in the log into the file, on a thread of its own.
#[derive(Debug)]
pub(crate) struct Checkpointer {
    /// Locked while it makes a checkpoint.
    connection: Arc<Mutex<Connection>>,
    wake: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// How many pages the log has, and how many of them are in the file.
struct Pages {
    written: i64,
    copied: i64,
}

impl Checkpointer {
    pub(crate) fn start(connection: Connection) -> Result<Self> {
        let (wake, woken) = mpsc::sync_channel(0);
        let connection = Arc::new(Mutex::new(connection));
        let ours = connection.clone();
        let thread = thread::Builder::new()
            .name("store-checkpoint".to_owned())
            .spawn(move || {
                step_back();
                while woken.recv().is_ok() {
                    // What fails now is tried again when more has come; a full disk is the writer's to report.
                    let _ = checkpoint(&ours.lock().unwrap_or_else(PoisonError::into_inner), "PASSIVE");
                }
            })
            .map_err(|error| StoreError::Failed(format!("no thread for checkpoints: {error}")))?;
        Ok(Self { connection, wake: Some(wake), thread: Some(thread) })
    }

    /// After each transaction of the writer, on its connection.
    pub(crate) fn follow(&self, writer: &Connection) -> Result<()> {
        let Pages { written, copied } = checkpoint(writer, "NOOP")?;
        let waiting = written - copied;
        if written >= FAR_TOO_MANY {
            // However little the other one is let come to, it is waited for.
            let _other_is_done = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
            checkpoint(writer, "PASSIVE")?;
        } else if written >= WORTH_IT && waiting < FEW {
            // Does nothing while the other one is at it, nor what somebody still reads in the log stands against.
            checkpoint(writer, "PASSIVE")?;
        } else if waiting >= WORTH_IT
            && let Some(wake) = &self.wake
        {
            // Nobody takes it while the last checkpoint is still being made.
            let _ = wake.try_send(());
        }
        Ok(())
    }

    /// Brings everything into the file and leaves the log empty. Tells whether that was possible: it is not while
    /// somebody reads in the log for longer than a moment.
    pub(crate) fn empty(&self) -> Result<bool> {
        let connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let mut statement = connection.prepare_cached("PRAGMA wal_checkpoint(TRUNCATE)")?;
        Ok(statement.query_row([], |row| row.get::<_, i64>(0))? == 0)
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        self.wake = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn checkpoint(connection: &Connection, mode: &str) -> Result<Pages> {
    let mut statement = connection.prepare_cached(&format!("PRAGMA wal_checkpoint({mode})"))?;
    Ok(statement.query_row([], |row| Ok(Pages { written: row.get(1)?, copied: row.get(2)? }))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_stays_short_however_long_somebody_writes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file.db");
        let open = || {
            let connection = Connection::open(&path).unwrap();
            connection.pragma_update(None, "synchronous", "OFF").unwrap();
            connection
        };
        let writer = open();
        writer.pragma_update(None, "page_size", 512).unwrap();
        writer.pragma_update(None, "journal_mode", "WAL").unwrap();
        writer.pragma_update(None, "wal_autocheckpoint", 0).unwrap();
        writer.execute_batch("CREATE TABLE bodies (body BLOB)").unwrap();
        let checkpointer = Checkpointer::start(open()).unwrap();
        let (mut longest, mut pages) = (0, 0);
        while pages < 4 * FAR_TOO_MANY {
            writer.execute("INSERT INTO bodies VALUES (zeroblob(100 * 508))", []).unwrap();
            checkpointer.follow(&writer).unwrap();
            longest = longest.max(checkpoint(&writer, "NOOP").unwrap().written);
            pages += 100;
        }
        assert!(longest > WORTH_IT, "{longest} pages");
        assert!(longest < FAR_TOO_MANY + 1_000, "{longest} pages");
        assert!(checkpointer.empty().unwrap());
        assert_eq!(std::fs::metadata(folder.path().join("file.db-wal")).unwrap().len(), 0);
    }
}
