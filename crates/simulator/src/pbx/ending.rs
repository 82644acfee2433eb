//! Hanging up, and what the PBX releases when no person remains to talk to.
//!
//! The last two `Disconnected` of a call are 3 to 14 ms apart, in either order, and have no reason
//! (dibyenduroy/csn-data). A leg that left by a link may be `Disconnected` once more
//! (PacoVu/ringcentral-voice-apis-demo).

use crate::{
    id::ParticipantRef,
    log::Outcome,
    notification::{Code, Role},
};

use super::{LegId, Pbx, State};

impl Pbx<'_> {
    /// A person hangs up.
    pub(crate) fn hang_up(&mut self, leg: LegId) {
        if !self.audio.is_plugged(leg) {
            return;
        }
        let mixer = self.sessions[self.legs[leg].session].mixer;
        // Releasing may cut cords to other mixers, so all that were reached are checked.
        let reached = self.audio.reach(mixer);
        self.release(leg, None);
        self.pass(3..14);
        for mixer in reached {
            self.release_unused(mixer);
        }
    }

    /// A leg ends.
    pub(super) fn release(&mut self, leg: LegId, reason: Option<&'static str>) {
        if self.legs[leg].state == State::Over {
            return;
        }
        let counts = self.legs[leg].role != Role::ConferenceParticipant
            && !self.legs[leg].supervises
            && (self.legs[leg].state != State::Gone || self.audio.is_plugged(leg));
        if counts {
            self.log.extend_end(self.legs[leg].session, self.now);
        }
        self.legs[leg].state = State::Over;
        self.log.end_parking(leg, self.now);
        self.audio.unplug(leg);
        self.publish_with_reason(leg, Code::Disconnected, reason);
    }

    /// A telephone stops ringing.
    pub(crate) fn stop_ringing(&mut self, leg: LegId, outcome: Outcome, reason: Option<&'static str>) {
        if self.legs[leg].state == State::Ringing {
            self.log.end_ring(leg, outcome, self.now);
        }
        self.legs[leg].missed =
            !matches!(outcome, Outcome::Failed | Outcome::Blocked) && self.user_of(leg).is_some();
        self.release(leg, reason);
    }

    /// A telephone stops ringing, or a call cannot be placed; the caller hears a tone and hangs up.
    pub(crate) fn fail(&mut self, leg: LegId, outcome: Outcome, reason: Option<&'static str>) {
        let session = self.legs[leg].session;
        self.stop_ringing(leg, outcome, reason);
        self.pass(5..1500);
        self.release_unused(self.sessions[session].mixer);
    }

    /// The caller of a session hangs up before anybody answered.
    pub(crate) fn give_up(&mut self, caller: LegId) {
        if self.chance(50) {
            self.hang_up(caller);
        } else {
            let mixer = self.sessions[self.legs[caller].session].mixer;
            self.release(caller, Some("CallerDropped"));
            self.pass(5..15);
            self.release_unused(mixer);
        }
    }

    /// Releases what a mixer does not need any more: members of a conference who left, a person who is alone,
    /// telephones that ring without a caller.
    pub(super) fn release_unused(&mut self, mixer: usize) {
        self.release_empty_members();
        let lines = self.audio.lines(mixer);
        let waiting = self.waiting(mixer);
        match lines[..] {
            [] => self.cancel(&waiting),
            [last] if waiting.is_empty() && self.legs[last].state != State::Parked => {
                self.release(last, None);
                self.pass(1..6);
                self.release_unused(mixer);
            }
            _ if self.is_one_person(&lines) && waiting.is_empty() => {
                self.release(lines[0], None);
                self.pass(1..6);
                self.release_unused(mixer);
            }
            _ => {}
        }
    }

    fn is_one_person(&self, lines: &[LegId]) -> bool {
        lines.iter().all(|&line| self.legs[line].who == self.legs[lines[0]].who)
    }

    /// The legs that ring or serve in what a mixer reaches.
    pub(super) fn waiting(&self, mixer: usize) -> Vec<LegId> {
        let reached = self.audio.reach(mixer);
        let waits = |&id: &LegId| {
            let leg = &self.legs[id];
            matches!(leg.state, State::New | State::Ringing | State::Serving | State::Silent)
                && !self.audio.is_plugged(id)
                && reached.contains(&self.sessions[leg.session].mixer)
        };
        (0..self.legs.len()).filter(waits).collect()
    }

    /// Releases legs that ring or serve without a caller.
    fn cancel(&mut self, waiting: &[LegId]) {
        for &leg in waiting {
            let rang = self.legs[leg].state == State::Ringing;
            let inside = matches!(self.legs[leg].who, Some(ParticipantRef::Extension(_)));
            let reason = (inside && self.chance(30)).then_some("CallerDropped");
            match rang {
                true => self.stop_ringing(leg, Outcome::Cancelled, reason),
                false => self.release(leg, reason),
            }
            self.pass(0..5);
        }
    }

    /// Everybody in the sessions of a leg hangs up, in random order.
    pub(crate) fn hang_up_everybody_in(&mut self, leg: LegId) {
        loop {
            let lines = self.audio.lines(self.sessions[self.legs[leg].session].mixer);
            let Some(&next) = self.rng.choice(&lines) else { return };
            self.hang_up(next);
            self.wait(0..3);
        }
    }

    /// Ends the play.
    pub(super) fn hang_up_all_lines(&mut self) {
        for leg in 0..self.legs.len() {
            if self.legs[leg].supervises && self.legs[leg].state != State::Over {
                self.stop_listening(leg);
            }
        }
        while let Some(leg) = (0..self.legs.len()).find(|&leg| self.audio.is_plugged(leg)) {
            self.hang_up(leg);
            self.pass(50..900);
        }
        let left: Vec<LegId> = (0..self.legs.len())
            .filter(|&leg| {
                matches!(self.legs[leg].state, State::New | State::Ringing | State::Serving | State::Silent)
            })
            .collect();
        self.cancel(&left);
        self.observe();
    }
}
