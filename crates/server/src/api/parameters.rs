//! Parses query parameters and JSON bodies; errors name the permitted values.

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

use crate::problem::Problem;

/// A query's parameters.
pub(super) struct Parameters<T>(pub(super) T);

impl<S: Sync, T: DeserializeOwned> FromRequestParts<S> for Parameters<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Query::try_from_uri(&parts.uri).map(|Query(value)| Self(value)).map_err(|error| {
            Problem::bad_request(format!("the parameters cannot be read: {}", error.body_text()))
        })
    }
}

/// A JSON body of any declared content type.
pub(super) struct Json<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let body = Bytes::from_request(request, state)
            .await
            .map_err(|error| Problem::new(error.status(), error.body_text()))?;
        let unreadable =
            |error: &dyn std::fmt::Display| Problem::bad_request(format!("the body cannot be read: {error}"));
        let mut reader = serde_json::Deserializer::from_slice(&body);
        let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| unreadable(&error))?;
        reader.end().map_err(|error| unreadable(&error))?;
        Ok(Self(value))
    }
}

/// The parameters of `GET /v1/calls`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CallQuery {
    number: Option<String>,
    extension: Option<String>,
    name: Option<String>,
    queue: Option<String>,
    #[serde(rename = "move")]
    move_kind: Option<String>,
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
            move_kind: word("move", &self.move_kind, MoveKind::from_word, MoveKind::ALL, MoveKind::as_str)?,
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

/// A value of an enumeration, in any case.
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
        Problem::bad_request(format!("{name}: {value:?} is not one of {}", known.join(", ")))
    })
}

/// A time in RFC 3339, as milliseconds.
pub(super) fn time(name: &str, value: Option<&str>) -> Result<Option<i64>, Problem> {
    let Some(value) = value else { return Ok(None) };
    // A `+` that the client did not escape was decoded as a space.
    match value.replace(' ', "+").parse::<Timestamp>() {
        Ok(time) => Ok(Some(time.as_millisecond())),
        Err(_) => {
            Err(Problem::bad_request(format!("{name}: {value:?} is not a time like 2026-05-30T12:31:12Z")))
        }
    }
}

/// The maximum number of items in a page.
pub(super) fn limit(requested: Option<usize>, default: usize, max: usize) -> Result<usize, Problem> {
    match requested.unwrap_or(default) {
        0 => Err(Problem::bad_request(format!("limit: must be 1 to {max}"))),
        limit => Ok(limit.min(max)),
    }
}

/// The cursor of a position in a list of calls.
pub(crate) fn cursor_of_position((start_ms, call): (i64, i64)) -> String {
    URL_SAFE_NO_PAD.encode(format!("{start_ms}.{call}"))
}

/// The position of a cursor.
pub(crate) fn position_from_cursor(cursor: &str) -> Result<(i64, i64), Problem> {
    let text = URL_SAFE_NO_PAD.decode(cursor).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    text.as_deref()
        .and_then(|text| text.split_once('.'))
        .and_then(|(start, call)| Some((start.parse().ok()?, call.parse().ok()?)))
        .ok_or_else(invalid_cursor)
}

pub(super) fn invalid_cursor() -> Problem {
    Problem::bad_request("cursor: not a value that `next` returned")
}
