//! `gatehouse check` and `gatehouse render`.

use crate::app;
use crate::config::Config;
use crate::config::folders::Folders;

/// What is wrong beyond the settings themselves.
pub(super) async fn faults(config: &Config) -> Vec<String> {
    app::check(config).await
}

pub(super) fn render(config: &Config) -> anyhow::Result<()> {
    let folders = Folders::of(&config.data_dir)?;
    super::print(&crate::nginx::render(&app::nginx_settings(config, &folders), &[])?.body)
}
