//! Endpoints: the addresses that tenants want events delivered to, and their settings.

use rusqlite::{OptionalExtension, Row, Transaction, params};
use serde::{Deserialize, Serialize};

use crate::{
    Position, Store, TenantId, TenantView,
    audit_log::{AuditAction, note},
    damage::TolerantConnection,
    error::{Result, StoreError},
    events::kind,
};

/// The number of an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EndpointId(pub(crate) i64);

impl EndpointId {
    /// The plain number, for logs.
    pub fn number(self) -> i64 {
        self.0
    }
}

/// An endpoint.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// Its number.
    pub number: EndpointId,
    /// The tenant.
    pub tenant: TenantId,
    /// Its name in the API, `ep_…`.
    pub id: String,
    /// When it was added, milliseconds since 1970.
    pub created_ms: i64,
    /// Its settings.
    pub settings: EndpointSettings,
    /// Its secrets and headers, encrypted by the caller.
    pub sealed: Vec<u8>,
    /// Why it is disabled. `None` if it is enabled.
    pub disabled: Option<DisabledReason>,
    /// The first failure since the last success, milliseconds since 1970. `None` if the last attempt succeeded.
    pub failing_since_ms: Option<i64>,
    /// The position up to which the feed's changes for it are in `deliveries`.
    pub cursor: Position,
}

/// The settings of an endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EndpointSettings {
    /// The address that events are posted to.
    pub url: String,
    /// The types of events it subscribes to, `call.completed` and so on.
    pub events: Vec<String>,
    /// Limits the calls.
    #[serde(default)]
    pub filter: EndpointFilter,
    /// A description for people.
    #[serde(default)]
    pub description: String,
    /// How deliveries are signed.
    #[serde(default)]
    pub signing: Signing,
    /// Maximum number of requests per second. `None` if unlimited.
    #[serde(default)]
    pub rate_limit: Option<u32>,
    /// Maximum number of events in one request. `None` for one event that is not wrapped in a list.
    #[serde(default)]
    pub batch: Option<u32>,
    /// Whether numbers are masked and names removed.
    #[serde(default)]
    pub redact: bool,
    /// How much of each event is sent.
    #[serde(default)]
    pub payload: Payload,
    /// Maximum bytes of a request; a longer one is sent with less detail. `None` if unlimited.
    #[serde(default)]
    pub max_bytes: Option<u32>,
}

/// How much of each event an endpoint receives.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Payload {
    /// Whole records.
    #[default]
    Full,
    /// Records without their legs.
    WithoutLegs,
    /// Ids and a link.
    Thin,
}

/// Limits the calls of which an endpoint receives events. `None` in a field: not limited by it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct EndpointFilter {
    /// The direction.
    pub direction: Option<String>,
    /// The result.
    pub result: Option<String>,
    /// A participant's extension id.
    pub extension: Option<String>,
    /// A queue's extension id.
    pub queue: Option<String>,
    /// A participant's number.
    pub number: Option<String>,
    /// The customer: number, participant id or extension id.
    pub customer: Option<String>,
    /// The participant who answered: number, participant id or extension id.
    pub answered_by: Option<String>,
    /// A person of the account who talked: number, participant id or extension id.
    pub user: Option<String>,
    /// The customer's state when the call ended.
    pub end_state: Option<String>,
}

/// How deliveries are signed (Standard Webhooks 1.0).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Signing {
    /// HMAC-SHA256 with a shared secret.
    #[default]
    #[serde(rename = "v1")]
    Hmac,
    /// Ed25519, verified with a public key.
    #[serde(rename = "v1a")]
    Ed25519,
}

/// Why an endpoint is disabled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DisabledReason {
    /// Its owner disabled it.
    Owner,
    /// It answered 410.
    Gone,
    /// It failed for days.
    Failing,
    /// Its address contained an erased person's data, and its owner has not confirmed the address that replaced it.
    Erased,
}

impl DisabledReason {
    const ALL: [Self; 4] = [Self::Owner, Self::Gone, Self::Failing, Self::Erased];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Gone => "gone",
            Self::Failing => "failing",
            Self::Erased => "erased",
        }
    }

    fn from_word(word: &str) -> Result<Self> {
        let known = Self::ALL.into_iter().find(|why| why.as_str() == word);
        known.ok_or_else(|| {
            StoreError::Damaged(format!("an endpoint disabled for an unknown reason {word:?}"))
        })
    }
}

/// An endpoint to be added. It receives events from then on.
#[derive(Debug, Clone)]
pub struct NewEndpoint {
    /// Its name in the API.
    pub id: String,
    /// When it is added, milliseconds since 1970.
    pub created_ms: i64,
    /// Its settings.
    pub settings: EndpointSettings,
    /// Its secrets and headers, encrypted.
    pub sealed: Vec<u8>,
}

/// Changes of an endpoint. `None` in a field: no change of that.
#[derive(Debug, Clone, Default)]
pub struct EndpointChange {
    /// Its settings.
    pub settings: Option<EndpointSettings>,
    /// Its secrets and headers, encrypted.
    pub sealed: Option<Vec<u8>>,
    /// Whether it is enabled. An endpoint that is enabled again receives the events that it missed.
    pub enabled: Option<bool>,
    /// Whether its secret is replaced.
    pub is_rotation: bool,
}

/// Maximum number of endpoints of a tenant.
pub const MAX_ENDPOINTS: i64 = 100;

/// Maximum number of test events per minute of an endpoint, and of test events that are retained.
const MAX_TESTS_PER_MINUTE: i64 = 10;
const MAX_RETAINED_TESTS: i64 = 100;

const COLUMNS: &str =
    "endpoint, tenant, id, created_ms, settings, sealed, disabled, failing_since_ms, cursor";

impl Endpoint {
    fn read(row: &Row<'_>) -> Result<Self> {
        let settings: String = row.get(4)?;
        let disabled: Option<String> = row.get(6)?;
        Ok(Self {
            number: EndpointId(row.get(0)?),
            tenant: TenantId(row.get(1)?),
            id: row.get(2)?,
            created_ms: row.get(3)?,
            settings: serde_json::from_str(&settings)
                .map_err(|error| StoreError::Damaged(format!("an endpoint's settings: {error}")))?,
            sealed: row.get(5)?,
            disabled: disabled.as_deref().map(DisabledReason::from_word).transpose()?,
            failing_since_ms: row.get(7)?,
            cursor: Position(row.get(8)?),
        })
    }
}

impl Store {
    /// The endpoints of all tenants, in order of creation.
    pub fn endpoints(&self) -> Result<Vec<Endpoint>> {
        self.read(|connection| select(connection, "?1 = 0", 0))
    }

    /// Stores the position up to which the feed was read for an endpoint. Blocks.
    pub fn set_endpoint_cursor(&self, endpoint: EndpointId, cursor: Position) -> Result<()> {
        self.writer().run(move |transaction, _| {
            transaction
                .prepare_cached("UPDATE endpoints SET cursor = max(cursor, ?2) WHERE endpoint = ?1")?
                .execute(params![endpoint.0, cursor.0])?;
            Ok(())
        })
    }

    /// Stores since when an endpoint fails. `None` if it does not. Blocks.
    pub fn set_endpoint_failing(&self, endpoint: EndpointId, since_ms: Option<i64>) -> Result<()> {
        self.writer().run(move |transaction, _| {
            transaction
                .prepare_cached("UPDATE endpoints SET failing_since_ms = ?2 WHERE endpoint = ?1")?
                .execute(params![endpoint.0, since_ms])?;
            Ok(())
        })
    }

    /// Disables an endpoint, and notifies the tenant's other endpoints. Blocks.
    pub fn disable_endpoint(&self, endpoint: EndpointId, why: DisabledReason, now_ms: i64) -> Result<()> {
        self.change_configuration(move |transaction, caches| {
            let disabled: Option<(i64, String, Option<i64>)> = transaction
                .prepare_cached(
                    "UPDATE endpoints SET disabled = ?2 WHERE endpoint = ?1 AND disabled IS NULL
                     RETURNING tenant, id, failing_since_ms",
                )?
                .query_row(params![endpoint.0, why.as_str()], |row| {
                    Ok((row.get(0)?, row.get(1)?, row.get(2)?))
                })
                .optional()?;
            let Some((tenant, id, failing_since_ms)) = disabled else { return Ok(()) };
            let data = serde_json::json!({
                "endpoint": id,
                "reason": why.as_str(),
                "failingSince": failing_since_ms.map(|since| wholecall_record::Time::from_millis(since).to_string()),
            });
            let others: Vec<EndpointId> = select(&caches.tolerant(transaction), "tenant = ?1", tenant)?
                .into_iter()
                .filter(|other| other.disabled.is_none())
                .map(|other| other.number)
                .collect();
            if !others.is_empty() {
                add_notice(transaction, TenantId(tenant), kind::ENDPOINT_DISABLED, &data, now_ms, &others)?;
            }
            Ok(())
        })
    }
}

impl TenantView {
    /// The tenant's endpoints, in order of creation.
    pub fn endpoints(&self) -> Result<Vec<Endpoint>> {
        self.read(|connection, tenant| select(connection, "tenant = ?1", tenant))
    }

    /// The endpoint with an id.
    pub fn endpoint(&self, id: &str) -> Result<Option<Endpoint>> {
        Ok(self.endpoints()?.into_iter().find(|endpoint| endpoint.id == id))
    }

    /// Adds an endpoint; returns `false` if the tenant has the maximum number. Blocks.
    pub fn add_endpoint(&self, new: NewEndpoint) -> Result<bool> {
        let (tenant, who) = (self.tenant.0, self.store.who.clone());
        self.store.change_configuration(move |transaction, _| {
            let added = transaction
                .prepare_cached(
                    "INSERT INTO endpoints (tenant, id, created_ms, settings, sealed, cursor)
                     SELECT ?1, ?2, ?3, ?4, ?5, (SELECT cursor FROM checkpoint)
                     WHERE (SELECT count(*) FROM endpoints WHERE tenant = ?1) < ?6",
                )?
                .execute(params![
                    tenant,
                    new.id,
                    new.created_ms,
                    to_json(&new.settings)?,
                    new.sealed,
                    MAX_ENDPOINTS
                ])?;
            if added > 0 {
                note(transaction, &who, Some(tenant), AuditAction::EndpointAdd, &new.id)?;
            }
            Ok(added > 0)
        })
    }

    /// Changes an endpoint; returns whether it exists. Blocks.
    pub fn change_endpoint(&self, id: &str, change: EndpointChange) -> Result<bool> {
        let (tenant, id, who) = (self.tenant.0, id.to_owned(), self.store.who.clone());
        self.store.change_configuration(move |transaction, _| {
            let settings = change.settings.as_ref().map(to_json).transpose()?;
            let changed = transaction
                .prepare_cached(
                    "UPDATE endpoints SET settings = coalesce(?3, settings), sealed = coalesce(?4, sealed),
                         failing_since_ms = iif(?5 IS TRUE AND disabled IS NOT NULL, NULL, failing_since_ms),
                         disabled = CASE WHEN ?5 IS NULL THEN disabled WHEN ?5 THEN NULL
                             ELSE coalesce(disabled, 'owner') END
                     WHERE tenant = ?1 AND id = ?2",
                )?
                .execute(params![tenant, id, settings, change.sealed, change.enabled])?;
            if changed > 0 {
                let what = if change.is_rotation {
                    AuditAction::EndpointRotate
                } else {
                    AuditAction::EndpointChange
                };
                note(transaction, &who, Some(tenant), what, &id)?;
            }
            Ok(changed > 0)
        })
    }

    /// Removes an endpoint with its deliveries; returns whether it existed. Blocks.
    pub fn remove_endpoint(&self, id: &str) -> Result<bool> {
        let (tenant, id, who) = (self.tenant.0, id.to_owned(), self.store.who.clone());
        self.store.change_configuration(move |transaction, _| {
            let removed: Option<i64> = transaction
                .prepare_cached("DELETE FROM endpoints WHERE tenant = ?1 AND id = ?2 RETURNING endpoint")?
                .query_row(params![tenant, id], |row| row.get(0))
                .optional()?;
            let Some(endpoint) = removed else { return Ok(false) };
            for table in ["attempts", "deliveries"] {
                transaction.execute(&format!("DELETE FROM {table} WHERE endpoint = ?1"), [endpoint])?;
            }
            note(transaction, &who, Some(tenant), AuditAction::EndpointRemove, &id)?;
            Ok(true)
        })
    }

    /// Queues a test event for an endpoint, unless it had the maximum of the last minute. Only the latest test events
    /// are retained. Blocks.
    pub fn test_endpoint(&self, id: &str, now_ms: i64) -> Result<TestEventResult> {
        let Some(endpoint) = self.endpoint(id)? else { return Ok(TestEventResult::Unknown) };
        let (tenant, who) = (self.tenant, self.store.who.clone());
        self.store.change_configuration(move |transaction, _| {
            let recent: i64 = transaction
                .prepare_cached(
                    "SELECT count(*) FROM deliveries WHERE endpoint = ?1 AND event < 0 AND kind = ?2 AND created_ms > ?3",
                )?
                .query_row(params![endpoint.number.0, kind::ENDPOINT_TEST, now_ms - 60_000], |row| row.get(0))?;
            if recent >= MAX_TESTS_PER_MINUTE {
                return Ok(TestEventResult::TooMany);
            }
            remove_old_tests(transaction, endpoint.number)?;
            note(transaction, &who, Some(tenant.0), AuditAction::EndpointTest, &endpoint.id)?;
            let data = serde_json::json!({ "endpoint": endpoint.id });
            let to = [endpoint.number];
            add_notice(transaction, tenant, kind::ENDPOINT_TEST, &data, now_ms, &to).map(TestEventResult::Sent)
        })
    }
}

/// The result of a request for a test event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TestEventResult {
    /// It is queued with this id.
    Sent(crate::events::EventId),
    /// There is no such endpoint.
    Unknown,
    /// There were too many within the last minute.
    TooMany,
}

/// Removes all but the latest test events of an endpoint.
fn remove_old_tests(transaction: &Transaction<'_>, endpoint: EndpointId) -> Result<()> {
    // The later a notice, the smaller its number.
    let last: Option<i64> = transaction
        .prepare_cached(
            "SELECT event FROM deliveries WHERE endpoint = ?1 AND event < 0 AND kind = ?2
             ORDER BY event LIMIT 1 OFFSET ?3",
        )?
        .query_row(params![endpoint.0, kind::ENDPOINT_TEST, MAX_RETAINED_TESTS - 1], |row| row.get(0))
        .optional()?;
    let Some(last) = last else { return Ok(()) };
    let old = "SELECT event FROM deliveries WHERE endpoint = ?1 AND event < 0 AND event >= ?2 AND kind = ?3";
    let values = params![endpoint.0, last, kind::ENDPOINT_TEST];
    transaction.execute(&format!("DELETE FROM attempts WHERE endpoint = ?1 AND event IN ({old})"), values)?;
    transaction
        .execute(&format!("DELETE FROM notices WHERE notice IN (SELECT -event FROM ({old}))"), values)?;
    transaction
        .execute(&format!("DELETE FROM deliveries WHERE endpoint = ?1 AND event IN ({old})"), values)?;
    Ok(())
}

/// Adds a notice, an event that is not a change of a call, and a delivery to each endpoint that is due at once.
fn add_notice(
    transaction: &Transaction<'_>,
    tenant: TenantId,
    kind: &str,
    data: &serde_json::Value,
    now_ms: i64,
    to: &[EndpointId],
) -> Result<crate::events::EventId> {
    let notice = transaction
        .prepare_cached("INSERT INTO notices (tenant, kind, created_ms, data) VALUES (?1, ?2, ?3, ?4)")?
        .insert(params![tenant.0, kind, now_ms, data.to_string()])?;
    for endpoint in to {
        transaction
            .prepare_cached("INSERT INTO deliveries VALUES (?1, ?2, ?3, 0, '', NULL, ?4, 'pending', 0, ?4)")?
            .execute(params![endpoint.0, -notice, kind, now_ms])?;
    }
    Ok(crate::events::EventId(-notice))
}

pub(crate) fn select(
    connection: &TolerantConnection<'_>,
    condition: &str,
    value: i64,
) -> Result<Vec<Endpoint>> {
    let sql = format!("SELECT {COLUMNS} FROM endpoints WHERE {condition} ORDER BY endpoint");
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query([value])?;
    let mut endpoints = Vec::new();
    while let Some(row) = rows.next()? {
        let (number, tenant) = (row.get::<_, i64>(0).unwrap_or_default(), row.get(1).unwrap_or_default());
        let read = Endpoint::read(row);
        endpoints.extend(connection.skip_damaged(read, tenant, || format!("endpoint number {number}"))?);
    }
    Ok(endpoints)
}

pub(crate) fn to_json(settings: &EndpointSettings) -> Result<String> {
    serde_json::to_string(settings).map_err(|error| StoreError::Failed(error.to_string()))
}
