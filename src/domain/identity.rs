//! Who is asking.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Serialize;

use super::policy::Policy;
use crate::clock::Timestamp;

/// Whose product an identity provider is: which usual names and addresses it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Vendor {
    /// Keycloak.
    Keycloak,
    /// Amazon Cognito.
    Cognito,
    /// Microsoft Entra ID.
    Entra,
    /// GitHub: OAuth 2.0 without OpenID Connect.
    Github,
    /// Any that keeps to OpenID Connect.
    Oidc,
}

/// How somebody proved who they are; the words of the contract, section 4.4 (`X-Auth-Method`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AuthMethod {
    /// A browser session of a local account.
    Session,
    /// A browser session that began at an identity provider.
    OAuth2,
    /// A token that we signed.
    SelfSigned,
    /// An API key of the settings.
    NetworkTrusted,
    /// An access token of a provider.
    Bearer(Vendor),
}

impl AuthMethod {
    /// The word that goes into `X-Auth-Method`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::OAuth2 => "oauth2",
            Self::SelfSigned => "self_signed",
            Self::NetworkTrusted => "network-trusted",
            Self::Bearer(Vendor::Keycloak) => "keycloak",
            Self::Bearer(Vendor::Cognito) => "cognito",
            Self::Bearer(Vendor::Entra) => "entra",
            Self::Bearer(Vendor::Github) => "github",
            Self::Bearer(Vendor::Oidc) => "oidc",
        }
    }
}

/// Somebody known, with everything that decides their rights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The name people know them by.
    pub username: String,
    /// The client they came through; empty when there is none.
    pub client_id: String,
    /// The identity provider that knows them; none for accounts of our own.
    pub provider: Option<Arc<str>>,
    /// Groups as the identity provider or the account says.
    pub groups: Vec<String>,
    /// Scopes: what the groups map to, or what the token was given.
    pub scopes: BTreeSet<String>,
    /// How they proved it.
    pub method: AuthMethod,
    /// When the proof ends.
    pub until: Timestamp,
    /// The id of the token of ours that proved it.
    pub token: Option<String>,
    /// The paths of ours that their token was issued for, when it was for nothing else (RFC 8707).
    pub bound_to: Option<Vec<String>>,
}

#[cfg(test)]
impl Identity {
    /// Ada, who holds these scopes by a token of ours.
    pub(crate) fn sample(scopes: &[&str]) -> Self {
        Self {
            username: "ada".to_owned(),
            client_id: String::new(),
            provider: None,
            groups: Vec::new(),
            scopes: scopes.iter().map(|&scope| scope.to_owned()).collect(),
            method: AuthMethod::SelfSigned,
            until: Timestamp::from_unix(0),
            token: None,
            bound_to: None,
        }
    }
}

/// What stands before the name of a machine at a provider, wherever names of people stand too.
pub const MACHINE: &str = "client:";

impl Identity {
    /// The name under which something may belong to them: the person, else the client. The same name at two providers is
    /// two people.
    pub fn principal(&self) -> String {
        let kind = if self.username.is_empty() {
            "client"
        } else {
            "user"
        };
        format!("{kind} {}", self.account())
    }

    /// The name under which the book keeps what is theirs: that of a local account, or the provider's name, a colon and
    /// theirs; `client:` stands before the name of a machine. Local names hold no colon, and people's at providers do not
    /// begin with `client:`.
    pub fn account(&self) -> String {
        match &self.provider {
            Some(provider) => format!("{provider}:{}", self.subject()),
            None => self.subject(),
        }
    }

    /// The name that a token made for them speaks of: that of [`account`](Self::account), without the provider's.
    pub fn subject(&self) -> String {
        match (&self.provider, self.username.as_str()) {
            (Some(_), "") => format!("{MACHINE}{}", self.client_id),
            (None, "") => self.client_id.clone(),
            (_, name) => name.to_owned(),
        }
    }

    /// Scopes joined by spaces, as RFC 6749 section 3.3 writes them.
    pub fn scope_line(&self) -> String {
        self.scopes
            .iter()
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join(" ")
    }
}

/// What an identity provider vouches for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vouched {
    /// Which provider.
    pub provider: Arc<str>,
    /// Whose product it is.
    pub vendor: Vendor,
    /// The person's name; empty for a machine without one.
    pub username: String,
    /// The client through which they came.
    pub client_id: String,
    /// Their groups.
    pub groups: Vec<String>,
    /// Scopes that a machine's token names itself.
    pub scopes: Vec<String>,
    /// When the proof ends.
    pub until: Timestamp,
    /// The paths of ours that it is for, when it is for nothing else.
    pub bound_to: Option<Vec<String>>,
}

impl Vouched {
    /// Who that is under a policy.
    pub fn identity(&self, policy: &Policy, method: AuthMethod) -> Identity {
        let mut scopes = policy.scopes_for(&self.groups);
        scopes.extend(self.scopes.iter().filter(|scope| policy.knows(scope)).cloned());
        Identity {
            username: self.username.clone(),
            client_id: self.client_id.clone(),
            provider: Some(Arc::clone(&self.provider)),
            groups: self.groups.clone(),
            scopes,
            method,
            until: self.until,
            token: None,
            bound_to: self.bound_to.clone(),
        }
    }
}

/// Whose an MCP session of a legacy revision is. Sessions are not authentication, so each belongs to somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct McpSession {
    /// At which server.
    pub server: String,
    /// [`Identity::principal`] of whoever opened it.
    pub principal: String,
    /// When it is forgotten; every use moves it.
    pub expires_at: Timestamp,
}

/// A browser session as the store keeps it, under the hash of its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Whose session it is: [`Identity::username`].
    pub username: String,
    /// The provider where they signed in; none for local accounts.
    pub provider: Option<String>,
    /// Their groups when they signed in, or when the provider was last asked.
    pub groups: Vec<String>,
    /// When it began.
    pub created_at: Timestamp,
    /// When it ends by itself.
    pub expires_at: Timestamp,
    /// What is needed at the provider again (its tokens), sealed.
    pub sealed: Option<Vec<u8>>,
    /// When the provider is asked again whether they are still welcome.
    pub check_at: Option<Timestamp>,
    /// What it was begun with, in a few words: `Firefox on Linux`; empty when that is not known.
    pub agent: String,
}

/// A try to sign in at a provider, as the store keeps it, under the hash of the secret in the browser's cookie. State,
/// nonce and verifier follow from that secret, so that nothing here helps whoever reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingLogin {
    /// Where.
    pub provider: String,
    /// Where to go afterwards: a path of ours.
    pub next: String,
    /// When it is too late.
    pub expires_at: Timestamp,
}

/// A session in a list: it can be named and ended, but its id cannot be learnt from this.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OpenSession {
    /// The beginning of the hash of its id, in hex.
    pub id: String,
    /// Whose session it is.
    pub username: String,
    /// What it was begun with: [`Session::agent`].
    pub agent: String,
    /// When it began.
    pub created_at: Timestamp,
    /// When it ends by itself.
    pub expires_at: Timestamp,
}

/// A local account: for now the administrator that the first start makes.
#[derive(Debug, Clone)]
pub struct Account {
    /// The name to sign in with.
    pub username: String,
    /// argon2id in PHC form.
    pub password_hash: super::secret::Secret<String>,
    /// Groups that the policy maps to scopes.
    pub groups: Vec<String>,
}

/// A machine account of our own: a name and a secret for the client credentials grant (RFC 6749 section 4.4).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Machine {
    /// The name to ask with.
    pub client_id: String,
    /// What it is for.
    pub description: String,
    /// argon2id in PHC form.
    #[serde(skip)]
    pub secret_hash: super::secret::Secret<String>,
    /// Groups that the policy maps to scopes.
    pub groups: Vec<String>,
    /// Who made it.
    pub created_by: String,
    /// When.
    pub created_at: Timestamp,
}

/// A name that may be the last part of a page's address (RFC 3986, section 5.2.4, takes dots out of a path).
pub fn check_in_address(name: &str) -> Result<(), &'static str> {
    if [".", ".."].contains(&name) {
        return Err("no address can hold it");
    }
    Ok(())
}

/// A user or group name that may travel in a header and a log line.
///
/// One to 128 characters, no control characters, no spaces at the edges.
pub fn check_name(text: &str) -> Result<(), &'static str> {
    if text.is_empty() || text.chars().count() > 128 {
        return Err("it must have 1 to 128 characters");
    }
    if text.chars().any(char::is_control) || text.trim() != text {
        return Err("it may hold no control characters and no spaces at its edges");
    }
    Ok(())
}
