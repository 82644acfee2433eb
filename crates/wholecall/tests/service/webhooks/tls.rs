//! Receivers with TLS, whose certificates are issued by private authorities.

use std::{path::Path, sync::Arc};

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};
use rustls::{
    ServerConfig,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use serde_json::json;

use super::{
    endpoint, path,
    receiver::{Answer, Receiver},
    send, to,
};
use crate::{
    harness::{Installation, SOON, Server, eventually},
    traffic::ACCOUNT,
};

/// A certificate authority.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its certificate.
    pem: String,
}

impl Authority {
    fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// A receiver with a certificate for a name, valid for some years.
    fn receiver(&self, name: &str, years: std::ops::Range<i32>) -> Receiver {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        (params.not_before, params.not_after) =
            (date_time_ymd(years.start, 1, 1), date_time_ymd(years.end, 1, 1));
        presenting(&params.signed_by(&key, &self.issuer).unwrap(), &key)
    }
}

/// A receiver with a certificate of an authority, as created by `openssl req -x509`.
fn authority_as_receiver() -> Receiver {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    presenting(&params.self_signed(&key).unwrap(), &key)
}

fn presenting(certificate: &Certificate, key: &KeyPair) -> Receiver {
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let tls = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    Receiver::with_tls(Answer::status(200), tls)
}

/// A service on a machine that trusts one authority.
fn trusting(installation: &Installation, authorities: &Path) -> Server {
    let mut command = installation.serve();
    command.arg("--allow-private-webhooks").env("SSL_CERT_FILE", authorities);
    Server::start(command).unwrap()
}

#[test]
fn only_receivers_with_a_trusted_certificate_receive_events() {
    let (known, unknown) = (Authority::new("known"), Authority::new("unknown"));
    let receivers = [
        known.receiver("localhost", 2020..2096),
        known.receiver("localhost", 2020..2021),
        known.receiver("localhost", 2095..2096),
        known.receiver("elsewhere.example", 2020..2096),
        unknown.receiver("localhost", 2020..2096),
        authority_as_receiver(),
    ];
    let installation = Installation::new();
    let tenant = installation.tenant("acme", [ACCOUNT]);
    let authorities = installation.data().join("authorities.pem");
    std::fs::write(&authorities, &known.pem).unwrap();
    let server = trusting(&installation, &authorities);
    let client = server.client();
    let problems = receivers.each_ref().map(|receiver| {
        let added = endpoint(&client, &tenant, &to(&format!("https://localhost:{}/calls", receiver.port())));
        send(&client, &tenant, "POST", &path(&added, "/test"), &json!({}));
        let tried = eventually(SOON, || {
            let page = client.get(&tenant, &path(&added, "/deliveries"));
            let attempt = page["deliveries"][0]["attempts"][0].clone();
            attempt.is_object().then_some(attempt)
        });
        let tried = tried.expect("there is an attempt");
        (tried["status"].as_u64(), tried["problem"].as_str().unwrap_or_default().to_owned())
    });
    assert_eq!(problems[0], (Some(200), String::new()));
    assert_eq!(receivers[0].requests()[0].kind(), "endpoint.test");
    let expected = [
        "its certificate has expired",
        "its certificate is not valid yet",
        "its certificate is for another name",
        "its certificate was issued by an authority that this machine does not trust",
        "its certificate is a CA certificate, not a server certificate: create one with `-addext basicConstraints=CA:FALSE`",
    ];
    for ((status, problem), expected) in problems[1..].iter().zip(expected) {
        assert!(problem.starts_with(&format!("no TLS with localhost: {expected} (")), "{problem}");
        assert_eq!(*status, None);
    }
    assert!(receivers[1..].iter().all(|receiver| receiver.requests().is_empty()));
    server.stop();
}
