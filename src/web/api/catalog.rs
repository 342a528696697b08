//! What servers offer (contract, section 1.2), with the versions of it.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use serde_json::{Map, Value, json};

use crate::domain::access::{Action, LISTS, List, Rights};
use crate::domain::catalog::{EntryKind, Kept};
use crate::domain::held::{Which, held_fingerprint};
use crate::domain::identity::Identity;
use crate::domain::path::ServerPath;
use crate::domain::{FieldFault, Kind};
use crate::service::catalog::shown;
use crate::service::registry::Error as RegistryError;
use crate::web::extract::change::Change;
use crate::web::extract::path::Rest;
use crate::web::extract::visitor::Member;
use crate::web::mcpgw;
use crate::web::problem::Problem;
use crate::web::state::AppState;

/// How long all servers together have to list their tools.
const ALL_WITHIN: Duration = Duration::from_secs(10);

/// The list of which an entry is: its rule decides who sees it.
fn list_of(kind: EntryKind) -> Option<&'static List> {
    let (method, ..) = kind.list();
    LISTS.iter().find(|list| list.method == method)
}

/// Entries of one kind that a caller may see. An administrator reads the whole book; calling is another matter.
pub(in crate::web) fn visible(
    rights: &Rights,
    who: &Identity,
    path: &ServerPath,
    kind: EntryKind,
    all: &[Kept],
) -> Vec<Value> {
    seen(rights, who, path, kind, all)
        .into_iter()
        .map(shown)
        .collect()
}

/// The same as the book keeps them.
pub(in crate::web) fn seen<'a>(
    rights: &Rights,
    who: &Identity,
    path: &ServerPath,
    kind: EntryKind,
    all: &'a [Kept],
) -> Vec<&'a Kept> {
    let Some(list) = list_of(kind) else {
        return Vec::new();
    };
    let administrator = rights.is_administrator(who);
    // Nobody has approved the very words of a tool that is new on a pinned server.
    let of_kind = all
        .iter()
        .filter(|kept| kept.kind == kind && (administrator || !kept.is_new));
    of_kind
        .filter(|kept| administrator || rights.may_see_entry(who, path, list, &kept.name))
        .collect()
}

/// `GET /api/tools/{path}` or `…/all`: asked of the server now; as it was last time (`cached`) when it does not answer.
pub(in crate::web) async fn tools(
    State(state): State<AppState>,
    Member(caller): Member,
    Rest(path): Rest,
) -> Result<Json<Value>, Problem> {
    tools_of(&state, &caller.identity, &path).await.map(Json)
}

/// The tools of one server, or of all of them, that somebody may see.
pub(in crate::web) async fn tools_of(state: &AppState, who: &Identity, path: &str) -> Result<Value, Problem> {
    let rights = state.rights.borrow().clone();
    if path == "all" {
        return every_tool(state, &rights, who).await;
    }
    let path = ServerPath::of_known(path).map_err(|_| Problem::from(RegistryError::Unknown))?;
    let server = state.registry.visible(who, &path).await?;
    if !server.enabled {
        return Err(Problem::bad_request("Cannot get tools from disabled service"));
    }
    let checked = state.monitor.check_now(&path).await;
    let fresh = path.is_ours() || checked.is_some_and(|checked| checked.has_listed);
    let all = kept(state, &path).await?;
    if !fresh && all.is_empty() {
        let words = "the server does not answer, and its tools are not known from before";
        return Err(Problem::new(Kind::Unavailable, words));
    }
    let tools = visible(&rights, who, &path, EntryKind::Tool, &all);
    Ok(json!({"service_path": path, "tools": tools, "cached": !fresh}))
}

pub(in crate::web) async fn kept(state: &AppState, path: &ServerPath) -> Result<Vec<Kept>, Problem> {
    if path.is_ours() {
        return Ok(mcpgw::own_tools());
    }
    let rows = state.catalog.entries(Some(path)).await?;
    Ok(rows.into_iter().map(|(_, kept)| kept).collect())
}

/// The tools of every server that is on; of those that do not answer in time as they were (`cached`).
async fn every_tool(state: &AppState, rights: &Rights, who: &Identity) -> Result<Value, Problem> {
    let mut on = state.registry.list(who).await?;
    on.retain(|server| server.enabled);
    let paths = on.iter().map(|server| server.path.clone()).collect();
    let fresh = state.monitor.check_all(paths, ALL_WITHIN).await;
    let mut by_path: std::collections::HashMap<String, Vec<Kept>> = std::collections::HashMap::new();
    for (path, kept) in state.catalog.entries(None).await? {
        by_path.entry(path).or_default().push(kept);
    }
    let (mut flat, mut servers) = (Vec::new(), Map::new());
    for server in &on {
        let all = if server.is_built_in() {
            mcpgw::own_tools()
        } else {
            by_path.remove(server.path.as_str()).unwrap_or_default()
        };
        let tools = visible(rights, who, &server.path, EntryKind::Tool, &all);
        for tool in &tools {
            let mut tool = tool.clone();
            if let Some(fields) = tool.as_object_mut() {
                fields.insert("server_path".to_owned(), json!(server.path));
                fields.insert("server_name".to_owned(), json!(server.profile.name));
            }
            flat.push(tool);
        }
        servers.insert(server.path.as_str().to_owned(), Value::Array(tools));
    }
    let cached: Vec<_> = on
        .iter()
        .map(|server| &server.path)
        .filter(|path| !path.is_ours() && !fresh.contains(*path))
        .collect();
    Ok(json!({
        "service_path": "all", "tools": flat, "servers": servers,
        "cached": !cached.is_empty(), "cached_servers": cached,
    }))
}

/// `GET /api/catalog/{path}`: everything that a server offers, what is held, and the versions of before.
pub(in crate::web) async fn catalog(
    State(state): State<AppState>,
    Member(caller): Member,
    Rest(path): Rest,
) -> Result<Json<Value>, Problem> {
    let path = ServerPath::of_known(&path).map_err(|_| Problem::from(RegistryError::Unknown))?;
    let who = &caller.identity;
    let server = state.registry.visible(who, &path).await?;
    let rights = state.rights.borrow().clone();
    let all = kept(&state, &path).await?;
    let mut body = Map::new();
    body.insert("path".to_owned(), json!(path));
    body.insert("pinned".to_owned(), json!(server.profile.pinned));
    let known = state.monitor.state(&path);
    let health = known.as_ref().map(|known| &known.health);
    body.insert(
        "server_name".to_owned(),
        json!(health.and_then(|health| health.server_name.as_deref())),
    );
    body.insert(
        "server_version".to_owned(),
        json!(health.and_then(|health| health.server_version.as_deref())),
    );
    for kind in EntryKind::ALL {
        let (_, key, ..) = kind.list();
        body.insert(
            key.to_owned(),
            Value::Array(visible(&rights, who, &path, kind, &all)),
        );
    }
    // Who may change the server sees what it wants to be, and what it was.
    if state.registry.may(who, Action::Modify, &path).await.is_ok() {
        let held = all.iter().filter(|kept| kept.is_held()).map(|kept| {
            let mut row = json!(kept);
            if let Some(fields) = row.as_object_mut() {
                let read = held_fingerprint(&all, &Which::Named(kept.name.clone()));
                fields.insert("held_fingerprint".to_owned(), json!(read));
            }
            row
        });
        body.insert("held".to_owned(), held.collect());
        body.insert(
            "held_fingerprint".to_owned(),
            json!(held_fingerprint(&all, &Which::All)),
        );
        let versions = state.catalog.versions(&path).await?;
        body.insert("versions".to_owned(), json!(versions));
    }
    Ok(Json(Value::Object(body)))
}

/// `POST /api/catalog/{path}`: approve what is held of `name`, or all of it; with the `fingerprint` of what was read, that
/// alone.
pub(in crate::web) async fn approve(
    State(state): State<AppState>,
    Rest(path): Rest,
    change: Change,
) -> Result<Json<Value>, Problem> {
    let path = ServerPath::of_known(&path).map_err(|_| Problem::from(RegistryError::Unknown))?;
    let (permit, _) = state
        .registry
        .may(&change.caller.identity, Action::Modify, &path)
        .await?;
    let said = |field: &str, words: &str| match change.draft.0.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if !text.is_empty() => Ok(Some(text.as_str())),
        Some(_) => Err(Problem::fields(vec![FieldFault::new(field, words)])),
    };
    let name = said("name", "expected a tool's name")?;
    let which = name.map_or(Which::All, |name| Which::Named(name.to_owned()));
    let read = said("fingerprint", "expected the `held_fingerprint` of what was read")?;
    let approved = state.catalog.approve(&permit, &path, which, read).await?;
    Ok(Json(json!({"path": path, "approved": approved})))
}
