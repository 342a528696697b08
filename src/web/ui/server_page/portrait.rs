//! Who a server is and how it is now.

use super::super::faults::in_prose;
use crate::domain::access::{Action, Call, Rights, decide};
use crate::domain::health::{Status, Transport};
use crate::domain::identity::Identity;
use crate::domain::server::{Server, Standing};
use crate::web::api::record::health_words;
use crate::web::api::servers::known_standing;
use crate::web::state::AppState;
use crate::web::view::chart::duration;
use crate::web::view::connect;
use crate::web::view::pages::Portrait;

pub(super) fn of(state: &AppState, rights: &Rights, who: &Identity, server: &Server) -> Portrait {
    let profile = &server.profile;
    // Our own server is as it is, for everybody.
    let may = |action| {
        let service = Some((&server.path, profile.name.as_str()));
        !server.is_built_in() && decide(who, &Call::Registry { action, service }, rights).is_ok()
    };
    let standing = if server.enabled {
        known_standing(state, &server.path)
    } else {
        Standing::Disabled
    };
    let known = state.monitor.state(&server.path);
    let health = known.as_ref().map(|known| &known.health);
    let status = health.filter(|_| server.enabled).map(|health| &health.status);
    let may_edit = may(Action::Modify);
    let latency = health.and_then(|health| health.latency);
    Portrait {
        name: profile.name.clone(),
        path: server.path.to_string(),
        description: profile.description.clone(),
        url: connect::address(
            &state.site.public_url,
            server.path.as_str(),
            health.and_then(|health| health.transport),
        ),
        upstream: may_edit.then(|| profile.proxy_pass_url.to_string()),
        tags: profile.tags.clone(),
        enabled: server.enabled,
        built_in: server.is_built_in(),
        trusted: server.trusted,
        pinned: profile.pinned,
        standing: standing.word(),
        reason: standing.reason().map(in_prose),
        mood: if server.is_built_in() {
            "good"
        } else {
            status.map_or("", mood)
        },
        health: health_words(state, server),
        checked_at: health
            .and_then(|health| health.checked_at)
            .map(|at| at.to_string()),
        since: health
            .and_then(|health| health.changed_at)
            .map(|at| at.to_string()),
        latency: latency.map(|latency| duration(u64::try_from(latency.as_millis()).unwrap_or(u64::MAX))),
        transport: health.and_then(|health| health.transport).map(Transport::as_str),
        software: health.and_then(|health| {
            let name = health.server_name.as_deref()?;
            Some(
                [Some(name), health.server_version.as_deref()]
                    .into_iter()
                    .flatten()
                    .collect::<Vec<_>>()
                    .join(" "),
            )
        }),
        tools: state.monitor.tools_for(rights, who, server),
        license: profile.license.clone(),
        registered_by: server.registered_by.clone(),
        registered_at: server.registered_at.to_string(),
        may_edit,
        may_toggle: may(Action::Toggle),
        may_remove: may(Action::Delete),
        may_check: server.enabled && may(Action::CheckHealth),
    }
}

fn mood(status: &Status) -> &'static str {
    match status {
        Status::Healthy => "good",
        Status::AuthExpired => "warn",
        Status::Unhealthy(_) => "bad",
        Status::Unknown | Status::Checking => "",
    }
}
