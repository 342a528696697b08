//! The tools: which there are, and the way from a name to its code.
//!
//! **Invariants:** the order never changes between two lists; arguments fit the schema that the list shows before a tool
//! sees them; a failure tells a language model what to do next, and never carries a secret.

mod context;
mod fault;
mod find;
mod invoke;
mod list;
mod servers;

use std::sync::LazyLock;

use rmcp::RoleServer;
use rmcp::model::{CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ErrorData, Tool};
use rmcp::service::RequestContext;
use serde_json::{Map, Value};

use self::fault::Fault;
use super::Asking;
use crate::clock::Timestamp;
use crate::domain::catalog::{EntryKind, Kept, fingerprint};
use crate::domain::draft::Draft;
use crate::domain::identity::Identity;
use crate::domain::scalar;
use crate::domain::schema;
use crate::web::body_gate::REQUEST_ID;
use crate::web::state::AppState;

/// One call, and all that a tool may want to know.
#[derive(Clone, Copy)]
pub(super) struct Call<'a> {
    pub(super) state: &'a AppState,
    pub(super) asking: &'a Asking,
    pub(super) context: &'a RequestContext<RoleServer>,
}

impl Call<'_> {
    fn who(&self) -> &Identity {
        &self.asking.who
    }

    /// nginx's id of the request; empty when it told none.
    fn request_id(&self) -> &str {
        let id = self.asking.headers.get(REQUEST_ID);
        id.and_then(|id| id.to_str().ok()).unwrap_or_default()
    }
}

/// What a tool was given.
#[derive(Debug, Default, Clone)]
struct Arguments(Map<String, Value>);

impl Arguments {
    /// The first of these that is there, as text.
    fn text(&self, names: &[&str]) -> Option<&str> {
        let found = names.iter().find_map(|name| self.0.get(*name)?.as_str());
        found.map(str::trim).filter(|text| !text.is_empty())
    }

    fn number(&self, names: &[&str]) -> Option<i64> {
        names.iter().find_map(|name| scalar::whole(self.0.get(*name)?))
    }

    fn flag(&self, name: &str) -> bool {
        self.0.get(name).and_then(scalar::flag).unwrap_or(false)
    }

    fn texts(&self, name: &str) -> Vec<String> {
        let rows = self.0.get(name).and_then(Value::as_array);
        let texts = rows.into_iter().flatten().filter_map(Value::as_str);
        texts.map(str::to_owned).collect()
    }

    fn draft(self) -> Draft {
        Draft(self.0)
    }
}

static ALL: LazyLock<Vec<Tool>> = LazyLock::new(list::tools);

/// All tools, always in the same order.
pub(super) fn all() -> &'static [Tool] {
    &ALL
}

/// How many tools there are.
pub fn count() -> i64 {
    i64::try_from(ALL.len()).unwrap_or(0)
}

/// What they are called.
pub fn names() -> Vec<Box<str>> {
    ALL.iter().map(|tool| Box::from(&*tool.name)).collect()
}

/// The same as entries of the catalogue.
pub(in crate::web) fn own_tools() -> Vec<Kept> {
    let definition = |tool: &Tool| match serde_json::to_value(tool) {
        Ok(Value::Object(definition)) => definition,
        _ => Map::new(),
    };
    let kept = ALL.iter().map(|tool| {
        let definition = definition(tool);
        Kept {
            kind: EntryKind::Tool,
            name: tool.name.to_string(),
            fingerprint: fingerprint(&definition),
            definition,
            since: Timestamp::from_unix(0),
            held: None,
            is_new: false,
        }
    });
    kept.collect()
}

/// Run a tool. What it cannot do is its result; only what is no call of a tool of ours is an error of the protocol.
pub(super) async fn run(
    call: Call<'_>,
    params: CallToolRequestParams,
) -> Result<CallToolResponse, ErrorData> {
    let Some(tool) = ALL.iter().find(|tool| tool.name == params.name) else {
        let words = format!(
            "there is no tool `{}` here; ask `tools/list` for those that there are",
            params.name
        );
        return Err(ErrorData::invalid_params(words, None));
    };
    // Clients of typed languages write null for what is not given.
    let mut arguments = params.arguments.unwrap_or_default();
    arguments.retain(|_, value| !value.is_null());
    let faults = schema::faults(&tool.input_schema, &arguments).unwrap_or_default();
    if !faults.is_empty() {
        return Ok(failed(&Fault::arguments(&tool.name, &faults)));
    }
    let arguments = Arguments(arguments);
    if tool.name == "invoke_mcp_tool" {
        return Ok(match invoke::invoke(call, arguments).await {
            Ok(result) => result.into(),
            Err(fault) => failed(&fault),
        });
    }
    if tool.name == "intelligent_tool_finder" {
        return Ok(match find::find(call, &arguments).await {
            Ok(result) => result.into(),
            Err(fault) => failed(&fault),
        });
    }
    let answer = match &*tool.name {
        "debug_auth_context" => Ok(context::who(call)),
        "get_http_headers" => Ok(context::headers(call)),
        name => servers::run(call, name, arguments).await,
    };
    Ok(match answer {
        Ok(value) => CallToolResult::structured(value).into(),
        Err(fault) => failed(&fault),
    })
}

fn failed(fault: &Fault) -> CallToolResponse {
    CallToolResult::error(vec![ContentBlock::text(fault.to_string())]).into()
}
