//! Tools as people read them: those of one server with their schemas, and all of them searched by words.

use std::collections::HashMap;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Deserialize;
use serde_json::Value;

use super::chrome::chrome;
use super::paging::{Cut, said};
use crate::domain::catalog::{EntryKind, Kept};
use crate::domain::health::Transport;
use crate::domain::path::ServerPath;
use crate::domain::server::Server;
use crate::service::catalog::shown;
use crate::web::api::catalog::{kept, seen};
use crate::web::extract::path::Mount;
use crate::web::extract::questions::Questions;
use crate::web::extract::visitor::{PageMember, is_partial};
use crate::web::links;
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
    Questions(wanted): Questions<Wanted>,
) -> Result<Response, Problem> {
    let server = state.registry.visible(&caller.identity, &path).await?;
    let kept = kept(&state, &path).await?;
    let known = state.monitor.state(&path);
    let transport = known.and_then(|known| known.health.transport);
    let rights = state.rights.borrow().clone();
    let tools = seen(&rights, &caller.identity, &path, EntryKind::Tool, &kept);
    let place = tools.iter().position(|kept| kept.name == wanted.tool);
    let cut = match place {
        Some(place) if wanted.page.is_empty() => Cut::around(tools.len(), MOST, place),
        _ => Cut::of(tools.len(), MOST, &wanted.page),
    };
    let here = links::tools(&path);
    let page = ServerTools {
        chrome: chrome(&state, &caller, &headers, Section::Servers),
        enabled: server.enabled,
        transport: transport.map_or("", Transport::as_str),
        pager: cut.pager(|number| links::asking(&here, &[("page", &said(number))])),
        tools: cut.rows(tools).map(|kept| view(&shown(kept), &server)).collect(),
        search: address(path.as_str(), 1),
        path: path.to_string(),
        name: server.profile.name,
    };
    Ok(if is_partial(&headers) {
        state.view.page(StatusCode::OK, &ToolDialog(page))
    } else {
        state.view.page(StatusCode::OK, &page)
    })
}

/// Which of a server's tools are asked for.
#[derive(Debug, Default, Deserialize)]
pub(in crate::web) struct Wanted {
    /// The one that somebody came for.
    #[serde(default)]
    tool: String,
    #[serde(default)]
    page: String,
}

/// What is looked for. Everything is a text: an address is anybody's to write.
#[derive(Debug, Default, Deserialize)]
pub(in crate::web) struct Asked {
    #[serde(default)]
    q: String,
    #[serde(default)]
    page: String,
}

/// `GET /tools`.
pub(in crate::web) async fn search(
    State(state): State<AppState>,
    PageMember(caller): PageMember,
    headers: HeaderMap,
    Questions(asked): Questions<Asked>,
) -> Result<Response, Problem> {
    let query: String = asked.q.trim().chars().take(LONGEST_QUERY).collect();
    let words: Vec<String> = query
        .to_lowercase()
        .split_whitespace()
        .map(str::to_owned)
        .collect();
    let mut servers = state.registry.list(&caller.identity).await?;
    servers.retain(|server| server.enabled);
    let mut by_path: HashMap<String, Vec<Kept>> = HashMap::new();
    for (path, kept) in state.catalog.entries(None).await? {
        by_path.entry(path).or_default().push(kept);
    }
    let own = kept(&state, &ServerPath::ours()).await?;
    by_path.insert(ServerPath::ours().to_string(), own);
    let rights = state.rights.borrow().clone();
    let of = |server: &Server| by_path.get(server.path.as_str()).map_or(&[][..], Vec::as_slice);
    let found: Vec<(&Server, &Kept)> = servers
        .iter()
        .flat_map(|server| {
            let tools = seen(
                &rights,
                &caller.identity,
                &server.path,
                EntryKind::Tool,
                of(server),
            );
            tools.into_iter().map(move |kept| (server, kept))
        })
        .filter(|(server, kept)| speaks_of(server, kept, &words))
        .collect();
    let cut = Cut::of(found.len(), MOST, &asked.page);
    // A definition may be long: only what is shown is written out.
    let tools = cut
        .rows(found)
        .map(|(server, kept)| view(&shown(kept), server))
        .collect();
    let page = Tools {
        chrome: chrome(&state, &caller, &headers, Section::Tools),
        pager: cut.pager(|number| address(&query, number)),
        query,
        tools,
    };
    Ok(if is_partial(&headers) {
        state.view.page(StatusCode::OK, &ToolList(page))
    } else {
        state.view.page(StatusCode::OK, &page)
    })
}

/// Whether every word stands in what the tool or its server is called, or in what the tool says of itself.
fn speaks_of(server: &Server, kept: &Kept, words: &[String]) -> bool {
    if words.is_empty() {
        return true;
    }
    let description = kept.definition.get("description").and_then(Value::as_str);
    let texts = [
        kept.name.as_str(),
        description.unwrap_or_default(),
        &server.profile.name,
        server.path.as_str(),
    ];
    let texts = texts.map(str::to_lowercase);
    words
        .iter()
        .all(|word| texts.iter().any(|text| text.contains(word)))
}

/// The list with these words and this page; what is not said is not written.
fn address(query: &str, page: usize) -> String {
    links::asking(links::TOOLS, &[("q", query), ("page", &said(page))])
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
    let name = text("name").unwrap_or_default();
    ToolView {
        href: links::asking(&links::tools(&server.path), &[("tool", &name)]),
        name,
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
