//! `invoke_mcp_tool`: call a tool of a registered server, as the caller.

use rmcp::model::{CallToolResult, ProgressNotificationParam, ProgressToken, ResultType};
use serde_json::Value;
use tokio::sync::mpsc;

use super::fault::Fault;
use super::{Arguments, Call};
use crate::domain::access::Rights;
use crate::domain::catalog::{EntryKind, Kept};
use crate::domain::identity::Identity;
use crate::domain::path::ServerPath;
use crate::service::invoke::{Order, Progress};
use crate::web::api::catalog::kept;

/// Notices of progress that wait for a slow reader.
const QUEUE: usize = 16;
/// Tools that are named to whoever asked for one that is not there.
const MOST_NAMES: usize = 30;

pub(super) async fn invoke(call: Call<'_>, given: Arguments) -> Result<CallToolResult, Fault> {
    let (server, tool) = named(&given)?;
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
        return Err(no_tool(
            &call.state.rights.borrow().clone(),
            call.who(),
            (&path, tool),
            &tools,
        ));
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
    let result = read(result).map_err(|unread| match unread {
        Unread::WantsMore => Fault::new(
            format!("`{tool}` of {path} wants more of its caller than this tool can give (input, or a task to wait for)"),
            format!("Call it with an MCP client at its own address: {}{path}/mcp", call.state.site.public_url),
        ),
        Unread::Strange => Fault::new(
            format!("the answer of `{tool}` of {path} cannot be read: it is no result of a tool"),
            "Use another tool, or tell whoever looks after that server.",
        ),
    })?;
    Ok(result)
}

/// The server and the tool that are named. The schema cannot say that one of several words is needed in words that help.
fn named(given: &Arguments) -> Result<(&str, &str), Fault> {
    let lacking = |field: &str, about: &str| {
        Fault::new(
            format!("`invoke_mcp_tool` needs `{field}`: {about}"),
            "Add it and call again; `intelligent_tool_finder` shows both.",
        )
    };
    let server = given.text(&["server_name", "service_path", "path"]);
    let server = server.ok_or_else(|| {
        lacking(
            "server_name",
            "the server's path such as `/currenttime`, or its name",
        )
    })?;
    let tool = given.text(&["tool_name"]);
    let tool = tool.ok_or_else(|| lacking("tool_name", "the tool's name"))?;
    Ok((server, tool))
}

/// Why an answer cannot be passed on.
#[derive(Debug, PartialEq, Eq)]
enum Unread {
    /// It is no end yet.
    WantsMore,
    /// It is no answer to a call.
    Strange,
}

/// The tool's own result.
fn read(result: Value) -> Result<CallToolResult, Unread> {
    let kind = result.get("resultType").and_then(Value::as_str);
    let wants_more = match kind {
        Some(kind) => matches!(kind, "input_required" | "task"),
        // Tasks of 2025-11-25 have no such word.
        None => result.get("task").is_some_and(Value::is_object),
    };
    let unread = if wants_more {
        Unread::WantsMore
    } else {
        Unread::Strange
    };
    let mut result: CallToolResult = serde_json::from_value(result).map_err(|_| unread)?;
    // A legacy server's answer may go to a modern caller, who must be told that it is whole; the library takes the word
    // away for others.
    result.result_type = Some(ResultType::COMPLETE);
    Ok(result)
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
    let path = call.state.registry.named(call.who(), bare).await;
    path.map_err(|error| Fault::of_server(error, text))
}

/// They may call it, and it is not there. What is there is named, if they may call it and somebody has approved it.
fn no_tool(rights: &Rights, who: &Identity, (path, tool): (&ServerPath, &str), tools: &[&Kept]) -> Fault {
    let callable = rights.callable(who, path);
    let seen = tools
        .iter()
        .filter(|kept| !kept.is_held() && callable.has(&kept.name));
    let names: Vec<&str> = seen.map(|kept| kept.name.as_str()).take(MOST_NAMES).collect();
    let next = if names.is_empty() {
        "Ask `intelligent_tool_finder` for another one.".to_owned()
    } else {
        format!("Its tools that you may call: {}.", names.join(", "))
    };
    Fault::new(format!("{path} has no tool `{tool}`"), next)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::domain::policy::Policy;
    use serde_json::{Map, json};

    #[test]
    fn what_is_no_result_says_why() {
        let rows = [
            (json!({"content": []}), None),
            (
                json!({"resultType": "complete", "content": [], "isError": true}),
                None,
            ),
            (json!({"structuredContent": {"a": 1}}), None),
            (
                json!({"resultType": "input_required", "inputRequests": {}}),
                Some(Unread::WantsMore),
            ),
            (
                json!({"resultType": "task", "taskId": "1"}),
                Some(Unread::WantsMore),
            ),
            (
                json!({"task": {"taskId": "1", "status": "working"}}),
                Some(Unread::WantsMore),
            ),
            (
                json!({"resultType": "poem", "content": []}),
                Some(Unread::Strange),
            ),
            (json!({"content": "text"}), Some(Unread::Strange)),
            (json!({}), Some(Unread::Strange)),
            (json!([1]), Some(Unread::Strange)),
            (Value::Null, Some(Unread::Strange)),
        ];
        for (result, expected) in rows {
            let read = read(result.clone());
            if let Ok(read) = &read {
                assert_eq!(read.result_type, Some(ResultType::COMPLETE), "{result}");
            }
            assert_eq!(read.err(), expected, "{result}");
        }
    }

    #[test]
    fn what_is_missing_is_named_and_nothing_given_is_repeated() {
        let given = |value: Value| Arguments(value.as_object().unwrap().clone());
        let rows = [
            (json!({"auth_token": "s3cret", "tool_name": "x"}), "`server_name`"),
            (
                json!({"auth_token": "s3cret", "server_name": " ", "tool_name": "x"}),
                "`server_name`",
            ),
            (
                json!({"auth_token": "s3cret", "server_name": "/a"}),
                "`tool_name`",
            ),
        ];
        for (arguments, word) in rows {
            let said = named(&given(arguments.clone())).unwrap_err().to_string();
            assert!(
                said.contains(word) && !said.contains("s3cret"),
                "{arguments}: {said}"
            );
        }
        for field in ["server_name", "service_path", "path"] {
            let arguments = given(json!({field: "/a", "tool_name": "x"}));
            assert_eq!(named(&arguments).unwrap(), ("/a", "x"), "{field}");
        }
    }

    #[test]
    fn only_approved_tools_of_the_callers_are_named() {
        let policy = "some: [{server: w, methods: [tools/call], tools: [open, new, changed]}]\n\
                      list: [{server: w, methods: [tools/list], tools: ['*']}]";
        let rights = Rights {
            policy: Policy::parse(policy).unwrap(),
            admin_scope: "boss".to_owned(),
        };
        let kept = |name: &str, held: Option<Map<String, Value>>, is_new: bool| Kept {
            kind: EntryKind::Tool,
            name: name.to_owned(),
            definition: Map::new(),
            fingerprint: String::new(),
            since: Timestamp::from_unix(0),
            held,
            is_new,
        };
        let all = [
            kept("open", None, false),
            kept("closed", None, false),
            kept("new", None, true),
            kept("changed", Some(Map::new()), false),
        ];
        let all: Vec<&Kept> = all.iter().collect();
        let path: ServerPath = "/w".parse().unwrap();
        let said =
            |scopes: &[&str]| no_tool(&rights, &Identity::sample(scopes), (&path, "x"), &all).to_string();
        assert_eq!(
            said(&["some", "list"]),
            "/w has no tool `x`. Its tools that you may call: open."
        );
        assert!(said(&["list"]).ends_with("Ask `intelligent_tool_finder` for another one."));
    }
}
