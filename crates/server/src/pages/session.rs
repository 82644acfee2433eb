//! Sessions of browsers.
//!
//! A session is stored in memory under the hash of a random token, which the browser has in a cookie; the browser does not
//! store the key itself. A session ends when the service restarts or when its key is removed.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

use axum::http::{HeaderMap, StatusCode, header};
use subtle::ConstantTimeEq;
use wholecall_store::{Actor, AuditAction, AuditActor, Scope};

use crate::{Service, clock, listen::network, problem::Problem, security::secret, tenants::Tenant};

/// Maximum duration of a session: a working day.
const MAX_SESSION_MS: i64 = 12 * 3_600_000;

/// Maximum time between two requests of a session. An open live page requests something every few seconds.
const MAX_IDLE_MS: i64 = 2 * 3_600_000;

/// Maximum number of sessions; a new one beyond it replaces the oldest.
const MAX_SESSIONS: usize = 10_000;

/// Maximum number of wrong keys that an address may send within [`WRONG_KEYS_WINDOW_MS`] before it must wait.
const MAX_WRONG_KEYS: u32 = 10;
const WRONG_KEYS_WINDOW_MS: i64 = 60_000;

/// Number of addresses above which those without a recent wrong key are removed.
const MAX_ADDRESSES: usize = 10_000;

/// The name of the cookie with a session's token. With HTTPS the prefix prevents other hosts from setting it.
pub(super) fn cookie_name(service: &Service) -> &'static str {
    if service.is_secure() { "__Host-wholecall" } else { "wholecall" }
}

/// The value of a cookie.
pub(super) fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = cookies.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(|(other, _)| *other == name).map(|(_, value)| value).next()
}

/// The open sessions.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    /// By the hash of the token.
    open: Mutex<HashMap<[u8; 32], Session>>,
    /// By address: the time of the first wrong key of the current window, and how many there were.
    wrong_keys: Mutex<HashMap<IpAddr, (i64, u32)>>,
}

#[derive(Debug, Clone, Copy)]
struct Session {
    key_hash: [u8; 32],
    ends_ms: i64,
    used_ms: i64,
}

impl Session {
    fn is_open(&self, now_ms: i64) -> bool {
        now_ms < self.ends_ms && now_ms - self.used_ms < MAX_IDLE_MS
    }
}

/// Why a sign-in failed.
#[derive(Debug)]
pub(super) enum SignInError {
    WrongKey,
    TooManyWrongKeys,
    Failed(Problem),
}

impl Sessions {
    /// Opens a session for the holder of a key; returns its token.
    pub(super) async fn sign_in(
        &self,
        service: &Service,
        from: IpAddr,
        key: &str,
    ) -> Result<String, SignInError> {
        let now_ms = clock::now().as_millis();
        let (address, from) = (from, network(from));
        let key_hash = secret::hash(key.trim());
        match KeyHolder::find(service, &key_hash).await {
            Ok(Some(holder)) => {
                let tenant = holder.tenant();
                let who = AuditActor { actor: holder.actor, address: Some(address) };
                service.audit.done(tenant, who, AuditAction::SignIn, "");
            }
            Ok(None) => {
                service.audit.refused_to(address, None, AuditAction::SignIn, "");
                // Only wrong keys count: a valid key is accepted from an address that sent many wrong ones.
                let count = self.count_wrong_key(from, now_ms);
                let is_too_often = count > MAX_WRONG_KEYS;
                return Err(if is_too_often { SignInError::TooManyWrongKeys } else { SignInError::WrongKey });
            }
            Err(problem) => return Err(SignInError::Failed(problem)),
        }
        let token = secret::generate("").map_err(|error| {
            tracing::error!(%error, "the system returned no random numbers");
            let detail = "the system returned no random numbers";
            SignInError::Failed(Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail))
        })?;
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|_, session| session.is_open(now_ms));
        if open.len() >= MAX_SESSIONS
            && let Some(oldest) =
                open.iter().min_by_key(|(_, session)| session.ends_ms).map(|(token, _)| *token)
        {
            open.remove(&oldest);
        }
        let session = Session { key_hash, ends_ms: now_ms + MAX_SESSION_MS, used_ms: now_ms };
        open.insert(secret::hash(&token), session);
        Ok(token)
    }

    /// Closes the session of a browser, if it has one.
    pub(super) async fn sign_out(&self, service: &Service, from: IpAddr, headers: &HeaderMap) {
        let Some(token) = cookie(headers, cookie_name(service)) else { return };
        let closed = self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(&secret::hash(token));
        let Some(session) = closed else { return };
        if let Ok(Some(holder)) = KeyHolder::find(service, &session.key_hash).await {
            let tenant = holder.tenant();
            let who = AuditActor { actor: holder.actor, address: Some(from) };
            service.audit.done(tenant, who, AuditAction::SignOut, "");
        }
    }

    /// The hash of the key that opened a request's session; `None` without an open session. Marks the session as used.
    pub(super) fn key_of(&self, service: &Service, headers: &HeaderMap) -> Option<[u8; 32]> {
        let token_hash = secret::hash(cookie(headers, cookie_name(service))?);
        self.key_of_token(&token_hash, clock::now().as_millis())
    }

    pub(super) fn key_of_token(&self, token_hash: &[u8; 32], now_ms: i64) -> Option<[u8; 32]> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let session = open.get_mut(token_hash).filter(|session| session.is_open(now_ms))?;
        session.used_ms = now_ms;
        Some(session.key_hash)
    }

    /// Returns the number of wrong keys from an address in the current window, with this one.
    fn count_wrong_key(&self, from: IpAddr, now_ms: i64) -> u32 {
        let mut wrong = self.wrong_keys.lock().unwrap_or_else(PoisonError::into_inner);
        if wrong.len() >= MAX_ADDRESSES {
            wrong.retain(|_, (since, _)| now_ms - *since < WRONG_KEYS_WINDOW_MS);
        }
        let (since, count) = wrong.entry(from).or_insert((now_ms, 0));
        if now_ms - *since >= WRONG_KEYS_WINDOW_MS {
            (*since, *count) = (now_ms, 0);
        }
        *count += 1;
        *count
    }
}

/// The holder of a key, and the tenants whose data the key opens: one, or all for the operator.
pub(super) struct KeyHolder {
    pub(super) tenants: Vec<Arc<Tenant>>,
    pub(super) actor: Actor,
    pub(super) scope: Scope,
}

impl KeyHolder {
    /// `None` if the key is not valid.
    pub(super) async fn find(service: &Service, key_hash: &[u8; 32]) -> Result<Option<Self>, Problem> {
        let admin_key = *service.admin_key.borrow();
        if let Some(admin) = admin_key
            && bool::from(admin.ct_eq(key_hash))
        {
            let tenants = service.tenants.snapshot().by_name.values().cloned().collect();
            return Ok(Some(Self { tenants, actor: Actor::Operator, scope: Scope::Admin }));
        }
        let key = service.tenants.with_key_hash(key_hash).await?;
        Ok(key.map(|key| Self {
            tenants: vec![key.tenant.clone()],
            actor: key.shown_from(None).actor,
            scope: key.scope,
        }))
    }

    /// The tenant in whose audit log the holder's actions are entered; `None` for the operator's.
    pub(super) fn tenant(&self) -> Option<wholecall_store::TenantId> {
        match (&self.actor, &self.tenants[..]) {
            (Actor::Key { .. }, [only]) => Some(only.id),
            _ => None,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use super::*;

    #[test]
    fn an_idle_session_ends_early_and_a_used_one_after_the_maximum_duration() {
        let sessions = Sessions::default();
        let session = Session { key_hash: [7; 32], ends_ms: MAX_SESSION_MS, used_ms: 0 };
        let token = [9; 32];
        sessions.open.lock().unwrap().insert(token, session);
        assert_eq!(sessions.key_of_token(&token, MAX_IDLE_MS - 1), Some([7; 32]));
        assert_eq!(sessions.key_of_token(&token, 2 * MAX_IDLE_MS - 2), Some([7; 32]), "it was used");
        assert_eq!(sessions.key_of_token(&token, 3 * MAX_IDLE_MS - 2), None);
        let used = Session { used_ms: MAX_SESSION_MS - 1, ..session };
        sessions.open.lock().unwrap().insert(token, used);
        assert_eq!(sessions.key_of_token(&token, MAX_SESSION_MS), None);
    }
}
