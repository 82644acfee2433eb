//! OAuth: tokens for JWT credentials, refreshed and revoked (RingCentral's guide to authentication).

use std::collections::{BTreeMap, VecDeque};

use base64::{Engine, prelude::BASE64_STANDARD};
use fastrand::Rng;
use serde_json::{Value, json};
use wholecall_simulator::Millis;

use crate::reply::{Reply, Request};

/// So many sessions of one user with one app go on beside each other; a further login ends the oldest.
const SESSIONS: usize = 5;

/// How long a token for the WebSocket gateway is good.
const WEB_SOCKET_TOKEN: Millis = 30_000;

const SCOPE: &str =
    "ReadAccounts CallControl ReadCallLog ReadCallRecording SubscriptionWebhook WebSocketsSubscription";

/// A user who is logged in.
#[derive(Debug, Clone)]
struct Session {
    id: u64,
    owner: u64,
    access: String,
    access_until: Millis,
    refresh: String,
    refresh_until: Millis,
}

/// Who is logged in.
#[derive(Debug)]
pub(crate) struct OAuth {
    client_id: String,
    client_secret: String,
    gives_refresh_tokens: bool,
    sessions: VecDeque<Session>,
    web_socket_tokens: BTreeMap<String, (u64, Millis)>,
    rng: Rng,
    next: u64,
}

/// How long tokens are good, in seconds.
struct Lifetimes {
    access: i64,
    refresh: i64,
}

impl OAuth {
    pub(crate) fn new(client_id: &str, client_secret: &str, gives_refresh_tokens: bool, seed: u64) -> Self {
        Self {
            client_id: client_id.to_owned(),
            client_secret: client_secret.to_owned(),
            gives_refresh_tokens,
            sessions: VecDeque::new(),
            web_socket_tokens: BTreeMap::new(),
            rng: Rng::with_seed(seed),
            next: 1,
        }
    }

    /// The JWT credential of an extension. RingCentral's are opaque too, made in its console.
    pub(crate) fn jwt(extension: u64) -> String {
        format!("fake-jwt-of-{extension}")
    }

    /// Whom a request to the token endpoint is for, to count it.
    pub(crate) fn asker(&self, request: &Request) -> u64 {
        let form = request.form();
        let value =
            |name: &str| form.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str());
        let of_refresh =
            self.sessions.iter().find(|session| Some(session.refresh.as_str()) == value("refresh_token"));
        let of_jwt = value("assertion").and_then(|jwt| jwt.strip_prefix("fake-jwt-of-"));
        of_refresh.map(|session| session.owner).or(of_jwt.and_then(|id| id.parse().ok())).unwrap_or(0)
    }

    /// `POST /restapi/oauth/token`; `is_user` tells which extensions there are.
    pub(crate) fn token(
        &mut self,
        request: &Request,
        now: Millis,
        is_user: impl Fn(u64) -> bool,
    ) -> Result<Reply, Reply> {
        let form = request.form();
        let value =
            |name: &str| form.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str());
        self.check_client(request, value("client_id"))?;
        // What is no number, or out of bounds, counts as not given.
        let seconds = |name: &str, usual: i64, most: i64| {
            let given = value(name).and_then(|text| text.parse().ok());
            given.filter(|seconds| (1..=most).contains(seconds)).unwrap_or(usual)
        };
        let lifetimes = Lifetimes {
            access: seconds("access_token_ttl", 3600, 3600),
            refresh: seconds("refresh_token_ttl", 604_800, 2_592_000),
        };
        match value("grant_type") {
            Some("urn:ietf:params:oauth:grant-type:jwt-bearer") => {
                let jwt = value("assertion").and_then(|jwt| jwt.strip_prefix("fake-jwt-of-"));
                let owner = jwt.and_then(|id| id.parse().ok()).filter(|id| is_user(*id));
                let owner = owner.ok_or_else(|| {
                    refusal("invalid_grant", "OAU-140", "Invalid resource owner credentials.")
                })?;
                Ok(self.log_in(owner, &lifetimes, now))
            }
            Some("refresh_token") => {
                let given = value("refresh_token").unwrap_or_default();
                let at = self.sessions.iter().position(|session| session.refresh == given);
                let session =
                    at.and_then(|at| self.sessions.remove(at)).filter(|old| now < old.refresh_until);
                let session =
                    session.ok_or_else(|| refusal("invalid_grant", "OAU-213", "Token not found"))?;
                Ok(self.log_in(session.owner, &lifetimes, now))
            }
            _ => Err(refusal("unsupported_grant_type", "OAU-125", "Unsupported grant type")),
        }
    }

    fn check_client(&self, request: &Request, in_body: Option<&str>) -> Result<(), Reply> {
        let basic = request.authorization.as_deref().and_then(|value| {
            let (scheme, credentials) = value.split_once(' ')?;
            scheme.eq_ignore_ascii_case("basic").then_some(credentials.trim())
        });
        let expected = BASE64_STANDARD.encode(format!("{}:{}", self.client_id, self.client_secret));
        let is_known = match basic {
            Some(credentials) => credentials == expected,
            None => in_body == Some(self.client_id.as_str()),
        };
        if is_known {
            Ok(())
        } else {
            Err(refusal("invalid_client", "OAU-153", "Client authentication failed"))
        }
    }

    fn log_in(&mut self, owner: u64, lifetimes: &Lifetimes, now: Millis) -> Reply {
        let (access, refresh) = (self.secret("U1BC"), self.secret("U1BR"));
        let id = self.next;
        self.next += 1;
        self.sessions.push_back(Session {
            id,
            owner,
            access: access.clone(),
            access_until: now + 1000 * lifetimes.access,
            refresh: refresh.clone(),
            refresh_until: now + 1000 * lifetimes.refresh,
        });
        let own: Vec<u64> =
            self.sessions.iter().filter(|session| session.owner == owner).map(|session| session.id).collect();
        if let Some(oldest) = own.len().checked_sub(SESSIONS + 1).and_then(|at| own.get(at)) {
            self.sessions.retain(|session| session.owner != owner || session.id > *oldest);
        }
        let mut token = json!({
            "access_token": access, "token_type": "bearer", "expires_in": lifetimes.access, "scope": SCOPE,
            "owner_id": owner.to_string(), "endpoint_id": format!("fake-endpoint-{id}"),
            "session_id": format!("fake-session-{id}"),
        });
        if self.gives_refresh_tokens {
            token["refresh_token"] = refresh.into();
            token["refresh_token_expires_in"] = lifetimes.refresh.into();
        }
        Reply::ok(token)
    }

    /// `POST /restapi/oauth/revoke`.
    pub(crate) fn revoke(&mut self, request: &Request) -> Reply {
        let form = request.form();
        let in_query = request.parameter("token");
        let token =
            form.iter().find(|(name, _)| name == "token").map(|(_, token)| token.as_str()).or(in_query);
        if let Some(token) = token {
            self.sessions.retain(|session| session.access != token && session.refresh != token);
        }
        Reply::ok(Value::Object(Default::default()))
    }

    /// Whose request it is.
    pub(crate) fn caller(&self, request: &Request, now: Millis) -> Result<u64, Reply> {
        let in_query = request.parameter("access_token");
        let bearer = match request.authorization.as_deref() {
            Some(value) => value
                .split_once(' ')
                .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
                .map(|(_, token)| token.trim()),
            None => in_query,
        };
        let Some(token) = bearer else {
            return Err(Reply::error(401, "AGW-401", "Authorization header is not specified"));
        };
        match self.sessions.iter().find(|session| session.access == token) {
            Some(session) if now < session.access_until => Ok(session.owner),
            Some(_) => Err(Reply::error_known_as(401, "TokenExpired", "OAU-128", "Access token expired")),
            None => Err(Reply::error_known_as(401, "TokenInvalid", "OAU-149", "OAuth token is invalid")),
        }
    }

    /// `POST /restapi/oauth/wstoken`. RingCentral's own client shows one token several times while it is good.
    pub(crate) fn web_socket_token(&mut self, owner: u64, uri: &str, now: Millis) -> Reply {
        let token = self.secret("WS");
        self.web_socket_tokens.retain(|_, (_, until)| now < *until);
        self.web_socket_tokens.insert(token.clone(), (owner, now + WEB_SOCKET_TOKEN));
        Reply::ok(json!({ "uri": uri, "ws_access_token": token, "expires_in": WEB_SOCKET_TOKEN / 1000 }))
    }

    /// Whose WebSocket it is.
    pub(crate) fn web_socket_owner(&self, token: &str, now: Millis) -> Option<u64> {
        self.web_socket_tokens.get(token).filter(|(_, until)| now < *until).map(|(owner, _)| *owner)
    }

    /// Makes all access tokens of everybody invalid.
    pub(crate) fn expire_access_tokens(&mut self, now: Millis) {
        self.sessions.iter_mut().for_each(|session| session.access_until = now);
    }

    /// Letters and digits that nobody guesses by accident.
    pub(crate) fn secret(&mut self, prefix: &str) -> String {
        (0..32).fold(prefix.to_owned(), |secret, _| secret + &self.rng.alphanumeric().to_string())
    }
}

/// An error as OAuth has it (RFC 6749), with RingCentral's list of errors beside.
fn refusal(error: &str, code: &str, description: &str) -> Reply {
    let body = json!({
        "error": error, "error_description": description, "message": description,
        "errors": [{ "errorCode": code, "message": description }],
    });
    let reply = Reply::json(if error == "invalid_client" { 401 } else { 400 }, body);
    reply.with("www-authenticate", "Basic realm=\"RingCentral\"")
}
