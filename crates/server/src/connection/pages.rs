//! Lists of calls that RingCentral gives page by page.

use std::time::Duration;

use wholecall_ringcentral::{CallLogRecord, Client, Error};

/// More pages of a list than this are not read at once: each costs a tenth of a minute's heavy requests.
const MOST_PAGES: usize = 40;

/// A list of calls.
pub(super) enum List<'a> {
    Active,
    /// Those that began within a time.
    Logged {
        from: &'a str,
        until: &'a str,
    },
}

/// What was read of a list, newest first.
pub(super) struct Listed {
    pub(super) records: Vec<CallLogRecord>,
    /// Whether there is no more of it.
    pub(super) is_whole: bool,
}

/// Reads a list; none where it may not be read.
pub(super) async fn read(client: &Client, list: &List<'_>) -> Result<Option<Listed>, Error> {
    let mut listed = Listed { records: Vec::new(), is_whole: false };
    for page in 1..=MOST_PAGES {
        let (records, is_more) = match read_page(client, list, page).await {
            Ok(found) => found,
            // Calls are told all the same.
            Err(Error::Refused(refusal)) if !refusal.is_outage() => {
                tracing::info!(%refusal, "the call log may not be read");
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        listed.records.extend(records);
        listed.is_whole = !is_more;
        if listed.is_whole {
            break;
        }
    }
    Ok(Some(listed))
}

/// Reads a page, the first one only if there is room for it in the budget; a list that was begun is read on.
async fn read_page(
    client: &Client,
    list: &List<'_>,
    page: usize,
) -> Result<(Vec<CallLogRecord>, bool), Error> {
    loop {
        let read = match list {
            List::Active => client.active_calls(page).await,
            List::Logged { from, until } => client.logged_calls(from, until, page).await,
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
