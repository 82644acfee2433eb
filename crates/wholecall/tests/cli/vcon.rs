//! vCons against what the draft requires of one (draft-ietf-vcon-vcon-core, syntax 0.4.0).

use serde_json::Value;

use crate::run::{CALLS, data, pipe};

fn schema() -> jsonschema::Validator {
    let schema: Value =
        serde_json::from_str(&std::fs::read_to_string(data("vcon.schema.json")).unwrap()).unwrap();
    jsonschema::options().should_validate_formats(true).build(&schema).unwrap()
}

/// What a schema cannot say: indices point at something.
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
    assert_eq!(types(&vcons[0]), ["recording", "recording", "recording", "transfer"]);
    assert_eq!(types(&vcons[1]), ["incomplete"]);
    assert_eq!(vcons[1]["dialog"][0]["disposition"], "no-answer");
    insta::assert_snapshot!(serde_json::to_string_pretty(&vcons).unwrap());
}

#[test]
fn a_transfer_of_which_half_was_seen_is_valid() {
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
fn the_schema_refuses_what_the_draft_forbids() {
    let schema = schema();
    let ran = pipe("assemble --format vcon", CALLS);
    let [transferred, missed] = &ran.lines()[..] else { panic!("two") };
    let spoilt = |vcon: &Value, change: &dyn Fn(&mut Value)| {
        let mut vcon = vcon.clone();
        change(&mut vcon);
        assert!(!schema.is_valid(&vcon), "{vcon:#}");
    };
    spoilt(missed, &|vcon| vcon["vcon"] = "0.0.2".into());
    spoilt(missed, &|vcon| drop(vcon.as_object_mut().unwrap().remove("created_at")));
    spoilt(missed, &|vcon| vcon["created_at"] = "yesterday".into());
    spoilt(missed, &|vcon| vcon["dialog"][0]["disposition"] = "missed".into());
    spoilt(missed, &|vcon| drop(vcon["dialog"][0].as_object_mut().unwrap().remove("disposition")));
    spoilt(missed, &|vcon| vcon["dialog"][0]["body"] = "hello".into());
    spoilt(transferred, &|vcon| vcon["dialog"][0]["type"] = "call".into());
    spoilt(transferred, &|vcon| vcon["dialog"][0]["transferee"] = 0.into());
    spoilt(transferred, &|vcon| vcon["dialog"][0]["duration"] = (-1).into());
    spoilt(transferred, &|vcon| vcon["dialog"][3]["parties"] = serde_json::json!([0]));
}
