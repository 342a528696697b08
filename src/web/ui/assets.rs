//! Our stylesheet, served by us.

use axum::extract::{Path, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};

use crate::domain::Kind;
use crate::web::problem::Problem;
use crate::web::view::View;

/// `GET /static/{file}`.
pub(in crate::web) async fn file(State(view): State<View>, Path(file): Path<String>) -> Response {
    let kind = match file.rsplit_once('.') {
        Some((_, "css")) => "text/css; charset=utf-8",
        Some((_, "js")) => "text/javascript; charset=utf-8",
        Some((_, "svg")) => "image/svg+xml",
        _ => "application/octet-stream",
    };
    let Some(bytes) = view.asset(&file) else {
        return Problem::new(Kind::NotFound, format!("there is no file `{file}`")).into_response();
    };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (
            header::CACHE_CONTROL,
            HeaderValue::from_static("public, max-age=300"),
        ),
    ];
    (headers, bytes).into_response()
}
