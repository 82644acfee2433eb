//! What a crash leaves of a folder.

use std::{
    collections::BTreeSet,
    fs::{self, OpenOptions},
    io,
    os::unix::fs::FileExt,
    path::Path,
};

use fastrand::Rng;

/// What a disk writes at once: after a power failure it is as before, or as it was to be.
pub(crate) const SECTOR_BYTES: u64 = 512;

/// What is lost in a crash of what was written and not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// Nothing: only the process ended.
    Nothing,
    /// Everything.
    Everything,
    /// Any sectors, by a seed, and any changes of lengths.
    Some(u64),
}

/// The files in a folder that hold data; SQLite makes the others again.
pub(crate) fn files(folder: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.file_type()?.is_file() && !name.ends_with("-shm") && !name.ends_with(".lock") {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// Brings the durable part of a file up to date.
pub(crate) fn keep(
    durable: &Path,
    bytes: u64,
    dirty: BTreeSet<u64>,
    mut read: impl FnMut(u64) -> Vec<u8>,
) -> io::Result<()> {
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(durable)?;
    for sector in dirty {
        file.write_all_at(&read(sector), sector * SECTOR_BYTES)?;
    }
    file.set_len(bytes)
}

/// What is not in the folder any more is gone for good.
pub(crate) fn forget_removed(folder: &Path, durable: &Path) -> io::Result<()> {
    let mut gone = files(durable)?.into_iter().filter(|name| !folder.join(name).exists());
    gone.try_for_each(|name| fs::remove_file(durable.join(name)))
}

/// Makes a folder of what a crash leaves: of what lies in `folder`, and what of it is durable. Nobody may have the files
/// open.
pub fn leave_what_a_crash_leaves(folder: &Path, durable: &Path, to: &Path, loss: Loss) -> io::Result<()> {
    fs::create_dir_all(to)?;
    let mut names: BTreeSet<String> = files(folder)?.into_iter().collect();
    // What SQLite never opened is nobody's concern here.
    let is_observed = |name: &str| name.contains(".db");
    if loss != Loss::Nothing {
        names.extend(files(durable)?);
    }
    let mut rng = Rng::with_seed(if let Loss::Some(seed) = loss { seed } else { 0 });
    for name in names {
        let (written, kept) = (folder.join(&name), durable.join(&name));
        if loss == Loss::Nothing || !is_observed(&name) {
            fs::copy(&written, to.join(&name))?;
            continue;
        }
        let read = |path: &Path| path.is_file().then(|| fs::read(path)).transpose();
        let lost = |rng: &mut Rng| loss == Loss::Everything || rng.bool();
        let left = match (read(&written)?, read(&kept)?) {
            (Some(written), Some(kept)) => Some(mix(&written, &kept, || lost(&mut rng))),
            // Made and not synced yet, or removed and that not synced yet.
            (Some(written), None) => (!lost(&mut rng)).then(|| mix(&written, &[], || lost(&mut rng))),
            (None, Some(kept)) => lost(&mut rng).then_some(kept),
            (None, None) => None,
        };
        if let Some(left) = left {
            fs::write(to.join(&name), left)?;
        }
    }
    Ok(())
}

fn mix(written: &[u8], kept: &[u8], mut is_lost: impl FnMut() -> bool) -> Vec<u8> {
    let is_length_lost = written.len() != kept.len() && is_lost();
    let mut left = vec![0; if is_length_lost { kept.len() } else { written.len() }];
    for (number, sector) in left.chunks_mut(SECTOR_BYTES as usize).enumerate() {
        let start = number * SECTOR_BYTES as usize;
        let of = |bytes: &[u8]| {
            let end = bytes.len().min(start + SECTOR_BYTES as usize);
            bytes.get(start..end).unwrap_or_default().to_vec()
        };
        let (new, old) = (of(written), of(kept));
        // What was cut off is there as it was, if the cut is lost.
        let is_cut_off = start >= written.len();
        let chosen = if new != old && (is_cut_off || is_lost()) { old } else { new };
        let bytes = chosen.len().min(sector.len());
        sector[..bytes].copy_from_slice(&chosen[..bytes]);
    }
    left
}
