//! One's own tokens: made, shown once, kept as a file, listed, revoked; and one's own sessions.
//!
//! **Invariant:** a token stands in the answer to its form and nowhere else; what is kept of it cannot be used.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::access::sessions;
use super::chrome::chrome;
use super::faults;
use super::question::{Doubt, first_of};
use crate::clock::Timestamp;
use crate::domain::token::Token;
use crate::domain::{FieldFault, Kind};
use crate::service::callers::Caller;
use crate::service::tokens::Owner;
use crate::web::api::sessions::end_one;
use crate::web::api::tokens::{owner, told, wish, within_reach};
use crate::web::extract::change::Change;
use crate::web::extract::questions::Questions;
use crate::web::extract::visitor::PageMember;
use crate::web::links;
use crate::web::problem::Problem;
use crate::web::state::AppState;
use crate::web::view::pages::{Chrome, MadeToken, Section, TokenRow, TokenWish, TokensPage};

/// Whose tokens are shown.
#[derive(Debug, Default, Deserialize)]
pub(in crate::web) struct Look {
    user: Option<String>,
}

/// `GET /tokens`.
pub(in crate::web) async fn page(
    State(state): State<AppState>,
    PageMember(caller): PageMember,
    Questions(look): Questions<Look>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let chrome = chrome(&state, &caller, &headers, Section::Tokens);
    let here = sessions::here(&state, &caller, &headers);
    let page = shown(&state, &caller, chrome, (look.user.as_deref(), here)).await?;
    Ok(state.view.page(StatusCode::OK, &page))
}

const REVOKE: Doubt = Doubt {
    title: "Revoke this token?",
    words: "Whoever uses it is refused at once.",
    verb: "Revoke",
    section: Section::Tokens,
};
const END: Doubt = Doubt {
    title: "End this session?",
    words: "If it is this browser's, you sign in again.",
    verb: "End it",
    section: Section::Tokens,
};

/// `POST /tokens`: `show` a new one, `download` it, `save` one that is shown as a file, `revoke` one, or `end` a session.
pub(in crate::web) async fn act(State(state): State<AppState>, change: Change) -> Result<Response, Problem> {
    let who = &change.caller.identity;
    let said = |field: &str| {
        let value = change.draft.0.get(field).and_then(Value::as_str);
        value.unwrap_or_default().to_owned()
    };
    let back = if said("everybody") == "true" {
        "/tokens?user=*"
    } else {
        links::TOKENS
    };
    let action = said("action");
    let doubts = [("revoke", REVOKE), ("end", END)];
    if let Some(asking) = first_of(&state, &change, (links::TOKENS, back), (&action, &doubts)) {
        return Ok(asking);
    }
    match action.as_str() {
        "revoke" => {
            let reach = within_reach(&state, who);
            let owner = Owner::of(reach.as_deref());
            state.tokens.revoke(&who.account(), owner, &said("id")).await?;
        }
        "end" => {
            let account = who.account();
            end_one(&state, &account, Some(&account), &said("id")).await?;
        }
        "save" => return attachment(&state, &said("document")),
        "show" => return make(&state, &change, false).await,
        "download" => return make(&state, &change, true).await,
        _ => {
            let words = "expected `show`, `download`, `save`, `revoke` or `end`";
            return Err(Problem::fields(vec![FieldFault::new("action", words)]));
        }
    }
    Ok(Redirect::to(back).into_response())
}

/// Make a token, and show it or hand it out as a file.
async fn make(state: &AppState, change: &Change, as_file: bool) -> Result<Response, Problem> {
    let typed = typed(&change.draft.0);
    match vend(state, change, &typed).await {
        Ok(document) if as_file => attachment(state, &pretty(&document)),
        outcome => {
            let chrome = chrome(state, &change.caller, &change.headers, Section::Tokens);
            let here = sessions::here(state, &change.caller, &change.headers);
            let mut page = shown(state, &change.caller, chrome, (None, here)).await?;
            let mut status = StatusCode::CREATED;
            match outcome {
                Ok(document) => page.made = Some(made(state, &document)),
                Err(problem) => {
                    (status, page.faults) = faults::of(&problem);
                    // What is forbidden here is a scope that its reader does not hold.
                    if let (Kind::Forbidden, Some(fault)) = (problem.kind(), page.faults.first_mut()) {
                        "requested_scopes".clone_into(&mut fault.field);
                    }
                    page.wish = typed;
                }
            }
            Ok(state.view.page(status, &page))
        }
    }
}

async fn vend(state: &AppState, change: &Change, typed: &TokenWish) -> Result<Value, Problem> {
    let mut fields = Map::new();
    fields.insert("expires_in_hours".to_owned(), json!(typed.hours));
    fields.insert("description".to_owned(), json!(typed.description));
    if typed.scope_method == "custom" {
        let scopes = serde_json::from_str::<Vec<String>>(&typed.custom_scopes);
        let words = "expected a JSON list of names, such as [\"readers\"]";
        let scopes = scopes.map_err(|_| Problem::fields(vec![FieldFault::new("requested_scopes", words)]))?;
        fields.insert("requested_scopes".to_owned(), json!(scopes));
    } else if !typed.custom_scopes.trim().is_empty() {
        // Whoever typed scopes means them, and must not get a token that may do everything.
        let words = "choose `Only these` for these scopes, or leave this empty";
        return Err(Problem::fields(vec![FieldFault::new("requested_scopes", words)]));
    }
    let wish = wish(&fields)?;
    let requested = wish.scopes.clone();
    let who = &change.caller.identity;
    let vended = state.tokens.vend(who, wish).await?;
    Ok(told(&vended, who, requested))
}

fn typed(fields: &Map<String, Value>) -> TokenWish {
    let text = |field: &str, default: &str| {
        let text = fields.get(field).and_then(Value::as_str);
        text.unwrap_or(default).to_owned()
    };
    TokenWish {
        hours: text("expires_in_hours", "8"),
        scope_method: text("scope_method", "user"),
        custom_scopes: text("custom_scopes", ""),
        description: text("description", ""),
    }
}

fn made(state: &AppState, document: &Value) -> MadeToken {
    let text = |pointer: &str| {
        document
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let number = |pointer: &str| {
        document
            .pointer(pointer)
            .and_then(Value::as_i64)
            .unwrap_or_default()
    };
    let end = number("/token_data/issued_at") + number("/token_data/expires_in");
    MadeToken {
        token: text("/tokens/access_token").to_owned(),
        document: pretty(document),
        file: file_name(state.monitor.now()),
        expires_at: Timestamp::from_unix(end).to_string(),
    }
}

fn pretty(document: &Value) -> String {
    serde_json::to_string_pretty(document).unwrap_or_default()
}

fn file_name(now: Timestamp) -> String {
    let now = now.to_string();
    format!(
        "mcp-registry-api-tokens-{}.json",
        now.get(..10).unwrap_or_default()
    )
}

/// A document as a file. One that comes back from the page that shows it is only sent on: nothing of it is kept.
fn attachment(state: &AppState, document: &str) -> Result<Response, Problem> {
    if !serde_json::from_str::<Value>(document).is_ok_and(|value| value.is_object()) {
        let fault = FieldFault::new("document", "expected a JSON object");
        return Err(Problem::fields(vec![fault]));
    }
    let place = format!("attachment; filename=\"{}\"", file_name(state.monitor.now()));
    let place =
        HeaderValue::from_str(&place).map_err(|error| Problem::new(Kind::Internal, error.to_string()))?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (header::CONTENT_DISPOSITION, place),
    ];
    Ok((headers, document.to_owned()).into_response())
}

async fn shown(
    state: &AppState,
    caller: &Caller,
    chrome: Chrome,
    (named, here): (Option<&str>, Option<String>),
) -> Result<TokensPage, Problem> {
    let who = &caller.identity;
    let owner = owner(state, caller, named)?;
    let now = state.monitor.now();
    let tokens = state.tokens.list(Owner::of(owner.as_deref())).await?;
    let total = state.tokens.count(Owner::of(owner.as_deref())).await?;
    let open = state.login.sessions(Some(&who.account())).await?;
    let count = state.login.count_sessions(Some(&who.account())).await?;
    Ok(TokensPage {
        chrome,
        scopes: who.scopes.iter().cloned().collect(),
        wish: TokenWish::default(),
        faults: Vec::new(),
        made: None,
        tokens: tokens.into_iter().map(|token| row(token, now)).collect(),
        is_admin: state.rights.borrow().is_administrator(who),
        is_everybody: owner.is_none(),
        whose: owner.filter(|owner| *owner != who.account()).unwrap_or_default(),
        total,
        sessions: open
            .into_iter()
            .map(|session| sessions::row(session, here.as_deref()))
            .collect(),
        open: count,
    })
}

fn row(token: Token, now: Timestamp) -> TokenRow {
    let state = match token.revoked_at {
        Some(_) => "revoked",
        None if token.expires_at <= now => "ended",
        None => "good",
    };
    TokenRow {
        id: token.id,
        user: token.username,
        description: token.description,
        scopes: token.scope.split_whitespace().map(str::to_owned).collect(),
        issued_at: token.issued_at.to_string(),
        expires_at: token.expires_at.to_string(),
        state,
    }
}
