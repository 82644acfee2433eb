//! `simulate` and `verify`.

use std::{fs, path::Path, process::Stdio};

use wholecall_simulator::Scenario;

use crate::run::{Ran, file, folder, run, run_with};

/// Runs `simulate` into a folder; returns the file of notifications and that of the truth.
fn simulate(folder: &Path, arguments: &str) -> [std::path::PathBuf; 2] {
    let [notifications, truth] = ["notifications.ndjson", "truth.ndjson"].map(|name| folder.join(name));
    let ran =
        run(&format!("simulate {arguments} --out {} --truth {}", notifications.display(), truth.display()));
    assert_eq!((ran.assert_clean().out.len(), ran.code), (0, 0));
    [notifications, truth]
}

fn verify(truth: &Path, records: &[u8]) -> Ran {
    run_with(&format!("verify --truth {}", truth.display()), &[], records)
}

#[test]
fn every_listed_scenario_exists() {
    let list = run("simulate --list");
    let names: Vec<&str> =
        list.assert_clean().text().lines().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(names, Scenario::all().map(|scenario| scenario.name).collect::<Vec<_>>());
    let simulated = run(&format!("simulate --scenario {}", names[0]));
    assert!(simulated.assert_clean().lines().iter().all(|line| line["body"]["parties"].is_array()));
}

#[test]
fn the_records_of_a_simulated_day_are_exact() {
    let folder = folder("simulated_day");
    for (faults, mode) in
        [("reorder,delay,duplicate,overlap", ""), ("skew", ""), ("reorder,duplicate", " --stream")]
    {
        // Only the extension list shows which extension is an announcement, and whose a mobile number is.
        let directory = folder.join("extensions.json");
        let listed = directory.display();
        let [notifications, truth] = simulate(
            &folder,
            &format!("--traffic --users 40 --seed 5 --faults {faults} --directory {listed}"),
        );
        let records =
            run_with(&format!("assemble --format ndjson{mode} --directory {listed}"), &[&notifications], b"");
        let verified = verify(&truth, &records.assert_clean().out);
        let last = verified.text().lines().last().unwrap().to_owned();
        assert_eq!(verified.code, 0, "{faults}: {}{}", verified.text(), verified.err);
        assert!(last.contains("calls are exact (100.00 %); 0 differences"), "{last}");
        assert!(last.split(' ').next().unwrap().parse::<usize>().unwrap() > 200, "{last}");
    }
}

#[test]
fn a_wrong_record_is_described_drawn_and_counted() {
    let folder = folder("false_record");
    let [notifications, truth] = simulate(&folder, "--scenario attended --seed 3");
    let records = run_with("assemble --format ndjson", &[&notifications], b"");
    let mut record = records.lines().remove(0);
    record["result"] = "Missed".into();
    record["conversations"][0]["endTime"] = record["endTime"].clone();
    let verified = verify(&truth, record.to_string().as_bytes());
    assert_eq!(verified.code, 1);
    assert!(
        verified.text().contains("The result was Answered; the record says Missed."),
        "{}",
        verified.text()
    );
    assert!(verified.text().contains(" truth   ") && verified.text().contains('█'), "{}", verified.text());
    assert_eq!(verified.text().lines().last().unwrap(), "0 of 1 calls are exact (0.00 %); 3 differences");
    assert_eq!(verified.err, "wholecall: 3 differences\n");
    let nothing = verify(&truth, b"");
    assert!(nothing.code == 1 && nothing.text().contains("There is no record of this call"));
}

#[test]
fn a_view_has_only_the_users_own_parties_and_is_verified() {
    let folder = folder("views");
    let (out, truth) = (folder.join("calls.ndjson"), folder.join("truth.ndjson"));
    let written = run(&format!(
        "simulate --scenario attended --seed 3 --view each --out {} --truth {}",
        out.display(),
        truth.display()
    ));
    assert_eq!(written.assert_clean().code, 0);
    let views: Vec<String> = fs::read_dir(&folder)
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().into_string().ok())
        .filter_map(|name| Some(name.strip_prefix("calls-")?.strip_suffix(".ndjson")?.to_owned()))
        .collect();
    assert!(views.len() >= 2, "{views:?}");
    for number in views {
        let truth = folder.join(format!("truth-{number}.ndjson"));
        let calls = folder.join(format!("calls-{number}.ndjson"));
        let one = run(&format!("simulate --scenario attended --seed 3 --view {number}"));
        assert_eq!(one.assert_clean().out, fs::read(&calls).unwrap());
        let records = run_with("assemble --format ndjson", &[&calls], b"");
        let mut false_record = records.lines().remove(0);
        false_record["from"]["participant"] = "tel:+1".into();
        let verified = verify(&truth, false_record.to_string().as_bytes());
        assert_eq!(verified.code, 1, "{}", verified.text());
        assert!(verified.text().contains("`from`") && verified.text().contains("statements agree"));
    }
    let absent = run("simulate --scenario attended --seed 3 --view 99999");
    assert!(absent.code != 0 && absent.err.contains("does not take part"), "{}", absent.err);
}

#[test]
fn the_same_seed_writes_the_same_bytes() {
    let played = |seed: u64| run(&format!("simulate --scenario random --seed {seed} --faults reorder")).out;
    assert_eq!(played(4), played(4));
    assert_ne!(played(4), played(5));
}

#[test]
fn wrong_arguments_and_unreadable_files_are_reported() {
    let error = |arguments: &str| {
        let ran = run(arguments);
        assert!(ran.code == 1 || ran.code == 2, "{arguments}: {}", ran.code);
        ran.err
    };
    assert!(error("simulate").contains("--scenario"));
    assert!(error("simulate --scenario no-such").contains("--list shows the names"));
    assert!(error("simulate --traffic --faults rain").contains("there is no fault \"rain\""));
    assert!(error("simulate --traffic --post https://example.com/").contains("only plain http://"));
    assert!(error("simulate --traffic --users 1").contains("2 to 50000"));
    assert!(error("verify --truth /no/such").contains("/no/such cannot be read"));
    let folder = folder("unreadable_truth");
    let wrong = file(&folder, "wrong.ndjson", "{\"id\": 1}\n");
    assert!(error(&format!("verify --truth {}", wrong.display())).contains("wrong.ndjson:1: not the truth"));
    let newer = file(
        &folder,
        "newer.ndjson",
        r#"{"schema": "wholecall.truth/2", "seed": 1, "faults": "", "skewMs": 0}"#,
    );
    assert!(error(&format!("verify --truth {}", newer.display())).contains("wholecall.truth/2"));
    let truth = file(&folder, "empty.ndjson", "");
    let records = verify(&truth, b"not a record\n");
    assert!(records.err.contains("-:1: not a record"), "{}", records.err);
    assert!(fs::metadata(&truth).unwrap().len() == 0);
}

#[test]
fn a_closed_pipe_while_listing_is_not_an_error() {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_wholecall"));
    let command = command.args(["simulate", "--list"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = command.spawn().unwrap();
    drop(process.stdout.take());
    let output = process.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stderr.is_empty());
}
