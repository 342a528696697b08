//! Everybody's sessions in browsers, and their end.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};

use super::super::chrome::chrome;
use super::super::question::{Doubt, first};
use super::typed;
use crate::domain::identity::OpenSession;
use crate::service::callers::{Caller, session_cookie};
use crate::web::api::groups::administration;
use crate::web::api::sessions::end_one;
use crate::web::extract::change::Change;
use crate::web::extract::visitor::PageMember;
use crate::web::links;
use crate::web::problem::Problem;
use crate::web::state::AppState;
use crate::web::view::pages::{Section, SessionRow, SessionsPage};

/// What lists call the session of this very browser, if it came with one.
pub(in crate::web::ui) fn here(state: &AppState, caller: &Caller, headers: &HeaderMap) -> Option<String> {
    let id = session_cookie(headers).ok().flatten();
    let id = id.filter(|_| caller.by_cookie)?;
    Some(state.login.session_name(id))
}

/// A session as pages show it.
pub(in crate::web::ui) fn row(session: OpenSession, here: Option<&str>) -> SessionRow {
    SessionRow {
        is_here: here == Some(session.id.as_str()),
        id: session.id,
        user: session.username,
        agent: session.agent,
        created_at: session.created_at.to_string(),
        expires_at: session.expires_at.to_string(),
    }
}

/// `GET /access/sessions`.
pub(in crate::web) async fn page(
    State(state): State<AppState>,
    PageMember(caller): PageMember,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    administration(&state, &caller.identity)?;
    let sessions = state.login.sessions(None).await?;
    let here = here(&state, &caller, &headers);
    let page = SessionsPage {
        chrome: chrome(&state, &caller, &headers, Section::Access),
        total: state.login.count_sessions(None).await?,
        sessions: sessions
            .into_iter()
            .map(|session| row(session, here.as_deref()))
            .collect(),
    };
    Ok(state.view.page(StatusCode::OK, &page))
}

const END: Doubt = Doubt {
    title: "End this session?",
    words: "Whoever uses it must sign in again.",
    verb: "End it",
    section: Section::Access,
};

/// `POST /access/sessions`: end the session `id`.
pub(in crate::web) async fn act(State(state): State<AppState>, change: Change) -> Result<Response, Problem> {
    let permit = administration(&state, &change.caller.identity)?;
    let here = (links::ACCESS_SESSIONS, links::ACCESS_SESSIONS);
    if let Some(asking) = first(&state, &change, here, END) {
        return Ok(asking);
    }
    end_one(&state, permit.actor(), None, &typed(&change.draft, "id")).await?;
    Ok(Redirect::to(links::ACCESS_SESSIONS).into_response())
}
