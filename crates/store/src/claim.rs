//! One process at a time may receive and assemble: it remembers where the journal and the changes end.
//! Whoever only looks after tenants, checks or makes a backup needs no claim.

use std::{
    fs::{File, OpenOptions, TryLockError},
    sync::{Mutex, PoisonError},
};

use crate::{
    Store,
    error::{Result, StoreError},
};

/// The file within the data folder that is locked by whoever assembles; the system unlocks it when that ends.
const FILE_NAME: &str = "wholecall.lock";

/// The lock, once it is held.
#[derive(Debug, Default)]
pub(crate) struct Claim(Mutex<Option<File>>);

impl Store {
    /// Claims the store for this process, for as long as it is open: nobody else may append or commit.
    pub fn claim(&self) -> Result<()> {
        let mut held = self.shared.claim.0.lock().unwrap_or_else(PoisonError::into_inner);
        if held.is_some() {
            return Ok(());
        }
        let path = self.path().with_file_name(FILE_NAME);
        let failed =
            |error: std::io::Error| StoreError::Open { path: path.clone(), problem: error.to_string() };
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {
                *held = Some(file);
                self.shared.readers.serve();
                self.shared.tenant_readers.serve();
                Ok(())
            }
            Err(TryLockError::WouldBlock) => Err(StoreError::Claimed(self.path().to_owned())),
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }
}
