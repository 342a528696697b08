//! Why somebody may do something, or which half of a rule is missing: for administrators about anybody, for everybody
//! about themselves.
//!
//! **Invariant:** whoever is no administrator learns nothing but what their own scopes say: neither what exists nor
//! what other scopes would open.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::domain::access::{Act, Action, AgentAction, Call, Rights};
use crate::domain::explain::{Explanation, explain};
use crate::domain::identity::Identity;
use crate::domain::path::ServerPath;
use crate::domain::scalar::names;
use crate::domain::scope::OWN_SERVER;
use crate::domain::server::Revision;
use crate::domain::{FieldFault, Kind};
use crate::store::{self, Store};

/// Why nothing is explained.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Somebody else is meant.
    #[error("Administrator permissions are required to ask about others")]
    Denied,
    /// A field cannot be taken.
    #[error("a field cannot be taken")]
    Field(FieldFault),
    /// The store could not be asked.
    #[error(transparent)]
    Store(#[from] store::Error),
}

impl Error {
    /// What it means to a caller.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Denied => Kind::Forbidden,
            Self::Field(_) => Kind::Invalid,
            Self::Store(error) => error.kind(),
        }
    }
}

/// Who, and what.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Question {
    /// A local account, if neither groups nor scopes are named; or the asker's own, as their tokens are listed under it.
    pub user: Option<String>,
    /// Groups, separated by commas.
    pub groups: Option<String>,
    /// Scopes held beside those of the groups, separated by commas.
    pub scopes: Option<String>,
    /// A server, by its path or name; or an agent.
    pub server: Option<String>,
    /// A JSON-RPC method; without one, a stream.
    pub method: Option<String>,
    /// A tool, prompt or resource.
    pub tool: Option<String>,
    /// A permission in the registry, instead of a method.
    pub permission: Option<String>,
}

/// The answer.
#[derive(Debug, Clone, Serialize)]
pub struct Explained {
    /// Who was meant.
    pub user: Option<String>,
    /// Whether the user has a local account; the groups of others are not known here and must be named.
    pub local_account: Option<bool>,
    /// Their groups.
    pub groups: Vec<String>,
    /// Those of them that no scopes belong to.
    pub groups_without_scopes: Vec<String>,
    /// Their scopes.
    pub scopes: BTreeSet<String>,
    /// The server's path or the agent's.
    pub server: Option<String>,
    /// Whether there is such a server; told to administrators.
    pub registered: Option<bool>,
    /// Why, or why not.
    #[serde(flatten)]
    pub explanation: Explanation,
}

/// Explains rights.
#[derive(Debug, Clone)]
pub struct Explain {
    store: Arc<dyn Store>,
    rights: watch::Receiver<Arc<Rights>>,
}

struct Person {
    groups: Vec<String>,
    scopes: BTreeSet<String>,
    local_account: Option<bool>,
}

struct Found {
    path: ServerPath,
    name: String,
    registered: bool,
}

impl Explain {
    /// Over a store and the present rights.
    pub fn new(store: Arc<dyn Store>, rights: watch::Receiver<Arc<Rights>>) -> Self {
        Self { store, rights }
    }

    /// Explain something to somebody; none is the operator.
    pub async fn tell(&self, asker: Option<&Identity>, question: &Question) -> Result<Explained, Error> {
        let rights = Arc::clone(&self.rights.borrow());
        let ordinary = asker.filter(|asker| !rights.is_administrator(asker));
        let person = match ordinary {
            Some(asker) => oneself(asker, question)?,
            None => self.person(asker, question, &rights).await?,
        };
        let Person {
            groups,
            scopes,
            local_account,
        } = person;
        let permission = question.permission.as_deref().filter(|name| !name.is_empty());
        let agent = permission.and_then(|name| AgentAction::ALL.into_iter().find(|a| a.permission() == name));
        let server = question.server.as_deref().filter(|name| !name.is_empty());
        let found = match server {
            Some(text) if agent.is_none() => Some(self.server(text, ordinary, &rights).await?),
            _ => None,
        };
        let service = found.as_ref().map(|found| (&found.path, found.name.as_str()));
        let call = match (permission, agent) {
            (Some(_), Some(action)) => Call::Agent {
                action,
                agent: server,
                mine: false,
            },
            (Some(name), None) => registry_call(name, service)?,
            (None, _) => {
                let words = "name a `server`, or a `permission`";
                let (server, _) = service.ok_or_else(|| field("server", words))?;
                let act = act(question);
                Call::Mcp { server, act }
            }
        };
        let mut explanation = explain(&groups, &scopes, &call, &rights);
        if ordinary.is_some() {
            explanation.would_open.clear();
        }
        let named = rights.policy.groups();
        let groups_without_scopes = groups.iter().filter(|group| !named.contains_key(*group));
        Ok(Explained {
            user: question.user.clone(),
            local_account,
            groups_without_scopes: groups_without_scopes.cloned().collect(),
            groups,
            scopes,
            registered: found
                .as_ref()
                .filter(|_| ordinary.is_none())
                .map(|found| found.registered),
            server: found
                .map(|found| found.path.to_string())
                .or_else(|| server.map(str::to_owned)),
            explanation,
        })
    }

    async fn person(
        &self,
        asker: Option<&Identity>,
        question: &Question,
        rights: &Rights,
    ) -> Result<Person, Error> {
        let user = question.user.as_deref();
        let (groups, scopes) = (listed(question.groups.as_ref()), listed(question.scopes.as_ref()));
        if groups.is_none() && scopes.is_none() {
            match (asker, user) {
                (Some(asker), None) => return Ok(of(asker)),
                (Some(asker), Some(user)) if asker.account() == user => return Ok(of(asker)),
                (None, None) => return Err(field("user", "name somebody: a `user`, `groups` or `scopes`")),
                (_, Some(_)) => {}
            }
        }
        let account = match user.filter(|_| groups.is_none() && scopes.is_none()) {
            Some(user) => Some(self.store.account(user).await?),
            None => None,
        };
        let local_account = account.as_ref().map(Option::is_some);
        let groups = groups
            .or(account.flatten().map(|account| account.groups))
            .unwrap_or_default();
        let mut held = rights.policy.scopes_for(&groups);
        held.extend(scopes.into_iter().flatten());
        Ok(Person {
            groups,
            scopes: held,
            local_account,
        })
    }

    /// The server that is meant. What an ordinary person may not see is taken as they wrote it.
    async fn server(&self, text: &str, ordinary: Option<&Identity>, rights: &Rights) -> Result<Found, Error> {
        if text.trim_matches('/') == OWN_SERVER {
            let name = OWN_SERVER.to_owned();
            return Ok(Found {
                path: ServerPath::ours(),
                name,
                registered: true,
            });
        }
        let path = text.parse::<ServerPath>();
        let mut servers = self.store.changes_since(Revision(0)).await?.changed;
        servers.retain(|server| {
            ordinary.is_none_or(|who| rights.may_see(who, &server.path, &server.profile.name))
        });
        let by_path = servers.iter().find(|server| path.as_ref() == Ok(&server.path));
        let mut by_name = servers.iter().filter(|server| server.profile.name == text);
        let found = match (by_path, by_name.next(), by_name.next()) {
            (Some(server), _, _) | (None, Some(server), None) => Some(server),
            (None, Some(_), Some(_)) => {
                return Err(field("server", "several servers have this name; use the path"));
            }
            (None, None, _) => None,
        };
        if let Some(server) = found {
            return Ok(Found {
                path: server.path.clone(),
                name: server.profile.name.clone(),
                registered: true,
            });
        }
        let path = path.map_err(|_| field("server", "there is no server of this name, and it is no path"))?;
        Ok(Found {
            path,
            name: text.to_owned(),
            registered: false,
        })
    }
}

fn field(name: &str, words: &str) -> Error {
    Error::Field(FieldFault::new(name, words))
}

fn listed(text: Option<&String>) -> Option<Vec<String>> {
    Some(names(text?).collect())
}

fn of(who: &Identity) -> Person {
    Person {
        groups: who.groups.clone(),
        scopes: who.scopes.clone(),
        local_account: None,
    }
}

/// Whoever is no administrator may name themselves, and no group or scope that is not theirs.
fn oneself(asker: &Identity, question: &Question) -> Result<Person, Error> {
    let is_own = question.user.as_ref().is_none_or(|user| *user == asker.account());
    let groups = listed(question.groups.as_ref()).unwrap_or_default();
    let scopes = listed(question.scopes.as_ref()).unwrap_or_default();
    let are_own = groups.iter().all(|group| asker.groups.contains(group))
        && scopes.iter().all(|scope| asker.scopes.contains(scope));
    if is_own && are_own {
        Ok(of(asker))
    } else {
        Err(Error::Denied)
    }
}

fn act(question: &Question) -> Act<'_> {
    let thing = question.tool.as_deref().filter(|name| !name.is_empty());
    let method = question.method.as_deref().filter(|name| !name.is_empty());
    match (method, thing) {
        (Some(method), thing) => Act::Message { method, thing },
        (None, Some(_)) => Act::Message {
            method: "tools/call",
            thing,
        },
        (None, None) => Act::Session,
    }
}

fn registry_call<'a>(
    permission: &str,
    service: Option<(&'a ServerPath, &'a str)>,
) -> Result<Call<'a>, Error> {
    if permission == "administration" {
        return Ok(Call::Administration);
    }
    let found = Action::ALL
        .into_iter()
        .find(|action| action.permission() == permission);
    if let Some(action) = found {
        return Ok(Call::Registry { action, service });
    }
    let services = Action::ALL.map(Action::permission);
    let agents = AgentAction::ALL.map(AgentAction::permission);
    let known: Vec<&str> = services.into_iter().chain(agents).collect();
    let words = format!("expected {} or administration", known.join(", "));
    Err(field("permission", &words))
}
