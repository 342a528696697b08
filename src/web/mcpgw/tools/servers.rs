//! The registry's own tools, each the use case of an API call: servers and groups, under the caller's permissions.

use serde_json::{Value, json};

use super::fault::Fault;
use super::{Arguments, Call};
use crate::domain::draft::Description;
use crate::domain::path::ServerPath;
use crate::web::api::record::{health_words, row};
use crate::web::api::{catalog, group_changes, groups, health, management, servers};

pub(super) async fn run(call: Call<'_>, tool: &str, given: Arguments) -> Result<Value, Fault> {
    let (state, who) = (call.state, call.who());
    Ok(match tool {
        "list_services" => {
            let seen = state.registry.list(who).await?;
            let rows: Vec<_> = seen.iter().map(|server| row(state, who, server)).collect();
            json!({"total_count": rows.len(), "services": rows})
        }
        "get_server_details" => {
            let path = named(call, &given).await?;
            servers::details_of(state, who, path.as_str()).await?
        }
        "get_service_tools" => match given.text(&["service_path"]) {
            None | Some("all") => catalog::tools_of(state, who, "all").await?,
            Some(_) => {
                let path = named(call, &given).await?;
                catalog::tools_of(state, who, path.as_str()).await?
            }
        },
        "register_service" => register(call, given).await?,
        "toggle_service" => toggle(call, &given).await?,
        "remove_service" => {
            let path = named(call, &given).await?;
            management::removed(state, who, path.as_str()).await?
        }
        "refresh_service" => {
            let path = named(call, &given).await?;
            health::refreshed(state, who, &path).await?
        }
        "healthcheck" => Value::Object(health::seen_by(state, who)),
        "list_groups" => groups::listed(state, who, given.flag("include_scopes")).await?,
        "create_group" => group_changes::created(state, who, &given.draft()).await?,
        "delete_group" => group_changes::deleted(state, who, &given.draft()).await?,
        "add_server_to_scopes_groups" => group_changes::added(state, who, &given.draft()).await?,
        "remove_server_from_scopes_groups" => group_changes::taken_out(state, who, &given.draft()).await?,
        other => {
            return Err(Fault::new(
                format!("there is no tool `{other}`"),
                "List the tools.",
            ));
        }
    })
}

/// The server that is meant, by path or name.
async fn named(call: Call<'_>, given: &Arguments) -> Result<ServerPath, Fault> {
    let text = given.text(&["service_path"]).unwrap_or_default();
    let path = call.state.registry.named(call.who(), text).await;
    path.map_err(|error| Fault::of_server(error, text))
}

async fn register(call: Call<'_>, given: Arguments) -> Result<Value, Fault> {
    let draft = given.draft();
    let made = servers::create(call.state, (call.who(), &draft), Description::Optional).await;
    let (server, standing) = made?;
    Ok(json!({
        "message": "Service registered successfully",
        "service": row(call.state, call.who(), &server),
        "state": standing.word(),
        "reason": standing.reason(),
        "ignored": draft.unknown(),
    }))
}

/// On when it was off, off when it was on, or as `new_state` says.
async fn toggle(call: Call<'_>, given: &Arguments) -> Result<Value, Fault> {
    let path = named(call, given).await?;
    let now = call.state.registry.visible(call.who(), &path).await?.enabled;
    let wish = given.0.get("new_state").and_then(Value::as_bool);
    let on = wish.unwrap_or(!now);
    let draft = given.clone().draft();
    let (server, standing) = servers::switch(call.state, (call.who(), &draft), &path, on).await?;
    Ok(json!({
        "message": format!("Toggle request for {path} processed."),
        "service_path": path,
        "new_enabled_state": on,
        "status": health_words(call.state, &server),
        "state": standing.word(),
        "reason": standing.reason(),
    }))
}
