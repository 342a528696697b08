//! Tools as people read them: those of one server with their schemas, and all of them searched by words.

use std::collections::HashMap;

use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::Value;

use super::chrome::chrome;
use crate::domain::catalog::{EntryKind, Kept};
use crate::domain::health::Transport;
use crate::domain::path::ServerPath;
use crate::domain::server::Server;
use crate::service::callers::Caller;
use crate::web::api::catalog::{kept, visible};
use crate::web::extract::path::Mount;
use crate::web::extract::visitor::{PageMember, is_partial};
use crate::web::problem::Problem;
use crate::web::state::AppState;
use crate::web::view::pages::{Section, ServerTools, ToolDialog, ToolList, ToolView, Tools};

/// Tools of a page.
const MOST: usize = 50;
const LONGEST_QUERY: usize = 200;

/// `GET /tools/{path}`: as they were when the server was last asked; for our script without the frame.
pub(in crate::web) async fn of_server(
    State(state): State<AppState>,
    PageMember(caller): PageMember,
    Mount(path): Mount,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let server = state.registry.visible(&caller.identity, &path).await?;
    let kept = kept(&state, &path).await?;
    let known = state.monitor.state(&path);
    let transport = known.and_then(|known| known.health.transport);
    let page = ServerTools {
        chrome: chrome(&state, &caller, &headers, Section::Servers),
        enabled: server.enabled,
        transport: transport.map_or("", Transport::as_str),
        tools: shown(&state, &caller, &server, &kept),
        path: path.to_string(),
        name: server.profile.name,
    };
    Ok(if is_partial(&headers) {
        state.view.page(StatusCode::OK, &ToolDialog(page))
    } else {
        state.view.page(StatusCode::OK, &page)
    })
}

/// What is looked for.
#[derive(Debug, Default, Deserialize)]
pub(in crate::web) struct Asked {
    #[serde(default)]
    q: String,
}

/// `GET /tools`.
pub(in crate::web) async fn search(
    State(state): State<AppState>,
    PageMember(caller): PageMember,
    headers: HeaderMap,
    Query(asked): Query<Asked>,
) -> Response {
    let query: String = asked.q.trim().chars().take(LONGEST_QUERY).collect();
    let found = match all(&state, &caller).await {
        Ok(found) => found,
        Err(problem) => return problem.into_response(),
    };
    let words: Vec<String> = query
        .to_lowercase()
        .split_whitespace()
        .map(str::to_owned)
        .collect();
    let mut tools: Vec<ToolView> = found
        .into_iter()
        .filter(|tool| {
            let texts = [
                &tool.name,
                &tool.description,
                &tool.server_name,
                &tool.server_path,
            ];
            let texts = texts.map(|text| text.to_lowercase());
            words
                .iter()
                .all(|word| texts.iter().any(|text| text.contains(word)))
        })
        .collect();
    let total = tools.len();
    tools.truncate(MOST);
    let page = Tools {
        chrome: chrome(&state, &caller, &headers, Section::Tools),
        query,
        total,
        tools,
    };
    if is_partial(&headers) {
        state.view.page(StatusCode::OK, &ToolList(page))
    } else {
        state.view.page(StatusCode::OK, &page)
    }
}

/// The tools of every server that is on, as far as the person may see them.
async fn all(state: &AppState, caller: &Caller) -> Result<Vec<ToolView>, Problem> {
    let mut servers = state.registry.list(&caller.identity).await?;
    servers.retain(|server| server.enabled);
    let mut by_path: HashMap<String, Vec<Kept>> = HashMap::new();
    for (path, kept) in state.catalog.entries(None).await? {
        by_path.entry(path).or_default().push(kept);
    }
    let own = kept(state, &ServerPath::ours()).await?;
    by_path.insert(ServerPath::ours().to_string(), own);
    let of = |server: &Server| {
        let kept = by_path.get(server.path.as_str()).map(Vec::as_slice);
        shown(state, caller, server, kept.unwrap_or_default())
    };
    Ok(servers.iter().flat_map(of).collect())
}

fn shown(state: &AppState, caller: &Caller, server: &Server, kept: &[Kept]) -> Vec<ToolView> {
    let rights = state.rights.borrow().clone();
    let tools = visible(&rights, &caller.identity, &server.path, EntryKind::Tool, kept);
    tools.iter().map(|tool| view(tool, server)).collect()
}

fn view(tool: &Value, server: &Server) -> ToolView {
    let text = |field: &str| tool.get(field).and_then(Value::as_str).map(str::to_owned);
    let hint = |field: &str| {
        tool.pointer(&format!("/annotations/{field}"))
            .and_then(Value::as_bool)
    };
    let schema = tool.get("inputSchema").unwrap_or(&Value::Null);
    let hints = [
        (hint("readOnlyHint") == Some(true), "reads only"),
        (hint("destructiveHint") == Some(true), "may destroy"),
        (hint("idempotentHint") == Some(true), "may be repeated"),
    ];
    ToolView {
        name: text("name").unwrap_or_default(),
        title: text("title"),
        description: text("description").unwrap_or_default(),
        schema: serde_json::to_string_pretty(schema).unwrap_or_default(),
        hints: hints
            .into_iter()
            .filter_map(|(is_so, word)| is_so.then_some(word))
            .collect(),
        is_held: tool.get("held").is_some(),
        server_name: server.profile.name.clone(),
        server_path: server.path.to_string(),
    }
}
