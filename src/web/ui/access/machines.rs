//! Machine accounts. The secret of a new one stands in the answer to its form, once.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};

use super::super::chrome::chrome;
use super::super::faults;
use super::super::question::{Doubt, first};
use super::{MOST_CHOICES, typed};
use crate::domain::Kind;
use crate::domain::access::Permit;
use crate::domain::scalar::names;
use crate::service::machines::Wish;
use crate::web::api::groups::administration;
use crate::web::api::machines::removed;
use crate::web::extract::change::Change;
use crate::web::extract::visitor::PageMember;
use crate::web::links;
use crate::web::problem::Problem;
use crate::web::state::AppState;
use crate::web::view::pages::{Chrome, MachineRow, MachinesPage, Section};

/// `GET /access/machines`.
pub(in crate::web) async fn page(
    State(state): State<AppState>,
    PageMember(caller): PageMember,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let permit = administration(&state, &caller.identity)?;
    let chrome = chrome(&state, &caller, &headers, Section::Access);
    let page = shown(&state, &permit, chrome).await?;
    Ok(state.view.page(StatusCode::OK, &page))
}

const REMOVE: Doubt = Doubt {
    title: "Remove this account?",
    words: "Its tokens end at once.",
    verb: "Remove",
    section: Section::Access,
};

/// `POST /access/machines`: make one, or `remove` one.
pub(in crate::web) async fn act(State(state): State<AppState>, change: Change) -> Result<Response, Problem> {
    let permit = administration(&state, &change.caller.identity)?;
    let (name, description) = (typed(&change.draft, "name"), typed(&change.draft, "description"));
    if typed(&change.draft, "action") == "remove" {
        let here = (links::ACCESS_MACHINES, links::ACCESS_MACHINES);
        if let Some(asking) = first(&state, &change, here, REMOVE) {
            return Ok(asking);
        }
        drop(removed(&state, &permit, &name).await?);
        return Ok(Redirect::to(links::ACCESS_MACHINES).into_response());
    }
    let groups = typed(&change.draft, "groups");
    let wish = Wish {
        name: name.clone(),
        description: description.clone(),
        groups: names(&groups).collect(),
    };
    let made = state.machines.create(&permit, wish).await.map_err(Problem::from);
    let chrome = chrome(&state, &change.caller, &change.headers, Section::Access);
    let mut page = shown(&state, &permit, chrome).await?;
    let mut status = StatusCode::CREATED;
    match made {
        Ok((machine, secret)) => page.made = Some((machine.client_id, secret.expose().to_owned())),
        Err(problem) if matches!(problem.kind(), Kind::Internal | Kind::Unavailable) => return Err(problem),
        Err(problem) => {
            (status, page.faults) = faults::of(&problem);
            (page.name, page.description, page.groups) = (name, description, groups);
        }
    }
    Ok(state.view.page(status, &page))
}

async fn shown(state: &AppState, permit: &Permit, chrome: Chrome) -> Result<MachinesPage, Problem> {
    let machines = state.machines.list(permit).await?;
    let groups = state.scopes.groups().await?;
    let known = groups.policy().groups();
    let group = |name: String| {
        let has_scope = known.contains_key(&name);
        (name, has_scope)
    };
    let row = |machine: crate::domain::identity::Machine| MachineRow {
        name: machine.client_id,
        description: machine.description,
        groups: machine.groups.into_iter().map(group).collect(),
        created_by: machine.created_by,
        created_at: machine.created_at.to_string(),
    };
    Ok(MachinesPage {
        chrome,
        total: state.machines.count(permit).await?,
        machines: machines.into_iter().map(row).collect(),
        known_groups: known.keys().take(MOST_CHOICES).cloned().collect(),
        name: String::new(),
        description: String::new(),
        groups: String::new(),
        faults: Vec::new(),
        made: None,
        token_url: format!("{}{}", state.site.public_url, links::API_AUTH_TOKEN),
    })
}
