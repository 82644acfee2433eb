//! The sessions of the WebSocket gateway. A session outlives its connection for a while: what is sent meanwhile is
//! buffered for a client that reconnects.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use wholecall_simulator::Timestamp;

/// Maximum number of notifications that are buffered for a lost connection; beyond it, the oldest are dropped.
pub(crate) const RECOVERY_BUFFER_ITEMS: usize = 100;

/// Maximum time after which a lost connection can be resumed.
pub(crate) const RECOVERY_TIMEOUT_S: i64 = 180;

/// Maximum silence of a client before its connection is closed.
pub(crate) const IDLE_TIMEOUT: Duration = Duration::from_secs(1800);

/// A client's session with the gateway.
#[derive(Debug)]
struct GatewaySession {
    owner: u64,
    /// The number of its connection; `None` while the connection is lost.
    connection: Option<u64>,
    lost_at: Timestamp,
    /// The frames that were missed since then.
    missed: VecDeque<String>,
}

/// All sessions, by their tokens.
#[derive(Debug, Default)]
pub(crate) struct Gateway {
    sessions: BTreeMap<String, GatewaySession>,
    connection_count: u64,
}

/// A new connection.
#[derive(Debug)]
pub(crate) struct Connection {
    /// The token of its session.
    pub(crate) token: String,
    /// Its number.
    pub(crate) number: u64,
    /// RingCentral's word for the result of a recovery; `None` if none was requested.
    pub(crate) recovery: Option<&'static str>,
    /// The older connection of the same session, which ends.
    pub(crate) replaced: Option<u64>,
}

impl Gateway {
    /// Returns the connection to send a notification to, with the frame. While the connection of a session is lost,
    /// the notification is buffered.
    pub(crate) fn notify(
        &mut self,
        token: &str,
        notification: &str,
        now: Timestamp,
    ) -> Option<(u64, String)> {
        let session = self.sessions.get_mut(token)?;
        let now_ms = now.as_millis();
        let frame = format!(
            "[{{\"type\":\"ServerNotification\",\"messageId\":\"{token}-{now_ms}\",\"status\":200,\"headers\":{{}}}},{notification}]"
        );
        if let Some(connection) = session.connection {
            return Some((connection, frame));
        }
        if is_recoverable(session, now) {
            if session.missed.len() == RECOVERY_BUFFER_ITEMS {
                session.missed.pop_front();
            }
            session.missed.push_back(frame);
        }
        None
    }

    /// Marks all connections as lost at a time; returns their numbers.
    pub(crate) fn drop_all(&mut self, lost_at: Timestamp) -> Vec<u64> {
        let connected = self.sessions.values_mut().filter(|session| session.connection.is_some());
        connected
            .filter_map(|session| {
                session.lost_at = lost_at;
                session.connection.take()
            })
            .collect()
    }

    /// Connects a client: to the session with the `resumed` token, or to a new one with the `new_token`.
    pub(crate) fn connect(
        &mut self,
        owner: u64,
        resumed: Option<&str>,
        new_token: String,
        now: Timestamp,
    ) -> Connection {
        self.connection_count += 1;
        let number = self.connection_count;
        self.sessions.retain(|_, session| session.connection.is_some() || is_recoverable(session, now));
        let known =
            resumed.and_then(|token| self.sessions.get_mut(token)).filter(|session| session.owner == owner);
        if let (Some(token), Some(session)) = (resumed, known) {
            let replaced = session.connection.replace(number);
            return Connection { token: token.to_owned(), number, recovery: Some("Successful"), replaced };
        }
        let session = GatewaySession {
            owner,
            connection: Some(number),
            lost_at: Timestamp::MIN,
            missed: VecDeque::new(),
        };
        self.sessions.insert(new_token.clone(), session);
        Connection { token: new_token, number, recovery: resumed.map(|_| "Failed"), replaced: None }
    }

    /// Takes the frames that were buffered while the connection of a session was lost.
    pub(crate) fn take_missed(&mut self, token: &str) -> VecDeque<String> {
        self.sessions.get_mut(token).map(|session| std::mem::take(&mut session.missed)).unwrap_or_default()
    }

    /// Marks a connection as lost, unless it was replaced or dropped before.
    pub(crate) fn disconnect(&mut self, token: &str, connection: u64, now: Timestamp) {
        let session = self.sessions.get_mut(token);
        if let Some(session) = session.filter(|session| session.connection == Some(connection)) {
            session.connection = None;
            session.lost_at = now;
        }
    }
}

fn is_recoverable(session: &GatewaySession, now: Timestamp) -> bool {
    now < session.lost_at + 1000 * RECOVERY_TIMEOUT_S
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    fn connect(gateway: &mut Gateway, resumed: Option<&str>, ms: i64) -> Connection {
        gateway.connect(7, resumed, format!("token-{ms}"), at(ms))
    }

    #[test]
    fn the_latest_notifications_of_a_lost_connection_are_buffered_until_it_is_resumed() {
        let mut gateway = Gateway::default();
        let first = connect(&mut gateway, None, 0);
        assert_eq!((first.number, first.recovery), (1, None));
        assert!(gateway.notify(&first.token, "{}", at(1)).is_some_and(|(connection, _)| connection == 1));
        gateway.disconnect(&first.token, 1, at(1_000));
        assert!((0..105).all(|nth| gateway.notify(&first.token, &nth.to_string(), at(2_000)).is_none()));
        let second = connect(&mut gateway, Some(&first.token), 180_999);
        assert_eq!((second.number, second.recovery), (2, Some("Successful")));
        let missed = gateway.take_missed(&second.token);
        assert_eq!(missed.len(), RECOVERY_BUFFER_ITEMS);
        assert!(missed[0].ends_with(",5]") && missed[99].ends_with(",104]"));
    }

    #[test]
    fn a_connection_that_was_lost_for_too_long_is_not_resumed() {
        let mut gateway = Gateway::default();
        let first = connect(&mut gateway, None, 0);
        assert_eq!(gateway.drop_all(at(0)), [1]);
        let second = connect(&mut gateway, Some(&first.token), 180_000);
        assert_eq!(second.recovery, Some("Failed"));
        assert_ne!(second.token, first.token);
    }

    #[test]
    fn the_end_of_a_replaced_connection_does_not_end_its_session() {
        let mut gateway = Gateway::default();
        let first = connect(&mut gateway, None, 0);
        let second = connect(&mut gateway, Some(&first.token), 10);
        assert_eq!(second.replaced, Some(1));
        gateway.disconnect(&first.token, 1, at(20));
        assert!(gateway.notify(&second.token, "{}", at(30)).is_some());
    }
}
