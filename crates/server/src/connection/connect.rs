//! Connects and disconnects accounts: checks credentials and the app's permissions, and stores the credentials sealed.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use wholecall_ringcentral::{Client, Credentials, Error, Http, Proxies};
use wholecall_store::{ConnectedAccount, Store, StoreError, TenantView};

use super::{
    directory::DirectorySyncState,
    state::{ConnectionState, describe},
    state_of,
};
use crate::{
    admin::{self, AddedTenant, AdminError},
    clock,
    security::{SealError, SecretKey, connection_owner},
};

/// Maximum number of gaps shown of an account.
const MAX_SHOWN_GAPS: usize = 20;

/// Why an account cannot be connected.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// A request to RingCentral failed.
    #[error(transparent)]
    RingCentral(#[from] Error),
    /// The tenant does not exist, or cannot be added.
    #[error(transparent)]
    Tenant(#[from] AdminError),
    /// The credentials cannot be sealed or opened.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The app lacks permissions that are required.
    #[error("the app lacks permissions:{}", .0.iter().map(|one| format!("\n  {one}")).collect::<String>())]
    Missing(Vec<MissingPermission>),
    /// The tenant has no such account, or several.
    #[error("{0}")]
    Account(String),
}

/// A permission that an app lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingPermission {
    /// Its name in RingCentral's developer console.
    pub permission: &'static str,
    /// What it is needed for.
    pub purpose: &'static str,
    /// Whether nothing works without it.
    pub is_needed: bool,
}

impl std::fmt::Display for MissingPermission {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { permission, purpose, .. } = self;
        write!(
            f,
            "{permission} is missing, to {purpose}: tick it at developers.ringcentral.com → the app → Settings → \
             Security and access → App scopes"
        )
    }
}

/// Credentials that RingCentral has accepted.
#[derive(Debug)]
pub struct CheckedCredentials {
    /// The RingCentral account.
    pub account: String,
    /// Permissions that are missing, but not required.
    pub missing: Vec<MissingPermission>,
}

/// An account that was disconnected.
#[derive(Debug)]
pub struct Disconnected {
    /// The RingCentral account.
    pub account: String,
    credentials: Credentials,
    subscriptions: Vec<String>,
}

/// The plaintext of sealed credentials.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sealed {
    server: String,
    client_id: String,
    client_secret: String,
    jwt: String,
}

/// The credentials of an account.
pub(super) fn open(key: &SecretKey, connection: &ConnectedAccount) -> Result<Credentials, SealError> {
    let text = key
        .open(&connection_owner(connection.tenant.number(), &connection.account), &connection.credentials)?;
    let Sealed { server, client_id, client_secret, jwt } =
        serde_json::from_slice(&text).map_err(|_| SealError::OtherKey)?;
    Ok(Credentials { server, client_id, client_secret, jwt })
}

pub(super) fn seal(key: &SecretKey, place: &str, credentials: Credentials) -> Result<Vec<u8>, SealError> {
    let Credentials { server, client_id, client_secret, jwt } = credentials;
    let sealed = json!(Sealed { server, client_id, client_secret, jwt });
    key.seal(place, sealed.to_string().as_bytes())
}

fn client(credentials: &Credentials, proxies: Proxies) -> Result<Client, Error> {
    let clock = std::sync::Arc::new(|| clock::now().as_millis());
    Client::new(Http::through(proxies)?, credentials.clone(), clock)
}

/// Logs in with credentials, and finds out the account and the missing permissions.
pub async fn check(
    credentials: &Credentials,
    by_webhook: bool,
    proxies: Proxies,
) -> Result<CheckedCredentials, ConnectError> {
    let client = client(credentials, proxies)?;
    let granted = client.log_in().await?;
    let missing = missing(&granted, by_webhook);
    let lacks_required = missing.iter().any(|one| one.is_needed);
    let account = if lacks_required { Ok(String::new()) } else { client.account_id().await };
    // RingCentral limits a user's simultaneous logins.
    let _ = client.log_out().await;
    match lacks_required {
        true => Err(ConnectError::Missing(missing)),
        false => Ok(CheckedCredentials { account: account?, missing }),
    }
}

/// Connects an account to a tenant. Adds the tenant if it does not exist, and returns it then. A service that runs on the
/// same data subscribes within a second. Blocks.
pub fn connect(
    store: &Store,
    key: &SecretKey,
    tenant: &str,
    account: &str,
    credentials: Credentials,
) -> Result<Option<AddedTenant>, ConnectError> {
    let added = match admin::find(store, tenant) {
        Err(AdminError::Unknown(_)) => Some(admin::add_tenant(store, tenant, &[account.to_owned()], None)?),
        found => found.map(|_| None)?,
    };
    let tenant = admin::find(store, tenant)?;
    let now = clock::now().as_millis();
    store.connect(ConnectedAccount {
        tenant: tenant.id,
        account: account.to_owned(),
        connected_ms: now,
        credentials: seal(key, &connection_owner(tenant.id.number(), account), credentials)?,
        state: json!(ConnectionState::default()).to_string(),
        complete_until_ms: now,
        directory: json!(DirectorySyncState::default()).to_string(),
    })?;
    Ok(added)
}

/// The permissions that an app lacks. RingCentral lists the granted ones in the scope of a token; where it lists none,
/// nothing is reported as missing.
fn missing(granted: &[String], by_webhook: bool) -> Vec<MissingPermission> {
    let needed = [
        ("CallControl", "receive notifications of calls", true),
        ("SubscriptionWebhook", "have them posted to this service", by_webhook),
        ("WebSocket", "receive them through a WebSocket", !by_webhook),
        ("ReadAccounts", "read the account's id and the names of its extensions", true),
        ("ReadCallLog", "find out which calls were missed during an outage", false),
    ];
    let is_transport = |name: &str| name == "SubscriptionWebhook" || name == "WebSocket";
    let is_granted = |needed: &str| {
        // `WebSocketsSubscription` is another name of `WebSocket`.
        granted.iter().any(|name| name == needed || needed == "WebSocket" && name.starts_with("WebSocket"))
    };
    needed
        .into_iter()
        .filter(|(name, _, is_needed)| *is_needed || !is_transport(name))
        .filter(|(name, ..)| !granted.is_empty() && !is_granted(name))
        .map(|(permission, purpose, is_needed)| MissingPermission { permission, purpose, is_needed })
        .collect()
}

/// The connected account of a tenant: the one with that id, or the only one.
fn find(store: &Store, tenant: &str, account: Option<&str>) -> Result<ConnectedAccount, ConnectError> {
    let id = admin::find(store, tenant)?.id;
    let mut own = store.connections()?;
    own.retain(|one| one.tenant == id && account.is_none_or(|account| one.account == account));
    match own.len() {
        0 => Err(ConnectError::Account(format!(
            "{tenant} has no such connection: `wholecall connection status` lists all"
        ))),
        1 => Ok(own.remove(0)),
        _ => Err(ConnectError::Account(format!("{tenant} has several connections: name the account"))),
    }
}

/// Removes a connection; its calls stay. Blocks. [`Disconnected::end`] then ends its subscriptions at RingCentral.
pub fn disconnect(
    store: &Store,
    key: &SecretKey,
    tenant: &str,
    account: Option<&str>,
) -> Result<Disconnected, ConnectError> {
    let connection = find(store, tenant, account)?;
    let credentials = open(key, &connection)?;
    // Before the subscriptions are ended, so that a running service does not create them again.
    store.disconnect(connection.tenant, connection.account.clone())?;
    let state = state_of(&connection);
    let own: Vec<_> = state.subscription.into_iter().chain(state.retiring).collect();
    store.remove_secrets(connection.tenant, own.iter().filter_map(|one| one.secret).collect())?;
    let subscriptions = own.into_iter().map(|subscription| subscription.id).collect();
    Ok(Disconnected { account: connection.account, credentials, subscriptions })
}

impl Disconnected {
    /// Ends the subscriptions at RingCentral; if that fails, they expire.
    pub async fn end(&self, proxies: Proxies) -> Result<(), ConnectError> {
        let client = client(&self.credentials, proxies)?;
        for id in &self.subscriptions {
            client.unsubscribe(id).await?;
        }
        // If this fails, the login expires within the hour.
        let _ = client.log_out().await;
        Ok(())
    }
}

/// The status of all connections, or of those of one tenant.
pub fn statuses(store: &Store, tenant: Option<&str>) -> Result<Vec<Value>, ConnectError> {
    let tenants = match tenant {
        Some(name) => vec![admin::find(store, name)?],
        None => store.tenants()?,
    };
    let mut statuses = Vec::new();
    for tenant in tenants {
        statuses.extend(statuses_of(&store.of(tenant.id), &tenant.name)?);
    }
    Ok(statuses)
}

/// The status of a tenant's connections.
pub(crate) fn statuses_of(view: &TenantView, name: &str) -> Result<Vec<Value>, StoreError> {
    let described = |connection: &ConnectedAccount| {
        let gaps = view.gaps(&connection.account, MAX_SHOWN_GAPS)?;
        Ok(describe(name, connection, &state_of(connection), &gaps))
    };
    view.connections()?.iter().map(described).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_permission_is_named_with_the_setting_that_grants_it() {
        let granted = |names: &str| names.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let names =
            |missing: Vec<MissingPermission>| missing.iter().map(|one| one.permission).collect::<Vec<_>>();
        let all = granted("ReadAccounts CallControl ReadCallLog SubscriptionWebhook WebSocketsSubscription");
        assert!(missing(&all, true).is_empty() && missing(&all, false).is_empty());
        let few = granted("CallControl WebSocket");
        assert_eq!(names(missing(&few, false)), ["ReadAccounts", "ReadCallLog"]);
        assert_eq!(names(missing(&few, true)), ["SubscriptionWebhook", "ReadAccounts", "ReadCallLog"]);
        assert!(missing(&[], true).is_empty(), "RingCentral lists no permissions");
        let message = ConnectError::Missing(missing(&few, true)).to_string();
        assert!(
            message.contains("ReadAccounts is missing") && message.contains("developers.ringcentral.com"),
            "{message}"
        );
    }
}
