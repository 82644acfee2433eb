//! `GET /v1/calls/{id}/drawing.svg` and `.png`: a call as a picture.

use axum::{
    extract::Path,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use wholecall_record::{
    Call,
    svg::{Drawing, Place},
};
use wholecall_store::{Found, TenantView};

use super::{
    access::Access,
    calls::{no_call, parse},
    read,
};
use crate::problem::Problem;

/// A picture is sharp on most screens with so many pixels per unit.
const PIXELS_PER_UNIT: f32 = 2.0;

/// An SVG holds the names that callers chose. They are escaped, and still nothing in it may run or load anything.
const POLICY: [(HeaderName, HeaderValue); 2] = [
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox",
        ),
    ),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
];

pub(super) async fn svg(Access(view): Access, Path(id): Path<String>) -> Result<Response, Problem> {
    svg_of(view, id, Drawing::default()).await
}

pub(super) async fn png(Access(view): Access, Path(id): Path<String>) -> Result<Response, Problem> {
    png_of(view, id, Drawing::default()).await
}

pub(crate) async fn svg_of(view: TenantView, id: String, drawing: Drawing) -> Result<Response, Problem> {
    let call = current(view, id).await?;
    Ok((POLICY, [(header::CONTENT_TYPE, "image/svg+xml")], drawing.svg(&call)).into_response())
}

pub(crate) async fn png_of(view: TenantView, id: String, drawing: Drawing) -> Result<Response, Problem> {
    let call = current(view, id).await?;
    let svg = Drawing { place: Place::Picture, ..drawing }.svg(&call);
    let picture = tokio::task::spawn_blocking(move || wholecall_picture::png(&svg, PIXELS_PER_UNIT)).await;
    match picture {
        Ok(Ok(png)) => Ok((POLICY, [(header::CONTENT_TYPE, "image/png")], png).into_response()),
        Ok(Err(error)) => Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, error.to_string())),
        Err(error) => {
            tracing::error!(%error, "a drawing ended by a panic");
            Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the call could not be drawn"))
        }
    }
}

/// A call as it is now, also under an id that has gone into it.
pub(crate) async fn current(view: TenantView, id: String) -> Result<Call, Problem> {
    let wanted = id.clone();
    let found = read(view, move |view| match view.call(&wanted, None)? {
        Some(Found::Merged(into)) => view.call(&into, None),
        found => Ok(found),
    });
    match found.await? {
        Some(Found::Call(version)) => parse(&version.record),
        _ => Err(no_call(&id)),
    }
}
