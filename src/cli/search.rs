//! `gatehouse search`: tools and servers of a registry that one has signed in to, the best first.

use std::fmt::Write;

use clap::ArgMatches;
use http::Method;
use serde_json::{Value, json};

use super::login::remote;
use crate::config::Config;
use crate::web::links;

/// Characters of a description on its line.
const DESCRIPTION: usize = 80;

/// Ask, and print a line for each thing found: score, kind, where, what.
pub(super) async fn run(config: &Config, matches: &ArgMatches) -> anyhow::Result<()> {
    let words = |name: &str| -> Vec<String> {
        let all = matches.get_many::<String>(name);
        all.map(|all| all.cloned().collect()).unwrap_or_default()
    };
    let mut body = json!({
        "query": words("query").join(" "),
        "tags": words("tags"),
        "max_results": matches.get_one::<u32>("limit"),
    });
    let kinds: Vec<&str> = [("servers", "mcp_server"), ("tools", "tool")]
        .into_iter()
        .filter(|(flag, _)| matches.get_flag(flag))
        .map(|(_, kind)| kind)
        .collect();
    if let (false, Some(fields)) = (kinds.is_empty(), body.as_object_mut()) {
        fields.insert("entity_types".to_owned(), json!(kinds));
    }
    let answer = remote(config, matches)?
        .ask(Method::POST, links::API_SEARCH, Some(&body))
        .await?;
    if matches.get_flag("json") {
        return super::print(&format!("{answer}\n"));
    }
    super::print(&lines(&answer)?)
}

fn lines(answer: &Value) -> anyhow::Result<String> {
    let mut text = String::new();
    for (list, kind, place, name) in [
        ("tools", "tool", "server_path", "tool_name"),
        ("servers", "server", "path", "server_name"),
    ] {
        for row in answer.get(list).and_then(Value::as_array).into_iter().flatten() {
            // Names and descriptions are other people's: nothing of theirs may move a terminal's cursor.
            let word = |field: &str| {
                let word = row.get(field).and_then(Value::as_str).unwrap_or_default();
                word.replace(char::is_control, " ")
            };
            let score = row.get("relevance_score").and_then(Value::as_f64).unwrap_or(0.0);
            let description: String = word("description").chars().take(DESCRIPTION).collect();
            let (place, name) = (word(place), word(name));
            writeln!(text, "{score:.2}\t{kind}\t{place}\t{name}\t{description}")?;
        }
    }
    if text.is_empty() {
        text.push_str("nothing fits\n");
    }
    if answer.get("search_mode").and_then(Value::as_str) == Some("lexical-only") {
        text.push_str("(by words alone: the registry has no model, or it did not answer)\n");
    }
    Ok(text)
}
