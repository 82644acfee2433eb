//! What serves each person just now: what they hear, and what rings or waits for them.

use super::{Exchange, LegId, Serves, State};
use crate::{id::Who, log::Doing, notification::Role};

impl Exchange<'_> {
    /// Takes note of who hears whom, and of what serves whom, from now on.
    pub(super) fn settle(&mut self) {
        self.audio.settle(self.now);
        let mut current: Vec<(Who, usize, Doing)> = Vec::new();
        for leg in 0..self.legs.len() {
            let Some((who, doing)) = self.legs[leg].who.zip(self.doing(leg)) else { continue };
            let session = self.legs[leg].session;
            match current.iter_mut().find(|(other, there, _)| (*other, *there) == (who, session)) {
                Some((.., known)) => *known = doing.min(*known),
                None => current.push((who, session, doing)),
            }
        }
        self.log.does(self.now, current);
    }

    /// What the person of a leg is doing by it; none if it serves no person, or is over.
    fn doing(&self, leg: LegId) -> Option<Doing> {
        let super::Leg { state, supervises, role, .. } = self.legs[leg];
        if state == State::Ringing && !self.audio.is_plugged(leg) {
            return Some(Doing::Ringing);
        }
        if supervises || role == Role::ConferenceParticipant || !self.audio.is_plugged(leg) {
            return None;
        }
        let mixer = self.sessions[self.legs[leg].session].mixer;
        if self.legs[leg].who.is_some_and(|who| self.audio.is_heard(who, mixer)) {
            return Some(Doing::Talking);
        }
        let lines = self.audio.lines(mixer);
        if lines.iter().any(|&line| self.legs[line].state == State::Held) {
            return Some(Doing::OnHold);
        }
        if self.legs[leg].waits_parked {
            return Some(Doing::Parked);
        }
        // Whether that serves whoever is not parked is a matter of words.
        if lines.iter().any(|&line| self.legs[line].waits_parked) {
            return Some(Doing::Unnamed);
        }
        let waiting = self.waiting(mixer).into_iter().filter_map(|waiting| self.served_by(waiting));
        Some(waiting.min().unwrap_or(Doing::Nothing))
    }

    /// How a leg that is not on the line serves the others.
    fn served_by(&self, leg: LegId) -> Option<Doing> {
        match (self.legs[leg].state, self.legs[leg].serves) {
            (State::Ringing, _) if self.legs[leg].visit.is_some() => Some(Doing::Queued),
            (State::Ringing, _) => Some(Doing::Ringing),
            (State::Serving, Some(Serves::Menu)) => Some(Doing::Menu),
            (State::Serving, Some(Serves::Queue)) => Some(Doing::Queued),
            (State::Serving, Some(Serves::Mailbox)) => Some(Doing::Voicemail),
            (State::Serving, Some(Serves::ParkLocation)) => Some(Doing::Parked),
            (State::Serving, Some(Serves::Fax | Serves::Announcement)) => Some(Doing::Unnamed),
            _ => None,
        }
    }
}
