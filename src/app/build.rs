//! From settings to parts.

use std::fs::{self, File};
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};
use tokio::sync::watch;

use super::calls;
use super::identity;
use super::rights::{self, PolicySource};
use super::settings::{self, MACHINE_CA, machine_names, nginx_settings, relay_settings, upstream_settings};
use super::tasks::Tasks;
use crate::clock::{Clock, SystemClock};
use crate::config::folders::Folders;
use crate::config::{Config, NginxMode};
use crate::domain::access::Permit;
use crate::domain::own;
use crate::domain::path::ServerPath;
use crate::domain::route::Texts;
use crate::domain::secret::Secret;
use crate::domain::server::Server;
use crate::nginx::Nginx;
use crate::service::authorize::Authorize;
use crate::service::bearers::Bearers;
use crate::service::call_log::Counts;
use crate::service::callers::Callers;
use crate::service::catalog::Catalog;
use crate::service::devices::Devices;
use crate::service::endpoints::Endpoints;
use crate::service::explain::Explain;
use crate::service::feed::Feed;
use crate::service::gate::{self, Gate};
use crate::service::indexing::Indexing;
use crate::service::invoke::{Invoke, Rows};
use crate::service::login::Login;
use crate::service::machines::Machines;
use crate::service::mcp_sessions::McpSessions;
use crate::service::monitor::Monitor;
use crate::service::permits::Permits;
use crate::service::publisher::{self, Publisher};
use crate::service::registry::Registry;
use crate::service::relay::Relay;
use crate::service::routes::Routes;
use crate::service::search::{Live, Search};
use crate::service::sign_in::SignIn;
use crate::service::tokens::Tokens;
use crate::service::trial::Trials;
use crate::service::unsaid::Unsaid;
use crate::service::usage::Usage;
use crate::token::seal::Sealer;
use crate::token::{Issuer, password, random};
use crate::watch::Watch;
use crate::web::view::View;
use crate::web::{AppState, Site};
use crate::{mcp, store, token, web};

/// The group of the local administrator.
pub(super) const ADMIN_GROUP: &str = "mcp-registry-admin";
/// Password hashes at once: each takes 19 MiB and a core.
const HASHES_AT_ONCE: usize = 2;

/// Everything that runs, ready to be started.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) state: AppState,
    pub(super) store: Arc<dyn store::Store>,
    pub(super) nginx: Option<Nginx>,
    pub(super) policy: PolicySource,
    pub(super) sealer: Sealer,
    pub(super) indexing: Indexing,
    /// What the call log counts, if there is one.
    pub(super) calls: Option<(Permits, Arc<Counts>)>,
    texts: watch::Sender<Arc<Texts>>,
    status: watch::Sender<publisher::Status>,
}

/// Take the data folder for ourselves; it is made when it is not there.
pub(super) fn lock(folders: &Folders) -> anyhow::Result<File> {
    let own = [&folders.data, &folders.run, &folders.nginx, &folders.logs];
    for folder in folders.runtime.iter().chain(own) {
        make_private(folder)?;
    }
    let path = folders.lock();
    let lock = File::options().create(true).append(true).open(&path);
    let lock = lock.with_context(|| format!("opening {}", path.display()))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(fs::TryLockError::WouldBlock) => {
            bail!(
                "another gatehouse runs on the data folder {}",
                folders.data.display()
            )
        }
        Err(fs::TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("locking {}", path.display()))
        }
    }
}

/// A folder for us alone. One that is there already must be ours and no link: the runtime folder lies where others may
/// write, and comes first, so that nobody can swap what is made inside it.
fn make_private(folder: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::MetadataExt;
    let doing = || format!("making the folder {}", folder.display());
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .with_context(doing)?;
    let found = fs::symlink_metadata(folder).with_context(doing)?;
    let is_ours = found.uid() == rustix::process::geteuid().as_raw();
    if found.is_symlink() && fs::metadata(folder).with_context(doing)?.uid() == found.uid() && is_ours {
        return Ok(());
    }
    if !is_ours {
        bail!("the folder {} belongs to another user", folder.display());
    }
    Ok(())
}

impl Parts {
    /// Open and load everything. Nothing runs yet, but nginx of an earlier run is ended and the listeners are free.
    pub(super) async fn build(config: &Config, folders: &Folders) -> anyhow::Result<Self> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let nginx = match config.nginx {
            NginxMode::Managed => {
                let mut settings = nginx_settings(config, folders);
                settings.server_names.extend(machine_names(config).await);
                settings.server_names.dedup();
                Some(Nginx::new(settings).await.context("preparing nginx")?)
            }
            NginxMode::Off => None,
        };
        check_listeners(config)?;
        let policy = PolicySource::of(config);
        let file = policy.read()?;
        let view = View::load(config.templates_dir.as_deref())?;
        let store = store::open(&store::Settings {
            file: folders.store(),
        })
        .with_context(|| format!("opening the store {}", folders.store().display()))?;
        let providers = identity::providers(config, Arc::clone(&clock))?;
        let scopes = rights::load(config, Arc::clone(&store), file, Some(providers.clone())).await?;
        let locked = "`gatehouse access reset NAME` gives a scope that was changed back to the file";
        scopes.check().await.context(locked)?;
        let rights_now = scopes.rights();
        let issuer = Issuer::open(
            &token::Settings {
                folder: folders.keys(),
                legacy_secret: config.secret_key.clone(),
            },
            Arc::clone(&clock),
        )?;
        // Its key lies beside those that sign: both are made at the first start.
        let sealer = Sealer::open(&folders.keys())?;
        let client = mcp::Client::new(&upstream_settings(config), Arc::clone(&clock));
        let client = client.context("reading the certificate authorities for upstreams")?;
        let (texts, texts_now) = watch::channel(Arc::new(Texts::new()));
        let (status, status_now) = watch::channel(publisher::Status::default());
        let bearers = Bearers::new(
            issuer.clone(),
            providers.clone(),
            config.api_keys.clone(),
            rights_now.clone(),
            Arc::clone(&clock),
        );
        let callers = Callers::new(
            bearers,
            Arc::clone(&store),
            rights_now.clone(),
            Arc::clone(&clock),
        );
        let own = own_server(config)?;
        let routes = Routes::new(
            Arc::clone(&store),
            client.resolver().clone(),
            sealer.clone(),
            config.name_ttl,
            own.clone(),
        );
        let resolver = client.resolver().clone();
        let registry = Registry::new(
            Arc::clone(&store),
            resolver,
            sealer.clone(),
            rights_now.clone(),
            Arc::clone(&clock),
            Arc::new(own),
        );
        let advertised = identity::advertised(config, providers.clone());
        let catalog = Catalog::new(Arc::clone(&store), Arc::clone(&clock));
        catalog.offer(ServerPath::ours().as_str(), web::tool_names());
        let monitor = Monitor::new(
            client.clone(),
            Arc::clone(&store),
            catalog.clone(),
            routes.table(),
            Arc::clone(&clock),
            config.health.clone(),
        );
        let indexing = Indexing::new(
            Arc::clone(&store),
            settings::embedder(config),
            catalog.changes(),
            config.search.index,
        );
        let live = Live {
            table: routes.table(),
            rights: rights_now.clone(),
            held: catalog.held(),
        };
        let search = Search::new(indexing.clone(), Arc::clone(&store), live, config.search.clone());
        let sessions = McpSessions::new(Arc::clone(&store), Arc::clone(&clock));
        let endpoints = Endpoints::default();
        let calls = calls::shared(config);
        let passwords = password::Passwords::new(HASHES_AT_ONCE)?;
        let state = AppState {
            gate: Gate::new(gate::Known {
                callers: callers.clone(),
                rights: rights_now.clone(),
                table: routes.table(),
                texts: texts_now,
                sessions: sessions.clone(),
                endpoints: endpoints.clone(),
                held: catalog.held(),
                advertised: advertised.clone(),
                permits: calls.as_ref().map(|(permits, _)| permits.clone()),
            }),
            advertised,
            feed: Feed::new(monitor.clone(), rights_now.clone(), config.feed.clone()),
            monitor,
            catalog: catalog.clone(),
            trials: Trials::new(client.clone(), config.health.timeout),
            search,
            invoke: Invoke::new(
                client.clone(),
                routes.table(),
                (rights_now.clone(), catalog.held()),
                config.upstream_read,
                calls.is_some().then(|| Rows {
                    store: Arc::clone(&store),
                    clock: Arc::clone(&clock),
                }),
            ),
            relay: Relay::new(
                client,
                sessions,
                endpoints,
                (rights_now.clone(), catalog.held()),
                relay_settings(config),
            ),
            login: Login::new(Arc::clone(&store), passwords.clone(), Arc::clone(&clock)),
            machines: Machines::new(
                Arc::clone(&store),
                providers.clone(),
                passwords,
                Arc::clone(&clock),
                config.auth_provider.clone(),
            ),
            devices: Devices::new(providers.clone(), Arc::clone(&clock)),
            authorize: Authorize::new(Arc::clone(&clock)),
            sign_in: SignIn::new(
                providers,
                Arc::clone(&store),
                sealer.clone(),
                Arc::clone(&clock),
                identity::sign_in_settings(config),
            ),
            tokens: Tokens::new(
                issuer,
                Arc::clone(&store),
                rights_now.clone(),
                Arc::clone(&clock),
                config.max_tokens_per_hour,
            ),
            unsaid: Unsaid::default(),
            usage: Usage::new(Arc::clone(&store), rights_now.clone(), calls.clone(), clock),
            explain: Explain::new(Arc::clone(&store), rights_now.clone()),
            scopes,
            rights: rights_now,
            nginx: status_now,
            site: Site {
                public_url: config.registry_url.clone(),
                secure_cookie: config.session_cookie_secure,
                has_mounts: nginx.is_some(),
                trusted_proxies: Arc::new(config.trusted_proxies.clone()),
            },
            registry,
            routes,
            callers,
            view,
        };
        Ok(Self {
            state,
            store,
            nginx,
            policy,
            sealer,
            indexing,
            calls,
            texts,
            status,
        })
    }

    pub(super) fn publisher(
        &self,
        config: &Config,
        nginx: &Nginx,
        templates: Option<watch::Receiver<u64>>,
    ) -> Publisher {
        let settings = publisher::Settings {
            between_reloads: config.reload,
            most_blocks: config.max_upstream_blocks,
            https: config.upstream_ca_file.is_some() || Path::new(MACHINE_CA).is_file(),
        };
        let channels = publisher::Channels {
            table: self.state.routes.table(),
            templates,
            texts: self.texts.clone(),
            status: self.status.clone(),
        };
        Publisher::new(settings, nginx.clone(), channels)
    }
}

/// Our own MCP server's record.
fn own_server(config: &Config) -> anyhow::Result<Server> {
    let address = format!("{}{}/mcp", config.registry_url, ServerPath::ours());
    let address = address.parse().context("registry_url")?;
    Ok(own::server(address, web::tool_count()))
}

/// Each listener must be free: nginx would only say so in its log.
fn check_listeners(config: &Config) -> anyhow::Result<()> {
    for address in &config.listen {
        TcpListener::bind(address).with_context(|| format!("listen: {address} cannot be bound"))?;
    }
    Ok(())
}

/// Watch a folder, if there is one.
pub(super) fn watched(
    tasks: &Tasks,
    folder: Option<&Path>,
    name: &'static str,
) -> anyhow::Result<Option<watch::Receiver<u64>>> {
    let Some(folder) = folder else {
        return Ok(None);
    };
    let watching = Watch::new(folder).with_context(|| format!("watching {}", folder.display()))?;
    let changes = watching.changes();
    let stop = tasks.stop();
    tasks.spawn(name, &stop.clone(), async move {
        tokio::select! {
            () = stop.cancelled() => {}
            () = watching.run() => {}
        }
    });
    Ok(Some(changes))
}

/// Make sure that the local administrator can sign in. A password that was generated now is returned, to be shown once.
pub(super) async fn ensure_admin(
    config: &Config,
    folders: &Folders,
    parts: &Parts,
) -> anyhow::Result<Option<Secret<String>>> {
    let login = &parts.state.login;
    let operator = Permit::of_the_operator();
    let groups = || vec![ADMIN_GROUP.to_owned()];
    let known = login.has_account(&config.admin_user).await?;
    if let Some(password) = &config.admin_password {
        if !known || !login.fits(&config.admin_user, password.clone()).await? {
            login
                .set_password(&operator, &config.admin_user, groups(), password.clone())
                .await?;
            parts
                .state
                .tokens
                .revoke_all(operator.actor(), &config.admin_user)
                .await?;
            parts.state.callers.forget_sessions();
        }
        return Ok(None);
    }
    if known {
        return Ok(None);
    }
    let password = random::password().context("making a password")?;
    keep_initial_password(folders, &password)?;
    login
        .set_password(&operator, &config.admin_user, groups(), password.clone())
        .await?;
    Ok(Some(password))
}

fn keep_initial_password(folders: &Folders, password: &Secret<String>) -> anyhow::Result<()> {
    let path = folders.initial_password();
    let write = || {
        let mut file = File::options()
            .create(true)
            .write(true)
            .truncate(true)
            .mode(0o600)
            .open(&path)?;
        writeln!(file, "{}", password.expose())?;
        file.sync_all()
    };
    write().with_context(|| format!("writing {}", path.display()))
}
