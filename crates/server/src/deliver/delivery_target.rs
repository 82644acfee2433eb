//! An endpoint with its secrets decrypted: the address, headers and signatures of its requests, and the events that it
//! receives.

use std::collections::BTreeMap;

use hyper::{
    HeaderMap, Uri,
    body::Bytes,
    header::{self, HeaderName, HeaderValue},
};
use serde::{Deserialize, Serialize};
use wholecall_record::{
    Call,
    call::{self, Direction, EndState},
};
use wholecall_store::{Endpoint, EndpointFilter, Filter, Outgoing, Store, StoreError};

use super::{
    message,
    sender::Post,
    sign::{EndpointSecret, Signer},
};
use crate::{
    detail::Detail,
    event::EventWriter,
    privacy::pseudonym::PseudonymKey,
    security::{SealError, SecretKey},
    tenants::Tenants,
};

const USER_AGENT: &str = concat!("Wholecall/", env!("CARGO_PKG_VERSION"));

/// The settings of an endpoint that are stored encrypted.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct SecretSettings {
    /// Signing secrets, newest first.
    pub(crate) secrets: Vec<EndpointSecret>,
    /// Headers that are sent with each request.
    pub(crate) headers: BTreeMap<String, String>,
}

impl SecretSettings {
    pub(crate) fn open(key: &SecretKey, endpoint: &Endpoint) -> Result<Self, SealError> {
        let text = key.open(&endpoint.id, &endpoint.sealed)?;
        serde_json::from_slice(&text).map_err(|_| SealError::OtherKey)
    }

    pub(crate) fn seal(&self, key: &SecretKey, id: &str) -> Result<Vec<u8>, SealError> {
        let text = serde_json::to_vec(self).map_err(|_| SealError::OtherKey)?;
        key.seal(id, &text)
    }
}

/// Parses an endpoint's address. The error is for the tenant.
pub(crate) fn parse_url(text: &str) -> Result<Uri, String> {
    let url: Uri = text.parse().map_err(|error| format!("url: {text:?} cannot be read: {error}"))?;
    let is_http = matches!(url.scheme_str(), Some("http" | "https"));
    let has_user = url.authority().is_some_and(|authority| authority.as_str().contains('@'));
    if !is_http || url.host().is_none_or(str::is_empty) {
        return Err(format!("url: {text:?} does not start with http:// or https:// and a host"));
    }
    if has_user {
        return Err("url: put a user name and password into a header".to_owned());
    }
    // `port_u16` is `None` both without a port and with an invalid one.
    let after_host = url.authority().zip(url.host()).and_then(|(all, host)| all.as_str().strip_prefix(host));
    if after_host.is_some_and(|port| !port.is_empty()) && url.port_u16().is_none_or(|port| port == 0) {
        return Err(format!("url: the port of {text:?} is not from 1 to 65535"));
    }
    Ok(url)
}

/// Whether a header is set by the service or belongs to the connection, so that a tenant may not set it.
pub(crate) fn is_reserved_header(name: &HeaderName) -> bool {
    let reserved = [
        header::HOST,
        header::CONTENT_LENGTH,
        header::CONTENT_TYPE,
        header::CONTENT_ENCODING,
        header::TRANSFER_ENCODING,
        header::TE,
        header::TRAILER,
        header::CONNECTION,
        header::UPGRADE,
        header::EXPECT,
        header::USER_AGENT,
    ];
    let name_text = name.as_str();
    reserved.contains(name)
        || name_text.starts_with("webhook-")
        || name_text.starts_with("proxy-")
        || matches!(name_text, "keep-alive" | "http2-settings")
}

/// Parses an endpoint's filter; `None` if it has no conditions. The error is for the tenant.
pub(crate) fn parse_filter(filter: &EndpointFilter) -> Result<Option<Filter>, String> {
    fn word<T>(
        name: &str,
        text: &Option<String>,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, String> {
        let Some(text) = text else { return Ok(None) };
        read(text).map(Some).ok_or_else(|| format!("filter.{name}: {text:?} is not a known value"))
    }
    if *filter == EndpointFilter::default() {
        return Ok(None);
    }
    if filter.number.as_ref().is_some_and(|number| !number.contains(|c: char| c.is_ascii_digit())) {
        return Err("filter.number: it contains no digit".to_owned());
    }
    Ok(Some(Filter {
        direction: word("direction", &filter.direction, Direction::from_word)?,
        result: word("result", &filter.result, call::Outcome::from_word)?,
        extension: filter.extension.clone(),
        queue: filter.queue.clone(),
        number: filter.number.clone(),
        customer: filter.customer.clone(),
        answered_by: filter.answered_by.clone(),
        user: filter.user.clone(),
        end_state: word("endState", &filter.end_state, EndState::from_word)?,
        ..Filter::default()
    }))
}

/// An endpoint that events can be sent to.
pub(crate) struct DeliveryTarget {
    pub(crate) endpoint: Endpoint,
    url: Uri,
    headers: HeaderMap,
    signer: Signer,
    filter: Option<Filter>,
    /// `None` if records are not redacted.
    redact: Option<PseudonymKey>,
    writer: EventWriter,
}

impl DeliveryTarget {
    pub(crate) fn open(
        store: &Store,
        tenants: &Tenants,
        key: &SecretKey,
        public_url: Option<&str>,
        endpoint: Endpoint,
    ) -> Result<Self, String> {
        let tenant = tenants.with_new_id(endpoint.tenant).map_err(|error| error.to_string())?;
        let tenant = tenant.ok_or("its tenant was removed")?;
        let sealed = SecretSettings::open(key, &endpoint).map_err(|error| error.to_string())?;
        let mut headers = base_headers();
        for (name, value) in &sealed.headers {
            let name = HeaderName::try_from(name.as_str()).map_err(|error| error.to_string())?;
            headers.insert(name, HeaderValue::try_from(value.as_str()).map_err(|error| error.to_string())?);
        }
        let redact = match endpoint.settings.redact {
            true => Some(key.pseudonym_key(&store.of(endpoint.tenant)).map_err(|error| error.to_string())?),
            false => None,
        };
        Ok(Self {
            url: parse_url(&endpoint.settings.url)?,
            headers,
            signer: Signer::new(&sealed.secrets),
            filter: parse_filter(&endpoint.settings.filter)?,
            redact,
            writer: EventWriter::new(store.of(endpoint.tenant), &tenant.name).at(public_url),
            endpoint,
        })
    }

    /// The host whose clock is compared with ours by the `Date` of its answers.
    pub(crate) fn host(&self) -> &str {
        self.url.host().unwrap_or_default()
    }

    /// Whether an event is sent to this endpoint: its call passes the filter, or passed it in a version that was delivered,
    /// or events of its type are sent to every endpoint. Blocks.
    pub(crate) fn should_receive(&self, store: &Store, event: &Outgoing) -> Result<bool, StoreError> {
        let Some(filter) = &self.filter else { return Ok(true) };
        let passes = || {
            let call: Result<Call, _> = serde_json::from_str(&event.data);
            event.version > 0 && call.is_ok_and(|call| filter.matches(&call))
        };
        Ok(event.goes_to_every_endpoint()
            || passes()
            || store.was_delivered_before(self.endpoint.number, event)?)
    }

    /// Writes events in the detail that the endpoint is configured for. If they exceed its maximum size together, the
    /// longest ones are written in less detail, until they fit or cannot be reduced further.
    fn write(&self, events: &[Outgoing]) -> Result<Vec<String>, serde_json::Error> {
        let settings = &self.endpoint.settings;
        let write =
            |event: &Outgoing, detail| self.writer.write_in(event.try_into()?, self.redact.as_ref(), detail);
        let mut details = vec![Detail::from(settings.payload); events.len()];
        let written = events.iter().map(|event| write(event, settings.payload.into()));
        let mut written = written.collect::<Result<Vec<_>, _>>()?;
        let overhead = if settings.batch.is_some() { message::BATCH_OVERHEAD_BYTES } else { 0 };
        let bytes = |written: &[String]| overhead + written.iter().map(|text| text.len() + 1).sum::<usize>();
        while settings.max_bytes.is_some_and(|max_bytes| bytes(&written) > max_bytes as usize) {
            let longest = (0..events.len())
                .filter_map(|index| Some((written[index].len(), index, details[index].reduced()?)))
                .max_by_key(|(length, index, _)| (*length, *index));
            let Some((_, index, reduced)) = longest else { break };
            (written[index], details[index]) = (write(&events[index], reduced)?, reduced);
        }
        Ok(written)
    }

    /// The request that delivers events.
    pub(crate) fn request(&self, events: &[Outgoing], now_ms: i64) -> Result<Post, serde_json::Error> {
        let ids: Vec<String> = events.iter().map(|event| self.writer.id(event.id)).collect();
        let mut written = self.write(events)?;
        let body = match (self.endpoint.settings.batch, written.len()) {
            (None, 1) => written.remove(0),
            _ => message::batch(&written, wholecall_record::Time::from_millis(now_ms)),
        };
        Ok(signed(&self.signer, self.url.clone(), self.headers.clone(), &message::id(&ids), body, now_ms))
    }
}

/// The headers of every request.
pub(crate) fn base_headers() -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
    headers
}

/// A request with its id, its time and its signatures.
pub(crate) fn signed(
    signer: &Signer,
    url: Uri,
    mut headers: HeaderMap,
    id: &str,
    body: String,
    now_ms: i64,
) -> Post {
    let seconds = now_ms.div_euclid(1_000);
    let signature = signer.sign(id, seconds, body.as_bytes(), now_ms);
    let message_headers = [
        ("webhook-id", id.to_owned()),
        ("webhook-timestamp", seconds.to_string()),
        ("webhook-signature", signature),
    ];
    for (name, value) in message_headers {
        // Ids, numbers and base64 are always valid header values.
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    Post { url, headers, body: Bytes::from(body) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_http_addresses_without_credentials_are_accepted() {
        for good in ["https://example.com/calls?x=1", "http://127.0.0.1:8000", "https://[2606:4700::1111]/"] {
            assert!(parse_url(good).is_ok(), "{good}");
        }
        let bad = [
            "ftp://example.com",
            "file:///etc/passwd",
            "example.com",
            "/x",
            "https://",
            "https://me:pw@example.com/",
            "https://example.com:99999/",
            "https://example.com:0/",
            "https://example.com:port/",
            "https://example.com:",
            "https://exa mple.com/",
            "https://[::1/",
        ];
        for bad in bad {
            assert!(parse_url(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn headers_that_frame_the_request_are_reserved() {
        for reserved in [
            "Host",
            "Content-Length",
            "Transfer-Encoding",
            "Connection",
            "webhook-signature",
            "Proxy-Authorization",
        ] {
            assert!(is_reserved_header(&reserved.parse().unwrap()), "{reserved}");
        }
        assert!(
            !is_reserved_header(&"Authorization".parse().unwrap())
                && !is_reserved_header(&"X-Team".parse().unwrap())
        );
    }
}
