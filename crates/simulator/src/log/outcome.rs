//! Derives the result of a call from what the caller reached last.

use super::{DialAttempt, Log, Outcome, Ring, RoutingEnd, truths::direction};
use crate::time::Timestamp;

/// What a caller reached.
enum Stop {
    Mailbox,
    Fax,
    Unreachable,
    /// Telephones that rang directly.
    Rung,
    /// A queue in which a member was rung.
    Queue(usize),
}

impl Log {
    pub(super) fn result(
        &self,
        own: &impl Fn(usize) -> bool,
        root: &DialAttempt,
        talked: bool,
        is_shown: bool,
    ) -> &'static str {
        let in_call = |sessions: &[usize]| sessions.iter().any(|session| own(*session));
        if talked || in_call(&self.self_answers) {
            return "Answered";
        }
        if !is_shown {
            return "Unknown";
        }
        let rung = || self.rings.iter().filter(|ring| own(ring.session) && !ring.is_initiator);
        if in_call(&self.services) && rung().next().is_none() {
            return "Service";
        }
        if direction(root) == "Outbound" {
            return self.failure(own);
        }
        match self.last_stop(own) {
            None => "Abandoned",
            Some(Stop::Mailbox) => "Voicemail",
            Some(Stop::Fax) => "Fax",
            Some(Stop::Unreachable) => "Missed",
            Some(Stop::Queue(visit)) if self.visits[visit].outcome() == "Abandoned" => "Abandoned",
            Some(Stop::Queue(_)) => "Missed",
            Some(Stop::Rung) => self.refusal(own),
        }
    }

    /// Why an outbound call failed.
    fn failure(&self, own: &impl Fn(usize) -> bool) -> &'static str {
        let rung = self.rings.iter().filter(|ring| own(ring.session) && ring.outcome.is_some());
        match rung.max_by_key(|ring| ring.until).and_then(|ring| ring.outcome) {
            Some(Outcome::Busy) => "Busy",
            Some(Outcome::NoAnswer) => "NoAnswer",
            Some(Outcome::Rejected) => "Rejected",
            Some(Outcome::Failed) => "Failed",
            Some(Outcome::Blocked) => "Blocked",
            _ => "Cancelled",
        }
    }

    fn last_stop(&self, own: &impl Fn(usize) -> bool) -> Option<Stop> {
        let stop = |end: &RoutingEnd| match end {
            RoutingEnd::Mailbox => Stop::Mailbox,
            RoutingEnd::Fax => Stop::Fax,
            RoutingEnd::Unreachable => Stop::Unreachable,
        };
        let ends = self.routing_ends.iter().filter(|(session, ..)| own(*session));
        let ends = ends.map(|(_, end, since)| (*since, stop(end)));
        let rung = self.rung_directly(own).map(|ring| (ring.since, Stop::Rung));
        let has_offers = |visit: usize| self.rings.iter().any(|ring| ring.visit == Some(visit));
        let visits = self.visits.iter().enumerate().filter(|(_, visit)| own(visit.session));
        let visits =
            visits.filter(|(at, _)| has_offers(*at)).map(|(at, visit)| (visit.since, Stop::Queue(at)));
        ends.chain(rung).chain(visits).max_by_key(|(since, _)| *since).map(|(_, stop)| stop)
    }

    fn rung_directly(&self, own: &impl Fn(usize) -> bool) -> impl Iterator<Item = &Ring> {
        self.rings.iter().filter(move |ring| own(ring.session) && !ring.is_initiator && ring.visit.is_none())
    }

    /// The result if the telephones that rang last, at the same time, were not answered.
    fn refusal(&self, own: &impl Fn(usize) -> bool) -> &'static str {
        let mut rung: Vec<&Ring> = self.rung_directly(own).collect();
        rung.sort_by_key(|ring| std::cmp::Reverse(ring.since));
        let mut since = Timestamp::MAX;
        let mut last = rung.into_iter().take_while(|ring| {
            let overlaps = since == Timestamp::MAX || ring.until > since;
            since = since.min(ring.since);
            overlaps
        });
        let is_mobile = |ring: &Ring| self.mobiles.iter().any(|(_, number, _)| *number == ring.who);
        let outcomes: Vec<Option<Outcome>> =
            last.by_ref().filter(|ring| !is_mobile(ring)).map(|ring| ring.outcome).collect();
        let all = |outcome| !outcomes.is_empty() && outcomes.iter().all(|one| *one == Some(outcome));
        match () {
            () if all(Outcome::Rejected) => "Rejected",
            () if all(Outcome::Busy) => "Busy",
            () => "Missed",
        }
    }
}
