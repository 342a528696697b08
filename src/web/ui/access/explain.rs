//! Why somebody may do something, or not: the form and its answer.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

use super::super::chrome::chrome;
use super::super::faults;
use super::MOST_CHOICES;
use crate::domain::{FieldFault, Kind};
use crate::service::explain::{Explained, Question};
use crate::web::api::groups::administration;
use crate::web::extract::questions::Questions;
use crate::web::extract::visitor::PageMember;
use crate::web::problem::Problem;
use crate::web::state::AppState;
use crate::web::view::pages::{Asked, ExplainPage, Section, Verdict};

/// `GET /access/explain`: with no server and no permission asked about, the form alone.
pub(in crate::web) async fn page(
    State(state): State<AppState>,
    PageMember(caller): PageMember,
    Questions(question): Questions<Question>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    administration(&state, &caller.identity)?;
    let is_sent = is_sent(&question);
    let question = said(question);
    let servers = state
        .registry
        .list(&caller.identity)
        .await?
        .into_iter()
        .take(MOST_CHOICES);
    let groups = state.scopes.groups().await?;
    let mut page = ExplainPage {
        chrome: chrome(&state, &caller, &headers, Section::Access),
        asked: asked(&question),
        faults: Vec::new(),
        answer: None,
        servers: servers.map(|server| server.path.to_string()).collect(),
        groups: groups
            .policy()
            .groups()
            .keys()
            .take(MOST_CHOICES)
            .cloned()
            .collect(),
    };
    if question.server.is_none() && question.permission.is_none() {
        if !is_sent {
            return Ok(state.view.page(StatusCode::OK, &page));
        }
        let fault = FieldFault::new("server", "name a server, or a permission in the registry");
        let (status, faults) = faults::of(&Problem::fields(vec![fault]));
        page.faults = faults;
        return Ok(state.view.page(status, &page));
    }
    let told = state.explain.tell(Some(&caller.identity), &question).await;
    let mut status = StatusCode::OK;
    match told.map_err(Problem::from) {
        Ok(told) => page.answer = Some(verdict(told)),
        Err(problem) if problem.kind() == Kind::Invalid => (status, page.faults) = faults::of(&problem),
        Err(problem) => return Err(problem),
    }
    Ok(state.view.page(status, &page))
}

/// Whether the form was sent, which has all fields; a link may say who it is about, and leave the rest to be asked.
fn is_sent(question: &Question) -> bool {
    question.server.is_some() || question.permission.is_some()
}

/// An empty field of a form asks nothing.
fn said(question: Question) -> Question {
    let some = |text: Option<String>| {
        text.map(|text| text.trim().to_owned())
            .filter(|text| !text.is_empty())
    };
    Question {
        user: some(question.user),
        groups: some(question.groups),
        scopes: some(question.scopes),
        server: some(question.server),
        method: some(question.method),
        tool: some(question.tool),
        permission: some(question.permission),
    }
}

fn asked(question: &Question) -> Asked {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    Asked {
        user: text(&question.user),
        groups: text(&question.groups),
        scopes: text(&question.scopes),
        server: text(&question.server),
        method: text(&question.method),
        tool: text(&question.tool),
        permission: text(&question.permission),
    }
}

fn verdict(told: Explained) -> Verdict {
    let explanation = told.explanation;
    let notes = [
        (
            told.local_account,
            "Nobody of this name has a local account; name their groups.",
        ),
        (told.registered, "No such server is registered."),
    ];
    let notes = notes.into_iter().filter(|(is_there, _)| *is_there == Some(false));
    let rule = explanation.decided_by.map(|decider| decider.text);
    // The nearest is what the sentence says already.
    let missing = explanation.missing.into_iter().map(|missing| missing.sentence);
    let missing = missing.filter(|words| *words != explanation.sentence).collect();
    Verdict {
        notes: notes.map(|(_, words)| words).collect(),
        allowed: explanation.allowed,
        sentence: explanation.sentence,
        rule: rule.map(|rule| serde_json::to_string_pretty(&rule).unwrap_or_default()),
        missing,
        would_open: explanation.would_open,
        scopes: told.scopes.into_iter().collect(),
        groups_without_scopes: told.groups_without_scopes,
    }
}
