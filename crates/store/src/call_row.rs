//! The row of a call: the parts of its record that are columns.

use std::borrow::Cow;

use wholecall_record::{
    Call,
    call::{EndState, MoveKind},
};

/// The parts of a record that are columns of `calls`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Columns {
    pub(crate) start_ms: i64,
    pub(crate) end_ms: i64,
    pub(crate) state: &'static str,
    pub(crate) direction: &'static str,
    pub(crate) result: &'static str,
    pub(crate) wait_ms: i64,
    pub(crate) talk_ms: i64,
    pub(crate) hold_ms: i64,
    pub(crate) transfers: i64,
    pub(crate) end_state: Option<&'static str>,
}

impl Columns {
    pub(crate) fn of(record: &Call) -> Self {
        use MoveKind::{AttendedTransfer, BlindTransfer, Transfer};
        let is_transfer = |kind| matches!(kind, AttendedTransfer | BlindTransfer | Transfer);
        let start_ms = record.start_time.as_millis();
        Self {
            start_ms,
            end_ms: record.end_time.map_or(start_ms + record.durations.total_ms, |end| end.as_millis()),
            state: record.state.as_str(),
            direction: record.direction.as_str(),
            result: record.result.as_str(),
            wait_ms: record.durations.wait_ms,
            talk_ms: record.durations.talk_ms,
            hold_ms: record.durations.hold_ms,
            transfers: record.moves.iter().filter(|call_move| is_transfer(call_move.kind)).count() as i64,
            end_state: record.end_state.map(EndState::as_str),
        }
    }
}

/// A call's row before a commit.
#[derive(Debug, Clone)]
pub(crate) struct CallRow {
    pub(crate) call: i64,
    pub(crate) start_ms: i64,
    pub(crate) state: Cow<'static, str>,
    pub(crate) result: Cow<'static, str>,
    pub(crate) terms: Vec<i64>,
    pub(crate) completed: bool,
}

impl CallRow {
    /// Whether no indexed column changes.
    pub(crate) fn index_keys_unchanged(&self, columns: &Columns) -> bool {
        (self.start_ms, &*self.state, &*self.result) == (columns.start_ms, columns.state, columns.result)
    }
}
