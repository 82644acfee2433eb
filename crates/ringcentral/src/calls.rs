//! What RingCentral knows of calls apart from what it tells by itself.

use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use crate::{budget::Group, client::Client, error::Result};

/// An answer about a session, in RingCentral's words.
#[derive(Debug, Clone)]
pub struct Session {
    /// The JSON as it came.
    pub json: Box<str>,
    /// When it was given, by RingCentral's clock; milliseconds since 1970.
    pub at_ms: i64,
}

/// A record of the call log.
#[derive(Debug, Clone)]
pub struct Logged {
    /// The record's id.
    pub id: String,
    /// The session it is about; old records name none.
    pub session: Option<String>,
    /// Whether the call is over.
    pub is_over: bool,
    /// The JSON as it came.
    pub json: Box<str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LogRecord {
    id: String,
    #[serde(default)]
    telephony_session_id: Option<String>,
    #[serde(default)]
    result: Option<String>,
    #[serde(default)]
    duration: Option<i64>,
    /// Since August 2026.
    #[serde(default)]
    finished: Option<bool>,
}

#[derive(Deserialize)]
struct Page {
    records: Vec<Box<RawValue>>,
    #[serde(default)]
    navigation: Value,
}

/// RingCentral's largest page.
const PER_PAGE: usize = 1_000;

/// What a session is read from.
pub fn session_path(account: &str, session: &str) -> String {
    format!("/restapi/v1.0/account/{account}/telephony/sessions/{session}")
}

impl Client {
    /// A session and its parties; none if RingCentral does not know it (any more).
    pub async fn session(&self, account: &str, session: &str) -> Result<Option<Session>> {
        match self.get::<Box<RawValue>>(Group::Light, &session_path(account, session)).await {
            Ok(raw) => Ok(Some(Session { json: raw.get().into(), at_ms: self.server_now_ms() })),
            Err(error) if error.is_unknown() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A page of the account's calls that go on, newest first, from 1 on, and whether there is another.
    pub async fn active_calls(&self, page: usize) -> Result<(Vec<Logged>, bool)> {
        self.log("/restapi/v1.0/account/~/active-calls?view=Simple", page).await
    }

    /// A page of the account's calls that began within a time (`2026-06-01T12:00:00.000Z`), newest first, from 1 on, and
    /// whether there is another.
    pub async fn logged_calls(&self, from: &str, until: &str, page: usize) -> Result<(Vec<Logged>, bool)> {
        let path = format!("/restapi/v1.0/account/~/call-log?view=Simple&dateFrom={from}&dateTo={until}");
        self.log(&path, page).await
    }

    async fn log(&self, path: &str, page: usize) -> Result<(Vec<Logged>, bool)> {
        let found: Page = self.get(Group::Heavy, &format!("{path}&page={page}&perPage={PER_PAGE}")).await?;
        let records = found.records.into_iter().filter_map(|raw| {
            let record: LogRecord = serde_json::from_str(raw.get()).ok()?;
            let goes_on = record.result.is_some_and(|result| result.eq_ignore_ascii_case("In Progress"));
            let is_over = record.finished.unwrap_or(!goes_on) && record.duration.is_some();
            Some(Logged {
                id: record.id,
                session: record.telephony_session_id,
                is_over,
                json: raw.get().into(),
            })
        });
        Ok((records.collect(), !found.navigation["nextPage"].is_null()))
    }
}
