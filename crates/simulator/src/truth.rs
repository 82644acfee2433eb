//! What really happened in a call: the facts that its record is compared with.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{faults::Faults, time::Timestamp};

/// The first line of a truth file: how the calls were played.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TruthHeader {
    /// [`TruthHeader::SCHEMA`].
    pub schema: String,
    /// The seed.
    pub seed: u64,
    /// The faults, as `--faults` names them.
    pub faults: String,
    /// Maximum difference of times because of the faults, in milliseconds.
    pub skew_ms: i64,
    /// The user whose subscription received the play, as records name them; `None` at account level.
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
            skew_ms: faults.max_skew_ms(),
            view: None,
        }
    }

    /// The header of a play as a user's subscription receives it.
    pub fn seen_by(self, view: &str) -> Self {
        Self { view: Some(view.to_owned()), ..self }
    }
}

/// The truth about one call. As JSON, one line of a truth file; the names are those of the call record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CallTruth {
    /// The root session.
    pub id: String,
    /// The account.
    #[serde(default)]
    pub account_id: Option<String>,
    /// All its sessions, in order.
    pub sessions: Vec<String>,
    /// `Inbound`, `Outbound` or `Internal`.
    pub direction: String,
    /// The result, as in the record.
    pub result: String,
    /// When the caller dialled.
    pub start_time: Timestamp,
    /// When two people first heard each other.
    #[serde(deserialize_with = "Option::deserialize")]
    pub answer_time: Option<Timestamp>,
    /// When the last line was released.
    pub end_time: Timestamp,
    /// Who called.
    pub caller: String,
    /// Who was dialled.
    #[serde(default)]
    pub dialled: Option<String>,
    /// The people who were on a line, were rung, or listened in; in order of their ids.
    pub participants: Vec<String>,
    /// Menus, queues and rules that the call passed; a record may contain them or not.
    pub ignorable: Vec<String>,
    /// The people whose telephone rang, in order of their ids; `None` if the truth does not include it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rung: Option<Vec<String>>,
    /// Supervisors who listened in, in order of their ids.
    pub monitors: Vec<String>,
    /// Who heard whom when.
    pub conversations: Vec<Conversation>,
    /// The moves, in order of time.
    pub moves: Vec<Move>,
    /// Stretches of time in which a supervisor was heard by the others. Notifications do not distinguish a
    /// supervisor who talks from one who listens, so no record is compared with these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub barges: Vec<Conversation>,
    /// Further facts of the record; `None` if the truth does not include them.
    #[serde(flatten)]
    pub facts: Option<Box<CallFacts>>,
    /// Each session by itself, in the order of [`CallTruth::sessions`]; empty if the truth does not include
    /// them.
    #[serde(default, skip_serializing_if = "Vec::is_empty", rename = "rooms")]
    pub session_truths: Vec<SessionTruth>,
}

/// The facts of a call that readers of a call log need first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CallFacts {
    /// The participant who first talked with the caller.
    pub answered_by: Option<String>,
    /// The other people in the caller's last conversation, in order of their ids.
    pub last_with: Vec<String>,
    /// The outside participant.
    pub customer: Option<String>,
    /// The users who talked, in the order in which they joined.
    pub users: Vec<String>,
    /// What the customer (or the caller, if there is no customer) was doing last.
    pub end_state: String,
    /// Time from the start to the first conversation, or to the end.
    pub wait_ms: i64,
    /// Time in which a participant was parked.
    pub parked_ms: i64,
    /// The last transfer or forward that moved the customer (or the caller, if there is no customer).
    pub transfer: Option<Move>,
    /// The users whose telephone rang without an answer, in order of their ids.
    pub missed_by: Vec<String>,
    /// Visits to queues, in order of time.
    pub queues: Vec<QueueVisit>,
    /// The user of each outside telephone that rang on a user's behalf.
    pub on_behalf_of: BTreeMap<String, String>,
    /// `concurrent` and `hairpin`, if there are related calls of that kind.
    pub related: Vec<String>,
    /// The names of the facts that no record can be expected to know.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub leaves_open: Vec<String>,
}

/// A visit to a queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QueueVisit {
    /// The queue.
    pub participant: String,
    /// When the caller entered it.
    pub enter_time: Timestamp,
    /// `Answered`, `Left`, `Overflowed` or `Abandoned`; `None` in a record that cannot know it.
    pub outcome: Option<String>,
    /// The agent who answered.
    pub answered_by: Option<String>,
}

/// A session by itself, as seen without the other sessions of the call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionTruth {
    /// The session.
    pub id: String,
    /// Its direction, taken alone.
    pub direction: String,
    /// Who dialled it.
    pub caller: String,
    /// Who or what was dialled.
    pub dialled: Option<String>,
    /// When it was dialled.
    pub start_time: Timestamp,
    /// What the user whose subscription is played sees of it; `None` at account level, and if they had no
    /// telephone in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<SessionView>,
}

/// What a user's own parties show of a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionView {
    /// Whether only the caller's first state change can have preceded what is seen.
    pub from_start: bool,
    /// The other end that the first of these parties was shown: the caller, or the party passed on to it.
    pub other: Option<String>,
}

/// A stretch of time in which the same people heard each other.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Conversation {
    /// Its start.
    pub start_time: Timestamp,
    /// Its end.
    pub end_time: Timestamp,
    /// The people, in order of their ids.
    pub participants: Vec<String>,
    /// Whether a record only infers it; always false in a truth.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub inferred: bool,
}

/// A move of the call from one participant to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Move {
    /// `BlindTransfer`, `AttendedTransfer`, …
    pub kind: String,
    /// When; `None` in a truth that only states the order.
    #[serde(default)]
    pub time: Option<Timestamp>,
    /// Who made it.
    pub by: Option<String>,
    /// Who has the call after it.
    pub target: Option<String>,
    /// Whether the target talked before the next move; `None` if it is not known.
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
