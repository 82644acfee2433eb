//! What one notification reports of one leg, as a sentence.

use wholecall_record::ShortText;
use wholecall_record::{Call, ParticipantId, explanation::LegChange};

use super::{name, session_name};

pub(super) fn sentence(call: &Call, participant: Option<&ParticipantId>, change: &LegChange) -> String {
    let who = name(call, participant);
    let session = |session| session_name(call, session);
    match change {
        LegChange::UnknownCode { code } => {
            format!("{who}: {}, which changes nothing", code.as_deref().unwrap_or("no code"))
        }
        LegChange::Calls { number } => format!("{who} calls {}", dialled(number)),
        LegChange::DialsInOwnSession { number } => {
            format!("{who} dials {}, in a session of its own", dialled(number))
        }
        LegChange::DialsInToListen => format!("{who} dials in to listen"),
        LegChange::OpensConference => format!("{who} opens a conference"),
        LegChange::BridgeLegCreated => "a seat is made in the bridge".to_owned(),
        LegChange::EntersQueue => format!("the call enters the queue {who}"),
        LegChange::MenuTakesCall => format!("the menu {who} takes the call"),
        LegChange::RouterTakesCall => format!("{who} takes the call: a menu or a rule"),
        LegChange::CallArrives => format!("the call reaches {who}"),
        LegChange::JoinsWithoutOrigin => {
            format!("{who} joins, at {}", participant.map(|id| id.to_string()).unwrap_or_default())
        }
        LegChange::Rings { offered_by: Some(queue) } => {
            format!("{who} is rung, offered by {}", name(call, Some(queue)))
        }
        LegChange::Rings { offered_by: None } => format!("{who} is rung"),
        LegChange::WaitsForFarEnd => format!("the far end is being alerted, {who} waits"),
        LegChange::PutsOthersOnHold => format!("{who} puts the others on hold"),
        LegChange::TakesOthersOffHold => format!("{who} takes the others off hold"),
        LegChange::Parked { location } => format!(
            "{who} is parked{}",
            location.as_ref().map(|location| format!(" at {location}")).unwrap_or_default()
        ),
        LegChange::RetrievedFromPark => format!("{who} is retrieved from park"),
        LegChange::VoicemailTakesCall => format!("the voicemail of {who} takes the call"),
        LegChange::ScreensVoicemail => format!("{who} listens while a message is left"),
        LegChange::ReceivesFax => format!("{who} receives a fax"),
        LegChange::ReturnsToSession => format!("{who} is back in this session"),
        LegChange::ListensInSession => format!("{who} listens"),
        LegChange::ConnectedAgain => format!("{who} is connected as before"),
        LegChange::ConnectedToo => format!("{who} is connected too"),
        LegChange::PlatformTookCall => format!("the platform has taken the call of {who}"),
        LegChange::EntersBridge => format!("{who} is in the bridge"),
        LegChange::Answers => format!("{who} answers"),
        LegChange::LeavesForUnnamedSession => format!("{who} leaves for a session that is not named"),
        LegChange::JoinsSessionsAndLeaves { here, there } => {
            format!("{who} joins {} with {} and leaves", session(here), session(there))
        }
        LegChange::JoinsSessionToBridge { here, bridge } => {
            format!("{who} joins {} with the bridge, {}", session(here), session(bridge))
        }
        LegChange::BridgeJoinedTo { there } => format!("the bridge is joined with {}", session(there)),
        LegChange::ComesIntoSession { there } => format!("{who} comes into {}", session(there)),
        LegChange::ListensToSession { there } => format!("{who} listens to {}", session(there)),
        LegChange::TakesOverInSession { there } => format!("{who} takes over in {}", session(there)),
        LegChange::ClosedAfterLeaving => format!("the leg of {who} is closed; they had left already"),
        LegChange::CallEndsMeanwhile { reason } => {
            format!("the call ends while {who} has it{}", in_brackets(reason))
        }
        LegChange::HandsCallOn { reason } => format!("{who} hands the call on{}", in_brackets(reason)),
        LegChange::SendsCallOn { reason } => {
            format!("{who} sends the call on and leaves{}", in_brackets(reason))
        }
        LegChange::StopsListening { reason } => format!("{who} stops listening{}", in_brackets(reason)),
        LegChange::BridgeLegEnds => "the seat in the bridge is given up".to_owned(),
        LegChange::StopsRinging { reason } => format!("{who} stops ringing{}", in_brackets(reason)),
        LegChange::Leaves { reason } => format!("{who} leaves{}", in_brackets(reason)),
    }
}

fn dialled(number: &Option<ShortText>) -> &str {
    number.as_deref().unwrap_or("an unnamed number")
}

fn in_brackets(reason: &Option<ShortText>) -> String {
    reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default()
}
