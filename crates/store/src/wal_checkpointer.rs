//! Keeps the write-ahead log short on a thread of its own, so that jobs do not wait for checkpoints.

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
    thread_priority::lower_thread_priority,
};

/// Minimum number of pages in the log (4 MB) for a checkpoint. The more there are, the more pages were written several
/// times and are copied once; but the longer is the disk busy with them.
const CHECKPOINT_AT_PAGES: i64 = 1_000;

/// Maximum number of pages that the writer itself checkpoints. Only the writer can complete a checkpoint and restart
/// the log: the other thread always finds newer frames.
const MAX_INLINE_CHECKPOINT_PAGES: i64 = 250;

/// Maximum number of pages in the log (128 MB); beyond it the writer checkpoints all of them itself, so that it writes no
/// faster than the disk.
const MAX_WAL_PAGES: i64 = 32_000;

/// Checkpoints the write-ahead log on its own thread.
#[derive(Debug)]
pub(crate) struct WalCheckpointer {
    /// Locked during a checkpoint.
    connection: Arc<Mutex<Connection>>,
    wake: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Pages in the log, and how many of them are checkpointed.
struct Pages {
    written: i64,
    copied: i64,
}

impl WalCheckpointer {
    pub(crate) fn start(connection: Connection) -> Result<Self> {
        let (wake, wake_ups) = mpsc::sync_channel(0);
        let connection = Arc::new(Mutex::new(connection));
        let own_connection = connection.clone();
        let thread = thread::Builder::new()
            .name("store-checkpoint".to_owned())
            .spawn(move || {
                lower_thread_priority();
                while wake_ups.recv().is_ok() {
                    // A checkpoint that fails is tried again after more pages; the writer reports a full disk.
                    let _ =
                        checkpoint(&own_connection.lock().unwrap_or_else(PoisonError::into_inner), "PASSIVE");
                }
            })
            .map_err(|error| StoreError::Failed(format!("cannot start the checkpoint thread: {error}")))?;
        Ok(Self { connection, wake: Some(wake), thread: Some(thread) })
    }

    /// Called on the writer's connection after each of its transactions.
    pub(crate) fn after_commit(&self, writer: &Connection) -> Result<()> {
        let Pages { written, copied } = checkpoint(writer, "NOOP")?;
        let pending = written - copied;
        if written >= MAX_WAL_PAGES {
            // Wait for the other thread, however slowly it progresses.
            let _other_thread_is_idle = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
            checkpoint(writer, "PASSIVE")?;
        } else if written >= CHECKPOINT_AT_PAGES && pending < MAX_INLINE_CHECKPOINT_PAGES {
            // Does nothing while the other thread checkpoints, and stops at the first page that a reader still needs.
            checkpoint(writer, "PASSIVE")?;
        } else if pending >= CHECKPOINT_AT_PAGES
            && let Some(wake) = &self.wake
        {
            // Not received while the previous checkpoint is running.
            let _ = wake.try_send(());
        }
        Ok(())
    }

    /// Checkpoints everything and truncates the log. Returns `false` if a reader still needs the log.
    pub(crate) fn truncate(&self) -> Result<bool> {
        let connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let mut statement = connection.prepare_cached("PRAGMA wal_checkpoint(TRUNCATE)")?;
        Ok(statement.query_row([], |row| row.get::<_, i64>(0))? == 0)
    }
}

impl Drop for WalCheckpointer {
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
    fn log_stays_short_under_continuous_writes() {
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
        let checkpointer = WalCheckpointer::start(open()).unwrap();
        let (mut longest, mut pages) = (0, 0);
        while pages < 4 * MAX_WAL_PAGES {
            writer.execute("INSERT INTO bodies VALUES (zeroblob(100 * 508))", []).unwrap();
            checkpointer.after_commit(&writer).unwrap();
            longest = longest.max(checkpoint(&writer, "NOOP").unwrap().written);
            pages += 100;
        }
        assert!(longest > CHECKPOINT_AT_PAGES, "{longest} pages");
        assert!(longest < MAX_WAL_PAGES + 1_000, "{longest} pages");
        assert!(checkpointer.truncate().unwrap());
        assert_eq!(std::fs::metadata(folder.path().join("file.db-wal")).unwrap().len(), 0);
    }
}
