//! `intelligent_tool_finder`: what do you want to do?
//!
//! One row has the names of both generations of clients (contract, section 8.1): `tool_schema` and `overall_similarity_score`
//! of the first, `description`, `score` and `path` of the second. Whoever asks in the words of the first reads the rows as the
//! documents show them: a list, and nothing around it.

use rmcp::model::{CallToolResult, ContentBlock};
use serde_json::{Map, Value, json};

use super::fault::Fault;
use super::{Arguments, Call};
use crate::domain::route::Table;
use crate::domain::search::Query;
use crate::service::search::FoundTool;

/// Tools that the first generation gets without a wish, and the second.
const USUAL: (i64, i64) = (1, 5);
/// Tools at most, which is as many as a model can read.
const MOST: i64 = 50;
/// Tools that have the tags, so far as they are counted.
const MOST_TAGGED: usize = 1_000;
const USUAL_SERVERS: usize = 3;

pub(super) async fn find(call: Call<'_>, given: &Arguments) -> Result<CallToolResult, Fault> {
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
    let query = Query::parse(text, &tags, None);
    let query = query.map_err(|fault| {
        Fault::new(
            format!("{}: {}", fault.field, fault.message),
            "Correct it and call again.",
        )
    })?;
    let (query, limit) = wanted(given, query);
    let found = call.state.search.find(call.who(), &query).await?;
    let table = call.state.routes.table().borrow().clone();
    let total = found.tools.len();
    let tools = found.tools.iter().take(limit);
    let rows: Vec<Value> = tools.map(|tool| row(tool, &table)).collect();
    let mut answer = json!({
        "query": text,
        "total_results": rows.len(),
        "results": rows,
        "search_mode": found.mode.as_str(),
        "status": if found.nothing_fits { "nothing_fits" } else { "success" },
    });
    let by_tags = query.text.is_none();
    let next = next(found.nothing_fits, rows.len(), total);
    if let Some(fields) = answer.as_object_mut() {
        if by_tags {
            fields.insert("total_matching".to_owned(), json!(total));
        }
        fields.extend(next.clone().map(|next| ("next".to_owned(), json!(next))));
    }
    let mut result = CallToolResult::structured(answer);
    if given.is_older() {
        let rows = ContentBlock::text(Value::Array(rows).to_string());
        result.content = std::iter::once(rows)
            .chain(next.map(ContentBlock::text))
            .collect();
    }
    Ok(result)
}

impl Arguments {
    /// Whether the caller speaks as the first generation does.
    fn is_older(&self) -> bool {
        self.0.contains_key("natural_language_query") && !self.0.contains_key("query")
    }
}

/// What is looked for, and how many tools of it are shown.
fn wanted(given: &Arguments, mut query: Query) -> (Query, usize) {
    let by_tags = query.text.is_none();
    let is_newer = given.0.contains_key("query");
    let usual = match (by_tags, is_newer) {
        // Tags alone ask for all that has them, however they were written.
        (true, _) => MOST,
        (false, true) => USUAL.1,
        (false, false) => USUAL.0,
    };
    let limit = given.number(&["top_n_tools", "top_n"]).unwrap_or(usual);
    let limit = usize::try_from(limit.clamp(1, MOST)).unwrap_or(1);
    query.servers = false;
    query.limit = limit;
    if by_tags {
        query.limit = MOST_TAGGED;
    } else {
        let servers = given
            .number(&["top_k_services"])
            .and_then(|count| usize::try_from(count).ok());
        // The newer clients know no such bound.
        query.within = servers.or((!is_newer).then_some(USUAL_SERVERS));
    }
    (query, limit)
}

/// What to do when the answer is not all that was hoped for.
fn next(nothing_fits: bool, shown: usize, total: usize) -> Option<String> {
    if nothing_fits {
        let next =
            "Nothing fits. Say it in other words, or call `list_services` for all servers that you may use.";
        return Some(next.to_owned());
    }
    (shown < total).then(|| {
        let at_least = if total == MOST_TAGGED { "at least " } else { "" };
        format!(
            "These are {shown} of {at_least}{total} tools with these tags. Say in `query` what you want to do, give more \
             tags, or raise `top_n` (at most {MOST})."
        )
    })
}

fn row(tool: &FoundTool, table: &Table) -> Value {
    let description = tool.definition.get("description").and_then(Value::as_str);
    let description = description.unwrap_or_default();
    let schema = tool.definition.get("inputSchema");
    let score = (f64::from(tool.score) * 10_000.0).round() / 10_000.0;
    let route = table.routes.get(tool.server_path.as_str());
    let transports = route.map_or(&[][..], |route| &route.server.profile.supported_transports);
    json!({
        "tool_name": tool.tool_name,
        "server_name": tool.server_name,
        "description": description,
        "score": score,
        "path": tool.server_path,
        "tool_parsed_description": parsed(description, schema),
        "tool_schema": schema,
        "service_path": tool.server_path,
        "service_name": tool.server_name,
        "supported_transports": transports,
        "auth_provider": Value::Null,
        "overall_similarity_score": score,
    })
}

/// A Python docstring's parts, and the parameters by name as the schema has them; what has no such parts is `main` altogether.
fn parsed(description: &str, schema: Option<&Value>) -> Value {
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
    let mut said = Map::from_iter(said);
    let parameters = schema.and_then(|schema| schema.get("properties")?.as_object());
    let parameters = parameters.cloned().unwrap_or_default();
    said.insert("parameters".to_owned(), Value::Object(parameters));
    Value::Object(said)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_docstring_is_taken_apart() {
        let schema = json!({"type": "object", "properties": {"tz": {"type": "string"}}});
        let text = "Get the time.\n\nArgs:\n    tz: a zone\nReturns:\n    the time\n";
        let expected = json!({
            "main": "Get the time.", "args": "tz: a zone", "returns": "the time", "raises": null,
            "parameters": {"tz": {"type": "string"}},
        });
        assert_eq!(parsed(text, Some(&schema)), expected);
        let plain = parsed("Only this", None);
        assert_eq!(
            (plain.get("main"), plain.get("parameters")),
            (Some(&json!("Only this")), Some(&json!({})))
        );
    }

    #[test]
    fn each_generation_gets_as_much_as_it_is_used_to() {
        // What is given; tools shown, tools looked for, servers looked at.
        let rows = [
            (json!({"query": "time"}), (5, 5, None)),
            (json!({"natural_language_query": "time"}), (1, 1, Some(3))),
            (json!({"query": "time", "top_n": 7.0}), (7, 7, None)),
            (
                json!({"natural_language_query": "time", "top_n_tools": 2, "top_k_services": 9}),
                (2, 2, Some(9)),
            ),
            (json!({"query": "time", "top_n": 5_000}), (50, 50, None)),
            (json!({"tags": ["a"]}), (50, MOST_TAGGED, None)),
            // A tag in the text is a tag, and nothing else is in it.
            (
                json!({"natural_language_query": "#finance"}),
                (50, MOST_TAGGED, None),
            ),
            (json!({"query": "#finance", "top_n": 3}), (3, MOST_TAGGED, None)),
            (json!({"query": "#finance stocks"}), (5, 5, None)),
        ];
        for (given, expected) in rows {
            let arguments = Arguments(given.as_object().unwrap().clone());
            let text = arguments.text(&["natural_language_query", "query"]);
            let query = Query::parse(text.unwrap_or_default(), &arguments.texts("tags"), None);
            let (query, limit) = wanted(&arguments, query.unwrap());
            assert_eq!((limit, query.limit, query.within), expected, "{given}");
        }
    }

    #[test]
    fn what_is_left_out_is_said() {
        assert_eq!(next(false, 5, 5), None);
        assert!(next(true, 0, 0).unwrap().starts_with("Nothing fits"));
        assert!(
            next(false, 50, 73)
                .unwrap()
                .starts_with("These are 50 of 73 tools")
        );
        assert!(next(false, 50, MOST_TAGGED).unwrap().contains("at least 1000"));
    }
}
