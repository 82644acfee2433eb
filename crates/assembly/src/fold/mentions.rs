//! Which participants the legs of a call name.

use wholecall_notification::Reason;
use wholecall_record::{ParticipantId, call::Kind};

use super::{
    ids::LegIdx,
    inferred_parties::{FarSide, NamedFarSide},
    kinds::ClassifiedCall,
    legs::Leg,
    sides::{extension_id, own_side},
};
use crate::{description::Side, session::Session};

/// What one leg, or one far side of a session, says of a participant.
pub(super) struct Mention<'a> {
    pub(super) id: ParticipantId,
    pub(super) kind: Kind,
    pub(super) side: Option<Side<'a>>,
    pub(super) by: Mentioned,
}

pub(super) enum Mentioned {
    Leg(LegIdx),
    /// Other legs are addressed to it, or it listened from another call: it has no leg of its own here.
    Name,
    FarSide(FarSide),
}

impl<'a> ClassifiedCall<'a> {
    /// All mentions, in order of the participants' ids.
    pub(super) fn mentions(&self) -> Vec<Mention<'a>> {
        let mut mentions: Vec<Mention<'a>> = Vec::with_capacity(self.legs.len() + 1);
        for (index, leg) in self.legs.iter_enumerated().filter(|(leg, _)| self.kinds[*leg] != Kind::Proxy) {
            let (id, side) = (self.owner_id(leg), own_side(leg));
            mentions.push(Mention { id, kind: self.kinds[index], side, by: Mentioned::Leg(index) });
        }
        mentions.extend(self.far_sides().into_iter().map(|NamedFarSide { id, kind, side, far_side }| {
            Mention { id, kind, side, by: Mentioned::FarSide(far_side) }
        }));
        self.mention_unseen_queues(&mut mentions);
        self.mention_addressed(&mut mentions);
        self.mention_listeners(&mut mentions);
        // Equal ids stay in order of their legs.
        mentions.sort_by(|a, b| a.id.cmp(&b.id));
        mentions
    }

    /// Adds queues whose own leg was not observed: they are known by what they offered, and are never connected.
    fn mention_unseen_queues(&self, mentions: &mut Vec<Mention<'a>>) {
        let offers = self.legs.iter_enumerated().filter_map(|(leg, _)| Some((leg, self.offered_by(leg)?)));
        for (offer, queue) in offers {
            if self.has_leg(queue) {
                continue;
            }
            let (id, side) = (extension_id(queue), Some(self.legs[offer].description.to));
            mentions.push(Mention { id, kind: Kind::Queue, side, by: Mentioned::Name });
        }
    }

    /// Adds the addressed participant, even if only other participants' legs are addressed to it.
    fn mention_addressed(&self, mentions: &mut Vec<Mention<'a>>) {
        let Some(id) = self.addressed_id() else { return };
        if mentions.iter().any(|mention| mention.id == id) {
            return;
        }
        let addressed = |leg: &&Leg<'a>| {
            leg.description.to.extension.is_some() && leg.description.to.extension == id.extension_id()
        };
        let by_leg = self.legs.iter().find(addressed).map(|leg| leg.description.to);
        let side = by_leg.or_else(|| id.extension_id().is_none().then(|| self.side_dialled()));
        let kind = match id.extension_id() {
            None => Kind::External,
            Some(extension) => match self.listed_kind(extension) {
                Some(kind) => kind.record_kind(),
                None if self.several_are_addressed_as(extension) => Kind::Group,
                None => Kind::User,
            },
        };
        mentions.push(Mention { id, kind, side, by: Mentioned::Name });
    }

    /// Whether legs of several other owners are addressed to an extension.
    fn several_are_addressed_as(&self, extension: &str) -> bool {
        let mut owners = self.legs.iter().filter_map(|leg| {
            let owner = self.own_extension(leg).filter(|owner| *owner != extension)?;
            (leg.is_inbound() && leg.description.to.extension == Some(extension)).then_some(owner)
        });
        let first = owners.next();
        owners.any(|owner| Some(owner) != first)
    }

    /// Adds supervisors who listened to this call from another call's session: they have no leg here.
    fn mention_listeners(&self, mentions: &mut Vec<Mention<'a>>) {
        for session in &self.input.listeners {
            let listeners = supervisors_of(session);
            let mention = |id| Mention { id, kind: Kind::Supervisor, side: None, by: Mentioned::Name };
            mentions.extend(listeners.map(mention));
        }
    }

    fn has_leg(&self, extension: &str) -> bool {
        self.legs.iter().any(|leg| self.own_extension(leg) == Some(extension))
    }
}

/// The supervisors who listened from a session of another call.
pub(super) fn supervisors_of(session: &Session) -> impl Iterator<Item = ParticipantId> {
    let supervising = session
        .events()
        .filter(|event| event.status.reason == Some(Reason::Supervising) && event.status.peer().is_some());
    supervising.filter_map(|event| session.legs.extension(event.leg).map(extension_id))
}
