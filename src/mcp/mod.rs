//! MCP servers as seen from here: names to addresses, one HTTP exchange, and the strict reader of JSON-RPC.

pub mod call;
mod conversation;
pub mod exchange;
pub mod listing;
pub mod message;
pub mod resolve;
pub mod sse;
pub mod survey;
mod tls;

pub use exchange::Client;
pub use message::Message;
pub use resolve::Resolver;
pub use tls::client_config;

use std::path::PathBuf;
use std::time::Duration;

use crate::domain::Kind;
use crate::domain::upstream::{AddressRules, ForbiddenAddress};

/// How upstreams are reached.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Which addresses may be reached.
    pub rules: AddressRules,
    /// How long a connection may take to open.
    pub connect_timeout: Duration,
    /// How long an upstream may be silent before its answer begins.
    pub read_timeout: Duration,
    /// How long a name's addresses are believed.
    pub name_ttl: Duration,
    /// A PEM file of certificate authorities to trust instead of the machine's own.
    pub ca_file: Option<PathBuf>,
}

/// Why an upstream did not answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The name has no address.
    #[error("the name `{0}` does not resolve")]
    Unresolved(String),
    /// The address may not be reached.
    #[error(transparent)]
    Forbidden(#[from] ForbiddenAddress),
    /// No connection, or it broke before the answer began.
    #[error("the server cannot be reached")]
    Unreachable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It did not answer in time.
    #[error("the server did not answer in time")]
    Slow,
    /// It answered with something that is no answer (`101`, a broken status line).
    #[error("the server's answer cannot be passed on")]
    Unusable,
}

impl Error {
    /// What it means to a caller.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Forbidden(_) => Kind::Invalid,
            Self::Unresolved(_) | Self::Unreachable(_) | Self::Slow | Self::Unusable => Kind::Unavailable,
        }
    }
}
