//! The definitions of all tools, in the order in which they are listed. What a model needs first stands first.

use std::sync::Arc;

use rmcp::model::{JsonObject, Tool, ToolAnnotations};
use serde_json::{Value, json};

/// What a tool does to the world, as hints.
#[derive(Clone, Copy)]
enum Does {
    Reads,
    Adds,
    Changes,
    /// Whatever the tool behind it does.
    Anything,
}

fn object(value: Value) -> Arc<JsonObject> {
    match value {
        Value::Object(map) => Arc::new(map),
        _ => Arc::default(),
    }
}

/// `properties` without those that are required make an ordinary schema; arguments beyond it are let through and ignored,
/// because clients of earlier systems send their credentials along.
fn tool(
    name: &'static str,
    about: &'static str,
    does: Does,
    (properties, required): (Value, &[&str]),
) -> Tool {
    let schema = object(json!({"type": "object", "properties": properties, "required": required}));
    let hints = ToolAnnotations::from_raw(
        None,
        Some(matches!(does, Does::Reads)),
        Some(matches!(does, Does::Changes | Does::Anything)),
        Some(matches!(does, Does::Reads)),
        Some(matches!(does, Does::Anything)),
    );
    Tool::new(name, about, schema).with_annotations(hints)
}

fn answers(tool: Tool, properties: Value, required: &[&str]) -> Tool {
    tool.with_raw_output_schema(object(
        json!({"type": "object", "properties": properties, "required": required}),
    ))
}

fn text(about: &str) -> Value {
    json!({"type": "string", "description": about})
}

fn path() -> (Value, &'static [&'static str]) {
    let about = "The server's path such as `/weather`, or its name";
    (json!({"service_path": text(about)}), &["service_path"])
}

pub(super) fn tools() -> Vec<Tool> {
    let mut all = Vec::with_capacity(20);
    all.extend(discovery());
    all.extend(looking());
    all.extend(changing());
    all.extend(groups());
    all.extend(context());
    all
}

fn discovery() -> [Tool; 2] {
    let finder = tool(
        "intelligent_tool_finder",
        "Find tools of all servers behind this gateway by what they do. Ask in plain words what you want to do; the \
         answer has each tool's name, its server's path and its schema, the best first. Then call `invoke_mcp_tool`.",
        Does::Reads,
        (
            json!({
                "query": text("What you want to do, in plain words, such as \"what time is it in Tokyo\""),
                "natural_language_query": text("The same as `query`, under its older name"),
                "tags": {"type": "array", "items": {"type": "string"}, "description": "Only tools of servers that have all of these tags; alone, without `query`, all tools of such servers"},
                "top_n": {"type": "integer", "minimum": 1, "maximum": 50, "description": "How many tools to answer with at most; 5 when you do not say"},
                "top_n_tools": {"type": "integer", "minimum": 1, "maximum": 50, "description": "The same under its older name; with `natural_language_query` 1 when you do not say"},
                "top_k_services": {"type": "integer", "minimum": 1, "maximum": 50, "description": "Look only at the tools of the best so many servers"},
            }),
            &[],
        ),
    );
    let row = json!({
        "type": "object",
        "properties": {
            "tool_name": {"type": "string"}, "server_name": {"type": "string"}, "description": {"type": "string"},
            "score": {"type": "number"}, "path": {"type": "string"},
            "tool_schema": {"type": ["object", "null"]}, "service_path": {"type": "string"},
            "service_name": {"type": "string"}, "overall_similarity_score": {"type": "number"},
        },
        "required": ["tool_name", "server_name", "description", "score", "path"],
    });
    let finder = answers(
        finder,
        json!({
            "results": {"type": "array", "items": row}, "query": {"type": "string"},
            "total_results": {"type": "integer"}, "total_matching": {"type": "integer"}, "status": {"type": "string"},
            "search_mode": {"type": "string"}, "next": {"type": "string"},
        }),
        &["results", "query", "total_results", "status"],
    );
    let invoke = tool(
        "invoke_mcp_tool",
        "Call a tool of a server behind this gateway, as yourself: with your rights and under your name. The answer is \
         that tool's own. Arguments are checked against the tool's schema first.",
        Does::Anything,
        (
            json!({
                "server_name": text("The server's path such as `/currenttime`, or its name"),
                "service_path": text("The same as `server_name`; one of them is needed"),
                "path": text("The same as `server_name`"),
                "tool_name": text("The tool's name"),
                "arguments": {"type": "object", "description": "The tool's arguments, fitting its `tool_schema`"},
            }),
            &["tool_name"],
        ),
    );
    [finder, invoke]
}

fn looking() -> [Tool; 5] {
    let nothing = || (json!({}), &[][..]);
    let list = "List the servers that you may see: path, name, description, tags, health.";
    let details = "Show the record of one server.";
    let tools = "List the tools of one server with their schemas, or of all servers when you name none.";
    let all_or_one = (
        json!({"service_path": text("The server's path, or `all`")}),
        &[][..],
    );
    let health = "Show how the servers are that you may see, by path: status, since when, number of tools.";
    let refresh = "Ask a server now how it is and which tools it has.";
    [
        answers(
            tool("list_services", list, Does::Reads, nothing()),
            json!({"services": {"type": "array", "items": {"type": "object"}}, "total_count": {"type": "integer"}}),
            &["services", "total_count"],
        ),
        answers(
            tool("get_server_details", details, Does::Reads, path()),
            json!({"server_name": {"type": "string"}, "path": {"type": "string"}}),
            &["server_name", "path"],
        ),
        answers(
            tool("get_service_tools", tools, Does::Reads, all_or_one),
            json!({"service_path": {"type": "string"}, "tools": {"type": "array", "items": {"type": "object"}}}),
            &["service_path", "tools"],
        ),
        answers(
            tool("healthcheck", health, Does::Reads, nothing()),
            json!({}),
            &[],
        ),
        answers(
            tool("refresh_service", refresh, Does::Adds, path()),
            json!({"message": {"type": "string"}, "service_path": {"type": "string"}}),
            &["message", "service_path"],
        ),
    ]
}

fn changing() -> [Tool; 3] {
    let texts = json!({"type": "array", "items": {"type": "string"}});
    let said = || json!({"message": {"type": "string"}});
    let register = tool(
        "register_service",
        "Register an MCP server with the gateway, so that it can be called at its path.",
        Does::Adds,
        (
            json!({
                "server_name": text("Its display name"),
                "path": text("Where it will stand, such as `/weather`"),
                "proxy_pass_url": text("Its address, such as `http://weather:8000`"),
                "description": text("What it is for; agents find it by this"),
                "tags": texts,
                "num_tools": {"type": "integer"},
                "num_stars": {"type": "integer"},
                "is_python": {"type": "boolean"},
                "license": {"type": "string"},
                "supported_transports": texts,
                "headers": {"description": "Headers to send it: `{\"X-Team\": \"data\"}` or a list of such"},
                "auth_scheme": {"enum": ["none", "bearer", "api_key"]},
                "auth_type": text("The older name of `auth_scheme`"),
                "auth_credential": text("The credential for it; it is kept sealed and never shown again"),
            }),
            &["server_name", "path", "proxy_pass_url"],
        ),
    );
    let (mut switch, required) = path();
    if let Some(properties) = switch.as_object_mut() {
        let about = "Whether it should be on; without this it is switched over";
        properties.insert(
            "new_state".to_owned(),
            json!({"type": "boolean", "description": about}),
        );
    }
    let toggle = "Switch a server on or off. While it is off nobody can call it.";
    let remove = "Remove a server from the gateway.";
    [
        answers(register, said(), &["message"]),
        answers(
            tool("toggle_service", toggle, Does::Changes, (switch, required)),
            json!({"message": {"type": "string"}, "new_enabled_state": {"type": "boolean"}, "status": {"type": "string"}}),
            &["message", "new_enabled_state"],
        ),
        answers(
            tool("remove_service", remove, Does::Changes, path()),
            said(),
            &["message"],
        ),
    ]
}

fn groups() -> [Tool; 5] {
    let said = || json!({"message": {"type": "string"}});
    let membership = || {
        let names = json!({"type": "array", "items": {"type": "string"}, "minItems": 1});
        let server = text("The server's path or name");
        (
            json!({"server_name": server, "group_names": names}),
            &["server_name", "group_names"][..],
        )
    };
    let named = || {
        (
            json!({"group_name": text("The group's name"), "force": {"type": "boolean"}}),
            &["group_name"][..],
        )
    };
    let made = (
        json!({"group_name": text("The group's name"), "description": text("What it is for")}),
        &["group_name"][..],
    );
    let shown = (json!({"include_scopes": {"type": "boolean"}}), &[][..]);
    [
        answers(
            tool(
                "list_groups",
                "List groups and what they may do (administrators).",
                Does::Reads,
                shown,
            ),
            json!({"groups": {"type": "array", "items": {"type": "object"}}}),
            &["groups"],
        ),
        answers(
            tool("create_group", "Make a group (administrators).", Does::Adds, made),
            said(),
            &["message"],
        ),
        answers(
            tool(
                "delete_group",
                "Delete a group (administrators).",
                Does::Changes,
                named(),
            ),
            said(),
            &["message"],
        ),
        answers(
            tool(
                "add_server_to_scopes_groups",
                "Let groups use a server (administrators).",
                Does::Adds,
                membership(),
            ),
            said(),
            &["message"],
        ),
        answers(
            tool(
                "remove_server_from_scopes_groups",
                "Let groups use a server no more (administrators).",
                Does::Changes,
                membership(),
            ),
            said(),
            &["message"],
        ),
    ]
}

fn context() -> [Tool; 2] {
    let who = "Show who you are to the gateway: name, groups, scopes, permissions.";
    let headers = "Show the headers of your request as they came to the gateway; secrets are blacked out.";
    let nothing = || (json!({}), &[][..]);
    [
        answers(
            tool("debug_auth_context", who, Does::Reads, nothing()),
            json!({"username": {"type": "string"}, "scopes": {"type": "array", "items": {"type": "string"}}}),
            &["username", "scopes"],
        ),
        answers(
            tool("get_http_headers", headers, Does::Reads, nothing()),
            json!({"headers": {"type": "object"}}),
            &["headers"],
        ),
    ]
}
