//! One cheap handle for each use case, and what the face must know of its site.

use std::sync::Arc;

use axum::extract::FromRef;
use tokio::sync::watch;

use super::view::View;
use crate::domain::access::Rights;
use crate::service::advertised::Advertised;
use crate::service::authorize::Authorize;
use crate::service::callers::Callers;
use crate::service::catalog::Catalog;
use crate::service::devices::Devices;
use crate::service::explain::Explain;
use crate::service::feed::Feed;
use crate::service::gate::Gate;
use crate::service::invoke::Invoke;
use crate::service::login::Login;
use crate::service::machines::Machines;
use crate::service::monitor::Monitor;
use crate::service::publisher;
use crate::service::registry::Registry;
use crate::service::relay::Relay;
use crate::service::routes::Routes;
use crate::service::scopes::Scopes;
use crate::service::search::Search;
use crate::service::sign_in::SignIn;
use crate::service::tokens::Tokens;
use crate::service::trial::Trials;
use crate::service::unsaid::Unsaid;
use crate::service::usage::Usage;

/// How the public sees this site.
#[derive(Debug, Clone)]
pub struct Site {
    /// The base of every address that we print, without a slash at its end (`REGISTRY_URL`).
    pub public_url: String,
    /// Whether the session cookie is for https only.
    pub secure_cookie: bool,
    /// Whether an nginx of ours carries the traffic; without one there are no mounts.
    pub has_mounts: bool,
    /// Whose forwarded addresses are believed when no nginx is in front.
    pub trusted_proxies: Arc<Vec<ipnet::IpNet>>,
}

/// What handlers take.
#[derive(Debug, Clone, FromRef)]
pub struct AppState {
    /// The book.
    pub registry: Registry,
    /// The table that calls are found by.
    pub routes: Routes,
    /// The gate.
    pub gate: Gate,
    /// Calls that we make for somebody.
    pub invoke: Invoke,
    /// Carried calls.
    pub relay: Relay,
    /// Who is asking.
    pub callers: Callers,
    /// How the servers are.
    pub monitor: Monitor,
    /// The same as it changes.
    pub feed: Feed,
    /// What they offer.
    pub catalog: Catalog,
    /// Finding it.
    pub search: Search,
    /// Local accounts.
    pub login: Login,
    /// What clients are told about getting in.
    pub advertised: Advertised,
    /// Machine accounts.
    pub machines: Machines,
    /// Sign-ins through identity providers.
    pub sign_in: SignIn,
    /// Sign-ins of the command line, through the browser.
    pub authorize: Authorize,
    /// The same from machines without one.
    pub devices: Devices,
    /// Tokens.
    pub tokens: Tokens,
    /// Groups and scopes.
    pub scopes: Scopes,
    /// What nginx has not heard of calls whose caller left.
    pub unsaid: Unsaid,
    /// What was called.
    pub usage: Usage,
    /// Why somebody may or may not.
    pub explain: Explain,
    /// The rights that hold.
    pub rights: watch::Receiver<Arc<Rights>>,
    /// What nginx runs.
    pub nginx: watch::Receiver<publisher::Status>,
    /// Servers that are tried before they are saved.
    pub trials: Trials,
    /// Pages.
    pub view: View,
    /// The site.
    pub site: Site,
}
