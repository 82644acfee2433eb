//! When parties that were not observed were connected.

use smallvec::SmallVec;
use wholecall_notification::Code;
use wholecall_record::{
    Time,
    call::{Kind, LegState, LinkKind},
};

use super::{
    ids::{LegIdx, SessionIdx},
    inferred_parties::InferredParty,
    links::{End, Link},
    spans::TimedCall,
};

/// When an inferred party is taken to be connected.
#[derive(Debug, Clone)]
pub(crate) struct InferredPresence {
    pub(crate) party: InferredParty,
    pub(crate) present: Vec<(Time, Option<Time>)>,
}

impl InferredPresence {
    /// Whether the party is connected just before a time.
    pub(crate) fn is_present_before(&self, time: Time) -> bool {
        self.present.iter().any(|(start, end)| *start < time && end.is_none_or(|end| time <= end))
    }

    /// Whether the party is connected and nothing ended that.
    pub(crate) fn is_still_present(&self) -> bool {
        self.present.iter().any(|(_, end)| end.is_none())
    }
}

impl TimedCall<'_> {
    /// When each inferred party is connected.
    pub(super) fn find_inferred_presences(&self) -> Vec<InferredPresence> {
        let presence = |&party: &InferredParty| InferredPresence { party, present: self.presence_of(&party) };
        self.inferred_parties.iter().map(presence).collect()
    }

    fn presence_of(&self, party: &InferredParty) -> Vec<(Time, Option<Time>)> {
        let mut present = match party.can_be_heard {
            true if party.is_caller => self.caller_presence(party.room),
            true => self.callee_presence(party.room),
            false => Vec::new(),
        };
        let (since, until) = (party.since, party.until);
        for (start, end) in &mut present {
            *start = since.map_or(*start, |since| since.max(*start));
            *end = end.map_or(until, |end| Some(until.map_or(end, |until| until.min(end))));
        }
        self.take_out_movers(party, &mut present);
        present.retain(|(start, end)| end.is_none_or(|end| *start < end));
        present
    }

    /// An inferred caller is connected from the session's first event until its visible legs have ended.
    fn caller_presence(&self, room: SessionIdx) -> Vec<(Time, Option<Time>)> {
        let room = &self.rooms[room];
        let visible = room.legs.clone().filter(|&leg| self.kinds[leg] != Kind::Proxy);
        let ends: Option<Vec<Time>> = visible.map(|leg| self.far_side_left(leg)).collect();
        let end = ends.and_then(|ends| ends.into_iter().max());
        room.start.map(|start| (start, end)).into_iter().collect()
    }

    /// An inferred callee is connected from the originating leg's `Answered` until that leg, or the one by which its
    /// owner continues at another device, ends or leaves by a link other than a conference's.
    fn callee_presence(&self, room: SessionIdx) -> Vec<(Time, Option<Time>)> {
        let owner = self.rooms[room].originator.and_then(|leg| self.owners[leg]);
        let mut present: Vec<(Time, Option<Time>)> = Vec::new();
        for leg in self.rooms[room].legs.clone().filter(|&leg| self.owners[leg] == owner) {
            let Some(answered) = self.first_answer(leg) else { continue };
            let mut stretches: SmallVec<[(Time, Option<Time>); 2]> = SmallVec::new();
            stretches.push((answered, self.states[leg].end));
            if self.is_named_by(leg, &[LinkKind::Conference]) {
                let disconnected = self.last_change(leg, Code::Disconnected);
                stretches[0].1 = disconnected.filter(|_| self.states[leg].end.is_some());
            }
            let away = self.states[leg].spans.iter().filter(|span| span.state == LegState::Gone);
            let away = away.filter(|span| !self.is_in_a_bridge(leg, span.start));
            for gone in away {
                let cut = |&(start, end): &(Time, Option<Time>)| cut_out((start, end), gone.start, gone.end);
                stretches = stretches.iter().flat_map(cut).collect();
            }
            present.extend(stretches);
        }
        present
    }

    /// Whether a leg left at that time for a conference.
    fn is_in_a_bridge(&self, leg: LegIdx, time: Time) -> bool {
        let mut links = self.links.iter().filter(|link| link.names(leg));
        links.any(|link| link.kind == LinkKind::Conference && link.start == time)
    }

    fn is_named_by(&self, leg: LegIdx, kinds: &[LinkKind]) -> bool {
        let mut links = self.links.iter().filter(|link| kinds.contains(&link.kind) && link.names(leg));
        links.any(|link| link.end.is_none())
    }

    fn last_change(&self, leg: LegIdx, code: Code) -> Option<Time> {
        let mut changes = self.changes_of(leg).iter().rev();
        changes.find(|change| change.event.status.code == Some(code)).map(|change| change.time)
    }

    /// A party that opened a link is absent from the link's start, even if its leg was not observed.
    fn take_out_movers(&self, side: &InferredParty, present: &mut Vec<(Time, Option<Time>)>) {
        let names_side = |link: &&Link| {
            let is_side = |end: &End| end.room == side.room && end.leg.is_none();
            link.removes_both_legs()
                && link.ends().into_iter().any(is_side)
                && self.opener_of(link) == Some(side.person)
        };
        for link in self.links.iter().filter(names_side) {
            *present = present.iter().flat_map(|stretch| cut_out(*stretch, link.start, link.end)).collect();
        }
    }

    /// When a leg's end shows that its far side has left too: a leg that left by a link leaves the others behind, but
    /// a conference host's leg that ends after the link ends the session.
    fn far_side_left(&self, leg: LegIdx) -> Option<Time> {
        let change = |code| {
            self.changes_of(leg).iter().rev().find(move |change| change.event.status.code == Some(code))
        };
        let gone_at = change(Code::Gone).map(|gone| gone.event.sequence);
        let came_back =
            change(Code::Answered).is_some_and(|answered| Some(answered.event.sequence) > gone_at);
        if self.is_named_by(leg, &[LinkKind::Conference]) {
            return self.last_change(leg, Code::Disconnected);
        }
        let left = self.is_named_by(leg, &[LinkKind::AttendedTransfer, LinkKind::Transfer])
            || (gone_at.is_some() && !came_back);
        self.states[leg].end.filter(|_| !left)
    }
}

/// A stretch of time without its overlap with another.
fn cut_out(
    (start, end): (Time, Option<Time>),
    from: Time,
    to: Option<Time>,
) -> impl Iterator<Item = (Time, Option<Time>)> {
    let before = (start, Some(end.map_or(from, |end| end.min(from))));
    let after = to.map(|to| (start.max(to), end));
    [Some(before), after].into_iter().flatten().filter(|(start, end)| end.is_none_or(|end| *start < end))
}
