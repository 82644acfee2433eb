//! `GET /v1/calls/{id}/explain`: the story of a call, from its notifications.

use axum::{
    extract::Path,
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use wholecall_assembly::Collection;
use wholecall_notification::{Document, Message};
use wholecall_record::{WriteJson, screen::Screen, story::Story};
use wholecall_store::Entry;

use super::{access::Access, calls::no_call, json, read};
use crate::problem::Problem;

/// As JSON, or as text for whoever accepts that rather.
pub(super) async fn explain(
    Access(view): Access,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let wanted = id.clone();
    let entries = read(view, move |view| view.notifications(&wanted)).await?.ok_or_else(|| no_call(&id))?;
    let story = story_of(&entries, &id).ok_or_else(|| no_call(&id))?;
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if accept.starts_with("text/plain") {
        return Ok(story.text(Screen::PLAIN).into_response());
    }
    let mut text = Vec::new();
    story.write_json(&mut text);
    Ok(json(String::from_utf8_lossy(&text).into_owned()))
}

/// The story of a call that has these notifications.
pub(crate) fn story_of(entries: &[Entry], id: &str) -> Option<Story> {
    let mut collection = Collection::default();
    for entry in entries {
        if let Ok(document) = Document::parse(&entry.body)
            && let Ok(Message::Session(notification)) = document.message()
        {
            collection.add(&notification);
        }
    }
    collection.finish().story(id)
}
