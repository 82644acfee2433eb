//! Visits to queues: how long the caller waited, how often an agent was rung, how it came out.

use wholecall_notification::{Code, Reason};
use wholecall_record::{
    Time,
    call::{Kind, LegState, QueueOutcome},
};

use super::Fold;

/// One visit to a queue, with participants by index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Visit {
    pub(crate) queue: usize,
    pub(crate) enter: Time,
    pub(crate) leave: Option<Time>,
    pub(crate) outcome: Option<QueueOutcome>,
    pub(crate) offers: u32,
    pub(crate) answered_by: Option<usize>,
}

impl Fold<'_> {
    /// All visits, in order of entering.
    pub(super) fn find_visits(&self) -> Vec<Visit> {
        let mut visits = Vec::new();
        for room in 0..self.rooms.len() {
            self.find_visits_in(room, &mut visits);
        }
        visits.sort_by_key(|visit| (visit.enter, visit.queue));
        visits
    }

    fn find_visits_in(&self, room: usize, visits: &mut Vec<Visit>) {
        let legs = self.rooms[room].legs.clone();
        // A queue's own leg begins a visit; the offers up to its next one belong to it. Where the queue's
        // leg was not delivered, its first offer begins the visit.
        let mut open: Vec<(usize, Option<usize>, Vec<usize>)> = Vec::new();
        for leg in legs {
            if self.legs[leg].kind == Kind::Queue
                && let Some(queue) = self.legs[leg].person
            {
                open.push((queue, Some(leg), Vec::new()));
            } else if let Some(queue) = self.offering_queue(leg) {
                match open.iter_mut().rev().find(|(known, ..)| *known == queue) {
                    Some((.., offers)) => offers.push(leg),
                    None => open.push((queue, None, vec![leg])),
                }
            }
        }
        visits.extend(open.iter().map(|(queue, own, offers)| self.visit(*queue, *own, offers)));
    }

    fn visit(&self, queue: usize, own: Option<usize>, offers: &[usize]) -> Visit {
        let first = own.or_else(|| offers.first().copied()).map(|leg| self.legs[leg].start);
        let answer = offers.iter().filter_map(|&offer| Some((self.first_answer(offer)?, offer))).min();
        let left = own.and_then(|leg| self.left_queue(leg)).or_else(|| {
            // Without a leg of its own the visit lasts as long as its offers.
            let ends: Option<Vec<Time>> = offers.iter().map(|&offer| self.legs[offer].end).collect();
            ends.filter(|_| own.is_none())?.into_iter().max()
        });
        let outcome = match (answer, left) {
            (Some(_), _) => Some(QueueOutcome::Answered),
            (None, None) => None,
            (None, Some(_)) => self.unanswered_visit(own, offers),
        };
        Visit {
            queue,
            enter: first.unwrap_or(self.last_event),
            leave: answer.map(|(time, _)| time).or(left),
            outcome,
            offers: offers.len() as u32,
            answered_by: answer.and_then(|(_, offer)| self.legs[offer].person),
        }
    }

    /// How a visit came out that no agent is seen to have answered; none where only offers were seen, and
    /// none of them tells.
    fn unanswered_visit(&self, own: Option<usize>, offers: &[usize]) -> Option<QueueOutcome> {
        let ended = |reason| {
            let mut legs = own.into_iter().chain(offers.iter().copied());
            legs.any(|leg| self.end_reason(&self.legs[leg]) == Some(reason))
        };
        if ended(Reason::AgentAnswered) {
            return Some(QueueOutcome::Answered);
        }
        if self.went_on(own, offers) {
            return Some(QueueOutcome::Overflowed);
        }
        let seen = own.or(offers.first().and_then(|&offer| self.rooms[self.legs[offer].room].originator));
        (seen.is_some() || ended(Reason::CallerDropped)).then_some(QueueOutcome::Abandoned)
    }

    /// When a queue's own leg gave the call up: to voicemail, or altogether.
    fn left_queue(&self, leg: usize) -> Option<Time> {
        let leg = &self.legs[leg];
        let voicemail = leg.spans.iter().find(|span| span.state == LegState::Voicemail);
        voicemail.map(|span| span.start).or(leg.end)
    }

    /// Whether an unanswered call went on elsewhere after it left the queue.
    fn went_on(&self, own: Option<usize>, offers: &[usize]) -> bool {
        let Some(last) = own.or_else(|| offers.last().copied()) else { return false };
        let leg = &self.legs[last];
        if leg.codes.has(Code::Voicemail) || leg.codes.has(Code::VoicemailScreening) {
            return true;
        }
        let Some(at) = leg.ended_by else { return false };
        let said = &self.changes[at].event.said;
        let sequence = self.changes[at].event.sequence;
        let begun_later = self.rooms[leg.room].legs.clone().any(|other| {
            other != last && self.legs[other].first_sequence >= sequence && !self.legs[other].supervises
        });
        said.reason != Some(Reason::CallerDropped) && begun_later
    }
}
