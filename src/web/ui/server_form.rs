//! The form of a server: registering and editing.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use crate::domain::Kind;
use crate::domain::access::Action;
use crate::domain::audit::{Deed, Event};
use crate::domain::draft::Draft;
use crate::domain::path::ServerPath;
use crate::domain::server::{Profile, Server};
use crate::domain::upstream::UpstreamUrl;
use crate::web::extract::change::Change;
use crate::web::extract::path::Mount;
use crate::web::extract::visitor::PageMember;
use crate::web::links;
use crate::web::problem::Problem;
use crate::web::state::AppState;
use crate::web::view::pages::{Chrome, Fault, Past, Section, ServerForm, Trial};

use super::chrome::chrome;
use super::faults;

/// Fields that lie folded in the form.
const ENDPOINTS: [&str; 2] = ["mcp_endpoint", "sse_endpoint"];
/// The others. What is wrong with a field that the form does not have is said above it.
const FIELDS: [&str; 19] = [
    "",
    "name",
    "server_name",
    "path",
    "proxy_pass_url",
    "description",
    "tags",
    "auth_scheme",
    "auth_credential",
    "auth_header_name",
    "headers",
    "identity_headers",
    "num_tools",
    "num_stars",
    "license",
    "metadata",
    "is_python",
    "pinned",
    "trusted",
];

/// `GET /register`.
pub(in crate::web) async fn new_page(
    State(state): State<AppState>,
    PageMember(caller): PageMember,
    headers: HeaderMap,
) -> Response {
    if let Err(error) = state.registry.may_register(&caller.identity) {
        return Problem::from(error).into_response();
    }
    let chrome = chrome(&state, &caller, &headers, Section::Servers);
    let is_admin = state.rights.borrow().is_administrator(&caller.identity);
    let mut fields = Map::new();
    fields.insert("trusted".to_owned(), json!(is_admin.to_string()));
    state.view.page(
        axum::http::StatusCode::OK,
        &form(chrome, None, fields, Vec::new(), is_admin),
    )
}

/// `GET /edit/{path}`.
pub(in crate::web) async fn edit_page(
    State(state): State<AppState>,
    PageMember(caller): PageMember,
    Mount(path): Mount,
    headers: HeaderMap,
) -> Response {
    let (permit, server) = match state.registry.may(&caller.identity, Action::Modify, &path).await {
        Ok(found) => found,
        Err(error) => return Problem::from(error).into_response(),
    };
    let chrome = chrome(&state, &caller, &headers, Section::Servers);
    let is_admin = state.rights.borrow().is_administrator(&caller.identity);
    let mut page = form(chrome, Some(&path), shown(&server), Vec::new(), is_admin);
    match state.registry.history(&permit, &path).await {
        Ok(events) => page.history = events.iter().map(past).collect(),
        Err(error) => return Problem::from(error).into_response(),
    }
    state.view.page(axum::http::StatusCode::OK, &page)
}

/// The form again, with what was typed and the fault beside its field.
pub(in crate::web) fn refused(
    state: &AppState,
    change: &Change,
    path: Option<&ServerPath>,
    problem: &Problem,
) -> Response {
    let (status, faults) = faults::of(problem);
    state.view.page(status, &again(state, change, path, faults))
}

/// The same of a server that is edited. When somebody else has changed it meanwhile, what is saved now stands beside what
/// was typed, and whoever saves the page again means it.
pub(in crate::web) async fn edit_refused(
    state: &AppState,
    change: &Change,
    path: &ServerPath,
    problem: &Problem,
) -> Response {
    let who = &change.caller.identity;
    if problem.kind() != Kind::Conflict {
        return refused(state, change, Some(path), problem);
    }
    let now = match state.registry.may(who, Action::Modify, path).await {
        Ok((_, server)) => server,
        Err(error) => return Problem::from(error).into_response(),
    };
    let (status, fault) = faults::changed();
    let mut told = vec![fault];
    told.extend(differences(&change.draft, &now));
    let page = ServerForm {
        if_match: now.etag(),
        ..again(state, change, Some(path), told)
    };
    state.view.page(status, &page)
}

/// What is saved of a server where something else was typed.
fn differences(draft: &Draft, now: &Server) -> Vec<Fault> {
    let Ok(typed) = draft.changed(&now.profile) else {
        return Vec::new();
    };
    let trust = typed.trusted.unwrap_or(now.trusted);
    let [typed, saved] = [(&typed.profile, trust), (&now.profile, now.trusted)]
        .map(|(profile, trust)| [written(profile), vec![("trusted", trust.to_string())]].concat());
    let other = saved
        .into_iter()
        .zip(typed)
        .filter(|((_, saved), (_, typed))| saved != typed);
    let named = other.filter(|((field, _), _)| FIELDS.contains(field) || ENDPOINTS.contains(field));
    let told = named.map(|((field, saved), _)| Fault {
        field: field.to_owned(),
        message: match saved.as_str() {
            "" => "What is saved now is empty.".to_owned(),
            saved => format!("What is saved now: {}", shortened(saved)),
        },
    });
    told.collect()
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(300) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// The form again, with what was typed and what the server said when it was tried.
pub(super) fn tried(
    state: &AppState,
    change: &Change,
    path: Option<&ServerPath>,
    mut trial: Trial,
) -> Response {
    let faults = std::mem::take(&mut trial.faults);
    let page = ServerForm {
        trial: Some(trial),
        ..again(state, change, path, faults)
    };
    state.view.page(axum::http::StatusCode::OK, &page)
}

fn again(state: &AppState, change: &Change, path: Option<&ServerPath>, mut faults: Vec<Fault>) -> ServerForm {
    let chrome = chrome(state, &change.caller, &change.headers, Section::Servers);
    let is_admin = state.rights.borrow().is_administrator(&change.caller.identity);
    let unkept = unkept(&change.draft.0, path.is_some());
    let has_unkept = !unkept.is_empty();
    // The first fault of a field is the one that is shown: what was wrong with it before that it is empty now.
    faults.extend(unkept);
    ServerForm {
        has_unkept,
        ..form(chrome, path, change.draft.0.clone(), faults, is_admin)
    }
}

/// Secret fields that were typed: nothing of them comes back, and whoever saves the page again would lose them in silence.
fn unkept(fields: &Map<String, Value>, is_edit: bool) -> Vec<Fault> {
    let text = |field: &str| fields.get(field).and_then(Value::as_str).unwrap_or_default();
    let has_values = text("headers")
        .lines()
        .filter_map(|line| line.split_once(':'))
        .any(|(_, value)| !value.trim().is_empty());
    let typed = [
        ("auth_credential", !text("auth_credential").is_empty()),
        ("headers", has_values),
    ];
    let message = if is_edit {
        "what you typed was not kept; enter it again, or what was saved before stays"
    } else {
        "what you typed was not kept; enter it again"
    };
    let typed = typed.into_iter().filter(|(_, is_typed)| *is_typed);
    typed
        .map(|(field, _)| Fault {
            field: field.to_owned(),
            message: message.to_owned(),
        })
        .collect()
}

fn form(
    chrome: Chrome,
    path: Option<&ServerPath>,
    fields: Map<String, Value>,
    mut faults: Vec<Fault>,
    is_admin: bool,
) -> ServerForm {
    for fault in &mut faults {
        let field = fault.field.as_str();
        if !FIELDS.contains(&field) && !ENDPOINTS.contains(&field) {
            fault.message = format!("{field}: {}", fault.message);
            fault.field.clear();
        }
    }
    let text = |name: &str| match fields.get(name) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => String::new(),
        Some(other) => other.to_string(),
    };
    let name = if fields.contains_key("server_name") {
        text("server_name")
    } else {
        text("name")
    };
    ServerForm {
        chrome,
        action: path.map_or_else(|| links::REGISTER.to_owned(), |path| format!("/edit{path}")),
        editing: path.map(ToString::to_string),
        name,
        path: path.map_or_else(|| text("path"), ToString::to_string),
        proxy_pass_url: text("proxy_pass_url"),
        mcp_endpoint: text("mcp_endpoint"),
        sse_endpoint: text("sse_endpoint"),
        endpoints_at_fault: faults
            .iter()
            .any(|fault| ENDPOINTS.contains(&fault.field.as_str())),
        description: text("description"),
        tags: text("tags"),
        num_tools: text("num_tools"),
        num_stars: text("num_stars"),
        license: text("license"),
        metadata: text("metadata"),
        auth_scheme: Some(text("auth_scheme"))
            .filter(|scheme| !scheme.is_empty())
            .unwrap_or_else(|| "none".to_owned()),
        auth_header_name: text("auth_header_name"),
        headers: names_alone(&text("headers")),
        identity_headers: text("identity_headers") != "false",
        is_python: text("is_python") == "true",
        pinned: text("pinned") == "true",
        if_match: text("if_match"),
        trusted: text("trusted") == "true",
        is_admin,
        trial: None,
        faults,
        has_unkept: false,
        history: Vec::new(),
    }
}

/// Lines `Name: value` without their values: what was typed in secret is not shown again.
fn names_alone(lines: &str) -> String {
    let names = lines.lines().filter_map(|line| line.split_once(':'));
    let names: Vec<String> = names.map(|(name, _)| format!("{}:", name.trim())).collect();
    names.join("\n")
}

pub(super) fn past(event: &Event) -> Past {
    let deed = match event.deed {
        Deed::ServerRegistered => "registered",
        Deed::ServerChanged => "changed",
        Deed::ServerEnabled => "switched on",
        Deed::ServerDisabled => "switched off",
        Deed::ServerRemoved => "removed",
        Deed::ServerTrusted => "marked as trusted",
        Deed::ServerDistrusted => "no longer trusted",
        Deed::CatalogApproved => "changed tools approved",
        Deed::PasswordReset
        | Deed::SessionEnded
        | Deed::TokenRevoked
        | Deed::MachineCreated
        | Deed::MachineRemoved
        | Deed::ScopeChanged
        | Deed::ScopeRemoved
        | Deed::ScopeReset => "",
    };
    Past {
        at: event.at.to_string(),
        actor: event.actor.clone(),
        deed,
    }
}

/// An address that may be missing, as a form field.
fn address(url: Option<&UpstreamUrl>) -> String {
    url.map(ToString::to_string).unwrap_or_default()
}

/// The record as the form shows it.
fn shown(server: &Server) -> Map<String, Value> {
    let fields = written(&server.profile).into_iter();
    let more = [
        ("trusted", server.trusted.to_string()),
        ("if_match", server.etag()),
    ];
    fields
        .chain(more)
        .map(|(name, text)| (name.to_owned(), Value::String(text)))
        .collect()
}

/// What its owner says about a server, as form fields.
fn written(profile: &Profile) -> Vec<(&'static str, String)> {
    let egress = &profile.egress;
    let headers: Vec<String> = egress
        .custom_header_names
        .iter()
        .map(|name| format!("{name}:\n"))
        .collect();
    let metadata = if profile.metadata.is_empty() {
        String::new()
    } else {
        serde_json::to_string_pretty(&profile.metadata).unwrap_or_default()
    };
    vec![
        ("name", profile.name.clone()),
        ("proxy_pass_url", profile.proxy_pass_url.to_string()),
        ("mcp_endpoint", address(profile.mcp_endpoint.as_ref())),
        ("sse_endpoint", address(profile.sse_endpoint.as_ref())),
        ("description", profile.description.clone()),
        ("tags", profile.tags.join(", ")),
        ("num_tools", profile.num_tools.to_string()),
        ("num_stars", profile.num_stars.to_string()),
        ("license", profile.license.clone()),
        ("metadata", metadata),
        ("auth_scheme", egress.auth_scheme.as_str().to_owned()),
        (
            "auth_header_name",
            egress.auth_header_name.clone().unwrap_or_default(),
        ),
        ("headers", headers.concat()),
        ("identity_headers", egress.identity_headers.to_string()),
        ("is_python", profile.is_python.to_string()),
        ("pinned", profile.pinned.to_string()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_secret_and_typed_is_said_to_be_lost_and_nothing_else() {
        let rows = [
            ("", "", ""),
            ("hush", "", "auth_credential"),
            ("", "X-Team: data", "headers"),
            ("", "X-Team:\nX-Other: ", ""),
            ("", "no header at all", ""),
            ("hush", "X-Team:\nX-Other: hush", "auth_credential headers"),
        ];
        for (credential, headers, lost) in rows {
            let fields = json!({"auth_credential": credential, "headers": headers});
            let faults = unkept(fields.as_object().unwrap(), true);
            let fields: Vec<String> = faults.into_iter().map(|fault| fault.field).collect();
            assert_eq!(fields.join(" "), lost, "{credential} {headers}");
        }
    }
}
