//! The effect of one tenant on another, by counts and memory. `scripts/proof neighbours` measures times.

use std::path::Path;

use wholecall_benches::neighbours::{Attack, Plan, measure};

use crate::harness::PROGRAM;

#[test]
fn no_attack_of_a_neighbour_has_requests_refused_or_exhausts_memory() {
    let (mut violations, mut rows) = (Vec::new(), 0);
    let measured = measure(Path::new(PROGRAM), &Plan::SHORT, |row| {
        rows += 1;
        println!("{}", row.markdown());
        let what = format!("{}, from elsewhere: {}", row.attack.words(), row.is_from_elsewhere);
        violations.extend(row.violations_except_times().into_iter().map(|text| format!("{what}: {text}")));
        // The attack took place: the service answered its requests or closed its connections. A silent body has no answer,
        // and that of an import of long lines may take longer than the measurement on a busy machine.
        let may_lack_answers = matches!(row.attack, Attack::SilentBodies | Attack::LongLines);
        if row.answers.is_empty() && !may_lack_answers {
            violations.push(format!("{what}: no request was answered"));
        }
        // Every request is answered; 5xx only if there is no capacity.
        let is_expected = |status: u16| matches!(status, 0 | 200..500 | 503);
        if let Some((status, count)) = row.answers.iter().find(|(status, _)| !is_expected(**status)) {
            violations.push(format!("{what}: {count} × {status}"));
        }
    });
    measured.unwrap();
    assert_eq!(rows, 2 * Attack::ALL.len());
    assert!(violations.is_empty(), "{violations:#?}");
}
