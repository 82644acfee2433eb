//! Who looks: people who signed in with a tenant's API key or the operator's key.
//!
//! A session lies in memory, under the hash of a random token that a cookie holds; the key itself is not kept by the
//! browser. After a restart people sign in again, and a key that was removed ends its sessions.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr},
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    extract::{FromRequestParts, Query},
    http::{HeaderMap, header, request::Parts},
    response::Response,
};
use jiff::{Timestamp, tz::TimeZone};
use subtle::ConstantTimeEq;
use wholecall_render::svg::Clock;
use wholecall_store::{Actor, Scope, What, Who};

use super::answers;
use crate::{
    Service,
    api::{
        Reader,
        access::{Needs, address},
    },
    clock,
    listen::{Peer, network},
    problem::Problem,
    secret,
    tenants::Tenant,
    zone,
};

/// Half a day: a support lead signs in once.
const SESSION_MS: i64 = 12 * 3_600_000;
const MOST_SESSIONS: usize = 10_000;

/// So often an address may show a wrong key in so long.
const WRONG_KEYS: u32 = 10;
const WRONG_KEYS_WITHIN_MS: i64 = 60_000;
const MOST_ADDRESSES: usize = 10_000;

/// Who has not looked for so long signs in again: a board that is looked at asks every few seconds.
const IDLE_MS: i64 = 2 * 3_600_000;

/// The cookie with a session's token: where browsers come by HTTPS, one that nobody but this host can have set.
pub(super) fn cookie_name(service: &Service) -> &'static str {
    if service.is_secure() { "__Host-wholecall" } else { "wholecall" }
}

/// The cookie with the name of the browser's time zone.
const ZONE_COOKIE: &str = "zone";

/// The sessions there are.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    open: Mutex<HashMap<[u8; 32], Session>>,
    wrong: Mutex<HashMap<IpAddr, (i64, u32)>>,
}

#[derive(Debug, Clone, Copy)]
struct Session {
    /// The hash of the key that was shown.
    key: [u8; 32],
    ends_ms: i64,
    used_ms: i64,
}

impl Session {
    fn is_open(&self, now_ms: i64) -> bool {
        now_ms < self.ends_ms && now_ms - self.used_ms < IDLE_MS
    }
}

/// Why nobody was let in.
#[derive(Debug)]
pub(super) enum Refused {
    WrongKey,
    TooOften,
    Failed(Problem),
}

impl Sessions {
    /// Lets in whoever shows a key; the token of the new session.
    pub(super) async fn sign_in(
        &self,
        service: &Service,
        from: IpAddr,
        key: &str,
    ) -> Result<String, Refused> {
        let now_ms = clock::now().as_millis();
        let (address, from) = (from, network(from));
        let key = secret::hash(key.trim());
        match who(service, &key).await {
            Ok(Some(holder)) => {
                let tenant = holder.tenant();
                let who = Who { actor: holder.actor, address: Some(address) };
                service.audit.done(tenant, who, What::SignIn, "");
            }
            Ok(None) => {
                service.audit.refused_to(address, None, What::SignIn, "");
                // A right key is let in whoever showed wrong ones from the same address.
                self.count_wrong(from, now_ms);
                let is_too_often = self.shown_wrong(from, now_ms) > WRONG_KEYS;
                return Err(if is_too_often { Refused::TooOften } else { Refused::WrongKey });
            }
            Err(problem) => return Err(Refused::Failed(problem)),
        }
        let token = secret::generate("").map_err(|error| {
            tracing::error!(%error, "no random numbers");
            Refused::Failed(Problem::bad_request("the system gives no random numbers"))
        })?;
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|_, session| session.is_open(now_ms));
        if open.len() >= MOST_SESSIONS
            && let Some(oldest) =
                open.iter().min_by_key(|(_, session)| session.ends_ms).map(|(token, _)| *token)
        {
            open.remove(&oldest);
        }
        open.insert(secret::hash(&token), Session { key, ends_ms: now_ms + SESSION_MS, used_ms: now_ms });
        Ok(token)
    }

    /// Ends the session of a browser, if it has one.
    pub(super) async fn sign_out(&self, service: &Service, from: IpAddr, headers: &HeaderMap) {
        let Some(token) = cookie(headers, cookie_name(service)) else { return };
        let ended = self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(&secret::hash(token));
        let Some(session) = ended else { return };
        if let Ok(Some(holder)) = who(service, &session.key).await {
            let tenant = holder.tenant();
            let who = Who { actor: holder.actor, address: Some(from) };
            service.audit.done(tenant, who, What::SignOut, "");
        }
    }

    /// The hash of the key of the session that a request shows.
    pub(crate) fn key_of(&self, service: &Service, headers: &HeaderMap) -> Option<[u8; 32]> {
        let token = secret::hash(cookie(headers, cookie_name(service))?);
        self.key(&token, clock::now().as_millis())
    }

    /// The hash of the key of a session that is used now, by the hash of its token.
    fn key(&self, token: &[u8; 32], now_ms: i64) -> Option<[u8; 32]> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let session = open.get_mut(token).filter(|session| session.is_open(now_ms))?;
        session.used_ms = now_ms;
        Some(session.key)
    }

    fn shown_wrong(&self, from: IpAddr, now_ms: i64) -> u32 {
        let wrong = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        let recent = wrong.get(&from).filter(|(since, _)| now_ms - since < WRONG_KEYS_WITHIN_MS);
        recent.map_or(0, |(_, count)| *count)
    }

    fn count_wrong(&self, from: IpAddr, now_ms: i64) {
        let mut wrong = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        if wrong.len() >= MOST_ADDRESSES {
            wrong.retain(|_, (since, _)| now_ms - *since < WRONG_KEYS_WITHIN_MS);
        }
        let (since, count) = wrong.entry(from).or_insert((now_ms, 0));
        if now_ms - *since >= WRONG_KEYS_WITHIN_MS {
            (*since, *count) = (now_ms, 0);
        }
        *count += 1;
    }
}

/// The holder of a key, and what it opens: one tenant, or all.
struct Holder {
    tenants: Vec<Arc<Tenant>>,
    actor: Actor,
    scope: Scope,
}

impl Holder {
    /// Whose affair it is what is done with the key.
    fn tenant(&self) -> Option<wholecall_store::TenantId> {
        match (&self.actor, &self.tenants[..]) {
            (Actor::Key { .. }, [only]) => Some(only.id),
            _ => None,
        }
    }
}

async fn who(service: &Service, key: &[u8; 32]) -> Result<Option<Holder>, Problem> {
    let admin_key = *service.admin_key.borrow();
    if let Some(admin) = admin_key
        && bool::from(admin.ct_eq(key))
    {
        let tenants = service.tenants.snapshot().by_name.values().cloned().collect();
        return Ok(Some(Holder { tenants, actor: Actor::Operator, scope: Scope::Admin }));
    }
    let key = service.tenants.with_key_hash(key).await?;
    Ok(key.map(|key| Holder {
        tenants: vec![key.tenant.clone()],
        actor: key.shown_from(None).actor,
        scope: key.scope,
    }))
}

impl Visitor {
    /// The data of a tenant that may be seen.
    pub(super) fn reader(&self, service: &Service, tenant: &Tenant) -> Reader {
        Reader::new(service, tenant.id, self.key, self.scope, self.who.clone())
    }

    /// Whether the session goes on: nobody has signed out, its time is not up, and its key is still there.
    pub(super) fn is_still_allowed(&self, service: &Service) -> bool {
        let is_open = service.pages.sessions.key(&self.token, clock::now().as_millis()).is_some();
        is_open
            && match self.is_operator {
                true => service.admin_key.borrow().is_some_and(|admin| bool::from(admin.ct_eq(&self.key))),
                false => service.tenants.is_key(&self.key),
            }
    }
}

/// The value of a cookie.
fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = cookies.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(|(other, _)| *other == name).map(|(_, value)| value).next()
}

/// Somebody who has signed in.
pub(super) struct Visitor {
    /// What may be seen: one tenant's data or, for an operator, everybody's.
    pub(super) tenants: Vec<Arc<Tenant>>,
    pub(super) is_operator: bool,
    /// What the key is for.
    pub(super) scope: Scope,
    pub(super) who: Who,
    /// The hash of the key that was shown, and of the session's token.
    pub(super) key: [u8; 32],
    pub(super) token: [u8; 32],
    /// The tenant that the address names.
    pub(super) named: Option<String>,
    pub(super) zone: Zone,
}

/// The clock by which a visitor reads.
#[derive(Debug, Clone)]
pub(super) struct Zone {
    pub(super) name: String,
    pub(super) zone: TimeZone,
}

impl Zone {
    fn named(name: &str) -> Option<Self> {
        // In a cookie the slash may come escaped.
        let name = name.replace("%2F", "/");
        Some(Self { zone: zone::named(&name)?, name })
    }

    /// How far it is ahead of UTC at a time.
    pub(super) fn clock(&self, at_ms: i64) -> Clock {
        let at = Timestamp::from_millisecond(at_ms).unwrap_or_default();
        Clock { offset_s: self.zone.to_offset(at).seconds() }
    }

    /// A time as the zone's clock shows it: `2026-11-16 15:31:27`.
    pub(super) fn show(&self, at_ms: i64) -> String {
        self.clock(at_ms).date_and_time(wholecall_record::Time::from_millis(at_ms))
    }
}

impl FromRequestParts<Service> for Visitor {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, service: &Service) -> Result<Self, Response> {
        let token = cookie(&parts.headers, cookie_name(service)).map(secret::hash).unwrap_or_default();
        let key = service.pages.sessions.key(&token, clock::now().as_millis());
        let found = match key {
            Some(key) => {
                who(service, &key).await.map_err(|problem| answers::fault(&problem))?.map(|who| (key, who))
            }
            None => None,
        };
        let Some((key, holder)) = found else { return Err(answers::sign_in_first(parts)) };
        let Holder { tenants, scope, .. } = &holder;
        let (tenants, scope, tenant) = (tenants.clone(), *scope, holder.tenant());
        let who = Who { actor: holder.actor, address: address(parts) };
        let needed = Needs::of(parts).map_err(|problem| answers::fault(&problem))?.scope();
        if let Some(needed) = needed.filter(|needed| scope < *needed) {
            let object = format!("needs {}", needed.as_str());
            service.audit.refused(tenant, who, What::KeyUse, object);
            return Err(answers::fault(&Problem::needs_scope(needed, scope)));
        }
        let is_operator = service.admin_key.borrow().is_some_and(|admin| bool::from(admin.ct_eq(&key)));
        let parameters = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri).map(|query| query.0);
        let parameters = parameters.unwrap_or_default();
        let parameter =
            |name: &str| parameters.iter().find(|(other, _)| other == name).map(|(_, value)| value);
        let zone = parameter("zone").map(String::as_str).filter(|name| !name.is_empty());
        let zone = zone.or_else(|| cookie(&parts.headers, ZONE_COOKIE)).and_then(Zone::named);
        Ok(Self {
            tenants,
            is_operator,
            scope,
            who,
            key,
            token,
            named: parameter("tenant").filter(|name| !name.is_empty()).cloned(),
            zone: zone.unwrap_or_else(|| Zone { name: "UTC".to_owned(), zone: TimeZone::UTC }),
        })
    }
}

/// Somebody who looks at one tenant's data.
pub(super) struct Viewer {
    pub(super) visitor: Visitor,
    pub(super) tenant: Arc<Tenant>,
    pub(super) view: Reader,
}

impl FromRequestParts<Service> for Viewer {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, service: &Service) -> Result<Self, Response> {
        let visitor = Visitor::from_request_parts(parts, service).await?;
        let named = |tenant: &&Arc<Tenant>| Some(&tenant.name) == visitor.named.as_ref();
        let tenant = match (&visitor.named, &visitor.tenants[..]) {
            (Some(_), tenants) => tenants.iter().find(named).cloned(),
            (None, [only]) => Some(only.clone()),
            // An operator chooses there.
            (None, _) => return Err(answers::go_to("/health")),
        };
        let tenant =
            tenant.ok_or_else(|| answers::fault(&Problem::not_found("there is no such tenant for you")))?;
        let view = visitor.reader(service, &tenant);
        Ok(Self { visitor, tenant, view })
    }
}

/// The address a request came from.
pub(super) struct SentFrom(pub(super) IpAddr);

impl<S: Sync> FromRequestParts<S> for SentFrom {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let peer = parts.extensions.get::<Peer>().map(|Peer(address)| address.ip());
        Ok(Self(peer.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use super::*;

    #[test]
    fn a_session_that_nobody_uses_ends_before_its_time_and_one_that_is_used_at_its_time() {
        let sessions = Sessions::default();
        let session = Session { key: [7; 32], ends_ms: SESSION_MS, used_ms: 0 };
        let token = [9; 32];
        sessions.open.lock().unwrap().insert(token, session);
        assert_eq!(sessions.key(&token, IDLE_MS - 1), Some([7; 32]));
        assert_eq!(sessions.key(&token, 2 * IDLE_MS - 2), Some([7; 32]), "it was used");
        assert_eq!(sessions.key(&token, 3 * IDLE_MS - 2), None);
        sessions.open.lock().unwrap().insert(token, Session { used_ms: SESSION_MS - 1, ..session });
        assert_eq!(sessions.key(&token, SESSION_MS), None);
    }
}
