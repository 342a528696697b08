//! A server as the API shows it, under the names of each generation of clients (contract, appendix, point 2).

use serde_json::{Map, Value, json};

use crate::domain::health::Transport;
use crate::domain::identity::Identity;
use crate::domain::server::{Server, Standing};
use crate::web::state::AppState;

/// How a server is, in the words of the feed. One that was stored a moment ago is about to be asked.
pub(crate) fn health_words(state: &AppState, server: &Server) -> String {
    match state.monitor.state(&server.path) {
        _ if !server.enabled => "disabled".to_owned(),
        // It answers as long as anybody does.
        _ if server.is_built_in() => "healthy".to_owned(),
        Some(known) if known.enabled => known.words(),
        _ => "unknown".to_owned(),
    }
}

/// How many of its tools somebody is told of.
pub(in crate::web) fn tools_for(state: &AppState, who: &Identity, server: &Server) -> i64 {
    let rights = state.rights.borrow().clone();
    state.monitor.tools_for(&rights, who, server)
}

/// The stored record (contract, section 6.2), as somebody sees it.
pub(super) fn record(state: &AppState, who: &Identity, server: &Server) -> Map<String, Value> {
    let profile = &server.profile;
    let known = state.monitor.state(&server.path);
    let health = known.as_ref().map(|known| &known.health);
    let value = json!({
        "server_name": profile.name,
        "description": profile.description,
        "path": server.path,
        "proxy_pass_url": profile.proxy_pass_url,
        "tags": profile.tags,
        "num_tools": tools_for(state, who, server),
        "num_stars": profile.num_stars,
        "is_python": profile.is_python,
        "license": profile.license,
        "tool_list": [],
        "metadata": profile.metadata,
        "is_enabled": server.enabled,
        "transport": health.and_then(|health| health.transport).map_or("auto", Transport::as_str),
        "supported_transports": profile.supported_transports,
        "mcp_endpoint": profile.mcp_endpoint,
        "sse_endpoint": profile.sse_endpoint,
        "append_mcp_path": profile.append_mcp_path,
        "auth_scheme": profile.egress.auth_scheme,
        "auth_header_name": profile.egress.auth_header_name,
        "custom_header_names": profile.egress.custom_header_names,
        "identity_headers": profile.egress.identity_headers,
        "pinned": profile.pinned,
        "trusted": server.trusted,
        "built_in": server.is_built_in(),
        "registered_by": server.registered_by,
        "registered_at": server.registered_at,
        "updated_at": server.updated_at,
        "health_status": health_words(state, server),
        "last_checked_iso": health.and_then(|health| health.checked_at),
        "mcp_server_name": health.and_then(|health| health.server_name.as_deref()),
        "mcp_server_version": health.and_then(|health| health.server_version.as_deref()),
    });
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// A row of a list: the record and its other names.
pub(in crate::web) fn row(state: &AppState, who: &Identity, server: &Server) -> Map<String, Value> {
    let mut row = record(state, who, server);
    row.remove("tool_list");
    row.insert("name".to_owned(), json!(server.profile.name));
    row.insert("display_name".to_owned(), json!(server.profile.name));
    row.insert("enabled".to_owned(), json!(server.enabled));
    row
}

/// Add whether calls reach the server, and why not.
pub(super) fn with_standing(mut map: Map<String, Value>, standing: &Standing) -> Map<String, Value> {
    map.insert("state".to_owned(), json!(standing.word()));
    map.insert("reason".to_owned(), json!(standing.reason()));
    map
}
