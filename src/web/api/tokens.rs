//! Vending tokens (contract, section 1.5).

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::domain::FieldFault;
use crate::domain::Kind;
use crate::domain::claims::Lifetime;
use crate::domain::identity::Identity;
use crate::service::callers::Caller;
use crate::service::tokens::{Owner, Vended, Wish};
use crate::web::extract::change::Change;
use crate::web::extract::path::Rest;
use crate::web::extract::visitor::Member;
use crate::web::problem::Problem;
use crate::web::state::AppState;

/// `POST /api/tokens/generate`: a token for the caller, with no more than the caller holds.
pub(in crate::web) async fn generate(
    State(state): State<AppState>,
    change: Change,
) -> Result<Json<Value>, Problem> {
    let who = &change.caller.identity;
    let wish = wish(&change.draft.0)?;
    let requested = wish.scopes.clone();
    let vended = state.tokens.vend(who, wish).await?;
    Ok(Json(told(&vended, who, requested)))
}

/// A token that was vended a moment ago, as clients read it; also the file that a person keeps.
pub(in crate::web) fn told(vended: &Vended, who: &Identity, requested: Option<BTreeSet<String>>) -> Value {
    let claims = &vended.claims;
    tracing::info!(
        identity.subject = claims.sub,
        token.id = claims.jti,
        "token vended"
    );
    let seconds = claims.exp - claims.iat;
    let (refresh_token, refresh_seconds) = vended
        .refresh
        .as_ref()
        .map_or((None, 0), |(secret, seconds)| (Some(secret.expose()), *seconds));
    json!({
        "success": true,
        "tokens": {
            "access_token": vended.token.expose(),
            "refresh_token": refresh_token,
            "expires_in": seconds,
            "refresh_expires_in": refresh_seconds,
            "token_type": "Bearer",
            "scope": claims.scope,
        },
        "client_id": claims.client_id,
        "token_data": {
            "access_token": vended.token.expose(),
            "expires_in": seconds,
            "token_type": "Bearer",
            "scope": claims.scope,
            "issued_at": claims.iat,
            "description": claims.description,
        },
        "user_scopes": who.scopes,
        "requested_scopes": requested.unwrap_or_else(|| who.scopes.clone()),
    })
}

/// How a list is narrowed.
#[derive(Debug, Default, Deserialize)]
pub(in crate::web) struct Filter {
    pub(super) user: Option<String>,
}

/// `GET /api/tokens`: one's own; an administrator names somebody with `user`, or `*` for all.
pub(in crate::web) async fn list(
    State(state): State<AppState>,
    Member(caller): Member,
    filter: Result<Query<Filter>, QueryRejection>,
) -> Result<Json<Value>, Problem> {
    let Query(filter) = filter.map_err(Problem::from)?;
    let owner = owner(&state, &caller, filter.user.as_deref())?;
    let tokens = state.tokens.list(Owner::of(owner.as_deref())).await?;
    Ok(Json(json!({ "tokens": tokens })))
}

/// `DELETE /api/tokens/{id}`: one's own, or anybody's for an administrator.
pub(in crate::web) async fn revoke(
    State(state): State<AppState>,
    Rest(id): Rest,
    change: Change,
) -> Result<Json<Value>, Problem> {
    let who = &change.caller.identity;
    let account = within_reach(&state, who);
    state
        .tokens
        .revoke(&who.account(), Owner::of(account.as_deref()), &id)
        .await?;
    Ok(Json(json!({"id": id, "revoked": true})))
}

/// Whose things somebody may end: their own, or anybody's (`None`) for an administrator.
pub(in crate::web) fn within_reach(state: &AppState, who: &Identity) -> Option<String> {
    let administrator = state.rights.borrow().is_administrator(who);
    (!administrator).then(|| who.account())
}

/// Whose things are meant: one's own unless an administrator names somebody, or everybody (`None`).
pub(in crate::web) fn owner(
    state: &AppState,
    caller: &Caller,
    named: Option<&str>,
) -> Result<Option<String>, Problem> {
    let own = caller.identity.account();
    let everybody = named == Some("*");
    let named = named.unwrap_or(&own);
    if (everybody || named != own) && !state.rights.borrow().is_administrator(&caller.identity) {
        return Err(Problem::new(
            Kind::Forbidden,
            "Administrator permissions are required for this operation",
        ));
    }
    Ok((!everybody).then(|| named.to_owned()))
}

/// What a token shall be.
pub(in crate::web) fn wish(fields: &Map<String, Value>) -> Result<Wish, Problem> {
    let fault = |field: &str, words: &str| Problem::fields(vec![FieldFault::new(field, words)]);
    let scopes = match fields.get("requested_scopes") {
        None | Some(Value::Null) => None,
        Some(Value::Array(rows)) => {
            let names: Option<_> = rows.iter().map(|row| row.as_str().map(str::to_owned)).collect();
            Some(
                names
                    .ok_or_else(|| fault("requested_scopes", "requested_scopes must be a list of strings"))?,
            )
        }
        // A form's field: names separated by spaces.
        Some(Value::String(text)) => Some(text.split_whitespace().map(str::to_owned).collect()),
        Some(_) => {
            return Err(fault(
                "requested_scopes",
                "requested_scopes must be a list of strings",
            ));
        }
    };
    let lifetime = match fields.get("expires_in_hours") {
        None | Some(Value::Null) => Lifetime::default(),
        Some(value) => {
            let hours = value
                .as_i64()
                .or_else(|| value.as_str()?.parse().ok())
                .unwrap_or(0);
            Lifetime::from_hours(hours).map_err(|words| fault("expires_in_hours", words))?
        }
    };
    let description = match fields.get("description") {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) if !text.chars().any(char::is_control) => {
            Some(text.clone()).filter(|text| !text.is_empty())
        }
        Some(_) => return Err(fault("description", "expected a text without control characters")),
    };
    Ok(Wish {
        scopes,
        lifetime,
        description,
    })
}
