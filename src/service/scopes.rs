//! Groups and scopes: shown, changed, imported, exported; and the rights that follow from them.
//!
//! The scopes file is the base and the store wins over it, name by name ([`crate::domain::groups`]). Everybody who
//! decides follows one channel of rights, which only this part feeds; so a change counts at both doors and at open
//! streams as soon as it is made.
//!
//! **Invariants:** what changes something takes a [`Permit`] of an administrator; rights under which nobody could
//! administer the registry are refused; changes come one after the other, and each is stored before it counts.

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use tokio::sync::{Semaphore, watch};

use crate::clock::Clock;
use crate::domain::access::{Permit, Rights};
use crate::domain::audit::{Deed, Event};
use crate::domain::groups::{Groups, Refused, documents_of};
use crate::domain::policy::Policy;
use crate::domain::regroup::Regroup;
use crate::domain::scope::InvalidScope;
use crate::domain::scope_document::{ScopeChange, ScopeDocument};
use crate::domain::{FieldFault, Kind};
use crate::idp::Providers;
use crate::store::{self, Store};

/// Why groups and scopes were not changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The caller is no administrator.
    #[error("Administrator permissions are required for this operation")]
    Denied,
    /// The wish cannot be fulfilled.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// Fields cannot be taken.
    #[error("a field cannot be taken")]
    Fields(Vec<FieldFault>),
    /// Nobody could administer the registry any more.
    #[error("{0}")]
    LockedOut(String),
    /// The scopes cannot be written as a file.
    #[error(transparent)]
    Invalid(#[from] InvalidScope),
    /// The store said no.
    #[error(transparent)]
    Store(#[from] store::Error),
}

impl Error {
    /// What it means to a caller.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Denied => Kind::Forbidden,
            Self::Refused(refused) => refused.kind(),
            Self::Fields(_) => Kind::Invalid,
            Self::LockedOut(_) => Kind::Conflict,
            Self::Invalid(_) => Kind::Internal,
            Self::Store(error) => error.kind(),
        }
    }
}

/// Who administers.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The scope whose holders are administrators.
    pub admin_scope: String,
    /// The local administrator, and the groups that the first start gives them.
    pub first_admin: (String, Vec<String>),
    /// Where people sign in with groups that we do not know.
    pub providers: Option<Providers>,
}

/// What a text would make of one scope.
#[derive(Debug, Clone)]
pub struct Preview {
    /// As a document now, if there is such a scope.
    pub before: Option<Map<String, Value>>,
    /// As it would be.
    pub document: ScopeDocument,
}

/// What tells a state of a scope from any other, as an entity tag does (RFC 9110, section 8.8.3); nothing if there is none.
pub fn etag(document: Option<&Map<String, Value>>) -> String {
    let Some(document) = document else {
        return String::new();
    };
    let digest = Sha256::digest(serde_json::to_vec(document).unwrap_or_default());
    hex::encode(digest.get(..16).unwrap_or_default())
}

/// The groups and scopes.
#[derive(Debug, Clone)]
pub struct Scopes {
    store: Arc<dyn Store>,
    settings: Arc<Settings>,
    clock: Arc<dyn Clock>,
    file: Arc<Mutex<Arc<Policy>>>,
    rights: watch::Sender<Arc<Rights>>,
    /// One change at a time.
    turns: Arc<Semaphore>,
}

impl Scopes {
    /// Over a store and what the file says now. Whether somebody can administer is asked with [`Self::check`], because
    /// whoever repairs the scopes at the command line starts from those that are broken.
    pub async fn load(
        store: Arc<dyn Store>,
        file: Policy,
        settings: Settings,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Error> {
        let groups = Groups::new(Arc::new(file.clone()), store.scopes().await?);
        let rights = Rights {
            policy: groups.policy().clone(),
            admin_scope: settings.admin_scope.clone(),
        };
        Ok(Self {
            store,
            settings: Arc::new(settings),
            clock,
            file: Arc::new(Mutex::new(Arc::new(file))),
            rights: watch::Sender::new(Arc::new(rights)),
            turns: Arc::new(Semaphore::new(1)),
        })
    }

    /// The rights that hold, and all later ones.
    pub fn rights(&self) -> watch::Receiver<Arc<Rights>> {
        self.rights.subscribe()
    }

    /// Whether somebody can administer the registry.
    pub async fn check(&self) -> Result<(), Error> {
        self.check_groups(&self.groups().await?).await
    }

    /// What the file and the store say.
    pub async fn groups(&self) -> Result<Groups, Error> {
        let file = Arc::clone(&self.file.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(Groups::new(file, self.store.scopes().await?))
    }

    /// The file says something else now. What is refused changes nothing.
    pub async fn file_changed(&self, file: Policy) -> Result<(), Error> {
        let turn = Arc::clone(&self.turns).acquire_owned().await;
        let file = Arc::new(file);
        let next = Groups::new(Arc::clone(&file), self.store.scopes().await?);
        self.check_groups(&next).await?;
        *self.file.lock().unwrap_or_else(PoisonError::into_inner) = file;
        self.rights.send_replace(self.rights_of(&next));
        drop(turn);
        Ok(())
    }

    /// Make a group, and a scope of its name that it has.
    pub async fn create(&self, permit: &Permit, name: &str, description: &str) -> Result<(), Error> {
        self.change(permit, |groups| groups.create(name, description))
            .await
            .map(drop)
    }

    /// Remove a group, and the scope of its name.
    pub async fn delete(&self, permit: &Permit, name: &str, force: bool) -> Result<(), Error> {
        self.change(permit, |groups| groups.delete(name, force))
            .await
            .map(drop)
    }

    /// Give groups a server.
    pub async fn add_server(&self, permit: &Permit, server: &str, groups: &[String]) -> Result<(), Error> {
        self.change(permit, |now| now.add_server(server, groups))
            .await
            .map(drop)
    }

    /// Take a server, by all its names, away from groups; whether one of them had it.
    pub async fn remove_server(
        &self,
        permit: &Permit,
        server: &str,
        names: &[&str],
        groups: &[String],
    ) -> Result<bool, Error> {
        let changed = self.change(permit, |now| now.remove_server(server, names, groups));
        Ok(!changed.await?.is_empty())
    }

    /// Put a document in the place of whatever its name says now.
    pub async fn import(&self, permit: &Permit, document: ScopeDocument) -> Result<(), Error> {
        self.change(permit, |groups| Ok(groups.import(vec![document])))
            .await
            .map(drop)
    }

    /// Take in a text: one document, or a whole scopes file. The names of the scopes that are different now.
    pub async fn import_text(&self, permit: &Permit, text: &str) -> Result<Vec<String>, Error> {
        let documents = documents_of(text).map_err(Error::Fields)?;
        self.change(permit, |groups| Ok(groups.import(documents))).await
    }

    /// Put a document in the place of what its name says, as long as that has this [`etag`] if one is given.
    pub async fn replace(
        &self,
        permit: &Permit,
        document: ScopeDocument,
        if_match: Option<&str>,
    ) -> Result<(), Error> {
        let wish = |groups: &Groups| {
            let before = groups.policy().document(&document.name);
            let etag = etag(before.map(|document| document.value()).as_ref());
            if if_match.is_some_and(|seen| seen != etag) {
                return Err(Refused::Changed);
            }
            Ok(groups.import(vec![document]))
        };
        self.change(permit, wish).await.map(drop)
    }

    /// What taking in a text would change, name by name: before and after. Nothing is kept; what would be refused is.
    pub async fn preview(&self, permit: &Permit, text: &str) -> Result<Vec<Preview>, Error> {
        if !permit.is_administrator() {
            return Err(Error::Denied);
        }
        let documents = documents_of(text).map_err(Error::Fields)?;
        let (present, _) = self.tried(|groups| Ok(groups.import(documents.clone()))).await?;
        let before = |name: &str| present.policy().document(name).map(|document| document.value());
        let previews = documents.into_iter().map(|document| Preview {
            before: before(&document.name),
            document,
        });
        Ok(previews.collect())
    }

    /// Give a group of people scopes and take others from it.
    pub async fn regroup(&self, permit: &Permit, group: &str, wish: &Regroup) -> Result<(), Error> {
        self.change(permit, |groups| groups.regroup(group, wish))
            .await
            .map(drop)
    }

    /// Take all its scopes from a group of people.
    pub async fn disband(&self, permit: &Permit, group: &str) -> Result<(), Error> {
        self.change(permit, |groups| groups.disband(group))
            .await
            .map(drop)
    }

    /// What holds now and what would after [`Self::regroup`]. Nothing is kept; what would be refused is.
    pub async fn preview_regroup(
        &self,
        permit: &Permit,
        group: &str,
        wish: &Regroup,
    ) -> Result<(Groups, Groups), Error> {
        if !permit.is_administrator() {
            return Err(Error::Denied);
        }
        self.tried(|groups| groups.regroup(group, wish)).await
    }

    /// What holds, and what would after a wish: nobody may be locked out by it.
    async fn tried(
        &self,
        wish: impl FnOnce(&Groups) -> Result<Vec<ScopeChange>, Refused> + Send,
    ) -> Result<(Groups, Groups), Error> {
        let present = self.groups().await?;
        let next = present.after(&wish(&present)?);
        self.check_groups(&next).await?;
        Ok((present, next))
    }

    /// Let the file count again for a scope.
    pub async fn reset(&self, permit: &Permit, name: &str) -> Result<(), Error> {
        self.change(permit, |groups| groups.reset(name)).await.map(drop)
    }

    /// What holds, as a scopes file.
    pub async fn export(&self, permit: &Permit) -> Result<String, Error> {
        if !permit.is_administrator() {
            return Err(Error::Denied);
        }
        Ok(self.groups().await?.policy().to_yaml()?)
    }

    async fn change(
        &self,
        permit: &Permit,
        wish: impl FnOnce(&Groups) -> Result<Vec<ScopeChange>, Refused> + Send,
    ) -> Result<Vec<String>, Error> {
        if !permit.is_administrator() {
            return Err(Error::Denied);
        }
        let turn = Arc::clone(&self.turns).acquire_owned().await;
        let present = self.groups().await?;
        let changes = wish(&present)?;
        if changes.is_empty() {
            return Ok(Vec::new());
        }
        let next = present.after(&changes);
        self.check_groups(&next).await?;
        let names: Vec<String> = changes.iter().map(|change| change.name().to_owned()).collect();
        let changes = changes
            .into_iter()
            .map(|change| {
                let event = self.event(permit, &change);
                (change, event)
            })
            .collect();
        let (sender, rights) = (self.rights.clone(), self.rights_of(&next));
        // After the commit, even when the caller has gone away; and nobody else's turn comes before that.
        let after = Box::new(move || {
            sender.send_replace(rights);
            drop(turn);
        });
        self.store.write_scopes(changes, after).await?;
        tracing::info!(
            identity.subject = permit.actor(),
            scopes = names.join(" "),
            "scopes changed"
        );
        Ok(names)
    }

    async fn check_groups(&self, groups: &Groups) -> Result<(), Error> {
        let admin_scope = &self.settings.admin_scope;
        let reachable = self.reachable().await?;
        match groups.policy().locks_out(admin_scope, reachable.as_deref()) {
            Some(words) => Err(Error::LockedOut(words)),
            None => Ok(()),
        }
    }

    /// The groups of everybody who can sign in; none when we cannot know them.
    async fn reachable(&self) -> Result<Option<Vec<Vec<String>>>, Error> {
        let providers = self.settings.providers.as_ref();
        if providers.is_some_and(|providers| !providers.all().is_empty()) {
            return Ok(None);
        }
        let mut groups = self.store.account_groups().await?;
        let (name, first) = &self.settings.first_admin;
        if self.store.account(name).await?.is_none() {
            groups.push(first.clone());
        }
        Ok(Some(groups))
    }

    fn rights_of(&self, groups: &Groups) -> Arc<Rights> {
        Arc::new(Rights {
            policy: groups.policy().clone(),
            admin_scope: self.settings.admin_scope.clone(),
        })
    }

    fn event(&self, permit: &Permit, change: &ScopeChange) -> Event {
        let deed = match change {
            ScopeChange::Put(_) => Deed::ScopeChanged,
            ScopeChange::Hide(_) => Deed::ScopeRemoved,
            ScopeChange::Reset(_) => Deed::ScopeReset,
        };
        Event {
            at: self.clock.now(),
            actor: permit.actor().to_owned(),
            deed,
            // No mount path has a space, so the history of a server never shows that of a scope.
            target: format!("scope {}", change.name()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;

    #[tokio::test]
    async fn a_change_whose_asker_goes_away_is_never_stored_unheard() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x.db");
        let store = store::open(&store::Settings { file }).unwrap();
        let settings = Settings {
            admin_scope: "boss".to_owned(),
            first_admin: ("admin".to_owned(), vec!["bosses".to_owned()]),
            providers: None,
        };
        let policy = Policy::parse("group_mappings: {bosses: [boss]}").unwrap();
        let scopes = Scopes::load(Arc::clone(&store), policy, settings, Arc::new(SystemClock));
        let scopes = scopes.await.unwrap();
        let operator = Permit::of_the_operator();
        for number in 0_u64..100 {
            let name = format!("s{number}");
            let wait = std::time::Duration::from_micros(number * 20);
            drop(tokio::time::timeout(wait, scopes.create(&operator, &name, "")).await);
        }
        // Until the last one has had its turn.
        drop(scopes.turns.acquire().await.unwrap());
        let stored = store.scopes().await.unwrap().into_iter().map(|row| row.name);
        let stored: Vec<String> = stored.collect();
        let rights = scopes.rights();
        let heard: Vec<String> = rights.borrow().policy.scopes().keys().cloned().collect();
        assert!(stored.len() > 1, "some were stored");
        assert_eq!(heard, stored);
    }
}
