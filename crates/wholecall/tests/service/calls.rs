//! In whatever order notifications arrive, the service's calls equal those of `wholecall assemble`.

use std::{collections::BTreeSet, fs, path::PathBuf};

use wholecall_simulator::{Record, Tolerance, verify};

use crate::{
    crash::expect_sound,
    harness::Installation,
    traffic::{
        ACCOUNT, assembled, company_day, examples, expect_calls, expect_settled, golden, post_all, shuffled,
    },
};

#[test]
fn the_examples_in_disorder_over_eight_connections() {
    let installation = Installation::new();
    let server = installation.start();
    let expected = assembled(&examples());
    for seed in 0..3 {
        let tenant = installation.tenant(&format!("acme-{seed}"), [ACCOUNT]);
        post_all(&server, &tenant, &shuffled(examples(), seed), 8);
        expect_calls(&server.client(), &tenant, &expected);
    }
    server.stop();
}

/// Cases that need input other than webhooks: a call that never ends, and an answer of RingCentral.
const ONLY_FROM_FILES: [&str; 2] =
    ["r05_live_talk_at_the_last_notification", "r17_snapshot_before_the_first_notification"];

#[test]
fn the_golden_cases_in_disorder_over_eight_connections() {
    let installation = Installation::new();
    let server = installation.start();
    let folders = fs::read_dir(golden()).unwrap().map(|entry| entry.unwrap().path());
    let mut cases = Vec::new();
    let is_case = |path: &PathBuf| path.is_dir() && !ONLY_FROM_FILES.iter().any(|name| path.ends_with(name));
    for folder in folders.filter(is_case) {
        let text = fs::read_to_string(folder.join("events.ndjson")).unwrap();
        let notifications: Vec<String> = text.lines().map(str::to_owned).collect();
        let name = folder.file_name().unwrap().to_str().unwrap().replace('_', "-");
        let account = |notification: &String| {
            let (_, rest) = notification.split_once("/account/").unwrap();
            rest.split('/').next().unwrap().to_owned()
        };
        let accounts: BTreeSet<String> = notifications.iter().map(account).collect();
        let tenant = installation.tenant(&name, accounts);
        post_all(&server, &tenant, &shuffled(notifications.clone(), 5), 8);
        cases.push((tenant, notifications));
    }
    assert!(cases.len() >= 40, "{} cases", cases.len());
    for (tenant, notifications) in cases {
        expect_calls(&server.client(), &tenant, &assembled(&notifications));
    }
    server.stop();
}

#[test]
fn a_company_s_day_is_exact() {
    // A day without calls whose records need the company's extension list.
    let day = company_day(40, 20);
    let installation = Installation::new();
    let server = installation.start();
    let tenant = installation.tenant("company", &day.accounts);
    post_all(&server, &tenant, &day.notifications, 8);
    let client = server.client();
    expect_settled(&client, &tenant);
    expect_calls(&client, &tenant, &assembled(&day.notifications));
    let calls = client.calls(&tenant, "", 100);
    let records = calls.iter().map(|call| Record::from_json(&call.to_string()).unwrap());
    let report = verify(day.truths, records, Tolerance::default());
    assert!(report.calls > 300, "{} calls", report.calls);
    assert_eq!(report.differences(), 0, "{report}");
    expect_sound(&client.changes(&tenant));
    server.stop();
}
