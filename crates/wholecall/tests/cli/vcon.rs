//! vCons comply with draft-ietf-vcon-vcon-core-03 (syntax 0.4.0), and a library accepts them.

use std::{
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

use serde_json::Value;
use wholecall_simulator::Scenario;

use crate::run::{CALLS, data, pipe, run_with};

fn schema() -> jsonschema::Validator {
    let schema: Value =
        serde_json::from_str(&std::fs::read_to_string(data("vcon.schema.json")).unwrap()).unwrap();
    jsonschema::options().should_validate_formats(true).build(&schema).unwrap()
}

/// Indices that point at nothing, which a schema cannot check.
fn dangling(vcon: &Value) -> Vec<String> {
    let (parties, dialogs) =
        (vcon["parties"].as_array().unwrap().len(), vcon["dialog"].as_array().unwrap().len());
    let mut found = Vec::new();
    let mut check = |index: &Value, end: usize, place: &str| match index {
        Value::Number(index) if index.as_u64().unwrap() >= end as u64 => {
            found.push(format!("{place}: {index}"))
        }
        _ => {}
    };
    for (at, dialog) in vcon["dialog"].as_array().unwrap().iter().enumerate() {
        for (field, end) in [
            ("parties", parties),
            ("originator", parties),
            ("transferee", parties),
            ("transferor", parties),
            ("transfer_target", parties),
            ("original", dialogs),
            ("consultation", dialogs),
            ("target_dialog", dialogs),
            ("recordings", dialogs),
            ("recording_set", dialogs),
        ] {
            let place = format!("dialog {at}: {field}");
            match &dialog[field] {
                Value::Array(list) => list.iter().for_each(|index| check(index, end, &place)),
                index => check(index, end, &place),
            }
        }
        for event in dialog["party_history"].as_array().into_iter().flatten() {
            check(&event["party"], parties, &format!("dialog {at}: party_history"));
        }
    }
    found
}

fn assert_valid(vcons: &[Value]) {
    let schema = schema();
    for vcon in vcons {
        let problems: Vec<String> =
            schema.iter_errors(vcon).map(|error| format!("{}: {error}", error.instance_path())).collect();
        assert_eq!(problems, Vec::<String>::new(), "{vcon:#}");
        assert_eq!(dangling(vcon), Vec::<String>::new(), "{vcon:#}");
    }
}

#[test]
fn a_transfer_and_a_missed_call_are_valid() {
    let ran = pipe("assemble --format vcon", CALLS);
    let vcons = ran.assert_clean().lines();
    assert_eq!(vcons.len(), 2);
    assert_valid(&vcons);
    let types = |vcon: &Value| -> Vec<String> {
        vcon["dialog"]
            .as_array()
            .unwrap()
            .iter()
            .map(|dialog| dialog["type"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(types(&vcons[0]), ["recording", "recording", "recording", "recording-set", "transfer"]);
    assert_eq!(vcons[0]["dialog"][3]["recordings"], serde_json::json!([0, 1, 2]));
    assert!((0..3).all(|recording| vcons[0]["dialog"][recording]["recording_set"] == 3));
    assert_eq!(types(&vcons[1]), ["incomplete"]);
    assert_eq!(vcons[1]["dialog"][0]["disposition"], "no-answer");
    insta::assert_snapshot!(serde_json::to_string_pretty(&vcons).unwrap());
}

#[test]
fn a_transfer_seen_by_half_is_valid() {
    let half: String = CALLS
        .lines()
        .filter(|line| !line.contains("\"telephonySessionId\": \"s-aa02\", \"serverId\""))
        .flat_map(|line| [line, "\n"])
        .collect();
    let ran = pipe("assemble --format vcon", &half);
    assert_valid(&ran.assert_clean().lines());
    let cut: String = CALLS.lines().take(12).flat_map(|line| [line, "\n"]).collect();
    assert_valid(&pipe("assemble --format vcon", cut).lines());
}

#[test]
fn the_schema_enforces_the_draft() {
    let schema = schema();
    let ran = pipe("assemble --format vcon", CALLS);
    let [transferred, missed] = &ran.lines()[..] else { panic!("two") };
    let broken = |vcon: &Value, change: &dyn Fn(&mut Value)| {
        let mut vcon = vcon.clone();
        change(&mut vcon);
        assert!(!schema.is_valid(&vcon), "{vcon:#}");
    };
    broken(missed, &|vcon| vcon["vcon"] = "0.0.2".into());
    broken(missed, &|vcon| drop(vcon.as_object_mut().unwrap().remove("created_at")));
    broken(missed, &|vcon| vcon["created_at"] = "yesterday".into());
    broken(missed, &|vcon| vcon["dialog"][0]["disposition"] = "missed".into());
    broken(missed, &|vcon| drop(vcon["dialog"][0].as_object_mut().unwrap().remove("disposition")));
    broken(missed, &|vcon| vcon["dialog"][0]["body"] = "hello".into());
    broken(transferred, &|vcon| vcon["dialog"][0]["type"] = "call".into());
    broken(transferred, &|vcon| vcon["dialog"][0]["transferee"] = 0.into());
    broken(transferred, &|vcon| vcon["dialog"][0]["duration"] = (-1).into());
    broken(transferred, &|vcon| vcon["dialog"][4]["parties"] = serde_json::json!([0]));
    broken(transferred, &|vcon| vcon["dialog"][4]["recording_set"] = 3.into());
    broken(transferred, &|vcon| drop(vcon["dialog"][3].as_object_mut().unwrap().remove("recordings")));
}

#[test]
fn created_at_is_the_start_of_the_call_and_a_number_is_not_a_name() {
    let records = pipe("assemble --format ndjson", CALLS).lines();
    let vcons = pipe("assemble --format vcon", CALLS).lines();
    for (record, vcon) in records.iter().zip(&vcons) {
        assert_eq!(vcon["created_at"], record["startTime"]);
        assert_eq!(vcon["updated_at"], record["updatedAt"]);
        for party in vcon["parties"].as_array().unwrap() {
            assert!(party["name"].is_null() || party["name"] != party["tel"], "{party}");
        }
    }
}

/// The vCons of every scenario, as lines.
fn of_all_scenarios() -> String {
    let notifications = Scenario::all().flat_map(|scenario| scenario.play(1).notifications);
    let input: String = notifications.flat_map(|one| [one.to_json(), "\n".to_owned()]).collect();
    let ran = pipe("assemble --format vcon", input);
    ran.assert_clean().text().to_owned()
}

#[test]
fn the_vcons_of_every_scenario_are_valid_and_true() {
    let lines = of_all_scenarios();
    let vcons: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(vcons.len() > 90, "{} calls", vcons.len());
    assert_valid(&vcons);
    for vcon in &vcons {
        let dialogs = vcon["dialog"].as_array().unwrap();
        let sets = dialogs.iter().filter(|dialog| dialog["type"] == "recording-set").count();
        let recordings = dialogs.iter().filter(|dialog| dialog["type"] == "recording").count();
        assert!(sets == 1 || sets == 0 && recordings == 0, "{vcon:#}");
        for dialog in dialogs {
            // It is not known whether a message was left, nor who hung up.
            assert_ne!(dialog["disposition"], "voicemail-no-message", "{vcon:#}");
            assert_ne!(dialog["disposition"], "hung-up", "{vcon:#}");
        }
        let numbers: Vec<&str> =
            vcon["parties"].as_array().unwrap().iter().filter_map(|party| party["tel"].as_str()).collect();
        let distinct: std::collections::BTreeSet<&str> = numbers.iter().copied().collect();
        assert_eq!(numbers.len(), distinct.len(), "{vcon:#}");
    }
}

/// The verdicts of PyPI's `vcon`; `None`, with a message, if it is not installed.
fn check_with_library(lines: &str) -> Option<Vec<Value>> {
    let clients = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../clients");
    let python = clients.join(".venv/bin/python");
    let can = Command::new(&python).args(["-c", "import vcon, joserfc"]).stderr(Stdio::null()).status();
    if !can.is_ok_and(|status| status.success()) {
        eprintln!(
            "skipped: vcon_reader.py needs Python 3.12 and what scripts/prepare --with-clients installs"
        );
        return None;
    }
    let mut command = Command::new(python);
    command.arg(clients.join("vcon_reader.py")).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let (mut pipe, input) = (child.stdin.take().unwrap(), lines.to_owned());
    let writer = std::thread::spawn(move || pipe.write_all(input.as_bytes()).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    Some(text.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

/// `vcon` follows an earlier draft: it does not know `recording-set`, and requires a media type for it and for an empty
/// dialog. It reports no other errors.
#[test]
fn the_library_reports_only_what_its_draft_lacks() {
    let lines = of_all_scenarios();
    let Some(judged) = check_with_library(&lines) else { return };
    assert_eq!(judged.len(), lines.lines().count());
    for (line, judged) in lines.lines().zip(judged) {
        let vcon: Value = serde_json::from_str(line).unwrap();
        let of_type = |index: usize| vcon["dialog"][index]["type"].as_str();
        let unknown = |error: &str| {
            let index = error.split_whitespace().nth(3).unwrap().parse().unwrap();
            let media = error.ends_with("missing mediatype: missing");
            match of_type(index) {
                Some("recording-set") => media || error.ends_with("invalid type: recording-set"),
                None => media,
                _ => false,
            }
        };
        let errors = judged["errors"].as_array().unwrap();
        let real: Vec<&str> =
            errors.iter().filter_map(Value::as_str).filter(|error| !unknown(error)).collect();
        assert!(real.is_empty(), "{real:?} in {vcon:#}");
    }
}

/// A key with its certificate, as PEM.
fn key(kind: &'static rcgen::SignatureAlgorithm) -> String {
    let key = rcgen::KeyPair::generate_for(kind).unwrap();
    let certificate =
        rcgen::CertificateParams::new(["signer.test".to_owned()]).unwrap().self_signed(&key).unwrap();
    key.serialize_pem() + &certificate.pem()
}

fn signed_with(pem: &str, format: &str) -> crate::run::Ran {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key.pem");
    std::fs::write(&file, pem).unwrap();
    let arguments = format!("assemble --format {format} --sign {}", file.display());
    run_with(&arguments, &[], CALLS.as_bytes())
}

#[test]
fn a_library_verifies_a_signed_vcon() {
    let rsa = std::fs::read_to_string(data("signing.pem")).unwrap();
    let keys = [
        ("RS256", rsa),
        ("ES256", key(&rcgen::PKCS_ECDSA_P256_SHA256)),
        ("EdDSA", key(&rcgen::PKCS_ED25519)),
    ];
    for (algorithm, pem) in keys {
        let ran = signed_with(&pem, "vcon");
        let signed = ran.assert_clean().lines();
        assert_eq!(signed.len(), 2);
        for vcon in &signed {
            let members: Vec<&str> = vcon.as_object().unwrap().keys().map(String::as_str).collect();
            assert_eq!(members, ["payload", "signatures"]);
            assert_eq!(vcon["signatures"][0]["header"]["x5c"].as_array().unwrap().len(), 1);
        }
        let broken: String = ran
            .text()
            .lines()
            .map(|line| {
                let mut vcon: Value = serde_json::from_str(line).unwrap();
                let payload = vcon["payload"].as_str().unwrap();
                let (first, rest) = payload.split_at(40);
                let other = if rest.starts_with('A') { "B" } else { "A" };
                vcon["payload"] = format!("{first}{other}{}", &rest[1..]).into();
                format!("{vcon}\n")
            })
            .collect();
        let (Some(judged), Some(refused)) = (check_with_library(ran.text()), check_with_library(&broken))
        else {
            return;
        };
        assert!(judged.iter().all(|one| one["algorithm"] == algorithm), "{judged:?}");
        let verified = |one: &Value| !one["errors"].to_string().contains("Error");
        assert!(judged.iter().all(verified), "{judged:?}");
        assert!(refused.iter().all(|one| one["errors"].to_string().contains("Error")), "{refused:?}");
    }
}

#[test]
fn files_that_cannot_sign_are_refused() {
    let key_pem = key(&rcgen::PKCS_ED25519);
    let other = key(&rcgen::PKCS_ED25519);
    let (only_key, certificate) = key_pem.split_once("-----BEGIN CERTIFICATE").unwrap();
    let (_, other) = other.split_once("-----BEGIN CERTIFICATE").unwrap();
    let cases = [
        (only_key.to_owned(), "certificate"),
        (format!("-----BEGIN CERTIFICATE{certificate}"), "no private key"),
        (format!("{only_key}-----BEGIN CERTIFICATE{other}"), "not that of the key"),
        (key(&rcgen::PKCS_ECDSA_P384_SHA384), "RSA of 2048"),
    ];
    for (pem, problem) in cases {
        let ran = signed_with(&pem, "vcon");
        assert_eq!((ran.code, ran.out.len()), (1, 0));
        assert!(ran.err.contains(problem), "{}", ran.err);
    }
    let ran = signed_with(&key_pem, "csv");
    assert!(ran.code == 1 && ran.err.contains("--format vcon"), "{}", ran.err);
}
