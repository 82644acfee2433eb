//! What RingCentral knows of calls apart from what it tells by itself.

use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use crate::{budget::Group, client::Client, error::Result};

/// A telephony session as it is now, in RingCentral's words.
#[derive(Debug, Clone)]
pub struct Session {
    /// The JSON as it came.
    pub json: Box<str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LogRecord {
    #[serde(default)]
    telephony_session_id: Option<String>,
}

#[derive(Deserialize)]
struct Page {
    records: Vec<LogRecord>,
    #[serde(default)]
    navigation: Value,
}

/// More pages than this are not asked for at once: each costs a tenth of a minute's heavy requests.
const MOST_PAGES: usize = 5;

/// RingCentral's largest page.
const PER_PAGE: usize = 1_000;

impl Client {
    /// A session and its parties; none if RingCentral does not know it (any more).
    pub async fn session(&self, id: &str) -> Result<Option<Session>> {
        let path = format!("/restapi/v1.0/account/~/telephony/sessions/{id}");
        match self.get::<Box<RawValue>>(Group::Light, &path).await {
            Ok(raw) => Ok(Some(Session { json: raw.get().into() })),
            Err(error) if error.is_unknown() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The sessions of the account's calls that go on, newest first.
    pub async fn active_sessions(&self) -> Result<Vec<String>> {
        self.log("/restapi/v1.0/account/~/active-calls?view=Simple").await
    }

    /// The sessions in the account's call log that began within a time (`2026-06-01T12:00:00.000Z`), newest first, and
    /// no more than five thousand.
    pub async fn logged_sessions(&self, from: &str, until: &str) -> Result<Vec<String>> {
        let path = format!("/restapi/v1.0/account/~/call-log?view=Simple&dateFrom={from}&dateTo={until}");
        self.log(&path).await
    }

    async fn log(&self, path: &str) -> Result<Vec<String>> {
        let mut sessions = Vec::new();
        for page in 1..=MOST_PAGES {
            let found: Page =
                self.get(Group::Heavy, &format!("{path}&page={page}&perPage={PER_PAGE}")).await?;
            sessions.extend(found.records.into_iter().filter_map(|record| record.telephony_session_id));
            if found.navigation["nextPage"].is_null() {
                break;
            }
        }
        Ok(sessions)
    }
}
