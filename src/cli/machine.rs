//! `gatehouse machine …`: machine accounts, over the running daemon, or on the store when none runs.

use clap::ArgMatches;
use serde_json::{Value, json};

use super::daemon;
use crate::app::offline::Offline;
use crate::config::Config;
use crate::config::folders::Folders;
use crate::domain::access::Permit;
use crate::service::machines::Wish;
use crate::web::links;

fn word(matches: &ArgMatches, name: &str) -> String {
    matches.get_one::<String>(name).cloned().unwrap_or_default()
}

/// Prints id and secret, one a line; the secret is never seen again.
pub(super) async fn create(config: &Config, matches: &ArgMatches) -> anyhow::Result<()> {
    let groups = matches.get_many::<String>("groups");
    let wish = Wish {
        name: word(matches, "name"),
        description: word(matches, "description"),
        groups: groups.map(|groups| groups.cloned().collect()).unwrap_or_default(),
    };
    let folders = Folders::of(&config.data_dir)?;
    let asked = json!({"name": wish.name, "description": wish.description, "groups": wish.groups});
    let secret = match daemon::ask(&folders, links::ADMIN_MACHINES, &asked).await? {
        Some(answer) => {
            let secret = answer.get("client_secret").and_then(Value::as_str);
            secret.unwrap_or_default().to_owned()
        }
        None => {
            let offline = Offline::open(config, &folders).await?;
            let made = offline
                .machines()
                .create(&Permit::of_the_operator(), wish)
                .await?;
            made.1.expose().clone()
        }
    };
    super::print(&format!(
        "client_id\t{}\nclient_secret\t{secret}\n",
        word(matches, "name")
    ))
}

/// One a line: name, groups, maker, description.
pub(super) async fn list(config: &Config) -> anyhow::Result<()> {
    let folders = Folders::of(&config.data_dir)?;
    let rows = match daemon::get(&folders, links::ADMIN_MACHINES).await? {
        Some(answer) => answer.get("users").cloned().unwrap_or_default(),
        None => {
            let offline = Offline::open(config, &folders).await?;
            serde_json::to_value(offline.machines().list(&Permit::of_the_operator()).await?)?
        }
    };
    let mut text = String::new();
    for row in rows.as_array().into_iter().flatten() {
        let field = |name: &str| row.get(name).and_then(Value::as_str).unwrap_or_default();
        let groups = row.get("groups").and_then(Value::as_array).into_iter().flatten();
        let groups: Vec<&str> = groups.filter_map(Value::as_str).collect();
        let line = [
            field("client_id"),
            &groups.join(","),
            field("created_by"),
            field("description"),
        ];
        text.push_str(&line.join("\t"));
        text.push('\n');
    }
    super::print(&text)
}

/// End an account and its tokens.
pub(super) async fn remove(config: &Config, matches: &ArgMatches) -> anyhow::Result<()> {
    let name = word(matches, "name");
    let folders = Folders::of(&config.data_dir)?;
    if daemon::ask(&folders, links::ADMIN_MACHINE_REMOVE, &json!({ "name": name }))
        .await?
        .is_none()
    {
        let operator = Permit::of_the_operator();
        let offline = Offline::open(config, &folders).await?;
        offline.machines().remove(&operator, &name).await?;
        offline.tokens().revoke_all(operator.actor(), &name).await?;
    }
    super::print(&format!("{name} is removed\n"))
}
