//! A registered MCP server: the record (contract, section 6.2), and how it comes to be.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::egress::{Egress, Written};
use super::path::ServerPath;
use super::upstream::UpstreamUrl;
use crate::clock::Timestamp;

/// How often the register has changed. Whoever has seen this number has seen everything up to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct Revision(pub i64);

/// What a person says about a server: the part of the record that registering and editing write.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// Display name.
    #[serde(rename = "server_name")]
    pub name: String,
    /// What it is for, in its owner's words.
    pub description: String,
    /// Where it really is.
    pub proxy_pass_url: UpstreamUrl,
    /// Words to find it by.
    pub tags: Vec<String>,
    /// How many tools its owner says it has.
    pub num_tools: i64,
    /// Its owner's rating.
    pub num_stars: i64,
    /// Whether it is written in Python.
    pub is_python: bool,
    /// Its licence; `N/A` when unknown.
    pub license: String,
    /// Free fields for organisation, compliance and integration.
    pub metadata: Map<String, Value>,
    /// The MCP endpoint, when it is not the address with `/mcp` behind it.
    pub mcp_endpoint: Option<UpstreamUrl>,
    /// The legacy SSE endpoint, when it is not the address with `/sse` behind it.
    pub sse_endpoint: Option<UpstreamUrl>,
    /// Whether `/mcp` or `/sse` is appended to an address that does not end in it.
    pub append_mcp_path: bool,
    /// Whether a changed tool waits for approval before anybody may call it.
    #[serde(default)]
    pub pinned: bool,
    /// Which transports its owner says it speaks.
    pub supported_transports: Vec<String>,
    /// What it wants to be told beside the call.
    #[serde(flatten)]
    pub egress: Egress,
}

/// A server to be registered.
#[derive(Debug, Clone, PartialEq)]
pub struct NewServer {
    /// Where it will stand on the gateway.
    pub path: ServerPath,
    /// The rest.
    pub profile: Profile,
    /// What the registering administrator said about trust, if anything.
    pub trusted: Option<bool>,
    /// Secrets.
    pub written: Written,
}

/// A change of a server's record.
#[derive(Debug, Clone, PartialEq)]
pub struct Edit {
    /// The record as it should be.
    pub profile: Profile,
    /// What an administrator said about trust, if anything.
    pub trusted: Option<bool>,
    /// Secrets.
    pub written: Written,
    /// The [`Server::etag`] of the record that was looked at, by whoever wants to change only that one.
    pub if_match: Option<String>,
}

/// A registered server.
#[derive(Debug, Clone, PartialEq)]
pub struct Server {
    /// Where it stands on the gateway; its identity.
    pub path: ServerPath,
    /// What its owner says about it.
    pub profile: Profile,
    /// Whether calls reach it.
    pub enabled: bool,
    /// Whether an administrator trusts its bytes to go through nginx unread (gateway document, section 3).
    pub trusted: bool,
    /// Its credentials, sealed; none when it wants none.
    pub sealed: Option<Vec<u8>>,
    /// Who registered it.
    pub registered_by: String,
    /// When.
    pub registered_at: Timestamp,
    /// When the record last changed.
    pub updated_at: Timestamp,
}

impl Server {
    /// What tells this state of the record from any other, as an entity tag does (RFC 9110, section 8.8.3). Switching a
    /// server on or off leaves it: whoever edits the record does not undo that.
    pub fn etag(&self) -> String {
        let mut digest = Sha256::new();
        digest.update(serde_json::to_vec(&self.profile).unwrap_or_default());
        digest.update([u8::from(self.trusted)]);
        digest.update(self.sealed.as_deref().unwrap_or_default());
        hex::encode(digest.finalize().get(..16).unwrap_or_default())
    }
}

#[cfg(test)]
impl Server {
    /// An enabled, trusted server of a draft with these fields.
    pub(crate) fn sample(path: &str, url: &str, more: &[(&str, &str)]) -> Self {
        use super::draft::{Description, Draft};
        let base = [("name", "x"), ("path", path), ("proxy_pass_url", url)];
        let fields = base
            .iter()
            .chain(more)
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        let new = Draft::from_pairs(fields.collect()).new_server(Description::Optional);
        let new = new.unwrap_or_else(|faults| panic!("{faults:?}"));
        let at = Timestamp::from_unix(0);
        Self {
            path: new.path,
            profile: new.profile,
            enabled: true,
            trusted: true,
            sealed: None,
            registered_by: String::new(),
            registered_at: at,
            updated_at: at,
        }
    }
}

/// Whether calls can reach a server now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// They can.
    Live,
    /// Not yet, and why.
    Pending(String),
    /// It is switched off.
    Disabled,
}

impl Standing {
    /// `live`, `pending` or `disabled`.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Pending(_) => "pending",
            Self::Disabled => "disabled",
        }
    }

    /// Why it is pending.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Pending(reason) => Some(reason),
            Self::Live | Self::Disabled => None,
        }
    }
}
