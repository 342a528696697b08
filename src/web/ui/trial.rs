//! "Test the connection": what the form says is asked before it is saved, and nothing of it is kept.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{Redirect, Response};
use serde_json::{Value, json};

use super::{faults, server_form};
use crate::domain::access::Action;
use crate::domain::draft::{Description, Draft};
use crate::domain::path::ServerPath;
use crate::domain::server::Profile;
use crate::domain::{FieldFault, Kind};
use crate::service::trial::{Error, Found};
use crate::web::extract::change::Change;
use crate::web::extract::visitor::is_partial;
use crate::web::links;
use crate::web::problem::Problem;
use crate::web::state::AppState;
use crate::web::view::pages::{Trial, TrialPart};

/// Names of tools that are shown.
const MOST_TOOLS: usize = 24;

/// `GET /register/try`: the form that was tried is gone, as after a change of the colours on its page; a new one.
pub(in crate::web) async fn none() -> Redirect {
    Redirect::to(links::REGISTER)
}

/// `POST /register/try`: the form, with `editing` for a server that there is.
pub(in crate::web) async fn ask(State(state): State<AppState>, change: Change) -> Result<Response, Problem> {
    let editing = match change.draft.0.get("editing").and_then(Value::as_str) {
        Some(path) if !path.is_empty() => Some(
            path.parse::<ServerPath>()
                .map_err(|error| Problem::fields(vec![FieldFault::new("editing", error.to_string())]))?,
        ),
        _ => None,
    };
    let asked = match &editing {
        None => of_new(&state, &change).await,
        Some(path) => of_change(&state, &change, path).await,
    };
    let trial = match asked {
        Ok(Ok(found)) => told(found),
        Ok(Err(Error::Failed(failure))) => {
            silent(format!("The server does not answer as it should: {failure}."))
        }
        Ok(Err(busy @ Error::Busy)) => silent(format!("It was not asked: {busy}.")),
        Err(problem) if problem.kind() == Kind::Forbidden => return Err(problem),
        Err(problem) => refused(&problem),
    };
    Ok(if is_partial(&change.headers) {
        state.view.page(StatusCode::OK, &TrialPart { trial: Some(trial) })
    } else {
        server_form::tried(&state, &change, editing.as_ref(), trial)
    })
}

/// What the server said, or why nobody asked it well; a problem of the form comes before.
type Asked = Result<Result<Found, Error>, Problem>;
type Lines = Vec<(axum::http::HeaderName, axum::http::HeaderValue)>;

async fn of_new(state: &AppState, change: &Change) -> Asked {
    let permit = state.registry.may_register(&change.caller.identity)?;
    // Whether the server answers does not hang on what it will be called.
    let mut draft: Draft = change.draft.clone();
    for (field, word) in [("name", "new"), ("path", "/new")] {
        let is_empty = draft
            .0
            .get(field)
            .and_then(Value::as_str)
            .is_none_or(|text| text.trim().is_empty());
        if is_empty {
            draft.0.insert(field.to_owned(), json!(word));
        }
    }
    let new = draft.new_server(Description::Optional).map_err(Problem::fields)?;
    let lines = state.registry.lines_of_new(&permit, &new).await?;
    Ok(look(state, &new.profile, &lines).await)
}

async fn of_change(state: &AppState, change: &Change, path: &ServerPath) -> Asked {
    let who = &change.caller.identity;
    let (permit, server) = state.registry.may(who, Action::Modify, path).await?;
    let edit = change.draft.changed(&server.profile).map_err(Problem::fields)?;
    let lines = state.registry.lines_of_change(&permit, &server, &edit).await?;
    Ok(look(state, &edit.profile, &lines).await)
}

async fn look(state: &AppState, profile: &Profile, lines: &Lines) -> Result<Found, Error> {
    state.trials.ask(profile, lines).await
}

fn told(found: Found) -> Trial {
    let count = found.tools.len();
    let mut tools = found.tools;
    tools.truncate(MOST_TOOLS);
    let (name, version) = found.names;
    Trial {
        answers: true,
        words: "The server answers.".to_owned(),
        faults: Vec::new(),
        transport: found.transport,
        latency_ms: u64::try_from(found.latency.as_millis()).ok(),
        names: [name, version]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join(" "),
        count,
        tools,
    }
}

/// It was not even asked: something in the form is not right, or something of ours.
fn refused(problem: &Problem) -> Trial {
    if problem.faults().is_empty() {
        return silent(format!(
            "It was not asked: {}.",
            faults::in_prose(problem.detail())
        ));
    }
    Trial {
        faults: faults::of(problem).1,
        ..silent("It was not asked: something in the form is not right.".to_owned())
    }
}

fn silent(words: String) -> Trial {
    Trial {
        answers: false,
        words,
        faults: Vec::new(),
        transport: None,
        latency_ms: None,
        names: String::new(),
        count: 0,
        tools: Vec::new(),
    }
}
