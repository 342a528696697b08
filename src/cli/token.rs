//! `gatehouse token create`: prints the token alone, so that it can stand in `$(…)`.

use clap::ArgMatches;
use serde_json::json;

use super::daemon;
use crate::app::offline::Offline;
use crate::config::Config;
use crate::config::folders::Folders;
use crate::domain::claims::Lifetime;
use crate::service::tokens::Wish;
use crate::web::links;

pub(super) async fn create(config: &Config, matches: &ArgMatches) -> anyhow::Result<()> {
    let many = |name| {
        matches
            .get_many::<String>(name)
            .map(|words| words.cloned().collect::<Vec<_>>())
    };
    let user = matches.get_one::<String>("user").cloned().unwrap_or_default();
    let (groups, scopes) = (many("groups").unwrap_or_default(), many("scopes"));
    let hours = matches.get_one::<i64>("hours").copied().unwrap_or(8);
    let folders = Folders::of(&config.data_dir)?;
    let wish = json!({"user": user, "groups": groups, "scopes": scopes, "hours": hours});
    if let Some(answer) = daemon::ask(&folders, links::ADMIN_TOKENS, &wish).await? {
        let token = answer
            .get("access_token")
            .and_then(|token| token.as_str())
            .unwrap_or_default();
        return super::print(&format!("{token}\n"));
    }
    let lifetime = Lifetime::from_hours(hours).map_err(anyhow::Error::msg)?;
    let wish = Wish {
        scopes: scopes.map(|scopes| scopes.into_iter().collect()),
        lifetime,
        description: None,
    };
    let token = Offline::open(config, &folders)?.token(&user, groups, wish)?;
    super::print(&format!("{}\n", token.expose()))
}
