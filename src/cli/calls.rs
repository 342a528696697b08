//! `gatehouse calls`: the call log of a registry, one call a line; with `--follow` as they come, until Ctrl-C.

use std::fmt::Write;
use std::time::Duration;

use clap::ArgMatches;
use http::Method;
use serde_json::Value;

use super::login::remote;
use crate::app::remote::Remote;
use crate::config::Config;
use crate::service::usage::Question;
use crate::web::links;

/// Between two looks: nginx writes its lines once a second.
const PAUSE: Duration = Duration::from_secs(1);
/// The most that one answer brings.
const PAGE: &str = "1000";

/// Print what there is, oldest first, and what comes.
pub(super) async fn run(config: &Config, matches: &ArgMatches) -> anyhow::Result<()> {
    let word = |name: &str| matches.get_one::<String>(name).cloned();
    let remote = remote(config, matches)?;
    let question = Question {
        server: word("server"),
        tool: word("tool"),
        user: word("user"),
        status: word("status"),
        from: word("since"),
        limit: matches.get_one::<u32>("limit").map(u32::to_string),
        ..Question::default()
    };
    let (json, follow) = (matches.get_flag("json"), matches.get_flag("follow"));
    let mut calls = page(&remote, &question).await?.0;
    let mut seen = newest(&calls).unwrap_or(0);
    show(&mut calls, json)?;
    if !follow {
        return Ok(());
    }
    let following = async {
        loop {
            tokio::time::sleep(PAUSE).await;
            let mut calls = since(&remote, &question, seen).await?;
            seen = newest(&calls).unwrap_or(seen);
            show(&mut calls, json)?;
        }
    };
    tokio::select! {
        outcome = following => outcome,
        stopped = tokio::signal::ctrl_c() => Ok(stopped?),
    }
}

/// Everything that is newer, newest first, page by page.
async fn since(remote: &Remote, question: &Question, seen: i64) -> anyhow::Result<Vec<Value>> {
    let mut question = Question {
        after: Some(seen.to_string()),
        limit: Some(PAGE.to_owned()),
        ..question.clone()
    };
    let mut calls = Vec::new();
    loop {
        let (page, next) = page(remote, &question).await?;
        calls.extend(page);
        if next.is_none() {
            return Ok(calls);
        }
        question.cursor = next;
    }
}

async fn page(remote: &Remote, question: &Question) -> anyhow::Result<(Vec<Value>, Option<String>)> {
    let query = serde_urlencoded::to_string(question)?;
    let path = format!("{}?{query}", links::API_CALLS);
    let mut answer = remote.ask(Method::GET, &path, None).await?;
    let calls = answer.get_mut("calls").map(Value::take).unwrap_or_default();
    let next = answer.get("next").and_then(Value::as_str).map(str::to_owned);
    Ok((serde_json::from_value(calls)?, next))
}

fn newest(calls: &[Value]) -> Option<i64> {
    calls.first()?.get("id")?.as_i64()
}

/// Oldest first, as in any log.
fn show(calls: &mut [Value], json: bool) -> anyhow::Result<()> {
    calls.reverse();
    let mut text = String::new();
    for call in calls {
        if json {
            writeln!(text, "{call}")?;
            continue;
        }
        let word = |field: &str| match call.get(field) {
            // Names are other people's: nothing of theirs may move a terminal's cursor.
            Some(Value::String(text)) if !text.is_empty() => text.replace(char::is_control, "\u{fffd}"),
            Some(Value::Number(number)) => number.to_string(),
            _ => "-".to_owned(),
        };
        let fields = [
            "at",
            "status",
            "duration_ms",
            "way",
            "user",
            "server",
            "method",
            "tool",
        ];
        writeln!(text, "{}", fields.map(word).join("\t"))?;
    }
    super::print(&text)
}
