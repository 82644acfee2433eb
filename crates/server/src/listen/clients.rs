//! How many connections there may be, and which one is closed where there are too many.
//!
//! A connection belongs to the address it comes from until a request shows a valid key, token or session; then to that
//! tenant. Where a limit is reached, a connection of the owner with the most is closed, and never the new one: the oldest
//! of those whose request showed no valid key, else the oldest of those that have not sent a request yet. So a client that
//! opens connections without end closes its own, and a request with a valid key from the same address gets through.

use std::{
    collections::{BTreeMap, HashMap},
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;
use wholecall_store::TenantId;

/// Limits of connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// In all.
    pub all: usize,
    /// Of clients that have not shown a valid key, token or session.
    pub unproven: usize,
    /// The same, of one address; of IPv6, of one network of 64 bits.
    pub unproven_per_address: usize,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self::for_open_files(1_024)
    }
}

impl ConnectionLimits {
    /// What fits where a process may have so many files open: a quarter of them is for the store, for deliveries and for
    /// asking RingCentral.
    pub fn for_open_files(files: usize) -> Self {
        let all = (files - files / 4).clamp(16, 20_000);
        Self { all, unproven: (all / 2).max(8), unproven_per_address: (all / 8).clamp(8, 256) }
    }
}

/// Whose a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Owner {
    /// Whoever comes from there, without a valid key so far.
    Address(IpAddr),
    /// A proxy that is trusted: behind it are many.
    Proxy,
    /// A tenant whose key or token was shown.
    Tenant(TenantId),
    /// The operator.
    Operator,
}

/// The connections there are.
#[derive(Debug)]
pub(crate) struct Clients {
    limits: ConnectionLimits,
    open: Mutex<Open>,
    /// Requests without a valid key that came through a proxy and are being answered, by the client's address.
    requests: Mutex<HashMap<IpAddr, usize>>,
}

/// Counts a request for as long as it is answered.
#[derive(Debug)]
pub(super) struct UnprovenRequest(Arc<Clients>, IpAddr);

impl Drop for UnprovenRequest {
    fn drop(&mut self) {
        let mut requests = self.0.requests();
        if let Some(count) = requests.get_mut(&self.1) {
            *count -= 1;
            if *count == 0 {
                requests.remove(&self.1);
            }
        }
    }
}

#[derive(Debug, Default)]
struct Open {
    next: u64,
    all: usize,
    unproven: usize,
    /// By owner, in the order in which they are closed, each with what closes it.
    of: HashMap<Owner, BTreeMap<Turn, Arc<Notify>>>,
}

/// When a connection is closed where there are too many: those that have sent a request first, then the oldest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Turn {
    is_silent: bool,
    number: u64,
}

/// An open connection; dropped, it is counted no more.
#[derive(Debug)]
pub(crate) struct Client {
    clients: Arc<Clients>,
    place: Mutex<(Owner, Turn)>,
    /// Told when it is to be closed.
    pub(super) close: Arc<Notify>,
}

impl Clients {
    pub(super) fn new(limits: ConnectionLimits) -> Arc<Self> {
        Arc::new(Self { limits, open: Mutex::default(), requests: Mutex::default() })
    }

    /// Admits a connection, and closes another where there are too many. None where all that could be closed is a
    /// proxy's.
    pub(super) fn admit(self: &Arc<Self>, owner: Owner) -> Option<Client> {
        let owner = match owner {
            Owner::Address(address) => Owner::Address(network(address)),
            other => other,
        };
        let mut open = self.open();
        if let Owner::Address(_) = owner {
            if open.of.get(&owner).map_or(0, BTreeMap::len) >= self.limits.unproven_per_address {
                open.close_first(owner);
            }
            if open.unproven >= self.limits.unproven {
                open.close_one(|owner| matches!(owner, Owner::Address(_)));
            }
        }
        if open.all >= self.limits.all && !open.close_one(|owner| *owner != Owner::Proxy) {
            return None;
        }
        let (turn, close) = (Turn { is_silent: true, number: open.next }, Arc::new(Notify::new()));
        open.next += 1;
        open.add(owner, turn, close.clone());
        drop(open);
        Some(Client { clients: self.clone(), place: Mutex::new((owner, turn)), close })
    }

    fn requests(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    fn add(&mut self, owner: Owner, turn: Turn, close: Arc<Notify>) {
        self.all += 1;
        self.unproven += usize::from(matches!(owner, Owner::Address(_)));
        self.of.entry(owner).or_default().insert(turn, close);
    }

    /// Nothing if it was closed already.
    fn remove(&mut self, owner: Owner, turn: Turn) -> Option<Arc<Notify>> {
        let of_owner = self.of.get_mut(&owner)?;
        let close = of_owner.remove(&turn)?;
        if of_owner.is_empty() {
            self.of.remove(&owner);
        }
        self.all -= 1;
        self.unproven -= usize::from(matches!(owner, Owner::Address(_)));
        Some(close)
    }

    fn close_first(&mut self, owner: Owner) {
        let first = self.of.get(&owner).and_then(|of_owner| of_owner.keys().next().copied());
        if let Some(close) = first.and_then(|turn| self.remove(owner, turn)) {
            // The permit is kept until the connection's task waits for it.
            close.notify_one();
        }
    }

    /// Closes a connection of the owner with the most; false if no owner may be chosen.
    fn close_one(&mut self, may_close: impl Fn(&Owner) -> bool) -> bool {
        let owners = self.of.iter().filter(|(owner, _)| may_close(owner));
        let most = owners.max_by_key(|(_, of_owner)| of_owner.len()).map(|(owner, _)| *owner);
        most.inspect(|owner| self.close_first(*owner)).is_some()
    }
}

impl Client {
    pub(super) fn is_of_proxy(&self) -> bool {
        self.place().0 == Owner::Proxy
    }

    /// Counts a request without a valid key that came through a proxy; none if there are too many from its address.
    pub(super) fn unproven_request(&self, address: IpAddr) -> Option<UnprovenRequest> {
        let (address, mut requests) = (network(address), self.clients.requests());
        let count = requests.entry(address).or_default();
        if *count >= self.clients.limits.unproven_per_address {
            return None;
        }
        *count += 1;
        drop(requests);
        Some(UnprovenRequest(self.clients.clone(), address))
    }

    /// A request on it showed whose it is.
    pub(super) fn belongs_to(&self, owner: Owner) {
        let turn = self.place().1;
        self.move_to(owner, Turn { is_silent: false, ..turn });
    }

    /// A request on it showed no valid key.
    pub(super) fn has_asked(&self) {
        let (owner, turn) = *self.place();
        self.move_to(owner, Turn { is_silent: false, ..turn });
    }

    fn move_to(&self, owner: Owner, turn: Turn) {
        let mut place = self.place();
        if *place == (owner, turn) {
            return;
        }
        let mut open = self.clients.open();
        if let Some(close) = open.remove(place.0, place.1) {
            open.add(owner, turn, close);
        }
        *place = (owner, turn);
    }

    fn place(&self) -> MutexGuard<'_, (Owner, Turn)> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let (owner, turn) = *self.place();
        self.clients.open().remove(owner, turn);
    }
}

/// What counts as one address.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    const LIMITS: ConnectionLimits = ConnectionLimits { all: 10, unproven: 6, unproven_per_address: 4 };

    fn address(last: u8) -> Owner {
        Owner::Address(IpAddr::from([127, 0, 0, last]))
    }

    fn is_closed(client: &Client) -> bool {
        client.close.notified().now_or_never().is_some()
    }

    #[test]
    fn who_opens_too_many_closes_their_own_oldest_and_the_new_one_is_let_in() {
        let clients = Clients::new(LIMITS);
        let opened: Vec<Client> = (0..5).map(|_| clients.admit(address(1)).unwrap()).collect();
        let closed: Vec<bool> = opened.iter().map(is_closed).collect();
        assert_eq!(closed, [true, false, false, false, false]);
        // Two others make six, and one more is too many in all: it is the first address that has the most.
        let others: Vec<Client> = (2..5).map(|last| clients.admit(address(last)).unwrap()).collect();
        assert!(is_closed(&opened[1]) && !others.iter().any(is_closed));
        drop((opened, others));
        let open = clients.open();
        assert_eq!((open.all, open.unproven), (0, 0));
        assert!(open.of.is_empty());
    }

    #[test]
    fn who_has_shown_a_key_is_not_closed_for_others_from_the_same_address() {
        let clients = Clients::new(LIMITS);
        let victim = clients.admit(address(1)).unwrap();
        victim.belongs_to(Owner::Operator);
        let opened: Vec<Client> = (0..20).map(|_| clients.admit(address(1)).unwrap()).collect();
        assert!(!is_closed(&victim));
        assert_eq!(opened.iter().filter(|client| !is_closed(client)).count(), 4);
    }

    #[test]
    fn a_connection_that_has_not_sent_its_request_outlives_those_that_have() {
        let clients = Clients::new(LIMITS);
        let new = clients.admit(address(1)).unwrap();
        let flood = |_| {
            let client = clients.admit(address(1)).unwrap();
            client.has_asked();
            client
        };
        let flood: Vec<Client> = (0..20).map(flood).collect();
        assert!(!is_closed(&new));
        assert_eq!(flood.iter().filter(|client| !is_closed(client)).count(), 3);
    }

    #[test]
    fn whoever_has_the_most_of_all_makes_room() {
        let clients = Clients::new(LIMITS);
        let admit = |owner| {
            let client = clients.admit(address(9)).unwrap();
            client.belongs_to(owner);
            client
        };
        let many: Vec<Client> = (0..8).map(|_| admit(Owner::Operator)).collect();
        let proxied: Vec<Client> = (0..2).map(|_| clients.admit(Owner::Proxy).unwrap()).collect();
        let new = clients.admit(address(1)).unwrap();
        assert!(is_closed(&many[0]) && !is_closed(&new) && !proxied.iter().any(is_closed));
        drop(many);
        drop(new);
        let proxied: Vec<Client> =
            (0..8).map(|_| clients.admit(Owner::Proxy).unwrap()).chain(proxied).collect();
        assert_eq!(proxied.len(), 10);
        assert!(clients.admit(address(1)).is_none(), "nothing may be closed");
    }

    #[test]
    fn through_a_proxy_requests_are_counted_by_the_address_it_names() {
        let clients = Clients::new(LIMITS);
        let proxy = clients.admit(Owner::Proxy).unwrap();
        let from = |last| proxy.unproven_request(IpAddr::from([192, 0, 2, last]));
        let mut counted: Vec<_> = (0..4).map(|_| from(1).unwrap()).collect();
        assert!(from(1).is_none() && from(2).is_some());
        counted.pop();
        assert!(from(1).is_some());
        drop(counted);
        assert!(clients.requests().is_empty());
    }

    #[test]
    fn limits_leave_files_for_everything_else() {
        for files in [64, 256, 1_024, 65_536, 1_048_576] {
            let limits = ConnectionLimits::for_open_files(files);
            assert!(limits.all + files / 4 <= files && limits.unproven < limits.all, "{limits:?}");
            assert!(limits.unproven_per_address < limits.unproven);
        }
    }

    #[test]
    fn an_ipv6_network_counts_as_one_address() {
        let of = |text: &str| network(text.parse().unwrap());
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), of("2001:db8:1:2::1"));
        assert_ne!(of("2001:db8:1:3::1"), of("2001:db8:1:2::1"));
        assert_eq!(of("::ffff:10.0.0.1"), of("10.0.0.1"));
    }
}
