//! How each client is told about a server: what to write where (contract, section 10.4).
//!
//! The token goes in `X-Authorization`, which never leaves the gateway; `Authorization` stays free for what the server
//! itself may want. Where a client can take it from its environment or ask for it, no token stands in a file.

use serde::Serialize;
use serde_json::{Value, json};

/// The variable that examples take a token from.
const VARIABLE: &str = "MCP_AUTH_TOKEN";

/// One client.
#[derive(Debug, Clone, Serialize)]
pub struct Recipe {
    /// Part of an anchor.
    pub id: &'static str,
    /// The client.
    pub client: &'static str,
    /// Where the text belongs: a file, or a shell.
    pub place: &'static str,
    /// The text.
    pub text: String,
    /// What else there is to know.
    pub hint: &'static str,
}

/// What each client wants to hear of the server at `url`, which it shall call `key`.
pub fn recipes(key: &str, url: &str) -> Vec<Recipe> {
    let recipe = |id, client, place, text, hint| Recipe {
        id,
        client,
        place,
        text,
        hint,
    };
    let environment = "The token is taken from the environment; none stands in the file.";
    let from = |token: &str| json!({"X-Authorization": format!("Bearer {token}")});
    let servers = |entry: Value| pretty(&json!({"mcpServers": {key: entry}}));
    let vs_code = json!({
        "inputs": [{"type": "promptString", "id": "gatehouse-token", "description": "Token for the gateway", "password": true}],
        "servers": {key: {"type": "http", "url": url, "headers": from("${input:gatehouse-token}")}},
    });
    let roo = json!({
        "type": "streamable-http", "url": url, "headers": from("${env:MCP_AUTH_TOKEN}"), "disabled": false, "alwaysAllow": [],
    });
    let cline = json!({
        "type": "streamableHttp", "url": url, "headers": from("TOKEN"), "disabled": false, "autoApprove": [],
    });
    vec![
        recipe(
            "claude-code",
            "Claude Code",
            "In a shell",
            format!(
                "claude mcp add --transport http {key} {url} \\\n  --header \"X-Authorization: Bearer ${VARIABLE}\""
            ),
            "Without --header it signs in through the browser, where an identity provider is set up.",
        ),
        recipe(
            "vs-code",
            "VS Code",
            ".vscode/mcp.json",
            pretty(&vs_code),
            "It asks for the token once, and keeps it in its own safe.",
        ),
        recipe(
            "vs-code-settings",
            "VS Code before 1.102",
            "settings.json",
            pretty(&json!({"mcp": {"servers": {key: {"url": url, "headers": from("TOKEN")}}}})),
            "Write the token in the place of TOKEN.",
        ),
        recipe(
            "cursor",
            "Cursor",
            ".cursor/mcp.json",
            servers(json!({"url": url, "headers": from("${env:MCP_AUTH_TOKEN}")})),
            environment,
        ),
        recipe("roo", "Roo Code", ".roo/mcp.json", servers(roo), environment),
        recipe(
            "cline",
            "Cline",
            "cline_mcp_settings.json",
            servers(cline),
            "Write the token in the place of TOKEN; Cline does not read the environment.",
        ),
        recipe(
            "codex",
            "Codex",
            "In a shell",
            format!("codex mcp add \"{key}\" --url \"{url}\" --bearer-token-env-var {VARIABLE}"),
            environment,
        ),
        recipe(
            "curl",
            "curl",
            "In a shell",
            format!(
                "curl {url} \\\n  -H \"X-Authorization: Bearer ${VARIABLE}\" \\\n  -H 'Content-Type: application/json' \\\n  -H \
                 'Accept: application/json, text/event-stream' \\\n  -d '{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/list\"}}'"
            ),
            "A server that keeps sessions wants an initialize request first.",
        ),
    ]
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(id: &str) -> String {
        let all = recipes("weather", "https://gate.example/weather/mcp");
        all.into_iter().find(|recipe| recipe.id == id).unwrap().text
    }

    #[test]
    fn each_client_hears_it_in_its_own_words() {
        let url = "https://gate.example/weather/mcp";
        let headers = json!({"X-Authorization": "Bearer ${env:MCP_AUTH_TOKEN}"});
        let read = |id: &str| serde_json::from_str::<Value>(&text(id)).unwrap();
        assert_eq!(
            read("roo"),
            json!({"mcpServers": {"weather": {
                "type": "streamable-http", "url": url, "headers": headers, "disabled": false, "alwaysAllow": [],
            }}})
        );
        assert_eq!(
            read("cursor"),
            json!({"mcpServers": {"weather": {"url": url, "headers": headers}}})
        );
        assert_eq!(read("vs-code").pointer("/servers/weather/url"), Some(&json!(url)));
        assert_eq!(
            read("cline").pointer("/mcpServers/weather/type"),
            Some(&json!("streamableHttp"))
        );
        assert!(text("claude-code").starts_with("claude mcp add --transport http weather https://"));
        assert_eq!(
            text("codex"),
            format!("codex mcp add \"weather\" --url \"{url}\" --bearer-token-env-var MCP_AUTH_TOKEN")
        );
        assert!(text("curl").contains("text/event-stream"));
        let headers = json!({"X-Authorization": "Bearer TOKEN"});
        assert_eq!(
            read("vs-code-settings"),
            json!({"mcp": {"servers": {"weather": {"url": url, "headers": headers}}}})
        );
    }
}
