//! What serves each person in each session, over time.

use crate::{id::Who, time::Millis};

/// What a person in a call is doing; of several at once, the first in this order counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Doing {
    Talking,
    OnHold,
    Parked,
    Voicemail,
    Queued,
    Ringing,
    Menu,
    /// A fax machine or an announcement: a record has no word for it.
    Unnamed,
    Nothing,
}

impl Doing {
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
    who: Who,
    session: usize,
    doing: Doing,
    until: Millis,
}

/// Who did what, by person and session.
#[derive(Debug, Default)]
pub(super) struct History {
    current: Vec<(Who, usize, Doing)>,
    past: Vec<Stretch>,
}

impl History {
    /// What goes on from a time on; what went on before and does no more has ended then.
    pub(super) fn observe(&mut self, now: Millis, current: Vec<(Who, usize, Doing)>) {
        for (who, session, doing) in std::mem::take(&mut self.current) {
            if !current.contains(&(who, session, doing)) {
                self.past.push(Stretch { who, session, doing, until: now });
            }
        }
        self.current = current;
    }

    /// When a person's last line into some sessions ended.
    pub(super) fn end_of(&self, who: Who, own: &impl Fn(usize) -> bool) -> Option<Millis> {
        self.of(who, own).map(|stretch| stretch.until).max()
    }

    /// What served a person last in some sessions.
    pub(super) fn last(&self, who: Who, own: &impl Fn(usize) -> bool) -> Option<Doing> {
        let serving = || self.of(who, own).filter(|stretch| stretch.doing != Doing::Nothing);
        let until = serving().map(|stretch| stretch.until).max();
        match until {
            Some(until) => {
                serving().filter(|stretch| stretch.until == until).map(|stretch| stretch.doing).min()
            }
            None => self.end_of(who, own).map(|_| Doing::Nothing),
        }
    }

    fn of(&self, who: Who, own: &impl Fn(usize) -> bool) -> impl Iterator<Item = &Stretch> {
        self.past.iter().filter(move |stretch| stretch.who == who && own(stretch.session))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CUSTOMER: Who = Who::Number(1);

    fn history(steps: &[(Millis, &[(usize, Doing)])]) -> History {
        let mut history = History::default();
        for (now, current) in steps {
            history
                .observe(*now, current.iter().map(|(session, doing)| (CUSTOMER, *session, *doing)).collect());
        }
        history
    }

    #[test]
    fn a_pause_before_the_end_does_not_hide_what_served_last() {
        let history = history(&[(0, &[(0, Doing::Queued)]), (50, &[(0, Doing::Nothing)]), (90, &[])]);
        assert_eq!(history.last(CUSTOMER, &|_| true), Some(Doing::Queued));
        assert_eq!(history.end_of(CUSTOMER, &|_| true), Some(90));
    }

    #[test]
    fn of_several_at_once_the_first_in_order_counts_and_other_sessions_do_not() {
        let history =
            history(&[(0, &[(0, Doing::Ringing), (1, Doing::OnHold), (2, Doing::Talking)]), (90, &[])]);
        assert_eq!(history.last(CUSTOMER, &|session| session < 2), Some(Doing::OnHold));
        assert_eq!(history.last(Who::Number(2), &|_| true), None);
    }
}
