//! Compares the facts that readers of a call log need first.

use std::collections::BTreeSet;

use super::{Record, sentence};
use crate::truth::{CallFacts, CallTruth, Move};

/// The differences of these facts, each in a sentence. Facts that the truth leaves open are not compared.
pub(super) fn differences(
    truth: &CallTruth,
    facts: &CallFacts,
    record: &Record,
    tolerance: i64,
) -> Vec<String> {
    let mut found = Differences { facts, clocks_differ: tolerance > 0, found: Vec::new() };
    found.same("to", &one(truth.dialled.as_ref()), &one(record.to.participant.as_ref()));
    found.same("answeredBy", &one(facts.answered_by.as_ref()), &one(record.answered_by.as_ref()));
    found.same("lastWith", &set(&facts.last_with), &set(&record.last_with));
    found.same("customer", &one(facts.customer.as_ref()), &one(record.customer.as_ref()));
    found.same("users", &list(&facts.users), &list(&record.users));
    found.same("endState", &facts.end_state, &one(record.end_state.as_ref()));
    found.same("missedBy", &set(&facts.missed_by), &set(&record.missed_by));
    found.same("transfer", &step(facts.transfer.as_ref()), &step(record.transfer.as_ref()));
    let queues = facts
        .queues
        .iter()
        .map(|visit| stay(&visit.participant, visit.outcome.as_deref(), visit.answered_by.as_deref()));
    let stays = record
        .queues
        .iter()
        .map(|visit| stay(&visit.participant, visit.outcome.as_deref(), visit.answered_by.as_deref()));
    found.same("queues", &list(&queues.collect::<Vec<_>>()), &list(&stays.collect::<Vec<_>>()));
    let behalf = facts.on_behalf_of.iter().map(|(number, user)| format!("{number} of {user}"));
    let stated = record.participants.iter().filter_map(|participant| {
        participant.on_behalf_of.as_ref().map(|user| format!("{} of {user}", participant.id))
    });
    found.same("onBehalfOf", &set(&behalf.collect::<Vec<_>>()), &set(&stated.collect::<Vec<_>>()));
    let related = record.related.iter().map(|related| related.kind.clone());
    let related = related.filter(|kind| matches!(kind.as_str(), "concurrent" | "hairpin"));
    found.same("related", &set(&facts.related), &set(&related.collect::<Vec<_>>()));
    found.same_length("waitMs", facts.wait_ms, record.durations.wait_ms, 2 * tolerance);
    // Each parked stretch starts and ends by a clock.
    let clocks = 2 * tolerance * i64::try_from(truth.moves.len()).unwrap_or(1).max(1);
    found.same_length("parkedMs", facts.parked_ms, record.durations.parked_ms, clocks);
    found.found
}

struct Differences<'a> {
    facts: &'a CallFacts,
    /// With different clocks, which of two events was the last is not known.
    clocks_differ: bool,
    found: Vec<String>,
}

impl Differences<'_> {
    fn is_open(&self, name: &str) -> bool {
        let by_order = self.clocks_differ && matches!(name, "lastWith" | "endState" | "transfer" | "related");
        by_order || self.facts.leaves_open.iter().any(|open| open == name)
    }

    fn same(&mut self, name: &str, truth: &str, record: &str) {
        if truth != record && !self.is_open(name) {
            self.found.push(format!("`{name}` is {truth}; the record says {record}."));
        }
    }

    fn same_length(&mut self, name: &str, truth: i64, record: i64, tolerance: i64) {
        // The end of a call is not known more exactly.
        if (truth - record).abs() > tolerance + 100 && !self.is_open(name) {
            self.found.push(format!("`{name}` is {truth}; the record says {record}."));
        }
    }
}

fn one(name: Option<&String>) -> String {
    name.cloned().unwrap_or_else(|| "null".to_owned())
}

fn list(names: &[String]) -> String {
    format!("[{}]", names.join(", "))
}

fn set(names: &[String]) -> String {
    let names: BTreeSet<&str> = names.iter().map(String::as_str).collect();
    format!("[{}]", names.into_iter().collect::<Vec<_>>().join(", "))
}

fn stay(queue: &str, outcome: Option<&str>, answered_by: Option<&str>) -> String {
    let by = answered_by.map(|who| format!(" by {who}")).unwrap_or_default();
    format!("{queue} {}{by}", outcome.unwrap_or("null"))
}

fn step(step: Option<&Move>) -> String {
    step.map_or_else(|| "null".to_owned(), |step| sentence(&Move { time: None, ..step.clone() }))
}
