//! Pseudonyms: numbers that stand for erased or masked ones.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use wholecall_store::StoreError;

/// A tenant's key for pseudonyms.
pub(crate) type PseudonymKey = Vec<u8>;

/// `+999`, which is no country's code, and twelve digits from a keyed hash. The same number always has the same
/// pseudonym within a tenant, and the number cannot be recovered without the key.
pub(crate) fn pseudonym(key: &[u8], number: &str) -> Result<String, StoreError> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key)
        .map_err(|_| StoreError::Failed("the tenant's key for pseudonyms cannot be used".to_owned()))?;
    mac.update(number.as_bytes());
    let hash = mac.finalize().into_bytes();
    let value = hash.iter().take(8).fold(0_u64, |value, byte| value << 8 | u64::from(*byte));
    Ok(format!("+999{:012}", value % 1_000_000_000_000))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::privacy::erasure::is_number;

    #[test]
    fn a_pseudonym_is_a_number_and_depends_on_the_number_and_the_key_only() {
        let (one, other) =
            (pseudonym(&[1; 32], "+14045550123").unwrap(), pseudonym(&[2; 32], "+14045550123").unwrap());
        assert!(is_number(&one) && is_number(&other));
        assert_ne!(one, other, "another key");
        assert_eq!(one, pseudonym(&[1; 32], "+14045550123").unwrap());
    }
}
