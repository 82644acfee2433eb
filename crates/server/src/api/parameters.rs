//! What is asked: the parameters of queries and the JSON of bodies, read with errors that say what may be written.

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Query, Request},
    http::request::Parts,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use serde::{Deserialize, de::DeserializeOwned};
use wholecall_record::call::{Direction, EndState, MoveKind, Outcome, State};
use wholecall_store::Filter;

use crate::{Service, problem::Problem};

/// A query's parameters.
pub(super) struct Parameters<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequestParts<Service> for Parameters<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Service) -> Result<Self, Problem> {
        Query::try_from_uri(&parts.uri).map(|Query(value)| Self(value)).map_err(|error| {
            Problem::bad_request(format!("the parameters cannot be read: {}", error.body_text()))
        })
    }
}

/// A body of JSON, whatever its content type says.
pub(super) struct Json<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<Service> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, service: &Service) -> Result<Self, Problem> {
        let body = Bytes::from_request(request, service)
            .await
            .map_err(|error| Problem::new(error.status(), error.body_text()))?;
        let unread =
            |error: &dyn std::fmt::Display| Problem::bad_request(format!("the body cannot be read: {error}"));
        let mut reader = serde_json::Deserializer::from_slice(&body);
        let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| unread(&error))?;
        reader.end().map_err(|error| unread(&error))?;
        Ok(Self(value))
    }
}

/// Which calls.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CallQuery {
    number: Option<String>,
    extension: Option<String>,
    name: Option<String>,
    queue: Option<String>,
    #[serde(rename = "move")]
    step: Option<String>,
    direction: Option<String>,
    result: Option<String>,
    state: Option<String>,
    customer: Option<String>,
    #[serde(rename = "answeredBy")]
    answered_by: Option<String>,
    user: Option<String>,
    #[serde(rename = "endState")]
    end_state: Option<String>,
    from: Option<String>,
    to: Option<String>,
    pub(super) as_of: Option<String>,
    pub(super) limit: Option<usize>,
    pub(super) cursor: Option<String>,
    pub(super) format: Option<String>,
}

impl CallQuery {
    pub(super) fn filter(&self) -> Result<Filter, Problem> {
        if let Some(number) = &self.number
            && !number.contains(|character: char| character.is_ascii_digit())
        {
            return Err(Problem::bad_request(format!("number: {number:?} has no digit")));
        }
        Ok(Filter {
            number: self.number.clone(),
            extension: self.extension.clone(),
            name: self.name.clone().filter(|name| !name.is_empty()),
            queue: self.queue.clone(),
            step: word("move", &self.step, MoveKind::from_word, MoveKind::ALL, MoveKind::as_str)?,
            direction: word(
                "direction",
                &self.direction,
                Direction::from_word,
                Direction::ALL,
                Direction::as_str,
            )?,
            result: word("result", &self.result, Outcome::from_word, Outcome::ALL, Outcome::as_str)?,
            state: word("state", &self.state, State::from_word, State::ALL, State::as_str)?,
            customer: self.customer.clone(),
            answered_by: self.answered_by.clone(),
            user: self.user.clone(),
            end_state: word(
                "endState",
                &self.end_state,
                EndState::from_word,
                EndState::ALL,
                EndState::as_str,
            )?,
            from_ms: time("from", self.from.as_deref())?,
            to_ms: time("to", self.to.as_deref())?,
        })
    }
}

fn word<T: Copy>(
    name: &str,
    value: &Option<String>,
    from_word: fn(&str) -> Option<T>,
    all: &[T],
    as_str: fn(T) -> &'static str,
) -> Result<Option<T>, Problem> {
    let Some(value) = value else { return Ok(None) };
    let exact = || from_word(value);
    let in_any_case = || all.iter().copied().find(|other| as_str(*other).eq_ignore_ascii_case(value));
    exact().or_else(in_any_case).map(Some).ok_or_else(|| {
        let known: Vec<&str> = all.iter().map(|other| as_str(*other)).collect();
        Problem::bad_request(format!("{name}: {value:?} is none of {}", known.join(", ")))
    })
}

/// A time in RFC 3339, as milliseconds.
pub(super) fn time(name: &str, value: Option<&str>) -> Result<Option<i64>, Problem> {
    let Some(value) = value else { return Ok(None) };
    // A `+` that was not escaped has become a blank.
    match value.replace(' ', "+").parse::<Timestamp>() {
        Ok(time) => Ok(Some(time.as_millisecond())),
        Err(_) => {
            Err(Problem::bad_request(format!("{name}: {value:?} is no time like 2026-05-30T12:31:12Z")))
        }
    }
}

/// How many of something, within limits.
pub(super) fn limit(wanted: Option<usize>, usual: usize, most: usize) -> Result<usize, Problem> {
    match wanted.unwrap_or(usual) {
        0 => Err(Problem::bad_request(format!("limit: 1 to {most}"))),
        wanted => Ok(wanted.min(most)),
    }
}

/// A place in a list of calls, for the client to hand back.
pub(crate) fn place_to_cursor((start_ms, call): (i64, i64)) -> String {
    URL_SAFE_NO_PAD.encode(format!("{start_ms}.{call}"))
}

/// The place that was handed back.
pub(crate) fn place_from_cursor(cursor: &str) -> Result<(i64, i64), Problem> {
    let text = URL_SAFE_NO_PAD.decode(cursor).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    text.as_deref()
        .and_then(|text| text.split_once('.'))
        .and_then(|(start, call)| Some((start.parse().ok()?, call.parse().ok()?)))
        .ok_or_else(|| Problem::bad_request("cursor: not one that `next` has given"))
}
