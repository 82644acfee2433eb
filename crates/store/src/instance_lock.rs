//! One process at a time may receive and assemble, because it caches where the journal and the feed end. Managing
//! tenants, checking and making a backup need no lock.

use std::{
    fs::{File, OpenOptions, TryLockError},
    path::Path,
    sync::{Mutex, PoisonError},
    thread,
    time::Duration,
};

use crate::{
    Store,
    error::{Result, StoreError},
    file_permissions,
};

/// The lock file in the data folder; the system unlocks it when the process ends.
const FILE_NAME: &str = "wholecall.lock";

/// Maximum number of further attempts to lock, and the interval between them.
const MAX_LOCK_RETRIES: u32 = 10;
const LOCK_RETRY_INTERVAL: Duration = Duration::from_millis(20);

/// Whether a process holds the lock of the store whose database is at a path.
pub(crate) fn is_locked(path: &Path) -> bool {
    let lock = File::open(path.with_file_name(FILE_NAME));
    lock.is_ok_and(|lock| matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

/// The locked file. `None` if the lock is not held.
#[derive(Debug, Default)]
pub(crate) struct InstanceLock(Mutex<Option<File>>);

impl Store {
    /// Locks the store for this process, as long as it is open: no other process may append or commit.
    pub fn acquire_instance_lock(&self) -> Result<()> {
        let mut held = self.shared.instance_lock.0.lock().unwrap_or_else(PoisonError::into_inner);
        if held.is_some() {
            return Ok(());
        }
        let path = self.path().with_file_name(FILE_NAME);
        let open_error =
            |error: std::io::Error| StoreError::Open { path: path.clone(), problem: error.to_string() };
        let open = || OpenOptions::new().write(true).open(&path);
        let file = file_permissions::create_file(&path).and_then(|()| open()).map_err(open_error)?;
        let mut locked = file.try_lock();
        for _ in 0..MAX_LOCK_RETRIES {
            // A process that only tests the lock holds it for a moment.
            if !matches!(locked, Err(TryLockError::WouldBlock)) {
                break;
            }
            thread::sleep(LOCK_RETRY_INTERVAL);
            locked = file.try_lock();
        }
        match locked {
            Ok(()) => {
                *held = Some(file);
                drop(held);
                self.renew_if_needed()?;
                self.shared.readers.mark_serving();
                self.shared.tenant_readers.mark_serving();
                Ok(())
            }
            Err(TryLockError::WouldBlock) => Err(StoreError::AlreadyRunning(self.path().to_owned())),
            Err(TryLockError::Error(error)) => Err(open_error(error)),
        }
    }
}
