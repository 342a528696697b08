//! One group of people: the scopes that it has, ticked; checked, saved, removed.
//!
//! The form says what it showed (`had:SCOPE`) beside what is ticked (`has:SCOPE`), so that only what somebody ticked or
//! unticked is changed, whatever others have done meanwhile and whatever the page did not list.

use std::collections::BTreeSet;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use serde_json::{Map, Value, json};

use super::super::chrome::chrome;
use super::super::faults;
use super::super::question::{Doubt, first};
use super::super::server_page::{AROUND, lines};
use super::{Asked, MOST_CHOICES, scope_row, typed};
use crate::domain::Kind;
use crate::domain::catalog::diff_within;
use crate::domain::draft::Draft;
use crate::domain::groups::Groups;
use crate::domain::regroup::Regroup;
use crate::domain::scalar::names;
use crate::web::api::groups::administration;
use crate::web::extract::change::Change;
use crate::web::extract::path::Rest;
use crate::web::extract::questions::Questions;
use crate::web::extract::visitor::PageMember;
use crate::web::links;
use crate::web::problem::Problem;
use crate::web::state::AppState;
use crate::web::view::pages::{Chrome, GroupPage, GroupScope, Section};

/// Servers that are listed.
const MOST_SERVERS: usize = 100;

/// `GET /access/groups/{name}`.
pub(in crate::web) async fn page(
    State(state): State<AppState>,
    PageMember(caller): PageMember,
    Rest(name): Rest,
    Questions(asked): Questions<Asked>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    administration(&state, &caller.identity)?;
    let chrome = chrome(&state, &caller, &headers, Section::Access);
    let groups = state.scopes.groups().await?;
    if !groups.policy().groups().contains_key(&name) {
        return Err(Problem::new(
            Kind::NotFound,
            format!("there is no group `{name}`"),
        ));
    }
    let page = GroupPage {
        is_saved: asked.saved.is_some(),
        ..form(&state, chrome, &groups, &name, &Regroup::default())
    };
    Ok(state.view.page(StatusCode::OK, &page))
}

const DELETE: Doubt = Doubt {
    title: "Remove this group?",
    words: "Whoever is in it loses what it gives, at once. Its scopes stay, and whoever else has them.",
    verb: "Remove",
    section: Section::Access,
};

/// `POST /access/groups/{name}`: `check`, `save` or `delete`. What is refused comes back as it was ticked.
pub(in crate::web) async fn act(
    State(state): State<AppState>,
    Rest(name): Rest,
    change: Change,
) -> Result<Response, Problem> {
    let permit = administration(&state, &change.caller.identity)?;
    let action = typed(&change.draft, "action");
    let here = links::group(&name);
    let wish = wish(&change.draft);
    let groups = state.scopes.groups().await?;
    let had = groups.policy().scopes_for(std::slice::from_ref(&name));
    // A group that has nothing left is no group.
    let leaves_nothing = wish.give.is_empty() && !had.is_empty() && had.is_subset(&wish.take);
    if (action == "delete" || (action == "save" && leaves_nothing))
        && let Some(asking) = first(&state, &change, (&here, &here), DELETE)
    {
        return Ok(asking);
    }
    let tried = match action.as_str() {
        "delete" => {
            state.scopes.disband(&permit, &name).await?;
            return Ok(Redirect::to(links::ACCESS).into_response());
        }
        "save" => match state.scopes.regroup(&permit, &name, &wish).await {
            Ok(()) => return saved(&state, &name).await,
            Err(error) => Err(error),
        },
        _ => state.scopes.preview_regroup(&permit, &name, &wish).await,
    };
    let chrome = chrome(&state, &change.caller, &change.headers, Section::Access);
    let mut page = form(&state, chrome, &groups, &name, &wish);
    let mut status = StatusCode::OK;
    match tried.map_err(Problem::from) {
        Ok((before, after)) => {
            let (before, after) = (given(&before, &name), given(&after, &name));
            page.is_same = before == after;
            let told = diff_within(Some(&before), Some(&after), AROUND);
            page.changes = (!page.is_same).then(|| lines(&told));
        }
        Err(problem) if matches!(problem.kind(), Kind::Invalid | Kind::Conflict) => {
            (status, page.faults) = faults::of(&problem);
        }
        Err(problem) => return Err(problem),
    }
    Ok(state.view.page(status, &page))
}

/// On to the group that was saved, or to the others when nothing is left of it.
async fn saved(state: &AppState, name: &str) -> Result<Response, Problem> {
    let groups = state.scopes.groups().await?;
    let next = if groups.policy().groups().contains_key(name) {
        links::asking(&links::group(name), &[("saved", "yes")])
    } else {
        links::ACCESS.to_owned()
    };
    Ok(Redirect::to(&next).into_response())
}

/// What was ticked, unticked and typed.
fn wish(draft: &Draft) -> Regroup {
    let ticked = |kind: &str| -> BTreeSet<String> {
        let on = draft.0.iter().filter(|(_, value)| value.as_str() == Some("on"));
        on.filter_map(|(field, _)| field.strip_prefix(kind))
            .map(str::to_owned)
            .collect()
    };
    let (had, has) = (ticked("had:"), ticked("has:"));
    let mut give: BTreeSet<String> = has.difference(&had).cloned().collect();
    give.extend(names(&typed(draft, "give")));
    Regroup {
        give,
        take: had.difference(&has).cloned().collect(),
        is_new: false,
    }
}

/// What a group gives, as a document to be compared.
fn given(groups: &Groups, name: &str) -> Map<String, Value> {
    let scopes = groups.policy().scopes_for(&[name.to_owned()]);
    let servers = groups.policy().servers(&scopes);
    Map::from_iter([
        ("scopes".to_owned(), json!(scopes)),
        ("servers".to_owned(), json!(servers)),
    ])
}

/// The form, with what is wished of the group ticked: first the scopes that it has, then the others.
fn form(state: &AppState, chrome: Chrome, groups: &Groups, name: &str, wish: &Regroup) -> GroupPage {
    let policy = groups.policy();
    let admin_scope = state.rights.borrow().admin_scope.clone();
    let had = policy.scopes_for(&[name.to_owned()]);
    let known = policy.scopes().keys().filter(|scope| !had.contains(*scope));
    let (wished, others): (Vec<&String>, Vec<&String>) = known.partition(|scope| wish.give.contains(*scope));
    // What it has can always be unticked; of what it could have the first ones are listed.
    let listed = MOST_CHOICES.saturating_sub(had.len() + wished.len());
    let more = others.len().saturating_sub(listed);
    let others = others.into_iter().take(listed);
    let rows: Vec<&String> = had.iter().chain(wished).chain(others).collect();
    let row = |scope: &&String| GroupScope {
        scope: scope_row(groups, scope, &admin_scope),
        had: had.contains(*scope),
        has: wish.give.contains(*scope) || (had.contains(*scope) && !wish.take.contains(*scope)),
    };
    let servers = policy.servers(&had);
    // What was typed and is no scope stays typed; a name with a comma was not typed.
    let unlisted = wish.give.iter();
    let unlisted = unlisted.filter(|scope| !rows.contains(scope) && !scope.contains(','));
    GroupPage {
        chrome,
        name: name.to_owned(),
        action: links::group(name),
        // That page has commas between groups.
        explain: (!name.contains(',')).then(|| links::asking(links::ACCESS_EXPLAIN, &[("groups", name)])),
        source: groups.group_source(name).as_str(),
        overrides: groups.overrides_group(name),
        is_saved: false,
        scopes: rows.iter().map(row).collect(),
        more,
        give: unlisted.cloned().collect::<Vec<_>>().join(", "),
        may_remove: !had.is_empty(),
        more_servers: servers.len().saturating_sub(MOST_SERVERS),
        servers: servers.into_iter().take(MOST_SERVERS).collect(),
        faults: Vec::new(),
        changes: None,
        is_same: false,
    }
}
