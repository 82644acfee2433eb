//! What one user's subscription receives of a play.
//!
//! A subscription to an extension's telephony sessions receives the notifications about that extension's own
//! parties, with the ids and sequences that everybody sees (RingCentral's guide to telephony session
//! notifications). It receives nothing about other legs, so its sequences have gaps.

use crate::{
    account::{Account, User},
    notification::{Contact, Notification, Subscription},
    pbx::Play,
    truth::{CallTruth, SessionView},
};

impl Notification {
    /// The notification as an extension's subscription receives it; `None` if it is not about that
    /// extension's own party.
    pub fn seen_by(&self, extension: u64) -> Option<Self> {
        let subscription = Subscription { number: extension, owner: extension };
        let is_own = self.body.party.extension == Some(extension);
        is_own.then(|| Self { subscription, ..self.clone() })
    }
}

impl CallTruth {
    /// The truth about a call with the sessions that an extension's subscription sees; `None` if it receives
    /// nothing of the call.
    pub fn seen_by(&self, received: &[Notification]) -> Option<Self> {
        let mut truth = self.clone();
        for session in &mut truth.session_truths {
            let own =
                received.iter().filter(|notification| notification.body.session.to_string() == session.id);
            session.seen = own.min_by_key(|notification| notification.body.sequence).map(seen);
        }
        truth.session_truths.iter().any(|session| session.seen.is_some()).then_some(truth)
    }
}

/// What the first received notification of a session shows.
fn seen(first: &Notification) -> SessionView {
    let party = &first.body.party;
    let other = if party.outbound { Some(&party.to) } else { party.from.as_ref() };
    let name = |contact: &Contact| match contact.extension_id {
        Some(extension) => format!("ext:{extension}"),
        None => format!("tel:{}", contact.phone_number),
    };
    // The first sequence of a session is 2, and it is the caller's.
    SessionView { from_start: first.body.sequence <= 3, other: other.map(name) }
}

impl Play {
    /// The users of some accounts whose own subscriptions receive anything of this play, in order.
    pub fn people<'a>(&self, accounts: &'a [Account]) -> Vec<&'a User> {
        let receives = |user: &&User| {
            self.notifications
                .iter()
                .any(|notification| notification.body.party.extension == Some(user.extension))
        };
        accounts.iter().flat_map(|account| &account.users).filter(receives).collect()
    }

    /// This play as the subscription of one extension receives it.
    pub fn seen_by(&self, extension: u64) -> Self {
        let notifications: Vec<Notification> =
            self.notifications.iter().filter_map(|notification| notification.seen_by(extension)).collect();
        let truths = self.truths.iter().filter_map(|truth| truth.seen_by(&notifications)).collect();
        Self { notifications, truths }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use crate::Scenario;

    #[test]
    fn a_view_contains_only_the_users_own_party_and_its_sessions() {
        let scenario = Scenario::named("attended").unwrap();
        let (play, accounts) = (scenario.play(4), scenario.accounts(4));
        let people = play.people(&accounts);
        assert!(people.len() > 1);
        for user in people {
            let view = play.seen_by(user.extension);
            assert!(!view.notifications.is_empty() && view.notifications.len() < play.notifications.len());
            let path = format!("/extension/{}/telephony/sessions", user.extension);
            assert!(view.notifications.iter().all(|notification| notification.to_json().contains(&path)));
            let sessions: BTreeSet<String> =
                view.notifications.iter().map(|notification| notification.body.session.to_string()).collect();
            let session_truths = view
                .truths
                .iter()
                .flat_map(|truth| &truth.session_truths)
                .filter(|session| session.seen.is_some());
            assert_eq!(session_truths.map(|session| session.id.clone()).collect::<BTreeSet<_>>(), sessions);
        }
    }

    #[test]
    fn a_user_who_takes_no_part_receives_nothing() {
        let view = Scenario::named("inbound").unwrap().play(1).seen_by(1);
        assert!(view.notifications.is_empty() && view.truths.is_empty());
    }
}
