//! Whence the rights come: the scopes file, and the store over it.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;

use super::build::ADMIN_GROUP;
use super::identity;
use crate::clock::SystemClock;
use crate::config::Config;
use crate::domain::policy::Policy;
use crate::idp::Providers;
use crate::service::scopes::{self, Scopes};
use crate::store::Store;

/// The scopes of whoever has no folder of their own.
const DEFAULT_SCOPES: &str = include_str!("../../auth/scopes.yml");

/// Where the scopes come from.
#[derive(Debug, Clone)]
pub(super) struct PolicySource(Option<PathBuf>);

impl PolicySource {
    pub(super) fn of(config: &Config) -> Self {
        Self(config.auth_dir.as_ref().map(|folder| folder.join("scopes.yml")))
    }

    /// The file as it is now; the compiled-in scopes while there is none.
    pub(super) fn read(&self) -> anyhow::Result<Policy> {
        let Some(file) = self.0.as_ref().filter(|file| file.exists()) else {
            return Ok(Policy::parse(DEFAULT_SCOPES)?);
        };
        let text = fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
        Policy::parse(&text).with_context(|| format!("reading {}", file.display()))
    }
}

/// The groups and scopes of a store and a file, whether or not somebody can administer under them.
pub(super) async fn load(
    config: &Config,
    store: Arc<dyn Store>,
    file: Policy,
    providers: Option<Providers>,
) -> anyhow::Result<Scopes> {
    let settings = scopes::Settings {
        admin_scope: config.admin_scope.clone(),
        first_admin: (config.admin_user.clone(), vec![ADMIN_GROUP.to_owned()]),
        providers,
    };
    Ok(Scopes::load(store, file, settings, Arc::new(SystemClock)).await?)
}

/// Whether somebody can administer under what the file and the store say.
pub(super) async fn check(config: &Config, store: Arc<dyn Store>, file: Policy) -> anyhow::Result<()> {
    // Declarations that are wrong are a fault of their own.
    let providers = identity::providers(config, Arc::new(SystemClock)).ok();
    Ok(load(config, store, file, providers).await?.check().await?)
}

/// Read the file again; what is refused leaves the old rights as they are.
pub(super) async fn reload(source: PolicySource, scopes: Scopes) {
    let read = match source.read() {
        Ok(policy) => scopes.file_changed(policy).await.map_err(Into::into),
        Err(error) => Err(error),
    };
    match read {
        Ok(()) => tracing::info!("scopes read"),
        Err(error) => tracing::error!(reason = format!("{error:#}"), "the old scopes stay"),
    }
}
