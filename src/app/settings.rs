//! From the configuration to what each part must be told.

use std::path::PathBuf;
use std::sync::Arc;

use crate::config::folders::Folders;
use crate::config::{self, Config};
use crate::domain::path::RESERVED;
use crate::domain::upstream::AddressRules;
use crate::embed::{self, Embedder, Source};
use crate::service::relay;
use crate::{ec2, mcp, nginx};

/// Where Debian and its kin keep the machine's certificate authorities.
pub(super) const MACHINE_CA: &str = "/etc/ssl/certs/ca-certificates.crt";

/// The names that this machine has by itself; not knowing them stops nothing.
pub(super) async fn machine_names(config: &Config) -> Vec<String> {
    match ec2::names(&config.ec2_metadata_url).await {
        Ok(names) => names
            .into_iter()
            .filter(|name| config::is_server_name(name))
            .collect(),
        Err(error) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "names of this machine");
            Vec::new()
        }
    }
}

/// Who makes vectors of texts. Without one, search goes by words: a model that cannot be used stops nothing.
pub(super) fn embedder(config: &Config) -> Option<Arc<dyn Embedder>> {
    if let Source::Local(local) = &config.embeddings.source
        && config.origins.contains_key("model_dir")
        && !local.folder.is_dir()
    {
        tracing::warn!(
            folder = %local.folder.display(),
            origin = config.origin("model_dir"),
            "there is no folder where model_dir says; search goes by words alone"
        );
    }
    embed::open(&config.embeddings).unwrap_or_else(|error| {
        let error: &(dyn std::error::Error + 'static) = &error;
        tracing::error!(error, "search goes by words alone");
        None
    })
}

pub(super) fn nginx_settings(config: &Config, folders: &Folders) -> nginx::Settings {
    let machine_ca = Some(PathBuf::from(MACHINE_CA)).filter(|file| file.is_file());
    nginx::Settings {
        program: config
            .nginx_program
            .clone()
            .unwrap_or_else(|| PathBuf::from("nginx")),
        folder: folders.nginx.clone(),
        run: folders.run.clone(),
        logs: folders.logs.clone(),
        call_log: config.call_log,
        listen: config.listen.clone(),
        server_names: config.server_names.clone(),
        allowed_origins: config.allowed_origins.clone(),
        gate_socket: folders.gate_socket(),
        web_socket: folders.web_socket(),
        templates: config.nginx_dir.clone(),
        reserved: RESERVED,
        workers: config.nginx_workers,
        listeners: config.feed.most,
        max_body_bytes: config.max_body_bytes,
        read_timeout: config.upstream_read,
        worker_shutdown: config.worker_shutdown,
        trusted_proxies: config.trusted_proxies.iter().map(ToString::to_string).collect(),
        public_scheme: public_scheme(config),
        ca_file: config.upstream_ca_file.clone().or(machine_ca),
    }
}

pub(super) fn public_scheme(config: &Config) -> &'static str {
    if config.registry_url.starts_with("https://") {
        "https"
    } else {
        "http"
    }
}

pub(super) fn relay_settings(config: &Config) -> relay::Settings {
    relay::Settings {
        public_scheme: public_scheme(config),
        read_timeout: config.upstream_read,
    }
}

pub(super) fn upstream_settings(config: &Config) -> mcp::Settings {
    mcp::Settings {
        rules: AddressRules {
            allow_private: config.allow_private_upstreams,
            own: config.listen.clone(),
        },
        connect_timeout: config.upstream_connect,
        read_timeout: config.upstream_read,
        name_ttl: config.name_ttl,
        ca_file: config.upstream_ca_file.clone(),
    }
}
