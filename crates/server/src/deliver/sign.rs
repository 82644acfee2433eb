//! Signatures of Standard Webhooks 1.0: `v1` with a shared secret, `v1a` with a key pair.

use base64::{Engine, engine::general_purpose::STANDARD};
use ring::{
    hmac,
    signature::{Ed25519KeyPair, KeyPair},
};
use serde::{Deserialize, Serialize};
use wholecall_store::Signing;

const SHARED_PREFIX: &str = "whsec_";
const PRIVATE_PREFIX: &str = "whsk_";
const PUBLIC_PREFIX: &str = "whpk_";

/// A signing secret of an endpoint, as text. Its prefix names the kind of signature.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EndpointSecret {
    text: String,
    /// When it stops signing, in milliseconds since 1970; `None` until it is rotated.
    pub(crate) until_ms: Option<i64>,
}

impl EndpointSecret {
    pub(crate) fn generate(signing: Signing) -> Result<Self, getrandom::Error> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes)?;
        let prefix = match signing {
            Signing::Hmac => SHARED_PREFIX,
            Signing::Ed25519 => PRIVATE_PREFIX,
        };
        Ok(Self { text: format!("{prefix}{}", STANDARD.encode(bytes)), until_ms: None })
    }

    /// A secret that the tenant supplied: `whsec_` and 24 to 64 bytes in base64; `None` if it is not of that form.
    pub(crate) fn given(text: &str) -> Option<Self> {
        let bytes = STANDARD.decode(text.strip_prefix(SHARED_PREFIX)?).ok()?;
        (24..=64).contains(&bytes.len()).then(|| Self { text: text.to_owned(), until_ms: None })
    }

    pub(crate) fn signing(&self) -> Signing {
        if self.text.starts_with(PRIVATE_PREFIX) { Signing::Ed25519 } else { Signing::Hmac }
    }

    /// What a receiver verifies signatures with: the shared secret, or the public key.
    pub(crate) fn for_receiver(&self) -> Option<String> {
        match Key::of(self)? {
            Key::Shared(_) => Some(self.text.clone()),
            Key::Pair(pair) => {
                Some(format!("{PUBLIC_PREFIX}{}", STANDARD.encode(pair.public_key().as_ref())))
            }
        }
    }
}

enum Key {
    Shared(hmac::Key),
    Pair(Ed25519KeyPair),
}

impl Key {
    fn of(secret: &EndpointSecret) -> Option<Self> {
        if let Some(text) = secret.text.strip_prefix(SHARED_PREFIX) {
            return Some(Self::Shared(hmac::Key::new(hmac::HMAC_SHA256, &STANDARD.decode(text).ok()?)));
        }
        let seed = STANDARD.decode(secret.text.strip_prefix(PRIVATE_PREFIX)?).ok()?;
        Ed25519KeyPair::from_seed_unchecked(&seed).ok().map(Self::Pair)
    }

    fn sign(&self, signed: &[u8]) -> String {
        match self {
            Self::Shared(key) => format!("v1,{}", STANDARD.encode(hmac::sign(key, signed))),
            Self::Pair(pair) => format!("v1a,{}", STANDARD.encode(pair.sign(signed))),
        }
    }
}

/// Signs with all active secrets of an endpoint: during a rotation, with the old one and the new one.
pub(crate) struct Signer {
    keys: Vec<(Key, Option<i64>)>,
}

impl Signer {
    pub(crate) fn new(secrets: &[EndpointSecret]) -> Self {
        let keys = secrets.iter().filter_map(|secret| Some((Key::of(secret)?, secret.until_ms)));
        Self { keys: keys.collect() }
    }

    /// The value of `webhook-signature`.
    pub(crate) fn sign(&self, id: &str, seconds: i64, body: &[u8], now_ms: i64) -> String {
        let mut signed = format!("{id}.{seconds}.").into_bytes();
        signed.extend_from_slice(body);
        let active = self.keys.iter().filter(|(_, until)| until.is_none_or(|until| now_ms < until));
        active.map(|(key, _)| key.sign(&signed)).collect::<Vec<_>>().join(" ")
    }
}

#[cfg(test)]
mod tests {
    use ring::signature::{ED25519, UnparsedPublicKey};

    use super::*;

    /// The example of the Standard Webhooks specification's libraries.
    #[test]
    fn the_specification_s_example_has_the_expected_signature() {
        let secret = EndpointSecret::given("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signature = Signer::new(&[secret]).sign(
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            br#"{"test": 2432232314}"#,
            0,
        );
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_signature_of_a_key_pair_is_verified_with_its_public_key() {
        let secret = EndpointSecret::generate(Signing::Ed25519).unwrap();
        let public = secret.for_receiver().unwrap();
        let public = STANDARD.decode(public.strip_prefix("whpk_").unwrap()).unwrap();
        let signature = Signer::new(&[secret]).sign("msg_1", 7, b"{}", 0);
        let signature = STANDARD.decode(signature.strip_prefix("v1a,").unwrap()).unwrap();
        UnparsedPublicKey::new(&ED25519, public).verify(b"msg_1.7.{}", &signature).unwrap();
    }

    #[test]
    fn both_secrets_sign_during_a_rotation() {
        let mut old = EndpointSecret::generate(Signing::Hmac).unwrap();
        old.until_ms = Some(1_000);
        let new = EndpointSecret::generate(Signing::Hmac).unwrap();
        let signer = Signer::new(&[new, old]);
        assert_eq!(signer.sign("msg_1", 0, b"{}", 999).split(' ').count(), 2);
        assert_eq!(signer.sign("msg_1", 0, b"{}", 1_000).split(' ').count(), 1);
    }

    #[test]
    fn short_secrets_are_refused() {
        assert!(EndpointSecret::given("whsec_c2hvcnQ=").is_none());
        assert!(EndpointSecret::given("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").is_none());
    }
}
