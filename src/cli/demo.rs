//! `gatehouse demo NAME`.

use anyhow::Context;
use clap::ArgMatches;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::demo::{self, Demo};

pub(super) async fn run(matches: &ArgMatches) -> anyhow::Result<()> {
    let name = matches
        .get_one::<String>("name")
        .map(String::as_str)
        .unwrap_or_default();
    let demo = Demo::ALL
        .into_iter()
        .find(|demo| demo.name() == name)
        .context("no such example server")?;
    let address = matches
        .get_one::<String>("listen")
        .map(String::as_str)
        .unwrap_or_default();
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("--listen: {address} cannot be bound"))?;
    super::print(&format!(
        "{} listens on http://{}/mcp\n",
        demo.name(),
        listener.local_addr()?
    ))?;
    let stop = CancellationToken::new();
    tokio::select! {
        served = demo::serve(demo, listener, stop.clone()) => Ok(served?),
        stopped = tokio::signal::ctrl_c() => Ok(stopped?),
    }
}
