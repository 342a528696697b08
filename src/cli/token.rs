//! `gatehouse token …`: over the running daemon, or on the store when none runs.

use clap::ArgMatches;
use serde_json::{Value, json};

use super::daemon;
use crate::app::offline::Offline;
use crate::config::Config;
use crate::config::folders::Folders;
use crate::domain::access::Permit;
use crate::domain::claims::Lifetime;
use crate::service::tokens::{Owner, Wish};
use crate::web::links;

/// Prints the token alone, so that it can stand in `$(…)`.
pub(super) async fn create(config: &Config, matches: &ArgMatches) -> anyhow::Result<()> {
    let many = |name| {
        matches
            .get_many::<String>(name)
            .map(|words| words.cloned().collect::<Vec<_>>())
    };
    let user = matches.get_one::<String>("user").cloned().unwrap_or_default();
    let (groups, scopes) = (many("groups").unwrap_or_default(), many("scopes"));
    let description = matches.get_one::<String>("description").cloned();
    let hours = matches.get_one::<i64>("hours").copied().unwrap_or(8);
    let folders = Folders::of(&config.data_dir)?;
    let wish =
        json!({"user": user, "groups": groups, "scopes": scopes, "hours": hours, "description": description});
    if let Some(answer) = daemon::ask(&folders, links::ADMIN_TOKENS, &wish).await? {
        let token = answer
            .get("access_token")
            .and_then(Value::as_str)
            .unwrap_or_default();
        return super::print(&format!("{token}\n"));
    }
    let lifetime = Lifetime::from_hours(hours).map_err(anyhow::Error::msg)?;
    let wish = Wish {
        scopes: scopes.map(|scopes| scopes.into_iter().collect()),
        lifetime,
        description,
    };
    let offline = Offline::open(config, &folders).await?;
    let vended = offline
        .tokens()
        .vend_for(&Permit::of_the_operator(), &user, groups, wish)
        .await?;
    super::print(&format!("{}\n", vended.token.expose()))
}

/// Every vended token, one a line: id, owner, end, state, scopes, description.
pub(super) async fn list(config: &Config) -> anyhow::Result<()> {
    let folders = Folders::of(&config.data_dir)?;
    let rows = match daemon::get(&folders, links::ADMIN_TOKENS).await? {
        Some(answer) => answer.get("tokens").cloned().unwrap_or_default(),
        None => serde_json::to_value(
            Offline::open(config, &folders)
                .await?
                .tokens()
                .list(Owner::Anybody)
                .await?,
        )?,
    };
    let mut text = String::new();
    for row in rows.as_array().into_iter().flatten() {
        let word = |field: &str| row.get(field).and_then(Value::as_str).unwrap_or("");
        let state = if word("revoked_at").is_empty() {
            "vended"
        } else {
            "revoked"
        };
        let line = [
            word("id"),
            word("username"),
            word("expires_at"),
            state,
            word("scope"),
            word("description"),
        ];
        text.push_str(&line.join("\t"));
        text.push('\n');
    }
    super::print(&text)
}

/// End one token and its refreshes.
pub(super) async fn revoke(config: &Config, matches: &ArgMatches) -> anyhow::Result<()> {
    let id = matches.get_one::<String>("id").cloned().unwrap_or_default();
    let folders = Folders::of(&config.data_dir)?;
    if daemon::ask(&folders, links::ADMIN_REVOKE, &json!({ "id": id }))
        .await?
        .is_none()
    {
        let offline = Offline::open(config, &folders).await?;
        offline
            .tokens()
            .revoke(Permit::of_the_operator().actor(), Owner::Anybody, &id)
            .await?;
    }
    super::print(&format!("{id} is revoked\n"))
}

/// Sign with a new key from now on.
pub(super) async fn rotate_keys(config: &Config) -> anyhow::Result<()> {
    let folders = Folders::of(&config.data_dir)?;
    let key = match daemon::ask(&folders, links::ADMIN_ROTATE, &json!({})).await? {
        Some(answer) => answer
            .get("key")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned(),
        None => Offline::open(config, &folders)
            .await?
            .tokens()
            .rotate_keys(&Permit::of_the_operator())?,
    };
    super::print(&format!(
        "new tokens are signed with the key {key}; live ones stay good\n"
    ))
}
