//! `gatehouse check`: everything that can be wrong beyond the settings themselves, found without a daemon.

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;

use super::identity::ProviderSource;
use super::rights::{self, PolicySource};
use super::settings::{nginx_settings, upstream_settings};
use crate::clock::SystemClock;
use crate::config::folders::Folders;
use crate::config::{Config, NginxMode};
use crate::token::random;
use crate::web::view::View;
use crate::{mcp, nginx, store};

/// Every fault beyond the settings themselves, each with its key and where that was set.
pub(super) async fn faults(config: &Config) -> Vec<String> {
    let mut faults = Vec::new();
    let mut note = |key: &str, outcome: anyhow::Result<()>| {
        if let Err(error) = outcome {
            faults.push(format!("{key} ({}): {error:#}", config.origin(key)));
        }
    };
    let file = PolicySource::of(config).read();
    note("auth_dir", ProviderSource::of(config).check());
    note(
        "templates_dir",
        View::load(config.templates_dir.as_deref())
            .map(drop)
            .map_err(Into::into),
    );
    let client = mcp::Client::new(&upstream_settings(config), Arc::new(SystemClock));
    note("upstream_ca_file", client.map(drop).map_err(Into::into));
    match (Folders::of(&config.data_dir), temporary_folder()) {
        (Err(error), _) => {
            note("auth_dir", file.map(drop));
            note("data_dir", Err(error.into()));
        }
        (_, Err(error)) => {
            note("auth_dir", file.map(drop));
            note("data_dir", Err(error));
        }
        (Ok(folders), Ok(made)) => {
            // A store that a daemon uses can be opened beside it; one that is not there is made where it goes away.
            let at = Some(folders.store())
                .filter(|file| file.is_file())
                .unwrap_or_else(|| made.join("gatehouse.db"));
            match (file, store::open(&store::Settings { file: at })) {
                (Ok(file), Ok(store)) => note("auth_dir", rights::check(config, store, file).await),
                (file, store) => {
                    note("auth_dir", file.map(drop));
                    note("data_dir", store.map(drop).map_err(Into::into));
                }
            }
            if config.nginx == NginxMode::Managed && config.nginx_program.is_some() {
                note("nginx_dir", check_nginx(config, &folders, &made).await);
            }
            fs::remove_dir_all(&made).ok();
        }
    }
    faults
}

/// Render an empty register and ask `nginx -t` about it, in a folder of its own.
async fn check_nginx(config: &Config, folders: &Folders, made: &Path) -> anyhow::Result<()> {
    let own = nginx::Settings {
        folder: made.join("nginx"),
        logs: made.to_owned(),
        run: made.to_owned(),
        ..nginx_settings(config, folders)
    };
    nginx::test(&own, &nginx::render(&own, &[])?)
        .await
        .map_err(Into::into)
}

/// A new folder for us alone, for what a check must write. Its name cannot be guessed and it must not be there.
fn temporary_folder() -> anyhow::Result<PathBuf> {
    let folder = std::env::temp_dir().join(format!("gatehouse-{}", random::id()?));
    fs::DirBuilder::new()
        .mode(0o700)
        .create(&folder)
        .with_context(|| format!("making the folder {}", folder.display()))?;
    Ok(folder)
}
