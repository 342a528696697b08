//! The book: register, change, switch, remove, list.
//!
//! **Invariants:** what changes something takes a [`Permit`]; rights are applied before a list is cut to a page.

use std::sync::Arc;

use crate::clock::Clock;
use crate::domain::access::{Action, Call, Permit, Rights, decide};
use crate::domain::audit::{Deed, Event};
use crate::domain::egress::Credentials;
use crate::domain::identity::Identity;
use crate::domain::path::ServerPath;
use crate::domain::server::{Edit, NewServer, Profile, Revision, Server};
use crate::domain::{FieldFault, Kind};
use crate::mcp::{self, Resolver};
use crate::store::{self, Store};
use crate::token::seal::{Sealer, Unsealable};
use http::{HeaderName, HeaderValue};
use tokio::sync::watch;

/// So many events of a server are shown.
const HISTORY: u32 = 20;

/// Why the book was not changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such server, or the caller may not see it.
    #[error("Service path not registered")]
    Unknown,
    /// Their scopes do not allow it.
    #[error("{0}")]
    Denied(&'static str),
    /// One server is called so, and another one stands there, or is called so too.
    #[error("`{0}` means several servers: say the path, with its `/`, such as `/{0}`")]
    Ambiguous(String),
    /// It is our own server.
    #[error("this server is built into the gateway: it cannot be changed, switched off or removed")]
    BuiltIn,
    /// A field cannot be taken.
    #[error("a field cannot be taken")]
    Field(FieldFault),
    /// The store said no.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The server's secrets cannot be read or sealed.
    #[error("the server's credentials cannot be read; enter them again")]
    Sealed(#[from] Unsealable),
}

impl Error {
    /// What it means to a caller.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Unknown => Kind::NotFound,
            Self::Denied(_) => Kind::Forbidden,
            Self::BuiltIn => Kind::Refused,
            Self::Field(_) | Self::Ambiguous(_) => Kind::Invalid,
            Self::Store(error) => error.kind(),
            Self::Sealed(_) => Kind::Internal,
        }
    }
}

/// The register, for people.
#[derive(Debug, Clone)]
pub struct Registry {
    store: Arc<dyn Store>,
    resolver: Resolver,
    sealer: Sealer,
    rights: watch::Receiver<Arc<Rights>>,
    clock: Arc<dyn Clock>,
    own: Arc<Server>,
}

impl Registry {
    /// Over a store, the present policy and the rules for addresses.
    pub fn new(
        store: Arc<dyn Store>,
        resolver: Resolver,
        sealer: Sealer,
        rights: watch::Receiver<Arc<Rights>>,
        clock: Arc<dyn Clock>,
        own: Arc<Server>,
    ) -> Self {
        Self {
            store,
            resolver,
            sealer,
            rights,
            clock,
            own,
        }
    }

    /// Leave to register a server.
    pub fn may_register(&self, who: &Identity) -> Result<Permit, Error> {
        let call = Call::Registry {
            action: Action::Register,
            service: None,
        };
        let denied = Error::Denied("You do not have permission to register new services");
        decide(who, &call, &self.rights.borrow()).map_err(|_| denied)
    }

    /// Leave to do `action` with a server, and the server. Who may not even see it learns nothing of it.
    pub async fn may(
        &self,
        who: &Identity,
        action: Action,
        path: &ServerPath,
    ) -> Result<(Permit, Server), Error> {
        let server = self.visible(who, path).await?;
        let call = Call::Registry {
            action,
            service: Some((path, &server.profile.name)),
        };
        let permit = decide(who, &call, &self.rights.borrow());
        let denied = match action {
            Action::List | Action::Register => "You do not have access to this server",
            Action::Modify => "You do not have permission to modify this service",
            Action::CheckHealth => "You do not have permission to check this service",
            Action::Toggle => "You do not have permission to toggle this service",
            Action::Delete => "You do not have permission to delete this service",
        };
        let permit = permit.map_err(|_| Error::Denied(denied))?;
        let changes = matches!(action, Action::Modify | Action::Toggle | Action::Delete);
        if server.is_built_in() && changes {
            return Err(Error::BuiltIn);
        }
        Ok((permit, server))
    }

    /// Register a server: enabled, and trusted when an administrator does not say otherwise.
    pub async fn register(&self, permit: &Permit, new: NewServer) -> Result<(Server, Revision), Error> {
        self.check_address(&new.profile).await?;
        let egress = &new.profile.egress;
        let credentials = Credentials::default().merged(&new.written, egress, false);
        let sealed = self
            .sealer
            .seal_credentials(&new.path, &credentials.map_err(Error::Field)?)?;
        let now = self.clock.now();
        let server = Server {
            sealed,
            trusted: trust(permit, new.trusted)?.unwrap_or(permit.is_administrator()),
            path: new.path,
            profile: new.profile,
            enabled: true,
            registered_by: permit.actor().to_owned(),
            registered_at: now,
            updated_at: now,
        };
        let event = self.event(permit, Deed::ServerRegistered, &server.path);
        let revision = self.store.insert_server(server.clone(), event).await?;
        Ok((server, revision))
    }

    /// Replace what is said about a server, unless somebody else has done so meanwhile.
    pub async fn change(&self, permit: &Permit, path: &ServerPath, edit: Edit) -> Result<Revision, Error> {
        let Edit {
            profile,
            trusted,
            written,
            if_match,
        } = edit;
        self.check_address(&profile).await?;
        let mut trusted = trust(permit, trusted)?;
        let before = self.store.server(path).await?.ok_or(Error::Unknown)?;
        if if_match.is_some_and(|etag| etag != before.etag()) {
            return Err(store::Error::Changed.into());
        }
        let moved = before.profile.proxy_pass_url.origin() != profile.proxy_pass_url.origin();
        // Trust was given to a host. Who may not give it may not take it along to another one either.
        if moved && !permit.is_administrator() {
            trusted = Some(false);
        }
        let elsewhere = goes_elsewhere(&before.profile, &profile);
        let credentials = self
            .sealer
            .credentials(&before)?
            .merged(&written, &profile.egress, elsewhere);
        let sealed = self
            .sealer
            .seal_credentials(path, &credentials.map_err(Error::Field)?)?;
        let event = self.event(permit, Deed::ServerChanged, path);
        self.store
            .update_server(&before, profile, sealed, trusted, event)
            .await?
            .ok_or(Error::Unknown)
    }

    /// The header lines with which a server would be asked before it is registered, to try it.
    pub async fn lines_of_new(
        &self,
        _permit: &Permit,
        new: &NewServer,
    ) -> Result<Vec<(HeaderName, HeaderValue)>, Error> {
        self.check_address(&new.profile).await?;
        let egress = &new.profile.egress;
        let credentials = Credentials::default().merged(&new.written, egress, false);
        Ok(credentials.map_err(Error::Field)?.lines(egress))
    }

    /// The same before a change is saved: what was entered in secret earlier goes along, and nowhere else.
    pub async fn lines_of_change(
        &self,
        _permit: &Permit,
        before: &Server,
        edit: &Edit,
    ) -> Result<Vec<(HeaderName, HeaderValue)>, Error> {
        self.check_address(&edit.profile).await?;
        let egress = &edit.profile.egress;
        let elsewhere = goes_elsewhere(&before.profile, &edit.profile);
        let credentials = self.sealer.credentials(before)?;
        let credentials = credentials.merged(&edit.written, egress, elsewhere);
        Ok(credentials.map_err(Error::Field)?.lines(egress))
    }

    /// Switch a server on or off.
    pub async fn switch(&self, permit: &Permit, path: &ServerPath, enabled: bool) -> Result<Revision, Error> {
        let deed = if enabled {
            Deed::ServerEnabled
        } else {
            Deed::ServerDisabled
        };
        let event = self.event(permit, deed, path);
        self.store
            .switch_server(path, enabled, event)
            .await?
            .ok_or(Error::Unknown)
    }

    /// Remove a server.
    pub async fn remove(&self, permit: &Permit, path: &ServerPath) -> Result<Revision, Error> {
        let event = self.event(permit, Deed::ServerRemoved, path);
        self.store.remove_server(path, event).await?.ok_or(Error::Unknown)
    }

    /// The record at a path, ours among them.
    async fn at(&self, path: &ServerPath) -> Result<Option<Server>, Error> {
        if path.is_ours() {
            return Ok(Some(Server::clone(&self.own)));
        }
        Ok(self.store.server(path).await?)
    }

    /// Everything this person may see, by path; our own server last.
    pub async fn list(&self, who: &Identity) -> Result<Vec<Server>, Error> {
        let mut servers = self.store.changes_since(Revision(0)).await?.changed;
        servers.push(Server::clone(&self.own));
        let rights = Arc::clone(&self.rights.borrow());
        servers.retain(|server| rights.may_see(who, &server.path, &server.profile.name));
        Ok(servers)
    }

    /// What was done to a server of late, newest first, for who may change it.
    pub async fn history(&self, _permit: &Permit, path: &ServerPath) -> Result<Vec<Event>, Error> {
        Ok(self.store.events(path.as_str(), HISTORY).await?)
    }

    /// One server, if this person may see it.
    pub async fn visible(&self, who: &Identity, path: &ServerPath) -> Result<Server, Error> {
        let server = self.at(path).await?.ok_or(Error::Unknown)?;
        let may_see = self.rights.borrow().may_see(who, path, &server.profile.name);
        if may_see {
            Ok(server)
        } else {
            Err(Error::Denied("You do not have access to this server"))
        }
    }

    /// The path of a server that they may see, by its path or its display name.
    ///
    /// Text with a `/` before or behind it is a path. Any other may be a name, too, and is looked for only among what they
    /// may see: a hidden server must not stand in the way of a name, nor show itself by it.
    pub async fn named(&self, who: &Identity, text: &str) -> Result<ServerPath, Error> {
        let is_path = text.starts_with('/') || text.ends_with('/');
        if !is_path && let Some(path) = meant(text, &self.list(who).await?)? {
            return Ok(path);
        }
        let path = ServerPath::of_known(text).map_err(|_| Error::Unknown)?;
        Ok(self.visible(who, &path).await?.path)
    }

    /// A forbidden address is refused at once; a name that does not resolve yet may come to.
    async fn check_address(&self, profile: &Profile) -> Result<(), Error> {
        match self.resolver.addresses(profile.proxy_pass_url.origin()).await {
            Err(mcp::Error::Forbidden(error)) => Err(Error::Field(FieldFault::new("proxy_pass_url", error))),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    fn event(&self, permit: &Permit, deed: Deed, path: &ServerPath) -> Event {
        Event {
            at: self.clock.now(),
            actor: permit.actor().to_owned(),
            deed,
            target: path.as_str().to_owned(),
        }
    }
}

/// Which of these servers stands at this path or has this name. One that is another's name means neither: else whoever
/// registers a path would get the calls that were meant for a name.
fn meant(text: &str, seen: &[Server]) -> Result<Option<ServerPath>, Error> {
    let is_meant = |server: &&Server| server.path.name() == text || server.profile.name == text;
    let mut all = seen.iter().filter(is_meant);
    match (all.next(), all.next()) {
        (Some(_), Some(_)) => Err(Error::Ambiguous(text.chars().take(80).collect())),
        (one, _) => Ok(one.map(|server| server.path.clone())),
    }
}

/// Whether what was entered in secret would go to another place, or under another name.
fn goes_elsewhere(before: &Profile, after: &Profile) -> bool {
    let place = |profile: &Profile| {
        let Profile {
            proxy_pass_url,
            mcp_endpoint,
            sse_endpoint,
            ..
        } = profile.clone();
        (proxy_pass_url, mcp_endpoint, sse_endpoint)
    };
    let header = |profile: &Profile| {
        (
            profile.egress.auth_scheme,
            profile.egress.auth_header_name.clone(),
        )
    };
    place(before) != place(after) || header(before) != header(after)
}

fn trust(permit: &Permit, wish: Option<bool>) -> Result<Option<bool>, Error> {
    if wish.is_some() && !permit.is_administrator() {
        return Err(Error::Denied(
            "Only administrators may say whether a server is trusted",
        ));
    }
    Ok(wish)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_anothers_path_means_neither() {
        let server = |path: &str, name: &str| {
            let mut server = Server::sample(path, "http://127.0.0.1:9/", &[]);
            name.clone_into(&mut server.profile.name);
            server
        };
        let all = [
            server("/finance", "fininfo"),
            server("/fininfo", "Prices"),
            server("/weather", "weather"),
            server("/a", "Twin"),
            server("/b", "Twin"),
            server("/team/time", "Clock"),
        ];
        let rows = [
            ("finance", Some("/finance")),
            ("fininfo", None),
            ("Prices", Some("/fininfo")),
            ("weather", Some("/weather")),
            ("Twin", None),
            ("team/time", Some("/team/time")),
        ];
        for (text, expected) in rows {
            match (meant(text, &all), expected) {
                (Ok(found), Some(_)) => assert_eq!(found.as_ref().map(ServerPath::as_str), expected),
                (Err(Error::Ambiguous(said)), None) => assert_eq!(said, text),
                (other, _) => panic!("{text}: {other:?}"),
            }
        }
        // Who may not see the other one is not told of it.
        let seen = meant("fininfo", all.get(..1).unwrap_or_default()).unwrap();
        assert_eq!(seen.as_ref().map(ServerPath::as_str), Some("/finance"));
        assert!(meant("nobody", &all).unwrap().is_none());
    }
}
