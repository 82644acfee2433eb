//! `GET /v1/calls/{id}/explain`: the story of a call, from its notifications.

use axum::{
    extract::Path,
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use wholecall_assembly::Directory;
use wholecall_record::{WriteJson, screen::Screen, story::Story};
use wholecall_store::{Entry, Found};

use super::{access::Access, calls::no_call, json, read};
use crate::{check::collect, directories, problem::Problem};

/// As JSON, or as text for whoever accepts that rather.
pub(super) async fn explain(
    Access(view): Access,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let wanted = id.clone();
    let found = read(view, move |view| {
        let Some(Found::Call(version)) = view.call(&wanted, None)? else { return Ok(None) };
        let directory = directories::of_record(view, &version.record)?;
        Ok(view.notifications(&wanted)?.map(|entries| (entries, directory)))
    });
    let (entries, directory) = found.await?.ok_or_else(|| no_call(&id))?;
    let story = story_of(&entries, directory, &id).ok_or_else(|| no_call(&id))?;
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if accept.starts_with("text/plain") {
        return Ok(story.text(Screen::PLAIN).into_response());
    }
    let mut text = Vec::new();
    story.write_json(&mut text);
    Ok(json(String::from_utf8_lossy(&text).into_owned()))
}

/// The story of a call that has these notifications, and whose record was made with this directory.
pub(crate) fn story_of(entries: &[Entry], directory: Option<Directory>, id: &str) -> Option<Story> {
    collect(entries, directory.map(Into::into)).finish().story(id)
}
