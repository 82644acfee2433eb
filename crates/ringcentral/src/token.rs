//! Access tokens, and when which is to be had how.

use serde::Deserialize;

/// An access token is replaced so long before its end.
const MARGIN_MS: i64 = 60_000;

/// What `POST /restapi/oauth/token` answers. Only lengths of time count: the server's clock may be off.
#[derive(Deserialize)]
pub(crate) struct Granted {
    access_token: String,
    expires_in: i64,
    #[serde(default)]
    refresh_token: Option<String>,
    #[serde(default)]
    refresh_token_expires_in: Option<i64>,
    #[serde(default)]
    pub(crate) scope: String,
}

/// Tokens in hand.
pub(crate) struct Token {
    access: String,
    refresh: Option<(String, i64)>,
    granted_ms: i64,
    until_ms: i64,
}

/// How to get an access token now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way<'a> {
    /// The one in hand is good.
    Use(&'a str),
    /// By a refresh token, which is good only once.
    Refresh(&'a str),
    /// By the credentials.
    LogIn,
}

impl Token {
    pub(crate) fn new(granted: Granted, now_ms: i64) -> Self {
        let life = granted.expires_in.max(0) * 1_000;
        let refresh_life = granted.refresh_token_expires_in.unwrap_or(604_800).max(0) * 1_000;
        Self {
            access: granted.access_token,
            refresh: granted.refresh_token.map(|token| (token, now_ms + refresh_life - MARGIN_MS)),
            granted_ms: now_ms,
            until_ms: now_ms + life - MARGIN_MS.min(life / 2),
        }
    }

    /// What to do at a time. A clock that was set back makes the token's age unknown.
    pub(crate) fn way(&self, now_ms: i64) -> Way<'_> {
        if (self.granted_ms..self.until_ms).contains(&now_ms) {
            return Way::Use(&self.access);
        }
        match &self.refresh {
            Some((token, until_ms)) if now_ms < *until_ms => Way::Refresh(token),
            _ => Way::LogIn,
        }
    }

    /// The server does not take this access token any more.
    pub(crate) fn reject(&mut self, access: &str) {
        if self.access == access {
            self.until_ms = self.granted_ms;
        }
    }

    /// What to revoke.
    pub(crate) fn access(&self) -> &str {
        &self.access
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(refresh: Option<i64>) -> Token {
        let granted = Granted {
            access_token: "A".to_owned(),
            expires_in: 3_600,
            refresh_token: refresh.map(|_| "R".to_owned()),
            refresh_token_expires_in: refresh,
            scope: String::new(),
        };
        Token::new(granted, 1_000_000)
    }

    #[test]
    fn it_is_used_until_shortly_before_its_end_then_refreshed_then_there_is_a_login() {
        let with_refresh = token(Some(7_200));
        assert_eq!(with_refresh.way(1_000_000), Way::Use("A"));
        assert_eq!(with_refresh.way(1_000_000 + 3_539_999), Way::Use("A"));
        assert_eq!(with_refresh.way(1_000_000 + 3_540_000), Way::Refresh("R"));
        assert_eq!(with_refresh.way(1_000_000 + 7_139_999), Way::Refresh("R"));
        assert_eq!(with_refresh.way(1_000_000 + 7_140_000), Way::LogIn);
        assert_eq!(token(None).way(1_000_000 + 3_540_000), Way::LogIn);
    }

    #[test]
    fn a_clock_that_was_set_back_makes_it_old() {
        assert_eq!(token(Some(7_200)).way(999_999), Way::Refresh("R"));
    }

    #[test]
    fn only_the_token_that_was_refused_is_given_up() {
        let mut token = token(Some(7_200));
        token.reject("older");
        assert_eq!(token.way(1_000_001), Way::Use("A"));
        token.reject("A");
        assert_eq!(token.way(1_000_001), Way::Refresh("R"));
    }

    #[test]
    fn a_token_of_a_few_seconds_is_used_for_half_of_them() {
        let granted = Granted {
            access_token: "A".to_owned(),
            expires_in: 10,
            refresh_token: None,
            refresh_token_expires_in: None,
            scope: String::new(),
        };
        let token = Token::new(granted, 0);
        assert_eq!((token.way(4_999), token.way(5_000)), (Way::Use("A"), Way::LogIn));
    }
}
