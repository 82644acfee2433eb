//! Connections that only read, and how a query ends whose caller no longer waits for it.

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

/// A pool of read-only connections. Whoever needs one blocks until one is free.
#[derive(Debug)]
pub(crate) struct Readers {
    free: Mutex<Vec<Connection>>,
    freed: Condvar,
    /// Whether a service runs on it, which has async tasks that nothing may block.
    serves: AtomicBool,
}

impl Readers {
    pub(crate) fn open(path: &Path, count: usize) -> Result<Self> {
        let free = (0..count).map(|_| schema::open_reader(path)).collect::<Result<_>>()?;
        Ok(Self { free: Mutex::new(free), freed: Condvar::new(), serves: AtomicBool::new(false) })
    }

    /// From now on a service runs on it.
    pub(crate) fn serve(&self) {
        self.serves.store(true, Ordering::Relaxed);
    }

    /// Reads with one of the connections. Blocks: never call it on a thread that runs async tasks.
    pub(crate) fn with<T>(&self, read: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        if self.serves.load(Ordering::Relaxed) {
            assert_may_block();
        }
        let lent = self.lend();
        let Some(connection) = &lent.connection else { return Err(StoreError::Closed) };
        match CURRENT.with_borrow(Clone::clone) {
            None => read(connection),
            Some(cancel) => cancel.guard(connection, read),
        }
    }

    fn lend(&self) -> Lent<'_> {
        let mut free = lock(&self.free);
        loop {
            match free.pop() {
                Some(connection) => return Lent { readers: self, connection: Some(connection) },
                None => free = self.freed.wait(free).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }
}

/// A connection in use; dropped, also by a panic of the query, it is free again.
struct Lent<'r> {
    readers: &'r Readers,
    connection: Option<Connection>,
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        lock(&self.readers.free).extend(self.connection.take());
        self.readers.freed.notify_one();
    }
}

/// Cancels queries. Copies share one.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<Mutex<Cancelling>>);

#[derive(Default)]
struct Cancelling {
    is_cancelled: bool,
    /// Interrupts the query that is running.
    running: Option<InterruptHandle>,
}

impl fmt::Debug for Cancelling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cancelling").field("is_cancelled", &self.is_cancelled).finish_non_exhaustive()
    }
}

thread_local! {
    /// What cancels the queries of this thread.
    static CURRENT: RefCell<Option<Cancel>> = const { RefCell::new(None) };
}

impl Cancel {
    /// The query that is running ends with [`StoreError::Cancelled`], and so does each that is begun later.
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

    /// Does something on this thread, whose queries can be cancelled meanwhile.
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

/// In debug builds, panics on a thread that runs async tasks: whoever waits there for the disk or for a free connection
/// stops every task of that thread, those that receive notifications among them.
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
    fn a_query_that_is_cancelled_ends_and_its_connection_can_be_used_again() {
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
        // What comes later for the same caller is not even begun, and others are not concerned.
        assert!(matches!(cancel.cover(|| readers.with(endless)), Err(StoreError::Cancelled)));
        let one = |connection: &Connection| Ok(connection.query_row("SELECT 1", [], |row| row.get(0))?);
        assert_eq!(readers.with::<i64>(one).unwrap(), 1);
    }

    #[test]
    fn a_query_that_panics_gives_its_connection_back() {
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
    fn a_query_on_a_thread_that_runs_async_tasks_is_a_fault() {
        let folder = tempfile::tempdir().unwrap();
        let readers = readers(folder.path(), 1);
        readers.serve();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let query = || runtime.block_on(async { readers.with(|_| Ok(())) });
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(query)).is_err());
        assert!(runtime.block_on(async { tokio::task::spawn_blocking(|| ()).await }).is_ok());
    }
}
