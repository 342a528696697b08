//! One scope as a text: checked, saved, removed, given back to the file.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};

use super::super::chrome::chrome;
use super::super::faults;
use super::super::question::{Doubt, first_of};
use super::super::server_page::{AROUND, lines};
use super::typed;
use crate::domain::access::Permit;
use crate::domain::catalog::diff_within;
use crate::domain::groups::{Groups, Source};
use crate::domain::{FieldFault, Kind};
use crate::web::api::groups::administration;
use crate::web::extract::change::Change;
use crate::web::extract::path::Rest;
use crate::web::extract::visitor::PageMember;
use crate::web::links;
use crate::web::problem::Problem;
use crate::web::state::AppState;
use crate::web::view::pages::{Chrome, Diff, ScopePage, Section};

/// Where a new scope begins.
const NEW: &str = "scope_name: readers
description: who reads the weather
group_mappings: [readers]
server_access:
  - server: weather
    methods: [initialize, tools/list, tools/call]
    tools: ['*']
ui_permissions:
  list_service: [weather]
";

/// `GET /access/scopes`: the form of a new one.
pub(in crate::web) async fn new_page(
    State(state): State<AppState>,
    PageMember(caller): PageMember,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    administration(&state, &caller.identity)?;
    let chrome = chrome(&state, &caller, &headers, Section::Access);
    let page = form(chrome, None, &state.scopes.groups().await?, NEW.to_owned());
    Ok(state.view.page(StatusCode::OK, &page))
}

/// `GET /access/scopes/{name}`.
pub(in crate::web) async fn page(
    State(state): State<AppState>,
    PageMember(caller): PageMember,
    Rest(name): Rest,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    administration(&state, &caller.identity)?;
    let chrome = chrome(&state, &caller, &headers, Section::Access);
    let groups = state.scopes.groups().await?;
    let document = groups.policy().document(&name).ok_or_else(|| unknown(&name))?;
    let text = document.to_yaml();
    let text = text.map_err(|error| Problem::new(Kind::Internal, error.to_string()))?;
    let page = form(chrome, Some(&name), &groups, text);
    Ok(state.view.page(StatusCode::OK, &page))
}

fn unknown(name: &str) -> Problem {
    Problem::new(Kind::NotFound, format!("there is no scope `{name}`"))
}

fn form(chrome: Chrome, name: Option<&str>, groups: &Groups, text: String) -> ScopePage {
    ScopePage {
        chrome,
        name: name.unwrap_or_default().to_owned(),
        action: name.map_or_else(|| links::ACCESS_SCOPES.to_owned(), links::scope),
        text,
        source: name.map_or(Source::Store, |name| groups.source(name)).as_str(),
        overrides: name.is_some_and(|name| groups.overrides_file(name)),
        faults: Vec::new(),
        changes: None,
        is_same: false,
        is_known: name.is_some_and(|name| groups.policy().knows(name)),
    }
}

/// `POST /access/scopes`.
pub(in crate::web) async fn act_on_new(
    State(state): State<AppState>,
    change: Change,
) -> Result<Response, Problem> {
    written(&state, &change, None).await
}

const DELETE: Doubt = Doubt {
    title: "Remove this scope?",
    words: "Whoever holds it loses what it allows, at once; the group of its name goes too.",
    verb: "Remove",
    section: Section::Access,
};
const RESET: Doubt = Doubt {
    title: "Give it back to the file?",
    words: "What was changed here is forgotten.",
    verb: "Give back",
    section: Section::Access,
};

/// `POST /access/scopes/{name}`.
pub(in crate::web) async fn act(
    State(state): State<AppState>,
    Rest(name): Rest,
    change: Change,
) -> Result<Response, Problem> {
    let permit = administration(&state, &change.caller.identity)?;
    let action = typed(&change.draft, "action");
    let here = links::scope(&name);
    let doubts = [("delete", DELETE), ("reset", RESET)];
    if let Some(asking) = first_of(&state, &change, (&here, &here), (&action, &doubts)) {
        return Ok(asking);
    }
    match action.as_str() {
        "delete" => state.scopes.delete(&permit, &name, true).await?,
        "reset" => state.scopes.reset(&permit, &name).await?,
        _ => return written(&state, &change, Some(&name)).await,
    }
    let groups = state.scopes.groups().await?;
    if groups.policy().knows(&name) {
        return Ok(Redirect::to(&links::scope(&name)).into_response());
    }
    Ok(Redirect::to(links::ACCESS).into_response())
}

/// Check what was written, or save it. A refused text comes back as it was typed.
async fn written(state: &AppState, change: &Change, name: Option<&str>) -> Result<Response, Problem> {
    let permit = administration(state, &change.caller.identity)?;
    let text = typed(&change.draft, "text");
    let saves = typed(&change.draft, "action") == "save";
    let outcome = try_text(state, &permit, (&text, name), saves).await;
    if let (Ok((saved, _)), true) = (&outcome, saves) {
        return Ok(Redirect::to(&links::scope(saved)).into_response());
    }
    let chrome = chrome(state, &change.caller, &change.headers, Section::Access);
    let mut page = form(chrome, name, &state.scopes.groups().await?, text);
    let mut status = StatusCode::OK;
    match outcome {
        Ok((_, changes)) => {
            page.is_same = changes.is_none();
            page.changes = changes;
        }
        Err(problem) => (status, page.faults) = faults::of(&problem),
    }
    Ok(state.view.page(status, &page))
}

/// The name of the scope that a text is of, and what it changes; none when it says what holds already.
async fn try_text(
    state: &AppState,
    permit: &Permit,
    (text, name): (&str, Option<&str>),
    saves: bool,
) -> Result<(String, Option<Diff>), Problem> {
    let previews = state.scopes.preview(permit, text).await?;
    let [preview] = previews.as_slice() else {
        let words = "expected one scope, with its `scope_name`";
        return Err(Problem::fields(vec![FieldFault::new("text", words)]));
    };
    if name.is_some_and(|name| name != preview.name) {
        let words = format!(
            "this is the scope `{}`; its name cannot change here",
            preview.name
        );
        return Err(Problem::fields(vec![FieldFault::new("scope_name", words)]));
    }
    if name.is_none() && preview.before.is_some() {
        let words = format!("there is a scope `{}` already", preview.name);
        return Err(Problem::fields(vec![FieldFault::new("scope_name", words)]));
    }
    let (before, after) = (preview.before.as_ref(), Some(&preview.after));
    let changes = (before != after).then(|| lines(&diff_within(before, after, AROUND)));
    if saves {
        state.scopes.import_text(permit, text).await?;
    }
    Ok((preview.name.clone(), changes))
}
