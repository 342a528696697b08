//! Who may do what: groups and scopes, keys, machines, sessions; for administrators.

pub(in crate::web) mod explain;
pub(in crate::web) mod group;
pub(in crate::web) mod keys;
pub(in crate::web) mod machines;
pub(in crate::web) mod scope;
pub(in crate::web) mod sessions;

use std::collections::BTreeSet;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::chrome::chrome;
use super::faults;
use super::paging::{Cut, said};
use crate::domain::access::Permit;
use crate::domain::draft::Draft;
use crate::domain::groups::Groups;
use crate::domain::regroup::Regroup;
use crate::domain::scalar::names;
use crate::domain::{FieldFault, Kind};
use crate::web::api::groups::administration;
use crate::web::extract::change::Change;
use crate::web::extract::questions::Questions;
use crate::web::extract::visitor::PageMember;
use crate::web::links;
use crate::web::problem::Problem;
use crate::web::state::AppState;
use crate::web::view::pages::{AccessPage, Chrome, GroupRow, ScopeRow, Section};

/// Servers of a scope in the list, and scopes of a group.
const MOST_NAMES: usize = 6;
/// Servers or groups that a field offers; one that is not listed can be typed.
const MOST_CHOICES: usize = 300;
/// Scopes on a page, and groups.
const MOST_ROWS: usize = 50;

/// Which pages of the two lists are looked at.
#[derive(Debug, Default, Deserialize)]
pub(in crate::web) struct Look {
    #[serde(default)]
    scopes: String,
    #[serde(default)]
    groups: String,
}

/// What the address of a scope's or a group's page asks.
#[derive(Debug, Default, Deserialize)]
pub(in crate::web) struct Asked {
    saved: Option<String>,
}

/// A field of a form as it was typed, without blanks around it.
fn typed(draft: &Draft, field: &str) -> String {
    let value = draft.0.get(field).and_then(|value| value.as_str());
    value.unwrap_or_default().trim().to_owned()
}

/// `GET /access`.
pub(in crate::web) async fn page(
    State(state): State<AppState>,
    PageMember(caller): PageMember,
    Questions(look): Questions<Look>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    administration(&state, &caller.identity)?;
    let chrome = chrome(&state, &caller, &headers, Section::Access);
    Ok(state
        .view
        .page(StatusCode::OK, &shown(&state, chrome, &look).await?))
}

/// `POST /access`: make a group, with the scopes that are named or a new one of its name, and on to that.
pub(in crate::web) async fn act(State(state): State<AppState>, change: Change) -> Result<Response, Problem> {
    let permit = administration(&state, &change.caller.identity)?;
    let [name, description, give] =
        ["group_name", "description", "give"].map(|field| typed(&change.draft, field));
    let problem = match made(&state, &permit, (&name, &description), &give).await {
        Ok(next) => return Ok(Redirect::to(&next).into_response()),
        Err(problem) if matches!(problem.kind(), Kind::Invalid | Kind::Conflict) => problem,
        Err(problem) => return Err(problem),
    };
    let chrome = chrome(&state, &change.caller, &change.headers, Section::Access);
    let (status, faults) = faults::of(&problem);
    let page = AccessPage {
        name,
        description,
        give,
        faults,
        ..shown(&state, chrome, &Look::default()).await?
    };
    Ok(state.view.page(status, &page))
}

/// The address of what was made: the group with these scopes, or else the new scope of its name.
async fn made(
    state: &AppState,
    permit: &Permit,
    (name, description): (&str, &str),
    give: &str,
) -> Result<String, Problem> {
    if name.is_empty() {
        let fault = FieldFault::new("group_name", "it is required");
        return Err(Problem::fields(vec![fault]));
    }
    let give: BTreeSet<String> = names(give).collect();
    if give.is_empty() {
        state.scopes.create(permit, name, description).await?;
        return Ok(links::scope(name));
    }
    if !description.is_empty() {
        let words = "it would describe a new scope; leave it empty, or the scopes";
        return Err(Problem::fields(vec![FieldFault::new("description", words)]));
    }
    let wish = Regroup {
        give,
        is_new: true,
        ..Regroup::default()
    };
    state.scopes.regroup(permit, name, &wish).await?;
    Ok(links::group(name))
}

async fn shown(state: &AppState, chrome: Chrome, look: &Look) -> Result<AccessPage, Problem> {
    let groups = state.scopes.groups().await?;
    let admin_scope = state.rights.borrow().admin_scope.clone();
    let policy = groups.policy();
    let (all_scopes, all_groups) = (policy.scopes(), policy.groups());
    let of_scopes = Cut::of(all_scopes.len(), MOST_ROWS, &look.scopes);
    let of_groups = Cut::of(all_groups.len(), MOST_ROWS, &look.groups);
    // Who turns the pages of one list stays where they are in the other.
    let at = |scopes: usize, groups: usize| {
        let questions = [("scopes", said(scopes)), ("groups", said(groups))];
        links::asking(
            links::ACCESS,
            &questions.each_ref().map(|(name, page)| (*name, page.as_str())),
        )
    };
    let scopes = of_scopes.rows(all_scopes.keys().collect());
    let names = of_groups.rows(all_groups.keys().collect());
    Ok(AccessPage {
        chrome,
        scopes_pager: of_scopes.pager(|page| at(page, of_groups.number) + "#scopes"),
        groups_pager: of_groups.pager(|page| at(of_scopes.number, page) + "#groups"),
        groups: names.map(|name| group_row(&groups, name)).collect(),
        scopes: scopes
            .map(|name| scope_row(&groups, name, &admin_scope))
            .collect(),
        hidden: groups.hidden().into_iter().map(str::to_owned).collect(),
        name: String::new(),
        description: String::new(),
        give: String::new(),
        faults: Vec::new(),
    })
}

fn group_row(groups: &Groups, name: &str) -> GroupRow {
    let scopes = groups.policy().groups().get(name);
    let count = scopes.map_or(0, BTreeSet::len);
    let some = scopes.into_iter().flatten().take(MOST_NAMES);
    GroupRow {
        name: name.to_owned(),
        href: links::group(name),
        scopes: some.map(|scope| (scope.clone(), links::scope(scope))).collect(),
        more: count.saturating_sub(MOST_NAMES),
        source: groups.group_source(name).as_str(),
        overrides: groups.overrides_group(name),
    }
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
    let more = servers.len().saturating_sub(MOST_NAMES);
    servers.truncate(MOST_NAMES);
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
