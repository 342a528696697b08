//! How each client is told about a server: what to write where (contract, section 10.4).
//!
//! The token goes in `X-Authorization`, which never leaves the gateway; `Authorization` stays free for what the server
//! itself may want. Where a client can take it from its environment or ask for it, no token stands in a file.

use serde::Serialize;
use serde_json::{Value, json};

use crate::domain::health::Transport;

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
    /// The text; empty when the client cannot speak with the server.
    pub text: String,
    /// What else there is to know.
    pub hint: &'static str,
}

/// What a client calls: a server of HTTP+SSE has no other address than that of its stream.
pub fn address(public_url: &str, mount: &str, transport: Option<Transport>) -> String {
    let end = if transport == Some(Transport::Sse) {
        "sse"
    } else {
        "mcp"
    };
    format!("{public_url}{mount}/{end}")
}

/// What clients call a server in their own files. Some of them take letters, digits, `-` and `_` alone, for others a dot
/// parts two keys.
pub fn key(mount: &str) -> String {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || c == '-' || c == '_' {
            c
        } else {
            '-'
        }
    };
    mount.trim_matches('/').chars().map(plain).collect()
}

/// What each client wants to hear of the server at `url`, which it shall call `key`.
pub fn recipes(key: &str, url: &str, transport: Option<Transport>) -> Vec<Recipe> {
    let is_sse = transport == Some(Transport::Sse);
    let word = |http: &'static str| if is_sse { "sse" } else { http };
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
        "servers": {key: {"type": word("http"), "url": url, "headers": from("${input:gatehouse-token}")}},
    });
    let mut vs_code_before = json!({"url": url, "headers": from("TOKEN")});
    if let (true, Some(entry)) = (is_sse, vs_code_before.as_object_mut()) {
        entry.insert("type".to_owned(), json!("sse"));
    }
    let roo = json!({
        "type": word("streamable-http"), "url": url, "headers": from("${env:MCP_AUTH_TOKEN}"), "disabled": false, "alwaysAllow": [],
    });
    let cline = json!({
        "type": word("streamableHttp"), "url": url, "headers": from("TOKEN"), "disabled": false, "autoApprove": [],
    });
    let http = word("http");
    let (codex, codex_hint) = if is_sse {
        (
            String::new(),
            "Codex does not speak HTTP+SSE, and this server speaks nothing else.",
        )
    } else {
        let text = format!("codex mcp add \"{key}\" --url \"{url}\" --bearer-token-env-var {VARIABLE}");
        (text, environment)
    };
    let (curl, curl_hint) = curl(url, transport);
    vec![
        recipe(
            "claude-code",
            "Claude Code",
            "In a shell",
            format!(
                "claude mcp add --transport {http} {key} {url} \\\n  --header \"X-Authorization: Bearer ${VARIABLE}\""
            ),
            "Without --header it signs in through the browser, where an identity provider is set up.",
        ),
        recipe(
            "claude-code-file",
            "Claude Code",
            ".mcp.json",
            servers(json!({"type": http, "url": url, "headers": from("${MCP_AUTH_TOKEN}")})),
            environment,
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
            pretty(&json!({"mcp": {"servers": {key: vs_code_before}}})),
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
        recipe("codex", "Codex", "In a shell", codex, codex_hint),
        recipe("curl", "curl", "In a shell", curl, curl_hint),
    ]
}

/// The headers of every request.
const HEADERS: &str = "-H \"X-Authorization: Bearer $MCP_AUTH_TOKEN\" \\
  -H 'Content-Type: application/json' -H 'Accept: application/json, text/event-stream'";

/// Requests that work alone, one by one: a server of the modern revision is asked at once, an older one greeted first.
fn curl(url: &str, transport: Option<Transport>) -> (String, &'static str) {
    match transport {
        Some(Transport::Modern) => {
            let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": {
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientInfo": {"name": "curl", "version": "1"},
                "io.modelcontextprotocol/clientCapabilities": {},
            }}});
            let text = format!(
                "curl {url} \\\n  {HEADERS} \\\n  -H 'MCP-Protocol-Version: 2026-07-28' -H 'Mcp-Method: tools/list' \\\n  -d '{body}'"
            );
            (text, "A call of a tool says its name in Mcp-Name too.")
        }
        Some(Transport::StreamableHttp) | None => {
            let hello = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
                "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "curl", "version": "1"},
            }});
            let ready = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
            let list = json!({"jsonrpc": "2.0", "id": 2, "method": "tools/list"});
            let text = format!(
                "ask() {{ curl -s {url} \\\n  {HEADERS} \\\n  -H \"Mcp-Session-Id: $SESSION\" \"$@\"; }}\nSESSION=\nSESSION=$(ask -o \
                 /dev/null -D - -d '{hello}' |\n  tr -d '\\r' | awk 'tolower($1) == \"mcp-session-id:\" {{print $2}}')\nask -d \
                 '{ready}'\nask -d '{list}'"
            );
            let hint = "It greets the server, keeps the session that this opens, and asks for the tools.";
            (text, hint)
        }
        Some(Transport::Sse) => {
            let text = format!("curl -N {url} \\\n  -H \"X-Authorization: Bearer ${VARIABLE}\"");
            let hint = "It stays open: its first event names the address for messages, and answers to those come here.";
            (text, hint)
        }
    }
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "https://gate.example/weather/mcp";

    fn text(id: &str, transport: Option<Transport>) -> String {
        let url = address("https://gate.example", "/weather", transport);
        let all = recipes("weather", &url, transport);
        all.into_iter().find(|recipe| recipe.id == id).unwrap().text
    }

    #[test]
    fn each_client_hears_it_in_its_own_words() {
        let headers = json!({"X-Authorization": "Bearer ${env:MCP_AUTH_TOKEN}"});
        for transport in [None, Some(Transport::Modern), Some(Transport::StreamableHttp)] {
            let text = |id: &str| text(id, transport);
            let read = |id: &str| serde_json::from_str::<Value>(&text(id)).unwrap();
            assert_eq!(
                read("roo"),
                json!({"mcpServers": {"weather": {
                    "type": "streamable-http", "url": URL, "headers": headers, "disabled": false, "alwaysAllow": [],
                }}})
            );
            assert_eq!(
                read("cursor"),
                json!({"mcpServers": {"weather": {"url": URL, "headers": headers}}})
            );
            assert_eq!(read("vs-code").pointer("/servers/weather/url"), Some(&json!(URL)));
            assert_eq!(
                read("cline").pointer("/mcpServers/weather/type"),
                Some(&json!("streamableHttp"))
            );
            assert!(text("claude-code").starts_with("claude mcp add --transport http weather https://"));
            let token = json!({"X-Authorization": "Bearer ${MCP_AUTH_TOKEN}"});
            assert_eq!(
                read("claude-code-file"),
                json!({"mcpServers": {"weather": {"type": "http", "url": URL, "headers": token}}})
            );
            assert_eq!(
                text("codex"),
                format!("codex mcp add \"weather\" --url \"{URL}\" --bearer-token-env-var MCP_AUTH_TOKEN")
            );
            let headers = json!({"X-Authorization": "Bearer TOKEN"});
            assert_eq!(
                read("vs-code-settings"),
                json!({"mcp": {"servers": {"weather": {"url": URL, "headers": headers}}}})
            );
        }
    }

    #[test]
    fn of_a_server_with_http_and_sse_each_client_hears_that() {
        let url = "https://gate.example/weather/sse";
        let text = |id: &str| text(id, Some(Transport::Sse));
        let read = |id: &str| serde_json::from_str::<Value>(&text(id)).unwrap();
        for (id, pointer) in [
            ("vs-code", "/servers/weather"),
            ("vs-code-settings", "/mcp/servers/weather"),
            ("claude-code-file", "/mcpServers/weather"),
            ("roo", "/mcpServers/weather"),
            ("cline", "/mcpServers/weather"),
        ] {
            let read = read(id);
            let entry = read.pointer(pointer).unwrap();
            assert_eq!(
                (&entry["type"], &entry["url"]),
                (&json!("sse"), &json!(url)),
                "{id}"
            );
        }
        assert_eq!(
            read("cursor").pointer("/mcpServers/weather/url"),
            Some(&json!(url))
        );
        assert!(text("claude-code").starts_with(&format!("claude mcp add --transport sse weather {url}")));
        assert_eq!(text("codex"), "");
        assert!(text("curl").starts_with(&format!("curl -N {url}")));
    }

    #[test]
    fn requests_for_a_shell_work_alone() {
        let modern = text("curl", Some(Transport::Modern));
        for part in ["MCP-Protocol-Version: 2026-07-28", "Mcp-Method: tools/list"] {
            assert!(modern.contains(part), "{modern}");
        }
        let body = modern.split("-d '").nth(1).unwrap().trim_end_matches('\'');
        let body: Value = serde_json::from_str(body).unwrap();
        let version = body.pointer("/params/_meta/io.modelcontextprotocol~1protocolVersion");
        assert_eq!(version, Some(&json!("2026-07-28")));
        let older = text("curl", None);
        let place = |part: &str| older.find(part).unwrap_or_else(|| panic!("{part}: {older}"));
        assert!(place("\"initialize\"") < place("notifications/initialized"));
        assert!(place("notifications/initialized") < place("tools/list"));
    }

    #[test]
    fn names_in_files_of_clients_are_plain() {
        for (mount, expected) in [
            ("/weather", "weather"),
            ("/team/a.b", "team-a-b"),
            ("/x_1-2", "x_1-2"),
        ] {
            assert_eq!(key(mount), expected);
        }
    }
}
