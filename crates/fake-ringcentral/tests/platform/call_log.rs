//! Active calls and the call log.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::harness::{Platform, User, quiet};

const ACCOUNT: &str = "/restapi/v1.0/account/~";

fn log(user: &User<'_>, query: &str) -> Vec<Value> {
    user.get(&format!("{ACCOUNT}/call-log?{query}"))["records"].as_array().unwrap().clone()
}

#[test]
fn a_call_is_active_and_is_logged_after_its_end() {
    let platform = Platform::start(quiet());
    let user = platform.log_in(0);
    let truth = platform.play("outbound");
    let active =
        || user.get(&format!("{ACCOUNT}/active-calls?view=Detailed"))["records"].as_array().unwrap().clone();
    platform.advance(1.0);
    assert!(active().is_empty());
    platform.advance(6.0);
    let ringing = active();
    assert_eq!((ringing.len(), &ringing[0]["result"]), (1, &"In Progress".into()));
    assert!(ringing[0]["duration"].is_null() && log(&user, "").is_empty());
    let length = |truth: &Value| {
        let time = |name: &str| truth[name].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
        time("endTime").as_millisecond() - time("startTime").as_millisecond()
    };
    platform.advance(length(&truth[0]) as f64 / 1000.0 - 5.0);
    assert!(log(&user, "").is_empty());
    platform.advance(25.0);
    let records = log(&user, "view=Detailed");
    assert_eq!(records.len(), 1);
    let record = &records[0];
    assert_eq!((&record["result"], &record["direction"]), (&"Call connected".into(), &"Outbound".into()));
    assert!((record["durationMs"].as_i64().unwrap() - length(&truth[0])).abs() < 100);
    assert_eq!(record["legs"].as_array().unwrap().iter().filter(|leg| leg["master"] == true).count(), 1);
    let simple = log(&user, "");
    assert!(simple[0]["legs"].is_null() && simple[0]["id"] == record["id"]);
    let id = record["id"].as_str().unwrap();
    assert_eq!(user.get(&format!("{ACCOUNT}/call-log/{id}"))["id"], record["id"]);
    let several = user.try_get(&format!("{ACCOUNT}/call-log/{id},none"));
    assert!(several.status == 207 && several.body.as_str().unwrap().contains("\"status\":404"));
}

#[test]
fn the_record_of_a_queue_call_changes_under_its_id() {
    let platform = Platform::start(quiet());
    let user = platform.log_in(0);
    platform.play("queue_in_turn");
    let mut seen = Vec::new();
    for _ in 0..400 {
        platform.advance(1.0);
        let records = log(&user, "view=Detailed");
        if let [record] = &records[..] {
            seen.push(record.clone());
            if record["finished"] == true {
                break;
            }
        }
    }
    let (first, last) = (&seen[0], &seen[seen.len() - 1]);
    assert_eq!(
        (&first["id"], &first["finished"], &last["finished"]),
        (&last["id"], &false.into(), &true.into())
    );
    assert_eq!((&first["direction"], &first["action"]), (&"Outbound".into(), &"VoIP Call".into()));
    assert_eq!((&last["direction"], &last["result"]), (&"Inbound".into(), &"Accepted".into()));
    assert!(last["startTime"].as_str() < first["startTime"].as_str());
    let types: Vec<&str> =
        last["legs"].as_array().unwrap().iter().map(|leg| leg["legType"].as_str().unwrap()).collect();
    assert_eq!(types[0], "Accept");
    assert!(types[1..].iter().all(|kind| *kind == "PstnToSip") && types.len() >= 3, "{types:?}");
}

#[test]
fn a_recording_is_attached_later_as_a_change_of_the_record() {
    let platform = Platform::start(quiet());
    let user = platform.log_in(0);
    platform.play("recorded");
    let mut token =
        user.get(&format!("{ACCOUNT}/call-log-sync?recordCount=10"))["syncInfo"]["syncToken"].clone();
    let mut changes = Vec::new();
    for _ in 0..60 {
        platform.advance(10.0);
        let path = format!("{ACCOUNT}/call-log-sync?syncType=ISync&syncToken={}", token.as_str().unwrap());
        let sync = user.get(&path);
        changes.extend(sync["records"].as_array().unwrap().iter().map(|record| record["recording"].clone()));
        token = sync["syncInfo"]["syncToken"].clone();
    }
    assert_eq!(changes.iter().map(Value::is_object).collect::<Vec<_>>(), [false, true]);
    let recording = user.get(changes[1]["uri"].as_str().unwrap());
    assert_eq!((&recording["id"], &recording["contentUri"]), (&changes[1]["id"], &changes[1]["contentUri"]));
    let sound = user.try_get(changes[1]["contentUri"].as_str().unwrap());
    assert_eq!((sound.status, sound.header("content-type")), (200, "audio/x-wav"));
    assert_eq!(user.try_get(&format!("{ACCOUNT}/recording/1")).status, 404);
    platform.control("reset-call-log", Value::Null);
    let path = format!("{ACCOUNT}/call-log-sync?syncType=ISync&syncToken={}", token.as_str().unwrap());
    assert_eq!(user.try_get(&path).error(), (400, "CLG-101"));
}

#[test]
fn records_have_recordings_and_messages_and_may_lack_finished() {
    let platform = Platform::start(quiet());
    let user = platform.log_in(0);
    for scenario in ["recorded", "voicemail", "outbound"] {
        platform.play(scenario);
    }
    platform.advance(900.0);
    let recorded = |wanted: &str| log(&user, &format!("view=Detailed&recordingType={wanted}")).len();
    assert_eq!((recorded("All"), recorded("OnDemand"), recorded("Automatic")), (1, 1, 0));
    assert_eq!(log(&user, "withRecording=true").len(), 3, "an obsolete parameter is ignored");
    let records = log(&user, "view=Detailed");
    let left: Vec<&Value> = records.iter().filter(|record| record["message"].is_object()).collect();
    assert_eq!((left.len(), &left[0]["result"]), (1, &"Voicemail".into()));
    assert_eq!(
        (&left[0]["message"]["type"], &left[0]["legs"][0]["message"]),
        (&"VoiceMail".into(), &left[0]["message"])
    );
    assert!(records.iter().all(|record| record["finished"] == true));
    platform.control("omit-finished", Value::Null);
    assert!(log(&user, "view=Detailed").iter().all(|record| record["finished"].is_null()));
}

#[test]
fn one_record_of_an_attended_transfer_names_the_target_and_one_the_transferee() {
    for scenario in ["attended", "attended_by_caller"] {
        let platform = Platform::start(quiet());
        let user = platform.log_in(0);
        platform.play(scenario);
        platform.advance(900.0);
        let records = log(&user, "view=Detailed");
        let count = |role: &str| records.iter().filter(|record| record[role].is_object()).count();
        assert_eq!((count("transferTarget"), count("transferee")), (1, 1), "{scenario}");
    }
}

#[test]
fn extracts_return_every_change_once_whatever_their_size() {
    let platform = Platform::start(quiet());
    let user = platform.log_in(0);
    for scenario in ["inbound", "outbound", "attended", "missed", "voicemail", "menu"] {
        platform.play(scenario);
    }
    platform.advance(900.0);
    let all: BTreeSet<String> = log(&user, "").iter().map(|record| record["id"].to_string()).collect();
    let mut path = format!("{ACCOUNT}/call-log-extract-sync?recordCount=2");
    let mut returned = Vec::new();
    let mut extracts = 0;
    loop {
        let sync = user.get(&path);
        returned.extend(sync["records"].as_array().unwrap().iter().map(|record| record["id"].to_string()));
        extracts += 1;
        let token = sync["syncInfo"]["syncToken"].as_str().unwrap();
        path = format!("{ACCOUNT}/call-log-extract-sync?syncType=ISync&syncToken={token}");
        if sync["syncInfo"]["newerRecordsExist"] == false {
            break;
        }
    }
    assert!(extracts >= 2 && all.len() >= 7, "{extracts} extracts of {}", all.len());
    assert_eq!((returned.iter().cloned().collect::<BTreeSet<_>>(), returned.len()), (all.clone(), all.len()));
}

#[test]
fn the_log_of_an_extension_has_only_its_own_calls() {
    let platform = Platform::start(quiet());
    let user = platform.log_in(0);
    let truth = platform.play("internal");
    platform.play("outbound");
    platform.advance(600.0);
    let callee = truth[0]["rung"][0].as_str().unwrap().trim_start_matches("ext:").to_owned();
    let caller = truth[0]["caller"].as_str().unwrap().trim_start_matches("ext:").to_owned();
    let log_of = |extension: &str| {
        user.get(&format!("{ACCOUNT}/extension/{extension}/call-log?view=Detailed"))["records"]
            .as_array()
            .unwrap()
            .clone()
    };
    let (called, calling) = (log_of(&callee), log_of(&caller));
    assert_eq!((called.len(), &called[0]["direction"]), (1, &"Inbound".into()));
    assert_eq!(calling[0]["direction"], "Outbound");
    assert_eq!(called[0]["telephonySessionId"], calling[0]["telephonySessionId"]);
    assert_ne!(called[0]["id"], calling[0]["id"]);
    assert_eq!(log(&user, "").len(), 2);
    assert_eq!(user.try_get(&format!("{ACCOUNT}/extension/1/call-log")).error(), (404, "CMN-102"));
}
