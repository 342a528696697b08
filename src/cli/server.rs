//! `gatehouse server …`: the registry's servers, over HTTP with the token of `gatehouse login`.

use clap::ArgMatches;
use http::Method;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::login::remote;
use crate::config::Config;
use crate::web::links;

/// Seconds that a change waits for the first check.
const WAIT: u64 = 20;

/// Path, state, name and address, one server a line.
pub(super) async fn list(config: &Config, matches: &ArgMatches) -> anyhow::Result<()> {
    let rows = remote(config, matches)?
        .ask(Method::GET, links::API_MANAGEMENT_SERVERS, None)
        .await?;
    let mut text = String::new();
    for row in rows.as_array().into_iter().flatten() {
        let word = |field: &str| row.get(field).and_then(Value::as_str).unwrap_or("");
        let state = if row.get("enabled") == Some(&Value::Bool(true)) {
            "enabled"
        } else {
            "disabled"
        };
        text.push_str(&[word("path"), state, word("name"), word("proxy_pass_url")].join("\t"));
        text.push('\n');
    }
    super::print(&text)
}

/// Register a server, and say whether it is live, how it is and how many tools it has.
pub(super) async fn register(config: &Config, matches: &ArgMatches) -> anyhow::Result<()> {
    let word = |name: &str| matches.get_one::<String>(name).cloned();
    let path = word("path").unwrap_or_default();
    let body = json!({
        "server_name": word("name").unwrap_or_else(|| path.trim_matches('/').to_owned()),
        "path": path,
        "proxy_pass_url": word("url"),
        "description": word("description"),
        "tags": matches.get_many::<String>("tags").map(|tags| tags.cloned().collect::<Vec<_>>()).unwrap_or_default(),
        "pinned": matches.get_flag("pinned"),
        "wait": WAIT,
    });
    let answer = remote(config, matches)?
        .ask(Method::POST, links::API_MANAGEMENT_SERVERS, Some(&body))
        .await?;
    say(&answer)
}

/// Enable, disable or remove a server.
pub(super) async fn act(config: &Config, word: &str, matches: &ArgMatches) -> anyhow::Result<()> {
    let name = matches
        .get_one::<String>("path")
        .map(String::as_str)
        .unwrap_or_default();
    let name = utf8_percent_encode(name.trim_matches('/'), NON_ALPHANUMERIC);
    let base = format!("{}/{name}", links::API_MANAGEMENT_SERVERS);
    let remote = remote(config, matches)?;
    if word == "remove" {
        let answer = remote.ask(Method::DELETE, &base, None).await?;
        return super::print(&format!(
            "{} is removed\n",
            answer.get("path").and_then(Value::as_str).unwrap_or("it")
        ));
    }
    say(&remote
        .ask(
            Method::POST,
            &format!("{base}/{word}"),
            Some(&json!({"wait": WAIT})),
        )
        .await?)
}

fn say(answer: &Value) -> anyhow::Result<()> {
    let word = |field: &str| answer.get(field).and_then(Value::as_str).unwrap_or("");
    let reason = if word("reason").is_empty() {
        String::new()
    } else {
        format!(": {}", word("reason"))
    };
    let tools = answer.get("num_tools").and_then(Value::as_i64).unwrap_or(0);
    let health = match word("health_status") {
        "" | "disabled" | "unknown" => String::new(),
        health => format!(", {health}, {tools} tools"),
    };
    super::print(&format!(
        "{} is {}{reason}{health}\n",
        word("path"),
        word("state")
    ))
}
