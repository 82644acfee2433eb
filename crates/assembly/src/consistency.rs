//! Keeps contradictory records from being published: what contradicts the rest is removed from the record, and
//! reported as a [`Contradiction`].

use std::sync::{Mutex, PoisonError};

use wholecall_record::{Call, CallId};

use crate::fold::{Fold, RecordStatus};

/// A record that contradicted itself.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Contradiction {
    /// The call.
    pub call: CallId,
    /// What was wrong with its record.
    pub what: Vec<String>,
}

/// Makes records consistent and collects the contradictions.
#[derive(Debug, Default)]
pub(crate) struct ConsistencyCheck(Mutex<Vec<Contradiction>>);

/// Maximum number of contradictions that are stored until they are taken.
const MAX_CONTRADICTIONS: usize = 1_000;

impl ConsistencyCheck {
    /// The record of a call, without contradictions.
    pub(crate) fn record(&self, fold: &Fold<'_>, status: RecordStatus) -> Call {
        let mut call = fold.record(status);
        let what = call.repair();
        if !what.is_empty() {
            let mut found = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if found.len() < MAX_CONTRADICTIONS {
                found.push(Contradiction { call: call.id.clone(), what });
            }
        }
        call
    }

    /// The contradictions since the last call of this method.
    pub(crate) fn take_contradictions(&self) -> Vec<Contradiction> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
