//! What must be known again but not be read by whoever gets hold of the file: sealed with a key that lies elsewhere.

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

use super::Sealed;
use crate::connection;

/// The file within the data folder, where no key is given otherwise.
const FILE_NAME: &str = "wholecall.key";

/// The key of this installation's secrets.
#[derive(Clone)]
pub struct SecretKey([u8; 32]);

impl std::fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretKey")
    }
}

/// Why there is no key, or why it does not open what was sealed.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// Not 32 bytes in base64.
    #[error("a secret key is 32 bytes in base64, as `openssl rand -base64 32` writes them")]
    NotAKey,
    /// The key file.
    #[error("{path}: {problem}", path = .0.display(), problem = .1)]
    File(std::path::PathBuf, io::Error),
    /// No random numbers.
    #[error("the system gives no random numbers: {0}")]
    Random(#[from] getrandom::Error),
    /// The key file is gone.
    #[error(
        "{path} is missing, and secrets are sealed with the key in it: put it back, or give the key in WHOLECALL_SECRET_KEY",
        path = .0.display()
    )]
    Missing(std::path::PathBuf),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Sealed with another key, or damaged.
    #[error(
        "the secrets were sealed with another key: give the one that was in WHOLECALL_SECRET_KEY or {FILE_NAME}"
    )]
    OtherKey,
}

/// Where something known is sealed.
const CHECK_PLACE: &str = "key check";

fn has_sealed(store: &Store) -> Result<bool, StoreError> {
    Ok(store.key_check()?.is_some() || !store.endpoints()?.is_empty() || !store.connections()?.is_empty())
}

impl SecretKey {
    /// From 32 bytes in base64.
    pub fn from_text(text: &str) -> Result<Self, SealError> {
        let bytes = STANDARD.decode(text.trim()).map_err(|_| SealError::NotAKey)?;
        bytes.try_into().map(Self).map_err(|_| SealError::NotAKey)
    }

    /// The key in a data folder; the first to look for it makes it, for nobody else to read.
    pub fn of_folder(folder: &Path) -> Result<Self, SealError> {
        let path = folder.join(FILE_NAME);
        let failed = |error| SealError::File(path.clone(), error);
        if !path.exists() {
            let mut bytes = [0; 32];
            getrandom::fill(&mut bytes)?;
            // Whole before it has its name: another process may be looking for it.
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
            let is_closed = fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).is_ok();
            let now = if is_closed { "closed to them now" } else { "and that cannot be changed" };
            tracing::warn!(path = %path.display(), "others could read the key file; it is {now}: renew the secrets");
        }
        Ok(key)
    }

    /// The key of a tenant's pseudonyms: nobody can make it who has the store only.
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

    /// The key of a store: the given text, else the one in the file beside it. Where anything was sealed already, no new
    /// one is made: nothing of that could be opened with it.
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

    /// Takes care that it is the key that everything in a store is sealed with, from now on.
    pub(crate) fn adopt(&self, store: &Store) -> Result<(), SealError> {
        if store.key_check()?.is_some() {
            return self.verify(store);
        }
        // Made by an earlier version: it has to open something of what there is.
        let endpoints = store.endpoints()?;
        let connections = store.connections()?;
        let opens = endpoints.iter().any(|endpoint| Sealed::open(self, endpoint).is_ok())
            || connections.iter().any(|connection| connection::opens(self, connection));
        if !opens && endpoints.len() + connections.len() > 0 {
            return Err(SealError::OtherKey);
        }
        Ok(store.set_key_check(self.seal(CHECK_PLACE, b"wholecall")?)?)
    }

    /// Whether it is the key that everything in a store is sealed with.
    pub(crate) fn verify(&self, store: &Store) -> Result<(), SealError> {
        match store.key_check()? {
            Some(sealed) => self.open(CHECK_PLACE, &sealed).map(drop),
            None => Ok(()),
        }
    }

    /// Seals a text for one place: it cannot be opened at another.
    pub(crate) fn seal(&self, place: &str, text: &[u8]) -> Result<Vec<u8>, SealError> {
        let mut nonce = [0; NONCE_LEN];
        getrandom::fill(&mut nonce)?;
        let mut sealed = text.to_vec();
        let key = self.aead().ok_or(SealError::NotAKey)?;
        key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(place), &mut sealed)
            .map_err(|_| SealError::NotAKey)?;
        sealed.splice(..0, nonce);
        Ok(sealed)
    }

    /// Opens what was sealed for a place.
    pub(crate) fn open(&self, place: &str, sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        let (nonce, text) = sealed.split_at_checked(NONCE_LEN).ok_or(SealError::OtherKey)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| SealError::OtherKey)?;
        let mut text = text.to_vec();
        let key = self.aead().ok_or(SealError::NotAKey)?;
        let opened =
            key.open_in_place(nonce, Aad::from(place), &mut text).map_err(|_| SealError::OtherKey)?;
        Ok(opened.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_at_its_place_with_its_key_only() {
        let (key, other) = (SecretKey([1; 32]), SecretKey([2; 32]));
        let sealed = key.seal("ep_1", b"whsec_x").unwrap();
        assert!(!sealed.windows(5).any(|part| part == b"whsec"));
        assert_eq!(key.open("ep_1", &sealed).unwrap(), b"whsec_x");
        assert!(matches!(key.open("ep_2", &sealed), Err(SealError::OtherKey)));
        assert!(matches!(other.open("ep_1", &sealed), Err(SealError::OtherKey)));
        assert!(matches!(key.open("ep_1", b"short"), Err(SealError::OtherKey)));
    }

    #[test]
    fn without_its_key_a_store_gets_no_new_one() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let key = SecretKey::of_store(&store, None).unwrap();
        assert_eq!(SecretKey::of_store(&store, None).unwrap().0, key.0);
        let given = STANDARD.encode(key.0);
        fs::remove_file(folder.path().join(FILE_NAME)).unwrap();
        assert!(matches!(SecretKey::of_store(&store, None), Err(SealError::Missing(_))));
        assert!(!folder.path().join(FILE_NAME).exists(), "none was made");
        assert!(SecretKey::of_store(&store, Some(&given)).is_ok());
        let other = STANDARD.encode([7; 32]);
        assert!(matches!(SecretKey::of_store(&store, Some(&other)), Err(SealError::OtherKey)));
        assert!(key.verify(&store).is_ok() && SecretKey([7; 32]).verify(&store).is_err());
    }

    #[test]
    fn a_folder_has_one_key_that_only_its_owner_reads() {
        let folder = tempfile::tempdir().unwrap();
        let key = SecretKey::of_folder(folder.path()).unwrap();
        assert_eq!(SecretKey::of_folder(folder.path()).unwrap().0, key.0);
        let about = fs::metadata(folder.path().join(FILE_NAME)).unwrap();
        assert_eq!(about.permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no draft is left");
        let path = folder.path().join(FILE_NAME);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        SecretKey::of_folder(folder.path()).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600, "copied carelessly");
    }
}
