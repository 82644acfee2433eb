//! The configuration of a simulated platform.

use std::{net::SocketAddr, time::Duration};

use wholecall_simulator::Faults;

/// The configuration of a simulated platform.
///
/// ```
/// use wholecall_fake_ringcentral::Config;
///
/// // Two accounts in which only played scenarios happen.
/// let config = Config { accounts: 2, calls_per_user: 0.0, ..Config::default() };
/// ```
#[derive(Debug, Clone)]
pub struct Config {
    /// The address to listen on. Port 0, the default, takes any free port.
    pub listen: SocketAddr,
    /// Number of accounts.
    pub accounts: usize,
    /// Number of users of each account.
    pub users: usize,
    /// Calls per day and user; with 0, only those that are [played](crate::Fake::play).
    pub calls_per_user: f64,
    /// How far the platform's clock is behind the system clock.
    pub behind: Duration,
    /// Speed of calls; at 2.0 a call of a minute takes 30 seconds. Tokens, subscriptions and limits are not
    /// affected.
    pub speed: f64,
    /// Determines everything that varies.
    pub seed: u64,
    /// The id of the app that may log in.
    pub client_id: String,
    /// The secret of that app.
    pub client_secret: String,
    /// Whether a login returns a refresh token.
    pub issues_refresh_tokens: bool,
    /// Length of a window of the rate limits, and of a penalty.
    pub rate_window: Duration,
    /// Time from the end of a call to its record in the call log, at the speed of calls.
    pub call_log_delay: Duration,
    /// Time from the start of a call to its entry in the list of active calls, at the speed of calls.
    pub active_calls_lag: Duration,
    /// How long an ended session can be looked up, at the speed of calls.
    pub session_retention: Duration,
    /// A subscription is blacklisted when its deliveries have failed for this time.
    pub blacklist_after: Duration,
    /// Faults of each delivery: reorder, delay, duplicate, drop.
    pub faults: Faults,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            accounts: 1,
            users: 50,
            calls_per_user: 12.0,
            behind: Duration::ZERO,
            speed: 1.0,
            seed: 1,
            client_id: "fake-client".to_owned(),
            client_secret: "fake-secret".to_owned(),
            issues_refresh_tokens: true,
            rate_window: Duration::from_secs(60),
            call_log_delay: Duration::from_secs(20),
            active_calls_lag: Duration::from_secs(5),
            session_retention: Duration::from_secs(60),
            blacklist_after: Duration::from_secs(600),
            faults: Faults::default(),
        }
    }
}
