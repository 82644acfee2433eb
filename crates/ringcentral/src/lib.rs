//! A client of RingCentral's API: logins, rate limits, subscriptions, the WebSocket gateway, sessions and
//! logs.
//!
//! A [`Client`] is one user of one app. It never waits for the rate limits: a request that they do not allow
//! now returns [`Error::RateLimited`], and the caller decides what to do meanwhile. The crate has no notion of
//! calls, and takes the time from its [`Clock`].
//!
//! Sources: RingCentral's developer guide and its OpenAPI specification.

mod backoff;
mod budget;
mod calls;
mod client;
mod directory;
mod error;
mod forwarding;
mod http;
mod id;
mod proxy;
mod socket;
mod subscription;
mod token;

pub use backoff::Backoff;
pub use budget::Group;
pub use calls::{CallLogRecord, Finality, Session, session_path};
pub use client::{Client, Clock, ClockObserver, Credentials};
pub use directory::{
    Device, Directory, DirectoryReading, Extension, Forwarding, MissingPart, PhoneNumber, Queue,
};
pub use error::{Error, Refusal, Result};
pub use forwarding::{ForwardingNumbers, ForwardingReading};
pub use http::Http;
pub use id::is_requestable;
pub use proxy::{Proxies, Proxy};
pub use socket::{Recovery, Socket};
pub use subscription::{
    DisabledFilter, Subscription, SubscriptionHealth, Transport, WEBHOOK_LIFETIME_S, assess, renew_at_ms,
};
