//! Groups in the words of earlier clients (`GET /api/servers/groups`; contract, section 1.3), for administrators.
//!
//! A group there is a group of people and a scope of the same name. Every answer says whether the scopes file or the
//! store holds.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::domain::Kind;
use crate::domain::access::{Call, Permit, decide};
use crate::domain::groups::{Groups, Source};
use crate::domain::identity::Identity;
use crate::web::extract::path::Rest;
use crate::web::extract::visitor::Member;
use crate::web::problem::Problem;
use crate::web::state::AppState;

/// Leave for what is for administrators alone.
pub(in crate::web) fn administration(state: &AppState, who: &Identity) -> Result<Permit, Problem> {
    decide(who, &Call::Administration, &state.rights.borrow()).map_err(|_| {
        Problem::new(
            Kind::Forbidden,
            "Administrator permissions are required for this operation",
        )
    })
}

/// What a list shows.
#[derive(Debug, Deserialize)]
pub(in crate::web) struct Shown {
    include_scopes: Option<bool>,
}

/// `GET /api/servers/groups`.
pub(in crate::web) async fn list(
    State(state): State<AppState>,
    Member(caller): Member,
    shown: Result<Query<Shown>, QueryRejection>,
) -> Result<Json<Value>, Problem> {
    let Query(shown) = shown.map_err(|error| Problem::new(Kind::Invalid, error.body_text()))?;
    let with_scopes = shown.include_scopes.unwrap_or(true);
    listed(&state, &caller.identity, with_scopes).await.map(Json)
}

/// All groups, and what their scopes say if that is wanted.
pub(in crate::web) async fn listed(
    state: &AppState,
    who: &Identity,
    with_scopes: bool,
) -> Result<Value, Problem> {
    administration(state, who)?;
    let groups = state.scopes.groups().await?;
    let policy = groups.policy();
    let rows: Vec<Value> = policy.groups().keys().map(|name| row(&groups, name)).collect();
    let mut scopes = Map::new();
    if with_scopes {
        let names = policy.scopes().keys();
        scopes.extend(names.map(|name| (name.clone(), Value::Object(shown_scope(&groups, name)))));
    }
    let names: Vec<&String> = policy.groups().keys().collect();
    Ok(json!({
        "groups": rows,
        "scopes_groups": scopes,
        "hidden": groups.hidden(),
        "keycloak_groups": [],
        "synchronized": [],
        "keycloak_only": [],
        "scopes_only": names,
    }))
}

/// One group. It is in step when every scope that it has says something.
fn row(groups: &Groups, name: &str) -> Value {
    let policy = groups.policy();
    let scopes = policy.groups().get(name);
    let known = |scope: &String| policy.scopes().contains_key(scope);
    json!({
        "name": name,
        "description": policy.scopes().get(name).map_or("", |scope| &scope.description),
        "scopes": scopes,
        "source": groups.group_source(name).as_str(),
        "overrides_file": groups.overrides_group(name),
        "synced": scopes.is_none_or(|scopes| scopes.iter().all(known)),
    })
}

fn shown_scope(groups: &Groups, name: &str) -> Map<String, Value> {
    let document = groups.policy().document(name);
    let mut fields = document.map(|document| document.value()).unwrap_or_default();
    fields.insert("source".to_owned(), json!(groups.source(name).as_str()));
    fields.insert("overrides_file".to_owned(), json!(groups.overrides_file(name)));
    fields
}

/// Who says now what these scopes are.
pub(super) async fn sources(state: &AppState, names: &[String]) -> Result<Map<String, Value>, Problem> {
    let groups = state.scopes.groups().await?;
    let standing = |name: &String| {
        let (source, overrides_file) = (groups.source(name).as_str(), groups.overrides_file(name));
        json!({"source": source, "overrides_file": overrides_file})
    };
    Ok(names.iter().map(|name| (name.clone(), standing(name))).collect())
}

/// `GET /api/servers/groups/{name}`: the scope of this name, and what the group of this name has.
pub(in crate::web) async fn show(
    State(state): State<AppState>,
    Member(caller): Member,
    Rest(name): Rest,
) -> Result<Json<Map<String, Value>>, Problem> {
    administration(&state, &caller.identity)?;
    let groups = state.scopes.groups().await?;
    let policy = groups.policy();
    let has = policy.groups().get(&name);
    let mut fields = if policy.knows(&name) {
        shown_scope(&groups, &name)
    } else if has.is_some() {
        let source: Source = groups.group_source(&name);
        Map::from_iter([("source".to_owned(), json!(source.as_str()))])
    } else {
        return Err(Problem::new(Kind::NotFound, format!("Group not found: {name}")));
    };
    fields.insert("group_name".to_owned(), json!(name));
    fields.insert("scopes".to_owned(), json!(has));
    Ok(Json(fields))
}
