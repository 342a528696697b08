//! How a person likes to look at the pages: kept in the browser, so that strangers have it too and no page flashes.

use axum::extract::{Request, State};
use axum::http::header::REFERER;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;

use super::chrome::{SIDEBAR, THEME};
use super::servers::VIEW;
use crate::domain::local_path::LocalPath;
use crate::domain::{FieldFault, Kind};
use crate::web::extract::change::{fields, same_site};
use crate::web::login::{see_other, with_cookie};
use crate::web::problem::Problem;
use crate::web::state::{AppState, Site};

/// A year, in seconds.
const KEPT: u64 = 365 * 24 * 3600;

/// `POST /preferences`: `theme`, `sidebar` or `view`, and back to where the form stood.
pub(in crate::web) async fn keep(
    State(state): State<AppState>,
    request: Request,
) -> Result<Response, Problem> {
    same_site(request.headers(), &state.site)?;
    let back = back(request.headers());
    let draft = fields(request, &state).await?;
    let mut response = see_other(back.as_str());
    for (field, (cookie, words)) in [("theme", THEME), ("sidebar", SIDEBAR), ("view", VIEW)] {
        let Some(said) = draft.0.get(field).and_then(|value| value.as_str()) else {
            continue;
        };
        if !words.contains(&said) {
            let wrong = format!("expected one of {}", words.join(", "));
            return Err(Problem::fields(vec![FieldFault::new(field, &wrong)]));
        }
        response = with_cookie(response, kept(&state.site, cookie, said)?);
    }
    Ok(response)
}

/// The page that the browser says it was on; only its path is taken, so it is one of ours.
pub(in crate::web) fn back(headers: &HeaderMap) -> LocalPath {
    let said = headers.get(REFERER).and_then(|said| said.to_str().ok());
    let uri = said.and_then(|said| said.parse::<Uri>().ok());
    let path = uri.as_ref().and_then(Uri::path_and_query);
    path.and_then(|path| LocalPath::parse(path.as_str()))
        .unwrap_or_default()
}

/// Our script reads and writes it too, so it is not hidden from scripts; it says nothing that matters.
fn kept(site: &Site, name: &str, word: &str) -> Result<axum::http::HeaderValue, Problem> {
    let secure = if site.secure_cookie { "; Secure" } else { "" };
    let text = format!("{name}={word}; SameSite=Lax; Path=/; Max-Age={KEPT}{secure}");
    text.parse()
        .map_err(|_| Problem::new(Kind::Internal, "the preference cannot be kept"))
}
