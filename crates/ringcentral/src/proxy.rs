//! Proxies for outgoing connections. Each connection is a tunnel (CONNECT), so that a proxy sees host names
//! and no contents.

use std::{fmt, io, time::Duration};

use base64::{Engine, prelude::BASE64_STANDARD};
use hyper::Uri;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// Timeout of connecting to a proxy and of its answer.
const TUNNEL_TIMEOUT: Duration = Duration::from_secs(10);

/// Maximum size of the head of a proxy's answer.
const MAX_HEAD_BYTES: usize = 16 * 1_024;

/// The proxy of each scheme, and the hosts that are connected to directly. By default there is no proxy,
/// whatever the environment says.
#[derive(Debug, Clone, Default)]
pub struct Proxies {
    https: Option<Proxy>,
    http: Option<Proxy>,
    direct: Vec<Direct>,
}

impl Proxies {
    /// Proxies for `https://` and `http://` addresses, each as `http://[user:password@]host[:port]`. `direct`
    /// lists hosts without a proxy: `example.com` for the name and its subdomains, an address, a network such
    /// as `10.0.0.0/8`, or `*`.
    pub fn new(https: Option<&str>, http: Option<&str>, direct: &[String]) -> Result<Self, String> {
        Ok(Self {
            https: https.map(Proxy::parse).transpose()?,
            http: http.map(Proxy::parse).transpose()?,
            direct: direct.iter().map(|text| Direct::parse(text)).collect::<Result<_, _>>()?,
        })
    }

    /// The proxy for a host; `None` if it is connected to directly.
    pub fn proxy_for(&self, is_tls: bool, host: &str) -> Option<&Proxy> {
        let proxy = if is_tls { &self.https } else { &self.http };
        proxy.as_ref().filter(|_| !self.direct.iter().any(|direct| direct.is_for(host)))
    }
}

/// Hosts that are connected to directly.
#[derive(Debug, Clone)]
enum Direct {
    All,
    Network(ipnet::IpNet),
    Name(String),
}

impl Direct {
    fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let network = text.parse().or_else(|_| text.parse::<std::net::IpAddr>().map(Into::into));
        match (text, network) {
            ("*", _) => Ok(Self::All),
            (_, Ok(network)) => Ok(Self::Network(network)),
            (name, Err(_)) => {
                let name = name.trim_start_matches("*.").trim_matches('.').to_ascii_lowercase();
                let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
                match !name.is_empty() && name.bytes().all(is_name) {
                    true => Ok(Self::Name(name)),
                    false => Err(format!("no_proxy: {text:?} is not a host name, address or network")),
                }
            }
        }
    }

    fn is_for(&self, host: &str) -> bool {
        let host = host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.');
        match self {
            Self::All => true,
            Self::Network(network) => {
                host.parse().is_ok_and(|address: std::net::IpAddr| network.contains(&address))
            }
            Self::Name(name) => {
                let host = host.to_ascii_lowercase();
                let before = host.strip_suffix(name.as_str());
                before.is_some_and(|before| before.is_empty() || before.ends_with('.'))
            }
        }
    }
}

/// A proxy. `Debug` does not show its password.
#[derive(Clone)]
pub struct Proxy {
    host: String,
    port: u16,
    authorization: Option<String>,
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl Proxy {
    fn parse(text: &str) -> Result<Self, String> {
        // The error does not quote the text, which may contain a password.
        let malformed = || "a proxy is written http://host:port or http://user:password@host:port".to_owned();
        let uri: Uri = text.trim().parse().map_err(|_| malformed())?;
        let is_plain =
            uri.scheme_str() == Some("http") && matches!(uri.path(), "" | "/") && uri.query().is_none();
        let authority = uri.authority().filter(|_| is_plain).ok_or_else(malformed)?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        if host.is_empty() {
            return Err(malformed());
        }
        let user = authority.as_str().rsplit_once('@').map(|(user, _)| user);
        let authorization = user.map(|user| BASE64_STANDARD.encode(percent_decoded(user)));
        Ok(Self { host, port: authority.port_u16().unwrap_or(80), authorization })
    }

    /// Connects to a host and port through the proxy.
    pub async fn connect(&self, host: &str, port: u16) -> io::Result<TcpStream> {
        let timed_out =
            |_| io::Error::new(io::ErrorKind::TimedOut, format!("no answer from the proxy {self:?}"));
        timeout(TUNNEL_TIMEOUT, self.tunnel(host, port)).await.map_err(timed_out)?
    }

    async fn tunnel(&self, host: &str, port: u16) -> io::Result<TcpStream> {
        let unreachable = |error| io::Error::other(format!("the proxy {self:?} cannot be reached: {error}"));
        let mut stream = TcpStream::connect((self.host.as_str(), self.port)).await.map_err(unreachable)?;
        stream.set_nodelay(true)?;
        let target = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
        let mut request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n");
        if let Some(authorization) = &self.authorization {
            request.push_str(&format!("Proxy-Authorization: Basic {authorization}\r\n"));
        }
        request.push_str("\r\n");
        stream.write_all(request.as_bytes()).await?;
        let head = read_head(&mut stream).await?;
        let line = head.lines().next().unwrap_or_default();
        let status = line.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..5)).unwrap_or_default();
        match status.starts_with('2') {
            true => Ok(stream),
            false => {
                Err(io::Error::other(format!("the proxy {self:?} answers {line:?} to CONNECT {target}")))
            }
        }
    }
}

/// Reads up to and including the empty line, and nothing beyond it.
async fn read_head(stream: &mut TcpStream) -> io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() == MAX_HEAD_BYTES {
            return Err(io::Error::other("the head of the proxy's answer is too large"));
        }
        head.push(stream.read_u8().await?);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

fn percent_decoded(text: &str) -> Vec<u8> {
    let (bytes, mut decoded, mut at) = (text.as_bytes(), Vec::new(), 0);
    while at < bytes.len() {
        let digits = text.get(at + 1..at + 3).filter(|_| bytes[at] == b'%');
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                decoded.push(byte);
                at += 3;
            }
            None => {
                decoded.push(bytes[at]);
                at += 1;
            }
        }
    }
    decoded
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[test]
    fn hosts_are_connected_to_through_the_proxy_of_their_scheme_or_directly() {
        let direct = ["example.com", "*.internal", "10.0.0.0/8", "192.0.2.7"].map(str::to_owned);
        let proxies = Proxies::new(Some("http://p:3128"), None, &direct).unwrap();
        for host in
            ["platform.ringcentral.com", "notexample.com", "11.0.0.1", "192.0.2.8", "example.com.evil"]
        {
            assert!(
                proxies.proxy_for(true, host).is_some() && proxies.proxy_for(false, host).is_none(),
                "{host}"
            );
        }
        for host in ["example.com", "A.Example.com", "x.internal", "10.1.2.3", "192.0.2.7", "example.com."] {
            assert!(proxies.proxy_for(true, host).is_none(), "{host}");
        }
        let none = Proxies::new(Some("http://p:3128"), Some("http://p"), &["*".to_owned()]).unwrap();
        assert!(
            none.proxy_for(true, "calls.example").is_none()
                && none.proxy_for(false, "calls.example").is_none()
        );
        assert!(Proxies::default().proxy_for(true, "calls.example").is_none());
    }

    #[test]
    fn a_malformed_proxy_is_refused_and_passwords_are_not_shown() {
        for bad in ["p:3128", "https://p", "socks5://p:1080", "http://", "http://p/path", "http://p?x"] {
            assert!(Proxies::new(Some(bad), None, &[]).is_err(), "{bad}");
        }
        assert!(Proxies::new(None, None, &["a b".to_owned()]).is_err());
        let proxies = Proxies::new(Some("http://me:s%40fe@p:3128/"), None, &[]).unwrap();
        assert!(!format!("{proxies:?}").contains("fe"));
        let proxy = proxies.proxy_for(true, "x").unwrap();
        assert_eq!(proxy.authorization.as_deref(), Some(BASE64_STANDARD.encode("me:s@fe").as_str()));
    }

    /// Answers one CONNECT; the task returns the head of the request.
    async fn one_connect(answer: &'static str) -> (String, tokio::task::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://u:p@{}", listener.local_addr().unwrap());
        let task = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let head = read_head(&mut stream).await.unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
            head
        });
        (address, task)
    }

    #[tokio::test]
    async fn a_tunnel_starts_after_the_answer_of_the_proxy() {
        let (address, task) = one_connect("HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\nhello").await;
        let proxies = Proxies::new(Some(&address), None, &[]).unwrap();
        let mut stream = proxies.proxy_for(true, "x").unwrap().connect("2001:db8::1", 443).await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "hello");
        let head = task.await.unwrap();
        assert!(
            head.starts_with("CONNECT [2001:db8::1]:443 HTTP/1.1\r\nHost: [2001:db8::1]:443\r\n"),
            "{head}"
        );
        assert!(head.contains("Proxy-Authorization: Basic dTpw\r\n"), "{head}");
        let (address, _task) = one_connect("HTTP/1.1 403 Forbidden\r\n\r\n").await;
        let proxies = Proxies::new(Some(&address), None, &[]).unwrap();
        let error = proxies
            .proxy_for(true, "x")
            .unwrap()
            .connect("calls.example", 443)
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains("403 Forbidden") && error.contains("calls.example:443"), "{error}");
    }
}
