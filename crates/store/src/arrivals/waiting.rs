//! What waits to be assembled and moved into the journal, as far as it is at hand in memory.

use std::collections::VecDeque;

use super::Received;
use crate::Position;

/// So much is at hand: notifications, and bytes of them.
const AT_HAND: usize = 4_096;
const AT_HAND_BYTES: usize = 4 << 20;

/// A window on what was received.
#[derive(Debug)]
pub(super) struct Waiting {
    /// Up to where everything is in the journal.
    journaled: Position,
    /// What follows there, without a gap, as far as there is room.
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

    /// What follows a position without a gap, as far as it is at hand.
    pub(super) fn after(&self, position: Position, limit: usize) -> Vec<Received> {
        let following = self.at_hand.range(self.place_after(position)..).take(limit);
        let following = following.zip(position.0 + 1..);
        following
            .take_while(|(received, place)| received.position.0 == *place)
            .map(|(one, _)| one.clone())
            .collect()
    }

    /// What is not in the journal yet, up to a position; none unless all of it is at hand.
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

    /// Everything up to a position is in the journal.
    pub(super) fn forget(&mut self, position: Position) {
        self.journaled = self.journaled.max(position);
        while let Some(first) = self.at_hand.front()
            && first.position <= position
        {
            self.bytes -= first.body.len();
            self.at_hand.pop_front();
        }
    }

    /// Up to where everything is in the journal or at hand.
    fn end(&self) -> Position {
        self.at_hand.back().map_or(self.journaled, |last| last.position)
    }

    fn place_after(&self, position: Position) -> usize {
        self.at_hand.partition_point(|received| received.position <= position)
    }
}
