//! Only the user who runs the service may access the store's files, whatever the umask.

use std::{
    fs::{self, DirBuilder, OpenOptions, Permissions},
    io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::Path,
};

const OWNER_ONLY: u32 = 0o600;
const FOLDER_OWNER_ONLY: u32 = 0o700;

/// The permission bits of group and others.
const GROUP_AND_OTHERS: u32 = 0o077;

/// Prefixes of the names of the store's files.
const STORE_FILE_PREFIXES: [&str; 2] = ["wholecall.", "arrivals.db"];

/// Creates a folder and its parents if they do not exist.
pub(crate) fn create_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(FOLDER_OWNER_ONLY).create(folder)?;
    restrict_existing(folder)
}

/// Creates a file if it does not exist; SQLite gives its logs the same permissions.
pub(crate) fn create_file(path: &Path) -> io::Result<()> {
    match OpenOptions::new().write(true).create_new(true).mode(OWNER_ONLY).open(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// Options for creating a file that must not exist yet.
pub(crate) fn new_file_options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(OWNER_ONLY);
    options
}

/// Removes the permissions that an earlier version, or a copy, gave to group and others. The folder itself is left
/// alone if it contains other files. Files of another owner are left alone, too.
fn restrict_existing(folder: &Path) -> io::Result<()> {
    let mut is_all_ours = true;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let is_ours = STORE_FILE_PREFIXES.iter().any(|own| name.to_string_lossy().starts_with(own));
        is_all_ours &= is_ours;
        if is_ours && entry.file_type()?.is_file() {
            restrict(&entry.path());
        }
    }
    if is_all_ours {
        restrict(folder);
    }
    Ok(())
}

/// A file whose permissions cannot be changed belongs to another user, who decides.
fn restrict(path: &Path) {
    if let Ok(metadata) = fs::metadata(path)
        && metadata.permissions().mode() & GROUP_AND_OTHERS != 0
    {
        let _ = fs::set_permissions(
            path,
            Permissions::from_mode(metadata.permissions().mode() & !GROUP_AND_OTHERS),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Store;

    fn modes(folder: &Path) -> Vec<(String, u32)> {
        let of = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
        let files =
            entries.map(|entry| (entry.file_name().to_string_lossy().into_owned(), of(&entry.path())));
        files.chain([(".".to_owned(), of(folder))]).collect()
    }

    #[test]
    fn only_the_owner_may_read_the_store_and_its_backups() {
        let around = tempfile::tempdir().unwrap();
        let folder = around.path().join("data").join("deep");
        let store = Store::open(&folder).unwrap();
        store.acquire_instance_lock().unwrap();
        store.backup(&around.path().join("backup.db"), 1).unwrap();
        let found = modes(&folder);
        assert!(found.len() > 4, "{found:?}");
        assert!(found.iter().all(|(_, mode)| mode & GROUP_AND_OTHERS == 0), "{found:?}");
        let backup = fs::metadata(around.path().join("backup.db")).unwrap();
        assert_eq!(backup.permissions().mode() & 0o777, OWNER_ONLY);
    }

    #[test]
    fn permissions_of_older_files_are_restricted_when_opened() {
        let around = tempfile::tempdir().unwrap();
        let folder = around.path().join("data");
        drop(Store::open(&folder).unwrap());
        let open = |path: &Path, mode| fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        fs::read_dir(&folder).unwrap().for_each(|entry| open(&entry.unwrap().path(), 0o644));
        open(&folder, 0o755);
        drop(Store::open(&folder).unwrap());
        assert!(modes(&folder).iter().all(|(_, mode)| mode & GROUP_AND_OTHERS == 0), "{:?}", modes(&folder));
        // A folder with other files may have its permissions for a reason.
        fs::write(folder.join("notes.txt"), "x").unwrap();
        open(&folder.join("notes.txt"), 0o644);
        open(&folder, 0o755);
        drop(Store::open(&folder).unwrap());
        let found = modes(&folder);
        assert!(found.contains(&("notes.txt".to_owned(), 0o644)) && found.contains(&(".".to_owned(), 0o755)));
    }
}
