//! The call log: calls, and figures over time.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use serde_json::{Value, json};

use crate::clock::Timestamp;
use crate::domain::Kind;
use crate::domain::call::Kept;
use crate::service::usage::Question;
use crate::web::extract::visitor::Member;
use crate::web::problem::Problem;
use crate::web::state::AppState;

type Asked = Result<Query<Question>, QueryRejection>;

fn question(asked: Asked) -> Result<Question, Problem> {
    asked
        .map(|Query(question)| question)
        .map_err(|error| Problem::new(Kind::Invalid, error.body_text()))
}

/// `GET /api/calls`: one's own, or anybody's for an administrator.
pub(in crate::web) async fn list(
    State(state): State<AppState>,
    Member(caller): Member,
    asked: Asked,
) -> Result<Json<Value>, Problem> {
    let page = state.usage.calls(&caller.identity, &question(asked)?).await?;
    let calls: Vec<Value> = page.calls.iter().map(row).collect();
    Ok(Json(
        json!({"calls": calls, "next": page.next.map(|id| id.to_string())}),
    ))
}

/// `GET /api/usage`: the same, counted.
pub(in crate::web) async fn usage(
    State(state): State<AppState>,
    Member(caller): Member,
    asked: Asked,
) -> Result<Json<Value>, Problem> {
    let counting = state.usage.count(&caller.identity, &question(asked)?).await?;
    Ok(Json(json!({
        "from": counting.from,
        "to": counting.to,
        "step": counting.step,
        "complete": counting.complete,
        "series": counting.usage.series,
        "series_left_out": counting.usage.series_left_out,
        "totals": counting.usage.totals,
        "unlogged": counting.unlogged,
        "log": counting.log,
    })))
}

fn row(kept: &Kept) -> Value {
    let call = &kept.call;
    let word = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    // `user ada`: the kind of a principal is told apart by its first word.
    let (kind, user) = call.principal.split_once(' ').unwrap_or_default();
    json!({
        "id": kept.id,
        "at": Timestamp::from_unix_ms(call.at_ms).with_millis(),
        "server": word(&call.server),
        "method": word(&call.method),
        "tool": word(&call.tool),
        "user": word(user),
        "principal": word(kind),
        "status": call.status,
        "duration_ms": call.duration_ms,
        "bytes_in": call.bytes_in,
        "bytes_out": call.bytes_out,
        "way": call.way.as_str(),
        "request_id": call.request_id,
    })
}
