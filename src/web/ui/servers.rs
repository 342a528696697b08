//! The list of servers.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

use crate::domain::access::{Action, Call, decide};
use crate::domain::server::Standing;
use crate::web::api::record::health_words;
use crate::web::api::servers::known_standing;
use crate::web::extract::change::csrf_token;
use crate::web::extract::visitor::PageMember;
use crate::web::problem::Problem;
use crate::web::state::AppState;
use crate::web::view::pages::{Chrome, ServerRow, Servers};

/// `GET /`.
pub(in crate::web) async fn page(
    State(state): State<AppState>,
    PageMember(caller): PageMember,
    headers: HeaderMap,
) -> Response {
    let who = &caller.identity;
    let servers = match state.registry.list(who).await {
        Ok(servers) => servers,
        Err(error) => return Problem::from(error).into_response(),
    };
    let rights = state.rights.borrow().clone();
    let may = |action, server: &crate::domain::server::Server| {
        let call = Call::Registry {
            action,
            service: Some((&server.path, &server.profile.name)),
        };
        decide(who, &call, &rights).is_ok()
    };
    // What nginx says may name addresses.
    let refused = if rights.is_administrator(who) {
        state.nginx.borrow().refused.clone()
    } else {
        std::collections::BTreeMap::default()
    };
    let mut rows = Vec::with_capacity(servers.len());
    for server in &servers {
        let standing = if server.enabled {
            known_standing(&state, &server.path)
        } else {
            Standing::Disabled
        };
        let words = health_words(&state, server);
        rows.push(ServerRow {
            name: server.profile.name.clone(),
            path: server.path.to_string(),
            description: server.profile.description.clone(),
            url: format!("{}{}/mcp", state.site.public_url, server.path),
            tags: server.profile.tags.clone(),
            enabled: server.enabled,
            trusted: server.trusted,
            state: standing.word().to_owned(),
            reason: standing.reason().map(str::to_owned).or_else(|| {
                let why = refused.get(&server.profile.proxy_pass_url.origin().to_string())?;
                Some(format!(
                    "carried by the gateway, because nginx refused its block: {why}"
                ))
            }),
            health: words.split(':').next().unwrap_or_default().to_owned(),
            health_words: words,
            tools: state
                .monitor
                .state(&server.path)
                .map_or(server.profile.num_tools, |known| known.tools()),
            may_toggle: may(Action::Toggle, server) && !server.is_built_in(),
            may_edit: may(Action::Modify, server) && !server.is_built_in(),
            built_in: server.is_built_in(),
        });
    }
    let register = Call::Registry {
        action: Action::Register,
        service: None,
    };
    let page = Servers {
        chrome: Chrome {
            user: who.username.clone(),
            csrf_token: csrf_token(&headers),
        },
        may_register: decide(who, &register, &rights).is_ok(),
        fault: state
            .nginx
            .borrow()
            .fault
            .clone()
            .filter(|_| rights.is_administrator(who)),
        none_yet: rows.iter().all(|row| row.built_in),
        servers: rows,
    };
    state.view.page(StatusCode::OK, &page)
}
