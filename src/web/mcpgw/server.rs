//! What the protocol library asks of a server: who we are, which tools there are, and a call of one.

use std::borrow::Cow;

use axum::http::request::Parts;
use rmcp::model::{
    CacheScope, CallToolRequestParams, CallToolResponse, DiscoverResult, ErrorData, Implementation,
    ListToolsResult, PaginatedRequestParams, ServerCapabilities, ServerConfig, Tool,
};
use rmcp::service::RequestContext;
use rmcp::{RoleServer, ServerHandler};

use super::{Asking, tools};
use crate::web::state::AppState;

/// A client may keep our lists so long. They are one caller's own, because rights cut them.
const FRESH_MS: u64 = 60_000;

const INSTRUCTIONS: &str = "Tools of many MCP servers are behind this gateway. To use one: ask `intelligent_tool_finder` \
    what you want to do, read the `tool_schema` of the best answer, then call it with `invoke_mcp_tool` and arguments \
    that fit that schema. The other tools look after the registry; what you may do there depends on your permissions.";

/// One for all callers: it keeps nothing of them.
#[derive(Debug, Clone)]
pub(super) struct Server {
    state: AppState,
}

impl Server {
    pub(super) fn new(state: AppState) -> Self {
        Self { state }
    }
}

impl ServerHandler for Server {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder().enable_tools().build();
        ServerConfig::new(capabilities)
            .with_server_info(Implementation::new("mcpgw", env!("CARGO_PKG_VERSION")))
            .with_instructions(INSTRUCTIONS)
    }

    async fn discover(&self, _: RequestContext<RoleServer>) -> Result<DiscoverResult, ErrorData> {
        let versions = self.supported_protocol_versions();
        let found = DiscoverResult::from_server_info(Cow::into_owned(versions), self.get_info());
        Ok(found.with_ttl_ms(FRESH_MS).with_cache_scope(CacheScope::Private))
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let list = ListToolsResult::with_all_items(tools::all().to_vec());
        Ok(list.with_ttl_ms(FRESH_MS).with_cache_scope(CacheScope::Private))
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        tools::all().iter().find(|tool| tool.name == name).cloned()
    }

    async fn call_tool(
        &self,
        params: CallToolRequestParams,
        mut context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let head = context.extensions.get::<Parts>();
        let asking = head.and_then(|head| head.extensions.get::<Asking>()).cloned();
        let asking = asking.ok_or_else(|| ErrorData::internal_error("nobody is known to be asking", None))?;
        if let Some(left) = &asking.left {
            context.ct = left.clone();
        }
        let call = tools::Call {
            state: &self.state,
            asking: &asking,
            context: &context,
        };
        Box::pin(tools::run(call, params)).await
    }
}
