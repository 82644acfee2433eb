//! Receiving has priority: notifications can be assembled later, but RingCentral stops sending to a service that
//! answers late.

/// Lowers the priority of the calling thread, if the system supports that per thread.
pub fn lower_thread_priority() {
    // On other systems `nice` applies to the whole process.
    #[cfg(target_os = "linux")]
    {
        /// Gives the thread about a tenth of another thread's share, so that it still makes progress.
        const NICENESS: i32 = 10;
        // The thread works without it, too.
        let _ = rustix::process::nice(NICENESS);
    }
}
