//! A pool of read-only connections, and the cancellation of queries whose callers stopped waiting.

use std::{
    cell::RefCell,
    fmt,
    path::Path,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use rusqlite::{Connection, InterruptHandle};

use crate::{
    error::{Result, StoreError},
    schema,
};

/// A pool of read-only connections. Blocks until one is free.
#[derive(Debug)]
pub(crate) struct Readers {
    free: Mutex<Vec<Connection>>,
    freed: Condvar,
    /// Whether a service uses it, whose async tasks must not block.
    is_serving: AtomicBool,
}

impl Readers {
    pub(crate) fn open(path: &Path, count: usize) -> Result<Self> {
        let free = (0..count).map(|_| schema::open_reader(path)).collect::<Result<_>>()?;
        Ok(Self { free: Mutex::new(free), freed: Condvar::new(), is_serving: AtomicBool::new(false) })
    }

    /// Marks it as used by a service.
    pub(crate) fn mark_serving(&self) {
        self.is_serving.store(true, Ordering::Relaxed);
    }

    /// Reads with one of the connections. Blocks: must not be called on a thread that runs async tasks.
    pub(crate) fn with<T>(&self, read: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        if self.is_serving.load(Ordering::Relaxed) {
            assert_may_block();
        }
        let borrowed = self.borrow();
        let Some(connection) = &borrowed.connection else { return Err(StoreError::Closed) };
        match CURRENT.with_borrow(Clone::clone) {
            None => read(connection),
            Some(cancel) => cancel.guard(connection, read),
        }
    }

    fn borrow(&self) -> Borrowed<'_> {
        let mut free = lock(&self.free);
        loop {
            match free.pop() {
                Some(connection) => return Borrowed { readers: self, connection: Some(connection) },
                None => free = self.freed.wait(free).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }
}

/// A borrowed connection; it returns to the pool when dropped, also by a panic of the query.
struct Borrowed<'r> {
    readers: &'r Readers,
    connection: Option<Connection>,
}

impl Drop for Borrowed<'_> {
    fn drop(&mut self) {
        lock(&self.readers.free).extend(self.connection.take());
        self.readers.freed.notify_one();
    }
}

/// Cancels queries. Clones share their state.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<Mutex<Cancelling>>);

#[derive(Default)]
struct Cancelling {
    is_cancelled: bool,
    /// Interrupts the running query.
    running: Option<InterruptHandle>,
}

impl fmt::Debug for Cancelling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cancelling").field("is_cancelled", &self.is_cancelled).finish_non_exhaustive()
    }
}

thread_local! {
    /// Cancels the queries of this thread.
    static CURRENT: RefCell<Option<Cancel>> = const { RefCell::new(None) };
}

impl Cancel {
    /// Ends the running query with [`StoreError::Cancelled`], and each later one.
    pub fn cancel(&self) {
        let mut state = lock(&self.0);
        state.is_cancelled = true;
        if let Some(running) = &state.running {
            running.interrupt();
        }
    }

    /// Whether it was cancelled.
    pub fn is_cancelled(&self) -> bool {
        lock(&self.0).is_cancelled
    }

    /// Runs work on this thread; its queries can be cancelled meanwhile.
    pub fn cover<T>(&self, work: impl FnOnce() -> T) -> T {
        struct Restore(Option<Cancel>);
        impl Drop for Restore {
            fn drop(&mut self) {
                CURRENT.set(self.0.take());
            }
        }
        let _restore = Restore(CURRENT.replace(Some(self.clone())));
        work()
    }

    fn guard<T>(&self, connection: &Connection, read: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        struct Finished<'c>(&'c Cancel);
        impl Drop for Finished<'_> {
            fn drop(&mut self) {
                lock(&self.0.0).running = None;
            }
        }
        {
            let mut state = lock(&self.0);
            if state.is_cancelled {
                return Err(StoreError::Cancelled);
            }
            state.running = Some(connection.get_interrupt_handle());
        }
        let _finished = Finished(self);
        read(connection)
    }
}

/// In debug builds, panics on a thread that runs async tasks: waiting there for the disk or for a connection stops
/// all tasks of the thread, including those that receive notifications.
fn assert_may_block() {
    #[cfg(debug_assertions)]
    {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let _ = sender.send(());
        // This is what panics.
        let _: std::result::Result<(), _> = receiver.blocking_recv();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::{
        thread,
        time::{Duration, Instant},
    };

    use super::*;

    const ENDLESS: &str =
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n";

    fn readers(folder: &Path, count: usize) -> Readers {
        let path = folder.join("wholecall.db");
        drop(schema::open_writer(&path).unwrap());
        Readers::open(&path, count).unwrap()
    }

    fn endless(connection: &Connection) -> Result<i64> {
        Ok(connection.query_row(ENDLESS, [], |row| row.get(0))?)
    }

    #[test]
    fn cancelled_query_ends_and_its_connection_is_reusable() {
        let folder = tempfile::tempdir().unwrap();
        let readers = readers(folder.path(), 1);
        let cancel = Cancel::default();
        let began = Instant::now();
        let ended = thread::scope(|scope| {
            let query = scope.spawn(|| cancel.cover(|| readers.with(endless)));
            thread::sleep(Duration::from_millis(50));
            cancel.cancel();
            query.join().unwrap()
        });
        assert!(matches!(ended, Err(StoreError::Cancelled)), "{ended:?}");
        assert!(began.elapsed() < Duration::from_secs(5));
        // Later queries of the same caller do not start, and other callers are not affected.
        assert!(matches!(cancel.cover(|| readers.with(endless)), Err(StoreError::Cancelled)));
        let one = |connection: &Connection| Ok(connection.query_row("SELECT 1", [], |row| row.get(0))?);
        assert_eq!(readers.with::<i64>(one).unwrap(), 1);
    }

    #[test]
    fn panicking_query_returns_its_connection() {
        let folder = tempfile::tempdir().unwrap();
        let readers = readers(folder.path(), 1);
        for _ in 0..3 {
            let panics = || readers.with::<()>(|_| panic!("a test"));
            assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(panics)).is_err());
        }
        assert!(readers.with(|_| Ok(())).is_ok());
    }

    #[cfg(debug_assertions)]
    #[test]
    fn query_on_an_async_thread_panics_in_debug_builds() {
        let folder = tempfile::tempdir().unwrap();
        let readers = readers(folder.path(), 1);
        readers.mark_serving();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let query = || runtime.block_on(async { readers.with(|_| Ok(())) });
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(query)).is_err());
        assert!(runtime.block_on(async { tokio::task::spawn_blocking(|| ()).await }).is_ok());
    }
}
