//! Who may do what: groups and scopes, keys, machines, sessions; for administrators.

pub(in crate::web) mod explain;
pub(in crate::web) mod keys;
pub(in crate::web) mod machines;
pub(in crate::web) mod scope;
pub(in crate::web) mod sessions;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};

use super::chrome::chrome;
use super::faults;
use crate::domain::draft::Draft;
use crate::domain::groups::Groups;
use crate::domain::{FieldFault, Kind};
use crate::web::api::groups::administration;
use crate::web::extract::change::Change;
use crate::web::extract::visitor::PageMember;
use crate::web::links;
use crate::web::problem::Problem;
use crate::web::state::AppState;
use crate::web::view::pages::{AccessPage, Chrome, GroupRow, ScopeRow, Section};

/// Servers of a scope in the list.
const MOST_SERVERS: usize = 6;

/// A field of a form as it was typed, without blanks around it.
fn typed(draft: &Draft, field: &str) -> String {
    let value = draft.0.get(field).and_then(|value| value.as_str());
    value.unwrap_or_default().trim().to_owned()
}

/// `GET /access`.
pub(in crate::web) async fn page(
    State(state): State<AppState>,
    PageMember(caller): PageMember,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    administration(&state, &caller.identity)?;
    let chrome = chrome(&state, &caller, &headers, Section::Access);
    Ok(state.view.page(StatusCode::OK, &shown(&state, chrome).await?))
}

/// `POST /access`: make a group and a scope of its name, and on to it.
pub(in crate::web) async fn act(State(state): State<AppState>, change: Change) -> Result<Response, Problem> {
    let permit = administration(&state, &change.caller.identity)?;
    let (name, description) = (
        typed(&change.draft, "group_name"),
        typed(&change.draft, "description"),
    );
    let made = if name.is_empty() {
        Err(Problem::fields(vec![FieldFault::new(
            "group_name",
            "it is required",
        )]))
    } else {
        let made = state.scopes.create(&permit, &name, &description).await;
        made.map_err(Problem::from)
    };
    let problem = match made {
        Ok(()) => return Ok(Redirect::to(&links::scope(&name)).into_response()),
        Err(problem) if matches!(problem.kind(), Kind::Invalid | Kind::Conflict) => problem,
        Err(problem) => return Err(problem),
    };
    let chrome = chrome(&state, &change.caller, &change.headers, Section::Access);
    let (status, faults) = faults::of(&problem);
    let page = AccessPage {
        name,
        description,
        faults,
        ..shown(&state, chrome).await?
    };
    Ok(state.view.page(status, &page))
}

async fn shown(state: &AppState, chrome: Chrome) -> Result<AccessPage, Problem> {
    let groups = state.scopes.groups().await?;
    let admin_scope = state.rights.borrow().admin_scope.clone();
    let policy = groups.policy();
    let group = |name: &String| GroupRow {
        name: name.clone(),
        scopes: policy
            .groups()
            .get(name)
            .into_iter()
            .flatten()
            .map(|scope| (scope.clone(), links::scope(scope)))
            .collect(),
        source: groups.group_source(name).as_str(),
        overrides: groups.overrides_group(name),
    };
    Ok(AccessPage {
        chrome,
        groups: policy.groups().keys().map(group).collect(),
        scopes: policy
            .scopes()
            .keys()
            .map(|name| scope_row(&groups, name, &admin_scope))
            .collect(),
        hidden: groups.hidden().into_iter().map(str::to_owned).collect(),
        name: String::new(),
        description: String::new(),
        faults: Vec::new(),
    })
}

fn scope_row(groups: &Groups, name: &str, admin_scope: &str) -> ScopeRow {
    let policy = groups.policy();
    let scope = policy.scopes().get(name);
    let mut servers: Vec<String> = Vec::new();
    for rule in scope.into_iter().flat_map(|scope| &scope.rules) {
        let server = rule.server().unwrap_or("every server").to_owned();
        if !servers.contains(&server) {
            servers.push(server);
        }
    }
    let more = servers.len().saturating_sub(MOST_SERVERS);
    servers.truncate(MOST_SERVERS);
    ScopeRow {
        name: name.to_owned(),
        href: links::scope(name),
        description: scope.map(|scope| scope.description.clone()).unwrap_or_default(),
        groups: policy.groups_with(name).len(),
        servers,
        more,
        source: groups.source(name).as_str(),
        overrides: groups.overrides_file(name),
        is_admin: name == admin_scope,
    }
}
