//! Finds out the client of a request from its head and from what is in memory, without waiting.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use axum::http::{HeaderMap, Request, header};
use ipnet::IpNet;
use subtle::ConstantTimeEq;

use super::clients::ConnectionOwner;
use crate::{Service, receive, security::secret};

/// The address of the client of a request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// Returns the hash of the key that opened a browser's session; `None` if a request has no open session.
pub(crate) type SessionKey = Arc<dyn Fn(&HeaderMap) -> Option<[u8; 32]> + Send + Sync>;

/// The owner of the key, token or session that a request shows. `None` if it shows no valid one.
pub(super) fn owner<B>(
    service: &Service,
    session_key: &SessionKey,
    request: &Request<B>,
) -> Option<ConnectionOwner> {
    let headers = request.headers();
    if let Some(name) = receive::hook(request) {
        let snapshot = service.tenants.snapshot();
        let tenant = snapshot.by_name.get(name)?;
        let token = headers.get("verification-token")?.to_str().ok()?;
        return tenant.is_verified_by(token).then_some(ConnectionOwner::Tenant(tenant.id));
    }
    let key = match bearer(headers) {
        Some(key) => secret::hash(key),
        None => session_key(headers)?,
    };
    if service.admin_key.borrow().is_some_and(|admin| bool::from(admin.ct_eq(&key))) {
        return Some(ConnectionOwner::Operator);
    }
    service.tenants.owner_of(&key).map(ConnectionOwner::Tenant)
}

/// The API key that a request shows.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, key) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
}

/// The address of the client: behind trusted proxies, the last address in `X-Forwarded-For` that is not a trusted proxy's.
pub(super) fn address(trusted: &[IpNet], peer: SocketAddr, headers: &HeaderMap) -> SocketAddr {
    let is_trusted =
        |address: &IpAddr| trusted.iter().any(|network| network.contains(&address.to_canonical()));
    if !is_trusted(&peer.ip()) {
        return peer;
    }
    let named = headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok());
    let mut named: Vec<IpAddr> = named.flat_map(|value| value.split(',')).filter_map(parse_address).collect();
    while let Some(address) = named.pop() {
        if !is_trusted(&address) {
            return SocketAddr::new(address, 0);
        }
    }
    peer
}

/// Parses an address with or without a port, since proxies write both.
fn parse_address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    text.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client_of(peer: &str, forwarded: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append("x-forwarded-for", value.parse().unwrap());
        }
        let trusted = ["10.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()];
        address(&trusted, peer.parse().unwrap(), &headers).ip().to_string()
    }

    #[test]
    fn only_trusted_proxies_may_name_the_client() {
        assert_eq!(client_of("192.0.2.1:99", &["203.0.113.7"]), "192.0.2.1");
        assert_eq!(client_of("10.0.0.1:99", &["203.0.113.7"]), "203.0.113.7");
        assert_eq!(client_of("10.0.0.1:99", &["203.0.113.7:4711, 10.2.2.2"]), "203.0.113.7");
        assert_eq!(client_of("[::1]:99", &["1.1.1.1, 198.51.100.4", "10.9.9.9"]), "198.51.100.4");
        // An address that the client itself put there does not count.
        assert_eq!(client_of("10.0.0.1:99", &["8.8.8.8, 203.0.113.7"]), "203.0.113.7");
        assert_eq!(client_of("10.0.0.1:99", &["nonsense"]), "10.0.0.1");
        assert_eq!(client_of("[::ffff:10.0.0.1]:99", &["2001:db8::1"]), "2001:db8::1");
    }
}
