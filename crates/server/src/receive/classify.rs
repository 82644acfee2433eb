//! Decides whether a body is a notification of a tenant.

use wholecall_notification::{Document, Message, Notification};
use wholecall_record::Time;
use wholecall_store::Arrival;

use super::body::MAX_BODY_BYTES;
use crate::{plausible::implausible_time, tenants::Tenant};

/// Maximum length of an id; RingCentral's have ten to forty characters.
const MAX_ID_BYTES: usize = 256;

/// A body as a notification that arrives now. The error is why it is not one of the tenant's.
pub(crate) fn classify(tenant: &Tenant, now: Time, body: &[u8]) -> Result<Arrival, String> {
    if body.len() > MAX_BODY_BYTES {
        return Err(too_long_reason());
    }
    let text = std::str::from_utf8(body).map_err(|error| format!("not UTF-8: {error}"))?;
    let document = Document::parse(text).map_err(|problem| problem.to_string())?;
    match document.message().map_err(|problem| problem.to_string())? {
        Message::Session(notification) => {
            check_id_lengths(&notification)?;
            implausible_time(&notification, now).map_or(Ok(()), Err)?;
            match notification.account_id() {
                Some(account) if !tenant.accounts.contains(account) => {
                    Err(format!("account {account} is not one of the tenant's"))
                }
                _ => Ok(Arrival {
                    tenant: tenant.id,
                    arrived_ms: now.as_millis(),
                    session: notification.session_id().into(),
                    body: text.into(),
                }),
            }
        }
        other => Err(format!("{}, not a telephony session notification", other.kind())),
    }
}

/// Ids are part of addresses, indexes and messages, so their length is limited.
fn check_id_lengths(notification: &Notification<'_, '_>) -> Result<(), String> {
    let body = notification.body();
    let parties = body.parties.iter().map(|party| ("a party's id", party.id()));
    let ids = [("telephonySessionId", notification.session_id())];
    let account = notification.account_id().map(|account| ("the account's id", account));
    match ids.into_iter().chain(account).chain(parties).find(|(_, id)| id.len() > MAX_ID_BYTES) {
        Some((what, id)) => Err(format!("{what} has {} bytes, more than {MAX_ID_BYTES}", id.len())),
        None => Ok(()),
    }
}

pub(crate) fn too_long_reason() -> String {
    format!("longer than {} KiB", MAX_BODY_BYTES / 1024)
}
