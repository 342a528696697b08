//! One scope as a text: checked, saved, removed, given back to the file.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};

use super::super::chrome::chrome;
use super::super::faults;
use super::super::question::{Doubt, first_of};
use super::super::server_page::{AROUND, lines};
use super::{Asked, typed};
use crate::domain::access::Permit;
use crate::domain::catalog::diff_within;
use crate::domain::groups::{Groups, Refused, Source};
use crate::domain::identity::Identity;
use crate::domain::scope::Rule;
use crate::domain::scope_document::ScopeDocument;
use crate::domain::{FieldFault, Kind};
use crate::service::scopes::{Error, Preview, etag};
use crate::web::api::groups::administration;
use crate::web::extract::change::Change;
use crate::web::extract::path::Rest;
use crate::web::extract::questions::Questions;
use crate::web::extract::visitor::PageMember;
use crate::web::links;
use crate::web::problem::Problem;
use crate::web::state::AppState;
use crate::web::view::pages::{Chrome, ScopePage, Section};

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
    Questions(questions): Questions<Asked>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    administration(&state, &caller.identity)?;
    let chrome = chrome(&state, &caller, &headers, Section::Access);
    let groups = state.scopes.groups().await?;
    let document = groups.policy().document(&name).ok_or_else(|| unknown(&name))?;
    let text = document.to_yaml();
    let text = text.map_err(|error| Problem::new(Kind::Internal, error.to_string()))?;
    let page = ScopePage {
        if_match: etag(Some(&document.value())),
        is_saved: questions.saved.is_some(),
        unknown_servers: unknown_servers(&state, &caller.identity, &document).await?,
        ..form(chrome, Some(&name), &groups, text)
    };
    Ok(state.view.page(StatusCode::OK, &page))
}

/// Names in a scope's rules by which no server is called: whoever mistypes one is told, and nothing is refused, since a
/// scope may be there before its servers.
async fn unknown_servers(
    state: &AppState,
    who: &Identity,
    document: &ScopeDocument,
) -> Result<Vec<String>, Problem> {
    let servers = state.registry.list(who).await?;
    let is_known = |rule: &&Rule| {
        let mut known = servers.iter();
        known.any(|server| rule.names_server(&server.path) || rule.names(&server.profile.name))
    };
    let rules = document.scope.rules.iter().filter(|rule| !is_known(rule));
    Ok(rules
        .filter_map(|rule| rule.server().map(str::to_owned))
        .collect())
}

fn unknown(name: &str) -> Problem {
    Problem::new(Kind::NotFound, format!("there is no scope `{name}`"))
}

fn form(chrome: Chrome, name: Option<&str>, groups: &Groups, text: String) -> ScopePage {
    ScopePage {
        chrome,
        name: name.unwrap_or_default().to_owned(),
        if_match: String::new(),
        action: name.map_or_else(|| links::ACCESS_SCOPES.to_owned(), links::scope),
        text,
        is_saved: false,
        unknown_servers: Vec::new(),
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
    let chrome = chrome(state, &change.caller, &change.headers, Section::Access);
    let if_match = change.draft.0.get("if_match").and_then(|etag| etag.as_str());
    let mut page = ScopePage {
        if_match: if_match.unwrap_or_default().to_owned(),
        ..form(chrome, name, &state.scopes.groups().await?, text.clone())
    };
    let preview = match try_text(state, &permit, (&text, name)).await {
        Ok(preview) => preview,
        Err(problem) => return Ok(refused(state, page, &problem)),
    };
    let mut status = StatusCode::OK;
    if saves {
        let new = preview.document.clone();
        match state.scopes.replace(&permit, new, if_match).await {
            Ok(()) => {
                let here = links::asking(&links::scope(&preview.document.name), &[("saved", "yes")]);
                return Ok(Redirect::to(&here).into_response());
            }
            // What is different now is shown below, and whoever saves the page again means it.
            Err(Error::Refused(Refused::Changed)) => {
                page.if_match = etag(preview.before.as_ref());
                let fault;
                (status, fault) = faults::changed();
                page.faults = vec![fault];
            }
            Err(error) => return Ok(refused(state, page, &Problem::from(error))),
        }
    }
    let (before, after) = (preview.before.as_ref(), preview.document.value());
    page.changes = (before != Some(&after)).then(|| lines(&diff_within(before, Some(&after), AROUND)));
    page.is_same = page.changes.is_none();
    page.unknown_servers = unknown_servers(state, &change.caller.identity, &preview.document).await?;
    Ok(state.view.page(status, &page))
}

fn refused(state: &AppState, page: ScopePage, problem: &Problem) -> Response {
    let (status, faults) = faults::of(problem);
    state.view.page(status, &ScopePage { faults, ..page })
}

/// What a text would make of the one scope that it is of.
async fn try_text(
    state: &AppState,
    permit: &Permit,
    (text, name): (&str, Option<&str>),
) -> Result<Preview, Problem> {
    let previews = state.scopes.preview(permit, text).await?;
    let Ok([preview]) = <[Preview; 1]>::try_from(previews) else {
        let words = "expected one scope, with its `scope_name`";
        return Err(Problem::fields(vec![FieldFault::new("text", words)]));
    };
    let stated = &preview.document.name;
    if name.is_some_and(|name| name != stated) {
        let words = format!("this is the scope `{stated}`; its name cannot change here");
        return Err(Problem::fields(vec![FieldFault::new("scope_name", words)]));
    }
    if name.is_none() && preview.before.is_some() {
        let words = format!("there is a scope `{stated}` already");
        return Err(Problem::fields(vec![FieldFault::new("scope_name", words)]));
    }
    Ok(preview)
}
