//! The content of a folder after a crash.

use std::{
    collections::BTreeSet,
    fs::{self, OpenOptions},
    io,
    os::unix::fs::FileExt,
    path::Path,
};

use fastrand::Rng;

/// Size of a disk's atomic write: after a power failure a sector has its old or its new content.
pub(crate) const SECTOR_BYTES: u64 = 512;

/// The unsynced writes that a crash loses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// Nothing is lost: only the process ended.
    Nothing,
    /// All.
    Everything,
    /// Random sectors and changes of length, by a seed.
    Some(u64),
}

/// The files in a folder that contain data; SQLite creates the others again.
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

/// Updates the durable content of a file.
pub(crate) fn save(
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

/// Removes the durable content of files that were removed from the folder.
pub(crate) fn remove_deleted(folder: &Path, durable: &Path) -> io::Result<()> {
    let mut gone = files(durable)?.into_iter().filter(|name| !folder.join(name).exists());
    gone.try_for_each(|name| fs::remove_file(durable.join(name)))
}

/// Makes a folder as a crash leaves it, from the content of `folder` and its durable content. No process may have the
/// files open.
pub fn leave_what_a_crash_leaves(folder: &Path, durable: &Path, to: &Path, loss: Loss) -> io::Result<()> {
    fs::create_dir_all(to)?;
    let mut names: BTreeSet<String> = files(folder)?.into_iter().collect();
    // Files that SQLite does not open are copied.
    let is_observed = |name: &str| name.contains(".db");
    if loss != Loss::Nothing {
        names.extend(files(durable)?);
    }
    let mut rng = Rng::with_seed(if let Loss::Some(seed) = loss { seed } else { 0 });
    for name in names {
        let (written, synced) = (folder.join(&name), durable.join(&name));
        if loss == Loss::Nothing || !is_observed(&name) {
            fs::copy(&written, to.join(&name))?;
            continue;
        }
        let read = |path: &Path| path.is_file().then(|| fs::read(path)).transpose();
        let lost = |rng: &mut Rng| loss == Loss::Everything || rng.bool();
        let left = match (read(&written)?, read(&synced)?) {
            (Some(written), Some(synced)) => Some(mix(&written, &synced, || lost(&mut rng))),
            // Created or removed, and not synced yet.
            (Some(written), None) => (!lost(&mut rng)).then(|| mix(&written, &[], || lost(&mut rng))),
            (None, Some(synced)) => lost(&mut rng).then_some(synced),
            (None, None) => None,
        };
        if let Some(left) = left {
            fs::write(to.join(&name), left)?;
        }
    }
    Ok(())
}

fn mix(written: &[u8], synced: &[u8], mut is_lost: impl FnMut() -> bool) -> Vec<u8> {
    let is_length_lost = written.len() != synced.len() && is_lost();
    let mut left = vec![0; if is_length_lost { synced.len() } else { written.len() }];
    for (number, sector) in left.chunks_mut(SECTOR_BYTES as usize).enumerate() {
        let start = number * SECTOR_BYTES as usize;
        let of = |bytes: &[u8]| {
            let end = bytes.len().min(start + SECTOR_BYTES as usize);
            bytes.get(start..end).unwrap_or_default().to_vec()
        };
        let (new, old) = (of(written), of(synced));
        // If a truncation is lost, the content that it cut off remains.
        let is_cut_off = start >= written.len();
        let chosen = if new != old && (is_cut_off || is_lost()) { old } else { new };
        let bytes = chosen.len().min(sector.len());
        sector[..bytes].copy_from_slice(&chosen[..bytes]);
    }
    left
}
