//! `intelligent_tool_finder`: what do you want to do?
//!
//! One row has the names of both generations of clients (contract, section 8.1): `tool_schema` and `overall_similarity_score`
//! of the first, `description`, `score` and `path` of the second.

use serde_json::{Map, Value, json};

use super::fault::Fault;
use super::{Arguments, Call};
use crate::domain::search::Query;
use crate::domain::server::Server;
use crate::service::search::FoundTool;

/// Tools that the first generation gets without a wish, and the second.
const USUAL: (i64, i64) = (1, 5);
/// Tools at most, which is as many as a model can read.
const MOST: i64 = 50;
const USUAL_SERVERS: usize = 3;

pub(super) async fn find(call: Call<'_>, given: &Arguments) -> Result<Value, Fault> {
    let text = given
        .text(&["natural_language_query", "query"])
        .unwrap_or_default();
    let tags = given.texts("tags");
    if text.is_empty() && tags.is_empty() {
        return Err(Fault::new(
            "Neither words nor tags were given",
            "Say what you want to do in `query` (such as \"what time is it in Tokyo\"), or give `tags`.",
        ));
    }
    let usual = match (text.is_empty(), given.0.contains_key("query")) {
        // Tags alone ask for all that has them.
        (true, _) => MOST,
        (false, true) => USUAL.1,
        (false, false) => USUAL.0,
    };
    let limit = given
        .number(&["top_n_tools", "top_n"])
        .unwrap_or(usual)
        .clamp(1, MOST);
    let query = Query::parse(text, &tags, Some(limit));
    let mut query = query.map_err(|fault| {
        Fault::new(
            format!("{}: {}", fault.field, fault.message),
            "Correct it and call again.",
        )
    })?;
    query.servers = false;
    if !text.is_empty() {
        let servers = given
            .number(&["top_k_services"])
            .and_then(|count| usize::try_from(count).ok());
        // The newer clients know no such bound.
        query.within = servers.or((!given.0.contains_key("query")).then_some(USUAL_SERVERS));
    }
    let found = call.state.search.find(call.who(), &query).await?;
    let servers = call.state.registry.list(call.who()).await?;
    let rows: Vec<Value> = found
        .tools
        .iter()
        .map(|tool| {
            row(
                tool,
                servers.iter().find(|server| server.path == tool.server_path),
            )
        })
        .collect();
    let mut answer = json!({
        "query": text,
        "total_results": rows.len(),
        "results": rows,
        "search_mode": found.mode.as_str(),
        "status": if found.nothing_fits { "nothing_fits" } else { "success" },
    });
    if let (true, Some(fields)) = (found.nothing_fits, answer.as_object_mut()) {
        let next =
            "Nothing fits. Say it in other words, or call `list_services` for all servers that you may use.";
        fields.insert("next".to_owned(), json!(next));
    }
    Ok(answer)
}

fn row(tool: &FoundTool, server: Option<&Server>) -> Value {
    let description = tool.definition.get("description").and_then(Value::as_str);
    let description = description.unwrap_or_default();
    let score = (f64::from(tool.score) * 10_000.0).round() / 10_000.0;
    let transports = server.map_or(&[][..], |server| &server.profile.supported_transports);
    json!({
        "tool_name": tool.tool_name,
        "server_name": tool.server_name,
        "description": description,
        "score": score,
        "path": tool.server_path,
        "tool_parsed_description": parsed(description),
        "tool_schema": tool.definition.get("inputSchema"),
        "service_path": tool.server_path,
        "service_name": tool.server_name,
        "supported_transports": transports,
        "auth_provider": Value::Null,
        "overall_similarity_score": score,
    })
}

/// A Python docstring's parts; what has no such parts is `main` altogether.
fn parsed(description: &str) -> Value {
    let mut parts: [(&str, Vec<&str>); 4] = [
        ("main", Vec::new()),
        ("args", Vec::new()),
        ("returns", Vec::new()),
        ("raises", Vec::new()),
    ];
    let mut at = 0;
    for line in description.lines() {
        let word = line.trim().to_lowercase();
        let heading = word.strip_suffix(':').and_then(|word| match word {
            "args" | "arguments" | "parameters" => Some(1),
            "returns" | "return" => Some(2),
            "raises" => Some(3),
            _ => None,
        });
        match heading {
            Some(part) => at = part,
            None => {
                if let Some((_, lines)) = parts.get_mut(at) {
                    lines.push(line.trim());
                }
            }
        }
    }
    let said = parts.map(|(name, lines)| {
        let text = lines.join("\n").trim().to_owned();
        let value = if text.is_empty() && name != "main" {
            Value::Null
        } else {
            json!(text)
        };
        (name.to_owned(), value)
    });
    Value::Object(Map::from_iter(said))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_docstring_is_taken_apart() {
        let said = parsed("Get the time.\n\nArgs:\n    tz: a zone\nReturns:\n    the time\n");
        let expected =
            json!({"main": "Get the time.", "args": "tz: a zone", "returns": "the time", "raises": null});
        assert_eq!(said, expected);
        assert_eq!(parsed("Only this").get("main"), Some(&json!("Only this")));
    }
}
