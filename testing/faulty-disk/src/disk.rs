//! A folder under observation: what is planned for it, what happened, and what of it is durable.

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

/// A folder under observation, as long as this is not dropped. Folders within it are not.
#[derive(Debug)]
pub struct Disk {
    shared: Arc<Shared>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    folder: PathBuf,
    /// Where the durable part of each file is.
    durable: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    faults: Vec<Fault>,
    counts: HashMap<Operation, u64>,
    struck: Vec<String>,
    /// Where that is written, too: for whoever will end this process.
    log: Option<fs::File>,
    is_cut: bool,
    /// Sectors of each file that were written since it was synced.
    dirty: HashMap<String, BTreeSet<u64>>,
    rng: Rng,
}

/// What becomes of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Done,
    Error,
    Full,
    Short,
    /// With a number by which the bit is chosen.
    Flipped(u64),
}

impl Disk {
    /// Observes a folder, which must be there; `durable`, an empty folder or none yet, gets what a power failure would
    /// leave of it. What lies in the folder now is taken for durable.
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

    /// Plans faults, in the place of those that were planned before, and counts from here on.
    pub fn plan(&self, faults: &[Fault]) {
        let mut state = self.shared.lock();
        state.faults = faults.to_vec();
        state.counts.clear();
        state.struck.clear();
        // Which bit flips depends on the plan only.
        let seed = faults.iter().fold(1_u64, |seed, fault| seed.wrapping_mul(31).wrapping_add(fault.at));
        state.rng = Rng::with_seed(seed);
    }

    /// How many of those operations there were since faults were planned last.
    pub fn count(&self, operation: Operation) -> u64 {
        self.shared.lock().counts.get(&operation).copied().unwrap_or(0)
    }

    /// Which faults have struck, and what.
    pub fn struck(&self) -> Vec<String> {
        self.shared.lock().struck.clone()
    }

    /// Writes to a file, too, which faults have struck.
    pub fn log_to(&self, file: &Path) -> io::Result<()> {
        self.shared.lock().log = Some(fs::OpenOptions::new().create(true).append(true).open(file)?);
        Ok(())
    }

    /// Cuts the power: nothing changes any more.
    pub fn cut(&self) {
        self.shared.lock().is_cut = true;
    }

    /// Makes a folder of what is left after a crash now.
    pub fn crash(&self, to: &Path, loss: Loss) -> io::Result<()> {
        self.cut();
        image::leave_what_a_crash_leaves(&self.shared.folder, &self.shared.durable, to, loss)
    }
}

impl State {
    fn strike(&mut self, what: String) {
        if let Some(log) = &mut self.log {
            // It is for people; the faults strike as planned.
            let _ = writeln!(log, "{what}");
        }
        self.struck.push(what);
    }
}

impl Shared {
    /// Whose folder a file is in.
    pub(crate) fn observing(file: &Path) -> Option<Arc<Self>> {
        let observed = OBSERVED.lock().unwrap_or_else(PoisonError::into_inner);
        let mut observed = observed.iter().filter_map(Weak::upgrade);
        observed.find(|shared| file.parent() == Some(&shared.folder))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts an operation, and says what is to become of it.
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
        state.strike(format!("{fault} struck {file} at {about}"));
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

    /// Part of a file was written.
    pub(crate) fn written(&self, file: &str, offset: u64, bytes: u64) {
        if bytes > 0 {
            let sectors = offset / SECTOR_BYTES..=(offset + bytes - 1) / SECTOR_BYTES;
            self.lock().dirty.entry(file.to_owned()).or_default().extend(sectors);
        }
    }

    /// A file was synced: it has so many bytes, of which `read` reads a sector.
    pub(crate) fn synced(&self, file: &str, bytes: u64, read: impl FnMut(u64) -> Vec<u8>) {
        let mut state = self.lock();
        if state.is_cut {
            return;
        }
        let dirty = state.dirty.remove(file).unwrap_or_default();
        let durable = self.durable.join(file);
        // As SQLite's own VFS does with the first sync of a log: what was made and removed in the folder is durable, too.
        let syncs_folder = file.ends_with("-wal") && !durable.exists();
        let kept = image::keep(&durable, bytes, dirty, read);
        let kept = kept.and_then(|()| match syncs_folder {
            true => image::forget_removed(&self.folder, &self.durable),
            false => Ok(()),
        });
        if let Err(error) = kept {
            state.strike(format!("what is durable of {file} cannot be kept: {error}"));
            state.is_cut = true;
        }
    }

    /// A file was made, or removed for good.
    pub(crate) fn begun(&self, file: &str) {
        self.lock().dirty.remove(file);
        // There may be none.
        let _ = fs::remove_file(self.durable.join(file));
    }
}
