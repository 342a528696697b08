//! Site → text, through Tera and `nginx/*.tera`; strict and pure but for reading the templates.
//!
//! **Invariant:** only values of small alphabets are printed: block names, socket addresses, networks, checked paths.

use std::net::SocketAddr;
use std::path::Path;

use include_dir::{Dir, include_dir};
use serde_json::json;
use sha2::{Digest, Sha256};
use tera::{Context, Tera};

use super::{Error, Settings};
use crate::domain::path::OWN_MOUNTS;
use crate::domain::{all_words, headers};

static DEFAULTS: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/nginx");

/// Connections of a worker for calls and pages, to both sides.
const CONNECTIONS: usize = 4096;

/// Stands where the text's own hash will be.
const HASH_PLACE: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// An `upstream` block: the present addresses of one scheme and authority.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// Letters, digits and `_`; says scheme, authority and addresses by their hash.
    pub name: String,
    /// Where it leads.
    pub addresses: Vec<SocketAddr>,
}

/// A rendered configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// SHA-256 of the text, in hex; the running nginx answers it.
    pub hash: String,
    /// The whole file.
    pub body: String,
}

impl Text {
    /// The block that a line (counted from 1) belongs to, if it belongs to one.
    pub fn block_at(&self, line: usize) -> Option<&str> {
        let lines = self.body.lines().take(line).collect::<Vec<_>>();
        let opening = lines
            .iter()
            .rev()
            .find(|text| !text.starts_with("        ") && !text.trim().is_empty())?;
        opening.trim().strip_prefix("upstream ")?.strip_suffix(" {")
    }
}

#[derive(Debug)]
pub(super) struct Renderer(Tera);

impl Renderer {
    /// The compiled-in templates, each replaced by the file of the same name in `folder`.
    pub(super) fn load(folder: Option<&Path>) -> Result<Self, Error> {
        let mut sources: Vec<(String, String)> = Vec::new();
        for file in DEFAULTS
            .files()
            .filter(|file| file.path().extension().is_some_and(|ext| ext == "tera"))
        {
            let name = file.path().to_string_lossy().into_owned();
            let mine = folder
                .map(|folder| folder.join(&name))
                .filter(|path| path.is_file());
            let source = match mine {
                Some(path) => std::fs::read_to_string(&path)
                    .map_err(Error::system(format!("reading the template {}", path.display())))?,
                None => file.contents_utf8().unwrap_or_default().to_owned(),
            };
            sources.push((name, source));
        }
        let mut tera = Tera::new();
        tera.add_raw_templates(sources)
            .map_err(|error| Error::Template(all_words(&error)))?;
        Ok(Self(tera))
    }

    pub(super) fn render(&self, settings: &Settings, blocks: &[Block]) -> Result<Text, Error> {
        let pairs = |list: &[(&str, &str)], [first, second]: [&str; 2]| -> Vec<serde_json::Value> {
            list.iter().map(|(a, b)| json!({ first: a, second: b })).collect()
        };
        let nginx_word =
            |(variable, header): &(&'static str, &'static str)| (*variable, header.replace('-', "_"));
        let needed = |(variable, _): &&(&str, &str)| settings.call_log || *variable != headers::CALL_SAID;
        let permit: Vec<(&str, String)> = headers::PERMIT.iter().filter(needed).map(nginx_word).collect();
        let permit: Vec<(&str, &str)> = permit.iter().map(|(a, b)| (*a, b.as_str())).collect();
        let reserved: Vec<String> = settings
            .reserved
            .iter()
            // These two lead to the gate, like a mount.
            .filter(|word| !OWN_MOUNTS.contains(word))
            .map(|word| word.replace('.', "\\."))
            .collect();
        let context = json!({
            "user": rustix::process::geteuid().is_root().then_some("root"),
            "workers": settings.workers.map_or_else(|| "auto".to_owned(), |n| n.to_string()),
            "worker_shutdown_seconds": settings.worker_shutdown.as_secs(),
            "run": printable(&settings.run)?,
            "call_log": settings.call_log,
            "logs": printable(&settings.logs)?,
            "temp": printable(&settings.folder.join("temp"))?,
            "connections": CONNECTIONS + 2 * settings.listeners,
            "max_body_bytes": settings.max_body_bytes,
            "trusted_proxies": settings.trusted_proxies,
            "gate_socket": printable(&settings.gate_socket)?,
            "web_socket": printable(&settings.web_socket)?,
            "probe_socket": printable(&super::probe::socket(&settings.run))?,
            "listen": settings.listen.iter().map(SocketAddr::to_string).collect::<Vec<_>>(),
            "server_names": settings.server_names,
            "origins": settings.allowed_origins,
            "reserved": reserved.join("|"),
            "read_seconds": settings.read_timeout.as_secs(),
            "public_scheme": settings.public_scheme,
            "ca_file": settings.ca_file.as_deref().map(printable).transpose()?,
            "permit_headers": pairs(&permit, ["variable", "header"]),
            "identity_headers": pairs(headers::IDENTITY, ["header", "variable"]),
            "cleared_headers": headers::CLEARED,
            "hidden_headers": headers::HIDDEN,
            "blocks": blocks.iter().map(|block| json!({
                "name": block.name,
                "addresses": block.addresses.iter().map(SocketAddr::to_string).collect::<Vec<_>>(),
            })).collect::<Vec<_>>(),
            "hash": HASH_PLACE,
        });
        let context =
            Context::from_serialize(&context).map_err(|error| Error::Template(all_words(&error)))?;
        let body = self
            .0
            .render("nginx.conf.tera", &context)
            .map_err(|error| Error::Template(all_words(&error)))?;
        let hash = hex::encode(Sha256::digest(body.as_bytes()));
        Ok(Text {
            body: body.replace(HASH_PLACE, &hash),
            hash,
        })
    }
}

/// A path may stand between quotes in the file only if nothing in it can end them.
fn printable(path: &Path) -> Result<String, Error> {
    let text = path.to_string_lossy().into_owned();
    let inert = |c: char| c.is_ascii_alphanumeric() || "/-_.+@,:=~ ".contains(c);
    if text.chars().all(inert) {
        return Ok(text);
    }
    Err(Error::Template(format!(
        "the path `{text}` holds characters that may not stand in nginx.conf"
    )))
}
