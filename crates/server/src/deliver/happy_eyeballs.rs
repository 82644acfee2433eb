//! Connects to the first address of a name that answers (Happy Eyeballs, RFC 8305).

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    net::TcpStream,
    task::JoinSet,
    time::{Instant, sleep_until, timeout},
};

/// Interval after which the next address is tried as well; after a refusal it is tried at once.
const NEXT_ADDRESS_DELAY: Duration = Duration::from_millis(250);

/// Maximum time to connect to one address.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Maximum number of addresses of a name that are tried.
const MAX_ADDRESSES: usize = 16;

/// Connects to the first address that answers. The error is that of the last address that failed.
pub(crate) async fn connect_first(addresses: Vec<SocketAddr>) -> Result<TcpStream, (SocketAddr, io::Error)> {
    let mut untried = interleaved(addresses).into_iter().take(MAX_ADDRESSES);
    let mut connecting = JoinSet::new();
    let mut next_at = Instant::now();
    let mut has_more = true;
    let mut failure = None;
    // Dropping the set ends the other attempts once one has connected.
    loop {
        tokio::select! {
            done = connecting.join_next(), if !connecting.is_empty() => match done {
                Some(Ok(Ok(stream))) => return Ok(stream),
                Some(Ok(Err(failed))) => {
                    failure = Some(failed);
                    next_at = Instant::now();
                }
                Some(Err(_)) | None => {}
            },
            () = sleep_until(next_at), if has_more => match untried.next() {
                Some(address) => {
                    connecting.spawn(connect(address));
                    next_at = Instant::now() + NEXT_ADDRESS_DELAY;
                }
                None => has_more = false,
            },
            else => break,
        }
    }
    let nothing = || (SocketAddr::from(([0, 0, 0, 0], 0)), io::Error::other("the name has no address"));
    Err(failure.unwrap_or_else(nothing))
}

async fn connect(address: SocketAddr) -> Result<TcpStream, (SocketAddr, io::Error)> {
    let late = || io::Error::new(io::ErrorKind::TimedOut, "no answer within 5 s");
    let connected = timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await;
    connected.unwrap_or_else(|_| Err(late())).map_err(|error| (address, error))
}

/// Interleaves IPv4 and IPv6 addresses, starting with the family of the first one, in case one family is unreachable.
fn interleaved(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let count = addresses.len();
    let is_first_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv6() == is_first_v6);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut all = Vec::with_capacity(count);
    while all.len() < count {
        all.extend(first.next());
        all.extend(second.next());
    }
    all
}

#[cfg(test)]
mod tests {
    use tokio::net::{TcpListener, TcpSocket};

    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn address_families_are_interleaved() {
        let of = |texts: &[&str]| texts.iter().map(|text| address(text)).collect::<Vec<_>>();
        let given = of(&["[::1]:1", "[::2]:1", "[::3]:1", "127.0.0.1:1", "127.0.0.2:1"]);
        let expected = of(&["[::1]:1", "127.0.0.1:1", "[::2]:1", "127.0.0.2:1", "[::3]:1"]);
        assert_eq!(interleaved(given), expected);
        assert!(interleaved(Vec::new()).is_empty());
    }

    /// An address that does not answer: its queue of connections to accept is full.
    async fn silent() -> (SocketAddr, Vec<TcpStream>, TcpListener) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(address("127.0.0.1:0")).unwrap();
        let listener = socket.listen(0).unwrap();
        let silent = listener.local_addr().unwrap();
        let mut held = Vec::new();
        while let Ok(Ok(stream)) = timeout(Duration::from_millis(100), TcpStream::connect(silent)).await {
            held.push(stream);
            assert!(held.len() < 100, "the address answers");
        }
        (silent, held, listener)
    }

    /// Three addresses that do not answer and one that does.
    #[tokio::test]
    async fn each_address_that_does_not_answer_costs_a_quarter_of_a_second() {
        let (silent, _held, _listener) = silent().await;
        let alive = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let alive = alive.local_addr().unwrap();
        let started = Instant::now();
        let stream = connect_first(vec![silent, silent, silent, alive]).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), alive);
        let took = started.elapsed();
        assert!((Duration::from_millis(700)..Duration::from_secs(3)).contains(&took), "{took:?}");
    }

    #[tokio::test]
    async fn an_address_that_refuses_costs_no_time_and_is_reported_if_no_other_answers() {
        let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let alive = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let started = Instant::now();
        connect_first(vec![closed, closed, closed, closed, alive.local_addr().unwrap()]).await.unwrap();
        assert!(started.elapsed() < Duration::from_millis(250) * 4);
        let (named, error) = connect_first(vec![closed]).await.unwrap_err();
        assert_eq!((named, error.kind()), (closed, io::ErrorKind::ConnectionRefused));
        assert!(connect_first(Vec::new()).await.is_err());
    }
}
