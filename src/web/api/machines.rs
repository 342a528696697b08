//! Machine accounts of our own (contract, section 1.4).

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::domain::access::{Call, Permit, decide};
use crate::domain::identity::{Identity, Machine};
use crate::domain::scalar::names;
use crate::domain::{FieldFault, Kind};
use crate::service::machines::Wish;
use crate::web::extract::change::Change;
use crate::web::extract::visitor::Member;
use crate::web::problem::Problem;
use crate::web::state::AppState;

fn administration(state: &AppState, who: &Identity) -> Result<Permit, Problem> {
    decide(who, &Call::Administration, &state.rights.borrow()).map_err(|_| {
        Problem::new(
            Kind::Forbidden,
            "Administrator permissions are required for this operation",
        )
    })
}

fn row(machine: &Machine) -> Value {
    json!({
        "id": machine.client_id,
        "username": machine.client_id,
        "client_id": machine.client_id,
        "email": null,
        "enabled": true,
        "groups": machine.groups,
        "description": machine.description,
        "created_by": machine.created_by,
        "created_at": machine.created_at,
    })
}

/// `GET /api/management/iam/users`: the machines that we know ourselves.
pub(in crate::web) async fn list(
    State(state): State<AppState>,
    Member(caller): Member,
) -> Result<Json<Value>, Problem> {
    listed(&state, &administration(&state, &caller.identity)?).await
}

pub(in crate::web) async fn listed(state: &AppState, permit: &Permit) -> Result<Json<Value>, Problem> {
    let machines = state.machines.list(permit).await?;
    let rows: Vec<Value> = machines.iter().map(row).collect();
    Ok(Json(json!({"total": rows.len(), "users": rows})))
}

/// `POST /api/management/iam/users/m2m`: the secret is in this answer and nowhere else.
pub(in crate::web) async fn create(
    State(state): State<AppState>,
    change: Change,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let permit = administration(&state, &change.caller.identity)?;
    let fields = &change.draft.0;
    let text = |field: &str| match fields.get(field) {
        None | Some(Value::Null) => Ok(String::new()),
        Some(Value::String(text)) => Ok(text.trim().to_owned()),
        Some(_) => Err(Problem::fields(vec![FieldFault::new(field, "expected a text")])),
    };
    let wish = Wish {
        name: text("name")?,
        description: text("description")?,
        groups: groups(fields.get("groups"))?,
    };
    Ok((StatusCode::CREATED, created(&state, &permit, wish).await?))
}

pub(in crate::web) async fn created(
    state: &AppState,
    permit: &Permit,
    wish: Wish,
) -> Result<Json<Value>, Problem> {
    let (machine, secret) = state.machines.create(permit, wish).await?;
    let mut answer = row(&machine);
    if let Some(fields) = answer.as_object_mut() {
        fields.insert("client_secret".to_owned(), json!(secret.expose()));
    }
    Ok(Json(answer))
}

/// A list of names, or one text with commas.
fn groups(value: Option<&Value>) -> Result<Vec<String>, Problem> {
    let fault = || Problem::fields(vec![FieldFault::new("groups", "expected a list of names")]);
    match value {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::String(text)) => Ok(names(text).collect()),
        Some(Value::Array(rows)) => {
            let names: Option<_> = rows.iter().map(|row| row.as_str().map(str::to_owned)).collect();
            names.ok_or_else(fault)
        }
        Some(_) => Err(fault()),
    }
}

/// `DELETE /api/management/iam/users/{name}`: the account, and every token that it was given.
pub(in crate::web) async fn remove(
    State(state): State<AppState>,
    Path(name): Path<String>,
    change: Change,
) -> Result<Json<Value>, Problem> {
    removed(&state, &administration(&state, &change.caller.identity)?, &name).await
}

pub(in crate::web) async fn removed(
    state: &AppState,
    permit: &Permit,
    name: &str,
) -> Result<Json<Value>, Problem> {
    state.machines.remove(permit, name).await?;
    state.tokens.revoke_all(permit.actor(), name).await?;
    Ok(Json(json!({"username": name, "deleted": true})))
}
