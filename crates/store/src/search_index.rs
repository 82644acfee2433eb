//! The search index: the terms by which calls are found.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, Transaction, params};
use wholecall_record::{
    Call,
    call::{Kind, LegOutcome, Participant, State},
};

use crate::{
    error::{Result, StoreError},
    queue_visits,
    recent_cache::RecentCache,
};

/// A kind of term.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum TermKind {
    /// The digits of a participant's number, last digit first, so that a number is found by any of its ends.
    Number,
    /// A participant's extension id.
    Extension,
    /// A participant's name in lower case.
    Name,
    /// A queue's extension id.
    Queue,
    /// A kind of move.
    Move,
}

impl TermKind {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Number => "number",
            Self::Extension => "extension",
            Self::Name => "name",
            Self::Queue => "queue",
            Self::Move => "move",
        }
    }
}

/// The figures of an extension in a completed call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ParticipantStats {
    pub(crate) outcome: &'static str,
    pub(crate) ring_ms: i64,
    pub(crate) talk_ms: i64,
    pub(crate) hold_ms: i64,
}

pub(crate) type Term = (TermKind, String);

/// The digits of a number, last digit first. `None` if it has none.
pub(crate) fn reversed_digits(number: &str) -> Option<String> {
    let digits: String = number.chars().rev().filter(char::is_ascii_digit).collect();
    (!digits.is_empty()).then_some(digits)
}

/// All terms of a call; with the figures of extensions if it is completed.
pub(crate) fn terms_of(call: &Call) -> BTreeMap<Term, Option<ParticipantStats>> {
    let is_completed = call.state != State::Live;
    let mut terms = BTreeMap::new();
    for participant in &call.participants {
        let number = participant.phone_number.as_deref().and_then(reversed_digits);
        let id_number = participant.id.number().and_then(reversed_digits);
        let extension_number = participant.extension_number.as_deref().and_then(reversed_digits);
        for number in number.into_iter().chain(id_number).chain(extension_number) {
            terms.insert((TermKind::Number, number), None);
        }
        if let Some(extension) = &participant.extension_id {
            let figures = is_completed.then(|| stats_of(call, participant));
            terms.insert((TermKind::Extension, extension.to_string()), figures);
        }
        if let Some(name) = &participant.name {
            terms.insert((TermKind::Name, name.as_str().to_lowercase()), None);
        }
    }
    for visit in &call.queues {
        terms.insert((TermKind::Queue, queue_visits::queue_of(visit)), None);
    }
    for call_move in &call.moves {
        terms.insert((TermKind::Move, call_move.kind.as_str().to_owned()), None);
    }
    terms
}

fn stats_of(call: &Call, participant: &Participant) -> ParticipantStats {
    let legs = || call.legs.iter().filter(|leg| leg.participant.as_ref() == Some(&participant.id));
    let outcome = match participant.talk_ms > 0 {
        true => "Answered",
        false if participant.kind != Kind::User => "",
        false => legs().find_map(|leg| leg.outcome).map_or("", LegOutcome::as_str),
    };
    ParticipantStats {
        outcome,
        ring_ms: participant.ring_ms,
        talk_ms: participant.talk_ms,
        hold_ms: participant.hold_ms,
    }
}

/// The id of a term. `None` if no call has it.
pub(crate) fn find_term(
    connection: &Connection,
    tenant: i64,
    kind: TermKind,
    value: &str,
) -> Result<Option<i64>> {
    Ok(connection
        .prepare_cached("SELECT term FROM terms WHERE tenant = ?1 AND kind = ?2 AND value = ?3")?
        .query_row(params![tenant, kind.as_str(), value], |row| row.get(0))
        .optional()?)
}

fn term_id(
    transaction: &Transaction<'_>,
    cache: &mut RecentCache<i64>,
    tenant: i64,
    (kind, value): &Term,
) -> Result<i64> {
    let words = [kind.as_str(), value];
    if let Some(term) = cache.get(tenant, &words) {
        return Ok(*term);
    }
    let term = match find_term(transaction, tenant, *kind, value)? {
        Some(term) => term,
        None => transaction
            .prepare_cached("INSERT INTO terms (tenant, kind, value) VALUES (?1, ?2, ?3)")?
            .insert(params![tenant, kind.as_str(), value])?,
    };
    cache.insert(tenant, &words, term);
    Ok(term)
}

/// Identifies a call's entries in the index.
pub(crate) struct IndexEntry<'a> {
    pub(crate) tenant: i64,
    pub(crate) call: i64,
    pub(crate) start_ms: i64,
    /// Its start and terms when it was indexed last. `None` if it was not.
    pub(crate) before: Option<(i64, &'a [i64])>,
    /// Whether it was completed before: then its entries may have outdated figures.
    pub(crate) was_completed: bool,
}

/// Adds a call to the index. Terms of earlier versions remain, because those versions can be queried. Returns its
/// terms, sorted.
pub(crate) fn upsert(
    transaction: &Transaction<'_>,
    cache: &mut RecentCache<i64>,
    entry: &IndexEntry<'_>,
    call: &Call,
) -> Result<Vec<i64>> {
    let (start_before, mut all) =
        entry.before.map_or((entry.start_ms, Vec::new()), |(start, terms)| (start, terms.to_vec()));
    if start_before != entry.start_ms {
        remove(transaction, entry.call, start_before, &all)?;
        let mut insert = transaction
            .prepare_cached("INSERT INTO call_terms (term, start_ms, call) VALUES (?1, ?2, ?3)")?;
        for term in &all {
            insert.execute(params![term, entry.start_ms, entry.call])?;
        }
    }
    if entry.was_completed {
        let mut clear = transaction.prepare_cached(
            "UPDATE call_terms SET outcome = NULL, ring_ms = NULL, talk_ms = NULL, hold_ms = NULL
             WHERE term = ?1 AND start_ms = ?2 AND call = ?3 AND outcome IS NOT NULL",
        )?;
        for term in &all {
            clear.execute(params![term, entry.start_ms, entry.call])?;
        }
    }
    let mut queues = BTreeMap::new();
    for (named, figures) in terms_of(call) {
        let term = term_id(transaction, cache, entry.tenant, &named)?;
        if named.0 == TermKind::Queue {
            queues.insert(named.1, term);
        }
        let is_new = !all.contains(&term);
        if is_new {
            all.push(term);
        }
        let (outcome, ring_ms, talk_ms, hold_ms) = match &figures {
            Some(figures) => {
                (Some(figures.outcome), Some(figures.ring_ms), Some(figures.talk_ms), Some(figures.hold_ms))
            }
            None => (None, None, None, None),
        };
        if is_new || figures.is_some() {
            transaction
                .prepare_cached("INSERT OR REPLACE INTO call_terms VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?
                .execute(params![term, entry.start_ms, entry.call, outcome, ring_ms, talk_ms, hold_ms])?;
        }
    }
    queue_visits::replace(transaction, entry.call, entry.start_ms, call, &queues, entry.before.is_some())?;
    all.sort_unstable();
    Ok(all)
}

/// A problem of a call's index entries. `None` if they agree with its record.
pub(crate) fn find_problem(
    connection: &Connection,
    tenant: i64,
    call: i64,
    record: &Call,
) -> Result<Option<String>> {
    let (start_ms, listed): (i64, Vec<u8>) = connection
        .prepare_cached("SELECT start_ms, terms FROM calls WHERE call = ?1")?
        .query_row([call], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let listed = decode_terms(&listed)?;
    let mut wanted = BTreeMap::new();
    for ((kind, value), figures) in terms_of(record) {
        match find_term(connection, tenant, kind, &value)? {
            Some(term) => wanted.insert(term, figures),
            None => return Ok(Some(format!("its {} is not in the search index", kind.as_str()))),
        };
    }
    if let Some(missing) = wanted.keys().find(|term| listed.binary_search(term).is_err()) {
        return Ok(Some(format!("its list of terms lacks {missing}")));
    }
    let mut statement = connection.prepare_cached(
        "SELECT outcome, ring_ms, talk_ms, hold_ms FROM call_terms WHERE term = ?1 AND start_ms = ?2 AND call = ?3",
    )?;
    for term in listed {
        let indexed = statement
            .query_row(params![term, start_ms, call], |row| {
                Ok((row.get::<_, Option<String>>(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
            })
            .optional()?;
        let figures = wanted.get(&term).and_then(Option::as_ref);
        let expected =
            figures.map(|figures| (figures.outcome, figures.ring_ms, figures.talk_ms, figures.hold_ms));
        let found = match &indexed {
            Some((Some(outcome), Some(wait), Some(talk), Some(hold))) => {
                Some((outcome.as_str(), *wait, *talk, *hold))
            }
            _ => None,
        };
        if indexed.is_none() || found != expected {
            return Ok(Some(format!("the index entry of term {term} differs from its record")));
        }
    }
    Ok(None)
}

/// Removes a call from the index.
pub(crate) fn remove(transaction: &Transaction<'_>, call: i64, start_ms: i64, terms: &[i64]) -> Result<()> {
    let mut delete = transaction
        .prepare_cached("DELETE FROM call_terms WHERE term = ?1 AND start_ms = ?2 AND call = ?3")?;
    for term in terms {
        delete.execute(params![term, start_ms, call])?;
    }
    queue_visits::remove(transaction, call)
}

/// Deletes those terms that no call has any more: they may be a person's number or name.
pub(crate) fn delete_orphaned_terms(
    transaction: &Transaction<'_>,
    cache: &mut RecentCache<i64>,
    terms: &[i64],
) -> Result<()> {
    let mut delete = transaction.prepare_cached(
        "DELETE FROM terms WHERE term = ?1 AND NOT EXISTS (SELECT 1 FROM call_terms WHERE call_terms.term = ?1)",
    )?;
    for term in terms {
        if delete.execute([term])? > 0 {
            *cache = RecentCache::default();
        }
    }
    Ok(())
}

/// Encodes sorted terms for the row of a call: differences, in groups of seven bits.
pub(crate) fn encode_terms(terms: &[i64]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(terms.len() * 3);
    let mut before = 0;
    for term in terms {
        let mut rest = (term - before) as u64;
        before = *term;
        while rest >= 0x80 {
            bytes.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        bytes.push(rest as u8);
    }
    bytes
}

/// Decodes the terms of a call.
pub(crate) fn decode_terms(bytes: &[u8]) -> Result<Vec<i64>> {
    let mut terms = Vec::new();
    let (mut before, mut value, mut shift) = (0_i64, 0_u64, 0_u32);
    for byte in bytes {
        if shift > 56 {
            return Err(StoreError::Damaged("a call's list of terms cannot be read".to_owned()));
        }
        value |= u64::from(byte & 0x7f) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            before += value as i64;
            terms.push(before);
            (value, shift) = (0, 0);
        }
    }
    Ok(terms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_round_trip() {
        for terms in [vec![], vec![1], vec![3, 4, 900, 1 << 40]] {
            assert_eq!(decode_terms(&encode_terms(&terms)).unwrap(), terms);
        }
    }

    #[test]
    fn number_terms_have_the_last_digit_first() {
        assert_eq!(reversed_digits("+1 (404) 555-0145").as_deref(), Some("54105554041"));
        assert_eq!(reversed_digits("anonymous"), None);
    }
}
