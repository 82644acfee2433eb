//! Access tokens: how long they are used, and how the next one is obtained.

use serde::Deserialize;

/// An access token is replaced this long before it expires.
const RENEWAL_MARGIN_MS: i64 = 60_000;

/// The answer to `POST /restapi/oauth/token`. Only its durations are used: the server's clock may be off.
#[derive(Deserialize)]
pub(crate) struct TokenResponse {
    access_token: String,
    expires_in: i64,
    #[serde(default)]
    refresh_token: Option<String>,
    #[serde(default)]
    refresh_token_expires_in: Option<i64>,
    #[serde(default)]
    pub(crate) scope: String,
}

/// An access token, and the refresh token that came with it.
pub(crate) struct Token {
    access: String,
    refresh: Option<(String, i64)>,
    granted_ms: i64,
    expires_ms: i64,
}

/// How to obtain an access token now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenAction<'a> {
    /// The current token is valid.
    Use(&'a str),
    /// With the refresh token, which can be used once.
    Refresh(&'a str),
    /// With the credentials.
    LogIn,
}

impl Token {
    pub(crate) fn new(response: TokenResponse, now_ms: i64) -> Self {
        let life_ms = response.expires_in.max(0) * 1_000;
        let refresh_life_ms = response.refresh_token_expires_in.unwrap_or(604_800).max(0) * 1_000;
        Self {
            access: response.access_token,
            refresh: response
                .refresh_token
                .map(|token| (token, now_ms + refresh_life_ms - RENEWAL_MARGIN_MS)),
            granted_ms: now_ms,
            expires_ms: now_ms + life_ms - RENEWAL_MARGIN_MS.min(life_ms / 2),
        }
    }

    /// What to do at a time. If the clock was set back, the token's age is unknown and it is replaced.
    pub(crate) fn action(&self, now_ms: i64) -> TokenAction<'_> {
        if (self.granted_ms..self.expires_ms).contains(&now_ms) {
            return TokenAction::Use(&self.access);
        }
        match &self.refresh {
            Some((token, expires_ms)) if now_ms < *expires_ms => TokenAction::Refresh(token),
            _ => TokenAction::LogIn,
        }
    }

    /// Marks the access token as expired, because the server refused it.
    pub(crate) fn reject(&mut self, access: &str) {
        if self.access == access {
            self.expires_ms = self.granted_ms;
        }
    }

    /// The access token.
    pub(crate) fn access(&self) -> &str {
        &self.access
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(refresh: Option<i64>) -> Token {
        let response = TokenResponse {
            access_token: "A".to_owned(),
            expires_in: 3_600,
            refresh_token: refresh.map(|_| "R".to_owned()),
            refresh_token_expires_in: refresh,
            scope: String::new(),
        };
        Token::new(response, 1_000_000)
    }

    #[test]
    fn a_token_is_used_until_shortly_before_it_expires_then_refreshed_then_replaced_by_a_login() {
        let with_refresh = token(Some(7_200));
        assert_eq!(with_refresh.action(1_000_000), TokenAction::Use("A"));
        assert_eq!(with_refresh.action(1_000_000 + 3_539_999), TokenAction::Use("A"));
        assert_eq!(with_refresh.action(1_000_000 + 3_540_000), TokenAction::Refresh("R"));
        assert_eq!(with_refresh.action(1_000_000 + 7_139_999), TokenAction::Refresh("R"));
        assert_eq!(with_refresh.action(1_000_000 + 7_140_000), TokenAction::LogIn);
        assert_eq!(token(None).action(1_000_000 + 3_540_000), TokenAction::LogIn);
    }

    #[test]
    fn a_token_is_replaced_after_the_clock_was_set_back() {
        assert_eq!(token(Some(7_200)).action(999_999), TokenAction::Refresh("R"));
    }

    #[test]
    fn only_the_refused_token_is_marked_as_expired() {
        let mut token = token(Some(7_200));
        token.reject("older");
        assert_eq!(token.action(1_000_001), TokenAction::Use("A"));
        token.reject("A");
        assert_eq!(token.action(1_000_001), TokenAction::Refresh("R"));
    }

    #[test]
    fn a_token_of_a_few_seconds_is_used_for_half_of_them() {
        let response = TokenResponse {
            access_token: "A".to_owned(),
            expires_in: 10,
            refresh_token: None,
            refresh_token_expires_in: None,
            scope: String::new(),
        };
        let token = Token::new(response, 0);
        assert_eq!((token.action(4_999), token.action(5_000)), (TokenAction::Use("A"), TokenAction::LogIn));
    }
}
