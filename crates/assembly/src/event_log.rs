//! The state changes of a session, sorted.

use wholecall_record::Time;

use crate::{
    event::{Event, MergeEffect, PartyStatus},
    legs::LegKey,
    uuid::Uuid,
};

/// Events sorted by sequence, then by party, in chunks: an event in order is appended, a late one moves at most one
/// chunk, so that no order of arrival costs quadratic time.
#[derive(Debug)]
pub(crate) struct EventLog {
    chunks: Vec<Vec<Event>>,
    len: usize,
    /// The latest time of any event ever added: an upper bound for the stored events. It shows whether a session is
    /// over without reading its events.
    latest: Time,
}

/// The result of adding an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Insertion {
    /// A new state change; `is_last` if no event with a higher sequence is stored.
    New { is_last: bool },
    /// A further delivery, and its effect.
    Duplicate(MergeEffect),
}

impl Default for EventLog {
    fn default() -> Self {
        Self { chunks: Vec::new(), len: 0, latest: Time::from_millis(i64::MIN) }
    }
}

impl EventLog {
    const MAX_CHUNK_EVENTS: usize = 512;

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn last_sequence(&self) -> Option<u32> {
        Some(self.chunks.last()?.last()?.sequence)
    }

    /// No event is later.
    pub(crate) fn latest(&self) -> Time {
        self.latest
    }

    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &Event> + Clone {
        self.chunks.iter().flatten()
    }

    /// Adds the status that a notification reports of a leg; `id` returns a leg's id.
    pub(crate) fn add<'l>(
        &mut self,
        sequence: u32,
        leg: LegKey,
        uuid: Option<Uuid>,
        status: PartyStatus,
        id: impl Fn(LegKey) -> &'l str,
    ) -> Insertion {
        self.latest = self.latest.max(status.time);
        let order = |event: &Event| {
            event.sequence.cmp(&sequence).then_with(|| match event.leg == leg {
                true => std::cmp::Ordering::Equal,
                false => party_order(id(event.leg), id(leg)),
            })
        };
        let is_last = self.last_sequence().is_none_or(|last| last < sequence);
        // The last chunk that begins at or before it.
        let chunk = match is_last {
            true => self.chunks.len().saturating_sub(1),
            false => self.chunks.partition_point(|chunk| order(&chunk[0]).is_le()).saturating_sub(1),
        };
        if self.chunks.is_empty() {
            // Three of four sessions have at most nine changes.
            self.chunks.reserve_exact(1);
            self.chunks.push(Vec::with_capacity(9));
        }
        let events = &mut self.chunks[chunk];
        let place = if is_last { Err(events.len()) } else { events.binary_search_by(order) };
        match place {
            Ok(at) => Insertion::Duplicate(events[at].merge(uuid, status)),
            Err(at) => {
                events.insert(at, Event { sequence, leg, kind: None, uuid, status });
                self.len += 1;
                if events.len() > Self::MAX_CHUNK_EVENTS {
                    let upper = events.split_off(if is_last { at } else { Self::MAX_CHUNK_EVENTS / 2 });
                    self.chunks.insert(chunk + 1, upper);
                }
                Insertion::New { is_last }
            }
        }
    }

    /// Removes the last event and returns it.
    pub(crate) fn drop_last(&mut self) -> Option<Event> {
        let event = self.chunks.last_mut()?.pop()?;
        self.len -= 1;
        if self.chunks.last().is_some_and(Vec::is_empty) {
            self.chunks.pop();
        }
        Some(event)
    }
}

/// Party ids end in an ordinal: `…-2` comes before `…-10`.
pub(crate) fn party_order(a: &str, b: &str) -> std::cmp::Ordering {
    let parts = |id: &str| -> Option<(usize, u64)> {
        let (stem, ordinal) = id.rsplit_once('-')?;
        Some((stem.len(), ordinal.parse().ok()?))
    };
    match (parts(a), parts(b)) {
        (Some((a_stem, a_ordinal)), Some((b_stem, b_ordinal))) if a[..a_stem] == b[..b_stem] => {
            a_ordinal.cmp(&b_ordinal).then_with(|| a.cmp(b))
        }
        _ => a.cmp(b),
    }
}
