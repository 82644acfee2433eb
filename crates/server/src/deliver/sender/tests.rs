//! `Retry-After`, and names that resolve differently each time, with real sockets.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::{super::connector::Resolved, *};

#[test]
fn retry_after_is_a_number_of_seconds_or_a_date() {
    let pause = |text: &str| retry_after_ms(&HeaderValue::from_str(text).unwrap(), 1_445_412_470_000);
    assert_eq!(pause("120"), Some(120_000));
    assert_eq!(pause("Wed, 21 Oct 2015 07:28:00 GMT"), Some(10_000));
    assert_eq!(pause("Wed, 21 Oct 2015 07:27:00 GMT"), Some(0));
    assert_eq!(pause("soon"), None);
    assert_eq!(pause("-1"), None);
}

/// An address that is not allowed.
const PRIVATE: Ipv4Addr = Ipv4Addr::LOCALHOST;

/// An allowed address, which stands for the public internet.
const PERMITTED: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// Counts connections, and answers 200 to each.
async fn receiver(address: SocketAddr) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind(address).await.unwrap();
    let address = listener.local_addr().unwrap();
    let count = Arc::new(AtomicUsize::new(0));
    let connected = count.clone();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            connected.fetch_add(1, SeqCst);
            let _ = stream.read(&mut [0; 4_096]).await;
            let _ =
                stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n").await;
        }
    });
    (address, count)
}

/// A resolver with one answer for each lookup, and the number of lookups.
fn answering(lookups: &[&[Ipv4Addr]]) -> (Resolver, Arc<AtomicUsize>) {
    let answers: Vec<Vec<Ipv4Addr>> = lookups.iter().rev().map(|lookup| lookup.to_vec()).collect();
    let (answers, count) = (Mutex::new(answers), Arc::new(AtomicUsize::new(0)));
    let lookup_count = count.clone();
    let resolver = move |host: String, port: u16| -> Resolved {
        assert_eq!(host, "calls.example");
        lookup_count.fetch_add(1, SeqCst);
        let addresses = answers.lock().unwrap().pop().expect("one lookup for each attempt");
        Box::pin(async move {
            Ok(addresses.into_iter().map(|address| SocketAddr::from((address, port))).collect())
        })
    };
    (Arc::new(resolver), count)
}

#[tokio::test]
async fn a_name_that_resolves_differently_later_never_leads_into_this_network() {
    let (inside, reached_inside) = receiver((PRIVATE, 0).into()).await;
    let port = inside.port();
    let policy = EgressPolicy {
        allow_all: false,
        allowed: vec![ipnet::IpNet::from(std::net::IpAddr::from(PERMITTED))],
    };
    let (resolver, lookups) = answering(&[&[PERMITTED], &[PRIVATE], &[PRIVATE, PERMITTED], &[PERMITTED]]);
    let sender = Sender::new(policy, resolver);
    let post = || {
        let url = format!("http://calls.example:{port}/").parse().unwrap();
        sender.post(Post { url, headers: HeaderMap::new(), body: Bytes::from_static(b"{}") }, 0)
    };
    // No receiver listens at the allowed address yet. A second lookup for connecting would return the private address.
    let problem = post().await.problem.unwrap();
    assert!(problem.starts_with(&format!("no connection to 127.0.0.2:{port}: ")), "{problem}");
    assert_eq!(lookups.load(SeqCst), 1, "the address that was checked is the one that is connected to");
    let problem = post().await.problem.unwrap();
    assert_eq!(problem, "no allowed address was found for calls.example");
    // Of several addresses only allowed ones are used.
    let problem = post().await.problem.unwrap();
    assert!(problem.starts_with(&format!("no connection to 127.0.0.2:{port}: ")), "{problem}");
    let (_, reached) = receiver((PERMITTED, port).into()).await;
    assert_eq!(post().await.status, Some(200));
    assert_eq!((lookups.load(SeqCst), reached.load(SeqCst)), (4, 1));
    assert_eq!(reached_inside.load(SeqCst), 0);
}

/// The error does not show whether a name exists or what it resolves to.
#[tokio::test]
async fn a_tenant_does_not_learn_which_names_this_network_has() {
    let post = |resolver: Resolver, url: &str| {
        let url = url.parse().unwrap();
        let sender = Sender::new(EgressPolicy::default(), resolver);
        async move { sender.post(Post { url, headers: HeaderMap::new(), body: Bytes::new() }, 0).await.problem }
    };
    let missing: Resolver =
        Arc::new(|_, _| Box::pin(async { Err(std::io::Error::other("no such name: calls.example")) }));
    let url = "http://calls.example:9/";
    let inside = post(answering(&[&[PRIVATE]]).0, url).await.unwrap();
    assert_eq!(inside, post(missing.clone(), url).await.unwrap());
    let literal = post(missing, "http://127.0.0.1:9/").await.unwrap();
    assert_eq!(literal, "127.0.0.1 is loopback and may not be connected to");
}

/// A proxy that answers CONNECT, and the requests that it received.
async fn proxy() -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let requests = Arc::new(Mutex::new(Vec::new()));
    let log = requests.clone();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = vec![0; 4_096];
            let length = stream.read(&mut head).await.unwrap();
            let line = String::from_utf8_lossy(&head[..length]).lines().next().unwrap_or_default().to_owned();
            let target = line.split(' ').nth(1).unwrap_or_default().rsplit_once(':').unwrap().1.to_owned();
            log.lock().unwrap().push(line);
            let mut onward = tokio::net::TcpStream::connect(format!("127.0.0.1:{target}")).await.unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
            tokio::spawn(async move { tokio::io::copy_bidirectional(&mut stream, &mut onward).await });
        }
    });
    (address, requests)
}

/// All requests go through a configured proxy, except those to addresses that are known to be disallowed.
#[tokio::test]
async fn webhooks_go_through_the_proxy() {
    let (receiver, reached) = receiver((PERMITTED, 0).into()).await;
    let (receiver_port, (address, requests)) = (receiver.port(), proxy().await);
    let onward = TcpListener::bind((PRIVATE, receiver_port)).await.unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = onward.accept().await.unwrap();
            let mut to = tokio::net::TcpStream::connect((PERMITTED, receiver_port)).await.unwrap();
            tokio::spawn(async move { tokio::io::copy_bidirectional(&mut stream, &mut to).await });
        }
    });
    let unknown: Resolver = Arc::new(|_, _| Box::pin(async { Err(std::io::Error::other("no names here")) }));
    let post = |resolver: Resolver, host: &str, direct: &[String]| {
        let proxies = Proxies::new(None, Some(&address), direct).unwrap();
        let sender = Sender::through(EgressPolicy::default(), resolver, proxies);
        let url = format!("http://{host}:{receiver_port}/").parse().unwrap();
        async move { sender.post(Post { url, headers: HeaderMap::new(), body: Bytes::new() }, 0).await }
    };
    assert_eq!(post(unknown.clone(), "calls.example", &[]).await.status, Some(200));
    assert_eq!(*requests.lock().unwrap(), [format!("CONNECT calls.example:{receiver_port} HTTP/1.1")]);
    let inside = answering(&[&[PRIVATE]]).0;
    assert!(post(inside, "calls.example", &[]).await.problem.is_some());
    assert!(post(unknown.clone(), "127.0.0.1", &[]).await.problem.is_some());
    assert!(post(unknown, "calls.example", &["calls.example".to_owned()]).await.problem.is_some());
    assert_eq!((requests.lock().unwrap().len(), reached.load(SeqCst)), (1, 1));
}
