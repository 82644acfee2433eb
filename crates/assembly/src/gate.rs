//! No record that contradicts itself goes out: it goes out with what remains true, and what was wrong is remembered.

use std::sync::{Mutex, PoisonError};

use wholecall_record::{Call, CallId};

use crate::fold::{Fold, Standing};

/// A record that contradicted itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contradiction {
    /// The call.
    pub call: CallId,
    /// What was wrong with its record.
    pub what: Vec<String>,
}

/// Lets records out, and remembers those it had to take something out of.
#[derive(Debug, Default)]
pub(crate) struct Gate(Mutex<Vec<Contradiction>>);

/// So many are remembered until somebody asks for them.
const REMEMBERED: usize = 1_000;

impl Gate {
    /// The record of a call.
    pub(crate) fn record(&self, fold: &Fold<'_>, standing: Standing) -> Call {
        let mut call = fold.record(standing);
        let what = call.make_sound();
        if !what.is_empty() {
            let mut found = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if found.len() < REMEMBERED {
                found.push(Contradiction { call: call.id.clone(), what });
            }
        }
        call
    }

    /// The records that contradicted themselves since this was asked last.
    pub(crate) fn take_contradictions(&self) -> Vec<Contradiction> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
