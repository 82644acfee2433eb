//! Conferences: several calls of one host in one bridge.
//!
//! A conference is a session of its own with legacy id 0. Each call that is brought in is published by the
//! host's own leg of that call, `Gone` with reason `Conference`, and by a proxy without an owner in the
//! bridge, `Gone` without a reason; each names the other as `peerId`. When one participant remains, the
//! host's leg of that call is `Answered` again and the bridge ends (RingCentral's conference guide;
//! ringcentral-js-widgets, `RcMock`).

use crate::{
    id::ParticipantRef,
    log::Placement,
    notification::{Code, Contact, Origin, Role},
};

use super::{LegId, Pbx, State};

/// A bridge with its host and the calls brought in.
#[derive(Debug)]
pub(crate) struct Conference {
    session: usize,
    /// The host's leg in the bridge.
    pub(crate) host: LegId,
    members: Vec<Member>,
}

#[derive(Debug, Clone, Copy)]
struct Member {
    /// The bridge's own leg for this call.
    proxy: LegId,
    /// The host's leg in the call that was brought in.
    leg: LegId,
}

impl Pbx<'_> {
    /// A host opens a bridge and brings in their own calls. Returns the host's leg in the bridge.
    pub(crate) fn confer(&mut self, calls: &[LegId]) -> Option<LegId> {
        let first = *calls.first()?;
        let (host, who) = (self.user_of(first)?, self.legs[first].who?);
        let account = self.account_of(host);
        let session = self.open_session(account, Origin::Conference, "conference");
        let from = host.outside().with_device(host.app);
        let leg = self.new_leg(session, Some(who), true, Some(from), bridge());
        self.legs[leg].role = Role::ConferenceHost;
        let account = self.world.accounts[account].id;
        self.log.record_dial(self.sessions[session].id, account, who, Placement::Bridge, self.now);
        self.log.join_calls(self.legs[first].session, session);
        self.publish(leg, Code::Setup);
        self.pass(80..300);
        self.legs[leg].state = State::Up;
        self.audio.plug(leg, who, self.sessions[session].mixer);
        self.publish(leg, Code::Answered);
        self.conferences.push(Conference { session, host: leg, members: Vec::new() });
        for &call in calls {
            self.pass(150..500);
            self.bring_in(self.conferences.len() - 1, call);
        }
        Some(leg)
    }

    /// The host brings another of their calls into the bridge.
    pub(crate) fn bring_in(&mut self, conference: usize, leg: LegId) {
        let Conference { session: bridge_session, host, .. } = self.conferences[conference];
        let from = self.legs[host].from.clone();
        let proxy = self.new_leg(bridge_session, None, false, from, bridge());
        self.legs[proxy].role = Role::ConferenceParticipant;
        self.publish(proxy, Code::Setup);
        self.pass(25..60);
        let session = self.legs[leg].session;
        if let Some(by) = self.legs[leg].who {
            let brought = match self.people_with(leg) {
                people if people.is_empty() => self.ringing_with(leg),
                people => people,
            };
            for who in brought {
                self.log.record_move(session, "Conference", self.now, by, Some(who), Vec::new());
            }
        }
        self.audio.unplug(leg);
        self.audio.connect(self.sessions[session].mixer, self.sessions[bridge_session].mixer);
        self.log.join_calls(session, bridge_session);
        self.log.extend_end(session, self.now);
        let reason = if self.chance(80) { None } else { Some("Conference") };
        self.publish_gone(proxy, reason, leg);
        self.publish_gone(leg, Some("Conference"), proxy);
        self.legs[proxy].state = State::Gone;
        self.legs[leg].state = State::Gone;
        self.conferences[conference].members.push(Member { proxy, leg });
    }

    fn ringing_with(&self, leg: LegId) -> Vec<ParticipantRef> {
        let waiting = self.waiting(self.sessions[self.legs[leg].session].mixer);
        waiting.into_iter().filter_map(|leg| self.legs[leg].who).collect()
    }

    /// The conference that a leg hosts; `None` if it hosts none.
    pub(crate) fn conference_of(&self, host: LegId) -> Option<usize> {
        self.conferences.iter().position(|conference| conference.host == host)
    }

    /// The host ends the conference for everybody.
    pub(crate) fn end_conference(&mut self, conference: usize) {
        let host = self.conferences[conference].host;
        self.release(host, None);
        for member in self.conferences[conference].members.clone() {
            self.pass(2..12);
            self.release_member_call(conference, member);
        }
    }

    /// The host drops the participants of one call that was brought in.
    pub(crate) fn drop_from_conference(&mut self, conference: usize, leg: LegId) {
        let Some(member) =
            self.conferences[conference].members.iter().copied().find(|member| member.leg == leg)
        else {
            return;
        };
        self.release_member_call(conference, member);
        self.release_empty_members();
    }

    /// Releases everybody in a call that was brought in.
    fn release_member_call(&mut self, conference: usize, member: Member) {
        let mixer = self.sessions[self.legs[member.leg].session].mixer;
        let bridge = self.sessions[self.conferences[conference].session].mixer;
        self.audio.disconnect(mixer, bridge);
        let lines = self.audio.lines(mixer);
        self.audio.connect(mixer, bridge);
        for line in lines {
            self.release(line, None);
            self.pass(2..9);
        }
        self.drop_member(conference, member);
        self.release_unused(mixer);
    }

    /// The host leaves; the others remain in the conference.
    pub(crate) fn leave_conference(&mut self, conference: usize) {
        self.hang_up(self.conferences[conference].host);
    }

    /// Releases members who hung up; a bridge with one remaining member collapses into a plain call.
    pub(super) fn release_empty_members(&mut self) {
        for index in 0..self.conferences.len() {
            let bridge_session = self.conferences[index].session;
            for member in self.conferences[index].members.clone() {
                let (mixer, bridge) =
                    (self.sessions[self.legs[member.leg].session].mixer, self.sessions[bridge_session].mixer);
                self.audio.disconnect(mixer, bridge);
                let is_empty = self.audio.lines(mixer).is_empty() && self.waiting(mixer).is_empty();
                self.audio.connect(mixer, bridge);
                if is_empty {
                    self.drop_member(index, member);
                    self.pass(2..10);
                }
            }
            let host = self.conferences[index].host;
            let hosted = self.audio.is_plugged(host);
            match self.conferences[index].members[..] {
                [] if hosted => self.release(host, None),
                [last] if hosted => self.collapse(index, last),
                _ => {}
            }
        }
    }

    fn drop_member(&mut self, conference: usize, member: Member) {
        let bridge = self.sessions[self.conferences[conference].session].mixer;
        self.audio.disconnect(self.sessions[self.legs[member.leg].session].mixer, bridge);
        self.release(member.leg, None);
        self.release(member.proxy, None);
        self.conferences[conference].members.retain(|other| other.leg != member.leg);
    }

    /// The host continues with the last participant in their own call, and the bridge ends.
    fn collapse(&mut self, conference: usize, last: Member) {
        self.pass(900..2500);
        let host = self.conferences[conference].host;
        let session = self.legs[last.leg].session;
        if let Some(who) = self.legs[last.leg].who {
            self.audio.plug(last.leg, who, self.sessions[session].mixer);
        }
        self.audio.disconnect(
            self.sessions[session].mixer,
            self.sessions[self.conferences[conference].session].mixer,
        );
        self.legs[last.leg].state = State::Up;
        self.publish(last.leg, Code::Answered);
        self.conferences[conference].members.clear();
        self.pass(3..6);
        self.release(host, None);
        self.release(last.proxy, None);
    }
}

fn bridge() -> Contact {
    Contact::number("conference".into()).named("Conference")
}
