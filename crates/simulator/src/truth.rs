//! What really happened in a call: the facts that its record must tell.

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
}

impl TruthHeader {
    /// The format that [`CallTruth`] describes.
    pub const SCHEMA: &str = "wholecall.truth/1";

    /// The header of a play.
    pub fn new(seed: u64, faults: &Faults) -> Self {
        Self { schema: Self::SCHEMA.to_owned(), seed, faults: faults.to_string(), skew_ms: faults.skew() }
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
