//! Finding tools and servers, in the words of two generations of clients (contract, sections 1.8 and 7.6).

use axum::Json;
use axum::extract::{Request, State};
use serde_json::{Map, Value, json};

use crate::domain::search::Query;
use crate::domain::{FieldFault, scalar};
use crate::service::search::{Found, FoundServer, FoundTool};
use crate::web::extract::change::fields;
use crate::web::extract::visitor::Member;
use crate::web::problem::Problem;
use crate::web::state::AppState;

/// Kinds of things that one question may name, and the characters of one: kinds of later versions find nothing here.
const MOST_KINDS: (usize, usize) = (32, 64);

/// `POST /api/search/semantic`.
pub(in crate::web) async fn semantic(
    State(state): State<AppState>,
    Member(caller): Member,
    request: Request,
) -> Result<Json<Value>, Problem> {
    let asked = fields(request, &state).await?.0;
    let query = question(&asked).map_err(|faults| {
        let problem = Problem::fields(faults);
        if asks_nothing(&asked) {
            problem.refused()
        } else {
            problem
        }
    })?;
    let found = state.search.find(&caller.identity, &query).await?;
    Ok(Json(answer(&state.site.public_url, &asked, &query, &found)))
}

/// `GET /api/search/tags`.
pub(in crate::web) async fn tags(State(state): State<AppState>, Member(caller): Member) -> Json<Value> {
    Json(json!({"tags": state.search.tags(&caller.identity)}))
}

/// Neither words nor tags: earlier systems refuse it as such (contract, section 1.8).
fn asks_nothing(asked: &Map<String, Value>) -> bool {
    let is_blank = |value: &Value| match value {
        Value::Null => true,
        Value::String(text) => text.trim().is_empty(),
        Value::Array(all) => all.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => false,
    };
    ["query", "tags"]
        .iter()
        .all(|key| asked.get(*key).is_none_or(is_blank))
}

/// All faults at once.
fn question(asked: &Map<String, Value>) -> Result<Query, Vec<FieldFault>> {
    let mut faults = Vec::new();
    let given = |key: &str| asked.get(key).filter(|value| !value.is_null());
    let mut fault = |field: &str, message: &str| faults.push(FieldFault::new(field, message));
    let text = given("query").map_or(Some(""), Value::as_str);
    let text = text.unwrap_or_else(|| {
        fault("query", "expected a text");
        "?"
    });
    // A form sends the fields that were left empty, too.
    let filled =
        |key: &str| given(key).filter(|value| value.as_str().is_none_or(|text| !text.trim().is_empty()));
    let limit = match filled("max_results") {
        None => None,
        Some(value) => scalar::whole(value).or(Some(0)),
    };
    let tags = given("tags").map(texts);
    let tags = tags.unwrap_or_else(|| Some(Vec::new())).unwrap_or_else(|| {
        fault("tags", "expected a list of texts");
        Vec::new()
    });
    let kinds = given("entity_types").map(texts);
    let kinds = kinds.map(|kinds| {
        let fits = |kinds: &Vec<String>| {
            kinds.len() <= MOST_KINDS.0 && kinds.iter().all(|kind| kind.len() <= MOST_KINDS.1)
        };
        kinds.filter(fits).unwrap_or_else(|| {
            fault(
                "entity_types",
                "expected a list of kinds, such as `mcp_server` and `tool`",
            );
            Vec::new()
        })
    });
    let mut flag = |key: &str| match filled(key).map_or(Some(false), scalar::flag) {
        Some(flag) => flag,
        None => {
            fault(key, "expected true or false");
            false
        }
    };
    let include_disabled = flag("include_disabled");
    // No server here is a draft or deprecated yet; who asks for them gets all there are.
    flag("include_draft");
    flag("include_deprecated");
    let query = Query::parse(text, &tags, limit);
    match query {
        Ok(query) if faults.is_empty() => {
            let has = |kind: &str| {
                kinds
                    .as_ref()
                    .is_none_or(|kinds| kinds.iter().any(|one| one == kind))
            };
            Ok(Query {
                servers: has("mcp_server"),
                tools: has("tool"),
                include_disabled,
                ..query
            })
        }
        Ok(_) => Err(faults),
        Err(fault) => {
            faults.push(fault);
            Err(faults)
        }
    }
}

/// A list of texts, or one text with commas.
fn texts(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::String(text) => Some(text.split(',').map(|part| part.trim().to_owned()).collect()),
        Value::Array(all) => all.iter().map(|one| one.as_str().map(str::to_owned)).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => None,
    }
}

fn answer(base: &str, asked: &Map<String, Value>, query: &Query, found: &Found) -> Value {
    let servers: Vec<Value> = found.servers.iter().map(|one| server(base, one)).collect();
    let tools: Vec<Value> = found.tools.iter().map(|one| tool(base, one)).collect();
    json!({
        "query": asked.get("query").and_then(Value::as_str).unwrap_or_default(),
        "tags": query.tags,
        "search_mode": found.mode.as_str(),
        "nothing_fits": found.nothing_fits,
        "total_servers": servers.len(),
        "total_tools": tools.len(),
        "servers": servers,
        "tools": tools,
        "agents": [],
        "skills": [],
        "virtual_servers": [],
        "custom": [],
        "total_agents": 0,
        "total_skills": 0,
        "total_virtual_servers": 0,
        "total_custom": 0,
    })
}

fn server(base: &str, found: &FoundServer) -> Value {
    let (server, profile) = (&found.server, &found.server.profile);
    let matching: Vec<Value> = found.matching.iter().map(matching).collect();
    json!({
        "path": server.path,
        "server_name": profile.name,
        "description": profile.description,
        "tags": profile.tags,
        "num_tools": found.tools,
        "is_enabled": server.enabled,
        "relevance_score": rounded(found.score),
        "match_context": found.context,
        "matching_tools": matching,
        "sync_metadata": null,
        "endpoint_url": endpoint(base, server.path.as_str()),
        "proxy_pass_url": profile.proxy_pass_url,
        "mcp_endpoint": profile.mcp_endpoint,
        "sse_endpoint": profile.sse_endpoint,
        "supported_transports": profile.supported_transports,
        "trust_verified": server.trusted,
        "deployment": "remote",
        "local_runtime": null,
    })
}

fn matching(found: &FoundTool) -> Value {
    json!({
        "tool_name": found.tool_name,
        "description": description(found),
        "inputSchema": found.definition.get("inputSchema"),
        "relevance_score": rounded(found.score),
        "match_context": found.context,
    })
}

fn tool(base: &str, found: &FoundTool) -> Value {
    let mut value = matching(found);
    if let Some(fields) = value.as_object_mut() {
        fields.insert("server_path".to_owned(), json!(found.server_path));
        fields.insert("server_name".to_owned(), json!(found.server_name));
        let address = endpoint(base, found.server_path.as_str());
        fields.insert("endpoint_url".to_owned(), json!(address));
    }
    value
}

fn description(found: &FoundTool) -> &str {
    let text = found.definition.get("description").and_then(Value::as_str);
    text.unwrap_or_default()
}

/// Where callers reach a server: through the gateway.
fn endpoint(base: &str, path: &str) -> String {
    format!("{base}{path}/mcp")
}

/// Four digits say enough.
fn rounded(score: f32) -> f64 {
    (f64::from(score) * 10_000.0).round() / 10_000.0
}
