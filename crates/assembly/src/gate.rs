//! No record that contradicts itself goes out: it goes out with what remains true, and is counted.

use std::sync::atomic::{AtomicU64, Ordering};

use wholecall_record::Call;

use crate::fold::{Fold, Standing};

/// Lets records out, and counts those it had to take something out of.
#[derive(Debug, Default)]
pub(crate) struct Gate(AtomicU64);

impl Gate {
    /// The record of a call.
    pub(crate) fn record(&self, fold: &Fold<'_>, standing: Standing) -> Call {
        let mut call = fold.record(standing);
        if !call.make_sound().is_empty() {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
        call
    }

    /// How many records contradicted themselves since this was asked last.
    pub(crate) fn take_contradictions(&self) -> u64 {
        self.0.swap(0, Ordering::Relaxed)
    }
}
