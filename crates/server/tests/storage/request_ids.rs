//! `X-Request-Id` in requests and responses.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use crate::service::Service;

/// The request id in the response to a request.
fn response_id(service: &Service, request: &str) -> String {
    let mut stream = TcpStream::connect(service.address()).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    let mut ids = response.lines().filter_map(|line| line.strip_prefix("x-request-id: "));
    let id = ids.next().unwrap_or_else(|| panic!("no id: {response}")).to_owned();
    assert_eq!(ids.next(), None);
    id
}

#[test]
fn every_response_has_the_id_of_its_request_or_a_new_one() {
    let service = Service::start();
    let requests = [
        "GET /v1/calls HTTP/1.1\r\nHost: here\r\n",
        "GET /missing HTTP/1.1\r\nHost: here\r\n",
        "GET /v1/calls HTTP/1.1\r\n",
        "POST /hooks/acme HTTP/1.1\r\nHost: here\r\nContent-Length: 0\r\nValidation-Token: abc\r\n",
        "POST /hooks/acme HTTP/1.1\r\nHost: here\r\nContent-Length: 2\r\n",
    ];
    for head in requests {
        let body = if head.contains("Content-Length: 2") { "{}" } else { "" };
        let send = |id: &str| response_id(&service, &format!("{head}{id}Connection: close\r\n\r\n{body}"));
        assert_eq!(send("X-Request-Id: trace-7.a_B\r\n"), "trace-7.a_B", "{head}");
        let (first, second) = (send(""), send("X-Request-Id: not valid\r\n"));
        assert!(first != second && first.len() == 16 && second.len() == 16, "{head}: {first} {second}");
    }
}
