//! `gatehouse serve`.

use crate::app;
use crate::config::Config;

pub(super) async fn run(config: Config, with_demos: bool) -> anyhow::Result<()> {
    app::run(config, with_demos).await
}
