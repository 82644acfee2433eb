//! What a record lacks, in sentences.

use wholecall_record::ShortText;
use wholecall_record::{Call, call::LookupFact};

pub(super) fn worded(call: &Call) -> Vec<ShortText> {
    let completeness = &call.completeness;
    let mut missing = Vec::new();
    for gap in &completeness.missing_sequences {
        let which = match gap.from == gap.to {
            true => format!("notification {}", gap.from),
            false => format!("notifications {} to {}", gap.from, gap.to),
        };
        missing.push(
            format!(
                "{which} of {}: lost, late, or not delivered to this subscription",
                gap.telephony_session_id
            )
            .into(),
        );
    }
    for session in &completeness.unseen_sessions {
        missing.push(format!("everything of {session}, a session that a link names").into());
    }
    for gone in &completeness.unlinked_gone {
        missing.push(
            format!(
                "where {}/{} went (notification {})",
                gone.telephony_session_id, gone.party_id, gone.sequence
            )
            .into(),
        );
    }
    for repaired in &completeness.repaired {
        let what = match repaired.what {
            LookupFact::Leg => "all notifications",
            LookupFact::Start => "the start",
            LookupFact::State => "a change",
            LookupFact::Link => "where it went: the notification",
            LookupFact::End => "the end",
            LookupFact::Description => "a name or number",
        };
        missing.push(
            format!(
                "{what} of {}/{}, which the {} shows",
                repaired.telephony_session_id,
                repaired.party_id,
                repaired.evidence.place()
            )
            .into(),
        );
    }
    if let Some(reason) = completeness.reason {
        missing.push(format!("the end of a leg; the call was closed because of {}", reason.as_str()).into());
    }
    if let Some(call) = &completeness.late_for {
        missing.push(
            format!("the rest of this call: it came too late for {call}, which was no longer in memory")
                .into(),
        );
    }
    for beyond in &completeness.beyond_limits {
        missing.push(
            format!("{} {} beyond the {} that are stored", beyond.beyond, beyond.what, beyond.limit).into(),
        );
    }
    missing
}
