//! Assembly: read the settings, build the parts, run them, stop them in order.

mod build;
mod calls;
mod check;
mod demos;
mod greeting;
mod identity;
mod listen;
mod loopback;
pub mod offline;
pub mod remote;
mod rights;
mod settings;
mod signals;
mod tasks;

use std::time::Duration;

use anyhow::{Context, bail};
use futures_util::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use self::build::Parts;
use self::signals::{Signals, Wish};
use self::tasks::Tasks;
use crate::config::Config;
use crate::config::folders::Folders;
use crate::domain::secret::Secret;
use crate::service::renewal::Renewal;
use crate::web;
use crate::web::view::View;

/// How long the first configuration may take to become live.
const FIRST_CONFIGURATION: Duration = Duration::from_secs(30);
/// How long tasks may take to end.
const LAST_REQUESTS: Duration = Duration::from_secs(5);

/// Run the daemon until it is asked to stop.
pub async fn run(config: Config, with_demos: bool) -> anyhow::Result<()> {
    let folders = Folders::of(&config.data_dir).context("finding the data folder")?;
    let lock = build::lock(&folders)?;
    let mut signals = Signals::new().context("listening for signals")?;
    let parts = Parts::build(&config, &folders).await?;
    let tasks = Tasks::new();
    // nginx ends first, while the gate still answers the last requests.
    let front = CancellationToken::new();
    // Before anybody could try to sign in.
    let password = build::ensure_admin(&config, &folders, &parts).await?;
    let started = start(&config, &folders, &parts, &tasks, &front);
    let outcome = tokio::select! {
        started = started => match started {
            Ok(()) => match greet(&config, &folders, (&parts, &tasks), password.as_ref(), with_demos).await {
                Ok(()) => serve(&config, &parts, &tasks, &mut signals).await,
                Err(error) => Err(error),
            },
            Err(error) => Err(error),
        },
        // Templates cannot be waited for while nothing runs yet: only a stop counts here.
        () = stop_wish(&mut signals) => Ok(()),
        () = died(&tasks) => Err(anyhow::anyhow!("a part ended by itself at the start")),
    };
    tracing::info!("stopping");
    tokio::select! {
        () = end(&parts, tasks, &front) => {}
        () = stop_wish(&mut signals) => {
            if let Some(nginx) = &parts.nginx { nginx.kill(); }
        }
    }
    drop(lock);
    outcome
}

async fn stop_wish(signals: &mut Signals) {
    while signals.next().await != Wish::Stop {}
}

async fn died(tasks: &Tasks) {
    tasks.died().cancelled_owned().await;
}

async fn end(parts: &Parts, tasks: Tasks, front: &CancellationToken) {
    front.cancel();
    if let Some(nginx) = &parts.nginx {
        nginx.ended().await;
    }
    tasks.end(LAST_REQUESTS).await;
}

/// Start everything; return when the first configuration is live.
async fn start(
    config: &Config,
    folders: &Folders,
    parts: &Parts,
    tasks: &Tasks,
    front: &CancellationToken,
) -> anyhow::Result<()> {
    let stop = tasks.stop();
    let state = &parts.state;
    listen::raise_limit();
    // Before the first door opens.
    state.tokens.remember_revoked().await?;
    state.catalog.load().await?;
    tasks.spawn("monitor", &stop, state.monitor.clone().run(stop.clone()));
    tasks.spawn("index", &stop, parts.indexing.clone().run(stop.clone()));
    // While nginx still carries the last words.
    tasks.spawn("feed", front, state.feed.clone().run(front.clone()));
    tasks.spawn("routes", &stop, parts.state.routes.clone().run(stop.clone()));
    let socket = |path: std::path::PathBuf| {
        listen::unix(&path).with_context(|| format!("listening on {}", path.display()))
    };
    let admin = socket(folders.admin_socket())?;
    tasks.spawn(
        "admin",
        &stop,
        listen::serve_unix(admin, web::admin(state.clone()), tasks.clone(), stop.clone()),
    );
    watch_folder(tasks, config.templates_dir.as_deref(), "templates", {
        let view = state.view.clone();
        move || {
            reload_view(&view);
            std::future::ready(())
        }
    })?;
    watch_folder(
        tasks,
        config.auth_dir.as_deref(),
        "auth",
        reload_auth(config, parts),
    )?;
    let renewal = identity::renewal(config, parts);
    let keys = Renewal::keep_keys(renewal.providers.clone(), stop.clone());
    tasks.spawn("provider keys", &stop, keys);
    tasks.spawn("renewal", &stop, renewal.run(stop.clone()));
    let Some(nginx) = &parts.nginx else {
        for address in &config.listen {
            let listener = tokio::net::TcpListener::bind(address).await;
            let listener = listener.with_context(|| format!("listen: {address} cannot be bound"))?;
            let routes = web::registry(state.clone());
            tasks.spawn(
                "web",
                &stop,
                listen::serve_tcp(listener, routes, tasks.clone(), stop.clone()),
            );
        }
        return Ok(());
    };
    let (gate, registry) = (socket(folders.gate_socket())?, socket(folders.web_socket())?);
    let gate = listen::serve_unix(gate, web::gate(state.clone()), tasks.clone(), stop.clone());
    let registry = listen::serve_unix(
        registry,
        web::registry(state.clone()),
        tasks.clone(),
        stop.clone(),
    );
    tasks.spawn("gate", &stop, gate);
    tasks.spawn("web", &stop, registry);
    let templates = build::watched(tasks, config.nginx_dir.as_deref(), "nginx templates")?;
    let publisher = parts.publisher(config, nginx, templates);
    let mut status = state.nginx.clone();
    let supervised = nginx.clone();
    let until = front.clone();
    tasks.spawn("nginx", front, async move { supervised.supervise(until).await });
    tasks.spawn("publisher", &stop, publisher.run(stop.clone()));
    // Beside nginx and the gate: what happens before the first text is live is logged too.
    if let Some(calls) = calls::follower(config, parts, nginx) {
        tasks.spawn("calls", &stop, calls.run(stop.clone()));
    }
    let first = status.wait_for(|status| status.live.is_some() || status.fault.is_some());
    let first = tokio::time::timeout(FIRST_CONFIGURATION, first)
        .await
        .context("waiting for nginx")?;
    let first = first.context("the publisher ended")?.clone();
    match (first.live, first.fault) {
        (None, Some(fault)) => bail!("{fault}"),
        _ => Ok(()),
    }
}

async fn greet(
    config: &Config,
    folders: &Folders,
    (parts, tasks): (&Parts, &Tasks),
    password: Option<&Secret<String>>,
    with_demos: bool,
) -> anyhow::Result<()> {
    if with_demos {
        demos::start(parts, tasks).await?;
    }
    greeting::print(config, folders, password, with_demos && parts.nginx.is_some());
    Ok(())
}

/// Until somebody asks for the end, or a part has ended by itself.
async fn serve(config: &Config, parts: &Parts, tasks: &Tasks, signals: &mut Signals) -> anyhow::Result<()> {
    let died = tasks.died();
    loop {
        tokio::select! {
            wish = signals.next() => match wish {
                Wish::Stop => return Ok(()),
                Wish::Reload => {
                    reload_view(&parts.state.view);
                    reload_auth(config, parts)().await;
                }
            },
            () = died.cancelled() => bail!("a part of the daemon ended by itself"),
        }
    }
}

/// Read the folder `auth` again: first the providers, because with one other groups than those of local accounts may be an
/// administrator's.
fn reload_auth(
    config: &Config,
    parts: &Parts,
) -> impl Fn() -> BoxFuture<'static, ()> + Send + Sync + 'static {
    let declared = identity::ProviderSource::of(config);
    let (sign_in, callers) = (parts.state.sign_in.clone(), parts.state.callers.clone());
    let (source, scopes) = (parts.policy.clone(), parts.state.scopes.clone());
    move || {
        let providers = identity::reload(declared.clone(), sign_in.clone(), callers.clone());
        let rights = rights::reload(source.clone(), scopes.clone());
        Box::pin(async {
            providers.await;
            rights.await;
        })
    }
}

/// Do something each time a folder has changed and is quiet again.
fn watch_folder<F>(
    tasks: &Tasks,
    folder: Option<&std::path::Path>,
    name: &'static str,
    again: impl Fn() -> F + Send + Sync + 'static,
) -> anyhow::Result<()>
where
    F: Future<Output = ()> + Send,
{
    let Some(mut changes) = build::watched(tasks, folder, name)? else {
        return Ok(());
    };
    let stop = tasks.stop();
    tasks.spawn(name, &stop.clone(), async move {
        let following = async {
            while changes.changed().await.is_ok() {
                again().await;
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = following => {}
        }
    });
    Ok(())
}

fn reload_view(view: &View) {
    match view.reload() {
        Ok(()) => tracing::info!("page templates read"),
        Err(error) => tracing::error!(
            error = &error as &dyn std::error::Error,
            "the old page templates stay"
        ),
    }
}

/// The nginx of a configuration, for `gatehouse check` and `gatehouse render`.
pub fn nginx_settings(config: &Config, folders: &Folders) -> crate::nginx::Settings {
    settings::nginx_settings(config, folders)
}

/// What `gatehouse check` looks at beyond the settings: every fault in a sentence.
pub async fn check(config: &Config) -> Vec<String> {
    check::faults(config).await
}
