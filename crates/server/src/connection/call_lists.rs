//! RingCentral's lists of calls, which are read in pages.

use std::time::Duration;

use wholecall_ringcentral::{CallLogRecord, Client, Error};

/// Maximum number of pages read of a list: each costs a tenth of a minute's heavy requests.
const MAX_PAGES: usize = 40;

/// A list of calls.
pub(super) enum CallList<'a> {
    /// The calls that are live now.
    Active,
    /// The call log's calls that started within a time.
    CallLog { from: &'a str, until: &'a str },
}

/// The records that were read of a list, newest first.
pub(super) struct ListedCalls {
    pub(super) records: Vec<CallLogRecord>,
    /// Whether the list has no further records.
    pub(super) is_complete: bool,
}

/// Reads a list. `None` if the user may not read it.
pub(super) async fn read(client: &Client, list: &CallList<'_>) -> Result<Option<ListedCalls>, Error> {
    let mut listed = ListedCalls { records: Vec::new(), is_complete: false };
    for page in 1..=MAX_PAGES {
        let (records, is_more) = match read_page(client, list, page).await {
            Ok(found) => found,
            // Not an error: notifications arrive without this permission too.
            Err(Error::Refused(refusal)) if !refusal.is_outage() => {
                tracing::info!(%refusal, "the call log may not be read");
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        listed.records.extend(records);
        listed.is_complete = !is_more;
        if listed.is_complete {
            break;
        }
    }
    Ok(Some(listed))
}

/// Reads a page, and whether there are more. The first page fails where the rate limit is reached; later ones wait for it.
async fn read_page(
    client: &Client,
    list: &CallList<'_>,
    page: usize,
) -> Result<(Vec<CallLogRecord>, bool), Error> {
    loop {
        let read = match list {
            CallList::Active => client.active_calls(page).await,
            CallList::CallLog { from, until } => client.call_log(from, until, page).await,
        };
        match read {
            Err(Error::RateLimited { until_ms, .. }) if page > 1 => {
                let wait = u64::try_from(until_ms - client.now_ms()).unwrap_or(0).max(10);
                tokio::time::sleep(Duration::from_millis(wait)).await;
            }
            other => return other,
        }
    }
}
