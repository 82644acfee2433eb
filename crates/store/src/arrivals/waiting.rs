//! Buffers the first arrivals that are not in the journal, so that the assembler need not read them from the file.

use std::collections::VecDeque;

use super::Received;
use crate::Position;

/// Maximum number and bytes of buffered notifications.
const AT_HAND: usize = 4_096;
const AT_HAND_BYTES: usize = 4 << 20;

/// A window on the arrivals.
#[derive(Debug)]
pub(super) struct Waiting {
    /// Everything up to this position is in the journal.
    journaled: Position,
    /// The consecutive arrivals after it, up to the limits.
    at_hand: VecDeque<Received>,
    bytes: usize,
}

impl Waiting {
    pub(super) fn from(journaled: Position) -> Self {
        Self { journaled, at_hand: VecDeque::new(), bytes: 0 }
    }

    pub(super) fn journaled(&self) -> Position {
        self.journaled
    }

    /// The consecutive buffered arrivals after a position.
    pub(super) fn after(&self, position: Position, limit: usize) -> Vec<Received> {
        let following = self.at_hand.range(self.place_after(position)..).take(limit);
        let following = following.zip(position.0 + 1..);
        following
            .take_while(|(received, place)| received.position.0 == *place)
            .map(|(one, _)| one.clone())
            .collect()
    }

    /// The arrivals up to a position. `None` if not all of them are buffered.
    pub(super) fn until(&self, position: Position) -> Option<Vec<Received>> {
        let is_at_hand = self.end() >= position;
        is_at_hand.then(|| self.at_hand.range(..self.place_after(position)).cloned().collect())
    }

    pub(super) fn add(&mut self, received: Received) {
        let bytes = received.body.len();
        let has_room = self.at_hand.len() < AT_HAND && self.bytes + bytes <= AT_HAND_BYTES;
        if has_room && received.position == self.end().next() {
            self.bytes += bytes;
            self.at_hand.push_back(received);
        }
    }

    /// Evicts arrivals up to a position, which are in the journal.
    pub(super) fn forget(&mut self, position: Position) {
        self.journaled = self.journaled.max(position);
        while let Some(first) = self.at_hand.front()
            && first.position <= position
        {
            self.bytes -= first.body.len();
            self.at_hand.pop_front();
        }
    }

    /// Everything up to this position is in the journal or buffered.
    fn end(&self) -> Position {
        self.at_hand.back().map_or(self.journaled, |last| last.position)
    }

    fn place_after(&self, position: Position) -> usize {
        self.at_hand.partition_point(|received| received.position <= position)
    }
}
