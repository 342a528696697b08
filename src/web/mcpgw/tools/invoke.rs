//! `invoke_mcp_tool`: call a tool of a registered server, as the caller.

use rmcp::model::{CallToolResult, ProgressNotificationParam, ProgressToken, ResultType};
use serde_json::Value;
use tokio::sync::mpsc;

use super::fault::Fault;
use super::{Arguments, Call};
use crate::domain::access::LISTS;
use crate::domain::catalog::{EntryKind, Kept};
use crate::domain::path::ServerPath;
use crate::service::invoke::{Order, Progress};
use crate::web::api::catalog::kept;

/// Notices of progress that wait for a slow reader.
const QUEUE: usize = 16;
/// Tools that are named to whoever asked for one that is not there.
const MOST_NAMES: usize = 30;

pub(super) async fn invoke(call: Call<'_>, given: Arguments) -> Result<CallToolResult, Fault> {
    let server = given
        .text(&["server_name", "service_path", "path"])
        .unwrap_or_default();
    let tool = given.text(&["tool_name"]).unwrap_or_default();
    let path = find(call, server).await?;
    let invoke = &call.state.invoke;
    let refused = |error| Fault::of_call(&error, tool, path.as_str());
    // Before anything is said of the tool.
    let asked = invoke.ask(call.who(), &path, tool, call.request_id());
    asked.await.map_err(refused)?;
    let all = kept(call.state, &path).await?;
    let tools: Vec<&Kept> = all.iter().filter(|kept| kept.kind == EntryKind::Tool).collect();
    let known = tools.iter().find(|kept| kept.name == tool);
    if known.is_none() && !tools.is_empty() {
        return Err(no_tool(call, &path, tool, &tools));
    }
    let token = call.context.meta.get_progress_token();
    let (heard, mut hears) = mpsc::channel(QUEUE);
    let order = Order {
        server: &path,
        tool,
        arguments: match given.0.get("arguments") {
            Some(Value::Object(arguments)) => arguments.clone(),
            _ => serde_json::Map::new(),
        },
        definition: known.map(|kept| &kept.definition),
        known: call
            .state
            .monitor
            .state(&path)
            .and_then(|state| state.health.transport),
        heard: token.is_some().then_some(heard),
        request_id: call.request_id(),
    };
    let called = invoke.call(call.who(), order, call.context.ct.clone().cancelled_owned());
    let passing = async {
        while let (Some(progress), Some(token)) = (hears.recv().await, &token) {
            pass_on(call, token, progress).await;
        }
    };
    // The sender goes with the call, so the passing ends behind the last notice.
    let (result, ()) = tokio::join!(called, passing);
    let result = result.map_err(refused)?;
    let result: Result<CallToolResult, _> = serde_json::from_value(result);
    // A legacy server's answer may go to a modern caller, who must be told that it is whole; the library takes the word
    // away for others.
    let whole = |mut result: CallToolResult| {
        result.result_type = Some(ResultType::COMPLETE);
        result
    };
    result.map(whole).map_err(|_| {
        Fault::new(
            format!("`{tool}` of {path} wants more of its caller than this tool can give (input, or a task to wait for)"),
            format!("Call it with an MCP client at its own address: {}{path}/mcp", call.state.site.public_url),
        )
    })
}

/// A server by its path or name, as earlier clients write it too (`/currenttime/`, or the address of its mount).
async fn find(call: Call<'_>, text: &str) -> Result<ServerPath, Fault> {
    let public = call.state.site.public_url.as_str();
    let bare = text.strip_prefix(public).unwrap_or(text);
    let bare = bare
        .strip_suffix("/mcp")
        .or_else(|| bare.strip_suffix("/sse"))
        .unwrap_or(bare);
    if bare.trim_matches('/') == ServerPath::ours().name() {
        return Err(Fault::new(
            "This is the server that you are talking to",
            "Call the tool itself.",
        ));
    }
    let registry = &call.state.registry;
    let unknown = |_| Fault::no_server(text);
    let path = registry.named(call.who(), bare).await.map_err(unknown)?;
    registry.visible(call.who(), &path).await.map_err(unknown)?;
    Ok(path)
}

fn no_tool(call: Call<'_>, path: &ServerPath, tool: &str, tools: &[&Kept]) -> Fault {
    let rights = call.state.rights.borrow().clone();
    let list = LISTS.iter().find(|list| list.method == "tools/list");
    let names = tools.iter().map(|kept| kept.name.as_str());
    let seen =
        names.filter(|name| list.is_some_and(|list| rights.may_see_entry(call.who(), path, list, name)));
    let names: Vec<&str> = seen.take(MOST_NAMES).collect();
    Fault::new(
        format!("{path} has no tool `{tool}`"),
        format!("Its tools that you may call: {}.", names.join(", ")),
    )
}

async fn pass_on(call: Call<'_>, token: &ProgressToken, progress: Progress) {
    let number = |field: &str| progress.get(field).and_then(Value::as_f64);
    let Some(so_far) = number("progress") else { return };
    let mut notice = ProgressNotificationParam::new(token.clone(), so_far);
    if let Some(total) = number("total") {
        notice = notice.with_total(total);
    }
    if let Some(message) = progress.get("message").and_then(Value::as_str) {
        notice = notice.with_message(message);
    }
    // A caller who left hears nothing more; the call itself notices.
    drop(call.context.peer.notify_progress(notice).await);
}
