use std::collections::BTreeSet;

use super::*;
use crate::Scenario;

fn played() -> Vec<Notification> {
    Scenario::named("conference").unwrap().play(4).notifications
}

/// The state changes of notifications, without duplicates.
fn changes(notifications: &[Notification]) -> BTreeSet<(SessionId, u32)> {
    notifications.iter().map(|one| (one.body.session, one.body.sequence)).collect()
}

#[test]
fn every_name_is_parsed_and_others_are_refused_with_the_list() {
    let all = Faults::all();
    assert_eq!(all.to_string().parse::<Faults>(), Ok(all));
    assert_eq!("".parse::<Faults>(), Ok(Faults::default()));
    let refused = "reorder, dorp".parse::<Faults>().unwrap_err();
    assert!(
        refused.to_string().starts_with("there is no fault \"dorp\"; there are reorder,delay,"),
        "{refused}"
    );
}

#[test]
fn nothing_changes_without_a_fault_and_the_same_seed_does_the_same() {
    assert_eq!(Faults::default().apply(played(), 1), played());
    let all = Faults::all();
    assert_eq!(all.apply(played(), 9), all.apply(played(), 9));
}

#[test]
fn every_change_arrives_unless_the_fault_loses_notifications() {
    let whole = changes(&played());
    for fault in Fault::ALL {
        let arrived: Vec<_> =
            (0..50).map(|seed| changes(&Faults::from(fault).apply(played(), seed))).collect();
        let all_whole = arrived.iter().all(|arrived| *arrived == whole);
        assert_eq!(all_whole, !fault.loses(), "{}", fault.name());
        assert!(arrived.iter().all(|arrived| arrived.is_subset(&whole)), "{}", fault.name());
    }
}

#[test]
fn faults_change_the_order_and_arrivals_stay_sorted() {
    let order = |notifications: &[Notification]| -> Vec<_> {
        notifications.iter().map(|one| (one.body.session, one.body.sequence, one.uuid)).collect()
    };
    for fault in [Fault::Reorder, Fault::Delay, Fault::Duplicate, Fault::Overlap] {
        let arrived: Vec<_> = (0..20).map(|seed| Faults::from(fault).apply(played(), seed)).collect();
        assert!(arrived.iter().all(|arrived| arrived.is_sorted_by_key(|one| one.arrival)));
        let disturbed = arrived.iter().any(|arrived| order(arrived) != order(&played()));
        assert!(disturbed, "{}", fault.name());
    }
}

#[test]
fn a_second_subscription_has_its_own_uuids_and_covers_only_extensions() {
    let arrived = Faults::from(Fault::Overlap).apply(played(), 3);
    let uuids: BTreeSet<u64> = arrived.iter().map(|one| one.uuid).collect();
    assert_eq!(uuids.len(), arrived.len());
    let account = played()[0].subscription;
    let second = arrived.iter().filter(|one| one.subscription != account);
    assert!(second.clone().count() > 0);
    assert!(second.into_iter().all(|one| one.body.party.extension == Some(one.subscription.owner)));
}

#[test]
fn the_clock_error_of_a_server_is_constant() {
    let skewed = Faults::from(Fault::Skew).apply(played(), 11);
    let time = |notifications: &[Notification], server| -> Vec<Timestamp> {
        let mut own: Vec<_> = notifications.iter().filter(|one| one.body.server == server).collect();
        own.sort_by_key(|one| (one.body.session, one.body.sequence));
        own.into_iter().map(|one| one.body.event_time).collect()
    };
    let mut moved = false;
    for server in played().iter().map(|one| one.body.server) {
        let (before, after) = (time(&played(), server), time(&skewed, server));
        let by: BTreeSet<i64> = before.iter().zip(&after).map(|(before, after)| *after - *before).collect();
        assert_eq!(by.len(), 1);
        moved |= by.iter().any(|by| *by != 0);
        assert!(by.iter().all(|by| by.abs() <= Fault::MAX_SKEW_MS));
    }
    assert!(moved);
}
