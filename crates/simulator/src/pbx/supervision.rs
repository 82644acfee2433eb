//! Supervisors who listen in on a call, and may take it over.
//!
//! With the app, a supervisor is another party of the supervised session with reason `Supervising`
//! (RingCentral's supervision guide). A supervisor who dials `*80` has a session of their own whose leg is
//! `Gone` with reason `Supervising` (community.ringcentral.com question 118078). Neither distinguishes
//! talking from listening. That the agent's leg ends with `TakeOver` is inferred from the list of reasons.

use crate::{account::User, id::ParticipantRef, notification::Code};

use super::{LegId, Pbx, State};

impl Pbx<'_> {
    /// A supervisor listens in with the app. Returns their leg.
    pub(crate) fn supervise(&mut self, user: User, agent: LegId) -> LegId {
        let session = self.legs[agent].session;
        let who = ParticipantRef::Extension(user.extension);
        let to = if self.legs[agent].outbound { self.legs[agent].from.clone() } else { None };
        let to = to.unwrap_or_else(|| self.legs[agent].to.clone());
        let leg = self.new_leg(session, Some(who), true, Some(user.outside()), to);
        self.legs[leg].supervises = true;
        self.legs[leg].listens_to = Some(agent);
        self.log.add_monitor(session, who);
        self.publish_with_reason(leg, Code::Setup, "Supervising");
        self.pass(80..250);
        self.legs[leg].state = State::Gone;
        self.publish_with_reason(leg, Code::Answered, "Supervising");
        leg
    }

    /// A supervisor dials `*80` to listen in. Returns their leg.
    pub(crate) fn dial_supervise(&mut self, user: User, agent: LegId) -> LegId {
        let leg = self.dial(user, "*80");
        self.audio.withdraw(leg);
        let own = self.legs[leg].session;
        self.log.mark_listening(own);
        self.legs[leg].supervises = true;
        self.legs[leg].listens_to = Some(agent);
        self.legs[leg].state = State::Gone;
        self.pass(50..150);
        self.publish(leg, Code::Answered);
        self.pass(50..150);
        let session = self.legs[agent].session;
        self.log.join_calls(session, own);
        self.log.add_monitor(session, ParticipantRef::Extension(user.extension));
        self.publish_gone(leg, Some("Supervising"), agent);
        leg
    }

    /// A supervisor speaks for a while: everybody hears them, and nothing is published.
    pub(crate) fn barge(&mut self, supervisor: LegId, agent: LegId) {
        let start = self.now;
        let mut people = self.people_with(agent);
        people.extend(self.legs[agent].who);
        people.extend(self.legs[supervisor].who);
        self.wait(5..40);
        self.log.record_barge(self.legs[agent].session, start, self.now, people);
    }

    /// The agent whom a supervisor listens to, while the agent is on the line.
    pub(crate) fn supervised_agent(&self, supervisor: LegId) -> Option<LegId> {
        self.legs[supervisor].listens_to.filter(|&agent| self.audio.is_plugged(agent))
    }

    /// A supervisor hangs up.
    pub(crate) fn stop_listening(&mut self, leg: LegId) {
        self.release(leg, None);
    }

    /// A supervisor takes the call over from the agent.
    pub(crate) fn take_over(&mut self, supervisor: LegId, agent: LegId) {
        let session = self.legs[agent].session;
        let own = self.legs[supervisor].session;
        let Some(who) = self.legs[supervisor].who else { return };
        self.log.record_move(session, "TakeOver", self.now, who, Some(who), Vec::new());
        self.legs[supervisor].supervises = false;
        if own != session {
            self.audio.connect(self.sessions[own].mixer, self.sessions[session].mixer);
        }
        self.audio.plug(supervisor, who, self.sessions[own].mixer);
        self.release(agent, Some("TakeOver"));
        self.legs[supervisor].state = State::Up;
        if own == session {
            self.pass(5..20);
            self.publish_with_reason(supervisor, Code::Answered, "TakeOver");
        }
    }
}
