//! `gatehouse admin reset-password`: makes a new password, prints it alone; all sessions of the account end.

use serde_json::json;

use super::daemon;
use crate::app::offline::{self, Offline};
use crate::config::Config;
use crate::config::folders::Folders;
use crate::web::links;

pub(super) async fn reset_password(config: &Config) -> anyhow::Result<()> {
    let folders = Folders::of(&config.data_dir)?;
    let password = offline::new_password()?;
    let groups = offline::admin_groups();
    let wish = json!({"username": config.admin_user, "password": password.expose(), "groups": groups});
    if daemon::ask(&folders, links::ADMIN_PASSWORD, &wish)
        .await?
        .is_none()
    {
        Offline::open(config, &folders)
            .await?
            .set_admin_password(&config.admin_user, password.clone())
            .await?;
    }
    // It is no longer the one of the first start.
    std::fs::remove_file(folders.initial_password()).ok();
    super::print(&format!("{}\n", password.expose()))
}
