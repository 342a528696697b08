//! `gatehouse check` and `gatehouse render`.

use crate::app;
use crate::config::Config;
use crate::config::folders::Folders;

pub(super) async fn run(config: &Config) -> Result<(), Vec<String>> {
    let faults = app::check(config).await;
    if faults.is_empty() {
        super::print("everything is in order\n").map_err(|error| vec![error.to_string()])
    } else {
        Err(faults)
    }
}

pub(super) fn render(config: &Config) -> anyhow::Result<()> {
    let folders = Folders::of(&config.data_dir)?;
    super::print(&crate::nginx::render(&app::nginx_settings(config, &folders), &[])?.body)
}
