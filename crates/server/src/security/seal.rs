//! Encrypts secrets at rest (ChaCha20-Poly1305) with a key that is stored outside the database. Each ciphertext is bound
//! to its owner and cannot be decrypted as another's.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::Path,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use sha2::Sha256;
use wholecall_store::{Store, StoreError, TenantView};

/// The key file within the data folder, used if no key is given in the environment.
const FILE_NAME: &str = "wholecall.key";

/// The key that this installation's secrets are sealed with.
#[derive(Clone)]
pub struct SecretKey([u8; 32]);

impl std::fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretKey")
    }
}

/// Why the key cannot be had, or does not open a sealed secret.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The text is not 32 bytes in base64.
    #[error("a secret key is 32 bytes in base64, as `openssl rand -base64 32` writes them")]
    NotAKey,
    /// The key file cannot be read or written.
    #[error("{path}: {problem}", path = .0.display(), problem = .1)]
    File(std::path::PathBuf, io::Error),
    /// The system's random number generator failed.
    #[error("the system returned no random numbers: {0}")]
    Random(#[from] getrandom::Error),
    /// The key file is missing although secrets were sealed with it.
    #[error(
        "{path} is missing, and secrets are sealed with the key in it: restore it, or set WHOLECALL_SECRET_KEY to that key",
        path = .0.display()
    )]
    Missing(std::path::PathBuf),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Sealed with another key, or damaged.
    #[error(
        "the secrets were sealed with another key: restore the one that was in WHOLECALL_SECRET_KEY or {FILE_NAME}"
    )]
    OtherKey,
}

/// The owner of a sealed text with known content, by which the key is verified.
const KEY_CHECK_OWNER: &str = "key check";

fn has_sealed(store: &Store) -> Result<bool, StoreError> {
    Ok(store.key_check()?.is_some() || !store.endpoints()?.is_empty() || !store.connections()?.is_empty())
}

impl SecretKey {
    /// Parses 32 bytes in base64.
    pub fn from_text(text: &str) -> Result<Self, SealError> {
        let bytes = STANDARD.decode(text.trim()).map_err(|_| SealError::NotAKey)?;
        bytes.try_into().map(Self).map_err(|_| SealError::NotAKey)
    }

    /// Reads the key file of a data folder, or creates it, readable by its owner only.
    pub fn of_folder(folder: &Path) -> Result<Self, SealError> {
        let path = folder.join(FILE_NAME);
        let failed = |error| SealError::File(path.clone(), error);
        if !path.exists() {
            let mut bytes = [0; 32];
            getrandom::fill(&mut bytes)?;
            // Written completely before it gets its name: another process may be reading it.
            let draft = folder.join(format!("{FILE_NAME}.{}", std::process::id()));
            let mut file =
                OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft).map_err(failed)?;
            let written = writeln!(file, "{}", STANDARD.encode(bytes)).and_then(|()| file.sync_all());
            let linked = written.and_then(|()| fs::hard_link(&draft, &path));
            let _ = fs::remove_file(&draft);
            match linked {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(failed(error)),
                _ => {}
            }
        }
        let key = Self::from_text(&fs::read_to_string(&path).map_err(failed)?)?;
        let permissions = fs::metadata(&path).map_err(failed)?.permissions();
        if permissions.mode() & 0o077 != 0 {
            let is_restricted = fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).is_ok();
            let result = if is_restricted { "were restricted" } else { "cannot be changed" };
            tracing::warn!(
                path = %path.display(),
                "other users could read the key file; its permissions {result}: replace the secrets"
            );
        }
        Ok(key)
    }

    /// Derives the key of a tenant's pseudonyms. It cannot be derived from the store alone.
    pub(crate) fn pseudonym_key(&self, view: &TenantView) -> Result<Vec<u8>, StoreError> {
        let unusable = |_| StoreError::Failed("the key for pseudonyms cannot be used".to_owned());
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).map_err(unusable)?;
        mac.update(b"pseudonyms");
        mac.update(&view.pseudonym_salt()?);
        Ok(mac.finalize().into_bytes().to_vec())
    }

    fn aead(&self) -> Option<LessSafeKey> {
        UnboundKey::new(&CHACHA20_POLY1305, &self.0).ok().map(LessSafeKey::new)
    }

    /// The key of a store: `given` if there is one, otherwise the key file beside the store. No new key file is created
    /// if anything is sealed already, since a new key could not open it.
    pub fn of_store(store: &Store, given: Option<&str>) -> Result<Self, SealError> {
        let folder = store.path().parent().unwrap_or(Path::new("."));
        let key = match given {
            Some(text) => Self::from_text(text)?,
            None if !folder.join(FILE_NAME).exists() && has_sealed(store)? => {
                return Err(SealError::Missing(folder.join(FILE_NAME)));
            }
            None => Self::of_folder(folder)?,
        };
        key.adopt(store)?;
        Ok(key)
    }

    /// Verifies that everything in a store is sealed with this key, or makes it the store's key if nothing is sealed yet.
    pub(crate) fn adopt(&self, store: &Store) -> Result<(), SealError> {
        if store.key_check()?.is_some() {
            return self.verify(store);
        }
        // Stores of earlier versions have no key check: the key has to open at least one of the secrets.
        let endpoints = store.endpoints()?;
        let connections = store.connections()?;
        let opens = endpoints.iter().any(|endpoint| self.open(&endpoint.id, &endpoint.sealed).is_ok())
            || connections.iter().any(|connection| {
                let owner = connection_owner(connection.tenant.number(), &connection.account);
                self.open(&owner, &connection.credentials).is_ok()
            });
        if !opens && endpoints.len() + connections.len() > 0 {
            return Err(SealError::OtherKey);
        }
        Ok(store.set_key_check(self.seal(KEY_CHECK_OWNER, b"wholecall")?)?)
    }

    /// Verifies that a store's secrets are sealed with this key.
    pub(crate) fn verify(&self, store: &Store) -> Result<(), SealError> {
        match store.key_check()? {
            Some(sealed) => self.open(KEY_CHECK_OWNER, &sealed).map(drop),
            None => Ok(()),
        }
    }

    /// Encrypts a text for its owner: it cannot be opened as another's.
    pub(crate) fn seal(&self, owner: &str, text: &[u8]) -> Result<Vec<u8>, SealError> {
        let mut nonce = [0; NONCE_LEN];
        getrandom::fill(&mut nonce)?;
        let mut sealed = text.to_vec();
        let key = self.aead().ok_or(SealError::NotAKey)?;
        key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(owner), &mut sealed)
            .map_err(|_| SealError::NotAKey)?;
        sealed.splice(..0, nonce);
        Ok(sealed)
    }

    /// Decrypts a text that was sealed for its owner.
    pub(crate) fn open(&self, owner: &str, sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        let (nonce, text) = sealed.split_at_checked(NONCE_LEN).ok_or(SealError::OtherKey)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| SealError::OtherKey)?;
        let mut text = text.to_vec();
        let key = self.aead().ok_or(SealError::NotAKey)?;
        let opened =
            key.open_in_place(nonce, Aad::from(owner), &mut text).map_err(|_| SealError::OtherKey)?;
        Ok(opened.to_vec())
    }
}

/// The owner that a connected account's credentials are sealed for.
pub(crate) fn connection_owner(tenant: i64, account: &str) -> String {
    format!("connection {tenant}/{account}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_text_opens_only_for_its_owner_and_with_its_key() {
        let (key, other) = (SecretKey([1; 32]), SecretKey([2; 32]));
        let sealed = key.seal("ep_1", b"whsec_x").unwrap();
        assert!(!sealed.windows(5).any(|part| part == b"whsec"));
        assert_eq!(key.open("ep_1", &sealed).unwrap(), b"whsec_x");
        assert!(matches!(key.open("ep_2", &sealed), Err(SealError::OtherKey)));
        assert!(matches!(other.open("ep_1", &sealed), Err(SealError::OtherKey)));
        assert!(matches!(key.open("ep_1", b"short"), Err(SealError::OtherKey)));
    }

    #[test]
    fn no_new_key_is_created_for_a_store_with_sealed_secrets() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let key = SecretKey::of_store(&store, None).unwrap();
        assert_eq!(SecretKey::of_store(&store, None).unwrap().0, key.0);
        let given = STANDARD.encode(key.0);
        fs::remove_file(folder.path().join(FILE_NAME)).unwrap();
        assert!(matches!(SecretKey::of_store(&store, None), Err(SealError::Missing(_))));
        assert!(!folder.path().join(FILE_NAME).exists(), "no new key was created");
        assert!(SecretKey::of_store(&store, Some(&given)).is_ok());
        let other = STANDARD.encode([7; 32]);
        assert!(matches!(SecretKey::of_store(&store, Some(&other)), Err(SealError::OtherKey)));
        assert!(key.verify(&store).is_ok() && SecretKey([7; 32]).verify(&store).is_err());
    }

    #[test]
    fn a_folder_has_one_key_file_that_only_its_owner_can_read() {
        let folder = tempfile::tempdir().unwrap();
        let key = SecretKey::of_folder(folder.path()).unwrap();
        assert_eq!(SecretKey::of_folder(folder.path()).unwrap().0, key.0);
        let about = fs::metadata(folder.path().join(FILE_NAME)).unwrap();
        assert_eq!(about.permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no draft is left");
        let path = folder.path().join(FILE_NAME);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        SecretKey::of_folder(folder.path()).unwrap();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600,
            "wide permissions are restricted"
        );
    }
}
