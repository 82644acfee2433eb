//! Limits the number of connections, and chooses the connection to close when a limit is reached.
//!
//! A connection is owned by the address it comes from until a request on it shows a valid key, token or session; then by
//! that tenant or the operator. When a limit is reached, the new connection is admitted and one of the owner with the most
//! connections is closed: the oldest one that has sent a request, else the oldest one that has not. A client that floods
//! the service therefore closes its own connections, and a request with a valid key from the same address is answered.

use std::{
    collections::{BTreeMap, HashMap},
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;
use wholecall_store::TenantId;

/// Maximum numbers of connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// In all.
    pub all: usize,
    /// Of clients that have not shown a valid key, token or session.
    pub unproven: usize,
    /// Of these, from one address; for IPv6, from one network of 64 bits.
    pub unproven_per_address: usize,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self::for_open_files(1_024)
    }
}

impl ConnectionLimits {
    /// The limits for a maximum number of open files: a quarter of them is left to the store, to deliveries and to requests
    /// to RingCentral.
    pub fn for_open_files(files: usize) -> Self {
        let all = (files - files / 4).clamp(16, 20_000);
        Self { all, unproven: (all / 2).max(8), unproven_per_address: (all / 8).clamp(8, 256) }
    }
}

/// The owner of a connection, whose connections are counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum ConnectionOwner {
    /// An address from which no valid key was shown on the connection.
    Address(IpAddr),
    /// A trusted proxy, which serves many clients.
    Proxy,
    /// A tenant whose key, token or session was shown.
    Tenant(TenantId),
    /// The operator.
    Operator,
}

/// The open connections.
#[derive(Debug)]
pub(crate) struct ClientConnections {
    limits: ConnectionLimits,
    open: Mutex<OpenConnections>,
    /// The number of requests being answered that came through a proxy without a valid key, by the client's address.
    requests: Mutex<HashMap<IpAddr, usize>>,
}

/// Counts a request until it is dropped.
#[derive(Debug)]
pub(super) struct UnprovenRequest(Arc<ClientConnections>, IpAddr);

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
struct OpenConnections {
    next_number: u64,
    all: usize,
    unproven: usize,
    /// The connections of each owner, in the order in which they are closed, each with the notification that closes it.
    by_owner: HashMap<ConnectionOwner, BTreeMap<CloseOrder, Arc<Notify>>>,
}

/// The order in which an owner's connections are closed: first those that have sent a request, the oldest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct CloseOrder {
    is_silent: bool,
    number: u64,
}

/// An open connection, counted until it is dropped.
#[derive(Debug)]
pub(crate) struct ClientConnection {
    connections: Arc<ClientConnections>,
    place: Mutex<(ConnectionOwner, CloseOrder)>,
    /// Notified when the connection is to be closed.
    pub(super) close: Arc<Notify>,
}

impl ClientConnections {
    pub(super) fn new(limits: ConnectionLimits) -> Arc<Self> {
        Arc::new(Self { limits, open: Mutex::default(), requests: Mutex::default() })
    }

    /// Admits a connection, and closes another if there are too many. `None` if all others are those of proxies, which are
    /// not closed.
    pub(super) fn admit(self: &Arc<Self>, owner: ConnectionOwner) -> Option<ClientConnection> {
        let owner = match owner {
            ConnectionOwner::Address(address) => ConnectionOwner::Address(network(address)),
            other => other,
        };
        let mut open = self.open();
        if let ConnectionOwner::Address(_) = owner {
            if open.by_owner.get(&owner).map_or(0, BTreeMap::len) >= self.limits.unproven_per_address {
                open.close_first(owner);
            }
            if open.unproven >= self.limits.unproven {
                open.close_one(|owner| matches!(owner, ConnectionOwner::Address(_)));
            }
        }
        if open.all >= self.limits.all && !open.close_one(|owner| *owner != ConnectionOwner::Proxy) {
            return None;
        }
        let order = CloseOrder { is_silent: true, number: open.next_number };
        let close = Arc::new(Notify::new());
        open.next_number += 1;
        open.add(owner, order, close.clone());
        drop(open);
        Some(ClientConnection { connections: self.clone(), place: Mutex::new((owner, order)), close })
    }

    fn requests(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self) -> MutexGuard<'_, OpenConnections> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OpenConnections {
    fn add(&mut self, owner: ConnectionOwner, order: CloseOrder, close: Arc<Notify>) {
        self.all += 1;
        self.unproven += usize::from(matches!(owner, ConnectionOwner::Address(_)));
        self.by_owner.entry(owner).or_default().insert(order, close);
    }

    /// Removes a connection. `None` if it was closed before.
    fn remove(&mut self, owner: ConnectionOwner, order: CloseOrder) -> Option<Arc<Notify>> {
        let connections = self.by_owner.get_mut(&owner)?;
        let close = connections.remove(&order)?;
        if connections.is_empty() {
            self.by_owner.remove(&owner);
        }
        self.all -= 1;
        self.unproven -= usize::from(matches!(owner, ConnectionOwner::Address(_)));
        Some(close)
    }

    fn close_first(&mut self, owner: ConnectionOwner) {
        let first = self.by_owner.get(&owner).and_then(|connections| connections.keys().next().copied());
        if let Some(close) = first.and_then(|order| self.remove(owner, order)) {
            // The permit stays until the connection's task waits for it.
            close.notify_one();
        }
    }

    /// Closes a connection of the owner with the most. Returns false if there is no owner whose connections may be closed.
    fn close_one(&mut self, may_close: impl Fn(&ConnectionOwner) -> bool) -> bool {
        let owners = self.by_owner.iter().filter(|(owner, _)| may_close(owner));
        let most = owners.max_by_key(|(_, connections)| connections.len()).map(|(owner, _)| *owner);
        most.inspect(|owner| self.close_first(*owner)).is_some()
    }
}

impl ClientConnection {
    pub(super) fn is_of_proxy(&self) -> bool {
        self.place().0 == ConnectionOwner::Proxy
    }

    /// Counts a request without a valid key that came through a proxy. `None` if there are too many from its address.
    pub(super) fn unproven_request(&self, address: IpAddr) -> Option<UnprovenRequest> {
        let (address, mut requests) = (network(address), self.connections.requests());
        let count = requests.entry(address).or_default();
        if *count >= self.connections.limits.unproven_per_address {
            return None;
        }
        *count += 1;
        drop(requests);
        Some(UnprovenRequest(self.connections.clone(), address))
    }

    /// Notes that a request on the connection showed its owner.
    pub(super) fn set_owner(&self, owner: ConnectionOwner) {
        let order = self.place().1;
        self.move_to(owner, CloseOrder { is_silent: false, ..order });
    }

    /// Notes that a request on the connection showed no valid key.
    pub(super) fn mark_requested(&self) {
        let (owner, order) = *self.place();
        self.move_to(owner, CloseOrder { is_silent: false, ..order });
    }

    fn move_to(&self, owner: ConnectionOwner, order: CloseOrder) {
        let mut place = self.place();
        if *place == (owner, order) {
            return;
        }
        let mut open = self.connections.open();
        if let Some(close) = open.remove(place.0, place.1) {
            open.add(owner, order, close);
        }
        *place = (owner, order);
    }

    fn place(&self) -> MutexGuard<'_, (ConnectionOwner, CloseOrder)> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for ClientConnection {
    fn drop(&mut self) {
        let (owner, order) = *self.place();
        self.connections.open().remove(owner, order);
    }
}

/// The addresses that count as one: for IPv6 a network of 64 bits.
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

    fn address(last: u8) -> ConnectionOwner {
        ConnectionOwner::Address(IpAddr::from([127, 0, 0, last]))
    }

    fn is_closed(client: &ClientConnection) -> bool {
        client.close.notified().now_or_never().is_some()
    }

    #[test]
    fn an_address_with_too_many_connections_loses_its_oldest_and_gets_the_new_one() {
        let clients = ClientConnections::new(LIMITS);
        let opened: Vec<ClientConnection> = (0..5).map(|_| clients.admit(address(1)).unwrap()).collect();
        let closed: Vec<bool> = opened.iter().map(is_closed).collect();
        assert_eq!(closed, [true, false, false, false, false]);
        // Two others make six, and one more is too many: the first address has the most.
        let others: Vec<ClientConnection> =
            (2..5).map(|last| clients.admit(address(last)).unwrap()).collect();
        assert!(is_closed(&opened[1]) && !others.iter().any(is_closed));
        drop((opened, others));
        let open = clients.open();
        assert_eq!((open.all, open.unproven), (0, 0));
        assert!(open.by_owner.is_empty());
    }

    #[test]
    fn a_connection_that_showed_a_key_outlives_a_flood_from_the_same_address() {
        let clients = ClientConnections::new(LIMITS);
        let victim = clients.admit(address(1)).unwrap();
        victim.set_owner(ConnectionOwner::Operator);
        let opened: Vec<ClientConnection> = (0..20).map(|_| clients.admit(address(1)).unwrap()).collect();
        assert!(!is_closed(&victim));
        assert_eq!(opened.iter().filter(|client| !is_closed(client)).count(), 4);
    }

    #[test]
    fn a_connection_without_a_request_outlives_those_that_sent_one() {
        let clients = ClientConnections::new(LIMITS);
        let new = clients.admit(address(1)).unwrap();
        let flood = |_| {
            let client = clients.admit(address(1)).unwrap();
            client.mark_requested();
            client
        };
        let flood: Vec<ClientConnection> = (0..20).map(flood).collect();
        assert!(!is_closed(&new));
        assert_eq!(flood.iter().filter(|client| !is_closed(client)).count(), 3);
    }

    #[test]
    fn at_the_limit_of_all_connections_the_owner_with_the_most_loses_one() {
        let clients = ClientConnections::new(LIMITS);
        let admit = |owner| {
            let client = clients.admit(address(9)).unwrap();
            client.set_owner(owner);
            client
        };
        let many: Vec<ClientConnection> = (0..8).map(|_| admit(ConnectionOwner::Operator)).collect();
        let proxied: Vec<ClientConnection> =
            (0..2).map(|_| clients.admit(ConnectionOwner::Proxy).unwrap()).collect();
        let new = clients.admit(address(1)).unwrap();
        assert!(is_closed(&many[0]) && !is_closed(&new) && !proxied.iter().any(is_closed));
        drop(many);
        drop(new);
        let proxied: Vec<ClientConnection> =
            (0..8).map(|_| clients.admit(ConnectionOwner::Proxy).unwrap()).chain(proxied).collect();
        assert_eq!(proxied.len(), 10);
        assert!(clients.admit(address(1)).is_none(), "nothing may be closed");
    }

    #[test]
    fn requests_through_a_proxy_are_counted_by_the_address_that_it_names() {
        let clients = ClientConnections::new(LIMITS);
        let proxy = clients.admit(ConnectionOwner::Proxy).unwrap();
        let from = |last| proxy.unproven_request(IpAddr::from([192, 0, 2, last]));
        let mut counted: Vec<_> = (0..4).map(|_| from(1).unwrap()).collect();
        assert!(from(1).is_none() && from(2).is_some());
        counted.pop();
        assert!(from(1).is_some());
        drop(counted);
        assert!(clients.requests().is_empty());
    }

    #[test]
    fn limits_leave_a_quarter_of_the_files_to_everything_else() {
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
