//! OAuth (RingCentral's guide to authentication): logins with JWT credentials, refresh, revocation.

use std::collections::{BTreeMap, VecDeque};

use base64::{Engine, prelude::BASE64_STANDARD};
use fastrand::Rng;
use serde_json::{Value, json};
use wholecall_simulator::Timestamp;

use super::{reply::Reply, request::Request};

/// Maximum number of logins of one user at a time; a further one ends the oldest.
const MAX_LOGINS_PER_USER: usize = 5;

/// Lifetime of a token for the WebSocket gateway.
const WEB_SOCKET_TOKEN_LIFETIME_S: i64 = 30;

/// Default and maximum lifetime of an access token.
const ACCESS_LIFETIME_S: i64 = 3600;

/// Default lifetime of a refresh token.
const REFRESH_LIFETIME_S: i64 = 604_800;

/// Maximum lifetime of a refresh token.
const MAX_REFRESH_LIFETIME_S: i64 = 2_592_000;

/// What a JWT credential consists of, followed by the id of its extension.
const JWT_PREFIX: &str = "fake-jwt-of-";

const SCOPE: &str =
    "ReadAccounts CallControl ReadCallLog ReadCallRecording SubscriptionWebhook WebSocketsSubscription";

/// A login of a user.
#[derive(Debug, Clone)]
struct Login {
    id: u64,
    owner: u64,
    access: String,
    access_until: Timestamp,
    refresh: String,
    refresh_until: Timestamp,
}

/// The logins of all users.
#[derive(Debug)]
pub(crate) struct OAuth {
    client_id: String,
    client_secret: String,
    issues_refresh_tokens: bool,
    /// The oldest first.
    logins: VecDeque<Login>,
    /// Owner and expiry of each token for the WebSocket gateway.
    web_socket_tokens: BTreeMap<String, (u64, Timestamp)>,
    rng: Rng,
    next_id: u64,
}

/// Lifetimes of tokens.
struct Lifetimes {
    access_s: i64,
    refresh_s: i64,
}

impl OAuth {
    pub(crate) fn new(client_id: &str, client_secret: &str, issues_refresh_tokens: bool, seed: u64) -> Self {
        Self {
            client_id: client_id.to_owned(),
            client_secret: client_secret.to_owned(),
            issues_refresh_tokens,
            logins: VecDeque::new(),
            web_socket_tokens: BTreeMap::new(),
            rng: Rng::with_seed(seed),
            next_id: 1,
        }
    }

    /// The JWT credential of an extension; at RingCentral, the console creates it.
    pub(crate) fn jwt(extension: u64) -> String {
        format!("{JWT_PREFIX}{extension}")
    }

    /// The user that a request to the token endpoint is counted for; 0 if it names none.
    pub(crate) fn user_of(&self, request: &Request) -> u64 {
        let form = request.form();
        let value =
            |name: &str| form.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str());
        let refreshed =
            self.logins.iter().find(|login| Some(login.refresh.as_str()) == value("refresh_token"));
        let of_jwt = value("assertion").and_then(|jwt| jwt.strip_prefix(JWT_PREFIX));
        refreshed.map(|login| login.owner).or(of_jwt.and_then(|id| id.parse().ok())).unwrap_or(0)
    }

    /// `POST /restapi/oauth/token`; `is_user` says whether an extension is a user.
    pub(crate) fn token(
        &mut self,
        request: &Request,
        now: Timestamp,
        is_user: impl Fn(u64) -> bool,
    ) -> Result<Reply, Reply> {
        let form = request.form();
        let value =
            |name: &str| form.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str());
        self.check_client(request, value("client_id"))?;
        // A value that is not a number or is out of range is ignored.
        let seconds = |name: &str, default: i64, max: i64| {
            let given = value(name).and_then(|text| text.parse().ok());
            given.filter(|seconds| (1..=max).contains(seconds)).unwrap_or(default)
        };
        let lifetimes = Lifetimes {
            access_s: seconds("access_token_ttl", ACCESS_LIFETIME_S, ACCESS_LIFETIME_S),
            refresh_s: seconds("refresh_token_ttl", REFRESH_LIFETIME_S, MAX_REFRESH_LIFETIME_S),
        };
        match value("grant_type") {
            Some("urn:ietf:params:oauth:grant-type:jwt-bearer") => {
                let jwt = value("assertion").and_then(|jwt| jwt.strip_prefix(JWT_PREFIX));
                let owner = jwt.and_then(|id| id.parse().ok()).filter(|id| is_user(*id));
                let owner = owner.ok_or_else(|| {
                    refusal("invalid_grant", "OAU-140", "Invalid resource owner credentials.")
                })?;
                Ok(self.log_in(owner, &lifetimes, now))
            }
            Some("refresh_token") => {
                let given = value("refresh_token").unwrap_or_default();
                let index = self.logins.iter().position(|login| login.refresh == given);
                let login =
                    index.and_then(|index| self.logins.remove(index)).filter(|old| now < old.refresh_until);
                let login = login.ok_or_else(|| refusal("invalid_grant", "OAU-213", "Token not found"))?;
                Ok(self.log_in(login.owner, &lifetimes, now))
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

    fn log_in(&mut self, owner: u64, lifetimes: &Lifetimes, now: Timestamp) -> Reply {
        let (access, refresh) = (self.secret("U1BC"), self.secret("U1BR"));
        let id = self.next_id;
        self.next_id += 1;
        self.logins.push_back(Login {
            id,
            owner,
            access: access.clone(),
            access_until: now + 1000 * lifetimes.access_s,
            refresh: refresh.clone(),
            refresh_until: now + 1000 * lifetimes.refresh_s,
        });
        let own: Vec<u64> =
            self.logins.iter().filter(|login| login.owner == owner).map(|login| login.id).collect();
        let surplus = own.len().checked_sub(MAX_LOGINS_PER_USER + 1);
        if let Some(ended) = surplus.and_then(|index| own.get(index)) {
            self.logins.retain(|login| login.owner != owner || login.id > *ended);
        }
        let mut token = json!({
            "access_token": access, "token_type": "bearer", "expires_in": lifetimes.access_s, "scope": SCOPE,
            "owner_id": owner.to_string(), "endpoint_id": format!("fake-endpoint-{id}"),
            "session_id": format!("fake-session-{id}"),
        });
        if self.issues_refresh_tokens {
            token["refresh_token"] = refresh.into();
            token["refresh_token_expires_in"] = lifetimes.refresh_s.into();
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
            self.logins.retain(|login| login.access != token && login.refresh != token);
        }
        Reply::ok(Value::Object(Default::default()))
    }

    /// The user whose access token a request has.
    pub(crate) fn caller(&self, request: &Request, now: Timestamp) -> Result<u64, Reply> {
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
        match self.logins.iter().find(|login| login.access == token) {
            Some(login) if now < login.access_until => Ok(login.owner),
            Some(_) => Err(Reply::error_with_alias(401, "TokenExpired", "OAU-128", "Access token expired")),
            None => Err(Reply::error_with_alias(401, "TokenInvalid", "OAU-149", "OAuth token is invalid")),
        }
    }

    /// `POST /restapi/oauth/wstoken`. A token can be used several times: RingCentral's own client does so.
    pub(crate) fn web_socket_token(&mut self, owner: u64, uri: &str, now: Timestamp) -> Reply {
        let token = self.secret("WS");
        self.web_socket_tokens.retain(|_, (_, until)| now < *until);
        self.web_socket_tokens.insert(token.clone(), (owner, now + 1000 * WEB_SOCKET_TOKEN_LIFETIME_S));
        Reply::ok(json!({ "uri": uri, "ws_access_token": token, "expires_in": WEB_SOCKET_TOKEN_LIFETIME_S }))
    }

    /// The user of a token for the WebSocket gateway; `None` if it is invalid or has expired.
    pub(crate) fn web_socket_owner(&self, token: &str, now: Timestamp) -> Option<u64> {
        self.web_socket_tokens.get(token).filter(|(_, until)| now < *until).map(|(owner, _)| *owner)
    }

    /// Expires the access tokens of all users.
    pub(crate) fn expire_access_tokens(&mut self, now: Timestamp) {
        self.logins.iter_mut().for_each(|login| login.access_until = now);
    }

    /// A random token.
    pub(crate) fn secret(&mut self, prefix: &str) -> String {
        (0..32).fold(prefix.to_owned(), |secret, _| secret + &self.rng.alphanumeric().to_string())
    }
}

/// An error of OAuth (RFC 6749), with RingCentral's list of errors in addition.
fn refusal(error: &str, code: &str, description: &str) -> Reply {
    let body = json!({
        "error": error, "error_description": description, "message": description,
        "errors": [{ "errorCode": code, "message": description }],
    });
    let reply = Reply::json(if error == "invalid_client" { 401 } else { 400 }, body);
    reply.with("www-authenticate", "Basic realm=\"RingCentral\"")
}
