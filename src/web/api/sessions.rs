//! Open sessions: listed and ended by their owner and by administrators.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use serde_json::{Value, json};

use super::tokens::{Filter, owner, within_reach};
use crate::domain::Kind;
use crate::web::extract::change::Change;
use crate::web::extract::path::Rest;
use crate::web::extract::visitor::Member;
use crate::web::problem::Problem;
use crate::web::state::AppState;

/// `GET /api/sessions`: one's own; an administrator names somebody with `user`, or `*` for all.
pub(in crate::web) async fn list(
    State(state): State<AppState>,
    Member(caller): Member,
    filter: Result<Query<Filter>, QueryRejection>,
) -> Result<Json<Value>, Problem> {
    let Query(filter) = filter.map_err(Problem::from)?;
    let owner = owner(&state, &caller, filter.user.as_deref())?;
    Ok(Json(
        json!({ "sessions": state.login.sessions(owner.as_deref()).await? }),
    ))
}

/// `DELETE /api/sessions/{id}`: one's own, or anybody's for an administrator; at once.
pub(in crate::web) async fn end(
    State(state): State<AppState>,
    Rest(id): Rest,
    change: Change,
) -> Result<Json<Value>, Problem> {
    let who = &change.caller.identity;
    let person = within_reach(&state, who);
    end_one(&state, &who.account(), person.as_deref(), &id).await?;
    Ok(Json(json!({"id": id, "ended": true})))
}

/// End a session, of this person alone if one is given; at once, with the tokens that nobody would ask about any more.
pub(in crate::web) async fn end_one(
    state: &AppState,
    actor: &str,
    person: Option<&str>,
    id: &str,
) -> Result<(), Problem> {
    let ended = state.login.end_session(actor, person, id).await?;
    let account = ended.ok_or_else(|| Problem::new(Kind::NotFound, "there is no such session"))?;
    state.callers.forget_sessions();
    // Only accounts at providers hold a colon.
    if account.contains(':') {
        state.tokens.session_ended(actor, &account).await?;
    }
    Ok(())
}
