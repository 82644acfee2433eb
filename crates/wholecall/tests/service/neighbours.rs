//! What one tenant does to another: counts and memory, on a machine of any speed. `scripts/proof neighbours` measures times.

use std::path::Path;

use wholecall_benches::neighbours::{Attack, Plan, measure};

use crate::harness::PROGRAM;

#[test]
fn nothing_a_neighbour_does_has_a_tenant_refused_or_takes_all_memory() {
    let (mut complaints, mut rows) = (Vec::new(), 0);
    let measured = measure(Path::new(PROGRAM), &Plan::SHORT, |row| {
        rows += 1;
        println!("{}", row.markdown());
        let what = format!("{}, from elsewhere: {}", row.attack.words(), row.is_from_elsewhere);
        complaints.extend(row.violations_except_times().into_iter().map(|text| format!("{what}: {text}")));
        // The attack was one: the service has answered, or cut, what was asked for.
        if row.answers.is_empty() && row.attack != Attack::SilentBodies {
            complaints.push(format!("{what}: nobody was answered"));
        }
        // Everything has an answer that means something: 5xx only for want of room.
        let is_meant = |status: u16| matches!(status, 0 | 200..500 | 503);
        if let Some((status, count)) = row.answers.iter().find(|(status, _)| !is_meant(**status)) {
            complaints.push(format!("{what}: {count} × {status}"));
        }
    });
    measured.unwrap();
    assert_eq!(rows, 2 * Attack::ALL.len());
    assert!(complaints.is_empty(), "{complaints:#?}");
}
