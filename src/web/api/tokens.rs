//! Vending tokens (contract, section 1.5).

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use crate::domain::FieldFault;
use crate::domain::claims::Lifetime;
use crate::service::tokens::Wish;
use crate::web::extract::change::Change;
use crate::web::problem::Problem;
use crate::web::state::AppState;

/// `POST /api/tokens/generate`: a token for the caller, with no more than the caller holds.
pub(in crate::web) async fn generate(
    State(state): State<AppState>,
    change: Change,
) -> Result<Json<Value>, Problem> {
    let who = &change.caller.identity;
    let wish = wish(&change)?;
    let requested = wish.scopes.clone();
    let vended = state.tokens.vend(who, wish)?;
    let claims = &vended.claims;
    tracing::info!(
        identity.subject = claims.sub,
        token.id = claims.jti,
        "token vended"
    );
    let seconds = claims.exp - claims.iat;
    Ok(Json(json!({
        "success": true,
        "tokens": {
            "access_token": vended.token.expose(),
            "refresh_token": null,
            "expires_in": seconds,
            "refresh_expires_in": 0,
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
    })))
}

fn wish(change: &Change) -> Result<Wish, Problem> {
    let fields = &change.draft.0;
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
        // A form's field: names parted by spaces.
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
        Some(Value::String(text)) => Some(text.clone()).filter(|text| !text.is_empty()),
        Some(_) => return Err(fault("description", "expected a text")),
    };
    Ok(Wish {
        scopes,
        lifetime,
        description,
    })
}
