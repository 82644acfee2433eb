//! Which rooms are joined when: by links, and by supervisors who took a call over.

use std::ops::Deref;

use wholecall_notification::Reason;
use wholecall_record::Time;

use super::{
    ids::{LegIdx, SessionIdx},
    people::AttributedCall,
};
use crate::{
    index::{IdxRange, IdxVec},
    union_find::UnionFind,
};

/// A call with the times at which its rooms are joined.
pub(crate) struct JoinedCall<'a> {
    call: AttributedCall<'a>,
    pub(super) join_timeline: JoinTimeline,
    /// When each listening leg began to talk. Empty if no supervisor took a call over.
    talks_from: IdxVec<LegIdx, Option<Time>>,
}

impl<'a> Deref for JoinedCall<'a> {
    type Target = AttributedCall<'a>;

    fn deref(&self) -> &AttributedCall<'a> {
        &self.call
    }
}

impl<'a> JoinedCall<'a> {
    pub(super) fn new(call: AttributedCall<'a>) -> Self {
        let by_links = call.joined_by_links(&IdxVec::new());
        let talks_from = call.find_take_overs(&by_links);
        let join_timeline = if talks_from.is_empty() { by_links } else { call.joined_by_links(&talks_from) };
        Self { call, join_timeline, talks_from }
    }

    /// When a listening leg began to talk. `None` if it did not.
    pub(super) fn talks_from(&self, leg: LegIdx) -> Option<Time> {
        self.talks_from.get(leg).copied().flatten()
    }

    /// Whether a leg's owner talks: a person, or a supervisor who has taken the call over.
    pub(super) fn talks_at(&self, leg: LegIdx, time: Time) -> bool {
        self.kinds[leg].is_person() || self.talks_from(leg).is_some_and(|from| from <= time)
    }
}

impl AttributedCall<'_> {
    /// When each supervisor's leg began to talk: after a take-over all legs of its supervisor do.
    fn find_take_overs(&self, timeline: &JoinTimeline) -> IdxVec<LegIdx, Option<Time>> {
        let mut talks_from = IdxVec::new();
        if !self.legs.iter().any(|leg| leg.supervises) {
            return talks_from;
        }
        let take_overs = self.changes.iter_enumerated();
        for (at, change) in
            take_overs.filter(|(_, change)| change.event.status.reason == Some(Reason::TakeOver))
        {
            let room = self.legs[self.leg_of_change(at)].room;
            let Some(monitor) = self.latest_monitor(timeline, room, change.time) else { continue };
            if talks_from.is_empty() {
                talks_from = IdxVec::filled(None, self.legs.len());
            }
            for (index, leg) in self.legs.iter_enumerated() {
                if leg.supervises && self.owners[index] == self.owners[monitor] {
                    let from: &mut Option<Time> = &mut talks_from[index];
                    *from = Some(from.map_or(change.time, |earlier| earlier.min(change.time)));
                }
            }
        }
        talks_from
    }

    /// Which rooms the links join when; a supervisor's link joins from the take-over on.
    fn joined_by_links(&self, talks_from: &IdxVec<LegIdx, Option<Time>>) -> JoinTimeline {
        let intervals = self.links.iter().filter_map(|link| {
            let talks_from = |leg: LegIdx| talks_from.get(leg).copied().flatten();
            let taken_over = || link.ends().into_iter().find_map(|end| talks_from(end.leg?));
            let start = if link.joins() { link.start } else { link.start.max(taken_over()?) };
            Some(JoinInterval { rooms: [link.a.room, link.b.room], start, end: link.end })
        });
        JoinTimeline::from_intervals(self.rooms.indices(), intervals.collect())
    }

    /// The supervisor's leg that began last to listen to a room.
    pub(super) fn latest_monitor(
        &self,
        timeline: &JoinTimeline,
        room: SessionIdx,
        time: Time,
    ) -> Option<LegIdx> {
        let listening_since =
            |leg: LegIdx| self.listens_from(timeline, leg, room, time).filter(|since| *since <= time);
        self.legs.indices().filter_map(|leg| Some((listening_since(leg)?, leg))).max().map(|(_, leg)| leg)
    }

    /// When a supervisor's leg began to listen to a room or to one joined with it.
    fn listens_from(
        &self,
        timeline: &JoinTimeline,
        leg: LegIdx,
        room: SessionIdx,
        time: Time,
    ) -> Option<Time> {
        let supervisor = &self.legs[leg];
        if !supervisor.supervises {
            return None;
        }
        let group = |room: SessionIdx| timeline.group(room, time);
        if group(supervisor.room) == group(room) {
            return Some(supervisor.start);
        }
        let mut links = self.links.iter().filter(|link| link.names(leg));
        links.find(|link| link.ends().iter().any(|end| group(end.room) == group(room))).map(|link| link.start)
    }
}

/// Which rooms are joined when.
#[derive(Debug, Default)]
pub(crate) struct JoinTimeline {
    /// For each time from which it holds, the group of every room: the first of the rooms joined with it.
    changes: Vec<(Time, IdxVec<SessionIdx, SessionIdx>)>,
}

impl JoinTimeline {
    fn from_intervals(rooms: IdxRange<SessionIdx>, intervals: Vec<JoinInterval>) -> Self {
        let mut times: Vec<Time> =
            intervals.iter().flat_map(|interval| [Some(interval.start), interval.end]).flatten().collect();
        times.sort_unstable();
        times.dedup();
        let joined_at = |time: Time| {
            let is_open = |interval: &&JoinInterval| {
                interval.start <= time && interval.end.is_none_or(|end| time < end)
            };
            let mut sets = UnionFind::new(rooms.clone());
            intervals.iter().filter(is_open).for_each(|interval| sets.unite(interval.rooms));
            (time, rooms.clone().map(|room| sets.find(room)).collect())
        };
        Self { changes: times.into_iter().map(joined_at).collect() }
    }

    /// The times at which any group changes.
    pub(crate) fn times(&self) -> impl Iterator<Item = Time> {
        self.changes.iter().map(|(time, _)| *time)
    }

    /// The group of a room at a time.
    pub(crate) fn group(&self, room: SessionIdx, time: Time) -> SessionIdx {
        self.group_in(self.changes.partition_point(|(at, _)| *at <= time), room)
    }

    /// The group of a room just before a time.
    pub(crate) fn group_before(&self, room: SessionIdx, time: Time) -> SessionIdx {
        self.group_in(self.changes.partition_point(|(at, _)| *at < time), room)
    }

    fn group_in(&self, changes_passed: usize, room: SessionIdx) -> SessionIdx {
        match changes_passed.checked_sub(1) {
            Some(at) => self.changes[at].1[room],
            None => room,
        }
    }
}

/// An interval in which two rooms are joined.
struct JoinInterval {
    rooms: [SessionIdx; 2],
    start: Time,
    end: Option<Time>,
}
