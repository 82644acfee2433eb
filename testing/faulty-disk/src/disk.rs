//! An observed folder: its planned faults, what happened, and what is durable.

use std::{
    collections::{BTreeSet, HashMap},
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use fastrand::Rng;

use crate::{
    fault::{Fault, Kind, Operation},
    image::{self, Loss, SECTOR_BYTES},
    vfs,
};

static OBSERVED: Mutex<Vec<Weak<Shared>>> = Mutex::new(Vec::new());

/// An observed folder, until this is dropped. Its subfolders are not observed.
#[derive(Debug)]
pub struct Disk {
    shared: Arc<Shared>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    folder: PathBuf,
    /// The folder with the durable content of each file.
    durable: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    faults: Vec<Fault>,
    counts: HashMap<Operation, u64>,
    struck: Vec<String>,
    /// A file that also lists them, for a test that kills this process.
    log: Option<fs::File>,
    is_cut: bool,
    /// Sectors of each file that were written since its last sync.
    dirty: HashMap<String, BTreeSet<u64>>,
    rng: Rng,
}

/// The result of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Done,
    Error,
    Full,
    Short,
    /// With a number that selects the bit.
    Flipped(u64),
}

impl Disk {
    /// Observes a folder, which must exist. `durable`, an empty or missing folder, receives what a power failure
    /// would leave. The present content of the folder counts as durable.
    pub fn of(folder: &Path, durable: &Path) -> io::Result<Self> {
        vfs::install();
        fs::create_dir_all(durable)?;
        let folder = folder.canonicalize()?;
        for file in image::files(&folder)? {
            fs::copy(folder.join(&file), durable.join(&file))?;
        }
        let state = State {
            faults: Vec::new(),
            counts: HashMap::new(),
            struck: Vec::new(),
            log: None,
            is_cut: false,
            dirty: HashMap::new(),
            rng: Rng::with_seed(1),
        };
        let shared = Arc::new(Shared { folder, durable: durable.to_owned(), state: Mutex::new(state) });
        let mut observed = OBSERVED.lock().unwrap_or_else(PoisonError::into_inner);
        observed.retain(|other| other.strong_count() > 0);
        observed.push(Arc::downgrade(&shared));
        Ok(Self { shared })
    }

    /// Replaces the planned faults and resets the counts.
    pub fn plan(&self, faults: &[Fault]) {
        let mut state = self.shared.lock();
        state.faults = faults.to_vec();
        state.counts.clear();
        state.struck.clear();
        // Which bit flips depends only on the plan.
        let seed = faults.iter().fold(1_u64, |seed, fault| seed.wrapping_mul(31).wrapping_add(fault.at));
        state.rng = Rng::with_seed(seed);
    }

    /// Number of operations of a kind since the last plan.
    pub fn count(&self, operation: Operation) -> u64 {
        self.shared.lock().counts.get(&operation).copied().unwrap_or(0)
    }

    /// Descriptions of the faults that occurred.
    pub fn struck(&self) -> Vec<String> {
        self.shared.lock().struck.clone()
    }

    /// Also writes the faults that occur to a file.
    pub fn log_to(&self, file: &Path) -> io::Result<()> {
        self.shared.lock().log = Some(fs::OpenOptions::new().create(true).append(true).open(file)?);
        Ok(())
    }

    /// Cuts the power: every later operation fails.
    pub fn cut(&self) {
        self.shared.lock().is_cut = true;
    }

    /// Cuts the power and makes a folder as a crash leaves it.
    pub fn crash(&self, to: &Path, loss: Loss) -> io::Result<()> {
        self.cut();
        image::leave_what_a_crash_leaves(&self.shared.folder, &self.shared.durable, to, loss)
    }
}

impl State {
    fn report(&mut self, what: String) {
        if let Some(log) = &mut self.log {
            // The log is informational; faults occur as planned.
            let _ = writeln!(log, "{what}");
        }
        self.struck.push(what);
    }
}

impl Shared {
    /// The observed folder that contains a file. `None` if there is none.
    pub(crate) fn observing(file: &Path) -> Option<Arc<Self>> {
        let observed = OBSERVED.lock().unwrap_or_else(PoisonError::into_inner);
        let mut observed = observed.iter().filter_map(Weak::upgrade);
        observed.find(|shared| file.parent() == Some(&shared.folder))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts an operation and returns its planned result.
    pub(crate) fn fate(&self, operation: Operation, file: &str, about: u64) -> Fate {
        let mut state = self.lock();
        if state.is_cut {
            return Fate::Error;
        }
        let count = state.counts.entry(operation).or_default();
        *count += 1;
        let number = *count;
        let Some(fault) = state.faults.iter().find(|fault| fault.strikes(operation, number)).copied() else {
            return Fate::Done;
        };
        state.report(format!("{fault} in {file} at {about}"));
        match fault.kind {
            Kind::Error => {
                if operation == Operation::Sync {
                    state.dirty.remove(file);
                }
                Fate::Error
            }
            Kind::Full => Fate::Full,
            Kind::Short => Fate::Short,
            Kind::FlippedBit => Fate::Flipped(state.rng.u64(..)),
            Kind::PowerCut => {
                state.is_cut = true;
                Fate::Error
            }
        }
    }

    /// Notes that a part of a file was written.
    pub(crate) fn written(&self, file: &str, offset: u64, bytes: u64) {
        if bytes > 0 {
            let sectors = offset / SECTOR_BYTES..=(offset + bytes - 1) / SECTOR_BYTES;
            self.lock().dirty.entry(file.to_owned()).or_default().extend(sectors);
        }
    }

    /// Notes that a file of `bytes` bytes was synced; `read` reads one of its sectors.
    pub(crate) fn synced(&self, file: &str, bytes: u64, read: impl FnMut(u64) -> Vec<u8>) {
        let mut state = self.lock();
        if state.is_cut {
            return;
        }
        let dirty = state.dirty.remove(file).unwrap_or_default();
        let durable = self.durable.join(file);
        // SQLite's own VFS syncs the folder with the first sync of a log: then created and removed files are durable,
        // too.
        let syncs_folder = file.ends_with("-wal") && !durable.exists();
        let saved = image::save(&durable, bytes, dirty, read);
        let saved = saved.and_then(|()| match syncs_folder {
            true => image::remove_deleted(&self.folder, &self.durable),
            false => Ok(()),
        });
        if let Err(error) = saved {
            state.report(format!("the durable content of {file} cannot be stored: {error}"));
            state.is_cut = true;
        }
    }

    /// Notes that a file was created, or removed durably.
    pub(crate) fn recreated_or_removed(&self, file: &str) {
        self.lock().dirty.remove(file);
        // It may not exist.
        let _ = fs::remove_file(self.durable.join(file));
    }
}
