//! The text of each rule.

use wholecall_record::{
    Call,
    call::{Direction, Outcome, State, View},
    explanation::RuleId,
};

/// The text of a rule. The rule of a result depends on the call's result and on what could be seen of it.
pub(super) fn text(rule: RuleId, call: &Call) -> &'static str {
    match rule {
        RuleId::UnknownCode => "an unknown code is stored and changes no state",
        RuleId::GoneIsNotTheEnd => "Gone is not the end: Answered may follow",
        RuleId::RepeatedAnswered => "a repeated Answered (recording, transfer) resets nothing",
        RuleId::CallersOwnAnswered => "a caller's own Answered does not mean that the called party answered",
        RuleId::GoneWithoutPeer => "a Gone without peerId ends its leg; the other session stays unknown",
        RuleId::GoneNamesOtherLeg => {
            "a Gone names the leg in the other session; the party that opened this door leaves by it"
        }
        RuleId::ConferenceBridge => {
            "a conference is several sessions joined to one bridge; the host stays, through the bridge"
        }
        RuleId::PickupComesIn => {
            "a party that picks up or retrieves comes in from a session of its own and stays"
        }
        RuleId::SupervisorJoinsNothing => "a supervisor is not heard and joins no calls",
        RuleId::HandedOn => {
            "a menu or queue ends its leg while the call continues; the end of a leg is not the end of the call"
        }
        RuleId::ConnectedPartiesHearEachOther => {
            "participants who are connected in one session, or in sessions joined by an open link, hear each other"
        }
        RuleId::AttendedTransfer => {
            "Gone with reason AttendedTransfer, on the transferor's two legs or on one of them"
        }
        RuleId::BlindTransfer => {
            "Disconnected with a transfer reason on a person's leg; the next new leg is the target"
        }
        RuleId::Transfer => "Gone with another reason, or none, joins two sessions like a transfer",
        RuleId::Conference => "a link into the bridge brings in everybody in the session it joins",
        RuleId::Park => "Parked, or Disconnected with a park reason",
        RuleId::Retrieve => "a Pickup link that reaches a session with a parked leg",
        RuleId::Pickup => "a ringing leg ends with Pickup, or a Pickup link reaches a ringing session",
        RuleId::Forward => "Disconnected with CallRedirected; the next new leg is the target",
        RuleId::Switch => "the same user continues with another leg of the same session",
        RuleId::Flip => "Disconnected with CallFlip; the leg that started last is the target",
        RuleId::TakeOver => "Disconnected with TakeOver; the latest monitor has the call",
        RuleId::Direction => {
            "the direction follows from the caller and the dialled number, not from the legs' own directions"
        }
        RuleId::Result => of_result(call),
        RuleId::OwnNumber => "the directory lists the number as one of the user's",
        RuleId::RingsOnBehalf => {
            "an outside telephone that begins to ring while one user's leg is being handled is that user's"
        }
        RuleId::RouterLeg => "an inbound extension leg that only ever had Setup and Disconnected",
        RuleId::AnswerNotShown => {
            "toward an extension the caller's Answered only means that the platform took the call"
        }
        RuleId::FarSideReplaced => {
            "Answered with reason AttendedTransfer, with no link of the session, says that the far side changed"
        }
        RuleId::ImpliedParty => "where only one side of a session is visible, the other is implied",
        RuleId::UnseenBridge => {
            "a host whose leg in the bridge was not seen is present until every other leg has ended"
        }
        RuleId::JoinedById => {
            "calls are joined only by an id; a call that merely looks connected stays a call of its own"
        }
    }
}

fn of_result(call: &Call) -> &'static str {
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
