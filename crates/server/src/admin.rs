//! What an operator does to tenants, from the command line or over HTTP.

use std::path::Path;

use serde_json::{Value, json};
use wholecall_record::Time;
use wholecall_store::{NewTenant, SecretKind, Store, StoreError, Tenant, TenantSettings};

use crate::{clock, secret};

/// Why it cannot be done.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// The name cannot be part of an address.
    #[error("a tenant's name has 1 to 64 small letters, digits and hyphens, unlike {0:?}")]
    Name(String),
    /// No account.
    #[error("a tenant needs the RingCentral account ids whose notifications it gets")]
    NoAccount,
    /// Not an account.
    #[error("{0:?} is no RingCentral account id: those are digits")]
    Account(String),
    /// Too short to be a secret.
    #[error("a verification token has 8 to 255 visible characters")]
    Token,
    /// No random numbers.
    #[error("the system gives no random numbers: {0}")]
    Random(#[from] getrandom::Error),
    /// There is no such tenant.
    #[error("there is no tenant named {0:?}")]
    Unknown(String),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A tenant that was added; its secrets are not to be seen again.
#[derive(Debug)]
pub struct Added {
    /// Its name.
    pub name: String,
    /// For its programs.
    pub api_key: String,
    /// For RingCentral.
    pub verification_token: String,
}

impl Added {
    /// As `{"tenant", "hookUrl", "apiKey", "verificationToken"}`.
    pub fn to_json(&self, base_url: &str) -> Value {
        json!({
            "tenant": self.name,
            "hookUrl": format!("{}/hooks/{}", base_url.trim_end_matches('/'), self.name),
            "apiKey": self.api_key,
            "verificationToken": self.verification_token,
        })
    }
}

/// Copies a store to a new file; its length in bytes. Blocks.
pub fn backup(store: &Store, file: &Path) -> Result<u64, StoreError> {
    store.backup(file, clock::now().as_millis())
}

/// Adds a tenant with an API key and a verification token.
pub fn add_tenant(
    store: &Store,
    name: &str,
    accounts: &[String],
    verification_token: Option<String>,
) -> Result<Added, AdminError> {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if !(1..=64).contains(&name.len()) || !name.chars().all(is_plain) {
        return Err(AdminError::Name(name.to_owned()));
    }
    check_accounts(accounts)?;
    let verification_token = match verification_token {
        Some(token) => checked(token)?,
        None => secret::generate("wcv_")?,
    };
    let api_key = secret::generate("wck_")?;
    store.add_tenant(NewTenant {
        name: name.to_owned(),
        created_ms: clock::now().as_millis(),
        accounts: accounts.to_vec(),
        secrets: vec![
            secret::to_store(SecretKind::Key, &api_key),
            secret::to_store(SecretKind::Verification, &verification_token),
        ],
        settings: TenantSettings::default(),
        pseudonym_salt: secret::random_key()?,
    })?;
    Ok(Added { name: name.to_owned(), api_key, verification_token })
}

fn check_accounts(accounts: &[String]) -> Result<(), AdminError> {
    let is_id = |id: &String| (1..=64).contains(&id.len()) && id.chars().all(|c| c.is_ascii_digit());
    match accounts.iter().find(|id| !is_id(id)) {
        _ if accounts.is_empty() => Err(AdminError::NoAccount),
        Some(wrong) => Err(AdminError::Account(wrong.clone())),
        None => Ok(()),
    }
}

/// Gives a tenant other accounts than it had.
pub fn set_accounts(store: &Store, name: &str, accounts: &[String]) -> Result<Tenant, AdminError> {
    check_accounts(accounts)?;
    let tenant = find(store, name)?;
    store.set_accounts(tenant.id, accounts.to_vec())?;
    find(store, name)
}

fn checked(token: String) -> Result<String, AdminError> {
    let is_fine = (8..=255).contains(&token.len()) && token.chars().all(|c| c.is_ascii_graphic());
    if is_fine { Ok(token) } else { Err(AdminError::Token) }
}

/// The tenant of a name.
pub fn find(store: &Store, name: &str) -> Result<Tenant, AdminError> {
    let found = store.tenants()?.into_iter().find(|tenant| tenant.name == name);
    found.ok_or_else(|| AdminError::Unknown(name.to_owned()))
}

/// A new secret of a kind beside the old ones, which go on until they are removed.
pub fn rotate(
    store: &Store,
    name: &str,
    kind: SecretKind,
    token: Option<String>,
) -> Result<String, AdminError> {
    let tenant = find(store, name)?;
    let secret = match (kind, token) {
        (SecretKind::Verification, Some(token)) => checked(token)?,
        (SecretKind::Verification | SecretKind::Subscription, _) => secret::generate("wcv_")?,
        (SecretKind::Key, _) => secret::generate("wck_")?,
    };
    store.add_secret(tenant.id, secret::to_store(kind, &secret), clock::now().as_millis())?;
    Ok(secret)
}

/// Removes the secrets of a kind that are older than the newest; tells how many there were.
pub fn remove_old(store: &Store, name: &str, kind: SecretKind) -> Result<usize, AdminError> {
    let tenant = find(store, name)?;
    let of_kind = tenant.secrets.iter().filter(|secret| secret.kind == kind);
    let mut numbers: Vec<i64> = of_kind.map(|secret| secret.number).collect();
    numbers.sort_unstable();
    numbers.pop();
    Ok(store.remove_secrets(tenant.id, numbers)?)
}

/// A tenant, without anything that is secret.
pub fn describe(tenant: &Tenant) -> Value {
    let secrets = |kind| -> Vec<Value> {
        let of_kind = tenant.secrets.iter().filter(|secret| secret.kind == kind);
        of_kind
            .map(|secret| {
                json!({ "hint": secret.hint, "createdAt": Time::from_millis(secret.created_ms).to_string() })
            })
            .collect()
    };
    json!({
        "name": tenant.name,
        "createdAt": Time::from_millis(tenant.created_ms).to_string(),
        "accounts": tenant.accounts,
        "apiKeys": secrets(SecretKind::Key),
        "verificationTokens": secrets(SecretKind::Verification),
        "settings": tenant.settings,
    })
}
