//! What each person is doing in each session, over time.

use crate::{id::ParticipantRef, time::Timestamp};

/// What a person in a call is doing. If several apply, the first in this order is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Activity {
    Talking,
    OnHold,
    Parked,
    Voicemail,
    Queued,
    Ringing,
    Menu,
    /// Served by a fax machine or an announcement, for which a record has no word.
    Unnamed,
    Nothing,
}

impl Activity {
    /// The record's word.
    pub(crate) fn name(self) -> Option<&'static str> {
        match self {
            Self::Talking => Some("talking"),
            Self::OnHold => Some("onHold"),
            Self::Parked => Some("parked"),
            Self::Voicemail => Some("voicemail"),
            Self::Queued => Some("queued"),
            Self::Ringing => Some("ringing"),
            Self::Menu => Some("menu"),
            Self::Nothing => Some("none"),
            Self::Unnamed => None,
        }
    }
}

#[derive(Debug)]
struct Stretch {
    who: ParticipantRef,
    session: usize,
    activity: Activity,
    until: Timestamp,
}

/// Activities by person and session.
#[derive(Debug, Default)]
pub(super) struct History {
    current: Vec<(ParticipantRef, usize, Activity)>,
    past: Vec<Stretch>,
}

impl History {
    /// Records the activities from a time on; those that are not among them any more end then.
    pub(super) fn observe(&mut self, now: Timestamp, current: Vec<(ParticipantRef, usize, Activity)>) {
        for (who, session, activity) in std::mem::take(&mut self.current) {
            if !current.contains(&(who, session, activity)) {
                self.past.push(Stretch { who, session, activity, until: now });
            }
        }
        self.current = current;
    }

    /// When a person's last line into some sessions ended.
    pub(super) fn end_of(&self, who: ParticipantRef, own: &impl Fn(usize) -> bool) -> Option<Timestamp> {
        self.of(who, own).map(|stretch| stretch.until).max()
    }

    /// The last activity of a person in some sessions, other than none.
    pub(super) fn last(&self, who: ParticipantRef, own: &impl Fn(usize) -> bool) -> Option<Activity> {
        let active = || self.of(who, own).filter(|stretch| stretch.activity != Activity::Nothing);
        let until = active().map(|stretch| stretch.until).max();
        match until {
            Some(until) => {
                active().filter(|stretch| stretch.until == until).map(|stretch| stretch.activity).min()
            }
            None => self.end_of(who, own).map(|_| Activity::Nothing),
        }
    }

    fn of(&self, who: ParticipantRef, own: &impl Fn(usize) -> bool) -> impl Iterator<Item = &Stretch> {
        self.past.iter().filter(move |stretch| stretch.who == who && own(stretch.session))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CUSTOMER: ParticipantRef = ParticipantRef::Number(1);

    fn history(steps: &[(i64, &[(usize, Activity)])]) -> History {
        let mut history = History::default();
        for (now_ms, current) in steps {
            history.observe(
                Timestamp::from_millis(*now_ms),
                current.iter().map(|(session, activity)| (CUSTOMER, *session, *activity)).collect(),
            );
        }
        history
    }

    #[test]
    fn a_pause_before_the_end_does_not_hide_the_last_activity() {
        let history = history(&[(0, &[(0, Activity::Queued)]), (50, &[(0, Activity::Nothing)]), (90, &[])]);
        assert_eq!(history.last(CUSTOMER, &|_| true), Some(Activity::Queued));
        assert_eq!(history.end_of(CUSTOMER, &|_| true), Some(Timestamp::from_millis(90)));
    }

    #[test]
    fn the_first_of_several_activities_counts_and_other_sessions_do_not() {
        let history = history(&[
            (0, &[(0, Activity::Ringing), (1, Activity::OnHold), (2, Activity::Talking)]),
            (90, &[]),
        ]);
        assert_eq!(history.last(CUSTOMER, &|session| session < 2), Some(Activity::OnHold));
        assert_eq!(history.last(ParticipantRef::Number(2), &|_| true), None);
    }
}
