//! Counts wrong keys and tokens by address. After too many of them, requests from the address that show a credential which
//! is not in memory are refused for a while; those with a valid one are in memory, and are answered.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use axum::http::{HeaderMap, header};

use super::clients::network;

/// Maximum number of wrong credentials from an address within a window.
const MAX_FAILURES: u32 = 60;
const FAILURE_WINDOW: Duration = Duration::from_secs(60);

/// Maximum number of addresses that are counted; beyond it all counts start again.
const MAX_ADDRESSES: usize = 10_000;

/// The start of an address's window, and its wrong credentials since then.
#[derive(Debug, Default)]
pub(super) struct FailedCredentials(Mutex<HashMap<IpAddr, (Instant, u32)>>);

/// Whether a request shows a key or a token.
pub(super) fn shows_any(headers: &HeaderMap) -> bool {
    headers.contains_key(header::AUTHORIZATION) || headers.contains_key("verification-token")
}

impl FailedCredentials {
    /// Whether an address has shown too many.
    pub(super) fn are_too_many(&self, address: IpAddr) -> bool {
        let by_address = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_blocked =
            |(since, count): &(Instant, u32)| since.elapsed() < FAILURE_WINDOW && *count >= MAX_FAILURES;
        by_address.get(&network(address)).is_some_and(is_blocked)
    }

    /// Counts a credential that was refused.
    pub(super) fn count(&self, address: IpAddr, path: &str) {
        let mut by_address = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if by_address.len() >= MAX_ADDRESSES {
            by_address.retain(|_, (since, _)| since.elapsed() < FAILURE_WINDOW);
        }
        if by_address.len() >= MAX_ADDRESSES {
            by_address.clear();
        }
        let (since, count) = by_address.entry(network(address)).or_insert_with(|| (Instant::now(), 0));
        if since.elapsed() >= FAILURE_WINDOW {
            (*since, *count) = (Instant::now(), 0);
        }
        *count += 1;
        match *count {
            1 => tracing::warn!(%address, path, "a wrong key or token was shown"),
            MAX_FAILURES => {
                tracing::warn!(%address, path, "{MAX_FAILURES} wrong keys or tokens were shown: further ones are refused for a minute")
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_with_too_many_wrong_keys_is_refused_and_others_are_not() {
        let failed = FailedCredentials::default();
        let [one, other] = [IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2])];
        for _ in 0..MAX_FAILURES {
            assert!(!failed.are_too_many(one));
            failed.count(one, "/v1/calls");
        }
        assert!(failed.are_too_many(one) && !failed.are_too_many(other));
    }

    #[test]
    fn the_number_of_counted_addresses_is_limited() {
        let failed = FailedCredentials::default();
        for number in 0..2 * MAX_ADDRESSES as u32 {
            failed.count(IpAddr::from(number.to_be_bytes()), "/v1/calls");
        }
        assert!(failed.0.lock().unwrap().len() <= MAX_ADDRESSES);
    }
}
