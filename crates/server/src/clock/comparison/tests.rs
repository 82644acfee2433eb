use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;

const HOUR_MS: i64 = 3_600_000;

/// Two tenants, created in a store.
fn tenants() -> [TenantId; 2] {
    static TENANTS: LazyLock<[TenantId; 2]> = LazyLock::new(add_tenants);
    *TENANTS
}

fn add_tenants() -> [TenantId; 2] {
    let folder = tempfile::tempdir().unwrap();
    let store = wholecall_store::Store::open(folder.path()).unwrap();
    ["acme", "other"].map(|name| {
        crate::admin::add_tenant(&store, name, &[name.len().to_string()], None).unwrap();
        crate::admin::find(&store, name).unwrap().id
    })
}

fn at(second: u64) -> MonotonicStamp {
    MonotonicStamp { elapsed: Duration::from_secs(second), times_set: 0 }
}

fn ringcentral() -> Source {
    Source::RingCentral("https://platform.ringcentral.com".to_owned())
}

#[test]
fn ringcentral_s_clock_alone_raises_an_alarm() {
    for (offset_ms, is_alarm) in
        [(60_000, false), (61_000, true), (-60_000, false), (-61_000, true), (0, false)]
    {
        let comparison = Comparison::default();
        comparison.answered(ringcentral(), offset_ms, at(1));
        assert_eq!(
            comparison.last(),
            Some(ComparisonResult { offset_ms, with: ReferenceClock::RingCentral, is_alarm }),
            "{offset_ms}"
        );
    }
}

#[test]
fn an_alarm_names_the_solution_and_ends_only_on_evidence() {
    let comparison = Comparison::default();
    comparison.answered(ringcentral(), HOUR_MS, at(1));
    let problem = comparison.last().unwrap().problem().unwrap();
    assert!(problem.contains("ahead of RingCentral's") && problem.contains("set-ntp"), "{problem}");
    comparison.answered(Source::Receiver(tenants()[0], "a.example".to_owned()), 0, at(9_999));
    assert!(comparison.last().unwrap().is_alarm, "one receiver and the lack of answers are no evidence");
    comparison.answered(ringcentral(), 58_000, at(20_000));
    assert!(comparison.last().unwrap().is_alarm, "it does not start and end with each answer");
    comparison.answered(ringcentral(), 1_000, at(20_010));
    assert_eq!(comparison.last().unwrap().problem(), None);
}

#[test]
fn answers_before_the_clock_was_set_do_not_count() {
    let (comparison, tenant) = (Comparison::default(), tenants()[0]);
    let receiver = |name: &str| Source::Receiver(tenant, name.to_owned());
    for name in ["a", "b", "c"] {
        comparison.answered(receiver(name), HOUR_MS, at(1));
    }
    assert!(comparison.last().unwrap().is_alarm);
    let set = MonotonicStamp { times_set: 1, ..at(2) };
    for name in ["a", "b"] {
        comparison.answered(receiver(name), 0, set);
        assert!(comparison.last().unwrap().is_alarm);
    }
    comparison.answered(receiver("c"), 0, set);
    assert!(!comparison.last().unwrap().is_alarm, "three receivers agree that it is correct");
}

#[test]
fn receivers_of_one_domain_count_as_one() {
    assert_eq!(domain("Hooks.Acme.example."), "acme.example");
    for (host, expected) in [("localhost", "localhost"), ("127.0.0.1", "127.0.0.1"), ("[::1]", "::1")] {
        assert_eq!(domain(host), expected);
    }
    let (comparison, tenant) = (Comparison::default(), tenants()[0]);
    for host in ["a.acme.example", "b.acme.example", "c.acme.example", "acme.example"] {
        comparison.answered(Source::Receiver(tenant, domain(host)), HOUR_MS, at(1));
    }
    assert_eq!(comparison.last(), None);
}

#[test]
fn remembered_answers_are_limited_and_no_tenant_displaces_another() {
    let comparison = Comparison::default();
    let [many, few] = tenants();
    for name in ["x", "y", "z"] {
        comparison.answered(Source::Receiver(few, name.to_owned()), 0, at(1));
    }
    for number in 0..10_000_u64 {
        comparison.answered(Source::Receiver(many, number.to_string()), HOUR_MS, at(2 + number / 100));
        comparison.answered(Source::RingCentral(number.to_string()), 0, at(2 + number / 100));
    }
    let state = comparison.state();
    assert!(state.answers.len() <= MAX_SOURCES);
    let of_many =
        state.answers.keys().filter(|source| matches!(source, Source::Receiver(of, _) if *of == many));
    assert!(of_many.count() <= MAX_RECEIVERS_PER_TENANT);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A minority of receivers never raises an alarm, and a majority decides.
    #[test]
    fn a_minority_of_receivers_never_decides(
        right in 3_usize..6,
        wrong in proptest::collection::vec(-48 * HOUR_MS..48 * HOUR_MS, 0..3),
        true_offset_ms in prop_oneof![-20_000_i64..20_000, Just(HOUR_MS), Just(-HOUR_MS)],
    ) {
        let (comparison, tenant) = (Comparison::default(), tenants()[0]);
        for (number, offset_ms) in wrong.iter().enumerate() {
            comparison.answered(Source::Receiver(tenant, format!("wrong-{number}")), *offset_ms, at(1));
            prop_assert_eq!(comparison.last(), None);
        }
        for number in 0..right {
            let jitter_ms = number as i64 * 400;
            comparison.answered(Source::Receiver(tenant, format!("right-{number}")), true_offset_ms + jitter_ms, at(2));
        }
        let last = comparison.last().unwrap();
        prop_assert_eq!(last.is_alarm, true_offset_ms.abs() > ALARM_ABOVE_MS);
        prop_assert!((last.offset_ms - true_offset_ms).abs() <= 30_000 + 400 * 6);
    }
}
