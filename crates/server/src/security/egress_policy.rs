//! The addresses that may be connected to. A tenant's endpoint must not reach the network that Wholecall runs in.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::LazyLock,
};

use ipnet::IpNet;

/// Ranges outside the public internet, each with its purpose (IANA's special-purpose registries).
const SPECIAL_PURPOSE: [(&str, &str); 29] = [
    ("0.0.0.0/8", "this network"),
    ("10.0.0.0/8", "private"),
    ("100.64.0.0/10", "shared by carriers"),
    ("127.0.0.0/8", "loopback"),
    ("169.254.0.0/16", "link-local"),
    ("172.16.0.0/12", "private"),
    ("192.0.0.0/24", "reserved for protocols"),
    ("192.0.2.0/24", "for documentation"),
    ("192.88.99.0/24", "6to4 relay"),
    ("192.168.0.0/16", "private"),
    ("198.18.0.0/15", "for benchmarks"),
    ("198.51.100.0/24", "for documentation"),
    ("203.0.113.0/24", "for documentation"),
    ("224.0.0.0/4", "multicast"),
    ("240.0.0.0/4", "reserved"),
    ("::/96", "IPv4-compatible, loopback or unspecified"),
    ("64:ff9b:1::/48", "local NAT64"),
    ("100::/64", "discard"),
    ("2001::/23", "Teredo or reserved for protocols"),
    ("2001:db8::/32", "for documentation"),
    ("2002::/16", "6to4"),
    ("3fff::/20", "for documentation"),
    ("5f00::/16", "segment routing"),
    ("fc00::/7", "unique local"),
    ("fe80::/10", "link-local"),
    ("fec0::/10", "site-local"),
    ("ff00::/8", "multicast"),
    ("::ffff:0:0:0/96", "IPv4-translated"),
    ("100:0:0:1::/64", "dummy"),
];

static RANGES: LazyLock<Vec<(IpNet, &'static str)>> = LazyLock::new(|| {
    SPECIAL_PURPOSE.iter().filter_map(|(range, kind)| Some((range.parse().ok()?, *kind))).collect()
});

/// Decides which addresses may be connected to. Checked at every connect, with the address that is connected to.
#[derive(Debug, Clone, Default)]
pub struct EgressPolicy {
    /// Every address may be connected to: for development.
    pub allow_all: bool,
    /// Ranges that may be connected to although they are not public.
    pub allowed: Vec<IpNet>,
}

impl EgressPolicy {
    /// Checks that an address may be connected to. The error is the purpose of the range it is in.
    pub fn check(&self, address: IpAddr) -> Result<(), &'static str> {
        let address = effective(address);
        if self.allow_all || self.allowed.iter().any(|range| range.contains(&address)) {
            return Ok(());
        }
        match RANGES.iter().find(|(range, _)| range.contains(&address)) {
            Some((_, kind)) => Err(kind),
            None => Ok(()),
        }
    }
}

/// The address that is reached in the end: an embedded IPv4 address where a translator extracts it.
fn effective(address: IpAddr) -> IpAddr {
    let IpAddr::V6(six) = address else { return address };
    if let Some(four) = six.to_ipv4_mapped() {
        return four.into();
    }
    match six.segments() {
        // NAT64's well-known prefix (RFC 6052).
        [0x64, 0xff9b, 0, 0, 0, 0, _, _] => embedded(six).into(),
        _ => address,
    }
}

fn embedded(address: Ipv6Addr) -> Ipv4Addr {
    let [.., a, b, c, d] = address.octets();
    Ipv4Addr::new(a, b, c, d)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_range_is_parsed() {
        assert_eq!(RANGES.len(), SPECIAL_PURPOSE.len());
    }

    #[test]
    fn only_public_addresses_are_allowed_by_default() {
        let policy = EgressPolicy::default();
        let refused = [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::7f00:1",
            "64:ff9b::7f00:1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:0:4136::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "2002:808:808::",
            "3fff::1",
            "fc00::1",
            "fd12:3456::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "::ffff:0:7f00:1",
        ];
        for address in refused {
            assert!(policy.check(address.parse().unwrap()).is_err(), "{address}");
        }
        let allowed = [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.167.255.255",
            "198.17.255.255",
            "223.255.255.255",
            "2606:4700::1111",
            "2a00:1450::1",
            "64:ff9b::808:808",
            "::ffff:8.8.8.8",
        ];
        for address in allowed {
            assert_eq!(policy.check(address.parse().unwrap()), Ok(()), "{address}");
        }
    }

    #[test]
    fn an_installation_can_allow_more_ranges() {
        let policy = EgressPolicy { allow_all: false, allowed: vec!["10.1.0.0/16".parse().unwrap()] };
        assert_eq!(policy.check("10.1.2.3".parse().unwrap()), Ok(()));
        assert_eq!(policy.check("::ffff:10.1.2.3".parse().unwrap()), Ok(()));
        assert_eq!(policy.check("10.2.2.3".parse().unwrap()), Err("private"));
        let everything = EgressPolicy { allow_all: true, allowed: Vec::new() };
        assert_eq!(everything.check("127.0.0.1".parse().unwrap()), Ok(()));
    }
}
