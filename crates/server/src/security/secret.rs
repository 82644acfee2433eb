//! Generates and hashes API keys and tokens.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};
use wholecall_store::{NewSecret, Scope, SecretKind};

/// The name of a key that is created without one.
pub const DEFAULT_NAME: &str = "default";

/// The SHA-256 of a secret: only this is stored. A secret has 256 random bits, so a slow hash is not needed.
pub fn hash(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

/// A new secret of 32 random bytes with a prefix that names its kind: `wck_…` for API keys.
pub fn generate(prefix: &str) -> Result<String, getrandom::Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    Ok(format!("{prefix}{}", URL_SAFE_NO_PAD.encode(bytes)))
}

/// Random bytes for a key or a salt.
pub fn random_key() -> Result<[u8; 32], getrandom::Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}

/// A secret as it is stored: its hash, and its first characters to recognize it by. A new key has every permission and
/// does not expire, unless the caller changes that.
pub fn to_store(kind: SecretKind, secret: &str) -> NewSecret {
    // Eight characters would reveal too much of a short secret.
    let shown = if secret.len() >= 24 { 8 } else { 2 };
    let hint = format!("{}…", secret.chars().take(shown).collect::<String>());
    NewSecret {
        kind,
        hash: hash(secret),
        hint,
        name: DEFAULT_NAME.to_owned(),
        scope: Scope::Admin,
        expires_ms: None,
    }
}
