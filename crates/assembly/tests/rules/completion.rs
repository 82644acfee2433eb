//! When a call is published, when it is over, and what happens after that (`docs/contract.md` §5: state, version).

use wholecall_assembly::Settings;
use wholecall_record::call::{CloseReason, State};

use crate::play::{ANSWERED, BRIDGED, CONSULTING, Live, at, call, leg, moves};

const ENDED: &str = "9 A/1,A/2 Disconnected";

/// When and why the call is closed after this script.
fn closed(script: &str) -> String {
    let mut live = Live::new();
    live.receive(script);
    live.wait_until("90000").pop().unwrap_or_default()
}

#[test]
fn a_version_at_the_start_one_a_second_while_live_one_at_completion() {
    let mut live = Live::new();
    assert_eq!(live.receive("0 A/1 out - +1404>+1650=104 Setup"), ["0 started A 1"]);
    assert!(
        live.receive("0.1 A/2 in 104 +1404>+1650=104 Setup; 0.2 A/1 Answered; 0.9 A/2 Proceeding").is_empty()
    );
    assert_eq!(live.wait_until("2.9"), ["1 updated A 2"], "all that happened in between is one version");
    assert_eq!(live.receive("3 A/2 Answered; 9 A/2 Disconnected"), ["3 updated A 3", "9 updated A 4"]);
    assert_eq!(live.receive("9.1 A/1 Disconnected"), [""; 0]);
    assert_eq!(live.wait_until("100"), ["10 updated A 5", "10.1 complete A 6"]);
}

#[test]
fn a_call_is_complete_one_second_after_the_arrival_of_its_last_event() {
    let mut live = Live::new();
    live.receive(&format!("{ANSWERED} 9 A/1 Disconnected @20; 9 A/2 Disconnected @30"));
    assert_eq!(live.wait_until("100"), ["31 complete A 6"]);
    assert_eq!(at(live.last("A").end_time), Some(9.0), "the record's times are when things happened");
}

#[test]
fn a_gap_or_an_unseen_session_lengthens_the_settle_time() {
    let mut gap = Live::new();
    gap.receive("0 A/1 out 104 104>+1505 Setup; 9 A/1#5 Disconnected");
    assert_eq!(gap.wait_until("100"), ["19 complete A 3"]);
    let missing = &gap.last("A").completeness.missing_sequences;
    assert_eq!((missing[0].from, missing[0].to), (3, 4));
    let mut unseen = Live::new();
    unseen.receive("0 A/1 out 104 104>+1505 Setup; 9 A/1 Gone/AttendedTransfer -> X/1");
    assert_eq!(unseen.wait_until("100"), ["19 complete A 3"]);
}

#[test]
fn a_gap_that_is_filled_settles_after_the_default_time() {
    let mut live = Live::new();
    live.receive("0 A/1 out 104 104>+1505 Setup; 9 A/1#4 Disconnected; 8 A/1#3 Proceeding @12");
    assert_eq!(live.wait_until("100"), ["13 complete A 4"]);
    assert!(live.last("A").completeness.missing_sequences.is_empty());
}

#[test]
fn a_session_that_begins_above_2_has_a_gap() {
    let call = call("0 A/1#4 out 104 104>+1505 Setup; 9 A/1#5 Disconnected");
    let missing = &call.completeness.missing_sequences;
    assert_eq!(missing.len(), 1);
    assert_eq!((missing[0].from, missing[0].to), (2, 3), "1 is never delivered");
}

#[test]
fn the_last_leg_of_several_is_given_up_after_a_minute() {
    assert_eq!(closed(&format!("{ANSWERED} 9 A/2 Disconnected")), "69 lastLegSilent A 5");
    let mut live = Live::new();
    live.receive(&format!("{ANSWERED} 9 A/2 Disconnected"));
    live.wait_until("100");
    assert_eq!(live.last("A").state, State::Incomplete);
    assert_eq!(live.last("A").completeness.reason, Some(CloseReason::LastLegSilent));
}

#[test]
fn otherwise_a_call_is_given_up_after_eight_hours() {
    assert_eq!(closed(ANSWERED), "28803 silent A 4", "two legs are left");
    assert_eq!(closed("0 A/1 out 104 104>+1888 Setup"), "28800 silent A 2", "one leg, but not of several");
}

#[test]
fn history_whose_last_event_is_older_than_that_is_closed_once_it_has_arrived() {
    let dialled = "0 A/1 out 104 104>+1888 Setup";
    assert_eq!(closed(&format!("{dialled} @40000")), "40010 silent A 2", "what comes with it is waited for");
    assert_eq!(closed(&format!("{dialled} @28795")), "28805 silent A 2");
    assert_eq!(closed(&format!("{dialled} @3600")), "28800 silent A 2", "eight hours after its last event");
    let mut live = Live::new();
    live.receive(&format!("{dialled} @40000; 3 A/1 Answered @40005"));
    assert_eq!(live.wait_until("50000"), ["40015 silent A 3"], "each notification is waited for");
    let mut live = Live::new();
    live.receive(&format!("{dialled} @40000"));
    live.wait_until("40011");
    live.receive("40009 A/1 Proceeding @40012");
    live.wait_until("40014");
    assert_eq!(live.last("A").state, State::Live, "it continues after all");
    live.wait_until("68808");
    assert_eq!(live.last("A").state, State::Live);
    live.wait_until("68809");
    assert_eq!(
        live.last("A").completeness.reason,
        Some(CloseReason::Silent),
        "eight hours after its last event"
    );
}

#[test]
fn a_caller_who_waits_is_not_given_up_after_a_minute() {
    let menu = "0 A/1 out - +1404>+1800 Setup; 0.1 A/2 in 700 +1404>+1800 Setup; 5 A/1 Disconnected";
    assert!(closed(menu).contains("silent A") && closed(menu).starts_with("28805"), "in a menu");
    let voicemail = "0 A/1 out - +1404>+1650 Setup; 1 A/2 in 104 +1404>+1650 Voicemail; 5 A/1 Disconnected";
    assert!(closed(voicemail).starts_with("28805 silent"));
    let parked = format!("{ANSWERED} 10 A/1 Parked/CallPark; 10.1 A/2 Disconnected");
    assert!(closed(&parked).starts_with("28810.1 silent"));
    let queue = "0 A/1 out - +1404>+1650 Setup; 0.1 A/2 in 500 +1404>+1650=500 Setup; 1 A/3 in 111 +1404>+1650=500 queue Proceeding
                 5 A/1,A/3 Disconnected";
    assert!(closed(queue).starts_with("28805 silent"));
}

#[test]
fn a_call_that_leads_to_a_leg_never_seen_is_not_given_up_after_a_minute() {
    let link = format!("{ANSWERED} 9 A/2 Gone/AttendedTransfer -> X/1");
    assert!(closed(&link).starts_with("28809 silent"));
    let blind = format!("{ANSWERED} 9 A/2 Disconnected/BlindTransfer");
    assert!(closed(&blind).starts_with("28809 silent"));
}

#[test]
fn every_wait_is_settable() {
    let settings = Settings {
        settle_ms: 2_000,
        gap_settle_ms: 3_000,
        last_leg_idle_timeout_ms: 4_000,
        idle_timeout_ms: 7_000,
        ..Settings::default()
    };
    let closed = |script: &str| {
        let mut live = Live::with(settings.clone());
        live.receive(script);
        live.wait_until("1000").pop().unwrap_or_default()
    };
    assert!(closed(&format!("{ANSWERED}{ENDED}")).starts_with("11 complete"));
    assert!(closed("0 A/1 out 104 104>+1505 Setup; 5 A/1#5 Disconnected").starts_with("8 complete"));
    assert!(closed(&format!("{ANSWERED} 6 A/2 Disconnected")).starts_with("10 lastLegSilent"));
    assert!(closed(ANSWERED).starts_with("10 silent"));
}

#[test]
fn a_live_version_may_be_counted_without_being_published() {
    let mut live = Live::with(Settings { publish_live_versions: false, ..Settings::default() });
    assert!(live.receive(&format!("{ANSWERED}{ENDED}")).is_empty());
    assert_eq!(live.wait_until("100"), ["10 complete A 5"], "the same number as if they had been published");
}

#[test]
fn a_late_event_is_a_revision_under_the_same_id_and_a_higher_version() {
    let mut live = Live::new();
    live.receive(
        "0 A/1#2 out - +1404>104 Setup; 1 A/2#3 in 104 +1404>104 Proceeding; 9 A/1#6,A/2#5 Disconnected",
    );
    assert_eq!(live.wait_until("100").last().map(String::as_str), Some("19 complete A 5"));
    assert_eq!(live.receive("3 A/2#4 Answered @200"), [""; 0], "what else is late may follow at once");
    assert_eq!(live.wait_until("300"), ["201 revised A 6 from 5 complete"]);
    assert_eq!(at(live.last("A").answer_time), Some(3.0));
}

#[test]
fn a_late_event_that_changes_nothing_publishes_nothing() {
    let mut live = Live::new();
    live.receive(&format!("{ANSWERED}{ENDED}"));
    live.wait_until("100");
    assert!(live.receive("9 A/1#7 Disconnected @101; 9 A/1#7 uuid:7 Disconnected @102").is_empty());
    assert!(live.wait_until("300").is_empty());
}

#[test]
fn a_late_event_with_an_open_leg_makes_the_call_live_again() {
    let mut live = Live::new();
    live.receive(&format!("{ANSWERED} 9 A/2 Disconnected"));
    assert_eq!(live.wait_until("100"), ["69 lastLegSilent A 5"]);
    assert_eq!(
        live.receive("150 A/1 Answered; 152 A/3 in 106 +1404>106 Answered"),
        ["151 revised A 6 from 5 live", "152 revised A 7 from 6 live"]
    );
    assert_eq!(live.last("A").state, State::Live);
    assert_eq!(live.last("A").completeness.reason, None);
    live.receive("160 A/1,A/3 Disconnected");
    let published = live.wait_until("1000");
    assert_eq!(published, ["161 revised A 9 from 8 complete"], "`completed` is published once");
}

#[test]
fn the_end_of_the_input_closes_what_is_open() {
    let call = call(ANSWERED);
    assert_eq!(call.state, State::Incomplete);
    assert_eq!(call.completeness.reason, Some(CloseReason::EndOfInput));
}

#[test]
fn a_leg_that_left_by_a_link_has_ended() {
    let call =
        call(&format!("{ANSWERED}{CONSULTING} 20 A/2 Gone/AttendedTransfer -> B/1; 30 A/1,B/2 Disconnected"));
    assert_eq!(call.state, State::Complete);
}

#[test]
fn a_leg_that_hosts_a_conference_has_ended_and_seats_never_count() {
    let call = call(&format!("{ANSWERED}{CONSULTING}{BRIDGED} 30 A/1,B/2,K/1 Disconnected"));
    assert_eq!(call.state, State::Complete);
    assert_eq!(at(leg(&call, "A/2").end_time), Some(21.0));
    let seat = crate::play::call(
        "K is Conference; 0 K/1 out 104 104>conference Answered; 1 K/2 in - 104>conference Setup; 9 K/1 Disconnected",
    );
    assert_eq!(seat.state, State::Complete);
}

#[test]
fn no_single_legs_end_is_the_calls_end() {
    let call = call(&format!("{ANSWERED} 9 A/1 Disconnected"));
    assert_eq!(call.state, State::Incomplete, "the callee's leg is open");
}

#[test]
fn a_text_reply_alone_is_no_call_and_costs_nothing() {
    let mut live = Live::new();
    assert!(live.receive("0 A/1 in 104 +1404>104 Setup/CallReplied").is_empty());
    assert!(live.wait_until("90000").is_empty(), "and time goes on");
}

#[test]
fn a_session_only_a_supervisor_named_is_no_call_and_costs_nothing() {
    let mut live = Live::new();
    live.receive(&format!("{ANSWERED} 5 S/1 out 109 109>*80 Setup; 6 S/1 Gone/Supervising -> A/2; 7 S/1 Gone/Supervising -> X/2; 9 A/1,A/2,S/1 Disconnected"));
    assert_eq!(live.wait_until("90000").len(), 1, "and time goes on");
}

#[test]
fn what_comes_too_late_names_the_call_it_was_late_for() {
    let mut live = Live::new();
    live.receive(&format!("{ANSWERED}{ENDED}"));
    live.wait_until("4000");
    assert_eq!(live.receive("9 A/9 in 106 +1404>106 Disconnected @4000"), ["4000 started A 1"]);
    live.wait_until("5000");
    assert_eq!(live.last("A").completeness.late_for.as_deref(), Some("s-A"));
}

#[test]
fn a_quiet_moment_is_not_the_end() {
    let mut live = Live::new();
    live.receive("0 A/1 out - +1404>+1800 Setup; 0.1 A/2 in 700 +1404>+1800 Setup; 5 A/2 Disconnected");
    assert!(
        live.wait_until("60").iter().all(|published| published.contains("updated")),
        "the caller's leg is open"
    );
    live.receive("61 A/3 in 104 +1404>104 Answered; 70 A/1,A/3 Disconnected");
    assert_eq!(live.wait_until("100").last().map(String::as_str), Some("71 complete A 6"));
}

#[test]
fn a_link_that_comes_before_its_other_session_waits_for_it() {
    let mut live = Live::new();
    live.receive(&format!("{ANSWERED} 9 A/2 Gone/AttendedTransfer -> B/1"));
    assert_eq!(live.last("A").completeness.unseen_sessions.len(), 1);
    live.receive(
        "5 B/1 out 104 104>106 Setup @12; 6 B/2 in 106 104>106 Answered @12; 30 A/1,B/2 Disconnected",
    );
    live.wait_until("100");
    assert!(live.last("A").completeness.unseen_sessions.is_empty());
    assert_eq!(moves(live.last("A")), ["AttendedTransfer 104→106"]);
}

#[test]
fn a_live_call_of_many_notifications_has_fewer_versions() {
    let holding: String = (0..400)
        .map(|at| format!("{} A/2 {}\n", 10.0 + f64::from(at) / 2.0, ["Hold", "Answered"][at as usize % 2]))
        .collect();
    let mut live = Live::new();
    let published = live.receive(&format!("{ANSWERED}{holding}"));
    let times: Vec<f64> =
        published.iter().filter_map(|published| published.split(' ').next()?.parse().ok()).collect();
    let from =
        |start: f64| times.windows(2).filter(move |pair| pair[0] >= start).map(|pair| pair[1] - pair[0]);
    assert!(
        times.windows(2).skip(3).take(80).all(|pair| pair[1] - pair[0] == 1.0),
        "one a second: {times:?}"
    );
    assert!(from(120.0).count() > 20 && from(120.0).all(|step| step == 2.0), "then one in two: {times:?}");
}

#[test]
fn a_conversation_with_one_visible_side_is_not_closed_while_it_may_continue() {
    let views = [
        // A colleague was called, and the device switched.
        "0 A/1 out 104 104>106 Setup; 1 A/1 Answered; 9 A/1 Disconnected/CallSwitch; 9 A/2 out 104 104>106 Answered",
        // The second offer of a queue was answered.
        "0 A/3#7 in 104 +1404>+1650=111 Proceeding queue; 9 A/3#9 Disconnected/AgentDropped
         20 A/6#14 in 104 +1404>+1650=111 Proceeding queue; 25 A/6#15 Answered",
        // A transfer came back to the party that began it.
        "0 A/2#3 in 104 +1404>104 Proceeding; 3 A/2#6 Answered; 9 A/2#7 Disconnected/BlindTransfer
         30 A/4#12 in 104 +1404>104 Proceeding; 33 A/4#14 Answered",
    ];
    for view in views {
        let mut live = Live::new();
        live.receive(view);
        let published = live.wait_until("3640");
        assert!(published.iter().all(|line| !line.contains("complete")), "{view}: {published:?}");
    }
}
