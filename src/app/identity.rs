//! Identity providers: from the settings and the file of declarations to the parts that use them.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;

use super::build::Parts;
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::idp::{self, LeftOut, Providers, Variables};
use crate::mcp;
use crate::service::advertised::Advertised;
use crate::service::callers::Callers;
use crate::service::login::SESSION_LENGTH;
use crate::service::renewal::Renewal;
use crate::service::sign_in::{self, SignIn};

/// The declarations of whoever has no folder of their own.
const DEFAULT_PROVIDERS: &str = include_str!("../../auth/oauth2_providers.yml");

/// Where the declarations come from.
#[derive(Debug, Clone)]
pub(super) struct ProviderSource {
    file: Option<PathBuf>,
    variables: Variables,
}

impl ProviderSource {
    pub(super) fn of(config: &Config) -> Self {
        Self {
            file: config
                .auth_dir
                .as_ref()
                .map(|folder| folder.join("oauth2_providers.yml")),
            variables: config.variables.clone(),
        }
    }

    /// The file as it is now; the compiled-in declarations while there is none.
    fn text(&self) -> anyhow::Result<String> {
        match self.file.as_ref().filter(|file| file.exists()) {
            Some(file) => fs::read_to_string(file).with_context(|| format!("reading {}", file.display())),
            None => Ok(DEFAULT_PROVIDERS.to_owned()),
        }
    }

    fn place(&self) -> String {
        let file = self.file.as_ref().filter(|file| file.exists());
        file.map_or_else(
            || "the compiled-in providers".to_owned(),
            |file| file.display().to_string(),
        )
    }

    /// Declare what the file says; a broken one changes nothing.
    pub(super) fn declare(&self, providers: &Providers) -> anyhow::Result<()> {
        let left_out = providers.declare(&self.text()?, &self.variables);
        for LeftOut { provider, variable } in left_out.with_context(|| self.place())? {
            tracing::warn!(
                provider,
                variable,
                "a provider is left out: its variable is not set"
            );
        }
        Ok(())
    }

    /// Whether the file could be declared.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        let checked = Providers::check(&self.text()?, &self.variables);
        checked.map(drop).with_context(|| self.place())
    }
}

/// The providers, none of them asked yet.
pub(super) fn providers(config: &Config, clock: Arc<dyn Clock>) -> anyhow::Result<Providers> {
    let tls = mcp::client_config(config.idp_ca_file.as_deref());
    let settings = idp::Settings {
        tls: tls.context("reading the certificate authorities for identity providers")?,
        public_url: config.registry_url.clone(),
    };
    let providers = Providers::new(settings, clock);
    ProviderSource::of(config).declare(&providers)?;
    Ok(providers)
}

pub(super) fn advertised(config: &Config, providers: Providers) -> Advertised {
    Advertised {
        providers,
        first: config.auth_provider.clone(),
        scopes: Arc::new(config.advertised_scopes.clone()),
        public_url: config.registry_url.as_str().into(),
    }
}

pub(super) fn sign_in_settings(config: &Config) -> sign_in::Settings {
    sign_in::Settings {
        public_url: config.registry_url.clone(),
        check_every: config.session_check,
        session_length: SESSION_LENGTH,
    }
}

/// Who asks the providers about sessions.
pub(super) fn renewal(config: &Config, parts: &Parts) -> Renewal {
    Renewal {
        providers: parts.state.sign_in.providers().clone(),
        store: Arc::clone(&parts.store),
        sealer: parts.sealer.clone(),
        callers: parts.state.callers.clone(),
        tokens: parts.state.tokens.clone(),
        clock: Arc::new(SystemClock),
        every: config.session_check,
    }
}

/// Read the declarations again; the providers of all sessions are asked about them at once.
pub(super) async fn reload(source: ProviderSource, sign_in: SignIn, callers: Callers) {
    match source.declare(sign_in.providers()) {
        Ok(()) => {
            if let Err(error) = sign_in.ask_again().await {
                let error = &error as &dyn std::error::Error;
                tracing::error!(error, "sessions could not be asked about");
            }
            callers.forget_sessions();
            tracing::info!("identity providers read");
        }
        Err(error) => tracing::error!(reason = format!("{error:#}"), "the old identity providers stay"),
    }
}
