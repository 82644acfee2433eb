//! The configuration of the service: a file, overridden by the environment, overridden by the command line.

use std::{net::SocketAddr, path::PathBuf};

use anyhow::Context;
use confique::Config as _;
use wholecall_ringcentral::Proxies;

use crate::cli::ServeArgs;

/// The configuration of `wholecall serve`.
#[derive(Debug, confique::Config)]
#[config(layer_attr(serde(deny_unknown_fields)))]
pub(crate) struct Config {
    /// The address to listen at.
    #[config(env = "WHOLECALL_LISTEN", default = "127.0.0.1:8080")]
    pub(crate) listen: SocketAddr,

    /// The data folder, created if missing.
    #[config(env = "WHOLECALL_DATA", default = "./wholecall-data")]
    pub(crate) data: PathBuf,

    /// The public address of the service, for instance `https://calls.example.com`.
    #[config(env = "WHOLECALL_PUBLIC_URL")]
    pub(crate) public_url: Option<String>,

    /// A certificate chain (PEM) for TLS; omit it behind a proxy that terminates TLS.
    #[config(env = "WHOLECALL_TLS_CERTIFICATE")]
    pub(crate) tls_certificate: Option<PathBuf>,

    /// The certificate's private key (PEM).
    #[config(env = "WHOLECALL_TLS_KEY")]
    pub(crate) tls_key: Option<PathBuf>,

    /// A file with the operator's key, which permits managing tenants over HTTP.
    #[config(env = "WHOLECALL_ADMIN_KEY_FILE")]
    pub(crate) admin_key_file: Option<PathBuf>,

    /// Allow webhooks to any address, including this machine and its network: for development.
    #[config(env = "WHOLECALL_ALLOW_PRIVATE_WEBHOOKS", default = false)]
    pub(crate) allow_private_webhooks: bool,

    /// Private networks that webhooks may be sent to, for instance `["10.1.0.0/16"]`.
    #[config(env = "WHOLECALL_WEBHOOK_NETWORKS", default = [], parse_env = confique::env::parse::list_by_comma)]
    pub(crate) webhook_networks: Vec<String>,

    /// The proxy for `https://` addresses of RingCentral and of webhooks, `http://[user:password@]host:port`. It must allow
    /// CONNECT, and should refuse internal addresses. The environment's `HTTPS_PROXY` is ignored.
    #[config(env = "WHOLECALL_HTTPS_PROXY")]
    pub(crate) https_proxy: Option<String>,

    /// The proxy for `http://` addresses.
    #[config(env = "WHOLECALL_HTTP_PROXY")]
    pub(crate) http_proxy: Option<String>,

    /// Hosts that are reached without a proxy: names (with their subdomains), addresses, networks, or `*`.
    #[config(env = "WHOLECALL_NO_PROXY", default = [], parse_env = confique::env::parse::list_by_comma)]
    pub(crate) no_proxy: Vec<String>,

    /// Proxies in front of this service whose `X-Forwarded-For` is trusted: `["127.0.0.1", "10.1.0.0/16"]`.
    #[config(env = "WHOLECALL_TRUSTED_PROXIES", default = [], parse_env = confique::env::parse::list_by_comma)]
    pub(crate) trusted_proxies: Vec<String>,

    /// The log filter: "info", "debug", or by module, as in "info,wholecall_server=debug".
    #[config(env = "WHOLECALL_LOG", default = "info")]
    pub(crate) log: String,

    /// The log format: "text" or "json".
    #[config(env = "WHOLECALL_LOG_FORMAT", default = "text")]
    pub(crate) log_format: LogFormat,
}

/// The log format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
}

impl Config {
    /// Loads the effective configuration.
    pub(crate) fn load(arguments: &ServeArgs) -> anyhow::Result<Self> {
        let mut builder = Self::builder().env();
        if let Some(file) = &arguments.config {
            anyhow::ensure!(file.exists(), "{}: no such file", file.display());
            builder = builder.file(file);
        }
        let mut config = builder.load().context("cannot read the configuration")?;
        config.allow_private_webhooks |= arguments.allow_private_webhooks;
        config.listen = arguments.listen.unwrap_or(config.listen);
        if let Some(data) = &arguments.data {
            config.data.clone_from(data);
        }
        Ok(config)
    }

    /// The proxies for outgoing requests.
    pub(crate) fn proxies(&self) -> anyhow::Result<Proxies> {
        let proxies = Proxies::new(self.https_proxy.as_deref(), self.http_proxy.as_deref(), &self.no_proxy);
        proxies.map_err(anyhow::Error::msg)
    }

    /// As a configuration file.
    pub(crate) fn to_toml(&self) -> String {
        let mut text = String::new();
        let mut line = |name: &str, value: Option<String>| match value {
            // For paths and addresses, Rust's quoted form is valid TOML.
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
            // The value may contain a password.
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
