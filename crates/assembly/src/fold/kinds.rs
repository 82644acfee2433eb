//! What kind of participant each leg belongs to, as far as the leg itself and the directory show it.

use std::ops::Deref;

use wholecall_notification::Code;
use wholecall_record::phone::is_star_code;
use wholecall_record::{ParticipantId, call::Kind};

use super::{
    ids::{LegIdx, SessionIdx},
    legs::{Leg, ObservedCall},
    links::{End, Link, LinkedCall},
    sides::{CallerShown, extension_id},
};
use crate::{
    description::Side,
    directory::{DirectoryEntry, ExtensionKind},
    index::IdxVec,
    numbers::is_extension_number,
};

/// A call with the kind of each leg, named after its root.
pub(crate) struct ClassifiedCall<'a> {
    call: LinkedCall<'a>,
    pub(super) root: SessionIdx,
    pub(super) kinds: IdxVec<LegIdx, Kind>,
    /// Extensions that offer the call to others.
    queues: Vec<&'a str>,
}

impl<'a> Deref for ClassifiedCall<'a> {
    type Target = LinkedCall<'a>;

    fn deref(&self) -> &LinkedCall<'a> {
        &self.call
    }
}

impl<'a> ObservedCall<'a> {
    /// Extensions that another leg of the call names as the queue that offers it.
    fn queue_extensions(&self) -> Vec<&'a str> {
        let offers = self.legs.iter().map(|leg| &leg.description).filter(|offer| offer.queue_call);
        let mut queues: Vec<&str> = offers
            .filter(|offer| offer.to.extension != offer.extension)
            .filter_map(|offer| offer.to.extension)
            .collect();
        queues.sort_unstable();
        queues.dedup();
        queues
    }

    fn listed(&self, extension: &str) -> Option<&'a DirectoryEntry> {
        self.input.directory?.get(extension)
    }

    /// The kind of an extension in the directory.
    pub(super) fn listed_kind(&self, extension: &str) -> Option<ExtensionKind> {
        self.listed(extension)?.kind
    }

    fn kind_of(&self, leg: &Leg<'_>, queues: &[&str]) -> Kind {
        if leg.supervises {
            return Kind::Supervisor;
        }
        let Some(extension) = self.own_extension(leg) else {
            return if self.rooms[leg.room].is_conference { Kind::Proxy } else { Kind::External };
        };
        if queues.contains(&extension) {
            return Kind::Queue;
        }
        let listed = self.listed(extension).map(|entry| entry.kind);
        match listed.flatten() {
            None | Some(ExtensionKind::Other) => {}
            // A shared line that is answered is a phone.
            Some(ExtensionKind::Group) if leg.codes.has(Code::Answered) => return Kind::User,
            Some(kind) => return kind.record_kind(),
        }
        // Only a user misses calls.
        let passed_through = leg.is_inbound()
            && leg.codes.only(&[Code::Setup, Code::Disconnected, Code::Other])
            && !leg.missed;
        match passed_through {
            // An extension that is known not to be a person and passes the call on acts as a menu.
            true if listed == Some(Some(ExtensionKind::Other)) => Kind::Menu,
            true => Kind::Router,
            false => Kind::User,
        }
    }
}

impl<'a> ClassifiedCall<'a> {
    pub(super) fn new(call: LinkedCall<'a>, root: SessionIdx) -> Self {
        let queues = call.queue_extensions();
        let kinds = call.legs.iter().map(|leg| call.kind_of(leg, &queues)).collect();
        Self { call, root, kinds, queues }
    }

    /// Whether an extension is a queue: the directory says so, or it offers the call to others.
    pub(super) fn is_queue(&self, extension: &str) -> bool {
        self.queues.contains(&extension) || self.listed_kind(extension) == Some(ExtensionKind::Queue)
    }

    /// Whether an extension is known not to be a person.
    pub(super) fn is_machine(&self, extension: &str) -> bool {
        self.is_queue(extension) || self.listed_kind(extension).is_some_and(|kind| !kind.is_person())
    }

    /// The extension of the queue that a leg is addressed to, if the leg is not the queue's own.
    pub(super) fn offered_by(&self, leg: LegIdx) -> Option<&'a str> {
        let leg = &self.legs[leg];
        let addressed = leg.description.to.extension.filter(|_| leg.is_inbound())?;
        (self.is_queue(addressed) && self.own_extension(leg) != Some(addressed)).then_some(addressed)
    }

    /// Whether the root's originating leg was observed.
    pub(super) fn is_seen_by_the_account(&self) -> bool {
        let shown = self.caller_shown(self.root);
        matches!(shown, CallerShown::Leg(leg) if self.rooms[self.root].session.is_ring_out()
            || self.rooms[self.root].originator == Some(leg)
            || self.rooms[self.root].is_conference)
    }

    /// Whether the call was observed from its start: the originating leg, or what follows the caller's first
    /// notification.
    pub(super) fn is_seen_from_its_start(&self) -> bool {
        /// Maximum first sequence number of a callee: 1 is never delivered, 2 is the caller's.
        const FIRST_OF_A_CALLEE: u32 = 3;
        let first = self.rooms[self.root].session.events().next();
        self.is_seen_by_the_account() || first.is_some_and(|event| event.sequence <= FIRST_OF_A_CALLEE)
    }

    /// `from` or `to` of the leg that shows what was dialled.
    pub(super) fn side_dialled(&self) -> Side<'a> {
        let shown = self.caller_shown(self.root);
        match self.first_callee(self.root, shown) {
            Some(callee) => self.legs[callee].description.to,
            None => self.dialled_side(self.root, shown),
        }
    }

    /// The participant that the call was addressed to: the one in `to` of the first Inbound leg, even if it is not
    /// the leg's owner; else the owner. `None` if the notifications do not show it.
    pub(super) fn addressed_id(&self) -> Option<ParticipantId> {
        let shown = self.caller_shown(self.root);
        let number = self.number_dialled(self.root, shown);
        if number.is_some_and(is_star_code) {
            return None;
        }
        let Some(callee) = self.first_callee(self.root, shown) else {
            return self.named_by_dialled_side(shown);
        };
        let leg = &self.legs[callee];
        if !self.is_seen_from_its_start() && self.offered_by(callee).is_none() {
            return None;
        }
        let addressed = leg.description.to.extension;
        if let Some(addressed) = addressed.filter(|addressed| leg.description.extension != Some(*addressed)) {
            return Some(extension_id(addressed));
        }
        let caller_is_outside = match shown {
            CallerShown::Leg(leg) => self.own_extension(&self.legs[leg]).is_none(),
            CallerShown::From(leg) => self.legs[leg].description.from.extension.is_none(),
            CallerShown::Nothing => false,
        };
        match self.own_extension(leg) {
            None if caller_is_outside => self.input.directory?.extension_by_number(number?).map(extension_id),
            _ => Some(self.owner_id(leg)),
        }
    }

    /// Without an Inbound leg: the participant in `to` of the originating leg. An extension only if its id is known.
    fn named_by_dialled_side(&self, shown: CallerShown) -> Option<ParticipantId> {
        let side = self.dialled_side(self.root, shown);
        if matches!(shown, CallerShown::From(_) | CallerShown::Nothing) || side.is_bridge() {
            return None;
        }
        let number = side.identifying_number();
        // If a public number leads to an extension, the platform adds the extension's id; without it the call went
        // outside.
        let short = number.filter(|number| is_extension_number(number, self.input.directory));
        let by_directory = || self.input.directory?.by_extension_number(short?);
        if let Some(extension) = side.extension.or_else(by_directory) {
            return Some(extension_id(extension));
        }
        number.filter(|number| !is_extension_number(number, self.input.directory))?;
        let leg = &self.legs[self.rooms[self.root].legs.start()];
        Some(self.side_id(side, &self.rooms[self.root].session.id, leg))
    }

    /// The end of a conference link that is a seat in the bridge; of two calls merged without a bridge, the far one.
    pub(super) fn bridge_of<'l>(&self, link: &'l Link) -> &'l End {
        self.bridge(link).unwrap_or(&link.b)
    }

    /// Whether a conference link leads to a bridge, observed or not, and does not merge two calls directly.
    pub(super) fn has_bridge(&self, link: &Link) -> bool {
        self.bridge(link).is_some()
    }

    fn bridge<'l>(&self, link: &'l Link) -> Option<&'l End> {
        let is_seat = |end: &End| match end.leg {
            Some(leg) => self.kinds[leg] == Kind::Proxy,
            None => self.rooms[end.room].start.is_none(),
        };
        let is_bridge = |end: &End| self.rooms[end.room].is_conference;
        let ends = [&link.b, &link.a];
        let seat = ends.into_iter().find(|end| is_bridge(end) && is_seat(end));
        let bridge = || ends.into_iter().find(|end| is_bridge(end));
        let unseen = || ends.into_iter().find(|end| is_seat(end));
        seat.or_else(bridge).or_else(unseen)
    }

    /// The end of a conference link that is a room being joined to the bridge.
    pub(super) fn joined_end_of<'l>(&self, link: &'l Link) -> &'l End {
        if std::ptr::eq(self.bridge_of(link), &link.a) { &link.b } else { &link.a }
    }
}
