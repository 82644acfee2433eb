//! An explanation in sentences, as the API and `explain` return it.

use crate::ShortText;

use super::RuleId;
use crate::{CallId, SessionId, Time, call::Evidence, json::json_struct};

json_struct! {
    /// The explanation of a call in sentences.
    pub struct WordedExplanation {
        /// The call.
        "id" => pub id: CallId,
        /// The call in one sentence.
        "title" => pub title: ShortText,
        /// The sessions, in the order of their letters in the text.
        "sessions" => pub sessions: Vec<SessionId>,
        /// What happened, in order.
        "steps" => pub steps: Vec<WordedStep>,
        /// What was concluded from the steps, and by which rules.
        "conclusions" => pub conclusions: Vec<WordedConclusion>,
        /// What is missing.
        "missing" => pub missing: Vec<ShortText>,
    }
}

json_struct! {
    /// Something that happened.
    pub struct WordedStep {
        /// When.
        "time" => pub time: Time,
        /// The sentence.
        "text" => pub text: ShortText,
        /// The rule by which it is known; null if a notification reports it.
        "rule" => pub rule: Option<ShortText>,
        /// The id of that rule.
        "ruleId" => pub rule_id: Option<RuleId>,
        /// Whether it is inferred, not reported.
        "inferred" => pub inferred: bool,
        /// The notifications that prove it.
        "evidence" => pub evidence: Vec<Evidence>,
    }
}

json_struct! {
    /// A conclusion.
    pub struct WordedConclusion {
        /// The sentence.
        "text" => pub text: ShortText,
        /// The rule by which it follows.
        "rule" => pub rule: ShortText,
        /// The id of that rule.
        "ruleId" => pub rule_id: RuleId,
    }
}
