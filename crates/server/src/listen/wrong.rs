//! Wrong keys and tokens: told in the log, and after so many of an address no more are looked at for a while.
//!
//! A right one is found in memory first, so that nobody is kept out by others from the same address.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use axum::http::{HeaderMap, header};

use super::network;

/// An address may show so many wrong keys in so long.
const WRONG: u32 = 60;
const WITHIN: Duration = Duration::from_secs(60);

/// So many addresses are remembered.
const ADDRESSES: usize = 10_000;

/// The wrong keys of the last minute, by the address that showed them.
#[derive(Debug, Default)]
pub(super) struct WrongKeys(Mutex<HashMap<IpAddr, (Instant, u32)>>);

/// Whether a request shows a key or a token.
pub(super) fn shows_any(headers: &HeaderMap) -> bool {
    headers.contains_key(header::AUTHORIZATION) || headers.contains_key("verification-token")
}

impl WrongKeys {
    /// Whether an address has shown too many.
    pub(super) fn are_too_many(&self, address: IpAddr) -> bool {
        let of = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        of.get(&network(address)).is_some_and(|(since, count)| since.elapsed() < WITHIN && *count >= WRONG)
    }

    /// Counts one that was refused.
    pub(super) fn count(&self, address: IpAddr, path: &str) {
        let mut of = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if of.len() >= ADDRESSES {
            of.retain(|_, (since, _)| since.elapsed() < WITHIN);
        }
        if of.len() >= ADDRESSES {
            of.clear();
        }
        let (since, count) = of.entry(network(address)).or_insert_with(|| (Instant::now(), 0));
        if since.elapsed() >= WITHIN {
            (*since, *count) = (Instant::now(), 0);
        }
        *count += 1;
        match *count {
            1 => tracing::warn!(%address, path, "a wrong key or token was shown"),
            WRONG => {
                tracing::warn!(%address, path, "{WRONG} wrong keys or tokens were shown: for a minute no more are looked at")
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_refused_after_so_many_and_others_are_not() {
        let wrong = WrongKeys::default();
        let [one, other] = [IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2])];
        for _ in 0..WRONG {
            assert!(!wrong.are_too_many(one));
            wrong.count(one, "/v1/calls");
        }
        assert!(wrong.are_too_many(one) && !wrong.are_too_many(other));
    }

    #[test]
    fn not_more_than_so_many_addresses_are_remembered() {
        let wrong = WrongKeys::default();
        for number in 0..2 * ADDRESSES as u32 {
            wrong.count(IpAddr::from(number.to_be_bytes()), "/v1/calls");
        }
        assert!(wrong.0.lock().unwrap().len() <= ADDRESSES);
    }
}
