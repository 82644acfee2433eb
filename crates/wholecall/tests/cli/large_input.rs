//! Input of extreme size: memory and time stay bounded.

use std::{
    fs,
    io::{Read, Write},
    process::{ChildStdin, Stdio},
    time::{Duration, Instant},
};

use crate::run::{CALLS, IDS, wholecall};

const MIB: usize = 1 << 20;

/// The result of a run, with its peak memory.
struct Measured {
    code: i32,
    out: String,
    err: String,
    peak_mib: u64,
    took: Duration,
}

/// Feeds `wholecall assemble` through a pipe.
fn measure(arguments: &[&str], feed: impl FnOnce(&mut ChildStdin)) -> Measured {
    let started = Instant::now();
    let mut child = wholecall().arg("assemble").args(arguments).stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let (mut stdout, mut stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let out = std::thread::spawn(move || {
        let mut text = String::new();
        stdout.read_to_string(&mut text).unwrap();
        text
    });
    let err = std::thread::spawn(move || {
        let mut text = String::new();
        stderr.read_to_string(&mut text).unwrap();
        text
    });
    feed(&mut stdin);
    // The process runs until the pipe is closed, and has read all but the last 64 KiB.
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak_kib: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    drop(stdin);
    Measured {
        code: child.wait().unwrap().code().unwrap(),
        out: out.join().unwrap(),
        err: err.join().unwrap(),
        peak_mib: peak_kib >> 10,
        took: started.elapsed(),
    }
}

fn assert_line_is_refused(mib: usize) {
    let at = CALLS.match_indices('\n').nth(4).unwrap().0 + 1;
    let blank = vec![b'x'; MIB];
    let measured = measure(&[], |stdin| {
        stdin.write_all(&CALLS.as_bytes()[..at]).unwrap();
        stdin.write_all(b"{\"uuid\": \"").unwrap();
        for _ in 0..mib {
            stdin.write_all(&blank).unwrap();
        }
        stdin.write_all(b"\"}\n").unwrap();
        stdin.write_all(&CALLS.as_bytes()[at..]).unwrap();
    });
    assert_eq!((measured.code, measured.err.as_str()), (2, "<stdin>:6: longer than 16 MiB, refused\n"));
    let ids: Vec<&str> = measured.out.lines().map(|line| line.split('"').nth(7).unwrap()).collect();
    assert_eq!(ids, IDS);
    eprintln!("{mib} MiB line: {} MiB, {:?}", measured.peak_mib, measured.took);
    assert!(measured.peak_mib < 160, "{} MiB for a line of {mib} MiB", measured.peak_mib);
}

#[cfg(target_os = "linux")]
#[test]
fn a_line_of_forty_mebibytes_is_refused_without_buffering_it() {
    assert_line_is_refused(40);
}

#[cfg(target_os = "linux")]
#[test]
fn a_line_of_a_gibibyte_is_refused_without_buffering_it() {
    assert_line_is_refused(1_024);
}

fn notification(session: &str, sequence: usize, party: usize) -> String {
    format!(
        r#"{{"event":"/restapi/v1.0/account/1/telephony/sessions","timestamp":"2026-03-09T14:00:00.000Z","body":{{"sequence":{sequence},"telephonySessionId":"{session}","eventTime":"2026-03-09T14:00:00.000Z","parties":[{{"id":"p-{party}","extensionId":"{party}","direction":"Inbound","status":{{"code":"Proceeding"}}}}]}}}}"#
    ) + "\n"
}

/// Number of legs in the session of [`legs_beyond_the_limit_are_counted`]; `WHOLECALL_LEGS` overrides it.
fn legs() -> usize {
    std::env::var("WHOLECALL_LEGS").ok().and_then(|legs| legs.parse().ok()).unwrap_or(120_000)
}

#[cfg(target_os = "linux")]
#[test]
fn legs_beyond_the_limit_are_counted() {
    const LIMIT: usize = wholecall_assembly::limits::MAX_NOTIFICATIONS_PER_SESSION;
    let legs = legs();
    let measured = measure(&[], |stdin| {
        let mut block = Vec::new();
        for leg in 0..legs {
            block.extend_from_slice(notification("s-1", leg + 2, leg).as_bytes());
            if block.len() > MIB {
                stdin.write_all(&block).unwrap();
                block.clear();
            }
        }
        stdin.write_all(&block).unwrap();
    });
    eprintln!("{legs} legs: {} MiB, {:?}", measured.peak_mib, measured.took);
    assert_eq!((measured.code, measured.err.as_str()), (0, ""));
    let call: serde_json::Value = serde_json::from_str(&measured.out).unwrap();
    assert_eq!(call["legs"].as_array().unwrap().len(), LIMIT);
    let beyond = &call["completeness"]["beyondLimits"][0];
    assert_eq!(beyond["beyond"].as_u64().unwrap() as usize, legs - LIMIT, "{beyond}");
    assert!(measured.peak_mib < 256, "{} MiB", measured.peak_mib);
}

/// Copies of one change that all differ, each with its own id.
#[cfg(target_os = "linux")]
#[test]
fn differing_copies_take_bounded_time_and_memory() {
    let measured = measure(&[], |stdin| {
        for copy in 0..20_000 {
            let line = notification("s-1", 2, 1)
                .replace("\"direction\"", &format!("\"from\":{{\"name\":\"Name {copy}\"}},\"direction\""))
                .replace(
                    "14:00:00.000Z\",\"parties",
                    &format!(
                        "14:{:02}:{:02}.{:03}Z\",\"parties",
                        copy / 60_000,
                        copy / 1_000 % 60,
                        copy % 1_000
                    ),
                )
                .replace("{\"event\"", &format!("{{\"uuid\":\"{}\",\"event\"", 90_000 - copy));
            stdin.write_all(line.as_bytes()).unwrap();
        }
    });
    eprintln!("20,000 copies: {} MiB, {:?}", measured.peak_mib, measured.took);
    assert_eq!((measured.code, measured.err.as_str()), (0, ""));
    assert!(measured.took < Duration::from_secs(20), "{:?}", measured.took);
    assert!(measured.peak_mib < 128, "{} MiB", measured.peak_mib);
}
