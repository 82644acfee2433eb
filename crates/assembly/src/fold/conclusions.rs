//! What follows about parties that no notification describes, as facts: the record states the rest by itself.

use wholecall_record::{Call, call::LinkKind, explanation::Conclusion};

use super::{inferred_presence::InferredPresence, pipeline::Fold};
use crate::index::Idx;

impl Fold<'_> {
    pub(super) fn conclusions(&self, call: &Call) -> Vec<Conclusion> {
        let parties = self.inferred_presences.iter();
        let mut conclusions: Vec<Conclusion> =
            parties.filter_map(|presence| self.conclusion_of(call, presence)).collect();
        conclusions.extend(self.host_in_unseen_bridge(call));
        conclusions
    }

    fn conclusion_of(&self, call: &Call, presence: &InferredPresence) -> Option<Conclusion> {
        let InferredPresence { party, present } = presence;
        let participant = call.participants[party.person.get()].id.clone();
        let (session, named_by) = (self.session_ref(party.room), self.participant_of(call, party.from_leg));
        if !party.can_be_heard {
            Some(Conclusion::AnswerNotShown { participant, session })
        } else if party.since.is_some() {
            Some(Conclusion::FarSideReplaced { shown_by: named_by, session })
        } else if !present.is_empty() {
            Some(Conclusion::Implied { participant, session, named_by, is_caller: party.is_caller })
        } else {
            None
        }
    }

    fn host_in_unseen_bridge(&self, call: &Call) -> Option<Conclusion> {
        let host = self.links.iter().find_map(|link| {
            let is_unseen =
                link.kind == LinkKind::Conference && self.rooms[self.bridge_of(link).room].legs.is_empty();
            is_unseen.then(|| self.host_of(link)).flatten()
        })?;
        Some(Conclusion::HostInUnseenBridge { host: call.participants[host.get()].id.clone() })
    }
}
