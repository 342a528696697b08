//! A server as the list shows it: one word for how it is, and what the person may do with it.

use std::collections::BTreeMap;

use super::faults::in_prose;
use crate::clock::Timestamp;
use crate::domain::access::{Action, Call, Rights, decide};
use crate::domain::health::Transport;
use crate::domain::identity::Identity;
use crate::domain::server::{Server, Standing};
use crate::web::api::record::health_words;
use crate::web::api::servers::known_standing;
use crate::web::state::AppState;
use crate::web::view::connect;
use crate::web::view::pages::ServerRow;

/// Whose eyes see it.
pub(super) struct Eyes<'a> {
    state: &'a AppState,
    who: &'a Identity,
    rights: std::sync::Arc<Rights>,
    /// Why nginx refused a server's block, by its address; what nginx says may name addresses.
    refused: BTreeMap<String, String>,
}

impl<'a> Eyes<'a> {
    pub(super) fn new(state: &'a AppState, who: &'a Identity) -> Self {
        let rights = state.rights.borrow().clone();
        let refused = if rights.is_administrator(who) {
            state.nginx.borrow().refused.clone()
        } else {
            BTreeMap::default()
        };
        Self {
            state,
            who,
            rights,
            refused,
        }
    }

    pub(super) fn is_administrator(&self) -> bool {
        self.rights.is_administrator(self.who)
    }

    /// Whether the person may do it. Our own server is as it is, for everybody.
    pub(super) fn may(&self, action: Action, server: Option<&Server>) -> bool {
        if server.is_some_and(Server::is_built_in) {
            return false;
        }
        let service = server.map(|server| (&server.path, server.profile.name.as_str()));
        let call = Call::Registry { action, service };
        decide(self.who, &call, &self.rights).is_ok()
    }

    /// How it is: a colour, a word, and why.
    pub(super) fn condition(&self, server: &Server) -> Condition {
        let standing = if server.enabled {
            known_standing(self.state, &server.path)
        } else {
            Standing::Disabled
        };
        let status = health_words(self.state, server);
        let said = |tone, word, reason: Option<&str>| Condition {
            tone,
            word,
            reason: reason.map(in_prose),
            status: status.clone(),
        };
        let (health, reason) = status.split_once(": ").unwrap_or((&status, ""));
        let reason = Some(reason).filter(|reason| !reason.is_empty());
        match (standing, health) {
            (Standing::Disabled, _) => said("off", "Disabled", None),
            (Standing::Pending(why), _) => said("warn", "Pending", Some(&why)),
            (Standing::Live, "healthy") => said("good", "Healthy", self.carried(server).as_deref()),
            (Standing::Live, "healthy-auth-expired") => said(
                "warn",
                "Credential refused",
                Some("it takes the stored credential no more"),
            ),
            (Standing::Live, "unhealthy") => said("bad", "Unhealthy", reason),
            (Standing::Live, "checking") => said("off", "Checking", None),
            (Standing::Live, _) => said("off", "Not checked", None),
        }
    }

    fn carried(&self, server: &Server) -> Option<String> {
        let why = self
            .refused
            .get(&server.profile.proxy_pass_url.origin().to_string())?;
        Some(format!(
            "carried by the gateway, because nginx refused its block: {why}"
        ))
    }

    /// How many tools it has, as far as the person may know.
    pub(super) fn tools(&self, server: &Server) -> i64 {
        self.state.monitor.tools_for(&self.rights, self.who, server)
    }

    /// When it was last asked.
    pub(super) fn checked_at(&self, server: &Server) -> Option<Timestamp> {
        self.state.monitor.state(&server.path)?.health.checked_at
    }

    pub(super) fn row(&self, server: &Server, condition: Condition) -> ServerRow {
        let known = self.state.monitor.state(&server.path);
        let health = known.as_ref().map(|known| &known.health);
        let profile = &server.profile;
        ServerRow {
            name: profile.name.clone(),
            path: server.path.to_string(),
            description: profile.description.clone(),
            url: connect::address(
                &self.state.site.public_url,
                server.path.as_str(),
                health.and_then(|health| health.transport),
            ),
            tags: profile.tags.clone(),
            enabled: server.enabled,
            trusted: server.trusted,
            tone: condition.tone,
            word: condition.word,
            reason: condition.reason,
            status: condition.status,
            transport: health.and_then(|health| health.transport).map(Transport::as_str),
            latency_ms: health
                .and_then(|health| health.latency)
                .and_then(|latency| u64::try_from(latency.as_millis()).ok()),
            checked_at: health
                .and_then(|health| health.checked_at)
                .map(|at| at.to_string()),
            tools: self.tools(server),
            // A public feed says how many there are altogether.
            follows_tools: self.state.feed.settings().members_only || self.may(Action::Modify, Some(server)),
            stars: profile.num_stars,
            source: server.registered_by.clone(),
            built_in: server.is_built_in(),
            may_toggle: self.may(Action::Toggle, Some(server)),
            may_edit: self.may(Action::Modify, Some(server)),
            may_check: self.may(Action::CheckHealth, Some(server)),
            may_remove: self.may(Action::Delete, Some(server)),
        }
    }
}

/// How a server is.
pub(super) struct Condition {
    /// `good`, `warn`, `bad` or `off`.
    pub(super) tone: &'static str,
    word: &'static str,
    reason: Option<String>,
    /// The words of the feed, against which the page holds what the feed says next.
    pub(super) status: String,
}
