//! Operations on tenants, for the command line and the API.

use std::path::Path;

use serde_json::{Value, json};
use wholecall_record::Time;
use wholecall_store::{
    NewSecret, NewTenant, Scope, Secret, SecretKind, Store, StoreError, Tenant, TenantSettings, TenantView,
};

use crate::{clock, security::secret};

/// Why an operation is refused.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// The name cannot be part of an address.
    #[error("a tenant's name has 1 to 64 small letters, digits and hyphens, unlike {0:?}")]
    Name(String),
    /// A tenant without accounts.
    #[error("a tenant needs the RingCentral account ids whose notifications it gets")]
    NoAccount,
    /// Not an account id.
    #[error("{0:?} is not a RingCentral account id, which has only digits")]
    Account(String),
    /// A verification token of a wrong length, or with other characters.
    #[error("a verification token has 8 to 255 visible characters")]
    Token,
    /// Not a name for a key.
    #[error("a key's name has 1 to 64 letters, digits, spaces and . _ -, and no telephone number in it")]
    KeyName,
    /// The key would never be valid.
    #[error("a key has to expire in the future")]
    Expiry,
    /// The operating system gives no random numbers.
    #[error("the system gives no random numbers: {0}")]
    Random(#[from] getrandom::Error),
    /// The tenant does not exist.
    #[error("there is no tenant named {0:?}")]
    Unknown(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A tenant that was added, with its secrets, which are not shown again.
#[derive(Debug)]
pub struct AddedTenant {
    /// Its name.
    pub name: String,
    /// The key for its programs.
    pub api_key: String,
    /// The token for RingCentral.
    pub verification_token: String,
    /// A weakness of the chosen verification token.
    pub warning: Option<&'static str>,
}

impl AddedTenant {
    /// The answer `{"tenant", "hookUrl", "apiKey", "verificationToken"}`.
    pub fn to_json(&self, base_url: &str) -> Value {
        let mut answer = json!({
            "tenant": self.name,
            "hookUrl": format!("{}/hooks/{}", base_url.trim_end_matches('/'), self.name),
            "apiKey": self.api_key,
            "verificationToken": self.verification_token,
        });
        if let Some(warning) = self.warning {
            answer["warning"] = warning.into();
        }
        answer
    }
}

/// Copies a store to a new file; returns the file's length in bytes. Blocks.
pub fn backup(store: &Store, file: &Path) -> Result<u64, StoreError> {
    store.backup(file, clock::now().as_millis())
}

/// Adds a tenant with an API key and a verification token.
pub fn add_tenant(
    store: &Store,
    name: &str,
    accounts: &[String],
    verification_token: Option<String>,
) -> Result<AddedTenant, AdminError> {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if !(1..=64).contains(&name.len()) || !name.chars().all(is_plain) {
        return Err(AdminError::Name(name.to_owned()));
    }
    check_accounts(accounts)?;
    let warning = verification_token.as_deref().and_then(warning_of);
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
    Ok(AddedTenant { name: name.to_owned(), api_key, verification_token, warning })
}

fn check_accounts(accounts: &[String]) -> Result<(), AdminError> {
    let is_id = |id: &String| (1..=64).contains(&id.len()) && id.chars().all(|c| c.is_ascii_digit());
    match accounts.iter().find(|id| !is_id(id)) {
        _ if accounts.is_empty() => Err(AdminError::NoAccount),
        Some(wrong) => Err(AdminError::Account(wrong.clone())),
        None => Ok(()),
    }
}

/// Replaces a tenant's accounts.
pub fn set_accounts(store: &Store, name: &str, accounts: &[String]) -> Result<Tenant, AdminError> {
    check_accounts(accounts)?;
    let tenant = find(store, name)?;
    store.set_accounts(tenant.id, accounts.to_vec())?;
    find(store, name)
}

/// The warning about a verification token that might be guessed.
pub fn warning_of(token: &str) -> Option<&'static str> {
    /// Minimum length without a warning.
    const MIN_SAFE_CHARS: usize = 16;
    (token.len() < MIN_SAFE_CHARS).then_some(
        "the verification token has fewer than 16 characters and might be guessed; leave it out to get a random one",
    )
}

fn checked(token: String) -> Result<String, AdminError> {
    let is_fine = (8..=255).contains(&token.len()) && token.chars().all(|c| c.is_ascii_graphic());
    if is_fine { Ok(token) } else { Err(AdminError::Token) }
}

/// The tenant with a name.
pub fn find(store: &Store, name: &str) -> Result<Tenant, AdminError> {
    let found = store.tenants()?.into_iter().find(|tenant| tenant.name == name);
    found.ok_or_else(|| AdminError::Unknown(name.to_owned()))
}

/// Adds a secret of a kind; the old ones stay valid until they are removed.
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

/// Removes the secrets of a kind that are older than the newest, of keys only those with the default name. Returns their
/// number.
pub fn remove_old(store: &Store, name: &str, kind: SecretKind) -> Result<usize, AdminError> {
    let tenant = find(store, name)?;
    // Keys with other names are not rotated.
    let is_rotated = |secret: &&Secret| secret.kind == kind && secret.name == secret::DEFAULT_NAME;
    let of_kind = tenant.secrets.iter().filter(is_rotated);
    let mut numbers: Vec<i64> = of_kind.map(|secret| secret.number).collect();
    numbers.sort_unstable();
    numbers.pop();
    Ok(store.remove_secrets(tenant.id, numbers)?)
}

/// Adds an API key to a tenant; the answer describes it, and has the key itself as `apiKey`. Blocks.
pub fn add_key(
    view: &TenantView,
    name: &str,
    scope: Scope,
    expires_ms: Option<i64>,
) -> Result<Value, AdminError> {
    if !is_key_name(name) {
        return Err(AdminError::KeyName);
    }
    let now_ms = clock::now().as_millis();
    if expires_ms.is_some_and(|expires_ms| expires_ms <= now_ms) {
        return Err(AdminError::Expiry);
    }
    let key = secret::generate("wck_")?;
    let stored = secret::to_store(SecretKind::Key, &key);
    let number =
        view.add_key(NewSecret { name: name.to_owned(), scope, expires_ms, ..stored.clone() }, now_ms)?;
    let mut described = describe_key(
        &Secret {
            number,
            kind: SecretKind::Key,
            hash: stored.hash,
            hint: stored.hint,
            created_ms: now_ms,
            name: name.to_owned(),
            scope,
            expires_ms,
            last_used_ms: None,
        },
        None,
    );
    described["apiKey"] = key.into();
    Ok(described)
}

/// Whether a key may have a name. Telephone numbers are refused, since names are in the audit log, which an erasure does
/// not rewrite.
fn is_key_name(name: &str) -> bool {
    /// Minimum number of digits of a telephone number.
    const MIN_NUMBER_DIGITS: usize = 7;
    let is_plain = |c: char| c.is_alphanumeric() || " ._-".contains(c);
    let is_long = |part: &str| part.chars().filter(char::is_ascii_digit).count() >= MIN_NUMBER_DIGITS;
    let is_number = |part: &str| is_long(part) && !is_day(part.trim_matches([' ', '.', '_', '-']));
    (1..=64).contains(&name.chars().count())
        && name.trim() == name
        && name.chars().all(is_plain)
        && !name.split(char::is_alphabetic).any(is_number)
}

/// Whether a text is a date like 2027-01-31.
fn is_day(text: &str) -> bool {
    text.len() == 10 && text.parse::<jiff::civil::Date>().is_ok()
}

/// The description of an API key, without the key itself. `used_ms` is its last use in a running service.
pub fn describe_key(key: &Secret, last_used_ms: Option<i64>) -> Value {
    let time = |ms: i64| Time::from_millis(ms).to_string();
    json!({
        "id": key.number.to_string(),
        "hint": key.hint,
        "name": key.name,
        "scope": key.scope.as_str(),
        "createdAt": time(key.created_ms),
        "expiresAt": key.expires_ms.map(time),
        "lastUsedAt": key.last_used_ms.max(last_used_ms).map(time),
    })
}

/// The description of a tenant, without its secrets.
pub fn describe(tenant: &Tenant) -> Value {
    let secrets = |kind| -> Vec<Value> {
        let of_kind = tenant.secrets.iter().filter(|secret| secret.kind == kind);
        of_kind
            .map(|secret| {
                json!({ "hint": secret.hint, "createdAt": Time::from_millis(secret.created_ms).to_string() })
            })
            .collect()
    };
    let keys = tenant.secrets.iter().filter(|secret| secret.kind == SecretKind::Key);
    json!({
        "name": tenant.name,
        "createdAt": Time::from_millis(tenant.created_ms).to_string(),
        "accounts": tenant.accounts,
        "apiKeys": keys.map(|key| describe_key(key, None)).collect::<Vec<_>>(),
        "verificationTokens": secrets(SecretKind::Verification),
        "settings": tenant.settings,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_name_contains_no_telephone_number() {
        for name in ["crm", "Wallboard 2", "export until 2027-01-31", "Zürich", "a-b_c.d", "queue 104"] {
            assert!(is_key_name(name), "{name}");
        }
        let longer = "x".repeat(65);
        for name in [
            "",
            " crm",
            "a\nb",
            "<b>",
            "+14045550145",
            "404-555-0145",
            "555 0145",
            "of 14045550145",
            "5550145x",
            &longer,
        ] {
            assert!(!is_key_name(name), "{name}");
        }
    }
}
