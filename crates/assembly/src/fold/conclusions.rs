//! What follows about parties that no notification describes, as facts: the record states the rest by itself.

use wholecall_record::{Call, call::LinkKind, explanation::Conclusion};

use super::Fold;

impl Fold<'_> {
    pub(super) fn conclusions(&self, call: &Call) -> Vec<Conclusion> {
        let mut conclusions: Vec<Conclusion> = self
            .inferred_parties
            .iter()
            .filter_map(|side| {
                let (participant, session) =
                    (call.participants[side.person].id.clone(), self.session_ref(side.room));
                let named_by = self.participant_of(call, side.from_leg);
                if !side.can_be_heard {
                    Some(Conclusion::AnswerNotShown { participant, session })
                } else if side.since.is_some() {
                    Some(Conclusion::FarSideReplaced { shown_by: named_by, session })
                } else if !side.present.is_empty() {
                    Some(Conclusion::Implied { participant, session, named_by, is_caller: side.is_caller })
                } else {
                    None
                }
            })
            .collect();
        conclusions.extend(self.host_in_unseen_bridge(call));
        conclusions
    }

    fn host_in_unseen_bridge(&self, call: &Call) -> Option<Conclusion> {
        let host = self.links.iter().find_map(|link| {
            let is_unseen =
                link.kind == LinkKind::Conference && self.rooms[self.bridge_of(link).room].legs.is_empty();
            is_unseen.then(|| self.host_of(link)).flatten()
        })?;
        Some(Conclusion::HostInUnseenBridge { host: call.participants[host].id.clone() })
    }
}
