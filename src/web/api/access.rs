//! Rights themselves: explained, exported, given back to the file.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::group_changes::required;
use super::groups::administration;
use crate::domain::Kind;
use crate::service::explain::{Explained, Question};
use crate::web::extract::change::Change;
use crate::web::extract::visitor::Member;
use crate::web::problem::Problem;
use crate::web::state::AppState;

/// `GET /api/access/explain`.
pub(in crate::web) async fn explain(
    State(state): State<AppState>,
    Member(caller): Member,
    question: Result<Query<Question>, QueryRejection>,
) -> Result<Json<Explained>, Problem> {
    let question = question.map_err(|error| Problem::new(Kind::Invalid, error.body_text()))?;
    Ok(Json(
        state.explain.tell(Some(&caller.identity), &question.0).await?,
    ))
}

/// `GET /api/access/scopes.yml`: what holds, file and store together.
pub(in crate::web) async fn export(
    State(state): State<AppState>,
    Member(caller): Member,
) -> Result<Response, Problem> {
    let permit = administration(&state, &caller.identity)?;
    let yaml = state.scopes.export(&permit).await?;
    let kind = HeaderValue::from_static("text/yaml; charset=utf-8");
    Ok(([(header::CONTENT_TYPE, kind)], yaml).into_response())
}

/// `POST /api/access/reset`: the file counts again for a scope.
pub(in crate::web) async fn reset(
    State(state): State<AppState>,
    change: Change,
) -> Result<Json<Value>, Problem> {
    let permit = administration(&state, &change.caller.identity)?;
    let scope = required(&change.draft, "scope")?;
    state.scopes.reset(&permit, &scope).await?;
    Ok(Json(json!({"scope": scope, "source": "file"})))
}
