//! What really happened in a call: the facts that its record must tell.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    faults::Faults,
    time::{self, Millis},
};

/// The first line of a truth file: how what follows was played.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TruthHeader {
    /// [`TruthHeader::SCHEMA`].
    pub schema: String,
    /// The seed.
    pub seed: u64,
    /// What went wrong on the way, as `--faults` names it.
    pub faults: String,
    /// By how many milliseconds times may differ because of the faults.
    pub skew_ms: Millis,
    /// The one person whose subscription received what was played, as records name them; none at account level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub view: Option<String>,
}

impl TruthHeader {
    /// The format that [`CallTruth`] describes.
    pub const SCHEMA: &str = "wholecall.truth/1";

    /// The header of a play.
    pub fn new(seed: u64, faults: &Faults) -> Self {
        Self {
            schema: Self::SCHEMA.to_owned(),
            seed,
            faults: faults.to_string(),
            skew_ms: faults.skew(),
            view: None,
        }
    }

    /// The header of a play that was received by one person's subscription.
    pub fn seen_by(self, view: &str) -> Self {
        Self { view: Some(view.to_owned()), ..self }
    }
}

/// The truth about one call. As JSON, one line of a truth file; the names are those of the call record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CallTruth {
    /// The session with which the call began.
    pub id: String,
    /// Whose call it is.
    #[serde(default)]
    pub account_id: Option<String>,
    /// All its sessions, in order.
    pub sessions: Vec<String>,
    /// `Inbound`, `Outbound` or `Internal`.
    pub direction: String,
    /// How it came out, in the words of the record.
    pub result: String,
    /// When somebody dialled.
    #[serde(with = "time")]
    pub start_time: Millis,
    /// When two people first heard each other.
    #[serde(with = "time::option")]
    pub answer_time: Option<Millis>,
    /// When the last line was released.
    #[serde(with = "time")]
    pub end_time: Millis,
    /// Who called.
    pub caller: String,
    /// Who was dialled.
    #[serde(default)]
    pub dialled: Option<String>,
    /// The people who were on a line, were rung, or listened; in order.
    pub participants: Vec<String>,
    /// Menus, queues and rules that the call passed; a record may name them or not.
    pub ignorable: Vec<String>,
    /// The people whose telephone rang, in order; none in a truth that does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rung: Option<Vec<String>>,
    /// Supervisors who listened, in order.
    pub monitors: Vec<String>,
    /// Who heard whom when.
    pub conversations: Vec<Conversation>,
    /// Who moved the call to whom, in order of time.
    pub moves: Vec<Move>,
    /// Stretches in which a supervisor was heard by the others. Nothing in the stream tells a supervisor who
    /// talks from one who listens, so no record can know them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub barges: Vec<Conversation>,
    /// What else a record says of the call; none in a truth that does not say.
    #[serde(flatten)]
    pub facts: Option<Box<Facts>>,
    /// Each session by itself, in the order of [`CallTruth::sessions`]; none in a truth that does not say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rooms: Vec<Room>,
}

/// The facts of a call that readers of a call log look for first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Facts {
    /// Who first talked with the caller.
    pub answered_by: Option<String>,
    /// The people of the caller's last conversation, without the caller; in order.
    pub last_with: Vec<String>,
    /// The outsider.
    pub customer: Option<String>,
    /// The users who talked, in the order in which they came on the line.
    pub users: Vec<String>,
    /// What served the customer, or without one the caller, last.
    pub end_state: String,
    /// For how long the caller waited for the first conversation, or for the end.
    pub wait_ms: Millis,
    /// For how long somebody was parked.
    pub parked_ms: Millis,
    /// The last transfer or forward that moved the customer, or without one the caller.
    pub transfer: Option<Move>,
    /// The users whose telephone rang in vain; in order.
    pub missed_by: Vec<String>,
    /// Stays in queues, in order of time.
    pub queues: Vec<Visit>,
    /// The users on whose behalf a telephone outside rang, by that telephone.
    pub on_behalf_of: BTreeMap<String, String>,
    /// `concurrent` and `hairpin`, if there are other calls of that kind.
    pub related: Vec<String>,
    /// Those of these facts, by their names here, that no record can be expected to know.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub leaves_open: Vec<String>,
}

/// A stay of a caller in a queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Visit {
    /// The queue.
    pub participant: String,
    /// When the caller came.
    #[serde(with = "time")]
    pub enter_time: Millis,
    /// `Answered`, `Left`, `Overflowed` or `Abandoned`; none in a record that cannot know.
    pub outcome: Option<String>,
    /// Who answered out of it.
    pub answered_by: Option<String>,
}

/// A session by itself, as whoever sees no other session of the call sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Room {
    /// The session.
    pub id: String,
    /// Its direction, taken alone.
    pub direction: String,
    /// Who dialled it.
    pub caller: String,
    /// Who or what was dialled.
    pub dialled: Option<String>,
    /// When it was dialled.
    #[serde(with = "time")]
    pub start_time: Millis,
    /// What the one person whose subscription is played sees of it; none at account level, and where they had no
    /// telephone in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<Seen>,
}

/// What a person's own parties show of a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Seen {
    /// Whether nothing but the caller's beginning can have come before what is seen.
    pub from_start: bool,
    /// Who the first of these parties was shown at the other end: the caller, or whoever was passed on to it.
    pub other: Option<String>,
}

/// A stretch in which one fixed set of people heard each other.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Conversation {
    /// Its start.
    #[serde(with = "time")]
    pub start_time: Millis,
    /// Its end.
    #[serde(with = "time")]
    pub end_time: Millis,
    /// Who, in order.
    pub participants: Vec<String>,
    /// Whether a record only infers it; never so in a truth.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub inferred: bool,
}

/// A step by which the call passed from one participant to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Move {
    /// `BlindTransfer`, `AttendedTransfer`, …
    pub kind: String,
    /// When; none in a truth that only tells the order.
    #[serde(default, with = "time::option")]
    pub time: Option<Millis>,
    /// Who did it.
    pub by: Option<String>,
    /// To whom the call went.
    pub target: Option<String>,
    /// Whether the target talked before the next move; none if it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered: Option<bool>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Scenario;

    #[test]
    fn a_line_of_a_truth_file_reads_back() {
        for truth in Scenario::all().flat_map(|scenario| scenario.play(8).truths) {
            let line = serde_json::to_string(&truth).unwrap();
            assert!(!line.contains('\n'));
            assert_eq!(serde_json::from_str::<CallTruth>(&line).unwrap(), truth);
        }
    }
}
