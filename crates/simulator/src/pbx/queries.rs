//! Queries on the current calls, for scripts that decide what happens next.

use super::{LegId, Pbx, State};
use crate::notification::Role;

impl Pbx<'_> {
    /// The lines of users who are on the line or hold.
    pub(crate) fn user_lines(&self) -> Vec<LegId> {
        let active = |&leg: &LegId| {
            matches!(self.legs[leg].state, State::Up | State::Held) && self.audio.is_plugged(leg)
        };
        (0..self.legs.len()).filter(active).filter(|&leg| self.user_of(leg).is_some()).collect()
    }

    /// Whether the person of a leg holds.
    pub(crate) fn is_held(&self, leg: LegId) -> bool {
        self.legs[leg].state == State::Held
    }

    /// Whether a parked leg waits at a location, without a slot's number.
    pub(crate) fn is_at_location(&self, parked: LegId) -> bool {
        self.legs[parked].state == State::Parked && self.legs[parked].parked_at.is_none()
    }

    /// Whether something rings, serves or is parked in what the leg's mixer reaches.
    pub(crate) fn is_waiting(&self, leg: LegId) -> bool {
        let mixer = self.sessions[self.legs[leg].session].mixer;
        let parked = |line: LegId| self.legs[line].state == State::Parked;
        !self.waiting(mixer).is_empty() || self.audio.lines(mixer).into_iter().any(parked)
    }

    /// The active calls of a leg's user with other people, oldest first, without a conference that they host.
    pub(crate) fn calls_of(&self, leg: LegId) -> Vec<LegId> {
        let own = |&other: &LegId| {
            self.legs[other].who == self.legs[leg].who
                && self.legs[other].role != Role::ConferenceHost
                && !self.others(other).is_empty()
        };
        self.user_lines().into_iter().filter(own).collect()
    }

    /// The legs of supervisors who listen in.
    pub(crate) fn supervisors(&self) -> Vec<LegId> {
        let listens = |&leg: &LegId| self.legs[leg].supervises && self.legs[leg].state == State::Gone;
        (0..self.legs.len()).filter(listens).collect()
    }

    /// Whether it is unambiguous with whom a leg's user talks: with one person, or with those in the session.
    pub(crate) fn has_one_other(&self, leg: LegId) -> bool {
        self.people_with(leg).len() == 1 || self.others_in_session(leg).len() == 1
    }

    /// Whether a leg belongs to the only called user who is still in the session.
    pub(crate) fn is_only_called_user(&self, leg: LegId) -> bool {
        let session = self.legs[leg].session;
        let mut called = (0..self.legs.len()).filter(|&other| {
            self.legs[other].session == session
                && !self.legs[other].outbound
                && self.legs[other].state != State::Over
                && self.user_of(other).is_some()
        });
        called.next() == Some(leg) && called.next().is_none()
    }

    /// Whether a supervisor has listened in during this play.
    pub(crate) fn was_supervised(&self) -> bool {
        self.legs.iter().any(|leg| leg.listens_to.is_some())
    }

    /// Whether a leg belongs to a supervisor who dialled in and has taken over since. What RingCentral posts
    /// when such a leg is moved is not known.
    pub(crate) fn dialled_to_listen(&self, leg: LegId) -> bool {
        let agent = self.legs[leg].listens_to;
        agent.is_some_and(|agent| self.legs[agent].session != self.legs[leg].session)
    }
}
