//! Groups made, filled, emptied and removed (`POST /api/servers/groups/…`; contract, section 1.3), by administrators.
//!
//! Nobody's identity provider is changed by these calls; the answers say so in the fields that clients look at.

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use super::groups::{administration, sources};
use crate::domain::draft::Draft;
use crate::domain::identity::Identity;
use crate::domain::path::ServerPath;
use crate::domain::scope::OWN_SERVER;
use crate::domain::scope_document::ScopeDocument;
use crate::domain::{FieldFault, Kind};
use crate::service::registry;
use crate::web::extract::change::Change;
use crate::web::problem::Problem;
use crate::web::state::AppState;

/// `POST /api/servers/groups/create`.
pub(in crate::web) async fn create(
    State(state): State<AppState>,
    change: Change,
) -> Result<Json<Value>, Problem> {
    created(&state, &change.caller.identity, &change.draft)
        .await
        .map(Json)
}

/// Make a group.
pub(in crate::web) async fn created(
    state: &AppState,
    who: &Identity,
    draft: &Draft,
) -> Result<Value, Problem> {
    let permit = administration(state, who)?;
    let name = required(draft, "group_name")?;
    let description = text(draft, "description").unwrap_or_default();
    state.scopes.create(&permit, &name, &description).await?;
    Ok(json!({
        "message": format!("Group created: {name}"),
        "sources": sources(state, std::slice::from_ref(&name)).await?,
        "group_name": name,
        "created_in_idp": false,
        "created_in_scopes": true,
    }))
}

/// `POST /api/servers/groups/delete`.
pub(in crate::web) async fn delete(
    State(state): State<AppState>,
    change: Change,
) -> Result<Json<Value>, Problem> {
    deleted(&state, &change.caller.identity, &change.draft)
        .await
        .map(Json)
}

/// Delete one.
pub(in crate::web) async fn deleted(
    state: &AppState,
    who: &Identity,
    draft: &Draft,
) -> Result<Value, Problem> {
    let permit = administration(state, who)?;
    let name = required(draft, "group_name")?;
    state.scopes.delete(&permit, &name, flag(draft, "force")).await?;
    Ok(json!({
        "message": format!("Group deleted: {name}"),
        "sources": sources(state, std::slice::from_ref(&name)).await?,
        "group_name": name,
        "deleted_from_keycloak": false,
        "deleted_from_scopes": true,
    }))
}

/// A server and groups, as a change names them.
struct Membership {
    path: String,
    /// All names that permissions may call it by.
    names: Vec<String>,
    groups: Vec<String>,
    /// Whether there is such a server; what is said of one that has gone can still be taken back.
    registered: bool,
}

impl Membership {
    fn unknown(&self) -> Problem {
        let name = self.names.first().map(String::as_str).unwrap_or_default();
        Problem::new(Kind::NotFound, format!("Server not found: {name}"))
    }
}

/// `POST /api/servers/groups/add`.
pub(in crate::web) async fn add(
    State(state): State<AppState>,
    change: Change,
) -> Result<Json<Value>, Problem> {
    added(&state, &change.caller.identity, &change.draft)
        .await
        .map(Json)
}

/// Let groups use a server.
pub(in crate::web) async fn added(state: &AppState, who: &Identity, draft: &Draft) -> Result<Value, Problem> {
    let permit = administration(state, who)?;
    let wish = membership(state, who, draft).await?;
    if !wish.registered {
        return Err(wish.unknown());
    }
    let server = wish.path.trim_matches('/');
    state.scopes.add_server(&permit, server, &wish.groups).await?;
    Ok(json!({
        "message": "Server added to groups",
        "sources": sources(state, &wish.groups).await?,
        "server_path": wish.path,
        "groups": wish.groups,
    }))
}

/// `POST /api/servers/groups/remove`.
pub(in crate::web) async fn remove(
    State(state): State<AppState>,
    change: Change,
) -> Result<Json<Value>, Problem> {
    taken_out(&state, &change.caller.identity, &change.draft)
        .await
        .map(Json)
}

/// Let them use it no more.
pub(in crate::web) async fn taken_out(
    state: &AppState,
    who: &Identity,
    draft: &Draft,
) -> Result<Value, Problem> {
    let permit = administration(state, who)?;
    let wish = membership(state, who, draft).await?;
    let server = wish.path.trim_matches('/');
    let names: Vec<&str> = wish.names.iter().map(String::as_str).collect();
    let removed = state
        .scopes
        .remove_server(&permit, server, &names, &wish.groups)
        .await?;
    if !removed && !wish.registered {
        return Err(wish.unknown());
    }
    Ok(json!({
        "message": "Server removed from groups",
        "sources": sources(state, &wish.groups).await?,
        "server_path": wish.path,
        "groups": wish.groups,
    }))
}

async fn membership(state: &AppState, who: &Identity, draft: &Draft) -> Result<Membership, Problem> {
    let server = required(draft, "server_name")?;
    let groups = list_of(draft, &["group_names", "groups"])?;
    let bare = server.trim_matches('/').to_owned();
    let path: ServerPath = match state.registry.named(who, &server).await {
        Ok(path) => path,
        Err(registry::Error::Unknown) => {
            return Ok(Membership {
                path: format!("/{bare}"),
                registered: bare == OWN_SERVER,
                names: vec![server, format!("/{bare}"), bare],
                groups,
            });
        }
        Err(error) => return Err(error.into()),
    };
    let name = state.registry.visible(who, &path).await?.profile.name;
    Ok(Membership {
        names: vec![name, path.to_string(), path.name().to_owned()],
        path: path.to_string(),
        groups,
        registered: true,
    })
}

/// `POST /api/servers/groups/import`: a scope document takes the place of whatever its name says now.
pub(in crate::web) async fn import(
    State(state): State<AppState>,
    change: Change,
) -> Result<Json<Value>, Problem> {
    let permit = administration(&state, &change.caller.identity)?;
    let document = ScopeDocument::read(&change.draft.0).map_err(Problem::fields)?;
    let name = document.name.clone();
    state.scopes.import(&permit, document).await?;
    Ok(Json(json!({
        "message": format!("Group imported: {name}"),
        "sources": sources(&state, std::slice::from_ref(&name)).await?,
        "group_name": name,
        "idp_created": false,
        "auth_server_reloaded": true,
    })))
}

fn text(draft: &Draft, field: &str) -> Option<String> {
    let text = draft.0.get(field)?.as_str()?.trim();
    Some(text.to_owned()).filter(|text| !text.is_empty())
}

pub(super) fn required(draft: &Draft, field: &str) -> Result<String, Problem> {
    text(draft, field).ok_or_else(|| Problem::fields(vec![FieldFault::new(field, "it is required")]))
}

/// A list, or one text with commas, under the first of these names that is there.
fn list_of(draft: &Draft, fields: &[&str]) -> Result<Vec<String>, Problem> {
    let found = fields.iter().find_map(|field| draft.0.get(*field));
    let words: Option<Vec<&str>> = match found {
        Some(Value::String(text)) => Some(text.split(',').collect()),
        Some(Value::Array(rows)) => rows.iter().map(Value::as_str).collect(),
        _ => None,
    };
    let words = words.unwrap_or_default().into_iter().map(str::trim);
    let words: Vec<String> = words.filter(|word| !word.is_empty()).map(str::to_owned).collect();
    if words.is_empty() {
        let field = fields.first().copied().unwrap_or_default();
        let fault = FieldFault::new(field, "expected names of groups, separated by commas");
        return Err(Problem::fields(vec![fault]));
    }
    Ok(words)
}

fn flag(draft: &Draft, field: &str) -> bool {
    match draft.0.get(field) {
        Some(Value::Bool(flag)) => *flag,
        Some(Value::String(text)) => matches!(text.as_str(), "true" | "on" | "1"),
        _ => false,
    }
}
