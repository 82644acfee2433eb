//! What each person is doing now: what they hear, and what rings or serves them.

use super::{LegId, Pbx, Service, State};
use crate::{id::ParticipantRef, log::Activity, notification::Role};

impl Pbx<'_> {
    /// Records who hears whom, and what each person is doing, from now on.
    pub(super) fn observe(&mut self) {
        self.audio.observe(self.now);
        let mut current: Vec<(ParticipantRef, usize, Activity)> = Vec::new();
        for leg in 0..self.legs.len() {
            let Some((who, activity_of)) = self.legs[leg].who.zip(self.activity_of(leg)) else { continue };
            let session = self.legs[leg].session;
            match current.iter_mut().find(|(other, there, _)| (*other, *there) == (who, session)) {
                Some((.., known)) => *known = activity_of.min(*known),
                None => current.push((who, session, activity_of)),
            }
        }
        self.log.record_activities(self.now, current);
    }

    /// What the person of a leg is doing by it; `None` if it is not a person's, or has ended.
    fn activity_of(&self, leg: LegId) -> Option<Activity> {
        let super::Leg { state, supervises, role, .. } = self.legs[leg];
        if state == State::Ringing && !self.audio.is_plugged(leg) {
            return Some(Activity::Ringing);
        }
        if supervises || role == Role::ConferenceParticipant || !self.audio.is_plugged(leg) {
            return None;
        }
        let mixer = self.sessions[self.legs[leg].session].mixer;
        if self.legs[leg].who.is_some_and(|who| self.audio.is_heard(who, mixer)) {
            return Some(Activity::Talking);
        }
        let lines = self.audio.lines(mixer);
        if lines.iter().any(|&line| self.legs[line].state == State::Held) {
            return Some(Activity::OnHold);
        }
        if self.legs[leg].awaits_retrieval {
            return Some(Activity::Parked);
        }
        // A record has no word for the others in a call with a parked party.
        if lines.iter().any(|&line| self.legs[line].awaits_retrieval) {
            return Some(Activity::Unnamed);
        }
        let waiting = self.waiting(mixer).into_iter().filter_map(|waiting| self.service_of(waiting));
        Some(waiting.min().unwrap_or(Activity::Nothing))
    }

    /// What the others are doing because of a leg that is not on the line.
    fn service_of(&self, leg: LegId) -> Option<Activity> {
        match (self.legs[leg].state, self.legs[leg].service) {
            (State::Ringing, _) if self.legs[leg].visit.is_some() => Some(Activity::Queued),
            (State::Ringing, _) => Some(Activity::Ringing),
            (State::Serving, Some(Service::Menu)) => Some(Activity::Menu),
            (State::Serving, Some(Service::Queue)) => Some(Activity::Queued),
            (State::Serving, Some(Service::Mailbox)) => Some(Activity::Voicemail),
            (State::Serving, Some(Service::ParkLocation)) => Some(Activity::Parked),
            (State::Serving, Some(Service::Fax | Service::Announcement)) => Some(Activity::Unnamed),
            _ => None,
        }
    }
}
