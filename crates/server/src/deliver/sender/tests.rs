//! What an answer asks for, and names that mean something else at every look, with real sockets.

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

use super::{super::connect::Resolved, *};

#[test]
fn how_long_an_answer_asks_to_be_left_alone() {
    let wait = |text: &str| wait_ms(&HeaderValue::from_str(text).unwrap(), 1_445_412_470_000);
    assert_eq!(wait("120"), Some(120_000));
    assert_eq!(wait("Wed, 21 Oct 2015 07:28:00 GMT"), Some(10_000));
    assert_eq!(wait("Wed, 21 Oct 2015 07:27:00 GMT"), Some(0));
    assert_eq!(wait("soon"), None);
    assert_eq!(wait("-1"), None);
}

/// Nobody may be sent here.
const PRIVATE: Ipv4Addr = Ipv4Addr::LOCALHOST;

/// Here one may: it stands for the public internet, which no test can listen in.
const PERMITTED: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// Counts who connects, and answers 200 to each.
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

/// A resolver that has one answer for each look.
fn answering(looks: &[&[Ipv4Addr]]) -> (Resolver, Arc<AtomicUsize>) {
    let answers: Vec<Vec<Ipv4Addr>> = looks.iter().rev().map(|look| look.to_vec()).collect();
    let (answers, count) = (Mutex::new(answers), Arc::new(AtomicUsize::new(0)));
    let asked = count.clone();
    let resolver = move |host: String, port: u16| -> Resolved {
        assert_eq!(host, "calls.example");
        asked.fetch_add(1, SeqCst);
        let addresses = answers.lock().unwrap().pop().expect("one look for each attempt");
        Box::pin(async move {
            Ok(addresses.into_iter().map(|address| SocketAddr::from((address, port))).collect())
        })
    };
    (Arc::new(resolver), count)
}

#[tokio::test]
async fn a_name_that_leads_elsewhere_at_the_next_look_never_leads_into_this_network() {
    let (inside, reached_inside) = receiver((PRIVATE, 0).into()).await;
    let port = inside.port();
    let judge =
        Judge { allow_all: false, allowed: vec![ipnet::IpNet::from(std::net::IpAddr::from(PERMITTED))] };
    let (resolver, looks) = answering(&[&[PERMITTED], &[PRIVATE], &[PRIVATE, PERMITTED], &[PERMITTED]]);
    let sender = Sender::new(judge, resolver);
    let post = || {
        let url = format!("http://calls.example:{port}/").parse().unwrap();
        sender.post(Post { url, headers: HeaderMap::new(), body: Bytes::from_static(b"{}") }, 0)
    };
    // Where it may go nobody listens yet. Whoever looked a second time to connect would be told of the receiver inside.
    let problem = post().await.problem.unwrap();
    assert!(problem.starts_with(&format!("no connection to 127.0.0.2:{port}: ")), "{problem}");
    assert_eq!(looks.load(SeqCst), 1, "what was judged is what is connected to");
    let problem = post().await.problem.unwrap();
    assert_eq!(problem, "calls.example leads to 127.0.0.1, which is loopback and may not be connected to");
    // Of several addresses only those count that may be connected to.
    let problem = post().await.problem.unwrap();
    assert!(problem.starts_with(&format!("no connection to 127.0.0.2:{port}: ")), "{problem}");
    let (_, reached) = receiver((PERMITTED, port).into()).await;
    assert_eq!(post().await.status, Some(200));
    assert_eq!((looks.load(SeqCst), reached.load(SeqCst)), (4, 1));
    assert_eq!(reached_inside.load(SeqCst), 0);
}
