//! The admin socket: what the command line asks of a running daemon. Only the owner of the data folder can open it
//! (0600), so whoever asks is the operator.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::api::machines;
use super::problem::Problem;
use super::state::AppState;
use crate::domain::Kind;
use crate::domain::access::Permit;
use crate::domain::claims::Lifetime;
use crate::domain::secret::Secret;
use crate::service::explain::{Explained, Question};
use crate::service::machines::Wish;
use crate::service::tokens::{self, Owner};

/// A new password for a local account.
#[derive(Debug, Deserialize)]
pub(super) struct NewPassword {
    username: String,
    password: Secret<String>,
    groups: Vec<String>,
}

pub(super) async fn reset_password(
    State(state): State<AppState>,
    Json(wish): Json<NewPassword>,
) -> Result<Json<Value>, Problem> {
    let operator = Permit::of_the_operator();
    state
        .login
        .set_password(&operator, &wish.username, wish.groups, wish.password)
        .await?;
    // Whoever has the old password may have made tokens with it.
    state.tokens.revoke_all(operator.actor(), &wish.username).await?;
    state.callers.forget_sessions();
    Ok(Json(json!({"username": wish.username})))
}

/// A token for anybody.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct NewToken {
    user: String,
    groups: Vec<String>,
    scopes: Option<Vec<String>>,
    hours: i64,
    description: Option<String>,
}

pub(super) async fn create_token(
    State(state): State<AppState>,
    Json(wish): Json<NewToken>,
) -> Result<Json<Value>, Problem> {
    let lifetime = Lifetime::from_hours(wish.hours).map_err(|words| Problem::new(Kind::Invalid, words))?;
    let scopes = wish.scopes.map(|scopes| scopes.into_iter().collect());
    let wished = tokens::Wish {
        scopes,
        lifetime,
        description: wish.description.clone(),
    };
    let vended = state
        .tokens
        .vend_for(&Permit::of_the_operator(), &wish.user, wish.groups, wished)
        .await?;
    Ok(Json(json!({"access_token": vended.token.expose()})))
}

/// Every vended token.
pub(super) async fn tokens(State(state): State<AppState>) -> Result<Json<Value>, Problem> {
    Ok(Json(
        json!({ "tokens": state.tokens.list(Owner::Anybody).await? }),
    ))
}

/// Which token to revoke.
#[derive(Debug, Deserialize)]
pub(super) struct Named {
    id: String,
}

pub(super) async fn revoke(
    State(state): State<AppState>,
    Json(token): Json<Named>,
) -> Result<Json<Value>, Problem> {
    state
        .tokens
        .revoke(Permit::of_the_operator().actor(), Owner::Anybody, &token.id)
        .await?;
    Ok(Json(json!({"id": token.id, "revoked": true})))
}

pub(super) async fn rotate_keys(State(state): State<AppState>) -> Result<Json<Value>, Problem> {
    Ok(Json(
        json!({"key": state.tokens.rotate_keys(&Permit::of_the_operator())?}),
    ))
}

pub(super) async fn explain(
    State(state): State<AppState>,
    Json(question): Json<Question>,
) -> Result<Json<Explained>, Problem> {
    Ok(Json(state.explain.tell(None, &question).await?))
}

pub(super) async fn export_scopes(State(state): State<AppState>) -> Result<Json<Value>, Problem> {
    let yaml = state.scopes.export(&Permit::of_the_operator()).await?;
    Ok(Json(json!({ "yaml": yaml })))
}

/// A scopes file or document.
#[derive(Debug, Deserialize)]
pub(super) struct Written {
    yaml: String,
}

pub(super) async fn import_scopes(
    State(state): State<AppState>,
    Json(written): Json<Written>,
) -> Result<Json<Value>, Problem> {
    let operator = Permit::of_the_operator();
    let changed = state.scopes.import_text(&operator, &written.yaml).await?;
    Ok(Json(json!({ "changed": changed })))
}

/// Which scope to give back to the file.
#[derive(Debug, Deserialize)]
pub(super) struct NamedScope {
    scope: String,
}

pub(super) async fn reset_scope(
    State(state): State<AppState>,
    Json(named): Json<NamedScope>,
) -> Result<Json<Value>, Problem> {
    state
        .scopes
        .reset(&Permit::of_the_operator(), &named.scope)
        .await?;
    Ok(Json(json!({"scope": named.scope, "source": "file"})))
}

/// Every machine account of ours.
pub(super) async fn machines(State(state): State<AppState>) -> Result<Json<Value>, Problem> {
    machines::listed(&state, &Permit::of_the_operator()).await
}

pub(super) async fn create_machine(
    State(state): State<AppState>,
    Json(wish): Json<Wish>,
) -> Result<Json<Value>, Problem> {
    machines::created(&state, &Permit::of_the_operator(), wish).await
}

/// Which machine account to remove.
#[derive(Debug, Deserialize)]
pub(super) struct Machine {
    name: String,
}

pub(super) async fn remove_machine(
    State(state): State<AppState>,
    Json(machine): Json<Machine>,
) -> Result<Json<Value>, Problem> {
    machines::removed(&state, &Permit::of_the_operator(), &machine.name).await
}
