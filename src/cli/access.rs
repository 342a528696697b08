//! `gatehouse access …`: rights explained, exported, taken in, given back to the file; over the running daemon, or on the
//! store and the file when none runs.

use std::path::PathBuf;

use anyhow::Context;
use clap::ArgMatches;
use serde_json::{Value, json};

use super::daemon;
use crate::app::offline::Offline;
use crate::config::Config;
use crate::config::folders::Folders;
use crate::domain::access::Permit;
use crate::service::explain::Question;
use crate::service::scopes::Error;
use crate::web::links;

/// Prints `allowed` or `denied`, then why.
pub(super) async fn explain(config: &Config, matches: &ArgMatches) -> anyhow::Result<()> {
    let word = |name: &str| matches.get_one::<String>(name).cloned();
    let many = |name: &str| {
        let words = matches.get_many::<String>(name)?;
        Some(words.map(String::as_str).collect::<Vec<_>>().join(","))
    };
    let question = Question {
        user: word("user"),
        groups: many("groups"),
        scopes: many("scopes"),
        server: word("server"),
        method: word("method"),
        tool: word("tool"),
        permission: word("permission"),
    };
    let folders = Folders::of(&config.data_dir)?;
    let asked = serde_json::to_value(&question)?;
    let answer = match daemon::ask(&folders, links::ADMIN_EXPLAIN, &asked).await? {
        Some(answer) => answer,
        None => {
            let offline = Offline::open(config, &folders).await?;
            serde_json::to_value(offline.explain().tell(None, &question).await?)?
        }
    };
    if matches.get_flag("json") {
        return super::print(&format!("{}\n", serde_json::to_string_pretty(&answer)?));
    }
    super::print(&words(&answer))
}

/// The answer for a person.
fn words(answer: &Value) -> String {
    let text = |value: &Value, field: &str| {
        value
            .get(field)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let list = |value: &Value, field: &str| {
        let rows = value.get(field).and_then(Value::as_array).into_iter().flatten();
        rows.filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
    };
    let allowed = answer.get("allowed") == Some(&Value::Bool(true));
    let mut lines = vec![if allowed { "allowed" } else { "denied" }.to_owned()];
    lines.push(text(answer, "sentence"));
    let mut note = |name: &str, words: String| {
        if !words.is_empty() {
            lines.push(format!("{name}: {words}"));
        }
    };
    note("groups", list(answer, "groups"));
    note("groups that have no scope", list(answer, "groups_without_scopes"));
    note("scopes", list(answer, "scopes"));
    if let Some(decider) = answer.get("decided_by").filter(|decider| !decider.is_null()) {
        note("held through", list(decider, "groups"));
        note(
            "says",
            decider.get("text").map(Value::to_string).unwrap_or_default(),
        );
    }
    let missing = answer.get("missing").and_then(Value::as_array);
    for missing in missing.into_iter().flatten() {
        let rule = missing.get("text").map(Value::to_string).unwrap_or_default();
        let words = format!("{}: {rule}", text(missing, "sentence"));
        note(&format!("lacks the {}", text(missing, "half")), words);
    }
    note("scopes that would allow it", list(answer, "would_open"));
    if answer.get("local_account") == Some(&Value::Bool(false)) {
        note(
            "note",
            "nobody of this name has a local account; name the groups".to_owned(),
        );
    }
    if answer.get("registered") == Some(&Value::Bool(false)) {
        note("note", "no such server is registered".to_owned());
    }
    lines.join("\n") + "\n"
}

/// What holds, as a scopes file.
pub(super) async fn export(config: &Config) -> anyhow::Result<()> {
    let folders = Folders::of(&config.data_dir)?;
    let yaml = match daemon::get(&folders, links::ADMIN_SCOPES).await? {
        Some(answer) => answer
            .get("yaml")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned(),
        None => {
            let offline = Offline::open(config, &folders).await?;
            offline.scopes().export(&Permit::of_the_operator()).await?
        }
    };
    super::print(&yaml)
}

/// Take in a scopes file or a scope document; it is kept in the store.
pub(super) async fn import(config: &Config, matches: &ArgMatches) -> anyhow::Result<()> {
    let file = matches.get_one::<PathBuf>("file").cloned().unwrap_or_default();
    let yaml = std::fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
    let folders = Folders::of(&config.data_dir)?;
    let changed = match daemon::ask(&folders, links::ADMIN_SCOPES, &json!({ "yaml": yaml })).await? {
        Some(answer) => answer.get("changed").cloned().unwrap_or_default(),
        None => {
            let offline = Offline::open(config, &folders).await?;
            let operator = Permit::of_the_operator();
            let changed = offline.scopes().import_text(&operator, &yaml).await;
            json!(changed.map_err(in_words)?)
        }
    };
    let changed: Vec<&str> = changed
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    if changed.is_empty() {
        return super::print("nothing is different\n");
    }
    super::print(&format!("changed in the store: {}\n", changed.join(", ")))
}

fn in_words(error: Error) -> anyhow::Error {
    match error {
        Error::Fields(faults) => {
            let words = faults
                .iter()
                .map(|fault| format!("{}: {}", fault.field, fault.message));
            anyhow::Error::msg(words.collect::<Vec<_>>().join("; "))
        }
        other => other.into(),
    }
}

/// Let the file count again for a scope.
pub(super) async fn reset(config: &Config, matches: &ArgMatches) -> anyhow::Result<()> {
    let name = matches.get_one::<String>("name").cloned().unwrap_or_default();
    let folders = Folders::of(&config.data_dir)?;
    let wish = json!({ "scope": name });
    if daemon::ask(&folders, links::ADMIN_SCOPES_RESET, &wish)
        .await?
        .is_none()
    {
        let offline = Offline::open(config, &folders).await?;
        offline.scopes().reset(&Permit::of_the_operator(), &name).await?;
    }
    super::print(&format!("the scopes file counts again for {name}\n"))
}
