//! Receiving goes first: what is received can be assembled later, but RingCentral stops sending to whoever answers late.

/// Lets others have the processor before the calling thread wherever both want it.
pub fn step_back() {
    // Elsewhere that would be said of the whole process.
    #[cfg(target_os = "linux")]
    {
        /// The share is a tenth of another thread's then, so that it goes on whatever comes.
        const BACK: i32 = 10;
        // It is no more than a wish.
        let _ = rustix::process::nice(BACK);
    }
}
