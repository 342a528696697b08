//! One provider: everything that makes it differ from another, as data.

use std::collections::BTreeMap;

use super::graph::Pause;
use super::keys::Keys;
use super::metadata::Discovered;
use crate::domain::identity::Vendor;
use crate::domain::secret::Secret;

/// Where to find what a provider offers; what is not declared is discovered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Endpoints {
    pub(super) authorization: Option<String>,
    pub(super) token: Option<String>,
    pub(super) userinfo: Option<String>,
    pub(super) jwks: Option<String>,
    pub(super) end_session: Option<String>,
    pub(super) device: Option<String>,
}

impl Endpoints {
    /// These, and `others` where these say nothing.
    pub(super) fn or(self, others: &Self) -> Self {
        let or = |mine: Option<String>, other: &Option<String>| mine.or_else(|| other.clone());
        Self {
            authorization: or(self.authorization, &others.authorization),
            token: or(self.token, &others.token),
            userinfo: or(self.userinfo, &others.userinfo),
            jwks: or(self.jwks, &others.jwks),
            end_session: or(self.end_session, &others.end_session),
            device: or(self.device, &others.device),
        }
    }
}

/// Which claims say what; the first that is there counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Mapping {
    pub(super) username: Vec<String>,
    pub(super) groups: Vec<String>,
    pub(super) client: Vec<String>,
}

/// What the file says of a provider, with what follows from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Declaration {
    pub(super) name: String,
    pub(super) display_name: String,
    pub(super) vendor: Vendor,
    pub(super) client_id: String,
    pub(super) client_secret: Option<Secret<String>>,
    /// `iss` of ID tokens; empty where there is none (plain OAuth).
    pub(super) issuer: String,
    /// Every `iss` of its access tokens.
    pub(super) issuers: Vec<String>,
    /// Where the discovery document is.
    pub(super) discovery_url: String,
    pub(super) endpoints: Endpoints,
    pub(super) scopes: Vec<String>,
    pub(super) mapping: Mapping,
    /// `aud` values that mean us, beside our own addresses.
    pub(super) audiences: Vec<String>,
    /// Clients whose users' tokens mean us, where tokens carry no `aud` (Cognito).
    pub(super) clients: Vec<String>,
    /// Names of our own resource servers (Cognito), which stand before their scopes in tokens.
    pub(super) resource_servers: Vec<String>,
    /// Groups of machines that cannot be in any at the provider.
    pub(super) client_groups: BTreeMap<String, Vec<String>>,
    /// Microsoft Graph, which is asked when a token holds too many groups to list.
    pub(super) graph_url: Option<String>,
    /// The API of plain OAuth (GitHub).
    pub(super) api_url: String,
    /// Organisations whose names and teams are groups here: anybody can found one of any name.
    pub(super) organizations: Vec<String>,
}

/// A provider and what is known of it by now.
#[derive(Debug)]
pub struct Provider {
    /// Its key in the file; part of every address and name that speaks of it.
    pub name: String,
    /// For people.
    pub display_name: String,
    /// Whose product it is.
    pub vendor: Vendor,
    pub(super) declared: Declaration,
    pub(super) keys: Keys,
    pub(super) discovered: Discovered,
    pub(super) graph: Pause,
}

impl Provider {
    pub(super) fn new(declared: Declaration) -> Self {
        Self {
            name: declared.name.clone(),
            display_name: declared.display_name.clone(),
            vendor: declared.vendor,
            keys: Keys::default(),
            discovered: Discovered::default(),
            graph: Pause::default(),
            declared,
        }
    }

    pub(super) fn is_declared_like(&self, other: &Self) -> bool {
        self.declared == other.declared
    }

    /// Its issuer, for clients that look for an authorization server (RFC 9728); none for plain OAuth.
    pub fn issuer(&self) -> Option<&str> {
        Some(self.declared.issuer.as_str()).filter(|issuer| !issuer.is_empty())
    }

    /// What to ask of it at the authorization endpoint.
    pub fn scopes(&self) -> &[String] {
        &self.declared.scopes
    }

    pub(super) fn is_issuer(&self, iss: &str) -> bool {
        self.declared.issuers.iter().any(|issuer| issuer == iss)
    }
}
