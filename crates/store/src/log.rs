//! The write-ahead log is kept short, beside the writer, so that nobody who waits for a transaction waits for that.

use std::{
    sync::mpsc::{self, SyncSender},
    thread::{self, JoinHandle},
};

use rusqlite::Connection;

use crate::error::{Result, StoreError};

/// After so many pages (32 MB) what is in the log is brought into the file. A page that was written often since is
/// brought there once.
const WORTH_IT: i64 = 8_000;

/// So few pages are brought there by the writer itself: only it can finish, and then begin the log anew, while
/// others would always find something that came in between.
const FEW: i64 = 2_000;

/// With so many pages (256 MB) the writer waits: the disk is slower than what comes.
const FAR_TOO_MANY: i64 = 64_000;

/// Brings what is in the log into the file, on a thread of its own.
#[derive(Debug)]
pub(crate) struct Checkpointer {
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
        let thread = thread::Builder::new()
            .name("store-checkpoint".to_owned())
            .spawn(move || {
                while woken.recv().is_ok() {
                    // What fails now is tried again when more has come; a full disk is the writer's to report.
                    let _ = checkpoint(&connection, "PASSIVE");
                }
            })
            .map_err(|error| StoreError::Failed(format!("no thread for checkpoints: {error}")))?;
        Ok(Self { wake: Some(wake), thread: Some(thread) })
    }

    /// After each transaction of the writer, on its connection.
    pub(crate) fn follow(&self, writer: &Connection) -> Result<()> {
        let (Some(wake), Pages { written, copied }) = (&self.wake, checkpoint(writer, "NOOP")?) else {
            return Ok(());
        };
        match written - copied {
            FAR_TOO_MANY.. => drop(wake.send(())),
            // Nobody takes it while the last checkpoint is still being made.
            WORTH_IT.. => drop(wake.try_send(())),
            1..FEW if written >= WORTH_IT => {
                checkpoint(writer, "PASSIVE")?;
            }
            _ => {}
        }
        Ok(())
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

/// Brings everything into the file and leaves the log empty; waits for whoever still reads there. Tells whether that
/// was possible.
pub(crate) fn empty(writer: &Connection) -> Result<bool> {
    Ok(checkpoint(writer, "TRUNCATE")?.written == 0)
}

fn checkpoint(connection: &Connection, mode: &str) -> Result<Pages> {
    let mut statement = connection.prepare_cached(&format!("PRAGMA wal_checkpoint({mode})"))?;
    Ok(statement.query_row([], |row| Ok(Pages { written: row.get(1)?, copied: row.get(2)? }))?)
}
