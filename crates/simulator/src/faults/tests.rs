use std::collections::BTreeSet;

use super::*;
use crate::Scenario;

fn played() -> Vec<Notification> {
    Scenario::named("conference").unwrap().play(4).notifications
}

/// A change of state, whoever tells it.
fn changes(told: &[Notification]) -> BTreeSet<(SessionId, u32)> {
    told.iter().map(|told| (told.body.session, told.body.sequence)).collect()
}

#[test]
fn every_name_is_read_back_and_others_are_refused_with_the_list() {
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
fn what_loses_nothing_tells_every_change_and_what_loses_does_not() {
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
fn arrivals_are_in_order_and_disorder_is_real() {
    let order = |told: &[Notification]| -> Vec<_> {
        told.iter().map(|told| (told.body.session, told.body.sequence, told.uuid)).collect()
    };
    for fault in [Fault::Reorder, Fault::Delay, Fault::Duplicate, Fault::Overlap] {
        let arrived: Vec<_> = (0..20).map(|seed| Faults::from(fault).apply(played(), seed)).collect();
        assert!(arrived.iter().all(|told| told.is_sorted_by_key(|told| told.arrival)));
        let disturbed = arrived.iter().any(|told| order(told) != order(&played()));
        assert!(disturbed, "{}", fault.name());
    }
}

#[test]
fn a_second_subscription_has_its_own_uuids_and_tells_only_of_extensions() {
    let arrived = Faults::from(Fault::Overlap).apply(played(), 3);
    let uuids: BTreeSet<u64> = arrived.iter().map(|told| told.uuid).collect();
    assert_eq!(uuids.len(), arrived.len());
    let account = played()[0].subscription;
    let second = arrived.iter().filter(|told| told.subscription != account);
    assert!(second.clone().count() > 0);
    assert!(second.into_iter().all(|told| told.body.party.extension == Some(told.subscription.owner)));
}

#[test]
fn a_server_is_wrong_by_one_time_throughout() {
    let skewed = Faults::from(Fault::Skew).apply(played(), 11);
    let time = |told: &[Notification], server| -> Vec<Millis> {
        let mut own: Vec<_> = told.iter().filter(|told| told.body.server == server).collect();
        own.sort_by_key(|told| (told.body.session, told.body.sequence));
        own.into_iter().map(|told| told.body.event_time).collect()
    };
    let mut moved = false;
    for server in played().iter().map(|told| told.body.server) {
        let (before, after) = (time(&played(), server), time(&skewed, server));
        let by: BTreeSet<Millis> = before.iter().zip(&after).map(|(before, after)| after - before).collect();
        assert_eq!(by.len(), 1);
        moved |= by.iter().any(|by| *by != 0);
        assert!(by.iter().all(|by| by.abs() <= Fault::SKEW));
    }
    assert!(moved);
}
