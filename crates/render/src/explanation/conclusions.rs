//! What follows from a call's notifications together. Each conclusion restates a field of the record.

use wholecall_record::{
    Call,
    call::{Direction, Kind, Participant, names},
    explanation::{Conclusion, Explanation, RuleId, WordedConclusion},
    phone::is_star_code,
};

use super::{name, rules, session_name};

pub(super) fn worded(explanation: &Explanation) -> Vec<WordedConclusion> {
    let call = &explanation.call;
    let mut conclusions = vec![
        (direction(call), RuleId::Direction),
        (format!("the result is {}", call.result.as_str()), RuleId::Result),
    ];
    let (bridges, parties): (Vec<_>, Vec<_>) = explanation
        .conclusions
        .iter()
        .partition(|conclusion| matches!(conclusion, Conclusion::HostInUnseenBridge { .. }));
    conclusions.extend(parties.into_iter().map(|conclusion| unseen_party(call, conclusion)));
    conclusions.extend(call.participants.iter().flat_map(|participant| of_participant(call, participant)));
    conclusions.extend(bridges.into_iter().map(|conclusion| unseen_party(call, conclusion)));
    conclusions.extend(
        call.related
            .iter()
            .map(|related| (format!("{} may be connected: {}", related.id, related.why), RuleId::JoinedById)),
    );
    let worded = conclusions.into_iter().map(|(text, rule)| WordedConclusion {
        text: text.into(),
        rule: rules::text(rule, call).into(),
        rule_id: rule,
    });
    worded.collect()
}

fn of_participant(call: &Call, participant: &Participant) -> Vec<(String, RuleId)> {
    let name = names::name_of(participant);
    let mut conclusions = Vec::new();
    if let Some(user) = &participant.on_behalf_of {
        let rule = if participant.inferred { RuleId::RingsOnBehalf } else { RuleId::OwnNumber };
        conclusions.push((format!("{name} rings on behalf of {}", call.name(Some(user))), rule));
    }
    if participant.kind == Kind::Router {
        let text = format!("{name} is a menu or a rule; the notifications do not say which");
        conclusions.push((text, RuleId::RouterLeg));
    }
    conclusions
}

fn unseen_party(call: &Call, conclusion: &Conclusion) -> (String, RuleId) {
    match conclusion {
        Conclusion::AnswerNotShown { participant, session } => {
            let (name, session) = (name(call, Some(participant)), session_name(call, session));
            (
                format!("{name} was called in {session}; whether they answered is not shown"),
                RuleId::AnswerNotShown,
            )
        }
        Conclusion::FarSideReplaced { shown_by, session } => {
            let (from, session) = (name(call, shown_by.as_ref()), session_name(call, session));
            let text = format!("another person takes the place of the one {from} talked with in {session}");
            (text, RuleId::FarSideReplaced)
        }
        Conclusion::Implied { participant, session, named_by, is_caller } => {
            let (name, from) = (name(call, Some(participant)), name(call, named_by.as_ref()));
            let field = if *is_caller { "from" } else { "to" };
            let session = session_name(call, session);
            let text = format!(
                "{name} is on the line of {session}, although no notification is about them: `{field}` of {from} names them"
            );
            (text, RuleId::ImpliedParty)
        }
        Conclusion::HostInUnseenBridge { host } => {
            let name = name(call, Some(host));
            (format!("{name} is in the conference, whose bridge was not seen"), RuleId::UnseenBridge)
        }
    }
}

fn direction(call: &Call) -> String {
    let (caller, called) = (&call.from.display_name, &call.to.display_name);
    let dialled = call.to.phone_number.as_deref();
    match call.direction {
        Direction::Inbound => format!("the call is inbound: {caller} is not an extension of the account"),
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
