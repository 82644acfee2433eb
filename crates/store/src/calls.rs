//! Queries for calls, their versions, and their notifications.

use std::collections::HashSet;

use rusqlite::{Connection, OptionalExtension, params, params_from_iter, types::Value};
use wholecall_record::Call;

use crate::{
    TenantId, TenantView,
    changes::{self, PAGE_BYTES, StoredChange},
    damage::TolerantConnection,
    error::{Result, StoreError},
    filter::{Filter, digits_of, number_matches},
    journal_entries::{Entry, entries_of_call},
    search_index::{self, TermKind},
    stored_call::{self, StoredCall},
};

/// A page of calls, newest first.
#[derive(Debug, Clone)]
pub struct CallPage {
    /// Their records as JSON.
    pub records: Vec<String>,
    /// Where the next page starts. `None` after the last one.
    pub next: Option<(i64, i64)>,
}

/// The result of looking up a call's id.
#[derive(Debug, Clone)]
pub enum CallLookup {
    /// The call's current version.
    Call(StoredVersion),
    /// It was merged into the call with this id.
    Merged(String),
}

/// A version of a call.
pub type StoredVersion = StoredChange;

/// Maximum number of candidates that are examined for one page; a rare combination of filters continues on the next
/// page.
const MAX_CANDIDATES_PER_PAGE: usize = 20_000;

/// Maximum number of terms that a partial name or number may match.
const MAX_MATCHING_TERMS: usize = 400;

impl TenantView {
    /// Calls that match, newest first, starting after `after`: at most `limit`, and no more once they have 16 MiB.
    /// With `as_of_ms`, as they were known at that time.
    pub fn calls(
        &self,
        filter: &Filter,
        as_of_ms: Option<i64>,
        after: Option<(i64, i64)>,
        limit: usize,
    ) -> Result<CallPage> {
        self.read(|connection, tenant| {
            let search = Search::new(connection, tenant, filter, as_of_ms)?;
            let mut page = CallPage { records: Vec::new(), next: None };
            let Some(search) = search else { return Ok(page) };
            let mut place = after.unwrap_or((i64::MAX, i64::MAX));
            let mut examined = 0;
            let mut bytes = 0;
            loop {
                let candidates = search.candidates(place, (limit * 2).clamp(64, 1_000))?;
                let Some(&last) = candidates.last() else { return Ok(page) };
                examined += candidates.len();
                for candidate in candidates {
                    if page.records.len() == limit || bytes >= PAGE_BYTES {
                        page.next = Some(place);
                        return Ok(page);
                    }
                    let found = search.matching_record(candidate)?;
                    bytes += found.as_ref().map_or(0, String::len);
                    page.records.extend(found);
                    place = candidate;
                }
                if examined >= MAX_CANDIDATES_PER_PAGE {
                    page.next = Some(last);
                    return Ok(page);
                }
            }
        })
    }

    /// A call by its id, or the call that it was merged into. With `as_of_ms`, as it was known at that time.
    pub fn call(&self, id: &str, as_of_ms: Option<i64>) -> Result<Option<CallLookup>> {
        self.read(|connection, tenant| {
            if let Some(call) = call_number(connection, tenant, id)? {
                return Ok(version(connection, call, as_of_ms)?.map(CallLookup::Call));
            }
            merged_into(connection, tenant, id).map(|into| into.map(CallLookup::Merged))
        })
    }

    /// Every published version of a call, oldest first. `None` if there is no such call.
    pub fn versions(&self, id: &str) -> Result<Option<Vec<StoredVersion>>> {
        self.read(|connection, tenant| {
            let Some(call) = call_number(connection, tenant, id)? else { return Ok(None) };
            let mut statement = connection.prepare_cached(&format!(
                "SELECT {} FROM changes WHERE call = ?1 AND version > 0 ORDER BY cursor",
                changes::COLUMNS
            ))?;
            let mut rows = statement.query([call])?;
            let mut versions = Vec::new();
            while let Some(row) = rows.next()? {
                versions.extend(StoredChange::read_or_skip(connection, tenant, row)?);
            }
            Ok(Some(versions))
        })
    }

    /// The current version of a call, with the notifications that its record includes; later ones are left out.
    /// `None` if there is no such call.
    pub fn call_with_notifications(&self, id: &str) -> Result<Option<StoredCall>> {
        self.read(|connection, tenant| {
            let Some(call) = call_number(connection, tenant, id)? else { return Ok(None) };
            stored_call::with_included_entries(connection, call, TenantId(tenant))
                .map(|(stored, _)| Some(stored))
        })
    }

    /// The notifications of a call, in order of arrival. `None` if there is no such call.
    pub fn notifications(&self, id: &str) -> Result<Option<Vec<Entry>>> {
        self.read(|connection, tenant| {
            let Some(call) = call_number(connection, tenant, id)? else { return Ok(None) };
            entries_of_call(connection, call).map(Some)
        })
    }
}

pub(crate) fn call_number(connection: &Connection, tenant: i64, id: &str) -> Result<Option<i64>> {
    Ok(connection
        .prepare_cached("SELECT call FROM calls WHERE tenant = ?1 AND id = ?2")?
        .query_row(params![tenant, id], |row| row.get(0))
        .optional()?)
}

/// The call that an id was merged into, directly or through others. `None` if it was not.
fn merged_into(connection: &Connection, tenant: i64, id: &str) -> Result<Option<String>> {
    let mut statement =
        connection.prepare_cached("SELECT into_id FROM merged WHERE tenant = ?1 AND id = ?2")?;
    let mut seen = HashSet::new();
    let mut place = id.to_owned();
    while seen.insert(place.clone()) {
        match statement.query_row(params![tenant, place], |row| row.get(0)).optional()? {
            Some(into) => place = into,
            None => break,
        }
    }
    Ok((place != id).then_some(place))
}

/// The current version of a call, or the one that was current at a time.
fn version(connection: &Connection, call: i64, as_of_ms: Option<i64>) -> Result<Option<StoredVersion>> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {} FROM changes WHERE call = ?1 AND version > 0 AND created_ms <= ?2 ORDER BY cursor DESC LIMIT 1",
        changes::COLUMNS
    ))?;
    let mut rows = statement.query(params![call, as_of_ms.unwrap_or(i64::MAX)])?;
    rows.next()?.map(StoredChange::read).transpose()
}

/// A prepared search.
struct Search<'a> {
    connection: &'a TolerantConnection<'a>,
    tenant: i64,
    filter: &'a Filter,
    as_of_ms: Option<i64>,
    /// A matching call has at least one term of each list; candidates are found by the first list.
    terms: Vec<Vec<i64>>,
}

impl<'a> Search<'a> {
    /// `None` if nothing can match.
    fn new(
        connection: &'a TolerantConnection<'a>,
        tenant: i64,
        filter: &'a Filter,
        as_of_ms: Option<i64>,
    ) -> Result<Option<Self>> {
        let mut terms = Vec::new();
        if filter.number.is_some() {
            let Some(digits) = filter.number_digits() else { return Ok(None) };
            terms.push(numbers(connection, tenant, &digits)?);
        }
        for (kind, value) in filter.exact_terms() {
            terms.push(search_index::find_term(connection, tenant, kind, value)?.into_iter().collect());
        }
        if let Some(name) = &filter.name {
            terms.push(names(connection, tenant, name)?);
        }
        for person in filter.people() {
            terms.extend(person_terms(connection, tenant, person)?);
        }
        if terms.iter().any(Vec::is_empty) {
            return Ok(None);
        }
        Ok(Some(Self { connection, tenant, filter, as_of_ms, terms }))
    }

    /// The next calls after a position that may match, newest first.
    fn candidates(&self, after: (i64, i64), limit: usize) -> Result<Vec<(i64, i64)>> {
        let from = self.filter.from_ms.unwrap_or(i64::MIN);
        let after = match self.filter.to_ms {
            Some(to) => after.min((to, i64::MIN)),
            None => after,
        };
        let Some(terms) = self.terms.first() else { return self.candidates_by_start(from, after, limit) };
        let mut statement = self.connection.prepare_cached(
            "SELECT start_ms, call FROM call_terms WHERE term = ?1 AND start_ms >= ?2 AND (start_ms, call) < (?3, ?4)
             ORDER BY start_ms DESC, call DESC LIMIT ?5",
        )?;
        let mut found = Vec::new();
        for term in terms {
            let mut rows = statement.query(params![term, from, after.0, after.1, limit as i64])?;
            while let Some(row) = rows.next()? {
                found.push((row.get(0)?, row.get(1)?));
            }
        }
        found.sort_unstable_by(|a, b| b.cmp(a));
        found.dedup();
        found.truncate(limit);
        Ok(found)
    }

    fn candidates_by_start(&self, from: i64, after: (i64, i64), limit: usize) -> Result<Vec<(i64, i64)>> {
        let mut sql = "SELECT start_ms, call FROM calls WHERE tenant = ?1 AND start_ms >= ?2
                       AND (start_ms, call) < (?3, ?4)"
            .to_owned();
        let mut values: Vec<Value> =
            vec![self.tenant.into(), from.into(), after.0.into(), after.1.into(), (limit as i64).into()];
        // Earlier versions may have had another result.
        if self.as_of_ms.is_none() {
            if let Some(result) = self.filter.result {
                values.push(result.as_str().to_owned().into());
                sql.push_str(&format!(" AND result = ?{}", values.len()));
            }
            if self.filter.state == Some(wholecall_record::call::State::Live) {
                sql.push_str(" AND state = 'live'");
            }
        }
        sql.push_str(" ORDER BY start_ms DESC, call DESC LIMIT ?5");
        let mut statement = self.connection.prepare_cached(&sql)?;
        let rows = statement.query_map(params_from_iter(values), |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// The record of a candidate. `None` if it does not match.
    fn matching_record(&self, candidate: (i64, i64)) -> Result<Option<String>> {
        let found = self.connection.skip_damaged(self.read(candidate), self.tenant, || {
            let id = "SELECT id FROM calls WHERE call = ?1";
            let id = self.connection.query_row(id, [candidate.1], |row| row.get::<_, String>(0));
            format!("call {}", id.unwrap_or_else(|_| format!("number {}", candidate.1)))
        });
        Ok(found?.flatten())
    }

    fn read(&self, (_, call): (i64, i64)) -> Result<Option<String>> {
        if self.as_of_ms.is_none() && !self.matches_now(call)? {
            return Ok(None);
        }
        let Some(version) = version(self.connection, call, self.as_of_ms)? else { return Ok(None) };
        // Terms include participants of earlier versions, and do not contain roles.
        if self.as_of_ms.is_some() || self.filter.people().next().is_some() {
            let then: Call = serde_json::from_str(&version.record)
                .map_err(|error| StoreError::Damaged(format!("a record cannot be read: {error}")))?;
            if !self.filter.matches(&then) {
                return Ok(None);
            }
        }
        Ok(Some(version.record))
    }

    /// Checks the filter conditions that the index lookup did not cover, against the call's current columns.
    fn matches_now(&self, call: i64) -> Result<bool> {
        let row = self
            .connection
            .prepare_cached("SELECT state, direction, result, terms, end_state FROM calls WHERE call = ?1")?
            .query_row([call], |row| {
                let word =
                    |index| row.get_ref(index)?.as_str().map(str::to_owned).map_err(rusqlite::Error::from);
                let end_state: Option<String> = row.get(4)?;
                Ok((word(0)?, word(1)?, word(2)?, row.get::<_, Vec<u8>>(3)?, end_state))
            })
            .optional()?;
        let Some((state, direction, result, terms, end_state)) = row else { return Ok(false) };
        let filter = self.filter;
        let words = filter.state.is_none_or(|wanted| wanted.as_str() == state)
            && filter.direction.is_none_or(|wanted| wanted.as_str() == direction)
            && filter.result.is_none_or(|wanted| wanted.as_str() == result)
            && filter.end_state.is_none_or(|wanted| Some(wanted.as_str()) == end_state.as_deref());
        if !words || self.terms.len() < 2 {
            return Ok(words);
        }
        let terms = search_index::decode_terms(&terms)?;
        Ok(self.terms[1..].iter().all(|wanted| wanted.iter().any(|term| terms.binary_search(term).is_ok())))
    }
}

/// The terms of numbers that end with some digits.
fn numbers(connection: &Connection, tenant: i64, digits: &str) -> Result<Vec<i64>> {
    let mut statement = connection.prepare_cached(
        "SELECT term, value FROM terms WHERE tenant = ?1 AND kind = ?2 AND value >= ?3 AND value < ?4 LIMIT ?5",
    )?;
    // ':' is the character after '9'.
    let mut rows = statement.query(params![
        tenant,
        TermKind::Number.as_str(),
        digits,
        format!("{digits}:"),
        MAX_MATCHING_TERMS as i64
    ])?;
    let mut terms = Vec::new();
    while let Some(row) = rows.next()? {
        if number_matches(row.get_ref(1)?.as_str().unwrap_or_default(), digits) {
            terms.push(row.get(0)?);
        }
    }
    Ok(terms)
}

/// The terms that identify a person; a call needs one of them. `None` if the person cannot be found by terms.
fn person_terms(connection: &Connection, tenant: i64, person: &str) -> Result<Option<Vec<i64>>> {
    let extension = match person.split_once(':') {
        None => Some(person),
        Some(("ext", id)) => Some(id),
        Some(_) => None,
    };
    let mut found = Vec::new();
    if let Some(id) = extension {
        found.extend(search_index::find_term(connection, tenant, TermKind::Extension, id)?);
    }
    match person.split_once(':') {
        None | Some(("tel", _)) => {
            if let Some(digits) = digits_of(person) {
                found.extend(numbers(connection, tenant, &digits)?);
            }
        }
        Some(("ext", _)) => {}
        Some(_) => return Ok(None),
    }
    Ok(Some(found))
}

/// The terms of names that contain a text.
fn names(connection: &Connection, tenant: i64, part: &str) -> Result<Vec<i64>> {
    let mut statement = connection.prepare_cached(
        "SELECT term FROM terms WHERE tenant = ?1 AND kind = ?2 AND instr(value, ?3) > 0 LIMIT ?4",
    )?;
    let name = TermKind::Name.as_str();
    let rows = statement
        .query_map(params![tenant, name, part.to_lowercase(), MAX_MATCHING_TERMS as i64], |row| row.get(0))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}
