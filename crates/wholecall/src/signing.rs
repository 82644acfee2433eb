//! Signs vCons as JWS in the general JSON serialization (RFC 7515, section 7.2.1), by draft-ietf-vcon-vcon-core-03.

use std::path::Path;

use anyhow::{Context, bail};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use jiff::Timestamp;
use ring::{
    rand::SystemRandom,
    signature::{self, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RsaKeyPair},
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use serde_json::{Value, json};

/// A private key with the certificates that verify its signatures.
pub(crate) struct Signer {
    key: Key,
    random: SystemRandom,
    /// In base64; the key's own certificate is the first.
    certificates: Vec<String>,
}

enum Key {
    Rsa(RsaKeyPair),
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl Signer {
    /// Reads a PEM file with a private key, its certificate and those of its issuers.
    pub(crate) fn read(file: &Path) -> anyhow::Result<Self> {
        let pem = std::fs::read(file).with_context(|| format!("{} cannot be read", file.display()))?;
        Self::from_pem(&pem).with_context(|| format!("{} cannot be used to sign", file.display()))
    }

    fn from_pem(pem: &[u8]) -> anyhow::Result<Self> {
        let key = PrivateKeyDer::from_pem_slice(pem).ok().context("the file has no private key")?;
        let random = SystemRandom::new();
        let key = Key::new(&key, &random)?;
        let certificates: Vec<CertificateDer<'_>> = CertificateDer::pem_slice_iter(pem)
            .collect::<Result<_, _>>()
            .context("the file has a damaged certificate")?;
        let Some(own) = certificates.first() else {
            bail!(
                "a signed vCon includes its certificates (x5c): add the key's certificate and those of its issuers to the file"
            )
        };
        // A certificate holds the public key verbatim.
        let public = key.public();
        if !own.windows(public.len()).any(|part| part == public) {
            bail!("the first certificate in the file is not that of the key");
        }
        let certificates = certificates.iter().map(|certificate| STANDARD.encode(certificate)).collect();
        Ok(Self { key, random, certificates })
    }

    /// Signs a vCon, and sets its `updated_at` to now.
    pub(crate) fn sign(&self, mut vcon: Value) -> anyhow::Result<Value> {
        vcon["updated_at"] = json!(format!("{:.3}", Timestamp::now()));
        // No header may be in both the protected and the unprotected part (RFC 7515, section 4).
        let protected = URL_SAFE_NO_PAD.encode(json!({ "alg": self.key.algorithm() }).to_string());
        let payload = URL_SAFE_NO_PAD.encode(vcon.to_string());
        let signature = self.key.sign(&self.random, format!("{protected}.{payload}").as_bytes())?;
        Ok(json!({
            "payload": payload,
            "signatures": [{
                "header": { "x5c": self.certificates, "uuid": vcon["uuid"] },
                "protected": protected,
                "signature": URL_SAFE_NO_PAD.encode(signature),
            }],
        }))
    }
}

impl Key {
    fn new(key: &PrivateKeyDer<'_>, random: &SystemRandom) -> anyhow::Result<Self> {
        let refused = "the key is not RSA of 2048 to 4096 bits, ECDSA on P-256 or Ed25519";
        match key {
            PrivateKeyDer::Pkcs1(key) => {
                RsaKeyPair::from_der(key.secret_pkcs1_der()).map(Self::Rsa).ok().context(refused)
            }
            PrivateKeyDer::Pkcs8(key) => {
                let key = key.secret_pkcs8_der();
                let rsa = || RsaKeyPair::from_pkcs8(key).map(Self::Rsa).ok();
                let curve = &signature::ECDSA_P256_SHA256_FIXED_SIGNING;
                let p256 = || EcdsaKeyPair::from_pkcs8(curve, key, random).map(Self::P256).ok();
                let ed25519 = || Ed25519KeyPair::from_pkcs8_maybe_unchecked(key).map(Self::Ed25519).ok();
                rsa().or_else(p256).or_else(ed25519).context(refused)
            }
            _ => bail!("the key is in SEC 1 format: convert it with `openssl pkcs8 -topk8 -nodes`"),
        }
    }

    fn algorithm(&self) -> &'static str {
        match self {
            Self::Rsa(_) => "RS256",
            Self::P256(_) => "ES256",
            Self::Ed25519(_) => "EdDSA",
        }
    }

    fn public(&self) -> &[u8] {
        match self {
            Self::Rsa(key) => key.public_key().as_ref(),
            Self::P256(key) => key.public_key().as_ref(),
            Self::Ed25519(key) => key.public_key().as_ref(),
        }
    }

    fn sign(&self, random: &SystemRandom, message: &[u8]) -> anyhow::Result<Vec<u8>> {
        let signed = match self {
            Self::Rsa(key) => {
                let mut signature = vec![0; key.public().modulus_len()];
                key.sign(&signature::RSA_PKCS1_SHA256, random, message, &mut signature).map(|()| signature)
            }
            Self::P256(key) => key.sign(random, message).map(|signature| signature.as_ref().to_owned()),
            Self::Ed25519(key) => Ok(key.sign(message).as_ref().to_owned()),
        };
        signed.ok().context("signing failed")
    }
}
