//! `GET /v1/calls/{id}/drawing.svg` and `.png`: a call's drawing.

use axum::{
    extract::Path,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use wholecall_record::Call;
use wholecall_render::svg::{Drawing, MAX_LANES, RenderTarget};
use wholecall_store::{CallLookup, TenantView};

use super::{
    Reader,
    access::Access,
    calls::{no_call, parse},
    compute, draw,
};
use crate::problem::Problem;

/// Resolution of PNGs: sharp on most screens.
const PIXELS_PER_UNIT: f32 = 2.0;

/// An SVG contains names that callers chose. They are escaped; the policy also forbids an SVG to run or load anything.
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
    svg_of(view, id, |_| Drawing::default()).await
}

pub(super) async fn png(Access(view): Access, Path(id): Path<String>) -> Result<Response, Problem> {
    png_of(view, id, |_| Drawing::default()).await
}

/// A call's drawing with the settings that `choose` returns for it.
pub(crate) async fn svg_of(
    reader: Reader,
    id: String,
    choose: impl FnOnce(&Call) -> Drawing + Send + 'static,
) -> Result<Response, Problem> {
    compute(reader, move |view| {
        let call = current(view, &id)?;
        let svg = svg_text(&call, choose(&call))?;
        Ok((POLICY, [(header::CONTENT_TYPE, "image/svg+xml")], svg).into_response())
    })
    .await
}

pub(crate) async fn png_of(
    reader: Reader,
    id: String,
    choose: impl FnOnce(&Call) -> Drawing + Send + 'static,
) -> Result<Response, Problem> {
    draw(reader, move |view| {
        let call = current(view, &id)?;
        let svg = svg_text(&call, Drawing { place: RenderTarget::Picture, ..choose(&call) })?;
        let png = wholecall_render::png::png(&svg, PIXELS_PER_UNIT)
            .map_err(|error| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, error.to_string()))?;
        Ok((POLICY, [(header::CONTENT_TYPE, "image/png")], png).into_response())
    })
    .await
}

/// The drawing as SVG text; fails if it would have too many lanes.
pub(crate) fn svg_text(call: &Call, drawing: Drawing) -> Result<String, Problem> {
    let lanes = call.participants.len();
    if lanes > MAX_LANES {
        let detail = format!("the call has {lanes} participants; a drawing shows at most {MAX_LANES}");
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail));
    }
    Ok(drawing.svg(call))
}

/// The current record of a call, or of the call that it was merged into.
fn current(view: &TenantView, id: &str) -> Result<Call, Problem> {
    let found = match view.call(id, None)? {
        Some(CallLookup::Merged(into)) => view.call(&into, None)?,
        found => found,
    };
    match found {
        Some(CallLookup::Call(version)) => parse(&version.record),
        _ => Err(no_call(id)),
    }
}
