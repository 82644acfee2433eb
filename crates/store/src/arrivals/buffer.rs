//! Buffers the first arrivals that are not in the journal, so that the assembler need not read them from the file.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::arrival::StoredArrival;
use crate::Position;

/// Maximum number and bytes of buffered notifications.
const MAX_NOTIFICATIONS: usize = 4_096;
const MAX_BYTES: usize = 4 << 20;

/// A window on the arrivals.
#[derive(Debug)]
pub(super) struct ReadAheadBuffer {
    /// Everything up to this position is in the journal.
    journaled: Position,
    /// The consecutive arrivals after it, up to the limits.
    notifications: VecDeque<StoredArrival>,
    bytes: usize,
}

impl ReadAheadBuffer {
    pub(super) fn from(journaled: Position) -> Self {
        Self { journaled, notifications: VecDeque::new(), bytes: 0 }
    }

    pub(super) fn journaled(&self) -> Position {
        self.journaled
    }

    /// The consecutive buffered arrivals after a position.
    pub(super) fn after(&self, position: Position, limit: usize) -> Vec<StoredArrival> {
        let following = self.notifications.range(self.index_after(position)..).take(limit);
        let following = following.zip(position.0 + 1..);
        following
            .take_while(|(received, expected)| received.position.0 == *expected)
            .map(|(one, _)| one.clone())
            .collect()
    }

    /// The arrivals up to a position. `None` if not all of them are buffered.
    pub(super) fn until(&self, position: Position) -> Option<Vec<StoredArrival>> {
        let has_all = self.end() >= position;
        has_all.then(|| self.notifications.range(..self.index_after(position)).cloned().collect())
    }

    pub(super) fn push(&mut self, received: StoredArrival) {
        let bytes = received.body.len();
        let has_room = self.notifications.len() < MAX_NOTIFICATIONS && self.bytes + bytes <= MAX_BYTES;
        if has_room && received.position == self.end().next() {
            self.bytes += bytes;
            self.notifications.push_back(received);
        }
    }

    /// Evicts arrivals up to a position, which are in the journal.
    pub(super) fn mark_journaled(&mut self, position: Position) {
        self.journaled = self.journaled.max(position);
        while let Some(first) = self.notifications.front()
            && first.position <= position
        {
            self.bytes -= first.body.len();
            self.notifications.pop_front();
        }
    }

    /// Everything up to this position is in the journal or buffered.
    fn end(&self) -> Position {
        self.notifications.back().map_or(self.journaled, |last| last.position)
    }

    fn index_after(&self, position: Position) -> usize {
        self.notifications.partition_point(|received| received.position <= position)
    }
}

pub(super) fn lock(buffer: &Mutex<ReadAheadBuffer>) -> MutexGuard<'_, ReadAheadBuffer> {
    buffer.lock().unwrap_or_else(PoisonError::into_inner)
}
