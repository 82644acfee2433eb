//! How the service is to run: from a file, the environment and the command line, in that order of weight.

use std::{net::SocketAddr, path::PathBuf};

use anyhow::Context;
use confique::Config as _;
use wholecall_ringcentral::Proxies;

use crate::cli::ServeArgs;

/// The configuration of `wholecall serve`.
#[derive(Debug, confique::Config)]
#[config(layer_attr(serde(deny_unknown_fields)))]
pub(crate) struct Config {
    /// Where to listen.
    #[config(env = "WHOLECALL_LISTEN", default = "127.0.0.1:8080")]
    pub(crate) listen: SocketAddr,

    /// The folder of the data, made if it is not there.
    #[config(env = "WHOLECALL_DATA", default = "./wholecall-data")]
    pub(crate) data: PathBuf,

    /// Under which address others reach the hooks, for instance `https://calls.example.com`.
    #[config(env = "WHOLECALL_PUBLIC_URL")]
    pub(crate) public_url: Option<String>,

    /// A certificate chain (PEM) to serve TLS with; behind a proxy that does so, leave it out.
    #[config(env = "WHOLECALL_TLS_CERTIFICATE")]
    pub(crate) tls_certificate: Option<PathBuf>,

    /// The certificate's private key (PEM).
    #[config(env = "WHOLECALL_TLS_KEY")]
    pub(crate) tls_key: Option<PathBuf>,

    /// A file with the key for operators, who may see and add tenants over HTTP.
    #[config(env = "WHOLECALL_ADMIN_KEY_FILE")]
    pub(crate) admin_key_file: Option<PathBuf>,

    /// Let webhooks go to any address, also of this machine and its network: for development.
    #[config(env = "WHOLECALL_ALLOW_PRIVATE_WEBHOOKS", default = false)]
    pub(crate) allow_private_webhooks: bool,

    /// Networks that webhooks may go to though they are not public, for instance `["10.1.0.0/16"]`.
    #[config(env = "WHOLECALL_WEBHOOK_NETWORKS", default = [], parse_env = confique::env::parse::list_by_comma)]
    pub(crate) webhook_networks: Vec<String>,

    /// The proxy for `https://` addresses of RingCentral and of webhooks, `http://[user:password@]host:port`. It has to
    /// allow CONNECT, and should refuse what is internal. `HTTPS_PROXY` of the environment is not followed.
    #[config(env = "WHOLECALL_HTTPS_PROXY")]
    pub(crate) https_proxy: Option<String>,

    /// The same for `http://` addresses.
    #[config(env = "WHOLECALL_HTTP_PROXY")]
    pub(crate) http_proxy: Option<String>,

    /// Hosts that are connected to without a proxy: names (with all below them), addresses, networks, or `*`.
    #[config(env = "WHOLECALL_NO_PROXY", default = [], parse_env = confique::env::parse::list_by_comma)]
    pub(crate) no_proxy: Vec<String>,

    /// Proxies before this service, which name the client's address in `X-Forwarded-For`: `["127.0.0.1", "10.1.0.0/16"]`.
    #[config(env = "WHOLECALL_TRUSTED_PROXIES", default = [], parse_env = confique::env::parse::list_by_comma)]
    pub(crate) trusted_proxies: Vec<String>,

    /// What to log: "info", "debug", or by part, as in "info,wholecall_server=debug".
    #[config(env = "WHOLECALL_LOG", default = "info")]
    pub(crate) log: String,

    /// How to log: "text" or "json".
    #[config(env = "WHOLECALL_LOG_FORMAT", default = "text")]
    pub(crate) log_format: LogFormat,
}

/// How to log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
}

impl Config {
    /// The configuration in force.
    pub(crate) fn load(arguments: &ServeArgs) -> anyhow::Result<Self> {
        let mut builder = Self::builder().env();
        if let Some(file) = &arguments.config {
            anyhow::ensure!(file.exists(), "{}: there is no such file", file.display());
            builder = builder.file(file);
        }
        let mut config = builder.load().context("the configuration cannot be read")?;
        config.allow_private_webhooks |= arguments.allow_private_webhooks;
        config.listen = arguments.listen.unwrap_or(config.listen);
        if let Some(data) = &arguments.data {
            config.data.clone_from(data);
        }
        Ok(config)
    }

    /// What goes out through which proxy.
    pub(crate) fn proxies(&self) -> anyhow::Result<Proxies> {
        let proxies = Proxies::new(self.https_proxy.as_deref(), self.http_proxy.as_deref(), &self.no_proxy);
        proxies.map_err(anyhow::Error::msg)
    }

    /// As a configuration file.
    pub(crate) fn to_toml(&self) -> String {
        let mut text = String::new();
        let mut line = |name: &str, value: Option<String>| match value {
            // What TOML and Rust write between quotes is the same for paths and addresses.
            Some(value) => text.push_str(&format!("{name} = {value:?}\n")),
            None => text.push_str(&format!("# {name} is not set\n")),
        };
        let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
        line("listen", Some(self.listen.to_string()));
        line("data", Some(self.data.display().to_string()));
        line("public_url", self.public_url.clone());
        line("tls_certificate", path(&self.tls_certificate));
        line("tls_key", path(&self.tls_key));
        line("admin_key_file", path(&self.admin_key_file));
        text.push_str(&format!("allow_private_webhooks = {}\n", self.allow_private_webhooks));
        text.push_str(&format!("webhook_networks = {:?}\n", self.webhook_networks));
        for (name, proxy) in [("https_proxy", &self.https_proxy), ("http_proxy", &self.http_proxy)] {
            // It may have a password.
            let shown = if proxy.is_some() { "is set" } else { "is not set" };
            text.push_str(&format!("# {name} {shown}\n"));
        }
        text.push_str(&format!("no_proxy = {:?}\n", self.no_proxy));
        text.push_str(&format!("trusted_proxies = {:?}\n", self.trusted_proxies));
        let mut line = |name: &str, value: String| text.push_str(&format!("{name} = {value:?}\n"));
        line("log", self.log.clone());
        let format = if self.log_format == LogFormat::Json { "json" } else { "text" };
        line("log_format", format.to_owned());
        text
    }
}
