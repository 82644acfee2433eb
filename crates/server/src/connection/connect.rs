//! An account is connected: the credentials are tried, the permissions looked at, and all of it kept, sealed.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use wholecall_ringcentral::{Client, Credentials, Error, Http, Proxies};
use wholecall_store::{ConnectedAccount, Store, StoreError, TenantView};

use super::{
    directory::Standing,
    state::{State, describe},
    state_of,
};
use crate::{
    admin::{self, Added, AdminError},
    clock,
    security::{SealError, SecretKey, connection_owner},
};

/// So many gaps are told of an account.
const GAPS_TOLD: usize = 20;

/// Why an account cannot be connected.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// RingCentral.
    #[error(transparent)]
    RingCentral(#[from] Error),
    /// The tenant.
    #[error(transparent)]
    Tenant(#[from] AdminError),
    /// The credentials cannot be sealed, or not be opened.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What must be allowed is not.
    #[error("the app may not do what is needed:{}", .0.iter().map(|one| format!("\n  {one}")).collect::<String>())]
    Missing(Vec<Missing>),
    /// The tenant has no such account, or more than one.
    #[error("{0}")]
    Account(String),
}

/// A permission that is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// Its name in RingCentral's developer console.
    pub permission: &'static str,
    /// What it is needed for.
    pub purpose: &'static str,
    /// Whether nothing works without it.
    pub is_needed: bool,
}

impl std::fmt::Display for Missing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { permission, purpose, .. } = self;
        write!(
            f,
            "{permission} is missing, to {purpose}: tick it at developers.ringcentral.com → the app → Settings → \
             Security and access → App scopes"
        )
    }
}

/// Credentials that were tried.
#[derive(Debug)]
pub struct Checked {
    /// The RingCentral account.
    pub account: String,
    /// What will not work for want of permissions.
    pub missing: Vec<Missing>,
}

/// An account that was let go of.
#[derive(Debug)]
pub struct Disconnected {
    /// The RingCentral account.
    pub account: String,
    credentials: Credentials,
    subscriptions: Vec<String>,
}

/// The credentials as they are sealed.
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

/// Tries credentials: whose account it is, and what will not work for want of permissions.
pub async fn check(
    credentials: &Credentials,
    by_webhook: bool,
    proxies: Proxies,
) -> Result<Checked, ConnectError> {
    let client = client(credentials, proxies)?;
    let granted = client.log_in().await?;
    let missing = missing(&granted, by_webhook);
    let is_hopeless = missing.iter().any(|one| one.is_needed);
    let account = if is_hopeless { Ok(String::new()) } else { client.account_id().await };
    // It has served its purpose; only few logins of a user go on beside each other.
    let _ = client.log_out().await;
    match is_hopeless {
        true => Err(ConnectError::Missing(missing)),
        false => Ok(Checked { account: account?, missing }),
    }
}

/// Connects an account to a tenant, who is added if there is none of that name; the tenant if so. A service that runs on
/// the same data begins to listen within a second. Blocks.
pub fn connect(
    store: &Store,
    key: &SecretKey,
    tenant: &str,
    account: &str,
    credentials: Credentials,
) -> Result<Option<Added>, ConnectError> {
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
        state: json!(State::default()).to_string(),
        heard_ms: now,
        directory: json!(Standing::default()).to_string(),
    })?;
    Ok(added)
}

/// Which permissions an app was not granted. RingCentral lists them in the scope of a token; where it lists none,
/// nothing is known.
fn missing(granted: &[String], by_webhook: bool) -> Vec<Missing> {
    let wanted = [
        ("CallControl", "be told of calls", true),
        ("SubscriptionWebhook", "have them posted to this service", by_webhook),
        ("WebSocket", "have them told by WebSocket", !by_webhook),
        ("ReadAccounts", "know whose account it is, and the names of its extensions", true),
        ("ReadCallLog", "find out which calls were missed during an outage", false),
    ];
    let is_transport = |name: &str| name == "SubscriptionWebhook" || name == "WebSocket";
    let is_granted = |wanted: &str| {
        // `WebSocketsSubscription` is the same by another name.
        granted.iter().any(|name| name == wanted || wanted == "WebSocket" && name.starts_with("WebSocket"))
    };
    wanted
        .into_iter()
        .filter(|(name, _, is_needed)| *is_needed || !is_transport(name))
        .filter(|(name, ..)| !granted.is_empty() && !is_granted(name))
        .map(|(permission, purpose, is_needed)| Missing { permission, purpose, is_needed })
        .collect()
}

/// The connected account of a tenant: the one of that id, or the only one.
fn find(store: &Store, tenant: &str, account: Option<&str>) -> Result<ConnectedAccount, ConnectError> {
    let id = admin::find(store, tenant)?.id;
    let mut own = store.connections()?;
    own.retain(|one| one.tenant == id && account.is_none_or(|account| one.account == account));
    match own.len() {
        0 => Err(ConnectError::Account(format!(
            "{tenant} has no such connection: `connection status` tells all"
        ))),
        1 => Ok(own.remove(0)),
        _ => Err(ConnectError::Account(format!("{tenant} has several connections: name the account"))),
    }
}

/// Ends a connection; what was heard stays. Blocks. What it had at RingCentral is ended by [`Disconnected::end`].
pub fn disconnect(
    store: &Store,
    key: &SecretKey,
    tenant: &str,
    account: Option<&str>,
) -> Result<Disconnected, ConnectError> {
    let connection = find(store, tenant, account)?;
    let credentials = open(key, &connection)?;
    // First here, so that a running service does not make it again.
    store.disconnect(connection.tenant, connection.account.clone())?;
    let state = state_of(&connection);
    let own: Vec<_> = state.subscription.into_iter().chain(state.retiring).collect();
    store.remove_secrets(connection.tenant, own.iter().filter_map(|one| one.secret).collect())?;
    let subscriptions = own.into_iter().map(|subscription| subscription.id).collect();
    Ok(Disconnected { account: connection.account, credentials, subscriptions })
}

impl Disconnected {
    /// Ends the subscriptions at RingCentral; if that fails, they end by themselves.
    pub async fn end(&self, proxies: Proxies) -> Result<(), ConnectError> {
        let client = client(&self.credentials, proxies)?;
        for id in &self.subscriptions {
            client.unsubscribe(id).await?;
        }
        // The login ends by itself within the hour.
        let _ = client.log_out().await;
        Ok(())
    }
}

/// How all connections stand, or those of one tenant.
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

/// How a tenant's connections stand.
pub(crate) fn statuses_of(view: &TenantView, name: &str) -> Result<Vec<Value>, StoreError> {
    let described = |connection: &ConnectedAccount| {
        let gaps = view.gaps(&connection.account, GAPS_TOLD)?;
        Ok(describe(name, connection, &state_of(connection), &gaps))
    };
    view.connections()?.iter().map(described).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_granted_is_told_with_where_to_tick_it() {
        let granted = |names: &str| names.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let names = |missing: Vec<Missing>| missing.iter().map(|one| one.permission).collect::<Vec<_>>();
        let all = granted("ReadAccounts CallControl ReadCallLog SubscriptionWebhook WebSocketsSubscription");
        assert!(missing(&all, true).is_empty() && missing(&all, false).is_empty());
        let few = granted("CallControl WebSocket");
        assert_eq!(names(missing(&few, false)), ["ReadAccounts", "ReadCallLog"]);
        assert_eq!(names(missing(&few, true)), ["SubscriptionWebhook", "ReadAccounts", "ReadCallLog"]);
        assert!(missing(&[], true).is_empty(), "nothing is known");
        let told = ConnectError::Missing(missing(&few, true)).to_string();
        assert!(
            told.contains("ReadAccounts is missing") && told.contains("developers.ringcentral.com"),
            "{told}"
        );
    }
}
