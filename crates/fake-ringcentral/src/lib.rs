//! A RingCentral to develop against.

mod webhook;

pub use webhook::{BadWebhook, Refusal, Webhook};
