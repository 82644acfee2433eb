//! Events of RingCentral about a connection, not about a call.

use wholecall_notification::{Document, Message};

/// An event that concerns an account's connection.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ControlEvent {
    /// A subscription is to be renewed.
    RenewSubscription,
    /// Extensions of an account have changed. `None` if the event does not name the account: it is that of the subscription.
    ExtensionsChanged { account: Option<String> },
}

impl ControlEvent {
    /// The event in a body. `None` if it is not a control event.
    pub(crate) fn of(body: &[u8]) -> Option<Self> {
        let document = Document::parse(std::str::from_utf8(body).ok()?).ok()?;
        match document.message() {
            Ok(Message::Reminder { .. }) => Some(Self::RenewSubscription),
            Ok(Message::Other { event }) => {
                let account = event.trim_end_matches('/').strip_suffix("/extension")?.rsplit('/').next()?;
                let is_named = account.bytes().all(|byte| byte.is_ascii_digit());
                Some(Self::ExtensionsChanged { account: is_named.then(|| account.to_owned()) })
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reminders_and_changed_extensions_are_control_events_and_calls_are_not() {
        let reminder = br#"{"uuid":"1","event":"/restapi/v1.0/subscription/~?threshold=60&interval=15",
            "subscriptionId":"a","body":{"id":"a","expiresIn":59}}"#;
        let extension =
            br#"{"uuid":"1","event":"/restapi/v1.0/account/8/extension","body":{"extensions":[]}}"#;
        let call =
            br#"{"event":"/restapi/v1.0/account/8/telephony/sessions","body":{"telephonySessionId":"s-1",
            "sequence":2,"eventTime":"2026-05-30T12:31:12.509Z","parties":[{"id":"p-1-1"}]}}"#;
        assert_eq!(ControlEvent::of(reminder), Some(ControlEvent::RenewSubscription));
        let named = ControlEvent::ExtensionsChanged { account: Some("8".to_owned()) };
        assert_eq!(ControlEvent::of(extension), Some(named));
        let of_own = br#"{"event":"/restapi/v1.0/account/~/extension","body":{}}"#;
        assert_eq!(ControlEvent::of(of_own), Some(ControlEvent::ExtensionsChanged { account: None }));
        let voicemail = br#"{"event":"/restapi/v1.0/account/8/extension/9/voicemail","body":{}}"#;
        for other in [&call[..], b"{}", b"", b"\xff", voicemail] {
            assert_eq!(ControlEvent::of(other), None);
        }
    }
}
