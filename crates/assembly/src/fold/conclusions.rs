//! What follows from a call's notifications together, and by which rule. Each conclusion restates a field of the
//! record.

use compact_str::CompactString;
use wholecall_record::{
    Call,
    call::{Direction, Kind, LinkKind, Outcome, State, View},
    story::Conclusion,
    words,
};

use super::{inferred_presence::InferredPresence, pipeline::Fold};
use crate::{index::Idx, numbers::is_star_code};

impl Fold<'_> {
    pub(super) fn conclusions(&self, call: &Call) -> Vec<Conclusion> {
        let mut conclusions = vec![
            conclusion(
                direction(call),
                "the direction follows from who called and what was dialled, not from the legs' own directions",
            ),
            conclusion(format!("the result is {}", call.result.as_str()), rule_of_result(call)),
        ];
        self.conclude_of_unseen_sides(call, &mut conclusions);
        for participant in &call.participants {
            let name = words::name_of(participant);
            if let Some(user) = &participant.on_behalf_of {
                let user = call.name(Some(user));
                conclusions.push(conclusion(
                    format!("{name} rings on behalf of {user}"),
                    match participant.inferred {
                        true => "an outside telephone that begins to ring while one user's leg is being handled is that user's",
                        false => "the directory lists the number as one of the user's",
                    },
                ));
            }
            if participant.kind == Kind::Router {
                conclusions.push(conclusion(
                    format!("{name} is a menu or a rule; the notifications do not say which"),
                    "an inbound extension leg that only ever had Setup and Disconnected",
                ));
            }
        }
        conclusions.extend(self.conclusion_of_unseen_bridge(call));
        conclusions.extend(call.related.iter().map(|related| {
            conclusion(
                format!("{} may be connected: {}", related.id, related.why),
                "calls are joined only by an id; what merely looks connected stays a call of its own",
            )
        }));
        conclusions
    }

    fn conclude_of_unseen_sides(&self, call: &Call, conclusions: &mut Vec<Conclusion>) {
        for InferredPresence { party: side, present } in &self.inferred_presences {
            let name = words::name_of(&call.participants[side.person.get()]);
            let from = self.who(call, side.from_leg);
            let session = self.session_name(call, side.room);
            let field = if side.is_caller { "from" } else { "to" };
            if !side.can_be_heard {
                conclusions.push(conclusion(
                    format!("{name} was called in {session}; whether they answered is not shown"),
                    "toward an extension the caller's Answered only means that the platform took the call",
                ));
            } else if side.since.is_some() {
                conclusions.push(conclusion(
                    format!("another person takes the place of whom {from} talked with in {session}"),
                    "Answered with reason AttendedTransfer, with no link of the session, says that the far side changed",
                ));
            } else if !present.is_empty() {
                conclusions.push(conclusion(
                    format!(
                        "{name} is on the line of {session}, although no notification is about them: `{field}` of {from} names them"
                    ),
                    "where only one side of a session is visible, the other is implied",
                ));
            }
        }
    }

    fn conclusion_of_unseen_bridge(&self, call: &Call) -> Option<Conclusion> {
        let host = self.links.iter().find_map(|link| {
            let is_unseen =
                link.kind == LinkKind::Conference && self.rooms[self.bridge_of(link).room].legs.is_empty();
            is_unseen.then(|| self.host_of(link)).flatten()
        })?;
        Some(conclusion(
            format!(
                "{} is in the conference, whose bridge was not seen",
                words::name_of(&call.participants[host.get()])
            ),
            "a host whose leg in the bridge was not seen is present until every other leg has ended",
        ))
    }
}

fn conclusion(text: String, rule: &'static str) -> Conclusion {
    Conclusion { text: CompactString::from(text), rule: CompactString::const_new(rule) }
}

fn direction(call: &Call) -> String {
    let (caller, called) = (&call.from.display_name, &call.to.display_name);
    let dialled = call.to.phone_number.as_deref();
    match call.direction {
        Direction::Inbound => format!("the call is inbound: {caller} is no extension of the account"),
        Direction::Outbound if call.from.participant.is_none() => {
            format!("the call is outbound: the platform placed it for the account, to {called}")
        }
        Direction::Outbound => {
            format!("the call is outbound: {caller} belongs to the account, {called} does not")
        }
        Direction::Internal => match dialled {
            Some(code) if is_star_code(code) => {
                format!("the call is internal: {caller} called a service of the platform, {code}")
            }
            _ if call.to.participant.is_some() => {
                format!("the call is internal: {caller} and {called} both belong to the account")
            }
            Some(number) => format!("the call is internal: {caller} called {number} within the account"),
            None => format!("the call is internal: {caller} called within the account"),
        },
    }
}

fn rule_of_result(call: &Call) -> &'static str {
    let is_all_seen = call.view == View::Account;
    match call.result {
        Outcome::Answered if call.state == State::Live => "people hear, or heard, each other",
        Outcome::Answered => "people heard each other",
        Outcome::InProgress => "the call is live and no conversation is known yet",
        Outcome::Service => {
            "a star code, the caller's own mailbox or an announcement was called, and no person was rung"
        }
        Outcome::AnsweredElsewhere => "the call that rang was taken by a person of whom nothing was seen",
        Outcome::Forwarded => "the call was handed on, and no later leg shows to whom",
        Outcome::Unknown => "the leg that was called was not seen, so how the call came out is not shown",
        Outcome::Voicemail => "no conversation; the last stop of the caller was a mailbox",
        Outcome::Fax => "no conversation; the last stop of the caller received a fax",
        Outcome::Missed if is_all_seen => {
            "no conversation; at the caller's last stop a person was rung, or could not be"
        }
        Outcome::Missed => "the people seen were rung and did not answer; what others did is not shown",
        Outcome::Abandoned if is_all_seen => {
            "no conversation; the caller left in a queue, in a menu, or before a person was rung"
        }
        Outcome::Abandoned => {
            "no conversation was seen, and the call ended in a queue, in a menu, or before a person was rung"
        }
        Outcome::Rejected if call.direction == Direction::Outbound => "the called party declined",
        Outcome::Rejected => "everybody rung at the caller's last stop declined",
        Outcome::Busy if call.direction == Direction::Outbound => "the called party was busy",
        Outcome::Busy => "everybody rung at the caller's last stop was busy",
        Outcome::NoAnswer => "the called party did not answer",
        Outcome::Cancelled => "no leg of the outbound call names a failure",
        Outcome::Failed => "a leg names a number that does not exist, or a failure of the platform",
        Outcome::Blocked => "a leg says that the call was not allowed",
    }
}
