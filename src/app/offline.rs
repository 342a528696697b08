//! What the command line does when no daemon runs: the same use cases, over the same store.

use std::fs::File;
use std::sync::Arc;

use anyhow::Context;

use super::build::{self, ADMIN_GROUP};
use super::identity;
use super::rights::{self, PolicySource};
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::config::folders::Folders;
use crate::domain::access::Permit;
use crate::domain::secret::Secret;
use crate::service::explain::Explain;
use crate::service::login::Login;
use crate::service::machines::Machines;
use crate::service::scopes::Scopes;
use crate::service::tokens::Tokens;
use crate::token::{Issuer, password, random};
use crate::{store, token};

/// The data folder, held while we work on it.
#[derive(Debug)]
pub struct Offline {
    _lock: File,
    login: Login,
    tokens: Tokens,
    scopes: Scopes,
    machines: Machines,
    explain: Explain,
}

impl Offline {
    /// Take the data folder; fails when a daemon holds it.
    pub async fn open(config: &Config, folders: &Folders) -> anyhow::Result<Self> {
        let lock = build::lock(folders)?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let store = store::open(&store::Settings {
            file: folders.store(),
        })
        .context("opening the store")?;
        let file = PolicySource::of(config).read()?;
        let providers = identity::providers(config, Arc::clone(&clock))?;
        let scopes = rights::load(config, Arc::clone(&store), file, Some(providers.clone())).await?;
        let rights = scopes.rights();
        let issuer = Issuer::open(
            &token::Settings {
                folder: folders.keys(),
                legacy_secret: config.secret_key.clone(),
            },
            Arc::clone(&clock),
        )?;
        let passwords = password::Passwords::new(1)?;
        let login = Login::new(Arc::clone(&store), passwords.clone(), Arc::clone(&clock));
        let machines = Machines::new(Arc::clone(&store), providers, passwords, Arc::clone(&clock), None);
        Ok(Self {
            _lock: lock,
            login,
            explain: Explain::new(Arc::clone(&store), rights.clone()),
            scopes,
            machines,
            tokens: Tokens::new(issuer, store, rights, clock, config.max_tokens_per_hour),
        })
    }

    /// Give the local administrator a password.
    pub async fn set_admin_password(&self, name: &str, password: Secret<String>) -> anyhow::Result<()> {
        let groups = vec![ADMIN_GROUP.to_owned()];
        let operator = Permit::of_the_operator();
        self.login.set_password(&operator, name, groups, password).await?;
        Ok(self.tokens.revoke_all(operator.actor(), name).await?)
    }

    /// The tokens of this data folder.
    pub fn tokens(&self) -> &Tokens {
        &self.tokens
    }

    /// The groups and scopes of this data folder.
    pub fn scopes(&self) -> &Scopes {
        &self.scopes
    }

    /// The machine accounts of this data folder.
    pub fn machines(&self) -> &Machines {
        &self.machines
    }

    /// Why its people may do something or not.
    pub fn explain(&self) -> &Explain {
        &self.explain
    }
}

/// A password for somebody who has none.
pub fn new_password() -> anyhow::Result<Secret<String>> {
    random::password().context("making a password")
}

/// The group of local administrators.
pub fn admin_groups() -> Vec<String> {
    vec![ADMIN_GROUP.to_owned()]
}
