//! `--demo`: run the example servers on ports that are chosen free and kept, and register them once.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::Context;
use tokio::net::TcpListener;

use super::build::Parts;
use super::tasks::Tasks;
use crate::demo::{self, Demo};
use crate::domain::access::Permit;
use crate::domain::draft::{Description, Draft};
use crate::domain::egress::Written;
use crate::domain::server::{Edit, NewServer, Profile};
use crate::service::registry;
use crate::store;

/// The facts that a demo's port and its registration are kept under.
fn facts(demo: Demo) -> (&'static str, &'static str) {
    match demo {
        Demo::CurrentTime => ("demo.currenttime.port", "demo.currenttime.registered"),
        Demo::RealServerFakeTools => (
            "demo.realserverfaketools.port",
            "demo.realserverfaketools.registered",
        ),
    }
}

pub(super) async fn start(parts: &Parts, tasks: &Tasks) -> anyhow::Result<()> {
    for demo in Demo::ALL {
        let (port_fact, registered_fact) = facts(demo);
        let kept = parts
            .store
            .fact(port_fact)
            .await?
            .and_then(|port| port.parse::<u16>().ok());
        let listener = listener(kept)
            .await
            .with_context(|| format!("starting the demo {}", demo.name()))?;
        let port = listener.local_addr()?.port();
        parts.store.put_fact(port_fact, port.to_string()).await?;
        let stop = tasks.stop();
        tasks.spawn("demo", &stop.clone(), async move {
            if let Err(error) = demo::serve(demo, listener, stop).await {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    demo = demo.name(),
                    "a demo server failed"
                );
            }
        });
        register(parts, demo, (kept, port), registered_fact)
            .await
            .with_context(|| format!("registering the demo {}", demo.name()))?;
    }
    Ok(())
}

/// The port of the last run if it is free, any other if not.
async fn listener(kept: Option<u16>) -> anyhow::Result<TcpListener> {
    for port in kept.into_iter().chain([0]) {
        if let Ok(listener) = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await {
            return Ok(listener);
        }
    }
    anyhow::bail!("no free port on 127.0.0.1")
}

fn address(port: u16) -> String {
    format!("http://127.0.0.1:{port}/mcp")
}

/// Register it the first time; afterwards only its port is kept true, and a demo that was removed stays removed.
async fn register(
    parts: &Parts,
    demo: Demo,
    (kept, port): (Option<u16>, u16),
    fact: &'static str,
) -> anyhow::Result<()> {
    let registry = &parts.state.registry;
    let operator = Permit::of_the_operator();
    let new = new_server(demo, port)?;
    if parts.store.fact(fact).await?.is_some() {
        let Some(known) = parts.store.server(&new.path).await? else {
            return Ok(());
        };
        // Only an address that this demo had is brought up to date: somebody may have pointed the record elsewhere.
        let had = kept.map(address);
        if kept != Some(port) && had.as_deref() == Some(known.profile.proxy_pass_url.as_str()) {
            let profile = Profile {
                proxy_pass_url: new.profile.proxy_pass_url,
                ..known.profile
            };
            let edit = Edit {
                profile,
                trusted: None,
                written: Written::default(),
                if_match: None,
            };
            registry.change(&operator, &new.path, edit).await?;
        }
        return Ok(());
    }
    match registry.register(&operator, new).await {
        Ok(_) | Err(registry::Error::Store(store::Error::Taken(_))) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(parts.store.put_fact(fact, "yes".to_owned()).await?)
}

fn new_server(demo: Demo, port: u16) -> anyhow::Result<NewServer> {
    let fields = [
        ("server_name", demo.name().to_owned()),
        ("path", format!("/{}", demo.name())),
        ("proxy_pass_url", address(port)),
        ("description", demo.description().to_owned()),
        ("tags", demo.tags().join(",")),
        ("num_tools", demo.num_tools().to_string()),
        ("license", "Apache-2.0".to_owned()),
    ];
    let draft = Draft::from_pairs(fields.map(|(name, text)| (name.to_owned(), text)).to_vec());
    draft
        .new_server(Description::Required)
        .map_err(|faults| anyhow::anyhow!("{faults:?}"))
}
