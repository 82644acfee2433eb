//! The VFS: passes everything to SQLite's own one, except planned faults in observed folders.
//!
//! It relies on these guarantees of SQLite: `xOpen` gets `szOsFile` bytes for a file, aligned for any type; a file's
//! methods are called with that pointer, by one thread at a time, until `xClose`; a name is a text that ends with NUL
//! and does not change until then.

#![allow(unsafe_code, reason = "SQLite calls a VFS through pointers")]

use std::{
    ffi::{CStr, OsStr, c_char, c_int, c_void},
    mem::{ManuallyDrop, size_of},
    os::unix::ffi::OsStrExt,
    path::Path,
    ptr,
    sync::{Arc, Once},
};

use rusqlite::ffi::{
    self, SQLITE_CANTOPEN, SQLITE_FULL, SQLITE_IOERR_CLOSE, SQLITE_IOERR_DELETE, SQLITE_IOERR_FSTAT,
    SQLITE_IOERR_FSYNC, SQLITE_IOERR_READ, SQLITE_IOERR_TRUNCATE, SQLITE_IOERR_WRITE, SQLITE_NOTFOUND,
    SQLITE_OK, sqlite3_file, sqlite3_int64, sqlite3_io_methods, sqlite3_vfs,
};

use crate::{
    disk::{Fate, Shared},
    fault::Operation,
    image::SECTOR_BYTES,
};

/// A file of this VFS; the file of SQLite's own VFS follows it in memory.
#[repr(C, align(16))]
struct File {
    methods: *const sqlite3_io_methods,
    observed: ManuallyDrop<Option<Box<Observed>>>,
}

struct Observed {
    disk: Arc<Shared>,
    name: String,
}

const OWN_BYTES: usize = size_of::<File>();

/// Registers the VFS as the default one, once.
pub(crate) fn install() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        // SAFETY: SQLite's own VFS is never freed, and neither is this one.
        unsafe {
            let inner = ffi::sqlite3_vfs_find(ptr::null());
            assert!(!inner.is_null(), "SQLite has a VFS");
            let own = Box::leak(Box::new(sqlite3_vfs {
                // Without the functions that replace system calls.
                iVersion: 2,
                szOsFile: OWN_BYTES as c_int + (*inner).szOsFile,
                pNext: ptr::null_mut(),
                zName: c"faulty-disk".as_ptr(),
                pAppData: inner.cast(),
                xOpen: Some(open),
                xDelete: Some(delete),
                xAccess: Some(access),
                xFullPathname: Some(full_pathname),
                xDlOpen: None,
                xDlError: None,
                xDlSym: None,
                xDlClose: None,
                xRandomness: Some(randomness),
                xSleep: Some(sleep),
                xCurrentTime: Some(current_time),
                xGetLastError: Some(last_error),
                xCurrentTimeInt64: Some(current_time_int64),
                xSetSystemCall: None,
                xGetSystemCall: None,
                xNextSystemCall: None,
                ..*inner
            }));
            assert_eq!(ffi::sqlite3_vfs_register(own, 1), SQLITE_OK);
        }
    });
}

/// Version 2: with shared memory, but without memory-mapped files, whose reads could not be observed.
static METHODS: sqlite3_io_methods = sqlite3_io_methods {
    iVersion: 2,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_reserved_lock),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(device_characteristics),
    xShmMap: Some(shm_map),
    xShmLock: Some(shm_lock),
    xShmBarrier: Some(shm_barrier),
    xShmUnmap: Some(shm_unmap),
    xFetch: None,
    xUnfetch: None,
};

/// SQLite's own VFS.
///
/// # Safety
/// `vfs` is the one that `install` has made.
unsafe fn inner_vfs(vfs: *mut sqlite3_vfs) -> *mut sqlite3_vfs {
    // SAFETY: `install` set it.
    unsafe { (*vfs).pAppData.cast() }
}

/// The file of SQLite's own VFS.
///
/// # Safety
/// `file` has the room that `xOpen` was given.
unsafe fn inner(file: *mut sqlite3_file) -> *mut sqlite3_file {
    // SAFETY: the `szOsFile` bytes contain it after this VFS's own file.
    unsafe { file.byte_add(OWN_BYTES) }
}

/// Calls a method of the inner file, or returns a code if it is missing.
macro_rules! call_inner {
    ($file:expr, $method:ident, $missing:expr $(, $argument:expr)*) => {{
        // SAFETY: the file is open, and its methods are those that SQLite's own VFS gave it.
        unsafe {
            let file = inner($file);
            match (*(*file).pMethods).$method {
                Some(method) => method(file $(, $argument)*),
                None => $missing,
            }
        }
    }};
}

/// The observed folder and the name of a file. `None` if it is not observed.
///
/// # Safety
/// `file` is one that `open` has opened.
unsafe fn observed<'a>(file: *mut sqlite3_file) -> Option<&'a Observed> {
    // SAFETY: `open` wrote a `File` there, which is valid until `close`.
    unsafe { (*file.cast::<File>()).observed.as_deref() }
}

/// The result of an operation on a file.
fn fate(file: *mut sqlite3_file, operation: Operation, about: sqlite3_int64) -> Fate {
    // SAFETY: SQLite calls methods only with open files.
    match unsafe { observed(file) } {
        Some(Observed { disk, name }) => disk.fate(operation, name, about.unsigned_abs()),
        None => Fate::Done,
    }
}

/// The observed folder and the name of a file. `None` if it is not observed.
fn find(name: *const c_char) -> Option<Observed> {
    if name.is_null() {
        return None;
    }
    // SAFETY: SQLite's names end with NUL.
    let path = Path::new(OsStr::from_bytes(unsafe { CStr::from_ptr(name) }.to_bytes()));
    let disk = Shared::observing(path)?;
    let name = path.file_name()?.to_string_lossy().into_owned();
    Some(Observed { disk, name })
}

fn exists(name: *const c_char) -> bool {
    // SAFETY: as above.
    Path::new(OsStr::from_bytes(unsafe { CStr::from_ptr(name) }.to_bytes())).exists()
}

unsafe extern "C" fn open(
    vfs: *mut sqlite3_vfs,
    name: *const c_char,
    file: *mut sqlite3_file,
    flags: c_int,
    out_flags: *mut c_int,
) -> c_int {
    // SAFETY: `file` has space for both files; it is not used unless it was opened.
    unsafe {
        (*file).pMethods = ptr::null();
        let observed = find(name);
        if let Some(Observed { disk, name: own }) = &observed {
            if disk.fate(Operation::Open, own, 0) != Fate::Done {
                return SQLITE_CANTOPEN;
            }
            if !exists(name) {
                disk.recreated_or_removed(own);
            }
        }
        let vfs = inner_vfs(vfs);
        let Some(open) = (*vfs).xOpen else { return SQLITE_CANTOPEN };
        let code = open(vfs, name, inner(file), flags, out_flags);
        if (*inner(file)).pMethods.is_null() {
            return code;
        }
        // SQLite closes a file that has methods, even if opening it failed.
        let observed = ManuallyDrop::new(observed.map(Box::new));
        file.cast::<File>().write(File { methods: &METHODS, observed });
        code
    }
}

unsafe extern "C" fn close(file: *mut sqlite3_file) -> c_int {
    let code = call_inner!(file, xClose, SQLITE_IOERR_CLOSE);
    // SAFETY: SQLite does not use it after this.
    unsafe {
        ManuallyDrop::drop(&mut (*file.cast::<File>()).observed);
        (*file).pMethods = ptr::null();
    }
    code
}

unsafe extern "C" fn read(
    file: *mut sqlite3_file,
    to: *mut c_void,
    bytes: c_int,
    offset: sqlite3_int64,
) -> c_int {
    let fate = fate(file, Operation::Read, offset);
    if !matches!(fate, Fate::Done | Fate::Flipped(_)) {
        return SQLITE_IOERR_READ;
    }
    let code = call_inner!(file, xRead, SQLITE_IOERR_READ, to, bytes, offset);
    if let Fate::Flipped(seed) = fate
        && code == SQLITE_OK
        && bytes > 0
    {
        let place = seed as usize % (8 * bytes as usize);
        // SAFETY: `to` has `bytes` bytes.
        unsafe { *to.cast::<u8>().add(place / 8) ^= 1 << (place % 8) };
    }
    code
}

unsafe extern "C" fn write(
    file: *mut sqlite3_file,
    from: *const c_void,
    bytes: c_int,
    offset: sqlite3_int64,
) -> c_int {
    let fate = fate(file, Operation::Write, offset);
    let bytes = match fate {
        Fate::Done | Fate::Flipped(_) => bytes,
        Fate::Short => bytes / 2,
        Fate::Error => return SQLITE_IOERR_WRITE,
        Fate::Full => return SQLITE_FULL,
    };
    // Noted before and after, because another thread may sync meanwhile.
    let note = || {
        // SAFETY: the file is open.
        if let Some(Observed { disk, name }) = unsafe { observed(file) } {
            disk.written(name, offset.unsigned_abs(), u64::from(bytes.unsigned_abs()));
        }
    };
    note();
    let code = call_inner!(file, xWrite, SQLITE_IOERR_WRITE, from, bytes, offset);
    note();
    if fate == Fate::Short { SQLITE_IOERR_WRITE } else { code }
}

unsafe extern "C" fn truncate(file: *mut sqlite3_file, bytes: sqlite3_int64) -> c_int {
    match fate(file, Operation::Truncate, bytes) {
        Fate::Done => call_inner!(file, xTruncate, SQLITE_IOERR_TRUNCATE, bytes),
        _ => SQLITE_IOERR_TRUNCATE,
    }
}

unsafe extern "C" fn sync(file: *mut sqlite3_file, flags: c_int) -> c_int {
    match fate(file, Operation::Sync, 0) {
        Fate::Done => {}
        Fate::Full => return SQLITE_FULL,
        _ => return SQLITE_IOERR_FSYNC,
    }
    // The durable copy represents the disk: a real sync would only take time.
    let _ = flags;
    // SAFETY: the file is open.
    let Some(Observed { disk, name }) = (unsafe { observed(file) }) else {
        return call_inner!(file, xSync, SQLITE_IOERR_FSYNC, flags);
    };
    let mut length = 0;
    let code = call_inner!(file, xFileSize, SQLITE_IOERR_FSTAT, &mut length);
    if code != SQLITE_OK {
        return code;
    }
    disk.synced(name, length.unsigned_abs(), |sector| {
        let mut bytes = vec![0_u8; SECTOR_BYTES as usize];
        let to = bytes.as_mut_ptr().cast();
        let offset = (sector * SECTOR_BYTES) as sqlite3_int64;
        // A read beyond the end of the file fills the rest with zeros.
        call_inner!(file, xRead, SQLITE_IOERR_READ, to, SECTOR_BYTES as c_int, offset);
        bytes
    });
    SQLITE_OK
}

unsafe extern "C" fn file_size(file: *mut sqlite3_file, bytes: *mut sqlite3_int64) -> c_int {
    call_inner!(file, xFileSize, SQLITE_IOERR_FSTAT, bytes)
}

unsafe extern "C" fn lock(file: *mut sqlite3_file, level: c_int) -> c_int {
    call_inner!(file, xLock, SQLITE_OK, level)
}

unsafe extern "C" fn unlock(file: *mut sqlite3_file, level: c_int) -> c_int {
    call_inner!(file, xUnlock, SQLITE_OK, level)
}

unsafe extern "C" fn check_reserved_lock(file: *mut sqlite3_file, is_held: *mut c_int) -> c_int {
    call_inner!(file, xCheckReservedLock, SQLITE_OK, is_held)
}

unsafe extern "C" fn file_control(file: *mut sqlite3_file, operation: c_int, argument: *mut c_void) -> c_int {
    call_inner!(file, xFileControl, SQLITE_NOTFOUND, operation, argument)
}

unsafe extern "C" fn sector_size(file: *mut sqlite3_file) -> c_int {
    call_inner!(file, xSectorSize, 0)
}

unsafe extern "C" fn device_characteristics(file: *mut sqlite3_file) -> c_int {
    call_inner!(file, xDeviceCharacteristics, 0)
}

unsafe extern "C" fn shm_map(
    file: *mut sqlite3_file,
    region: c_int,
    bytes: c_int,
    extend: c_int,
    to: *mut *mut c_void,
) -> c_int {
    call_inner!(file, xShmMap, SQLITE_CANTOPEN, region, bytes, extend, to)
}

unsafe extern "C" fn shm_lock(file: *mut sqlite3_file, offset: c_int, count: c_int, flags: c_int) -> c_int {
    call_inner!(file, xShmLock, SQLITE_CANTOPEN, offset, count, flags)
}

unsafe extern "C" fn shm_barrier(file: *mut sqlite3_file) {
    call_inner!(file, xShmBarrier, ())
}

unsafe extern "C" fn shm_unmap(file: *mut sqlite3_file, delete: c_int) -> c_int {
    call_inner!(file, xShmUnmap, SQLITE_OK, delete)
}

unsafe extern "C" fn delete(vfs: *mut sqlite3_vfs, name: *const c_char, sync_folder: c_int) -> c_int {
    let observed = find(name);
    if let Some(Observed { disk, name }) = &observed
        && disk.fate(Operation::Delete, name, 0) != Fate::Done
    {
        return SQLITE_IOERR_DELETE;
    }
    // SAFETY: the arguments are passed on unchanged.
    let code = unsafe {
        let vfs = inner_vfs(vfs);
        (*vfs).xDelete.map_or(SQLITE_IOERR_DELETE, |delete| delete(vfs, name, sync_folder))
    };
    if code == SQLITE_OK
        && sync_folder != 0
        && let Some(Observed { disk, name }) = &observed
    {
        disk.recreated_or_removed(name);
    }
    code
}

/// Defines functions of the VFS that only call SQLite's own.
macro_rules! forward {
    ($name:ident, $method:ident, $missing:expr $(, $argument:ident: $type:ty)*) => {
        unsafe extern "C" fn $name(vfs: *mut sqlite3_vfs $(, $argument: $type)*) -> c_int {
            // SAFETY: the arguments are passed on unchanged.
            unsafe {
                let vfs = inner_vfs(vfs);
                (*vfs).$method.map_or($missing, |call| call(vfs $(, $argument)*))
            }
        }
    };
}

forward!(access, xAccess, ffi::SQLITE_IOERR_ACCESS, name: *const c_char, flags: c_int, found: *mut c_int);
forward!(full_pathname, xFullPathname, SQLITE_CANTOPEN, name: *const c_char, room: c_int, to: *mut c_char);
forward!(randomness, xRandomness, 0, bytes: c_int, to: *mut c_char);
forward!(sleep, xSleep, 0, microseconds: c_int);
forward!(current_time, xCurrentTime, ffi::SQLITE_ERROR, to: *mut f64);
forward!(last_error, xGetLastError, 0, room: c_int, to: *mut c_char);
forward!(current_time_int64, xCurrentTimeInt64, ffi::SQLITE_ERROR, to: *mut sqlite3_int64);
